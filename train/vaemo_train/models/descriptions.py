"""The descriptions that a batch of clips comes with, path by path.

B clips, E width of a text embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vaemo_train.contrastive import gathered
from vaemo_train.models.alignment_heads import MODALITIES_OF
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
    shape: tuple[int, int],
    device: torch.device,
) -> dict[str, Descriptions]:
    """Those of every path, `shape` (B, E) each; of a path that is not given no clip has any. Raises ValueError."""
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
        text_BE = torch.where(has_text_B[:, None], text[path].to(device, torch.float32), 0.0)
        found[path] = Descriptions(text_BE, ids[path].to(device), has_text_B)
    return found


@torch.no_grad()
def paths_with_pairs(descriptions: Mapping[str, Descriptions], views: Sequence[View | None]) -> set[str]:
    """The paths on which a clip of any process has both a description and a modality: the same in all processes.

    One gather of a flag a path, which on a GPU is waited for.
    """
    flags = []
    for path in ALIGNMENT_PATHS:
        has_text_B = descriptions[path].has_text_B
        is_pair_B = torch.zeros_like(has_text_B)
        for view in (views[modality] for modality in MODALITIES_OF[path]):
            if view is not None:
                is_pair_B |= has_text_B if view.is_padding_BN is None else has_text_B & ~view.is_padding_BN.all(dim=1)
        flags.append(is_pair_B.any())
    found = gathered(torch.stack(flags)[None]).any(dim=0).tolist()
    return {path for path, is_there in zip(ALIGNMENT_PATHS, found, strict=True) if is_there}
