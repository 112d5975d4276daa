"""The transformer block whose weights serve video and audio; only its norms know the modality.

B clips, N tokens, D width, H heads. Tokens are in the order video, audio; `num_video` tells where audio begins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import layer_norm, scaled_dot_product_attention

VIDEO, AUDIO = 0, 1


@dataclass(frozen=True, slots=True)
class Layout:
    """Which tokens of a sequence are whose: `num_video` of video, then `num_audio` of audio; B x N padding or None."""

    num_video: int
    num_audio: int
    is_padding_BN: Tensor | None = None

    def of_modalities(self) -> tuple[slice, slice]:
        """The tokens of video and of audio; empty for a modality that is not there."""
        return slice(0, self.num_video), slice(self.num_video, self.num_video + self.num_audio)

    def spans(self, within: bool) -> list[slice]:
        """The stretches of tokens that attend to one another: each modality alone, or all."""
        if not within:
            return [slice(0, self.num_video + self.num_audio)]
        return [span for span in self.of_modalities() if span.stop > span.start]


class ModalityNorm(nn.Module):
    """LayerNorm with a gain and an offset for each modality."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.width, self.eps = width, eps
        self.weight = nn.Parameter(torch.ones(2, width))
        self.bias = nn.Parameter(torch.zeros(2, width))

    def forward(self, hidden_BND: Tensor, layout: Layout) -> Tensor:
        """Normalise each token, then scale and shift it as its modality wants, (B, N, D)."""
        if not layout.num_audio or not layout.num_video:
            only = AUDIO if layout.num_audio else VIDEO
            return layer_norm(hidden_BND, (self.width,), self.weight[only], self.bias[only], self.eps)
        video_BND, audio_BND = hidden_BND.split([layout.num_video, layout.num_audio], dim=1)
        return torch.cat(
            [
                layer_norm(video_BND, (self.width,), self.weight[VIDEO], self.bias[VIDEO], self.eps),
                layer_norm(audio_BND, (self.width,), self.weight[AUDIO], self.bias[AUDIO], self.eps),
            ],
            dim=1,
        )


def attention_mask(is_padding_BN: Tensor | None) -> Tensor | None:
    """Which keys are attended to, (B, 1, 1, N); all of them in a clip that has nothing but padding."""
    if is_padding_BN is None:
        return None
    is_seen_BN = ~is_padding_BN | is_padding_BN.all(dim=1, keepdim=True)
    return is_seen_BN[:, None, None, :]


class ResidualOut(nn.Linear):
    """The last layer of what a block adds to its tokens; it begins smaller than other layers."""


class Mlp(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int, ratio: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, ratio * width)
        self.down = ResidualOut(ratio * width, width)

    def forward(self, hidden_BND: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        down: Tensor = self.down(nn.functional.gelu(self.up(hidden_BND)))
        return down


class DropPath(nn.Module):
    """Leaves out, in training, what a block adds to a clip's tokens: stochastic depth (Huang et al. 2016, section 3).

    What is kept is scaled up, so that its mean stays.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, added_BND: Tensor) -> Tensor:
        """(B, N, D) -> (B, N, D)."""
        if not self.training or self.rate == 0:
            return added_BND
        is_kept_B11 = torch.rand(len(added_BND), 1, 1, device=added_BND.device) >= self.rate
        return added_BND * is_kept_B11 / (1 - self.rate)


class Block(nn.Module):
    """Pre-norm self-attention, within each modality or across both, and an MLP."""

    def __init__(self, width: int, num_heads: int, mlp_ratio: int, eps: float, drop_path: float = 0.0) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.drop_path = DropPath(drop_path)
        self.attention_norm = ModalityNorm(width, eps)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = ResidualOut(width, width)
        self.mlp_norm = ModalityNorm(width, eps)
        self.mlp = Mlp(width, mlp_ratio)

    def forward(self, hidden_BND: Tensor, layout: Layout, *, within: bool) -> Tensor:
        """(B, N, D) -> (B, N, D); `within` keeps video and audio apart."""
        attended_BND = self._attention(self.attention_norm(hidden_BND, layout), layout, within)
        hidden_BND = hidden_BND + self.drop_path(attended_BND)
        mixed: Tensor = hidden_BND + self.drop_path(self.mlp(self.mlp_norm(hidden_BND, layout)))
        return mixed

    def _attention(self, hidden_BND: Tensor, layout: Layout, within: bool) -> Tensor:
        B, N, D = hidden_BND.shape
        # (B, N, 3D) -> (B, N, 3, H, D/H) -> 3 x (B, H, N, D/H)
        q, k, v = self.qkv(hidden_BND).view(B, N, 3, self.num_heads, D // self.num_heads).permute(2, 0, 3, 1, 4)
        mixed = []
        for span in layout.spans(within):
            padding = None if layout.is_padding_BN is None else layout.is_padding_BN[:, span]
            part = scaled_dot_product_attention(
                q[:, :, span], k[:, :, span], v[:, :, span], attn_mask=attention_mask(padding)
            )
            mixed.append(part.transpose(1, 2))
        # (B, N, H, D/H) -> (B, N, D)
        whole = mixed[0] if len(mixed) == 1 else torch.cat(mixed, dim=1)
        out: Tensor = self.attention_out(whole.reshape(B, N, D))
        return out
