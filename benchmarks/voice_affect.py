"""Do the voice cues carry affect? A linear classifier on them alone, on RAVDESS speech, actors apart.

python -m benchmarks.voice_affect
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

import numpy as np
import sklearn
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.voice_utterances import DATA, Utterances, read_utterances
from vaemo_clips.voice.cues import VOICE_CUES

SEED = 0
_PENALTIES = tuple(float(c) for c in 10.0 ** np.arange(-3, 1.01, 0.5))
_INNER_FOLDS = 5


def against_speakers(cues: NDArray[np.float64], speakers: NDArray[np.str_]) -> NDArray[np.float64]:
    """Cues against the mean and sd of all clips of their speaker, whatever their label."""
    result = np.zeros_like(cues)
    for speaker in np.unique(speakers):
        own = speakers == speaker
        result[own] = (cues[own] - np.nanmean(cues[own], axis=0)) / (np.nanstd(cues[own], axis=0) + 1e-9)
    return result


def _classifier(penalty: float) -> Pipeline:
    # Scaling and filling are fitted with the classifier, so on training speakers only.
    regression = LogisticRegression(C=penalty, max_iter=2000, class_weight="balanced")
    return make_pipeline(StandardScaler(), _Fill(), regression)


class _Fill:
    """Puts the training mean, 0 after scaling, where a cue was not measurable."""

    def fit(self, values: NDArray[np.float64], labels: object = None) -> _Fill:
        """Learn nothing."""
        return self

    def transform(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Fill and bound, so that one wild value cannot decide."""
        return np.clip(np.nan_to_num(values), -5, 5)


def predict(values: NDArray[np.float64], labels: NDArray[np.str_], data: Utterances) -> NDArray[np.str_]:
    """Each utterance's label from a classifier that never heard its fold's actors."""
    predicted = np.empty_like(labels)
    for fold in np.unique(data.folds):
        test = data.folds == fold
        penalty = _best_penalty(values[~test], labels[~test], data.speakers[~test])
        predicted[test] = _classifier(penalty).fit(values[~test], labels[~test]).predict(values[test])
    return predicted


def _best_penalty(values: NDArray[np.float64], labels: NDArray[np.str_], speakers: NDArray[np.str_]) -> float:
    """C with the best UAR on held-out speakers of the training folds."""
    splits = list(GroupKFold(_INNER_FOLDS).split(values, labels, speakers))
    scores = []
    for penalty in _PENALTIES:
        guesses = np.empty_like(labels)
        for train, held in splits:
            guesses[held] = _classifier(penalty).fit(values[train], labels[train]).predict(values[held])
        scores.append(balanced_accuracy_score(labels, guesses))
    return _PENALTIES[int(np.argmax(scores))]


def report(name: str, values: NDArray[np.float64], labels: NDArray[np.str_], data: Utterances) -> NDArray[np.str_]:
    """Print one row: UAR and WAR, mean over folds and pooled."""
    predicted = predict(values, labels, data)
    folds = [data.folds == fold for fold in np.unique(data.folds)]
    uar = [balanced_accuracy_score(labels[fold], predicted[fold]) for fold in folds]
    war = [(labels[fold] == predicted[fold]).mean() for fold in folds]
    pooled = balanced_accuracy_score(labels, predicted), (labels == predicted).mean()
    print(f"| {name} | {values.shape[1]} | {np.mean(uar):.1%} ± {np.std(uar):.1%} | {np.mean(war):.1%} |", end="")
    print(f" {pooled[0]:.1%} | {pooled[1]:.1%} |", flush=True)
    return predicted


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA / "ravdess_speech")
    data = read_utterances(parser.parse_args().data)
    print(
        f"$ python -m benchmarks.voice_affect ({platform.machine()}, {os.cpu_count()} cores, seed {SEED}: none drawn;"
    )
    print(f"Python {sys.version.split()[0]}, numpy {np.__version__}, scikit-learn {sklearn.__version__})")
    print(f"{len(data.labels)} utterances, {len(np.unique(data.speakers))} actors\n")
    print("| cues | number | UAR, six folds | WAR, six folds | UAR, pooled | WAR, pooled |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    by_speaker = against_speakers(data.cues, data.speakers)
    predicted = report("voice cues, nothing known of the speaker", data.cues, data.labels, data)
    is_free = np.array([name != "loudness_level" for name, _ in VOICE_CUES])
    report("the same without the loudness level", data.cues[:, is_free], data.labels, data)
    report("and against the speaker's own clips, unlabelled", np.hstack([data.cues, by_speaker]), data.labels, data)
    acted = data.where(data.labels != "neutral")
    report("strong or normal intensity", acted.cues, acted.intensities, acted)
    _print_confusions(data.labels, predicted)


def _print_confusions(labels: NDArray[np.str_], predicted: NDArray[np.str_]) -> None:
    names = np.unique(labels)
    shares = confusion_matrix(labels, predicted, labels=names, normalize="true")
    print("\nFirst row, percent of each label (rows) called each label:\n")
    print("| | " + " | ".join(names) + " |\n| --- |" + " ---: |" * len(names))
    for name, row in zip(names, shares, strict=True):
        print(f"| {name} | " + " | ".join(f"{100 * share:.0f}" for share in row) + " |")


if __name__ == "__main__":
    main()
