"""From the tokens after the unimodal blocks to the unit vectors that the contrastive loss compares.

B clips, V tokens of one modality, S steps in time, D width, P width of the projection.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from vaemo_train.contrastive import gathered
from vaemo_train.models.block import AUDIO, VIDEO, Layout, ModalityNorm
from vaemo_train.models.config import VAEmoConfig

_MOMENTUM = 0.1


def token_means(hidden_BVD: Tensor, is_of_BVS: Tensor) -> Tensor:
    """Mean over the tokens of each step, (B, S, D); 0 for a step without any."""
    total_BSD = torch.einsum("bvd,bvs->bsd", hidden_BVD, is_of_BVS.to(hidden_BVD.dtype))
    return total_BSD / is_of_BVS.sum(dim=1).clamp(min=1)[..., None]


def compared_speakers(speaker_B: Tensor | None, clip_B: Tensor | None) -> Tensor | None:
    """The speakers' numbers (B,), but -1 for whom the joint batch has windows of a single clip only.

    Centred among themselves those would be made to differ, though the same descriptions are theirs.
    """
    if speaker_B is None or clip_B is None:
        return speaker_B
    is_other_BG = (speaker_B[:, None] == gathered(speaker_B)) & (clip_B[:, None] != gathered(clip_B))
    return torch.where(is_other_BG.any(dim=1), speaker_B, -1)


class Centring(nn.Module):
    """Subtracts the mean over clips: of the joint batch of all processes in training, the running one otherwise.

    Pooled tokens of different clips are almost the same vector at first. Without their common part the cosine tells
    them apart from the first step.
    """

    mean: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))

    def forward(self, rows_BP: Tensor, is_there_B: Tensor, speaker_B: Tensor | None = None) -> Tensor:
        """(B, P) -> (B, P); only the clips of `is_there_B` count.

        Where `speaker_B` (B,) is given in training, a clip is centred by the clips of its speaker, if the joint batch
        has two or more; a number below 0 is nobody's.
        """
        if not self.training:
            return rows_BP - self.mean
        weight_G, rows_GP = gathered(is_there_B).float(), gathered(rows_BP)
        mean_P = (rows_GP * weight_G[:, None]).sum(dim=0) / weight_G.sum().clamp(min=1)
        with torch.no_grad():
            self.mean.lerp_(mean_P, _MOMENTUM * (weight_G.sum() > 0))
        if speaker_B is None:
            return rows_BP - mean_P
        is_own_BG = ((speaker_B[:, None] == gathered(speaker_B)) & (speaker_B[:, None] >= 0)) * weight_G
        count_B1 = is_own_BG.sum(dim=1, keepdim=True)
        own_BP = (is_own_BG @ rows_GP) / count_B1.clamp(min=1)
        return rows_BP - torch.where(count_B1 > 1, own_BP, mean_P)


class ContrastiveHead(nn.Module):
    """Tokens of video and of audio as unit vectors, of each window as a whole or of its course in time.

    The course is what `contrastive_steps` stretches of the window have beyond their mean, side by side. A tube mask
    hides the same places in all of them, so it drops out, and so does who is seen: what is left is what moves.
    """

    def __init__(self, config: VAEmoConfig) -> None:
        super().__init__()
        self.config = config
        width = config.projection_size // config.contrastive_steps
        self.norm = ModalityNorm(config.hidden_size, config.layer_norm_eps)
        self.projections = nn.ModuleList([nn.Linear(config.hidden_size, width) for _ in (VIDEO, AUDIO)])
        self.centrings = nn.ModuleList([Centring(config.projection_size) for _ in (VIDEO, AUDIO)])

    def forward(
        self, hidden_BND: Tensor, layout: Layout, visible: Sequence[Tensor | None]
    ) -> tuple[list[Tensor | None], Tensor]:
        """Return the vectors (B, P) of video and of audio, None without the modality, and which clips have all, (B,).

        `visible` names the encoded tokens of each modality, (B, V); None for all of them. Computed in float32: what
        tells clips apart is a small part of vectors that are nearly the same.
        """
        with torch.autocast(hidden_BND.device.type, enabled=False):
            return self._vectors(hidden_BND.float(), layout, visible)

    def _vectors(
        self, hidden_BND: Tensor, layout: Layout, visible: Sequence[Tensor | None]
    ) -> tuple[list[Tensor | None], Tensor]:
        tokens: list[tuple[int, Tensor, Tensor]] = []
        is_there_B = torch.ones(len(hidden_BND), dtype=torch.bool, device=hidden_BND.device)
        modalities = [m for m, length in ((VIDEO, layout.num_video), (AUDIO, layout.num_audio)) if length]
        for modality, span in zip(modalities, layout.spans(within=True), strict=True):
            is_of_BVS = self._steps(modality, visible[modality], hidden_BND[:, span])
            if layout.is_padding_BN is not None:
                is_of_BVS = is_of_BVS & ~layout.is_padding_BN[:, span, None]
                is_there_B = is_there_B & is_of_BVS.flatten(1).any(dim=1)
            tokens.append((modality, hidden_BND[:, span], is_of_BVS))
        vectors: list[Tensor | None] = [None, None]
        for modality, hidden_BVD, is_of_BVS in tokens:
            vectors[modality] = self._vector(modality, hidden_BVD, is_of_BVS, is_there_B)
        return vectors, is_there_B

    def _steps(self, modality: int, visible_BV: Tensor | None, hidden_BVD: Tensor) -> Tensor:
        """Which tokens lie in which stretch of the window, (B, V, S)."""
        config = self.config
        num_tokens = (config.num_video_tokens, config.num_audio_tokens)[modality]
        if visible_BV is None:
            visible_BV = torch.arange(num_tokens, device=hidden_BVD.device).expand(len(hidden_BVD), -1)
        step_BV = visible_BV * config.contrastive_steps // num_tokens
        return step_BV[..., None] == torch.arange(config.contrastive_steps, device=hidden_BVD.device)

    def _vector(self, modality: int, hidden_BVD: Tensor, is_of_BVS: Tensor, is_there_B: Tensor) -> Tensor:
        mean_BSD = token_means(hidden_BVD, is_of_BVS)
        num_steps = self.config.contrastive_steps
        normed_BSD = self.norm(mean_BSD, Layout(num_steps, 0) if modality == VIDEO else Layout(0, num_steps))
        projected_BSQ = self.projections[modality](normed_BSD)
        if num_steps > 1:
            is_step_BS1 = is_of_BVS.any(dim=1)[..., None]
            mean_B1Q = (projected_BSQ * is_step_BS1).sum(dim=1, keepdim=True) / is_step_BS1.sum(
                dim=1, keepdim=True
            ).clamp(min=1)
            projected_BSQ = (projected_BSQ - mean_B1Q) * is_step_BS1
        # (B, S, Q) -> (B, S * Q)
        return normalize(self.centrings[modality](projected_BSQ.flatten(1), is_there_B), dim=-1)
