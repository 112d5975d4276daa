"""The moments that a finished classifier goes by: those of whole, unmixed training clips.

While it trains, tokens are left out and clips are mixed, which makes the running moments of its head those of other
things than it is asked about later. Wu and Johnson 2021 (Rethinking "Batch" in BatchNorm, arXiv 2105.07576, section 3)
call this precise batch normalisation.

B windows, n clips, F values that the head reads.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaemo_train.data.augment import Augment
from vaemo_train.data.dataset import EvenWindows, Modality
from vaemo_train.data.loader import make_loader
from vaemo_train.data.sampler import DistinctWindows
from vaemo_train.models.classification import VAEmoForClassification
from vaemo_train.models.classifier_head import has_modalities
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.training.evaluating import evaluating, on_device

MOST_ROWS: Final = 1024
"""Evenly among the training rows."""
_INPUTS = {
    "video": ("pixel_values_videos", "video_padding_mask"),
    "audio": ("input_features", "audio_padding_mask"),
}


def calibrate(
    model: VAEmoForClassification,
    folder: ShardFolder,
    train: NDArray[np.int64],
    modality: Modality,
    *,
    batch_size: int,
    bf16: bool,
) -> None:
    """Give the head the moments of the middle windows of training rows: of each modality alone, and beside the other.

    A context in which fewer than two windows stand keeps its running moments.
    """
    rows = train[np.unique(np.linspace(0, len(train) - 1, min(len(train), MOST_ROWS)).round().astype(np.int64))]
    config = model.config
    dataset = EvenWindows(folder, rows, 1, modality)
    augment = Augment(image_size=config.image_size, log_mel_mean=config.log_mel_mean, log_mel_std=config.log_mel_std)
    read = _Read()
    with evaluating(model, bf16):
        for batch in make_loader(dataset, DistinctWindows(dataset, batch_size)):
            inputs = augment(on_device(batch, model.device))
            for names in (("video",), ("audio",), ("video", "audio")):
                if all(_INPUTS[name][0] in inputs for name in names):
                    read.add(model, inputs, names)
    read.give(model)


class _Read:
    """What the head read, by modality, whether beside the other, and layer: parts (B, F) of all batches."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, bool, int], list[Tensor]] = {}

    def add(self, model: VAEmoForClassification, inputs: dict[str, Tensor], names: tuple[str, ...]) -> None:
        """Read a batch of which only `names` are given; windows that lack one of them do not count."""
        given: list[Any] = [inputs.get(one) if name in names else None for name in _INPUTS for one in _INPUTS[name]]
        layers, layout = model.read(given[0], given[2], given[1], given[3], {})
        has_BM = has_modalities(layers[-1], layout)
        counts_B = has_BM.all(dim=1) if len(names) == 2 else has_BM.any(dim=1)
        for number, layer in enumerate(layers):
            for modality, part in enumerate(layer):
                if part is not None:
                    self._parts.setdefault((modality, len(names) == 2, number), []).append(part[counts_B].cpu())

    def give(self, model: VAEmoForClassification) -> None:
        """Set the moments of the head."""
        for (modality, is_beside, number), parts in self._parts.items():
            values = torch.cat(parts)
            if len(values) > 1:
                norms: Any = model.classifier.norms[modality]
                norms[number].set_moments(is_beside, values.to(model.device))
