"""Shares of tokens to hide that cannot be had of a window: none of what is to be reconstructed, or all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.masking import num_hidden
from vaemo_train.training.recipe import Contradiction
from vaemo_train.training.settings import MaskSettings


class ReconstructionWeights(Protocol):
    """Weights of the parts of a loss that reconstruct what is hidden."""

    @property
    def video_pixels(self) -> float:
        """Of hidden pictures."""

    @property
    def video_motion(self) -> float:
        """Of hidden motion."""

    @property
    def audio(self) -> float:
        """Of hidden sound."""


def mask_faults(
    mask: MaskSettings, config: VAEmoConfig, weights: ReconstructionWeights, keys: tuple[str, ...]
) -> Iterator[Contradiction]:
    """Yield what the masks ask of windows as the model cuts them; `keys` name the settings it rests on besides.

    Hiding nothing is fine where nothing of the modality is reconstructed.
    """
    parts = (
        ("video", mask.video, config.num_places, "places of the picture", weights.video_pixels + weights.video_motion),
        ("audio", mask.audio, config.num_audio_tokens, "patches of the sound", weights.audio),
    )
    for name, ratio, count, noun, weight in parts:
        whose = f"mask.{name}: {ratio:g} of {count} {noun}"
        if round(count * ratio) >= count:
            text = f"{whose} leaves none visible; give at most {1 - 1 / count:.3g}"
        elif weight and num_hidden(count, ratio) == 0:
            text = f"{whose} hides none to reconstruct; give at least {1 / count:.2g}, or no weight to its loss"
        else:
            continue
        yield Contradiction((f"mask.{name}", *keys), text)
