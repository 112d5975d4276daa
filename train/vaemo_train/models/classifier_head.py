"""From the tokens of an encoder to the classes, or the values, of a clip.

B clips, D width of the encoder, F width of what is pooled, C classes or targets, M modalities, L layers.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vaemo_train.models.block import AUDIO, VIDEO, Layout
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.pooling import has_tokens
from vaemo_train.models.token_pooling import pool_tokens, pooled_width

_MOMENTUM = 0.1
_LEAST_VARIANCE = 1e-5


class ClipNorm(nn.Module):
    """Each value to mean 0 and deviation 1 over clips; in training over those of the batch, else by stored moments.

    What tells clips apart is small beside what they have in common, so a linear map learns slowly without it: He et al.
    2022 (MAE, arXiv 2111.06377), appendix A.1, put a batch normalisation without gain and offset there. The stored
    moments are running ones, until a finished training takes those of whole training clips (`set_moments`). A modality
    alone and beside the other has moments of its own, for the upper blocks mix the two. Under DDP every process goes by
    its own clips, and all keep the running moments of process 0.
    """

    mean: Tensor
    variance: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2, width))
        self.register_buffer("variance", torch.ones(2, width))

    def reset(self) -> None:
        """Forget everything; `from_pretrained` makes modules without values."""
        self.mean.zero_()
        self.variance.fill_(1.0)

    @torch.no_grad()
    def set_moments(self, is_beside: bool, values_nF: Tensor) -> None:
        """Take the moments of n clips as the stored ones, of the modality alone or beside the other."""
        self.mean[int(is_beside)] = values_nF.mean(dim=0)
        self.variance[int(is_beside)] = values_nF.var(dim=0, unbiased=False)

    def forward(self, read_BF: Tensor, is_there_B: Tensor, is_beside_B: Tensor) -> Tensor:
        """(B, F) -> (B, F) float32; clips that are not there do not count, nor does a context with fewer than two."""
        moments = [self._moments(read_BF, is_there_B & (is_beside_B == bool(which)), which) for which in (0, 1)]
        choice_B1 = is_beside_B[:, None]
        mean = torch.where(choice_B1, moments[1][0], moments[0][0])
        variance = torch.where(choice_B1, moments[1][1], moments[0][1])
        return (read_BF - mean) * (variance + _LEAST_VARIANCE).rsqrt()

    def _moments(self, read_BF: Tensor, counts_B: Tensor, which: int) -> tuple[Tensor, Tensor]:
        """Mean and variance (F,) to go by: the batch's in training, where it has two clips that count."""
        mean, variance = self.mean[which], self.variance[which]
        if not self.training:
            return mean, variance
        weight_B1 = counts_B[:, None].float()
        num_clips = weight_B1.sum()
        centre = (read_BF * weight_B1).sum(dim=0) / num_clips.clamp(min=1)
        spread = ((read_BF - centre).square() * weight_B1).sum(dim=0) / num_clips.clamp(min=1)
        is_enough = num_clips > 1
        mean, variance = torch.where(is_enough, centre, mean), torch.where(is_enough, spread, variance)
        with torch.no_grad():
            self.mean[which] = torch.lerp(self.mean[which], mean.detach(), _MOMENTUM)
            self.variance[which] = torch.lerp(self.variance[which], variance.detach(), _MOMENTUM)
        return mean, variance


class ClassifierHead(nn.Module):
    """A linear map of each modality's pooled tokens; a clip's logits are the mean over the modalities that it has.

    So that a clip of which one modality is missing is judged by the other alone, by what that has learned.
    """

    def __init__(self, config: VAEmoConfig) -> None:
        super().__init__()
        self.config = config
        num_labels = len(config.id2label or {})
        widths = [pooled_width(modality, config.head_pooling, config) for modality in (VIDEO, AUDIO)]
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

    def begin(self) -> None:
        """All classes begin alike: random weights on thousands of normed values would be noise to unlearn."""
        nn.init.zeros_(self.layer_weights)
        for linear in self.linear:
            assert isinstance(linear, nn.Linear)
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)

    def pool(
        self, hidden_BND: Tensor, layout: Layout, visible: tuple[Tensor | None, Tensor | None]
    ) -> list[Tensor | None]:
        """What the head reads of a layer, for video and for audio, (B, F) float32 each.

        `visible` (B, V) are the places of the tokens of video and of audio, None for all in order.
        """
        return pool_tokens(hidden_BND, layout, self.config.head_pooling, self.config, visible)

    def forward(self, layers: list[list[Tensor | None]], layout: Layout) -> tuple[Tensor, Tensor]:
        """Logits (B, C) float32 from what `pool` gave of each layer, the normed top last; and who has a token (B,)."""
        has_BM = has_modalities(layers[-1], layout)
        is_beside_B = has_BM.all(dim=1)
        total_BC: Tensor | float = 0.0
        with torch.autocast(has_BM.device.type, enabled=False):
            for modality in range(2):
                parts = [one for one in (layer[modality] for layer in layers) if one is not None]
                if parts:
                    has_B = has_BM[:, modality]
                    total_BC = total_BC + self._logits(modality, parts, has_B, is_beside_B) * has_B[:, None]
        assert isinstance(total_BC, Tensor)
        return total_BC / has_BM.sum(dim=1, keepdim=True).clamp(min=1), has_BM.any(dim=1)

    def _logits(self, modality: int, parts: list[Tensor], has_B: Tensor, is_beside_B: Tensor) -> Tensor:
        norms: Any = self.norms[modality]
        normed = [norm(part, has_B, is_beside_B) for norm, part in zip(norms, parts, strict=True)]
        share_L = self.layer_weights[modality].softmax(dim=0)
        read = normed[0] if len(normed) == 1 else torch.einsum("l,lbf->bf", share_L, torch.stack(normed))
        logits: Tensor = self.linear[modality](self.dropout(read))
        return logits


def has_modalities(layer: list[Tensor | None], layout: Layout) -> Tensor:
    """Which clips have a token of video and of audio, (B, 2)."""
    some = next(one for one in layer if one is not None)
    found = [
        torch.zeros(len(some), dtype=torch.bool, device=some.device)
        if one is None
        else has_tokens(layout.is_padding_BN, span, len(some), some.device)
        for one, span in zip(layer, layout.of_modalities(), strict=True)
    ]
    return torch.stack(found, dim=1)
