"""The descriptions that a batch of clips comes with, path by path.

B clips, E width of a text embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vaemo_train.contrastive import gathered
from vaemo_train.models.alignment_heads import ALONE, FUSED
from vaemo_train.models.config import ALIGNMENT_PATHS
from vaemo_train.models.views import View


@dataclass(frozen=True, slots=True)
class Descriptions:
    """Those of one path: embeddings, 0 without one; numbers that equal texts share; and which clips have one."""

    text_BE: Tensor
    id_B: Tensor
    has_text_B: Tensor


def descriptions_of(
    text: Mapping[str, Tensor],
    ids: Mapping[str, Tensor],
    has_text: Mapping[str, Tensor],
    views: Sequence[View | None],
    text_size: int,
) -> dict[str, Descriptions]:
    """Those of every path, of the B clips in `views`; of a path that is not given no clip has any. Raises ValueError.

    `text_size` is E.
    """
    values = next(view.values for view in views if view is not None)
    shape, device = (len(values), text_size), values.device
    if not set(text) == set(ids) == set(has_text) <= set(ALIGNMENT_PATHS):
        raise ValueError(
            f"text_embeds names {', '.join(text) or 'no path'}, text_ids {', '.join(ids) or 'none'}, has_text "
            f"{', '.join(has_text) or 'none'}; each must name the same of {', '.join(ALIGNMENT_PATHS)}"
        )
    found = {}
    for path in ALIGNMENT_PATHS:
        if path not in text:
            none_B = torch.zeros(shape[0], dtype=torch.int64, device=device)
            found[path] = Descriptions(torch.zeros(shape, device=device), none_B, none_B.bool())
            continue
        if tuple(text[path].shape) != shape:
            raise ValueError(f"text_embeds[{path!r}] is {tuple(text[path].shape)}; it must be {shape}")
        has_text_B = has_text[path].to(device)
        text_BE = torch.where(has_text_B[:, None], text[path].to(device).float(), 0.0)
        found[path] = Descriptions(text_BE, ids[path].to(device), has_text_B)
    return found


@torch.no_grad()
def with_pairs(descriptions: Mapping[str, Descriptions], views: Sequence[View | None]) -> set[str]:
    """The comparisons, paths and `ALONE`, that a clip of any process takes part in: the same in all processes.

    It needs a description and a modality, for `ALONE` both. One gather of a flag each, which on a GPU is waited for.
    """
    fused = descriptions[FUSED].has_text_B
    has_video_B, has_audio_B = (_has_modality(view, fused) for view in views)
    is_pair_B = {
        "visual": descriptions["visual"].has_text_B & has_video_B,
        "acoustic": descriptions["acoustic"].has_text_B & has_audio_B,
        FUSED: fused & (has_video_B | has_audio_B),
        **dict.fromkeys(ALONE, fused & has_video_B & has_audio_B),
    }
    found = gathered(torch.stack([flags_B.any() for flags_B in is_pair_B.values()])[None]).any(dim=0).tolist()
    return {name for name, is_there in zip(is_pair_B, found, strict=True) if is_there}


def _has_modality(view: View | None, like_B: Tensor) -> Tensor:
    """Which clips have it, (B,)."""
    if view is None:
        return torch.zeros_like(like_B)
    return torch.ones_like(like_B) if view.is_padding_BN is None else ~view.is_padding_BN.all(dim=1)
