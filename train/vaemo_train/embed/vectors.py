"""What the encoder says of a batch of windows: each block runs once for all that is asked for.

Shapes: B windows, N tokens, D width of the encoder, F width of a vector.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaemo_clips.errors import TrainingError
from vaemo_train.data.batch import Batch
from vaemo_train.embed.settings import EmbedSettings
from vaemo_train.evaluate.features import Modality
from vaemo_train.models.encoder import Scope, VAEmoModel
from vaemo_train.models.pooling import has_tokens
from vaemo_train.models.token_pooling import pool_tokens

_OF: Mapping[Modality, tuple[int, ...]] = {"video": (0,), "audio": (1,), "both": (0, 1)}
"""Whose tokens a vector is of: video's, audio's."""


def window_vectors(model: VAEmoModel, inputs: Batch, settings: EmbedSettings) -> Mapping[Modality, NDArray[np.float32]]:
    """Vectors (B, F) float32 of a batch's windows by modality, NaN for a window that lacks it.

    `inputs` are those of the model's `forward`. The unimodal blocks run once for video, audio and both; only the blocks
    above them run within the modalities, across them, or as both are asked for, twice. No modality sees more than when
    it is given alone. Raises TrainingError for vectors that are no numbers.
    """
    with torch.inference_mode(), torch.autocast(model.device.type, torch.bfloat16, enabled=settings.bf16):
        lower_BND, layout = model.run_lower(
            inputs.get("pixel_values_videos"),
            inputs.get("input_features"),
            inputs.get("video_padding_mask"),
            inputs.get("audio_padding_mask"),
        )
        spans = layout.of_modalities()
        has_B = [has_tokens(layout.is_padding_BN, span, len(lower_BND), lower_BND.device) for span in spans]
        there = {name for name, parts in _OF.items() if all(spans[part].stop > spans[part].start for part in parts)}
        wanted = [name for name in settings.modalities if name in there]
        below = (
            pool_tokens(lower_BND.float(), layout, settings.pooling, model.config)
            if settings.layers == "lower+last"
            else None
        )
        found: dict[Modality, NDArray[np.float32]] = {}
        for scope, names in _scopes(wanted):
            above = pool_tokens(
                model.run_upper(lower_BND, layout, scope).float(), layout, settings.pooling, model.config
            )
            for name in names:
                parts = [side[part] for side in (below, above) if side is not None for part in _OF[name]]
                has = torch.stack([has_B[part] for part in _OF[name]]).all(dim=0)
                found[name] = _checked(name, parts, has)
    return found


def _scopes(wanted: list[Modality]) -> list[tuple[Scope, list[Modality]]]:
    """The passes through the upper blocks, and what each gives."""
    alone: list[Modality] = [name for name in wanted if name != "both"]
    both: list[Modality] = [name for name in wanted if name == "both"]
    passes: list[tuple[Scope, list[Modality]]] = [("within", alone), ("cross", both)]
    return [(scope, names) for scope, names in passes if names]


def _checked(name: str, parts: list[Tensor | None], has_B: Tensor) -> NDArray[np.float32]:
    vectors_BF = torch.cat([part.float() for part in parts if part is not None], dim=1)
    if not torch.isfinite(vectors_BF[has_B]).all():
        raise TrainingError(f"the encoder's {name} vectors hold values that are no numbers; its weights are broken")
    found: NDArray[np.float32] = vectors_BF.masked_fill(~has_B[:, None], torch.nan).cpu().numpy()
    return found
