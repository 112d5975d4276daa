"""Predictions as a real cross-validation leaves them: 8 emotions, actors of unequal ease, sound that hears arousal.

Some clips have no picture. Two modalities at once are surer than one.
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from vaemo_train.evaluate.features import Modality
from vaemo_train.outcome.outcome import Outcome
from vaemo_train.outcome.predictions_file import FoldPredictions

EMOTIONS = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")
TARGETS = ("valence", "arousal")
_LOUDNESS = {"angry": 1.0, "calm": -1.0, "disgust": 0.1, "fearful": 0.6, "happy": 0.7, "neutral": -0.8, "sad": -0.6,
             "surprised": 0.7}  # fmt: skip
_GOOD = {"angry": -0.8, "calm": 0.3, "disgust": -0.7, "fearful": -0.6, "happy": 0.9, "neutral": 0.0, "sad": -0.7,
         "surprised": 0.2}  # fmt: skip
_SURE: dict[Modality, float] = {"video": 1.1, "audio": 1.4, "both": 2.0}


def synthetic_outcome(**settings: Any) -> Outcome:
    """An outcome of `fold_predictions`."""
    return Outcome.of(fold_predictions(**settings))


def fold_predictions(
    *,
    num_speakers: int = 24,
    clips_each: int = 40,
    num_folds: int = 6,
    num_seeds: int = 3,
    names: tuple[str, ...] = EMOTIONS,
    is_regression: bool = False,
    without_video: float = 0.0,
) -> list[FoldPredictions]:
    """One for each fold and seed. A share of the clips `without_video` has sound alone."""
    rng = np.random.default_rng(0)
    count = num_speakers * clips_each
    numbers = rng.integers(0, len(names), count)
    speakers = np.repeat([f"{one + 1:02d}" for one in range(num_speakers)], clips_each).astype(object)
    folds = np.arange(count) // clips_each * num_folds // num_speakers
    ease = np.repeat(rng.uniform(0.5, 1.3, num_speakers), clips_each)
    has_video = rng.random(count) >= without_video
    clip_ids = np.array([f"clip_{one:05d}" for one in range(count)], object)
    truth: NDArray[Any] = np.array(names, object)[numbers]
    if is_regression:
        truth = _places(truth, names) + rng.normal(0, 0.25, (count, 2))
    parts = []
    for seed in range(num_seeds):
        values = _said(numbers, truth, names, ease, is_regression, np.random.default_rng(seed + 1))
        for name in cast("tuple[Modality, ...]", ("video", "both")):
            values[name][~has_video] = np.nan
        for fold in range(num_folds):
            own = folds == fold
            parts.append(
                FoldPredictions(
                    where=f"fold-{fold + 1}/seed-{seed}/predictions.parquet",
                    fold=str(fold + 1),
                    seed=seed,
                    names=TARGETS if is_regression else names,
                    is_regression=is_regression,
                    num_windows=2,
                    trained_on="both",
                    clip_ids=clip_ids[own],
                    speakers=speakers[own],
                    truth=truth[own],
                    values={name: one[own] for name, one in values.items()},
                )
            )
    return parts


def _places(labels: NDArray[Any], names: tuple[str, ...]) -> NDArray[np.float64]:
    """(n, 2) valence and arousal of labels; of unknown ones by their number."""
    place = {
        name: (_GOOD.get(name, np.sin(rank)), _LOUDNESS.get(name, np.cos(rank))) for rank, name in enumerate(names)
    }
    return np.array([place[label] for label in labels.tolist()])


def _said(
    numbers: NDArray[np.int64],
    truth: NDArray[Any],
    names: tuple[str, ...],
    ease: NDArray[np.float64],
    is_regression: bool,
    rng: np.random.Generator,
) -> dict[Modality, NDArray[np.float32]]:
    if is_regression:
        return {
            name: (0.7 * truth + rng.normal(0, 0.5 / sure, truth.shape)).astype(np.float32)
            for name, sure in _SURE.items()
        }
    classes = _places(np.array(names, object), names)
    distance = np.linalg.norm(classes[:, None] - classes[None], axis=-1)
    said: dict[Modality, NDArray[np.float32]] = {}
    for name, sure in _SURE.items():
        logits = 1.6 * sure * ease[:, None] * (1 - distance[numbers]) + rng.gumbel(0, 1, (len(numbers), len(names)))
        shares = np.exp(logits - logits.max(axis=1, keepdims=True))
        said[name] = (shares / shares.sum(axis=1, keepdims=True)).astype(np.float32)
    return said
