"""Batches for centring by speaker: clips of a speaker side by side, captioned or not, and none that is held out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.caption_folders import write_captions
from tests.support.tiny_alignment import TINY_ALIGNMENT, rows_of
from tests.support.tiny_run import tiny_shards
from vaemo_clips.errors import CaptionError
from vaemo_train.captions.paths import PATHS
from vaemo_train.data.sampler import WindowBatchSampler
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.layout import ROWS
from vaemo_train.stage2.alignment_data import AlignmentData, open_alignment_data, speaker_numbers
from vaemo_train.stage2.caption_table import CaptionTable
from vaemo_train.stage2.recipe import Stage2Recipe


def batches_of(sampler: WindowBatchSampler, epoch: int = 0) -> list[list[int]]:
    """The items of all batches of an epoch."""
    sampler.set_epoch(epoch)
    return [[item for _, item in keys] for keys in sampler]


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(-3, 4)), min_size=1, max_size=60),
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(1, 2),
)
def test_groups_leave_every_batch_full_and_every_row_at_most_once_an_epoch(
    rows: list[tuple[int, int]], batch_size: int, group_size: int, windows: int
) -> None:
    batch_size = min(batch_size, len(rows) * windows)
    kinds, groups = np.array(rows, np.int64).T
    sampler, again = (
        WindowBatchSampler(kinds, batch_size, 3, windows, groups=groups, group_size=group_size) for _ in range(2)
    )
    found = batches_of(sampler, 1)
    assert {len(batch) for batch in found} == {batch_size}
    items = np.concatenate(found)
    assert len(np.unique(items)) == len(items) == len(kinds) * windows - sampler.num_dropped
    assert np.bincount(items % len(kinds)).max() <= windows
    assert len(found) == len(sampler)
    batches_of(again, 0)
    assert batches_of(again, 1) == found, "whatever epochs came before"
    again.start_batch = 1
    assert batches_of(again, 1) == found[1:]
    pure = sum(len(set(kinds[np.array(batch) % len(kinds)])) == 1 for batch in found)
    assert pure >= sum(np.bincount(kinds) * windows // batch_size), "modalities are kept apart"


def test_so_many_of_a_group_stand_side_by_side() -> None:
    kinds, groups = np.repeat([0, 1], 48), np.tile(np.arange(8), 12)
    sampler = WindowBatchSampler(kinds, 12, groups=groups, group_size=3)
    for epoch in range(4):
        for batch in batches_of(sampler, epoch):
            assert len(set(kinds[batch])) == 1
            for piece in np.reshape(batch, (-1, 3)):
                assert len(set(groups[piece])) == 1, "two pieces of 3 of each of 8 groups of a kind"
    assert batches_of(sampler, 0) != batches_of(sampler, 1)
    companions = {tuple(sorted(piece)) for epoch in range(9) for piece in _pieces(batches_of(sampler, epoch), 3)}
    assert len(companions) > 2 * len(kinds) / 3, "other clips of the speaker in another epoch"
    other = WindowBatchSampler(kinds, 12, seed=1, groups=groups, group_size=3)
    assert batches_of(other, 0) != batches_of(sampler, 0)


def _pieces(batches: list[list[int]], size: int) -> NDArray[np.int64]:
    return np.asarray(batches).reshape(-1, size)


def test_what_is_over_of_a_group_stands_together_too() -> None:
    groups = np.array([5] * 4 + [-1] * 2 + [-7])
    (batch,) = batches_of(WindowBatchSampler(np.zeros(7, int), 7, groups=groups, group_size=3))
    runs = 1 + int((np.diff(groups[batch]) != 0).sum())
    assert runs in (3, 4), "pieces of 3, 1, 2 and 1, of which two may meet"


def test_without_groups_batches_are_those_of_old() -> None:
    kinds, size, seed, epoch = np.array([0, 0, 1, 0, 2, 1, 0, 1, 0, 0, 2]), 3, 5, 2
    rng = np.random.default_rng(np.random.SeedSequence([seed, epoch], spawn_key=(1,)))
    whole, left = [], []
    for kind in range(3):
        items = rng.permutation(np.flatnonzero(kinds == kind))
        whole.append(items[: len(items) // size * size])
        left.append(items[len(items) // size * size :])
    mixed = rng.permutation(np.concatenate(left))
    whole.append(mixed[: len(mixed) // size * size])
    expected = rng.permutation(np.concatenate(whole).reshape(-1, size), axis=0).tolist()
    assert batches_of(WindowBatchSampler(kinds, size, seed), epoch) == expected
    assert batches_of(WindowBatchSampler(kinds, size, seed, group_size=4), epoch) == expected


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixteen clips of four speakers in turns; nobody is named for 4 and 8; clip 12, of speaker_00, has two rows."""
    folder = tiny_shards(tmp_path_factory.mktemp("shards"), 16, seconds=[*[2.0] * 12, 11.0, *[2.0] * 3])
    clips = rows_of(folder)["clip_id"].to_pylist()
    speakers = rows_of(folder)["speaker"].to_pylist()
    rename(
        folder, ["" if clip in ("clip_0004", "clip_0008") else who for clip, who in zip(clips, speakers, strict=True)]
    )
    return folder


def rename(folder: Path, speakers: Sequence[str | None] | None) -> None:
    """Name the speakers of the rows anew; None takes the column out."""
    rows = rows_of(folder)
    place = rows.column_names.index("speaker")
    if speakers is None:
        pq.write_table(rows.remove_column(place), folder / ROWS)
    else:
        field = rows.schema.field("speaker")
        pq.write_table(rows.set_column(place, field, pa.array(speakers, field.type)), folder / ROWS)


def opened(
    shards: Path, folder: Path, clips: Sequence[int] | dict[int, dict[str, Any]], **options: Any
) -> AlignmentData:
    """The data with captions of these clips, speaker_03 held out."""
    said = clips if isinstance(clips, dict) else {clip: {} for clip in clips}
    write_captions(folder, [{"clip_id": f"clip_{clip:04d}", **texts} for clip, texts in said.items()])
    heads = {"size": 16, "centring": "speakers", "clips_of_speaker": 2} | options.pop("heads", {})
    recipe = Stage2Recipe.model_validate({**TINY_ALIGNMENT, "batch": {"per_device": 2}, "heads": heads, **options})
    return open_alignment_data(recipe, shards, folder, Holdout.parse("speaker=speaker_03"), 1, 64)


def clips_of(shards: Path, rows: NDArray[np.int64]) -> list[int]:
    return [int(name[-4:]) for name in rows_of(shards)["clip_id"].take(rows).to_pylist()]


def test_other_clips_of_captioned_speakers_are_in_the_batches_but_never_in_a_pair(shards: Path, tmp_path: Path) -> None:
    data = opened(shards, tmp_path, [0, 1, 4, 3])
    rows, groups = data.training.rows.train, data.training.rows.groups
    assert clips_of(shards, rows) == [0, 1, 4, 5, 9, 12, 12, 13], "no 2, 6: nobody captioned speaker_02; no 8, no 3"
    assert groups is not None
    assert np.unique(groups[[0, 5, 6]]).tolist() == groups[:1].tolist()
    assert np.unique(groups[[1, 3, 4, 7]]).tolist() == groups[1:2].tolist()
    assert (groups == groups[2]).sum() == 1, "a clip whose speaker nobody knows is by itself"
    assert data.training.rows.group_size == 2
    seen = {int(row) for _, batch in zip(range(30), data.training.stream, strict=False) for row in batch["row_number"]}
    assert seen == set(rows.tolist())
    assert set(clips_of(shards, data.train.rows)) == {0, 1, 4}
    for path in PATHS:
        described = [row for row in rows.tolist() if len(data.train.of_row(path, row))]
        assert clips_of(shards, np.array(described)) == [0, 1, 4]


def test_batches_of_a_training_hold_clips_of_a_speaker_together(shards: Path, tmp_path: Path) -> None:
    data = opened(shards, tmp_path, [0, 1, 2, 4], batch={"per_device": 4})
    numbers = speaker_numbers(ShardFolder.open(shards))
    for _, batch in zip(range(12), data.training.stream, strict=False):
        own = numbers[batch["row_number"].numpy()]
        assert len(set(own.tolist())) < 4, "never four clips of four speakers"


def test_no_held_out_row_is_trained_on_nor_is_a_clip_whose_description_has_no_weight_paired(
    shards: Path, tmp_path: Path
) -> None:
    unseen = {"visual_description": None}
    said: dict[int, dict[str, Any]] = {0: {}, 1: unseen, 3: {}, 7: {}, 5: {}, 2: unseen}
    data = opened(shards, tmp_path, said, loss={"acoustic": 0, "affect": 0})
    clips = clips_of(shards, data.training.rows.train)
    assert clips == [0, 1, 5, 9, 12, 12, 13], "speakers 0 and 1, not 2, of whom nothing that counts is said"
    assert {clip % 4 for clip in clips_of(shards, data.training.rows.monitor)} == {3}
    table = CaptionTable(data.train, np.zeros((len(data.captions.texts), 4), np.float32))
    assert table.speakers_of(np.array([0])) is None  # type: ignore[arg-type]


def test_with_centring_by_clips_only_captioned_rows_are_trained_on(shards: Path, tmp_path: Path) -> None:
    rows = opened(shards, tmp_path, [0, 1, 4], heads={"centring": "clips"}).training.rows
    assert clips_of(shards, rows.train) == [0, 1, 4]
    assert (rows.groups, rows.group_size) == (None, 1)


def test_numbers_of_speakers(shards: Path) -> None:
    numbers = speaker_numbers(ShardFolder.open(shards)).tolist()
    assert numbers == [0, 1, 2, 3, -1, 1, 2, 3, -1, 1, 2, 3, 0, 0, 1, 2, 3]


@pytest.mark.parametrize("named", [False, True], ids=["no column", "nobody named"])
def test_shards_that_name_no_speaker_are_refused_at_once(tmp_path: Path, named: bool) -> None:
    folder = tiny_shards(tmp_path / "shards", 8, seconds=2.0)
    rename(folder, [None, ""] * 4 if named else None)
    told = (
        r"shards: heads\.centring: speakers needs a column speaker.*name the speakers .* --set heads\.centring=clips$"
    )
    write_captions(tmp_path / "captions", [{"clip_id": "clip_0000"}, {"clip_id": "clip_0001"}])
    recipe = Stage2Recipe.model_validate(
        {**TINY_ALIGNMENT, "batch": {"per_device": 2}, "heads": {"centring": "speakers"}}
    )
    with pytest.raises(CaptionError, match=told) as error:
        open_alignment_data(recipe, folder, tmp_path / "captions", None, 1, 64)
    assert "\n" not in str(error.value)
