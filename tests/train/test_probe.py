"""The linear probe: what it finds, and what it must not."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tests.support.real_data import real_data
from vaemo_clips.audio import iterate_audio
from vaemo_clips.errors import SplitError, TrainingError
from vaemo_train.evaluate.folds import Fold, leave_one_speaker_out, speaker_folds
from vaemo_train.evaluate.probe import PENALTIES, _in_span, linear_probe
from vaemo_train.evaluate.report import confusion_report, probe_report

SPEAKERS = np.repeat(np.arange(8), 15)
LABELS = np.tile(np.array(["anger", "joy", "sadness"]), 40)


def vectors_of(keys: NDArray[Any], noise: float, seed: int = 0, width: int = 12) -> NDArray[np.float64]:
    """Vectors (n, width) that say which key a clip has, blurred."""
    rng = np.random.default_rng(seed)
    _, numbers = np.unique(keys, return_inverse=True)
    return rng.normal(size=(numbers.max() + 1, width))[numbers] + noise * rng.normal(size=(len(keys), width))


def text_of(table: object) -> str:
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_features_of_the_label_are_read() -> None:
    folds = speaker_folds(SPEAKERS, labels=LABELS, num_folds=2)
    result = linear_probe(vectors_of(LABELS, 0.3), LABELS, SPEAKERS, folds)
    assert result.summary.war.mean > 0.95
    assert result.scores[0].names == ("anger", "joy", "sadness")
    assert result.scores[0].num_clips == 120
    assert result.predictions.shape == (3, 120)
    assert result.pooled.num_clips == 360
    assert str(result).startswith("WAR ")


def test_one_fold_has_no_spread_between_folds_to_report() -> None:
    fold = speaker_folds(SPEAKERS, labels=LABELS, num_folds=2)[0]
    text = text_of(probe_report({"features": linear_probe(vectors_of(LABELS, 0.3), LABELS, SPEAKERS, [fold])}))
    assert "60 clips, 1 fold, 3 seeds" in text
    assert "nan" not in text


def test_features_of_the_speaker_alone_score_chance_on_other_speakers_and_only_there() -> None:
    # Each speaker prefers one class, so whoever knows the speaker guesses well, unless speakers are apart.
    rng = np.random.default_rng(0)
    speakers = np.repeat(np.arange(12), 30)
    labels = np.where(rng.random(360) < 0.8, speakers % 3, rng.integers(0, 3, 360)).astype(str)
    vectors = vectors_of(speakers, 0.1, width=24)
    apart = linear_probe(vectors, labels, speakers, speaker_folds(speakers, labels=labels, num_folds=3), seeds=(0,))
    mixed = linear_probe(vectors, labels, None, speaker_folds(None, rng.permutation(360) % 3), seeds=(0,))
    assert mixed.summary.uar.mean > 0.75
    assert apart.summary.uar.mean < 0.5


def test_a_fold_is_a_standardised_logistic_regression_of_its_training_part() -> None:
    vectors = vectors_of(LABELS, 1.5) * np.logspace(-3, 3, 12)
    fold = leave_one_speaker_out(SPEAKERS)[2]
    result = linear_probe(vectors, LABELS, SPEAKERS, [fold], seeds=(7,))
    probed = result.folds[0]
    scaler = StandardScaler().fit(vectors[fold.train])
    model = LogisticRegression(C=probed.penalties[0], max_iter=1000)
    model.fit(scaler.transform(vectors[fold.train]), LABELS[fold.train])
    assert model.predict(scaler.transform(vectors[fold.test])).tolist() == result.predictions[0, fold.test].tolist()
    assert probed.penalties[0] in PENALTIES


def test_the_test_part_has_no_say_in_its_own_predictions() -> None:
    vectors, labels = vectors_of(LABELS, 1.0), LABELS.copy()
    folds = speaker_folds(SPEAKERS, labels=LABELS, num_folds=4)[:1]
    before = linear_probe(vectors, labels, SPEAKERS, folds)
    labels[folds[0].test] = np.roll(labels[folds[0].test], 1)
    after = linear_probe(vectors, labels, SPEAKERS, folds)
    assert (before.predictions == after.predictions).all()
    assert before.folds[0].penalties == after.folds[0].penalties
    assert (before.predictions[:, folds[0].train] == "").all()


def test_the_same_seeds_give_the_same_result() -> None:
    folds = speaker_folds(SPEAKERS, labels=LABELS, num_folds=2)
    first, again = (linear_probe(vectors_of(LABELS, 2.0), LABELS, SPEAKERS, folds, seeds=(0, 1)) for _ in range(2))
    assert (first.predictions == again.predictions).all()
    assert first.summary == again.summary


def test_a_feature_that_is_constant_in_training_says_nothing_in_test() -> None:
    vectors = vectors_of(LABELS, 0.3)
    vectors[:, 0] = 0.1
    vectors[SPEAKERS == 0, 0] = 1e6
    folds = leave_one_speaker_out(SPEAKERS)
    assert linear_probe(vectors, LABELS, SPEAKERS, folds[:1], seeds=(0,)).summary.war.mean > 0.9


def test_rare_classes_gain_by_balance() -> None:
    labels = np.where(np.arange(600) % 10 == 0, "rare", "common")
    speakers = np.repeat(np.arange(10), 60)
    vectors = vectors_of(labels, 3.0)
    folds = speaker_folds(speakers, labels=labels, num_folds=2)
    plain, balanced = (linear_probe(vectors, labels, speakers, folds, seeds=(0,), is_balanced=b) for b in (False, True))
    assert balanced.pooled.recalls["rare"] > plain.pooled.recalls["rare"]


def test_a_class_that_a_test_part_lacks_is_told() -> None:
    labels = LABELS.copy()
    labels[(SPEAKERS == 0) & (labels == "joy")] = "anger"
    folds = leave_one_speaker_out(SPEAKERS, labels)[:2]
    result = linear_probe(vectors_of(labels, 0.5), labels, SPEAKERS, folds, seeds=(0,))
    assert [fold.absent for fold in result.folds] == [("joy",), ()]
    assert np.isnan(result.folds[0].scores[0].recalls["joy"])
    assert "fold 0: no clip of joy in test, so no recall of it" in text_of(probe_report({"features": result}))


def test_tables_and_results_can_be_read() -> None:
    folds = speaker_folds(SPEAKERS, labels=LABELS, num_folds=2)
    results = {
        name: linear_probe(vectors_of(LABELS, noise), LABELS, SPEAKERS, folds, seeds=(0, 1))
        for name, noise in (("untrained", 4.0), ("stage 1", 0.3))
    }
    text = text_of(probe_report(results, "Probes"))
    assert "Probes" in text
    assert "untrained" in text
    assert "100.0 ± 0.0" in text
    assert "[100.0, 100.0]" in text
    assert "always" in text
    assert "120 clips, 2 folds, 2 seeds, intervals over 8 speakers" in text
    assert max(len(line.rstrip()) for line in text.splitlines()) <= 80
    assert "sadness" in text_of(confusion_report(results["stage 1"].pooled))
    logged = json.loads(json.dumps(results["stage 1"].as_dict()))
    assert logged["num_features"] == 12
    assert logged["num_clips"] == 120
    assert [fold["name"] for fold in logged["folds"]] == ["1", "2"]


def test_features_that_are_no_numbers_are_counted() -> None:
    vectors = vectors_of(LABELS, 1.0)
    vectors[3, 2:4] = np.nan
    vectors[7, 0] = np.inf
    with pytest.raises(TrainingError, match=r"^features of 2 of 120 clips hold 3 values that are no numbers; a probe"):
        linear_probe(vectors, LABELS, SPEAKERS, leave_one_speaker_out(SPEAKERS))


@pytest.mark.parametrize(
    ("labels", "folds", "message"),
    [
        (["x"] * 4, None, r"^all 4 clips are x; a probe needs two classes or more$"),
        (["x", "y", None, "y"], None, r"^1 of 4 clips have no label; a probe needs one each: leave them out$"),
        (list("xyxy"), [([0, 1], [2, 3])], r"^fold 0: one speaker to train on; to choose C by speaker it needs two"),
        (list("xyxy"), [([0, 1, 2], [3])], r"^fold 0: speaker b would be in train and in test; a speaker must be on"),
        (list("xyxy"), [], r"^no folds to test on; make them with speaker_folds$"),
    ],
)
def test_clips_that_cannot_be_probed(
    labels: list[str | None], folds: list[tuple[list[int], list[int]]] | None, message: str
) -> None:
    given = [([0, 1], [2, 3]), ([2, 3], [0, 1])] if folds is None else folds
    made = [Fold(str(n), np.array(train), np.array(test)) for n, (train, test) in enumerate(given)]
    with pytest.raises(SplitError, match=message):
        linear_probe(np.eye(4), labels, list("aabb"), made)


def test_a_clip_is_tested_once() -> None:
    folds = leave_one_speaker_out(SPEAKERS)
    with pytest.raises(SplitError, match=r"^15 of 15 clips are tested in more than one fold; scores are over all"):
        linear_probe(vectors_of(LABELS, 1.0), LABELS, SPEAKERS, [folds[0], folds[0]])


def test_lengths_must_agree() -> None:
    with pytest.raises(ValueError, match=r"^vectors \(3, 2\), 4 labels and 4 speakers; they must be of the same clips"):
        linear_probe(np.ones((3, 2)), list("abab"), list("aabb"), [])


def test_the_loudness_and_colour_of_real_voices_tell_emotions_of_other_actors() -> None:
    """Mean and spread of log power in 24 bands of RAVDESS, a quarter of its clips; chance is 12.5 %."""
    folder = real_data("ravdess_speech")
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))[::4]
    labels, speakers, official = ([row[name] for row in rows] for name in ("label", "speaker", "fold"))
    vectors = np.stack([_bands(folder / row["path"], float(row["duration_s"])) for row in rows])
    result = linear_probe(vectors, labels, speakers, speaker_folds(speakers, official, labels=labels), seeds=(0,))
    assert 0.25 < result.summary.uar.mean < 0.6


def _bands(path: Path, duration_s: float) -> NDArray[np.float64]:
    samples = np.concatenate([np.asarray(part, np.float64).ravel() for part in iterate_audio(path, 0.0, duration_s)])
    frames = samples[: len(samples) // 512 * 512].reshape(-1, 512) * np.hanning(512)
    power = np.abs(np.fft.rfft(frames, axis=1))[:, 1:] ** 2
    edges = np.unique(np.geomspace(1, 256, 25).astype(int))
    bands = np.log(np.add.reduceat(power, edges[:-1] - 1, axis=1) + 1e-8)
    return np.concatenate([bands.mean(0), bands.std(0), np.diff(bands, axis=0).std(0)])


def test_more_features_than_clips_are_fitted_as_they_are() -> None:
    rng = np.random.default_rng(0)
    train, other = rng.normal(size=(30, 200)), rng.normal(size=(12, 200))
    names = np.array(["a", "b", "c"] * 10)
    reduced, of_other = _in_span(train, other)
    assert reduced.shape == (30, 30)
    for penalty in (0.01, 1.0):
        plain = LogisticRegression(C=penalty, tol=1e-8, max_iter=5000).fit(train, names)
        short = LogisticRegression(C=penalty, tol=1e-8, max_iter=5000).fit(reduced, names)
        assert np.allclose(plain.predict_proba(other), short.predict_proba(of_other), atol=1e-4)
