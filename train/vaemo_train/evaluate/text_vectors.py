"""Texts in the space where they meet clips."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from vaemo_train.models.alignment import VAEmoForCaptionAlignment

_AT_ONCE = 8192


def text_vectors(model: VAEmoForCaptionAlignment, embeddings_KE: NDArray[np.float32], path: str) -> NDArray[np.float32]:
    """Unit vectors (K, P) of texts on a path, from their embeddings by the frozen text model."""
    parts = [
        model.text_embeds(torch.from_numpy(embeddings_KE[first : first + _AT_ONCE]).to(model.device), path).cpu()
        for first in range(0, len(embeddings_KE), _AT_ONCE)
    ]
    return np.asarray(torch.cat(parts).numpy(), np.float32)
