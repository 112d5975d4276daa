"""`VAEmoForCaptionAlignment`: the encoder of stage 1, aligned with descriptions in words.

B clips, N tokens, D width, P width of the shared space, E width of a text embedding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from vaemo_train.contrastive import caption_info_nce
from vaemo_train.models.alignment_heads import MODALITIES_OF, AlignmentHeads, Pair, TextHead
from vaemo_train.models.alignment_output import ClipEmbeds, Compared
from vaemo_train.models.block import AUDIO, VIDEO, Layout
from vaemo_train.models.config import ALIGNMENT_PATHS, VAEmoConfig
from vaemo_train.models.descriptions import Descriptions, descriptions_of, paths_with_pairs
from vaemo_train.models.encoder import VAEmoOutput
from vaemo_train.models.pooling import has_tokens, pooled
from vaemo_train.models.pretraining import VAEmoForPreTraining, VAEmoPreTrainingOutput
from vaemo_train.models.stage1_weights import stage1_weights
from vaemo_train.models.views import View
from vaemo_train.reconstruction import total_loss

_FUSED = "affect"
_RATIO_OF = {"video_pixels": "video_mask_ratio", "video_motion": "video_mask_ratio", "audio": "audio_mask_ratio"}


class VAEmoForCaptionAlignment(VAEmoForPreTraining):
    """Stage 2: tell which description of the face, of the voice and of the feeling goes with which clip.

    "visual" and "acoustic" compare a modality by itself, the upper blocks kept within it; "affect" compares all that
    a clip has, with the upper blocks across. One pass through the lower blocks serves them all, and stage 1's losses
    where `loss_weights` still want them.
    """

    def __init__(self, config: VAEmoConfig) -> None:
        """Build the model with random weights. Raises ValueError for a stage-1 loss of what is never hidden."""
        super().__init__(config)
        for part, ratio in _RATIO_OF.items():
            if part in self._stage1_parts() and getattr(config, ratio) == 0:
                raise ValueError(f"loss_weights.{part} is above 0, but {ratio}=0 hides nothing to reconstruct")
        self.alignment = AlignmentHeads(config)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, AlignmentHeads):
            module.begin()
        elif isinstance(module, TextHead):
            nn.init.zeros_(module.mean)
        elif isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)

    @classmethod
    def from_stage1(cls, source: VAEmoForPreTraining | str | Path, **overrides: Any) -> VAEmoForCaptionAlignment:
        """Take over the weights of stage 1, from a model or its folder; new heads begin as torch's generator has it.

        `overrides` are settings of the configuration; weights of a loss that they do not name stay as they were.
        Heads of an earlier stage 2 are left behind. Raises CheckpointError for a folder without a whole stage-1
        model or of other shapes.
        """
        config, weights = stage1_weights(source, overrides)
        model = cls(config)
        model.load_state_dict(weights, strict=False)
        return model

    def forward(
        self,
        pixel_values_videos: Tensor | None = None,
        input_features: Tensor | None = None,
        video_padding_mask: Tensor | None = None,
        audio_padding_mask: Tensor | None = None,
        clip_number: Tensor | None = None,
        window_begin_s: Tensor | None = None,
        batch_seed: int | Tensor | None = None,
        return_reconstruction: bool = False,
        text_embeds: Mapping[str, Tensor] | None = None,
        text_ids: Mapping[str, Tensor] | None = None,
        has_text: Mapping[str, Tensor] | None = None,
    ) -> VAEmoPreTrainingOutput:
        """Mask, encode, and contrast B clips with their descriptions; clips as for `VAEmoForPreTraining`.

        By path, of those that descriptions are given of: `text_embeds` (B, E) from the frozen text model, unit
        vectors, `text_ids` (B,), the same for equal texts over all processes, and `has_text` (B,), False for a clip
        without a description, whose embedding and number may be anything. A clip takes part in the paths that it has
        both a description and a modality of. A path without such a pair in the joint batch has no part of the loss.
        Every process must be given the same modalities; the paths may differ. Without `text_embeds`, or with
        `return_reconstruction`, this is the forward pass of stage 1.
        """
        if text_embeds is None or return_reconstruction:
            return super().forward(
                pixel_values_videos, input_features, video_padding_mask, audio_padding_mask,
                clip_number, window_begin_s, batch_seed, return_reconstruction,
            )  # fmt: skip
        self.vaemo.check_inputs(pixel_values_videos, input_features)
        views = self._views(
            pixel_values_videos, input_features, video_padding_mask, audio_padding_mask,
            self.config.target_share, self._generator(batch_seed),
        )  # fmt: skip
        described = self._described(views, text_embeds, text_ids or {}, has_text or {})
        paths = self._paths(views, described)
        lower_BND, layout = self._encode_lower(views)
        across_BND, means = self._upper_means(
            lower_BND, layout, paths, always_across=bool(self._stage1_parts() & set(_RATIO_OF))
        )
        compared = Compared()
        self._align(compared, means, _has(layout, lower_BND), described, clip_number)
        encoded = VAEmoOutput(across_BND, layout.num_video, layout.is_padding_BN, lower_hidden_state=lower_BND)
        projections = self._add_stage1(compared, encoded, views, clip_number, window_begin_s)
        return compared.output(self._loss(compared.parts), projections)

    @torch.no_grad()
    def clip_embeds(
        self,
        pixel_values_videos: Tensor | None = None,
        input_features: Tensor | None = None,
        video_padding_mask: Tensor | None = None,
        audio_padding_mask: Tensor | None = None,
        *,
        modality: Literal["video", "audio", "both"] = "both",
        paths: Iterable[str] = ALIGNMENT_PATHS,
    ) -> ClipEmbeds:
        """Embed whole clips on the `paths` that they have a modality of; inputs as for `VAEmoModel`.

        `modality` leaves out what it does not name. "visual" is of video alone and "acoustic" of sound alone even so,
        "affect" of both across. Raises ValueError while the model is in training mode.
        """
        if self.training:
            raise ValueError("clip_embeds goes by running means; call eval() first")
        if modality == "video":
            input_features = audio_padding_mask = None
        elif modality == "audio":
            pixel_values_videos = video_padding_mask = None
        if pixel_values_videos is None and input_features is None:
            return ClipEmbeds({}, {})
        lower_BND, layout = self.vaemo.run_lower(
            pixel_values_videos, input_features, video_padding_mask, audio_padding_mask
        )
        has = _has(layout, lower_BND)
        there = [path for path in paths if any(has[modality] is not None for modality in MODALITIES_OF[path])]
        _, means = self._upper_means(lower_BND, layout, there)
        found = {path: self.alignment.clip_vectors(path, means[path], has) for path in there}
        return ClipEmbeds({path: one[0] for path, one in found.items()}, {path: one[1] for path, one in found.items()})

    @torch.no_grad()
    def text_embeds(self, text_BE: Tensor, path: str) -> Tensor:
        """Unit vectors (B, P) of texts, from their embeddings by the frozen text model, in the space of a path."""
        return self.alignment.text_vectors(path, text_BE)

    def set_text_means(self, means: Mapping[str, Tensor]) -> None:
        """Name the mean embedding (E,) of the training texts of each path: what is common to all says nothing."""
        self.alignment.set_text_means(means)

    @property
    def temperatures(self) -> dict[str, Tensor]:
        """The learned temperature of each path, ()."""
        return dict(zip(ALIGNMENT_PATHS, self.alignment.temperatures, strict=True))

    def _described(
        self,
        views: Sequence[View | None],
        text: Mapping[str, Tensor],
        ids: Mapping[str, Tensor],
        has_text: Mapping[str, Tensor],
    ) -> dict[str, Descriptions]:
        num_clips = next(len(view.values) for view in views if view is not None)
        return descriptions_of(text, ids, has_text, (num_clips, self.config.text_size), self.device)

    def _paths(self, views: Sequence[View | None], described: Mapping[str, Descriptions]) -> list[str]:
        """The paths to compare on, the same in all processes: those with a weight and a pair."""
        assert self.config.alignment_weights is not None
        found = paths_with_pairs(described, views)
        return [path for path in ALIGNMENT_PATHS if path in found and self.config.alignment_weights[path] > 0]

    def _upper_means(
        self, lower_BND: Tensor, layout: Layout, paths: Sequence[str], *, always_across: bool = False
    ) -> tuple[Tensor | None, dict[str, Pair]]:
        """Run the upper blocks in the scopes that the paths need: tokens across, if they were, and means by path."""
        alone = [modality for path in paths if path != _FUSED for modality in MODALITIES_OF[path]]
        is_single = layout.num_video == 0 or layout.num_audio == 0  # then both scopes are the same
        across_BND: Tensor | None = None
        across: Pair = [None, None]
        within: Pair = [None, None]
        if always_across or _FUSED in paths or (is_single and alone):
            across_BND = self.vaemo.run_upper(lower_BND, layout, "cross")
            across = pooled(across_BND.float(), layout)
        if is_single:
            within = across
        elif alone:
            tokens_BND, own = _only(alone, lower_BND, layout)
            within = pooled(self.vaemo.run_upper(tokens_BND, own, "within").float(), own)
        return across_BND, {path: across if path == _FUSED else within for path in paths}

    def _align(
        self,
        compared: Compared,
        means: Mapping[str, Pair],
        has: Pair,
        described: Mapping[str, Descriptions],
        clip_number: Tensor | None,
    ) -> None:
        """Add what every path says."""
        if self.training:
            self.alignment.bound_temperatures()
        temperatures = self.temperatures
        for path, mean in means.items():
            here = described[path]
            clip_BP, has_clip_B = self.alignment.clip_vectors(path, mean, has)
            text_BP = self.alignment.text_vectors(path, here.text_BE)
            is_pair_B = has_clip_B & here.has_text_B
            contrast = caption_info_nce(
                clip_BP,
                text_BP,
                1 / temperatures[path],
                is_pair_B=is_pair_B,
                text_id_B=here.id_B,
                clip_B=clip_number,
                similarity_BE=here.text_BE,
                soft_share=self.config.soft_share,
                soft_temperature=self.config.soft_temperature,
            )
            compared.add(path, contrast)
            compared.metrics[f"temperature_{path}"] = temperatures[path].detach()
            compared.clip_vectors[path], compared.text_vectors[path] = clip_BP, text_BP
            compared.is_pair[path] = is_pair_B

    def _add_stage1(
        self,
        compared: Compared,
        encoded: VAEmoOutput,
        views: list[View | None],
        clip_number: Tensor | None,
        window_begin_s: Tensor | None,
    ) -> Pair:
        """Add the losses of stage 1 that have a weight, and return its projections; no other is computed."""
        wanted = self._stage1_parts()
        if wanted & set(_RATIO_OF):
            parts, _, _ = self._reconstruct(encoded, views)
            compared.parts |= {name: part for name, part in parts.items() if name in wanted}
        if "contrastive" not in wanted:
            return [None, None]
        projections, contrast = self._contrast(encoded, views, clip_number, window_begin_s)
        if contrast is not None:
            compared.add("contrastive", contrast)
        return projections

    def _stage1_parts(self) -> set[str]:
        assert self.config.loss_weights is not None
        return {part for part, weight in self.config.loss_weights.items() if weight > 0}

    def _loss(self, parts: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum; a batch that has nothing to learn from costs nothing."""
        assert self.config.alignment_weights is not None
        assert self.config.loss_weights is not None
        if not parts:
            return self.alignment.log_temperature.sum() * 0
        return total_loss(parts, {**self.config.alignment_weights, **self.config.loss_weights})


def _has(layout: Layout, lower_BND: Tensor) -> Pair:
    """Which clips have a token of video, and of audio, (B,) each, None without the modality."""
    spans = (slice(0, layout.num_video), slice(layout.num_video, layout.num_video + layout.num_audio))
    return [
        has_tokens(layout.is_padding_BN, span, len(lower_BND), lower_BND.device) if span.stop > span.start else None
        for span in spans
    ]


def _only(modalities: Sequence[int], hidden_BND: Tensor, layout: Layout) -> tuple[Tensor, Layout]:
    """The tokens of some modalities: no others are computed."""
    if set(modalities) == {VIDEO, AUDIO}:
        return hidden_BND, layout
    is_video = VIDEO in modalities
    span = slice(0, layout.num_video) if is_video else slice(layout.num_video, None)
    padding = None if layout.is_padding_BN is None else layout.is_padding_BN[:, span]
    own = Layout(layout.num_video, 0, padding) if is_video else Layout(0, layout.num_audio, padding)
    return hidden_BND[:, span], own
