"""`VAEmoForPreTraining`: the encoder with its decoder and the two heads that meet in the contrastive loss.

B clips, N tokens, V visible tokens, K targets, D width, P width of the projection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers.utils.generic import ModelOutput

from vaemo_train.contrastive import Contrast, info_nce
from vaemo_train.models.block import AUDIO, VIDEO, Layout
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.contrastive_head import Centring, ContrastiveHead
from vaemo_train.models.decoder import VAEmoDecoder
from vaemo_train.models.encoder import Scope, VAEmoModel, VAEmoOutput, VAEmoPreTrainedModel
from vaemo_train.models.masking import random_mask, sample_targets, tube_mask
from vaemo_train.models.patches import audio_token_padding, mel_patches, tubelets, video_token_padding
from vaemo_train.models.position_means import PositionMeans
from vaemo_train.models.views import View, encoder_inputs
from vaemo_train.reconstruction import audio_targets, token_errors, total_loss, video_targets, weighted_mean


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """Every hidden token of a batch, its target and its prediction; both are 0 where a token is not hidden.

    `video_mask` (B, 800), `video_target` and `video_prediction` (B, 800, pixels + motion); `audio_mask` (B, 128),
    `audio_target` and `audio_prediction` (B, 128, 256). None for a batch without the modality.
    """

    video_mask: Tensor | None = None
    video_target: Tensor | None = None
    video_prediction: Tensor | None = None
    audio_mask: Tensor | None = None
    audio_target: Tensor | None = None
    audio_prediction: Tensor | None = None


@dataclass
class VAEmoPreTrainingOutput(ModelOutput):
    """`loss` (), its unweighted `parts` by name, `metrics` by name, and what was asked for besides.

    The projections (B, P) have unit length; a clip without the modality has an arbitrary one.
    """

    loss: Tensor | None = None
    parts: dict[str, Tensor] | None = None
    metrics: dict[str, Tensor] | None = None
    video_projection: Tensor | None = None
    audio_projection: Tensor | None = None
    reconstruction: Reconstruction | None = None


class VAEmoForPreTraining(VAEmoPreTrainedModel):
    """Stage 1: reconstruct what is hidden of each modality, and tell which sound goes with which picture."""

    _keys_to_ignore_on_load_unexpected = [r"^alignment\."]  # noqa: RUF012 (what stage 2 adds)

    def __init__(self, config: VAEmoConfig) -> None:
        """Build the model with random weights."""
        super().__init__(config)
        self.vaemo = VAEmoModel(config)
        self.decoder = VAEmoDecoder(config)
        self.target_means = nn.ModuleList(
            [
                PositionMeans(config.num_video_tokens, config.num_pixels + config.num_motion),
                PositionMeans(config.num_audio_tokens, config.patch_size**2),
            ]
        )
        self.contrastive = ContrastiveHead(config)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, VAEmoDecoder):
            torch.nn.init.normal_(module.mask_token, std=self.config.initializer_range)
            module.begin()
        elif isinstance(module, Centring):
            torch.nn.init.zeros_(module.mean)

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
    ) -> VAEmoPreTrainingOutput:
        """Mask, encode, decode and contrast B clips; inputs as for `VAEmoModel`.

        `batch_seed` decides masks, targets and scope (of this process's part of a batch), torch's own generator does
        without it. `clip_number` (B,) and
        `window_begin_s` (B,) excuse overlapping windows of a clip from being negatives. With
        `return_reconstruction` every hidden token is decoded and returned, and the scope is "cross".
        """
        generator = self._generator(batch_seed)
        share = 1.0 if return_reconstruction else self.config.target_share
        views = self._views(
            pixel_values_videos, input_features, video_padding_mask, audio_padding_mask, (share, share), generator
        )
        draw = torch.rand((), generator=generator[1]).item()
        scope: Scope = "within" if draw < self.config.within_probability and not return_reconstruction else "cross"
        encoded = self._encode(views, scope)
        parts, predictions, targets = self._reconstruct(encoded, views)
        (video_BP, audio_BP), contrast = self._contrast(encoded, views, clip_number, window_begin_s)
        metrics = {"scope_within": torch.tensor(float(scope == "within"))}
        if contrast is not None:
            parts["contrastive"] = contrast.loss
            metrics |= contrast.metrics("contrastive")
        assert self.config.loss_weights is not None
        return VAEmoPreTrainingOutput(
            loss=total_loss(parts, self.config.loss_weights),
            parts=parts,
            metrics=metrics,
            video_projection=video_BP,
            audio_projection=audio_BP,
            reconstruction=_reconstruction(views, predictions, targets) if return_reconstruction else None,
        )

    def _contrast(
        self,
        encoded: VAEmoOutput,
        views: list[View | None],
        clip_number: Tensor | None,
        window_begin_s: Tensor | None,
    ) -> tuple[list[Tensor | None], Contrast | None]:
        """Unit vectors of video and audio, and what tells them apart; None for a batch that lacks one of them."""
        (video_BP, audio_BP), is_pair_B = self._project(
            encoded, [view.mask.visible_BV if view else None for view in views]
        )
        if video_BP is None or audio_BP is None:
            return [video_BP, audio_BP], None
        contrast = info_nce(
            video_BP,
            audio_BP,
            self.config.contrastive_temperature,
            is_pair_B=is_pair_B,
            clip_B=clip_number,
            begin_s_B=window_begin_s,
            window_s=self.config.window_s,
        )
        return [video_BP, audio_BP], contrast

    def project(self, encoded: VAEmoOutput) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """Unit vectors (B, P) of unmasked video and audio in the space where they are contrasted.

        `encoded` comes from `self.vaemo`. The third is which clips have a token of every modality given, (B,); the
        others' vectors mean nothing.
        """
        (video_BP, audio_BP), is_there_B = self._project(encoded, (None, None))
        return video_BP, audio_BP, is_there_B

    def _project(self, encoded: VAEmoOutput, visible: Sequence[Tensor | None]) -> tuple[list[Tensor | None], Tensor]:
        assert encoded.lower_hidden_state is not None
        projected: tuple[list[Tensor | None], Tensor] = self.contrastive(
            encoded.lower_hidden_state, encoded.layout, visible
        )
        return projected

    @torch.no_grad()
    def _views(
        self,
        video_BTCHW: Tensor | None,
        mel_BFM: Tensor | None,
        video_padding_BT: Tensor | None,
        audio_padding_BF: Tensor | None,
        shares: tuple[float, float],
        generators: tuple[torch.Generator, torch.Generator],
    ) -> list[View | None]:
        """What is hidden, and which of the `shares` of it is asked for, of video and of audio."""
        config, generator = self.config, generators[0]
        views: list[View | None] = [None, None]
        if video_BTCHW is not None:
            padding = None if video_padding_BT is None else video_token_padding(video_padding_BT, config)
            mask = tube_mask(
                len(video_BTCHW), config.num_tubelets, config.num_places, config.video_mask_ratio, generator, padding
            )
            most = config.num_video_tokens - mask.visible_BV.shape[1]
            targets = sample_targets(mask.is_masked_BN, shares[VIDEO], most, generator)
            views[VIDEO] = View(video_BTCHW, padding, mask, targets)
        if mel_BFM is not None:
            padding = None if audio_padding_BF is None else audio_token_padding(audio_padding_BF, config)
            mask = random_mask(len(mel_BFM), config.num_audio_tokens, config.audio_mask_ratio, generator, padding)
            most = config.num_audio_tokens - mask.visible_BV.shape[1]
            targets = sample_targets(mask.is_masked_BN, shares[AUDIO], most, generator)
            views[AUDIO] = View(mel_BFM, padding, mask, targets)
        return views

    def _encode_lower(self, views: list[View | None]) -> tuple[Tensor, Layout]:
        """What is not hidden, after the blocks within a modality: for heads that need more than one scope above."""
        return self.vaemo.run_lower(**encoder_inputs(views))

    def _encode(self, views: list[View | None], scope: Scope) -> VAEmoOutput:
        encoded: VAEmoOutput = self.vaemo(**encoder_inputs(views), scope=scope)
        return encoded

    def _reconstruct(
        self, encoded: VAEmoOutput, views: list[View | None]
    ) -> tuple[dict[str, Tensor], list[Tensor | None], list[Tensor | None]]:
        """Decode what is asked for: the unweighted parts of the loss, the predictions and their targets."""
        predictions = self._decode(encoded, views)
        targets = [_targets(modality, view, self.config) if view else None for modality, view in enumerate(views)]
        parts = self._reconstruction_losses(views, predictions, targets)
        if self.training:
            self._update_means(views, targets)
        return parts, predictions, targets

    def _decode(self, encoded: VAEmoOutput, views: list[View | None]) -> list[Tensor | None]:
        seen_index = [view.mask.visible_BV if view else None for view in views]
        asked_index = [view.targets.index_BK if view else None for view in views]
        decoded = self.decoder(encoded.last_hidden_state, encoded.layout, seen_index, asked_index)
        return [
            None if part is None or view is None else part.float() + means(view.targets.index_BK)
            for part, view, means in zip(decoded, views, self.target_means, strict=True)
        ]

    def _reconstruction_losses(
        self, views: list[View | None], predictions: list[Tensor | None], targets: list[Tensor | None]
    ) -> dict[str, Tensor]:
        """The unweighted parts, each a mean over hidden tokens and values."""
        parts: dict[str, Tensor] = {}
        for modality, names, sizes in (
            (VIDEO, ("video_pixels", "video_motion"), [self.config.num_pixels, self.config.num_motion]),
            (AUDIO, ("audio",), [self.config.patch_size**2]),
        ):
            view, prediction_BKP, target_BKP = views[modality], predictions[modality], targets[modality]
            if view is None or prediction_BKP is None or target_BKP is None:
                continue
            pieces = zip(names, prediction_BKP.split(sizes, dim=-1), target_BKP.split(sizes, dim=-1), strict=True)
            for name, prediction, target in pieces:
                parts[name] = weighted_mean(token_errors(prediction, target), view.targets.weight_BK)
        return parts

    @torch.no_grad()
    def _update_means(self, views: list[View | None], targets: list[Tensor | None]) -> None:
        for view, target_BKP, means in zip(views, targets, self.target_means, strict=True):
            if view is not None and target_BKP is not None:
                assert isinstance(means, PositionMeans)
                means.update(view.targets.index_BK, target_BKP, view.targets.weight_BK > 0)


@torch.no_grad()
def _targets(modality: int, view: View, config: VAEmoConfig) -> Tensor:
    """What the decoder is asked to predict, (B, K, values)."""
    if modality == VIDEO:
        return video_targets(tubelets(view.values, config, view.targets.index_BK), config)
    return audio_targets(mel_patches(view.values, config, view.targets.index_BK), config)


@torch.no_grad()
def _reconstruction(
    views: list[View | None], predictions: list[Tensor | None], targets: list[Tensor | None]
) -> Reconstruction:
    """Put targets and predictions where their tokens are."""
    found: dict[str, Tensor] = {}
    for name, view, prediction_BKP, target_BKP in zip(("video", "audio"), views, predictions, targets, strict=True):
        if view is None or prediction_BKP is None or target_BKP is None:
            continue
        index_BKP = view.targets.index_BK[..., None].expand_as(prediction_BKP)
        is_hidden_BK1 = view.mask.is_masked_BN.gather(1, view.targets.index_BK)[..., None]
        whole = torch.zeros(*view.mask.is_masked_BN.shape, prediction_BKP.shape[-1], device=prediction_BKP.device)
        found[f"{name}_mask"] = view.mask.is_masked_BN
        found[f"{name}_target"] = whole.scatter(1, index_BKP, target_BKP.float() * is_hidden_BK1)
        found[f"{name}_prediction"] = whole.scatter(1, index_BKP, prediction_BKP.float() * is_hidden_BK1)
    return Reconstruction(**found)
