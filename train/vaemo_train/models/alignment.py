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
from vaemo_train.models.alignment_heads import ALONE, FUSED, MODALITIES_OF, AlignmentHeads, Pair, TextHead
from vaemo_train.models.alignment_output import ClipEmbeds, Compared, VAEmoAlignmentOutput
from vaemo_train.models.config import ALIGNMENT_PATHS, VAEmoConfig
from vaemo_train.models.contrastive_head import compared_speakers
from vaemo_train.models.descriptions import Descriptions, descriptions_of, with_pairs
from vaemo_train.models.encoder import VAEmoOutput
from vaemo_train.models.pretraining import VAEmoForPreTraining, VAEmoPreTrainingOutput
from vaemo_train.models.stage1_parts import Stage1Parts
from vaemo_train.models.stage1_weights import stage1_weights
from vaemo_train.models.upper_means import UpperMeans, upper_means
from vaemo_train.models.views import View
from vaemo_train.reconstruction import total_loss


class VAEmoForCaptionAlignment(VAEmoForPreTraining):
    """Stage 2: tell which description of the face, of the voice and of the feeling goes with which clip.

    "visual" and "acoustic" compare a modality by itself, the upper blocks kept within it; "affect" compares all that
    a clip has, with the upper blocks across, and with `alignment_alone_weight` each modality of a clip that has both
    (`ALONE`), so that one of them suffices later. One pass through the lower blocks serves them all, and the losses of
    stage 1 that still have a weight.
    """

    def __init__(self, config: VAEmoConfig) -> None:
        """Build the model with random weights. Raises ValueError for a stage-1 loss of what is never hidden."""
        super().__init__(config)
        Stage1Parts.of(config)
        self.alignment = AlignmentHeads(config)
        self.post_init()

    def train(self, mode: bool = True) -> VAEmoForCaptionAlignment:
        """As for any module; an encoder that is frozen stays as it is, its running means included."""
        super().train(mode)
        if not any(weight.requires_grad for weight in self.vaemo.parameters()):
            self.vaemo.eval()
        return self

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
        speaker_number: Tensor | None = None,
    ) -> VAEmoPreTrainingOutput:
        """Mask, encode, and contrast B clips with their descriptions; clips as for `VAEmoForPreTraining`.

        By path, of those that descriptions are given of: `text_embeds` (B, E) from the frozen text model, unit
        vectors, `text_ids` (B,), the same for equal texts over all processes, and `has_text` (B,), False for a clip
        without a description, whose embedding and number may be anything. A clip takes part in the paths that it has
        both a description and a modality of, in `ALONE` where it has both modalities. What no clip of the joint batch
        takes part in has no part of the loss. Every process must be given the same modalities; the paths may differ.
        `speaker_number` (B,), below 0 for nobody known, centres clips by speaker where `alignment_centring` says so.
        Without `text_embeds`, or with `return_reconstruction`, this is the forward pass of stage 1.
        """
        if text_embeds is None or return_reconstruction:
            return super().forward(
                pixel_values_videos, input_features, video_padding_mask, audio_padding_mask,
                clip_number, window_begin_s, batch_seed, return_reconstruction,
            )  # fmt: skip
        self.vaemo.check_inputs(pixel_values_videos, input_features)
        views = self._views(
            pixel_values_videos, input_features, video_padding_mask, audio_padding_mask,
            Stage1Parts.of(self.config).shares(self.config.target_share), self._generator(batch_seed),
        )  # fmt: skip
        described = descriptions_of(text_embeds, text_ids or {}, has_text or {}, views, self.config.text_size)
        by_speaker = self.config.alignment_centring == "speakers"
        speaker_B = compared_speakers(speaker_number, clip_number) if by_speaker else None
        return self._compare(views, described, clip_number, window_begin_s, speaker_B)

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
        as_units: bool = True,
    ) -> ClipEmbeds:
        """Embed whole clips on the `paths` that they have a modality of; inputs as for `VAEmoModel`.

        `modality` leaves out what it does not name. "visual" is of video alone and "acoustic" of sound alone even so,
        "affect" of both across. Without `as_units` vectors keep their lengths, so that a mean can be taken off. Raises
        ValueError while the model is in training mode.
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
        sizes = (layout.num_video, layout.num_audio)
        there = [path for path in paths if any(sizes[modality] for modality in MODALITIES_OF[path])]
        means = upper_means(self.vaemo, lower_BND, layout, there)
        found = self.alignment.clip_vectors(means.by_name, means.has, as_units=as_units)
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

    def _compare(
        self,
        views: list[View | None],
        described: Mapping[str, Descriptions],
        clip_number: Tensor | None,
        window_begin_s: Tensor | None,
        speaker_number: Tensor | None,
    ) -> VAEmoAlignmentOutput:
        """Encode what is seen, once, and add up what all comparisons and stage 1 say of it."""
        lower_BND, layout = self._encode_lower(views)
        means = upper_means(
            self.vaemo, lower_BND, layout, self._comparisons(views, described),
            always_across=bool(Stage1Parts.of(self.config).modalities),
        )  # fmt: skip
        compared = Compared()
        self._align(compared, means, described, clip_number, speaker_number)
        encoded = VAEmoOutput(means.across_BND, layout.num_video, layout.is_padding_BN, lower_hidden_state=lower_BND)
        projections = self._add_stage1(compared, encoded, views, clip_number, window_begin_s)
        return compared.output(self._loss(compared.parts), projections)

    def _comparisons(self, views: Sequence[View | None], described: Mapping[str, Descriptions]) -> list[str]:
        """What to compare, paths and `ALONE`, the same in all processes: what has a weight and a pair."""
        found = with_pairs(described, views)
        return [name for name, weight in self._alignment_weights().items() if name in found and weight > 0]

    def _alignment_weights(self) -> dict[str, float]:
        weights = self.config.alignment_weights
        assert weights is not None
        return {**weights, **dict.fromkeys(ALONE, weights[FUSED] * self.config.alignment_alone_weight)}

    def _align(
        self,
        compared: Compared,
        means: UpperMeans,
        described: Mapping[str, Descriptions],
        clip_number: Tensor | None,
        speaker_number: Tensor | None,
    ) -> None:
        """Add what every comparison says."""
        if self.training:
            self.alignment.bound_temperatures()
        temperatures = self.temperatures
        vectors = self.alignment.clip_vectors(means.by_name, means.has, speaker_number)
        texts = {
            path: self.alignment.text_vectors(path, described[path].text_BE) for path in vectors if path not in ALONE
        }
        for name, (clip_BP, has_clip_B) in vectors.items():
            path = FUSED if name in ALONE else name
            here, text_BP = described[path], texts[path]
            is_pair_B = has_clip_B & here.has_text_B
            contrast = caption_info_nce(
                clip_BP,
                text_BP,
                1 / temperatures[path],
                is_pair_B=is_pair_B,
                text_id_B=here.id_B,
                clip_B=clip_number,
                similarity_BE=self.alignment.centred_texts(path, here.text_BE),
                soft_share=self.config.soft_share,
                soft_temperature=self.config.soft_temperature,
            )
            compared.add(name, contrast)
            compared.metrics[f"temperature_{path}"] = temperatures[path].detach()
            compared.clip_vectors[name], compared.text_vectors[name] = clip_BP, text_BP
            compared.is_pair[name] = is_pair_B

    def _add_stage1(
        self,
        compared: Compared,
        encoded: VAEmoOutput,
        views: list[View | None],
        clip_number: Tensor | None,
        window_begin_s: Tensor | None,
    ) -> Pair:
        """Add the losses of stage 1 that have a weight, and return its projections; no other modality is decoded."""
        wanted = Stage1Parts.of(self.config)
        if any(views[modality] for modality in wanted.modalities):
            parts, _, _ = self._reconstruct(*wanted.decodable(encoded, views))
            compared.parts |= {name: part for name, part in parts.items() if name in wanted.names}
        if "contrastive" not in wanted.names:
            return [None, None]
        projections, contrast = self._contrast(encoded, views, clip_number, window_begin_s)
        if contrast is not None:
            compared.add("contrastive", contrast)
        return projections

    def _loss(self, parts: Mapping[str, Tensor]) -> Tensor:
        """The weighted sum; a batch that has nothing to learn from costs nothing."""
        assert self.config.loss_weights is not None
        if not parts:
            return self.alignment.log_temperature.sum() * 0
        return total_loss(parts, {**self._alignment_weights(), **self.config.loss_weights})
