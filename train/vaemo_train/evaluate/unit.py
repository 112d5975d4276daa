"""Embeddings that are compared by their cosine must have length 1."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import TrainingError

_TOLERANCE = 1e-3


def check_unit(noun: str, vectors: NDArray[Any]) -> None:
    """Raise TrainingError where embeddings (n, P) of a `noun` are no numbers or not of length 1 (within 1e-3)."""
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=-1)
    faults = ~np.isfinite(lengths)
    if faults.any():
        raise TrainingError(f"{faults.sum()} of {len(lengths)} {noun} embeddings hold values that are no numbers")
    off = np.abs(lengths - 1)
    if off.max(initial=0.0) > _TOLERANCE:
        raise TrainingError(
            f"a {noun} embedding has length {lengths[off.argmax()]:.4g}; to be compared all must have length 1: "
            f"divide each by its length"
        )
