"""The light decoder: each hidden token asks the encoder's visible tokens of its modality, and no other hidden token.

What the other modality knows reaches them in the encoder's upper blocks, as in HiCMAE (arXiv 2401.05698).

Without attention between hidden tokens a token's prediction does not depend on which others are decoded, so decoding
a random share of them gives an unbiased estimate of the whole loss and gradient. Cross-attention alone reconstructs as
well as self-attention does in Fu et al. (2024), CrossMAE, arXiv 2401.14391.
B clips, K hidden tokens, N visible tokens, D encoder's width, E decoder's width, H heads.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from vaemo_train.models.block import AUDIO, VIDEO, Layout, Mlp, ModalityNorm, attention_mask
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.embedding import FixedPositions

_ON_AXIS, _OFF_AXIS = 2.0, 0.2
"""What a head's weights begin multiplied by: those of the half of a position that it goes by, and of the other."""


class DecoderBlock(nn.Module):
    """Pre-norm cross-attention from hidden tokens to visible ones, scaled by where they are, and an MLP."""

    def __init__(self, config: VAEmoConfig) -> None:
        super().__init__()
        width, eps = config.decoder_hidden_size, config.layer_norm_eps
        self.num_heads = config.decoder_num_heads
        self.attention_norm = ModalityNorm(width, eps)
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = ModalityNorm(width, eps)
        self.mlp = Mlp(width, config.mlp_ratio)

    @torch.no_grad()
    def begin_by_axis(self) -> None:
        """Let a new block's heads ask by turns what was seen nearest to their place and what was seen at their moment.

        Keys begin as queries do, so that a token asks what is like it (Trockman and Kolter 2023, arXiv 2305.09828,
        section 4); as yet that is its position, of which one half says when and the other where. The first head goes
        by place.
        """
        width = self.query.out_features
        halves = (slice(width // 2, width), slice(0, width // 2))
        # (E, E) -> (H, E/H, E)
        heads_HQE = self.query.weight.view(self.num_heads, -1, width)
        for parity in (0, 1):
            heads_HQE[parity::2, :, halves[parity]] *= _ON_AXIS
            heads_HQE[parity::2, :, halves[1 - parity]] *= _OFF_AXIS
        self.key_value.weight[:width] = self.query.weight

    def forward(
        self,
        asking_BKE: Tensor,
        asking: Layout,
        position_BKE: Tensor,
        seen_BNE: Tensor,
        seen: Layout,
    ) -> Tensor:
        """(B, K, E) -> (B, K, E); a token asks its own modality only."""
        answer_BKE = self._attention(self.attention_norm(asking_BKE, asking), asking, seen_BNE, seen)
        asking_BKE = asking_BKE + self.attention_out(answer_BKE * (1 + position_BKE))
        mixed: Tensor = asking_BKE + self.mlp(self.mlp_norm(asking_BKE, asking))
        return mixed

    def _attention(self, asking_BKE: Tensor, asking: Layout, seen_BNE: Tensor, seen: Layout) -> Tensor:
        B, K, E = asking_BKE.shape
        # (B, K, E) -> (B, H, K, E/H); (B, N, 2E) -> 2 x (B, H, N, E/H)
        q = self.query(asking_BKE).view(B, K, self.num_heads, -1).transpose(1, 2)
        k, v = self.key_value(seen_BNE).view(B, seen_BNE.shape[1], 2, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        parts = []
        for from_span, to_span in zip(asking.spans(within=True), seen.spans(within=True), strict=True):
            padding = None if seen.is_padding_BN is None else seen.is_padding_BN[:, to_span]
            part = scaled_dot_product_attention(
                q[:, :, from_span], k[:, :, to_span], v[:, :, to_span], attn_mask=attention_mask(padding)
            )
            parts.append(part.transpose(1, 2))
        # (B, K, H, E/H) -> (B, K, E)
        whole = parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)
        return whole.reshape(B, K, E)


class VAEmoDecoder(nn.Module):
    """From the encoder's visible tokens to the values of hidden ones: pixels and motion, or log-mel.

    Its heads begin at 0, so that a new model predicts the mean of each position. From random heads the first steps
    silence whatever the tokens say, and training sits at the error of the mean until they have found their voice again.
    """

    def __init__(self, config: VAEmoConfig) -> None:
        super().__init__()
        width, eps = config.decoder_hidden_size, config.layer_norm_eps
        self.project = nn.Linear(config.hidden_size, width)
        self.seen_norm = ModalityNorm(width, eps)
        self.mask_token = nn.Parameter(torch.zeros(2, width))
        self.positions = FixedPositions(config, width)
        self.blocks = nn.ModuleList([DecoderBlock(config) for _ in range(config.decoder_num_layers)])
        self.norm = ModalityNorm(width, eps)
        self.video_head = nn.Linear(width, config.num_pixels + config.num_motion)
        self.audio_head = nn.Linear(width, config.patch_size**2)

    def begin(self) -> None:
        """Give a new decoder's heads and attention the weights that they begin with, after those of its layers."""
        for head in (self.video_head, self.audio_head):
            nn.init.zeros_(head.weight)
        for block in self.blocks:
            assert isinstance(block, DecoderBlock)
            block.begin_by_axis()

    def forward(
        self,
        encoded_BND: Tensor,
        seen: Layout,
        seen_index: Sequence[Tensor | None],
        asked_index: Sequence[Tensor | None],
    ) -> tuple[Tensor | None, Tensor | None]:
        """Predict the tokens `asked_index` of video and of audio, (B, K) each, from the encoded `seen_index` (B, V).

        Returns (B, K, num_pixels + num_motion) of video and (B, K, 256) of audio, None without the modality.
        Raises ValueError where one of video and audio is asked for but the other alone was seen, or the reverse.
        """
        if [index is None for index in seen_index] != [index is None for index in asked_index]:
            raise ValueError("the decoder is asked for other modalities than were seen; a token asks its own only")
        seen_BNE = self.seen_norm(self.project(encoded_BND) + self._positions(seen_index), seen)
        tokens = [
            self.mask_token[modality].expand(*index_BK.shape, -1)
            for modality, index_BK in enumerate(asked_index)
            if index_BK is not None
        ]
        position_BKE = self._positions(asked_index)
        asking_BKE = torch.cat(tokens, dim=1) + position_BKE
        sizes = [0 if index_BK is None else index_BK.shape[1] for index_BK in asked_index]
        asking = Layout(sizes[VIDEO], sizes[AUDIO])
        for block in self.blocks:
            asking_BKE = block(asking_BKE, asking, position_BKE, seen_BNE, seen)
        asking_BKE = self.norm(asking_BKE, asking)
        video_BKE, audio_BKE = asking_BKE.split(sizes, dim=1)
        return (
            self.video_head(video_BKE) if sizes[VIDEO] else None,
            self.audio_head(audio_BKE) if sizes[AUDIO] else None,
        )

    def _positions(self, index: Sequence[Tensor | None]) -> Tensor:
        """Positions of the named tokens of video, then of audio, (B, N, E)."""
        tables = (self.positions.video_ND, self.positions.audio_ND)
        return torch.cat([table[rows] for table, rows in zip(tables, index, strict=True) if rows is not None], dim=1)
