"""The curves of a run."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vaemo_train.training.curves import draw_curves
from vaemo_train.training.record import RunFolder

LOSSES: list[dict[str, Any]] = [
    {"step": step, "loss/video_pixels": 1 / step, "loss/audio": 2 / step, "grad_norm": 0.5} for step in (1, 10, 20)
]
HELD_OUT: list[dict[str, Any]] = [
    {"step": 20, "monitor/audio_ratio": 0.9, "monitor/top1": 0.25, "monitor/top1_chance": 1 / 64}
]


def test_plots_without_values_are_left_out() -> None:
    two, four = draw_curves(LOSSES, "run"), draw_curves(LOSSES + HELD_OUT, "run")
    assert four.shape[0] == 2 * two.shape[0], "two rows of plots instead of one"
    assert four.shape[1] == two.shape[1]
    assert draw_curves([], "a run that has logged nothing").ndim == 3


@pytest.mark.parametrize("key", ["loss/video_pixels", "loss/audio", "grad_norm"])
def test_each_value_is_drawn(key: str) -> None:
    changed = [LOSSES[0], {**LOSSES[1], key: 0.7}, LOSSES[2]]
    assert not np.array_equal(draw_curves(LOSSES, "run"), draw_curves(changed, "run"))


@pytest.mark.parametrize("name", ["top1", "label_within", "speaker_within"])
def test_retrieval_is_drawn_in_multiples_of_its_chance(name: str) -> None:
    def drawn(value: float, **chance: float) -> Any:
        return draw_curves([{"step": 20, f"monitor/{name}": value, "monitor/audio_ratio": 1.0, **chance}], "run")

    at_sixteen = drawn(0.25, **{f"monitor/{name}_chance": 1 / 64})
    assert np.array_equal(at_sixteen, drawn(0.125, **{f"monitor/{name}_chance": 1 / 128}))
    assert not np.array_equal(at_sixteen, drawn(0.25)), "a share without its chance is not drawn"


STAGE2_LOSSES: list[dict[str, Any]] = [
    {"step": step, "grad_norm": 0.5} | {f"loss/{name}": (rank + 1) / step for rank, name in enumerate(
        ("visual", "acoustic", "affect", "affect_video", "affect_audio"))} for step in (1, 10, 20)
]  # fmt: skip


@pytest.mark.parametrize("name", ["visual", "acoustic", "affect", "affect_video", "affect_audio"])
def test_each_loss_of_stage_2_is_drawn(name: str) -> None:
    changed = [STAGE2_LOSSES[0], {**STAGE2_LOSSES[1], f"loss/{name}": 0.7}, STAGE2_LOSSES[2]]
    assert not np.array_equal(draw_curves(STAGE2_LOSSES, "run"), draw_curves(changed, "run"))


@pytest.mark.parametrize("name", ["visual", "acoustic", "affect", "all_paths"])
def test_the_recall_of_captions_is_drawn_in_multiples_of_its_chance(name: str) -> None:
    key = f"monitor/{name}_text_to_clip_recall1"

    def drawn(value: float, **chance: float) -> Any:
        return draw_curves([*STAGE2_LOSSES, {"step": 20, key: value, **chance}], "run")

    at_sixteen = drawn(0.25, **{f"{key}_chance": 1 / 64})
    assert np.array_equal(at_sixteen, drawn(0.125, **{f"{key}_chance": 1 / 128}))
    assert not np.array_equal(at_sixteen, drawn(0.5, **{f"{key}_chance": 1 / 64}))
    assert not np.array_equal(at_sixteen, drawn(0.25)), "a share without its chance is not drawn"


def test_both_stages_losses_stand_on_their_own_axes() -> None:
    alone, both = draw_curves(STAGE2_LOSSES, "run"), draw_curves([*STAGE2_LOSSES, *LOSSES, *HELD_OUT], "run")
    assert both.shape[0] == pytest.approx(3 * alone.shape[0], abs=3), "five plots instead of two"


def test_odd_names_and_values_are_drawn_without_a_word() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert draw_curves([{"step": 1, "grad_norm": 0.0}], r"a$\\foo$").ndim == 3


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert RunFolder(tmp_path).read_metrics() == [{"step": 1, "loss": 2.0}]
    assert RunFolder(tmp_path / "none").read_metrics() == []
