"""Mixup of clips: picture, sound and label alike.

B clips, T pictures, F audio frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vaemo_train.data.batch import Batch
from vaemo_train.finetune.recipe import MixupSettings

_MIXED = ("pixel_values_videos", "input_features")
_PADDING = ("video_padding_mask", "audio_padding_mask")


@dataclass(frozen=True, slots=True)
class Mixup:
    """Clip i keeps `share_B` of itself and takes the rest from clip `partner_B[i]`."""

    partner_B: Tensor
    share_B: Tensor

    @classmethod
    def draw(cls, settings: MixupSettings, num_clips: int, generator: torch.Generator) -> Mixup | None:
        """Draw for a batch; None where it is left as it is. The generator is one of the CPU.

        A clip keeps half of itself or more: of two clips that are mixed both ways round, neither is named twice.
        """
        draw = torch.rand((), generator=generator).item()
        if settings.alpha == 0 or num_clips < 2 or draw >= settings.probability:
            return None
        partner_B = torch.randperm(num_clips, generator=generator)
        share_B = _beta(settings.alpha, num_clips, generator)
        return cls(partner_B, torch.maximum(share_B, 1 - share_B))

    def of_features(self, features: Batch) -> Batch:
        """The model's inputs, mixed; a frame is padding where both clips have none."""
        mixed = dict(features)
        for name in _MIXED:
            if name in features:
                mixed[name] = self._mixed(features[name])
        for name in _PADDING:
            if name in features:
                mixed[name] = features[name] & features[name][self._on(features[name])]
        return mixed

    def of_targets(self, target_BC: Tensor) -> Tensor:
        """Shares of classes, or values, (B, C), mixed."""
        return self._mixed(target_BC)

    def _mixed(self, values: Tensor) -> Tensor:
        share = self.share_B.to(values.device, values.dtype).view(-1, *[1] * (values.ndim - 1))
        return torch.lerp(values[self._on(values)], values, share)

    def _on(self, values: Tensor) -> Tensor:
        return self.partner_B.to(values.device)


def _beta(alpha: float, count: int, generator: torch.Generator) -> Tensor:
    """(count,) draws of Beta(alpha, alpha), by two Gamma draws: torch's own take no generator."""
    gamma = torch._standard_gamma(torch.full((2, count), alpha, dtype=torch.float64), generator=generator)
    return (gamma[0] / gamma.sum(dim=0).clamp(min=1e-300)).float()
