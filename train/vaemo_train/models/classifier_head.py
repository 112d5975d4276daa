"""From the tokens of an encoder to the classes, or the values, of a clip.

B clips, D width of the encoder, F width of what is pooled, C classes or targets, M modalities, L layers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vaemo_train.models.band_pooling import band_statistics, num_bands
from vaemo_train.models.block import AUDIO, VIDEO, Layout
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.pooling import has_tokens, pooled, statistics

_MOMENTUM = 0.1
_LEAST_VARIANCE = 1e-5


class ClipNorm(nn.Module):
    """Each value to mean 0 and deviation 1 over clips; in training over those of the batch, else by running means.

    What tells clips apart is small beside what they have in common, so a linear map learns slowly without it: He et al.
    2022 (MAE, arXiv 2111.06377), appendix A.1, put a batch normalisation without gain and offset there. Under DDP every
    process goes by its own clips, and all keep the running means of process 0.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("variance", torch.ones(width))

    def reset(self) -> None:
        """Forget everything; `from_pretrained` makes modules without values."""
        self.mean.zero_()
        self.variance.fill_(1.0)

    def forward(self, read_BF: Tensor, is_there_B: Tensor) -> Tensor:
        """(B, F) -> (B, F) float32; clips that are not there do not count, nor does a batch with fewer than two."""
        mean, variance = self.mean, self.variance
        if self.training and len(read_BF) > 1:
            weight_B1 = is_there_B[:, None].float()
            num_clips = weight_B1.sum()
            centre = (read_BF * weight_B1).sum(dim=0) / num_clips.clamp(min=1)
            spread = ((read_BF - centre).square() * weight_B1).sum(dim=0) / num_clips.clamp(min=1)
            is_enough = num_clips > 1
            mean, variance = torch.where(is_enough, centre, mean), torch.where(is_enough, spread, variance)
            with torch.no_grad():
                self.mean.lerp_(mean.detach(), _MOMENTUM)
                self.variance.lerp_(variance.detach(), _MOMENTUM)
        return (read_BF - mean) * (variance + _LEAST_VARIANCE).rsqrt()


class ClassifierHead(nn.Module):
    """A linear map of each modality's pooled tokens; a clip's logits are the mean over the modalities that it has.

    So that a clip of which one modality is missing is judged by the other alone, by what that has learned.
    """

    def __init__(self, config: VAEmoConfig) -> None:
        super().__init__()
        self.config = config
        num_labels = len(config.id2label or {})
        widths = [_width(modality, config) for modality in (VIDEO, AUDIO)]
        num_layers = config.num_unimodal_layers + config.num_cross_layers if config.head_layers == "all" else 0
        self.layer_weights = nn.Parameter(torch.zeros(2, num_layers + 1))
        # Without gain and offset: those of the linear map behind it serve for both.
        self.norms = nn.ModuleList(
            [nn.ModuleList([ClipNorm(width) for _ in range(num_layers + 1)]) for width in widths]
        )
        self.dropout = nn.Dropout(config.head_dropout)
        self.linear = nn.ModuleList([nn.Linear(width, num_labels) for width in widths])
        if not num_layers:
            self.layer_weights.requires_grad_(False)

    def begin(self, std: float) -> None:
        """Small weights: all classes begin alike."""
        nn.init.zeros_(self.layer_weights)
        for linear in self.linear:
            assert isinstance(linear, nn.Linear)
            nn.init.normal_(linear.weight, std=std)
            nn.init.zeros_(linear.bias)

    def pool(
        self, hidden_BND: Tensor, layout: Layout, visible: tuple[Tensor | None, Tensor | None]
    ) -> list[Tensor | None]:
        """What the head reads of a layer, for video and for audio, (B, F) float32 each.

        `visible` (B, V) are the places of the tokens of video and of audio, None for all in order.
        """
        if self.config.head_pooling == "bands":
            return band_statistics(hidden_BND, layout, visible, self.config)
        pool = statistics if self.config.head_pooling == "statistics" else pooled
        return [None if one is None else one.float() for one in pool(hidden_BND, layout)]

    def forward(self, layers: list[list[Tensor | None]], layout: Layout) -> tuple[Tensor, Tensor]:
        """Logits (B, C) float32 from what `pool` gave of each layer, the normed top last; and who has a token (B,)."""
        logits: list[Tensor] = []
        has: list[Tensor] = []
        for modality, span in enumerate(layout.of_modalities()):
            parts = [one for one in (layer[modality] for layer in layers) if one is not None]
            if not parts:
                continue
            has_B = has_tokens(layout.is_padding_BN, span, len(parts[0]), parts[0].device)
            norms: Any = self.norms[modality]
            normed = [norm(part, has_B) for norm, part in zip(norms, parts, strict=True)]
            share_L = self.layer_weights[modality].softmax(dim=0)
            read = normed[0] if len(normed) == 1 else torch.einsum("l,lbf->bf", share_L, torch.stack(normed))
            logits.append(self.linear[modality](self.dropout(read)).float())
            has.append(has_B)
        has_BM = torch.stack(has, dim=1)
        # (B, M, C) -> (B, C)
        total_BC = (torch.stack(logits, dim=1) * has_BM[..., None]).sum(dim=1)
        return total_BC / has_BM.sum(dim=1, keepdim=True).clamp(min=1), has_BM.any(dim=1)


def _width(modality: int, config: VAEmoConfig) -> int:
    """F: how many values the head reads of a layer."""
    if config.head_pooling == "mean":
        return config.hidden_size
    return 2 * config.hidden_size * (num_bands(modality, config) if config.head_pooling == "bands" else 1)
