"""What a cross-validation came to: files that belong together, and scores over seeds, folds, classes and modalities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score, confusion_matrix

from tests.support.synthetic_outcome import EMOTIONS, TARGETS, fold_predictions, synthetic_outcome
from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.features import Modality
from vaemo_train.evaluate.regression import RegressionScores, RegressionSummary
from vaemo_train.evaluate.scores import ScoreSummary
from vaemo_train.outcome.outcome import Outcome

SMALL: dict[str, Any] = {"num_speakers": 6, "clips_each": 20, "num_folds": 3, "num_seeds": 2}


def test_scores_agree_with_scikit_learn() -> None:
    outcome = synthetic_outcome(**SMALL)
    truth, runs = outcome.truth, outcome.labels("VA")
    summary = outcome.summary("VA")
    assert isinstance(summary, ScoreSummary)
    assert summary.resampled == "6 speakers"
    assert summary.uar.mean == pytest.approx(np.mean([balanced_accuracy_score(truth, run) for run in runs]))
    added = sum(confusion_matrix(truth, run, labels=EMOTIONS) for run in runs)
    np.testing.assert_array_equal(outcome.confusion("VA"), added)
    recalls = outcome.recalls("VA")
    for number, name in enumerate(EMOTIONS):
        assert recalls[name].mean == pytest.approx(added[number, number] / added[number].sum())
        interval = recalls[name].interval
        assert interval is not None
        assert interval.low <= recalls[name].mean <= interval.high


def test_recalls_of_clips_without_speakers_are_bootstrapped_over_clips() -> None:
    by_speaker = synthetic_outcome(**SMALL)
    nobody = np.full(len(by_speaker.clip_ids), None, object)
    by_clip = replace(by_speaker, speakers=nobody)
    assert by_clip.known_speakers is None
    assert by_clip.summary("VA").resampled == "120 clips"
    for name, estimate in by_clip.recalls("VA").items():
        assert estimate.mean == pytest.approx(by_speaker.recalls("VA")[name].mean)
        assert estimate.interval is not None
        assert estimate.interval.low < estimate.mean < estimate.interval.high


def test_a_class_without_clips_has_no_recall_and_no_interval() -> None:
    parts = fold_predictions(**SMALL, names=EMOTIONS[:2])
    renamed = [replace(part, names=("angry", "calm", "bored"), values=_wider(part.values)) for part in parts]
    bored = Outcome.of(renamed).recalls("VA")["bored"]
    assert np.isnan(bored.mean)
    assert bored.interval is None


def _wider(values: Mapping[Modality, NDArray[np.float32]]) -> dict[Modality, NDArray[np.float32]]:
    return {name: np.pad(one, ((0, 0), (0, 1))) for name, one in values.items()}


def test_order_of_files_and_of_clips_within_does_not_matter() -> None:
    parts = fold_predictions(**SMALL)
    turned = [
        replace(
            part, clip_ids=part.clip_ids[::-1], speakers=part.speakers[::-1], truth=part.truth[::-1],
            values={name: values[::-1] for name, values in part.values.items()},
        )
        for part in reversed(parts)
    ]  # fmt: skip
    one, other = Outcome.of(parts), Outcome.of(turned)
    assert one.clip_ids.tolist() == other.clip_ids.tolist()
    for name in one.values:
        np.testing.assert_array_equal(one.values[name], other.values[name])
    assert one.summary("V") == other.summary("V")


def test_clips_without_a_picture_count_only_where_their_sound_does() -> None:
    outcome = synthetic_outcome(**SMALL, without_video=0.3)
    assert outcome.modalities == ("V", "A", "VA", "any")
    assert outcome.main == "any"
    has = outcome.has("VA")
    assert 0 < has.sum() < 120
    np.testing.assert_array_equal(outcome.has("V"), has)
    assert outcome.has("any").all()
    np.testing.assert_array_equal(outcome.values["any"][:, has], outcome.values["VA"][:, has])
    np.testing.assert_array_equal(outcome.values["any"][:, ~has], outcome.values["A"][:, ~has])
    assert outcome.scores("V")[0].num_clips == has.sum()


def test_modalities_that_add_nothing_are_left_out() -> None:
    assert synthetic_outcome(**SMALL).modalities == ("V", "A", "VA")
    assert synthetic_outcome(**SMALL).main == "VA"
    sound = synthetic_outcome(**SMALL, without_video=1.0)
    assert sound.modalities == ("A",)
    assert sound.main == "A"
    parts = [replace(part, trained_on="video") for part in fold_predictions(**SMALL)]
    assert Outcome.of(parts).main == "V"


def test_a_fold_without_any_picture_has_no_scores_of_video() -> None:
    parts = fold_predictions(**SMALL)
    cut = [replace(one, values={"audio": one.values["audio"]}) if one.fold == "2" else one for one in parts]
    outcome = Outcome.of(cut)
    assert outcome.fold_scores("V", "2") == []
    assert outcome.fold_scores("A", "2") == Outcome.of(parts).fold_scores("A", "2")
    assert outcome.has("V").sum() == 80


def test_scores_of_a_fold_are_those_of_its_clips() -> None:
    outcome = synthetic_outcome(**SMALL)
    inside = outcome.folds == "2"
    for run, scores in zip(outcome.labels("A"), outcome.fold_scores("A", "2"), strict=True):
        assert scores["war"] == pytest.approx((run[inside] == outcome.truth[inside]).mean())
        assert scores["uar"] == pytest.approx(balanced_accuracy_score(outcome.truth[inside], run[inside]))


def test_a_regression_has_scores_of_each_target() -> None:
    outcome = synthetic_outcome(**SMALL, is_regression=True)
    summary = outcome.summary("VA")
    assert isinstance(summary, RegressionSummary)
    assert tuple(summary.targets) == TARGETS
    runs = [RegressionScores.of(outcome.truth[:, 0], run[:, 0]).ccc for run in outcome.values["VA"]]
    assert summary.targets["valence"]["ccc"].mean == pytest.approx(np.mean(runs))
    assert outcome.chance("VA").scores["rmse"] == pytest.approx(outcome.truth.std(axis=0).mean())


def test_always_the_commonest_class_is_what_chance_does() -> None:
    outcome = synthetic_outcome(**SMALL)
    commonest = max((outcome.truth == name).mean() for name in EMOTIONS)
    assert outcome.chance("VA").scores["war"] == pytest.approx(commonest)
    assert outcome.chance("VA").scores["uar"] == pytest.approx(1 / 8)


def test_files_that_do_not_belong_together_are_refused() -> None:
    parts = fold_predictions(**SMALL)
    first, last = parts[0], parts[-1]
    with pytest.raises(SplitError, match=r"^no predictions to join"):
        Outcome.of([])
    with pytest.raises(
        SplitError, match=r"^fold-3/seed-1/predictions.parquet: its number of windows: 5, but 2 in fold-1/seed-0/pr.*;"
    ):
        Outcome.of([*parts[:-1], replace(last, num_windows=5)])
    turned = replace(last, names=EMOTIONS[::-1])
    with pytest.raises(SplitError, match=r"its names: surprised, sad, .*, but angry, calm, .* in fold-1/seed-0/pre"):
        Outcome.of([first, turned])
    with pytest.raises(SplitError, match=r"its task: regression, but classification in"):
        Outcome.of([first, replace(last, is_regression=True)])
    with pytest.raises(SplitError, match=r"^fold 1 with seed 0 is there twice, in fold-1/s.*; take one away$"):
        Outcome.of([first, *parts])


def test_every_seed_tests_every_clip_once_in_the_same_fold() -> None:
    parts = fold_predictions(**SMALL)
    with pytest.raises(SplitError, match=r"^seed 0 tests 40 clips more than once, the first is clip_00000; each clip"):
        Outcome.of([replace(parts[0], fold="9"), *parts])
    with pytest.raises(SplitError, match=r"^seeds 0 and 1 do not test the same clips: 40 are tested by one alone, the"):
        Outcome.of(parts[:-1])
    with pytest.raises(SplitError, match=r"^seeds 0 and 1: 40 clips have another fold, the first is clip_00080; train"):
        Outcome.of([*parts[:-1], replace(parts[-1], fold="9")])
    truth = parts[-1].truth.copy()
    truth[0] = "angry" if truth[0] != "angry" else "sad"
    with pytest.raises(SplitError, match=r"^seeds 0 and 1: 1 clips have another truth, the first is clip_00080; train"):
        Outcome.of([*parts[:-1], replace(parts[-1], truth=truth)])


def test_a_speaker_is_tested_in_one_fold() -> None:
    parts = [replace(part, speakers=np.full(40, "07", object)) for part in fold_predictions(**SMALL)]
    with pytest.raises(SplitError, match=r"^speaker 07 is tested in folds 1, 2, 3; who is tested in one fold is "):
        Outcome.of(parts)


def test_nothing_said_of_any_clip_is_an_error() -> None:
    parts = [replace(part, values={}) for part in fold_predictions(**SMALL)]
    with pytest.raises(SplitError, match=r"^nothing is said of any tested clip; they have neither video nor sound$"):
        Outcome.of(parts)
