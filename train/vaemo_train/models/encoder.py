"""`VAEmoModel`: one compact encoder for video, audio, or both, through the same weights.

B clips, T pictures, F audio frames, N tokens, V visible tokens, D width. Tokens are in the order video, audio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils.generic import ModelOutput

from vaemo_clips.errors import MissingExtraError
from vaemo_train.models.block import AUDIO, VIDEO, Block, Layout, ModalityNorm, ResidualOut
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.embedding import FixedPositions, TokenEmbedding
from vaemo_train.models.patches import audio_token_padding, video_token_padding
from vaemo_train.models.pooling import mean_of_modalities, pooled
from vaemo_train.models.position_means import PositionMeans

if TYPE_CHECKING:
    from vaemo_train.embed.files import ClipEmbedding

OF_PRETRAINING = (r"^decoder\.", r"^contrastive\.", r"^target_means\.", r"^alignment\.")
"""Names of the weights that stages 1 and 2 add to the encoder."""
Scope = Literal["cross", "within"]
OnBlock = Callable[[Tensor, Layout], None]
"""Called with the tokens (B, N, D) that a block gave, and whose they are."""


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
        hidden_BND = self.lower_hidden_state if self.last_hidden_state is None else self.last_hidden_state
        assert hidden_BND is not None
        assert self.num_video_tokens is not None
        num_tokens = hidden_BND.shape[1]
        return Layout(self.num_video_tokens, num_tokens - self.num_video_tokens, self.is_padding)


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

    def _generator(self, batch_seed: int | Tensor | None) -> tuple[torch.Generator, torch.Generator]:
        """One source of chance on the model's device, and one on the CPU for what the program branches on."""
        seed = int(torch.randint(2**62, ()).item()) if batch_seed is None else int(batch_seed)
        return torch.Generator(self.device).manual_seed(seed), torch.Generator().manual_seed(seed + 1)


class VAEmoModel(VAEmoPreTrainedModel):
    """The unified encoder: blocks within a modality below, across both above, one set of weights for both."""

    _keys_to_ignore_on_load_unexpected = [*OF_PRETRAINING, r"^classifier\."]  # noqa: RUF012 (a list in transformers)

    def __init__(self, config: VAEmoConfig) -> None:
        """Build the encoder with random weights."""
        super().__init__(config)
        self.embedding = TokenEmbedding(config)
        width, heads, eps = config.hidden_size, config.num_attention_heads, config.layer_norm_eps
        depth = config.num_unimodal_layers + config.num_cross_layers
        rates = [config.drop_path_rate * place / max(depth - 1, 1) for place in range(depth)]
        blocks = [Block(width, heads, config.mlp_ratio, eps, rate) for rate in rates]
        self.lower = nn.ModuleList(blocks[: config.num_unimodal_layers])
        self.upper = nn.ModuleList(blocks[config.num_unimodal_layers :])
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
        lower_BND, layout = self.run_lower(
            pixel_values_videos,
            input_features,
            video_padding_mask,
            audio_padding_mask,
            video_visible=video_visible,
            audio_visible=audio_visible,
            video_unused=video_unused,
            audio_unused=audio_unused,
        )
        lower = pooled(lower_BND, layout)
        hidden_BND = self.run_upper(lower_BND, layout, scope)
        upper = pooled(hidden_BND, layout)
        return VAEmoOutput(
            last_hidden_state=hidden_BND,
            num_video_tokens=layout.num_video,
            is_padding=layout.is_padding_BN,
            video_embeds=upper[VIDEO],
            audio_embeds=upper[AUDIO],
            lower_video_embeds=lower[VIDEO],
            lower_audio_embeds=lower[AUDIO],
            pooler_output=mean_of_modalities(upper, layout),
            lower_hidden_state=lower_BND,
        )

    def run_lower(
        self,
        pixel_values_videos: Tensor | None = None,
        input_features: Tensor | None = None,
        video_padding_mask: Tensor | None = None,
        audio_padding_mask: Tensor | None = None,
        *,
        video_visible: Tensor | None = None,
        audio_visible: Tensor | None = None,
        video_unused: Tensor | None = None,
        audio_unused: Tensor | None = None,
        on_block: OnBlock | None = None,
    ) -> tuple[Tensor, Layout]:
        """Embed and run the blocks within a modality: (B, N, D), not normed, and whose tokens they are.

        Inputs and errors are those of `forward`. `run_upper` goes on from there, in one scope or in both. `on_block` is
        shown what each block says, not normed.
        """
        self.check_inputs(pixel_values_videos, input_features)
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
            if on_block is not None:
                on_block(hidden_BND, layout)
        return hidden_BND, layout

    def run_upper(self, lower_BND: Tensor, layout: Layout, scope: Scope, on_block: OnBlock | None = None) -> Tensor:
        """Run the upper blocks on what `run_lower` gave, across the modalities or within each, and norm, (B, N, D)."""
        hidden_BND = lower_BND
        for block in self.upper:
            hidden_BND = block(hidden_BND, layout, within=scope == "within")
            if on_block is not None:
                on_block(hidden_BND, layout)
        normed: Tensor = self.norm(hidden_BND, layout)
        return normed

    @overload
    def embed(
        self, clip: str | Path, start_s: float | None = None, end_s: float | None = None, **settings: Any
    ) -> ClipEmbedding: ...

    @overload
    def embed(
        self, clip: Sequence[str | Path], start_s: float | None = None, end_s: float | None = None, **settings: Any
    ) -> list[ClipEmbedding]: ...

    def embed(
        self,
        clip: str | Path | Sequence[str | Path],
        start_s: float | None = None,
        end_s: float | None = None,
        **settings: Any,
    ) -> ClipEmbedding | list[ClipEmbedding]:
        """Return the vectors of a media file, or of several, or of their seconds [start_s, end_s).

        The numbers are those of `vaemo-train embed`; `settings` are its options by the names of `EmbedSettings`, and
        `precision` (auto, bf16, float32). Raises UserError for a file or segment that cannot be used, or without the
        packages of vaemo[train].
        """
        try:
            from vaemo_train.embed.files import embed_paths
        except ModuleNotFoundError as error:
            raise MissingExtraError(error.name or "a package", "train") from error
        paths = [clip] if isinstance(clip, str | Path) else clip
        found = embed_paths(self, [Path(path) for path in paths], start_s, end_s, **settings)
        return found[0] if isinstance(clip, str | Path) else found

    def check_inputs(self, video: Tensor | None, mel: Tensor | None) -> None:
        """Raise ValueError without any input, or for inputs of another shape."""
        config = self.config
        if video is None and mel is None:
            raise ValueError("give pixel_values_videos, input_features, or both")
        picture = (config.num_frames, config.num_channels, config.image_size, config.image_size)
        if video is not None and tuple(video.shape[1:]) != picture:
            raise ValueError(f"pixel_values_videos is {tuple(video.shape)}; it must be (clips, {picture})")
        sound = (config.num_audio_frames, config.num_mel_bins)
        if mel is not None and tuple(mel.shape[1:]) != sound:
            raise ValueError(f"input_features is {tuple(mel.shape)}; it must be (clips, {sound})")


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
