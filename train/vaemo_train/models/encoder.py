"""`VAEmoModel`: one compact encoder for video, audio, or both, through the same weights.

B clips, T pictures, F audio frames, N tokens, V visible tokens, D width. Tokens are in the order video, audio.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from vaemo_train.models.block import AUDIO, VIDEO, Block, Layout, ModalityNorm, ResidualOut
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.patches import audio_token_padding, mel_patches, tubelets, video_token_padding
from vaemo_train.models.position_means import PositionMeans
from vaemo_train.models.positions import audio_positions, video_positions

Scope = Literal["cross", "within"]


@dataclass
class VAEmoOutput(ModelOutput):
    """What the encoder says of B clips.

    `last_hidden_state` (B, N, D): the first `num_video_tokens` are video's; `is_padding` (B, N) or None. The embeds
    (B, D) are means over the tokens of a modality that are no padding, 0 for a clip without them, None for a batch
    without them: of the last block, and of the last unimodal block (`lower_`). `pooler_output` (B, D) is the mean of
    the modalities that a clip has. `lower_hidden_state` (B, N, D) is what the last unimodal block says, not normed.
    """

    last_hidden_state: Tensor | None = None
    num_video_tokens: int | None = None
    is_padding: Tensor | None = None
    video_embeds: Tensor | None = None
    audio_embeds: Tensor | None = None
    lower_video_embeds: Tensor | None = None
    lower_audio_embeds: Tensor | None = None
    pooler_output: Tensor | None = None
    lower_hidden_state: Tensor | None = None

    @property
    def layout(self) -> Layout:
        """Which of the tokens are whose."""
        assert self.last_hidden_state is not None
        assert self.num_video_tokens is not None
        num_tokens = self.last_hidden_state.shape[1]
        return Layout(self.num_video_tokens, num_tokens - self.num_video_tokens, self.is_padding)


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


class VAEmoPreTrainedModel(PreTrainedModel):
    """What the models share: how weights begin."""

    config: VAEmoConfig
    config_class = VAEmoConfig
    base_model_prefix = "vaemo"
    main_input_name = "pixel_values_videos"
    supports_gradient_checkpointing = False
    _no_split_modules = ["Block"]  # noqa: RUF012 (a list in transformers)
    _supports_sdpa = True

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Xavier for linear layers, as in MAE (He et al. 2022, appendix A.1); a small normal for tokens.

        What a block adds begins small, as in GPT-2 (Radford et al. 2019, section 2.3): an untrained encoder passes on
        what its tokens see instead of mixing it at random.
        """
        init = torch.nn.init
        if isinstance(module, ResidualOut):
            depth = self.config.num_unimodal_layers + self.config.num_cross_layers
            init.normal_(module.weight, std=self.config.initializer_range / (2 * depth) ** 0.5)
            init.zeros_(module.bias)
        elif isinstance(module, nn.Linear):
            init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, ModalityNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, FixedPositions):
            module.fill()
        elif isinstance(module, PositionMeans):
            module.reset()
        elif isinstance(module, TokenEmbedding):
            init.normal_(module.modality, std=self.config.initializer_range)


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


class VAEmoModel(VAEmoPreTrainedModel):
    """The unified encoder: blocks within a modality below, across both above, one set of weights for both."""

    _keys_to_ignore_on_load_unexpected = [r"^decoder\.", r"^contrastive\.", r"^target_means\."]  # noqa: RUF012 (what pre-training adds)

    def __init__(self, config: VAEmoConfig) -> None:
        """Build the encoder with random weights."""
        super().__init__(config)
        self.embedding = TokenEmbedding(config)
        width, heads, eps = config.hidden_size, config.num_attention_heads, config.layer_norm_eps
        self.lower = nn.ModuleList(
            [Block(width, heads, config.mlp_ratio, eps) for _ in range(config.num_unimodal_layers)]
        )
        self.upper = nn.ModuleList([Block(width, heads, config.mlp_ratio, eps) for _ in range(config.num_cross_layers)])
        self.norm = ModalityNorm(width, eps)
        self.post_init()

    def forward(
        self,
        pixel_values_videos: Tensor | None = None,
        input_features: Tensor | None = None,
        video_padding_mask: Tensor | None = None,
        audio_padding_mask: Tensor | None = None,
        *,
        scope: Scope = "cross",
        video_visible: Tensor | None = None,
        audio_visible: Tensor | None = None,
        video_unused: Tensor | None = None,
        audio_unused: Tensor | None = None,
    ) -> VAEmoOutput:
        """Encode B clips from pictures (B, T, C, H, W) in [-1, 1], normalised log-mel (B, F, M), or both.

        Padding is True in `video_padding_mask` (B, T) and `audio_padding_mask` (B, F): pictures and frames that a
        clip does not have, all of them where it lacks the modality. `scope` "within" keeps the modalities apart to
        the top. `video_visible` and `audio_visible` (B, V) name the tokens to encode (all unless given), and of those
        `video_unused` and `audio_unused` (B, V) the ones that count as padding.
        Raises ValueError without any input, or for inputs of another shape.
        """
        self._check(pixel_values_videos, input_features)
        tokens, padding, sizes = [], [], [0, 0]
        if pixel_values_videos is not None:
            is_padding_BN = _padding(video_padding_mask, video_token_padding, self.config, video_visible, video_unused)
            tokens.append(self.embedding.embed_video(pixel_values_videos, video_visible, is_padding_BN))
            sizes[VIDEO] = tokens[-1].shape[1]
            padding.append((is_padding_BN, tokens[-1]))
        if input_features is not None:
            is_padding_BN = _padding(audio_padding_mask, audio_token_padding, self.config, audio_visible, audio_unused)
            tokens.append(self.embedding.embed_audio(input_features, audio_visible, is_padding_BN))
            sizes[AUDIO] = tokens[-1].shape[1]
            padding.append((is_padding_BN, tokens[-1]))
        hidden_BND = tokens[0] if len(tokens) == 1 else torch.cat(tokens, dim=1)
        layout = Layout(sizes[VIDEO], sizes[AUDIO], _joined(padding))
        for block in self.lower:
            hidden_BND = block(hidden_BND, layout, within=True)
        lower_BND = hidden_BND
        lower = _pooled(lower_BND, layout)
        for block in self.upper:
            hidden_BND = block(hidden_BND, layout, within=scope == "within")
        hidden_BND = self.norm(hidden_BND, layout)
        upper = _pooled(hidden_BND, layout)
        return VAEmoOutput(
            last_hidden_state=hidden_BND,
            num_video_tokens=layout.num_video,
            is_padding=layout.is_padding_BN,
            video_embeds=upper[VIDEO],
            audio_embeds=upper[AUDIO],
            lower_video_embeds=lower[VIDEO],
            lower_audio_embeds=lower[AUDIO],
            pooler_output=_mean_of_modalities(upper, layout),
            lower_hidden_state=lower_BND,
        )

    def _check(self, video: Tensor | None, mel: Tensor | None) -> None:
        config = self.config
        if video is None and mel is None:
            raise ValueError("give pixel_values_videos, input_features, or both")
        picture = (config.num_frames, config.num_channels, config.image_size, config.image_size)
        if video is not None and tuple(video.shape[1:]) != picture:
            raise ValueError(f"pixel_values_videos is {tuple(video.shape)}; it must be (clips, {picture})")
        sound = (config.num_audio_frames, config.num_mel_bins)
        if mel is not None and tuple(mel.shape[1:]) != sound:
            raise ValueError(f"input_features is {tuple(mel.shape)}; it must be (clips, {sound})")


def _placed(shown_BVD: Tensor, position: Tensor) -> Tensor:
    """What tokens show, scaled and shifted by where they are, (B, V, D)."""
    return shown_BVD * (1 + position) + position


def _at(positions_ND: Tensor, index_BK: Tensor | None) -> Tensor:
    return positions_ND if index_BK is None else positions_ND[index_BK]


def _padding(
    mask: Tensor | None,
    to_tokens: Callable[[Tensor, VAEmoConfig], Tensor],
    config: VAEmoConfig,
    visible_BV: Tensor | None,
    unused_BV: Tensor | None,
) -> Tensor | None:
    """Which of the encoded tokens of one modality count as padding, (B, V), or None for none."""
    if unused_BV is not None:
        return unused_BV
    if mask is None:
        return None
    is_padding_BN = to_tokens(mask, config)
    return is_padding_BN if visible_BV is None else is_padding_BN.gather(1, visible_BV)


def _joined(padding: list[tuple[Tensor | None, Tensor]]) -> Tensor | None:
    """The padding of all tokens, (B, N), or None where no modality has any."""
    if all(is_padding is None for is_padding, _ in padding):
        return None
    whole = [
        torch.zeros(tokens.shape[:2], dtype=torch.bool, device=tokens.device) if is_padding is None else is_padding
        for is_padding, tokens in padding
    ]
    return torch.cat(whole, dim=1)


def _pooled(hidden_BND: Tensor, layout: Layout) -> list[Tensor | None]:
    """Mean over the tokens of video and of audio that are no padding, (B, D) each."""
    means: list[Tensor | None] = []
    for begin, length in ((0, layout.num_video), (layout.num_video, layout.num_audio)):
        span = slice(begin, begin + length)
        if not length:
            means.append(None)
        elif layout.is_padding_BN is None:
            means.append(hidden_BND[:, span].mean(dim=1))
        else:
            is_real_BN = ~layout.is_padding_BN[:, span]
            total_BD = (hidden_BND[:, span] * is_real_BN[..., None]).sum(dim=1)  # an einsum would be in bfloat16
            means.append(total_BD / is_real_BN.sum(dim=1, keepdim=True).clamp(min=1))
    return means


def has_tokens(layout_padding_BN: Tensor | None, span: slice, batch_size: int, device: torch.device) -> Tensor:
    """Which clips have a token in `span` that is no padding, (B,)."""
    if layout_padding_BN is None:
        return torch.ones(batch_size, dtype=torch.bool, device=device)
    return ~layout_padding_BN[:, span].all(dim=1)


def _mean_of_modalities(means: list[Tensor | None], layout: Layout) -> Tensor:
    """The mean of the modalities that each clip has, (B, D)."""
    spans = layout.spans(within=True)
    parts = [mean for mean in means if mean is not None]
    if len(parts) == 1:
        return parts[0]
    has_BM = torch.stack(
        [has_tokens(layout.is_padding_BN, span, len(parts[0]), parts[0].device) for span in spans], dim=1
    ).to(parts[0].dtype)
    total_BD = (torch.stack(parts, dim=1) * has_BM[..., None]).sum(dim=1)
    return total_BD / has_BM.sum(dim=1, keepdim=True).clamp(min=1)
