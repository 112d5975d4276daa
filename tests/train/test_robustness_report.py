"""Tables and figures of what noise, blur and lost frames cost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console

from tests.support.synthetic_outcome import fold_predictions
from vaemo_clips.errors import FigureError, UserError
from vaemo_train.data.corruption import CORRUPTIONS, Corruption
from vaemo_train.evaluate.features import Modality
from vaemo_train.outcome.outcome import Outcome
from vaemo_train.outcome.predictions_file import FoldPredictions
from vaemo_train.outcome.robustness_figure import robustness_figure
from vaemo_train.outcome.robustness_report import robustness_report
from vaemo_train.outcome.robustness_scores import CLEAN, NoisyScores, RobustnessScores, read_corruptions

_TOUCHED: dict[str, tuple[Modality, ...]] = {"video": ("video", "both"), "audio": ("audio", "both")}


def worse(parts: list[FoldPredictions], corruption: Corruption) -> Outcome:
    """What is said under a corruption: mostly noise, of what it touches."""
    rng = np.random.default_rng(0)
    found = []
    for part in parts:
        values = dict(part.values)
        for name in {name for touched in corruption.modalities for name in _TOUCHED[touched]}:
            mixed = values[name] + 2 * rng.random(values[name].shape, np.float32)
            values[name] = mixed if part.is_regression else mixed / mixed.sum(axis=1, keepdims=True)
        found.append(replace(part, values=values))
    return Outcome.of(found)


def scores(
    spec: str, *, is_regression: bool = False, without_video: float = 0.0, num_seeds: int = 2
) -> RobustnessScores:
    parts = fold_predictions(
        num_speakers=6, clips_each=16, num_folds=3, num_seeds=num_seeds, is_regression=is_regression,
        without_video=without_video,
    )  # fmt: skip
    corruptions = read_corruptions(spec)
    return RobustnessScores.of(Outcome.of(parts), {str(one): worse(parts, one) for one in corruptions}, corruptions)


def shown(found: RobustnessScores, width: int = 80) -> str:
    console = Console(width=width, force_terminal=False)
    with console.capture() as capture:
        console.print(robustness_report(found, "noise"))
    return capture.get()


def row_of(text: str, words: str) -> list[str]:
    return next(line for line in text.splitlines() if line.strip().startswith(words)).split()


def test_the_standard_suite_and_specifications_are_read() -> None:
    assert read_corruptions("standard") == CORRUPTIONS
    found = read_corruptions("snr=10; blur=2;snr=10,blur=2")
    assert [str(one) for one in found] == ["snr=10", "blur=2", "snr=10,blur=2"]


@pytest.mark.parametrize(("spec", "told"), [("", "is empty"), ("snr=10;", "is empty"), ("blur=2;blur=2.0", "twice")])
def test_a_specification_that_is_empty_or_repeated_is_refused(spec: str, told: str) -> None:
    with pytest.raises(UserError, match=told):
        read_corruptions(spec)


def test_a_modality_that_is_not_touched_keeps_its_scores() -> None:
    found = scores("snr=0;blur=4")
    noise, blur = found.noisy
    assert [noise.touches(name) for name in ("V", "A", "VA", "any")] == [False, True, True, True]
    assert [blur.touches(name) for name in ("V", "A", "VA", "any")] == [True, False, True, True]
    assert found.difference(noise, "V") == 0
    assert noise.summaries["V"] is found.clean.summaries["V"]
    assert found.difference(noise, "A") < -0.01
    assert found.difference(blur, "VA") < -0.01


def test_a_row_has_the_score_and_what_was_lost() -> None:
    found = scores("snr=0")
    text = shown(found)
    score, difference = found.noisy[0].score("A"), found.difference(found.noisy[0], "A")
    assert row_of(text, f"{CLEAN} ")[1] == f"{100 * found.clean.score('V').mean:.1f}"
    cells = row_of(text, "noise, SNR 0 dB")
    assert cells[4:6] == ["as", "clean"]
    assert cells[6:10] == [f"{100 * score.mean:.1f}", "±", f"{100 * score.deviation:.1f}", f"{100 * difference:+.1f}"]
    assert "96 clips; mean ± standard deviation over 2 seeds" in text


def test_one_seed_has_no_deviation() -> None:
    text = shown(scores("snr=0", num_seeds=1))
    assert "±" not in text
    assert "one seed" in text


def test_a_regression_shows_its_concordance() -> None:
    found = scores("snr=0;blur=2,drop=0.5", is_regression=True)
    text = shown(found)
    assert found.metric == "ccc"
    assert row_of(text, "noise, SNR 0 dB")[6].startswith(".")
    assert "always the mean: 0" in text
    assert set(found.as_list()[1]) == {"noise", "scores", "ccc_minus_clean"}


@pytest.mark.parametrize("without_video", [0.0, 0.2])
def test_no_number_is_cut_off_in_80_columns(without_video: float) -> None:
    found = scores("snr=0;snr=0,blur=4,drop=0.75", without_video=without_video)
    assert ("any" in found.modalities) == (without_video > 0)
    assert "…" not in shown(found)


def test_numbers_for_json_begin_with_the_clean_ones() -> None:
    found = scores("snr=0").as_list()
    assert [one["noise"] for one in found] == ["clean", "snr=0"]
    assert found[0]["uar_minus_clean"] == {"V": 0, "A": 0, "VA": 0}
    assert found[1]["scores"]["A"]["uar"]["mean"] < found[0]["scores"]["A"]["uar"]["mean"]


def test_a_corruption_is_told_in_words() -> None:
    told = NoisyScores(Corruption(audio_snr_db=5, blur_px=1.5, dropped_frames=0.25, seed=3), {}).told
    assert told.splitlines() == ["noise, SNR 5 dB", "blur of 1.5 px", "25 % of frames lost", "seed 3"]


@pytest.mark.parametrize("is_regression", [False, True])
def test_a_figure_grows_by_what_is_in_it(is_regression: bool) -> None:
    few = robustness_figure(scores("snr=0", is_regression=is_regression))
    many = robustness_figure(scores("snr=0;blur=2;drop=0.5;snr=0,drop=0.5", is_regression=is_regression))
    assert few.shape == many.shape == (429, 1001, 3)
    assert (many != 255).any(axis=2).sum() > 1.2 * (few != 255).any(axis=2).sum() > 0


def test_a_figure_needs_a_corruption() -> None:
    found = scores("snr=0")
    with pytest.raises(FigureError, match="needs at least one corruption"):
        robustness_figure(replace(found, noisy=()))
