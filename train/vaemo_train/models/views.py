"""What of a modality the encoder sees, and what the decoder is asked for.

B clips, N tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from vaemo_train.models.masking import Mask, Targets


@dataclass(frozen=True, slots=True)
class View:
    """One modality of a batch: its values, its padding, what is hidden of it and what is asked for."""

    values: Tensor
    is_padding_BN: Tensor | None
    mask: Mask
    targets: Targets


def encoder_inputs(views: Sequence[View | None]) -> dict[str, Any]:
    """What the encoder gets to see of the views, by its argument's name."""
    video, audio = views
    return {
        "pixel_values_videos": video.values if video else None,
        "input_features": audio.values if audio else None,
        "video_visible": video.mask.visible_BV if video else None,
        "audio_visible": audio.mask.visible_BV if audio else None,
        "video_unused": video.mask.is_unused_BV if video else None,
        "audio_unused": audio.mask.is_unused_BV if audio else None,
    }
