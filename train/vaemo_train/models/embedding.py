"""From pictures and sound to tokens that know where they are.

B clips, T pictures, F audio frames, N tokens, V visible tokens, P values of a token, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vaemo_train.models.block import AUDIO, VIDEO
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.patches import mel_patches, tubelets
from vaemo_train.models.position_means import PositionMeans
from vaemo_train.models.positions import audio_positions, video_positions


class FixedPositions(nn.Module):
    """Positions of video and audio tokens at one width; not learned, not saved."""

    video_ND: Tensor
    audio_ND: Tensor

    def __init__(self, config: VAEmoConfig, width: int) -> None:
        super().__init__()
        self.config, self.width = config, width
        self.register_buffer("video_ND", torch.empty(config.num_video_tokens, width), persistent=False)
        self.register_buffer("audio_ND", torch.empty(config.num_audio_tokens, width), persistent=False)
        self.fill()

    @torch.no_grad()
    def fill(self) -> None:
        """Compute the positions; `from_pretrained` makes modules without values."""
        if not self.video_ND.is_meta:
            self.video_ND.copy_(video_positions(self.config, self.width))
            self.audio_ND.copy_(audio_positions(self.config, self.width))


class TokenEmbedding(nn.Module):
    """Tubelets and audio patches as vectors, with their positions and their modality.

    A position is added to what a patch shows, as usual, and also scales it: what a patch says about the whole face
    depends on where it is, and this product would otherwise have to be learned by the blocks.
    """

    def __init__(self, config: VAEmoConfig) -> None:
        super().__init__()
        self.config = config
        self.video = nn.Linear(config.num_pixels, config.hidden_size)
        self.audio = nn.Linear(config.patch_size**2, config.hidden_size)
        self.modality = nn.Parameter(torch.zeros(2, config.hidden_size))
        self.positions = FixedPositions(config, config.hidden_size)
        self.video_means = PositionMeans(config.num_video_tokens, config.num_pixels)
        self.audio_means = PositionMeans(config.num_audio_tokens, config.patch_size**2)

    def embed_video(self, video_BTCHW: Tensor, visible_BV: Tensor | None, is_padding_BV: Tensor | None) -> Tensor:
        """Embed all tubelets or the visible ones, (B, V, D); the others are not even copied."""
        seen_BVP = self.video_means.standardised(
            tubelets(video_BTCHW, self.config, visible_BV), visible_BV, is_padding_BV
        )
        return _placed(self.video(seen_BVP), _at(self.positions.video_ND, visible_BV)) + self.modality[VIDEO]

    def embed_audio(self, mel_BFM: Tensor, visible_BV: Tensor | None, is_padding_BV: Tensor | None) -> Tensor:
        """Embed all audio patches or the visible ones, (B, V, D)."""
        seen_BVP = self.audio_means.standardised(
            mel_patches(mel_BFM, self.config, visible_BV), visible_BV, is_padding_BV
        )
        return _placed(self.audio(seen_BVP), _at(self.positions.audio_ND, visible_BV)) + self.modality[AUDIO]


def _placed(shown_BVD: Tensor, position: Tensor) -> Tensor:
    """What tokens show, scaled and shifted by where they are, (B, V, D)."""
    return shown_BVD * (1 + position) + position


def _at(positions_ND: Tensor, index_BK: Tensor | None) -> Tensor:
    return positions_ND if index_BK is None else positions_ND[index_BK]
