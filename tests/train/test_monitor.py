"""The held-out diagnostics: an honest baseline, no trace left in the training, whole speakers kept out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.synthetic_shards import grey, write_rows
from tests.support.tiny_run import tiny_shards
from tests.support.tiny_vaemo import tiny_config, tiny_model
from vaemo_clips.errors import SplitError, TrainingError
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.row import ShardSettings
from vaemo_train.stage1.monitor import Monitor, _Errors
from vaemo_train.stage1.monitor_table import monitor_lines
from vaemo_train.training.held_out import choose_rows
from vaemo_train.training.log_window import LogWindow


def errors_of(is_masked: torch.Tensor, target: torch.Tensor, prediction: torch.Tensor) -> Any:
    errors = _Errors()
    for clips in torch.arange(len(target)).split(3):
        hidden = is_masked[clips][..., None]
        errors.add(is_masked[clips], target[clips] * hidden, prediction[clips] * hidden)
    return errors.result()


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_no_constant_of_a_position_is_better_than_the_baseline(seed: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    target = torch.randn(8, 5, 4, generator=chance) + 3 * torch.randn(5, 4, generator=chance)
    is_masked = torch.rand(8, 5, generator=chance) < 0.7
    is_masked[0] = True
    weights = is_masked[..., None].float()
    mean = ((target * weights).sum(0) / weights.sum(0)).expand_as(target)
    assert errors_of(is_masked, target, mean).ratio == pytest.approx(1, abs=1e-5)
    other = mean + 0.1 * torch.randn(5, 4, generator=chance)
    assert errors_of(is_masked, target, other).ratio > 1
    assert errors_of(is_masked, target, target).error == 0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ShardFolder:
    return ShardFolder.open(tiny_shards(tmp_path_factory.mktemp("shards"), 12, seconds=[2.7, 2.0]))


def monitor_of(folder: ShardFolder, **options: Any) -> Monitor:
    rows = np.arange(folder.num_rows)
    return Monitor(folder, rows, tiny_config(), **{"seed": 0, "batch_size": 5, **options})


def test_a_measurement_leaves_no_trace_and_is_the_same_again(folder: ShardFolder) -> None:
    model, monitor = tiny_model().train(), monitor_of(folder)
    before = torch.random.get_rng_state()
    first = monitor.measure(model)
    assert model.training
    assert torch.is_grad_enabled()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(3)
    assert monitor.measure(model).as_dict() == first.as_dict()


def test_an_untrained_model_has_learnt_nothing(folder: ShardFolder) -> None:
    found = monitor_of(folder).measure(tiny_model(is_fresh=True))
    assert set(found.reconstruction) == {"video_pixels", "video_motion", "audio"}
    assert all(part.ratio > 1 for part in found.reconstruction.values())
    assert found.retrieval is not None
    assert found.retrieval.overall.chance == pytest.approx(1 / 12)
    assert found.retrieval.speaker is not None
    assert found.retrieval.label is not None
    assert found.spread is not None
    values = found.as_dict()
    assert all(name.startswith("monitor/") and value == value for name, value in values.items())


def test_masked_tokens_alone_count(folder: ShardFolder) -> None:
    """The loss of training on the same masks, with every hidden token decoded, is the monitor's error."""
    found = monitor_of(folder, batch_size=12).measure(tiny_model())
    model, monitor = tiny_model().eval(), monitor_of(folder, batch_size=12)
    keys = next(iter(monitor._batches))
    inputs = monitor._augment(monitor._windows.__getitems__(keys))
    with torch.no_grad():
        parts = model(**inputs, batch_seed=monitor._mask_seed(0), return_reconstruction=True).parts
    for name, part in found.reconstruction.items():
        assert part.error == pytest.approx(float(parts[name]), rel=1e-4)


@pytest.mark.parametrize("modality", ["audio", "video"])
def test_clips_of_one_modality_have_no_retrieval(tmp_path: Path, modality: str) -> None:
    folder = ShardFolder.open(tiny_shards(tmp_path, 4, modality=modality))
    found = monitor_of(folder).measure(tiny_model())
    assert found.retrieval is None
    assert all(modality in name for name in found.reconstruction)


def test_retrieval_is_of_the_clips_with_both(tmp_path: Path) -> None:
    folder = ShardFolder.open(tiny_shards(tmp_path, 9, modality=["both", "audio", "video"]))
    found = monitor_of(folder, batch_size=4).measure(tiny_model())
    assert found.retrieval is not None
    assert found.retrieval.overall.chance == pytest.approx(1 / 3)


def test_a_clip_without_a_whole_tubelet_has_no_part_in_retrieval(tmp_path: Path) -> None:
    """One picture alone makes no token: what the model has of the clip's picture is nothing."""
    settings_64 = ShardSettings(size_px=64)
    rng = np.random.default_rng(0)
    sound = rng.integers(-3000, 3000, 43200).astype(np.int16)
    seen = [[slot in shown for slot in range(34)] for shown in (range(34), [4], range(34), range(34))]
    clips = [
        (f"clip_{number}", 2.7, [grey(60 * number, 64) if is_seen else b"" for is_seen in slots], sound)
        for number, slots in enumerate(seen)
    ]
    folder = ShardFolder.open(write_rows(tmp_path / "shards", clips, settings_64))
    found = monitor_of(folder).measure(tiny_model())
    assert found.num_clips == 4
    assert found.retrieval is not None
    assert found.retrieval.overall.num_clips == 3
    lines = list(monitor_lines(0, found))
    assert sum("video <-> audio, top-1 of 3 " in line for line in lines) == 1
    assert next(line for line in lines if "all clips" in line).split()[-1] == "3"


def test_the_table_has_a_line_for_each_number(folder: ShardFolder) -> None:
    lines = list(monitor_lines(1500, monitor_of(folder).measure(tiny_model())))
    assert lines[0] == "held-out clips at step 1,500: 12"
    for words in ("video, pixels", "video, motion", "audio  ", "top-1 of 12", "same label only", "same speaker only"):
        assert sum(words in line for line in lines) == 1, words
    assert "centred, of" in lines[-1]
    assert max(map(len, lines)) <= 110


def test_whole_speakers_are_kept_out(tmp_path: Path) -> None:
    rows = ShardFolder.open(tiny_shards(tmp_path, 40, speakers=10, seconds=[2.0, 25.0])).rows
    choice = choose_rows(rows, None, 7, seed=1, monitored=True)
    names, clips = rows["speaker"].to_pylist(), rows["clip_id"].to_pylist()
    out = sorted(set(range(len(names))) - set(choice.train.tolist()))
    assert not {names[row] for row in out} & {names[row] for row in choice.train}
    assert len({names[row] for row in out}) == 2  # four clips each; a third speaker would be more than a fifth of all
    assert set(choice.monitor) <= set(out)
    assert len({clips[row] for row in choice.monitor}) == len(choice.monitor) == 7
    assert choice.reason == "8 of 40 clips, of 2 of 10 speakers, are kept out to be monitored"
    again = choose_rows(rows, None, 7, seed=1, monitored=True)
    assert (again.digest, again.monitor.tolist()) == (choice.digest, choice.monitor.tolist())
    assert choose_rows(rows, None, 7, seed=2, monitored=True).digest != choice.digest


def test_without_speakers_clips_are_kept_out(tmp_path: Path) -> None:
    rows = ShardFolder.open(tiny_shards(tmp_path, 20, seconds=[2.0, 25.0])).rows.drop_columns(["speaker"])
    choice = choose_rows(rows, None, 3, seed=0, monitored=True)
    clips = np.asarray(rows["clip_id"].to_pylist())
    assert not set(clips[choice.train]) & set(clips[choice.monitor])
    assert len(choice.monitor) == 3
    assert choice.reason.startswith("3 of 20 clips are kept out to be monitored; no speakers are known")


def test_a_holdout_says_what_is_kept_out(tmp_path: Path) -> None:
    rows = ShardFolder.open(tiny_shards(tmp_path, 20)).rows
    choice = choose_rows(rows, Holdout.parse("speaker=speaker_02"), 3, seed=0, monitored=True)
    speakers = np.asarray(rows["speaker"].to_pylist())
    assert set(speakers[choice.monitor]) == {"speaker_02"}
    assert set(speakers[choice.train]) == {"speaker_00", "speaker_01", "speaker_03"}
    with pytest.raises(SplitError, match="no row has speaker nobody"):
        choose_rows(rows, Holdout.parse("speaker=nobody"), 3, seed=0, monitored=True)


def test_clips_with_both_are_monitored_first(tmp_path: Path) -> None:
    rows = ShardFolder.open(tiny_shards(tmp_path, 12, modality=["both", "audio"], speakers=2)).rows
    both = rows["has_picture"].to_numpy() & rows["has_sound"].to_numpy()
    without = rows.drop_columns(["speaker"])
    chosen = choose_rows(without, Holdout.parse("label=happiness"), 3, seed=0, monitored=True)
    assert both[chosen.monitor].all()


def test_nothing_monitored_keeps_every_row(tmp_path: Path) -> None:
    rows = ShardFolder.open(tiny_shards(tmp_path, 4)).rows
    choice = choose_rows(rows, None, 3, seed=0, monitored=False)
    assert len(choice.train) == 4
    assert len(choice.monitor) == 0


def test_clips_that_are_too_few_to_keep_any_out_are_an_error(tmp_path: Path) -> None:
    rows = ShardFolder.open(tiny_shards(tmp_path, 2, speakers=1)).rows
    with pytest.raises(TrainingError, match="no row is left to train on"):
        choose_rows(rows, None, 2, seed=0, monitored=True)


def test_a_window_s_means_are_those_of_what_came_and_survive_a_resume() -> None:
    window = LogWindow()
    window.add({"loss": torch.tensor(1.0), "audio": torch.tensor(0.1)}, num_clips=4)
    window.add({"loss": torch.tensor(2.0)}, num_clips=4)
    again = LogWindow()
    again.restore(window.state())
    for one in (window, again):
        one.add({"loss": torch.tensor(6.0)}, num_clips=2)
    first, second = window.drain(), again.drain()
    assert first["loss"] == 3.0
    assert first["audio"] == pytest.approx(0.1)
    assert {**first, "clips_per_s": 0} == {**second, "clips_per_s": 0}
    window.add({"audio": torch.tensor(5.0)})
    assert window.drain()["audio"] == 5.0
