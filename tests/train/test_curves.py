"""The curves of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from vaemo_train.stage1.curves import draw_curves, read_metrics

LOSSES: list[dict[str, Any]] = [
    {"step": step, "loss/video_pixels": 1 / step, "loss/audio": 2 / step, "grad_norm": 0.5} for step in (1, 10, 20)
]
HELD_OUT: list[dict[str, Any]] = [
    {"step": 20, "monitor/audio_ratio": 0.9, "monitor/top1": 0.25, "monitor/top1_chance": 1 / 64}
]


def test_plots_without_values_are_left_out_and_the_rest_is_drawn() -> None:
    two, four = draw_curves(LOSSES, "run"), draw_curves(LOSSES + HELD_OUT, "run")
    assert four.shape[0] == 2 * two.shape[0], "two rows of plots instead of one"
    assert four.shape[1] == two.shape[1]
    assert min(np.ptp(two), np.ptp(four)) == 255
    assert draw_curves([], "a run that has logged nothing").ndim == 3


def test_retrieval_is_drawn_in_multiples_of_its_chance() -> None:
    at_sixteen = draw_curves(HELD_OUT, "run")
    lower = [{**HELD_OUT[0], "monitor/top1": 0.125, "monitor/top1_chance": 1 / 128}]
    assert np.array_equal(at_sixteen, draw_curves(lower, "run"))
    assert not np.array_equal(at_sixteen, draw_curves([{**HELD_OUT[0], "monitor/top1": 0.125}], "run"))


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"step": 2, "lo')
    assert read_metrics(tmp_path / "metrics.jsonl") == [{"step": 1, "loss": 2.0}]
