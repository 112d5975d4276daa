"""Clips named by the descriptions of labels alone, without a label shown in training.

Shapes: n clips, C labels, K descriptions, P width of the shared space.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import SplitError, TrainingError
from vaemo_train.evaluate.folds import Column, shown, texts
from vaemo_train.evaluate.scores import Scores, ScoreSummary
from vaemo_train.evaluate.unit import check_unit

_TIE = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class ZeroShot:
    """Scores of clips named by the label of the highest score, and what they must be compared with.

    uar_chance: 1 / (classes that occur): what naming always one of them scores, as does a guess among these alone.
    war_largest_class: the share of the largest class: what naming always that one scores.
    left_out: how many clips had a label that is none of the names, by label; "" are clips without one.
    num_tied: clips whose highest score several labels share (within 1e-6); the first of them counts.
    """

    scores: Scores
    summary: ScoreSummary
    uar_chance: float
    war_largest_class: float
    left_out: Mapping[str, int]
    num_tied: int

    def as_dict(self) -> dict[str, float]:
        """Flat, for logs: war, war_low, war_high, war_largest_class, uar, uar_chance, ..., recall_anger, num_clips.

        No undefined values.
        """
        values: dict[str, float] = {}
        for name in ("war", "uar", "wf1"):
            estimate = getattr(self.summary, name)
            values[name] = estimate.mean
            if estimate.interval is not None:
                values |= {f"{name}_low": estimate.interval.low, f"{name}_high": estimate.interval.high}
        values |= {"uar_chance": self.uar_chance, "war_largest_class": self.war_largest_class}
        values |= {f"recall_{name}": recall for name, recall in self.scores.recalls.items()}
        values |= {"num_clips": float(self.scores.num_clips), "num_labels": float(len(self.scores.names))}
        values |= {"num_tied": float(self.num_tied), "num_left_out": float(sum(self.left_out.values()))}
        return {name: value for name, value in values.items() if not np.isnan(value)}

    def lines(self) -> list[str]:
        """What to tell beside a table of the scores: clips that were left out, clips that were tied."""
        told = []
        for label, count in self.left_out.items():
            what = f"of {label}, which is none of the labels," if label else "without a label"
            told.append(f"{count:,} clip{'' if count == 1 else 's'} {what} left out")
        if self.num_tied:
            told.append(f"{self.num_tied:,} of {self.scores.num_clips:,} clips fit several labels equally well")
        return told


def zero_shot(
    scores_nC: NDArray[Any],
    truth: Column,
    names: Sequence[str],
    *,
    speakers: Column | None = None,
    seed: int = 0,
) -> ZeroShot:
    """Name each of n clips by the label in `names` (C,) of its highest score, and compare with its label in `truth`.

    Intervals are over `speakers` (n,), else clips. Clips whose label is none of the names are left out and counted.
    Raises SplitError where no clip is left, TrainingError for fewer than two labels, shapes that do not fit, or scores
    that are no numbers.
    """
    _check(scores_nC, truth, names, speakers)
    labels = texts(truth)
    is_known = np.isin(labels.astype(str), list(names)) & (labels != None)  # noqa: E711 - elementwise
    left_out = Counter("" if label is None else str(label) for label in labels[~is_known])
    if not is_known.any():
        raise SplitError(
            f"no clip to name: their labels are {shown(set(left_out) - {''}) or 'empty'}, those to choose from "
            f"{shown(names)}; name the labels as the clips do"
        )
    kept = scores_nC[is_known].astype(np.float64)
    predicted = np.array(names, object)[kept.argmax(axis=1)]
    chosen = None if speakers is None else np.asarray(speakers, object)[is_known]
    scores = Scores.of(labels[is_known], predicted, names)
    support = scores.confusion.sum(1)
    return ZeroShot(
        scores=scores,
        summary=ScoreSummary.of_predictions(labels[is_known], [predicted], chosen, seed=seed),
        uar_chance=1 / int((support > 0).sum()),
        war_largest_class=float(support.max() / support.sum()),
        left_out=dict(sorted(left_out.items())),
        num_tied=int(((kept >= kept.max(axis=1, keepdims=True) - _TIE).sum(axis=1) > 1).sum()),
    )


def _check(scores_nC: NDArray[Any], truth: Column, names: Sequence[str], speakers: Column | None) -> None:
    fits = scores_nC.shape == (len(truth), len(names)) and (speakers is None or len(speakers) == len(truth))
    if not fits or len(set(names)) != len(names):
        raise TrainingError(
            f"zero-shot naming with scores {scores_nC.shape} for {len(truth)} clips and {len(names)} labels; it needs "
            f"a line for each clip, a column for each label, and labels that differ"
        )
    if len(names) < 2:
        raise TrainingError(f"zero-shot naming among {len(names)} labels; it needs two or more to choose from")
    faults = ~np.isfinite(scores_nC).all(axis=1)
    if faults.any():
        raise TrainingError(f"{faults.sum()} of {len(faults)} clips have scores that are no numbers")


def label_vectors(texts_KP: NDArray[Any], labels: Sequence[str], names: Sequence[str]) -> NDArray[np.float64]:
    """(C, P) a unit vector for each label in `names`: the mean of its descriptions' unit vectors, normalised again.

    `labels` (K,) says whose description each row is. The prompt ensemble of CLIP: Radford et al., ICML 2021, section
    3.1.4. Raises TrainingError for a label without a description, descriptions that cancel out, values that are no
    numbers or vectors of other than unit length.
    """
    check_unit("description", texts_KP)
    whose = np.asarray(labels, object)
    means = np.zeros((len(names), texts_KP.shape[1]))
    for number, name in enumerate(names):
        own = texts_KP[whose == name].astype(np.float64)
        if not len(own):
            raise TrainingError(f"label {name} has no description; write one or leave the label out")
        means[number] = own.mean(axis=0)
        if np.linalg.norm(means[number]) < _TIE:
            raise TrainingError(f"the {len(own)} descriptions of label {name} cancel out; write others")
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True))
