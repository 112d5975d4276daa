"""Batches from shards: the same whatever the workers, the resume and the number of processes."""

from __future__ import annotations

import os
import pickle
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.synthetic_shards import write_rows, write_shards
from vaemo_clips.errors import ShardError, TrainingError
from vaemo_train.data.batch import Batch, seed_of
from vaemo_train.data.dataset import BOTH, PICTURE_ONLY, SOUND_ONLY, EvenWindows, WindowDataset, WindowKey
from vaemo_train.data.loader import make_loader, window_bytes
from vaemo_train.data.sampler import DistinctWindows, WindowBatchSampler
from vaemo_train.data.window import NUM_FRAMES, NUM_SAMPLES, eval_windows
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.row import ShardSettings

SETTINGS = ShardSettings(size_px=64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ShardFolder:
    """20 clips in 24 rows: with both, with a picture only, with sound only; four of them in two rows."""
    path = write_shards(
        tmp_path_factory.mktemp("data") / "shards",
        20,
        modality=["both", "both", "both", "video", "audio"],
        seconds=[4.0, 2.7, 1.0, 5.0, 11.0],
        settings=SETTINGS,
    )
    return ShardFolder.open(path)


def passes(folder: ShardFolder, workers: int, epochs: int = 2, start_batch: int = 0) -> list[Batch]:
    """All batches of some epochs, of which the first begins at `start_batch`."""
    dataset = WindowDataset(folder, seed=3)
    sampler = WindowBatchSampler(dataset.kinds, 3, seed=3)
    sampler.start_batch = start_batch
    loader = make_loader(dataset, sampler, workers)
    found = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        found += [{name: tensor.clone() for name, tensor in batch.items()} for batch in loader]
    return found


def assert_equal(one: list[Batch], other: list[Batch]) -> None:
    assert len(one) == len(other)
    for left, right in zip(one, other, strict=True):
        assert left.keys() == right.keys()
        for name in left:
            assert torch.equal(left[name], right[name]), name


def test_the_number_of_workers_changes_nothing(folder: ShardFolder) -> None:
    alone = passes(folder, workers=0)
    for workers in (1, 2):
        assert_equal(passes(folder, workers), alone)
    first, second = alone[: len(alone) // 2], alone[len(alone) // 2 :]
    assert [b["row_number"].tolist() for b in first] != [b["row_number"].tolist() for b in second]
    assert len({int(batch["batch_seed"]) for batch in alone}) == len(alone)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resume_at_batch_k_is_the_tail_of_the_epoch(folder: ShardFolder, workers: int) -> None:
    whole = passes(folder, 0)
    assert_equal(passes(folder, workers, start_batch=5), whole[5:])


def test_a_batch_has_the_contract_s_keys_shapes_and_types(folder: ShardFolder) -> None:
    dataset = WindowDataset(folder)
    kinds = dataset.kinds.tolist()
    always = {"clip_number": torch.int64, "row_number": torch.int64, "window_begin_s": torch.float64}
    picture = {"frames": torch.uint8, "is_frame_padding": torch.bool}
    sound = {"sound": torch.int16, "num_samples": torch.int64}
    for kind, media in ((BOTH, picture | sound), (PICTURE_ONLY, picture), (SOUND_ONLY, sound)):
        items = [item for item, own in enumerate(kinds) if own == kind][:3]
        batch = dataset.__getitems__([(0, item) for item in items])
        dtypes = {name: tensor.dtype for name, tensor in batch.items()}
        assert dtypes == always | media | {"batch_seed": torch.int64, "has_padding": torch.bool}
        assert batch["row_number"].tolist() == items
        assert batch["batch_seed"].shape == ()
        if "frames" in batch:
            assert batch["frames"].shape == (3, NUM_FRAMES, 64, 64, 3)
            assert batch["is_frame_padding"].shape == (3, NUM_FRAMES)
        if "sound" in batch:
            assert batch["sound"].shape == (3, NUM_SAMPLES)


def test_in_a_mixed_batch_what_a_clip_lacks_is_padding(folder: ShardFolder) -> None:
    dataset = WindowDataset(folder)
    kinds = dataset.kinds.tolist()
    items = [kinds.index(kind) for kind in (BOTH, PICTURE_ONLY, SOUND_ONLY)]
    batch = dataset.__getitems__([(0, item) for item in items])
    assert batch["is_frame_padding"].all(dim=1).tolist() == [False, False, True]
    assert (batch["num_samples"] == 0).tolist() == [False, True, False]
    assert not batch["frames"][2].any()
    assert not batch["sound"][1].any()


def test_rows_of_one_clip_share_its_number_and_its_clock(folder: ShardFolder) -> None:
    ids, row = folder.rows["clip_id"].to_pylist(), folder.rows["row"].to_pylist()
    second = row.index(1)
    assert ids[second] == ids[second - 1]
    batch = WindowDataset(folder).__getitems__([(0, second - 1), (0, second), (0, 0)])
    assert batch["clip_number"][0] == batch["clip_number"][1] != batch["clip_number"][2]
    begin_s = folder.row(second).begin_s
    assert batch["window_begin_s"][0] < begin_s <= batch["window_begin_s"][1]


def test_a_selection_has_its_rows_only(folder: ShardFolder) -> None:
    dataset = WindowDataset(folder, rows=[7, 2, 11])
    numbers = dataset.__getitems__([(0, item) for item in range(6)])["row_number"].tolist()
    assert numbers == [7, 2, 11, 7, 2, 11]
    assert dataset.kinds.tolist() == WindowDataset(folder).kinds[[7, 2, 11]].tolist()


def test_a_window_does_not_depend_on_its_batch(folder: ShardFolder) -> None:
    dataset = WindowDataset(folder, seed=1)
    alone, together = dataset[(4, 6)], dataset.__getitems__([(4, 0), (4, 6)])
    assert torch.equal(alone["frames"][0], together["frames"][1])
    assert alone["window_begin_s"][0] == together["window_begin_s"][1]
    assert alone["batch_seed"] != together["batch_seed"]


def test_another_epoch_or_seed_gives_other_windows(folder: ShardFolder) -> None:
    items = range(len(WindowDataset(folder)))
    begins = [
        WindowDataset(folder, seed=seed).__getitems__([(epoch, item) for item in items])["window_begin_s"].tolist()
        for seed, epoch in ((0, 0), (0, 1), (1, 0))
    ]
    assert begins[0] != begins[1] != begins[2] != begins[0]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.sampled_from([BOTH, PICTURE_ONLY, SOUND_ONLY]), min_size=1, max_size=80),
    st.integers(1, 18),
    st.integers(1, 3),
    st.integers(0, 2**31),
)
def test_every_row_comes_once_in_whole_batches(
    kinds: list[int], batch_size: int, windows_per_row: int, epoch: int
) -> None:
    num_items = len(kinds) * windows_per_row
    if num_items < batch_size:
        with pytest.raises(TrainingError, match=rf"do not fill one batch of {batch_size} over all processes; lower"):
            WindowBatchSampler(kinds, batch_size, windows_per_row=windows_per_row)
        return
    sampler = WindowBatchSampler(kinds, batch_size, windows_per_row=windows_per_row)
    sampler.set_epoch(epoch)
    batches = list(sampler)
    assert len(batches) == len(sampler)
    assert all(len(batch) == batch_size for batch in batches)
    items = [item for batch in batches for _, item in batch]
    assert len(items) == len(set(items)) == num_items - sampler.num_dropped
    assert sampler.num_dropped < batch_size
    assert set(items) <= set(range(num_items))
    assert {key_epoch for batch in batches for key_epoch, _ in batch} == {epoch}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 40), st.integers(0, 40), st.integers(4, 40), st.integers(1, 4))
def test_kinds_are_mixed_only_in_what_is_left_over(both: int, picture: int, sound: int, batch_size: int) -> None:
    kinds = np.repeat([BOTH, PICTURE_ONLY, SOUND_ONLY], [both, picture, sound])
    batches = [{int(kinds[item]) for _, item in batch} for batch in WindowBatchSampler(kinds, batch_size)]
    num_pure = sum(count // batch_size for count in (both, picture, sound))
    assert sum(len(held) == 1 for held in batches) >= num_pure
    assert len(batches) - num_pure <= 2


def test_what_is_dropped_changes_with_the_epoch() -> None:
    sampler = WindowBatchSampler([BOTH] * 5 + [SOUND_ONLY] * 5, 4, seed=0)
    assert (len(sampler), sampler.num_dropped) == (2, 2)
    seen: set[int] = set()
    for epoch in range(12):
        sampler.set_epoch(epoch)
        seen |= {item for batch in sampler for _, item in batch}
    assert seen == set(range(10))


def test_the_next_pass_begins_at_start_batch_and_the_one_after_at_0() -> None:
    sampler = WindowBatchSampler([BOTH] * 20, 4, seed=0)
    whole = list(sampler)
    sampler.start_batch = 3
    assert len(sampler) == 5
    assert list(sampler) == whole[3:]
    assert list(sampler) == whole


def test_an_epoch_is_shuffled_apart_from_its_windows() -> None:
    """numpy pads seeds with zeros: without a key of its own, [seed, epoch] and [seed, epoch, item 0] are one stream."""
    items = [item for batch in WindowBatchSampler([BOTH] * 50, 50) for _, item in batch]
    assert items != np.random.default_rng([0, 0, 0]).permutation(50).tolist()


def test_a_batch_seed_is_of_its_seed_epoch_and_items() -> None:
    keys: list[list[WindowKey]] = [[(0, 1), (0, 2)], [(0, 2), (0, 1)], [(1, 1), (1, 2)], [(0, 1)]]
    seeds = [seed_of(seed, own) for seed in (0, 1) for own in keys]
    assert len(set(seeds)) == 8
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert seeds[0] == seed_of(0, keys[0])


@pytest.mark.parametrize("per_row", [1, 3])
def test_for_evaluation_every_row_gives_its_windows_in_order(folder: ShardFolder, per_row: int) -> None:
    dataset = EvenWindows(folder, rows=[0, 1, 5, 9], per_row=per_row)
    batches = list(make_loader(dataset, DistinctWindows(dataset, 5)))
    rows = torch.cat([batch["row_number"] for batch in batches]).tolist()
    begins = torch.cat([batch["window_begin_s"] for batch in batches])
    expected = [(row, begin_s) for row in (0, 1, 5, 9) for begin_s in eval_windows(folder.row(row), per_row)]
    assert rows == [row for row, _ in expected]
    begins_of_rows = [folder.row(row).begin_s + begin_s for row, begin_s in expected]
    assert begins.tolist() == pytest.approx(begins_of_rows)
    assert len(dataset) == 4 * per_row
    assert len(rows) == (4 if per_row == 1 else 4 * 3 - 1), "2.7 s have room for two windows"
    assert [len(batch["row_number"]) for batch in batches] == ([4] if per_row == 1 else [5, 5, 1])
    twice = [int(dataset[(0, item)]["row_number"]) for item in range(len(dataset))]
    assert twice == np.repeat([0, 1, 5, 9], per_row).tolist()


def test_a_dataset_may_go_to_another_process(folder: ShardFolder) -> None:
    dataset = WindowDataset(folder, seed=1)
    dataset[(0, 0)]
    again = pickle.loads(pickle.dumps(dataset))
    assert torch.equal(again[(0, 1)]["frames"], dataset[(0, 1)]["frames"])


def test_sound_of_another_rate_is_refused(tmp_path: Path) -> None:
    path = write_shards(tmp_path / "shards", 1, settings=ShardSettings(size_px=64, sample_rate_hz=8000))
    with pytest.raises(ShardError, match="sound at 8000 Hz; the encoder hears 16000 Hz; prepare the shards again"):
        WindowDataset(ShardFolder.open(path))


def test_a_selection_without_rows_or_with_unknown_ones_is_refused(folder: ShardFolder) -> None:
    with pytest.raises(TrainingError, match="no rows are selected of 24"):
        WindowDataset(folder, rows=[])
    with pytest.raises(IndexError, match=r"row numbers must lie in \[0, 24\)"):
        WindowDataset(folder, rows=[24])


def test_shared_memory_that_is_too_small_is_told_before_a_worker_dies(
    folder: ShardFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = WindowDataset(folder)
    sampler = WindowBatchSampler(dataset.kinds, 4)
    free = 16 * window_bytes(64) - 1
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    with pytest.raises(TrainingError, match=r"4 batches of 4 windows under way take .* GB; use fewer workers"):
        make_loader(dataset, sampler, workers=2)
    make_loader(dataset, sampler, workers=0)


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_picture_is_told_in_one_line_from_a_worker_too(tmp_path: Path, workers: int) -> None:
    sound = np.zeros(64000, np.int16)
    path = write_rows(tmp_path / "shards", [("broken", 4.0, [b"no JPEG"] * 50, sound)], SETTINGS)
    dataset = WindowDataset(ShardFolder.open(path))
    with pytest.raises(ShardError) as caught:
        list(make_loader(dataset, WindowBatchSampler(dataset.kinds, 1), workers))
    assert re.fullmatch(r"clip broken, row 0, picture \d+: .*; prepare the shards again", str(caught.value))


def test_reading_leaves_torch_s_own_random_numbers_alone(folder: ShardFolder) -> None:
    before = torch.get_rng_state()
    passes(folder, workers=1, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_ctrl_c_ends_the_workers_without_a_word_of_theirs(folder: ShardFolder) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _ENDLESS, str(folder.path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "reading\n"
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert (process.returncode, errors) == (3, "")


_ENDLESS = """
import signal, sys
from pathlib import Path
from vaemo_train.data.dataset import WindowDataset
from vaemo_train.data.loader import make_loader
from vaemo_train.data.sampler import WindowBatchSampler
from vaemo_train.shards.folder import ShardFolder

signal.signal(signal.SIGINT, signal.default_int_handler)
dataset = WindowDataset(ShardFolder.open(Path(sys.argv[1])))
loader = make_loader(dataset, WindowBatchSampler(dataset.kinds, 2), workers=2)
try:
    while True:
        for _ in loader:
            print("reading", flush=True)
except KeyboardInterrupt:
    sys.exit(3)
"""
