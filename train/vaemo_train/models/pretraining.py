"""`VAEmoForPreTraining`: the encoder with its decoder and the two heads that meet in the contrastive loss.

B clips, N tokens, V visible tokens, K targets, D width, P width of the projection.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers.utils.generic import ModelOutput

from vaemo_train.contrastive import Contrast, info_nce
from vaemo_train.models.block import AUDIO, VIDEO, Layout, ModalityNorm
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.decoder import VAEmoDecoder
from vaemo_train.models.encoder import Scope, VAEmoModel, VAEmoOutput, VAEmoPreTrainedModel, has_tokens
from vaemo_train.models.masking import Mask, Targets, random_mask, sample_targets, tube_mask
from vaemo_train.models.patches import audio_token_padding, mel_patches, tubelets, video_token_padding
from vaemo_train.stage1.loss import audio_targets, token_errors, total_loss, video_targets, weighted_mean


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


@dataclass(frozen=True, slots=True)
class _View:
    """One modality of a batch: its values, its padding, what is hidden of it and what is asked for."""

    values: Tensor
    is_padding_BN: Tensor | None
    mask: Mask
    targets: Targets


class ContrastiveHead(nn.Module):
    """Pooled video and audio tokens as unit vectors of one space."""

    def __init__(self, config: VAEmoConfig) -> None:
        super().__init__()
        self.norm = ModalityNorm(config.hidden_size, config.layer_norm_eps)
        self.video = nn.Linear(config.hidden_size, config.projection_size)
        self.audio = nn.Linear(config.hidden_size, config.projection_size)

    def forward(self, video_BD: Tensor | None, audio_BD: Tensor | None) -> tuple[Tensor | None, Tensor | None]:
        """(B, D) -> (B, P), of unit length, for each modality that there is."""
        video = audio = None
        if video_BD is not None:
            video = normalize(self.video(self.norm(video_BD[:, None], Layout(1, 0))[:, 0]).float(), dim=-1)
        if audio_BD is not None:
            audio = normalize(self.audio(self.norm(audio_BD[:, None], Layout(0, 1))[:, 0]).float(), dim=-1)
        return video, audio


class VAEmoForPreTraining(VAEmoPreTrainedModel):
    """Stage 1: reconstruct what is hidden of each modality, and tell which sound goes with which picture."""

    def __init__(self, config: VAEmoConfig) -> None:
        """Build the model with random weights."""
        super().__init__(config)
        self.vaemo = VAEmoModel(config)
        self.decoder = VAEmoDecoder(config)
        self.contrastive = ContrastiveHead(config)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, VAEmoDecoder):
            torch.nn.init.normal_(module.mask_token, std=self.config.initializer_range)

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

        `batch_seed` decides masks, targets and scope, torch's own generator does without it. `clip_number` (B,) and
        `window_begin_s` (B,) excuse overlapping windows of a clip from being negatives. With
        `return_reconstruction` every hidden token is decoded and returned, and the scope is "cross".
        """
        generator = self._generator(batch_seed)
        share = 1.0 if return_reconstruction else self.config.target_share
        views = self._views(
            pixel_values_videos, input_features, video_padding_mask, audio_padding_mask, share, generator
        )
        draw = torch.rand((), generator=generator[1]).item()
        scope: Scope = "within" if draw < self.config.within_probability and not return_reconstruction else "cross"
        encoded = self._encode(views, scope)
        predictions = self._decode(encoded, views, scope)
        parts = self._reconstruction_losses(views, predictions)
        video_BP, audio_BP = self.contrastive(encoded.lower_video_embeds, encoded.lower_audio_embeds)
        metrics = {"scope_within": torch.tensor(float(scope == "within"))}
        if video_BP is not None and audio_BP is not None:
            contrast = self._contrast(encoded, video_BP, audio_BP, clip_number, window_begin_s)
            parts["contrastive"] = contrast.loss
            metrics["contrastive_top1"], metrics["contrastive_chance"] = contrast.top1, contrast.chance
            metrics["contrastive_pairs"] = contrast.pairs
        assert self.config.loss_weights is not None
        return VAEmoPreTrainingOutput(
            loss=total_loss(parts, self.config.loss_weights),
            parts=parts,
            metrics=metrics,
            video_projection=video_BP,
            audio_projection=audio_BP,
            reconstruction=_reconstruction(views, predictions, self.config) if return_reconstruction else None,
        )

    def project(
        self,
        pixel_values_videos: Tensor | None = None,
        input_features: Tensor | None = None,
        video_padding_mask: Tensor | None = None,
        audio_padding_mask: Tensor | None = None,
    ) -> tuple[Tensor | None, Tensor | None]:
        """Unit vectors (B, P) of unmasked video and audio in the space where they are contrasted."""
        encoded = self.vaemo(
            pixel_values_videos, input_features, video_padding_mask, audio_padding_mask, scope="within"
        )
        projected: tuple[Tensor | None, Tensor | None] = self.contrastive(
            encoded.lower_video_embeds, encoded.lower_audio_embeds
        )
        return projected

    def _generator(self, batch_seed: int | Tensor | None) -> tuple[torch.Generator, torch.Generator]:
        """One source of chance on the model's device, and one on the CPU for what the program branches on."""
        seed = int(torch.randint(2**62, ()).item()) if batch_seed is None else int(batch_seed)
        return torch.Generator(self.device).manual_seed(seed), torch.Generator().manual_seed(seed + 1)

    @torch.no_grad()
    def _views(
        self,
        video_BTCHW: Tensor | None,
        mel_BFM: Tensor | None,
        video_padding_BT: Tensor | None,
        audio_padding_BF: Tensor | None,
        share: float,
        generators: tuple[torch.Generator, torch.Generator],
    ) -> list[_View | None]:
        """What is hidden and what is asked for, of video and of audio."""
        config, generator = self.config, generators[0]
        views: list[_View | None] = [None, None]
        if video_BTCHW is not None:
            padding = None if video_padding_BT is None else video_token_padding(video_padding_BT, config)
            mask = tube_mask(
                len(video_BTCHW), config.num_tubelets, config.num_places, config.video_mask_ratio, generator, padding
            )
            most = config.num_video_tokens - mask.visible_BV.shape[1]
            targets = sample_targets(mask.is_masked_BN, share, most, generator)
            views[VIDEO] = _View(video_BTCHW, padding, mask, targets)
        if mel_BFM is not None:
            padding = None if audio_padding_BF is None else audio_token_padding(audio_padding_BF, config)
            mask = random_mask(len(mel_BFM), config.num_audio_tokens, config.audio_mask_ratio, generator, padding)
            most = config.num_audio_tokens - mask.visible_BV.shape[1]
            targets = sample_targets(mask.is_masked_BN, share, most, generator)
            views[AUDIO] = _View(mel_BFM, padding, mask, targets)
        return views

    def _encode(self, views: list[_View | None], scope: Scope) -> VAEmoOutput:
        video, audio = views
        encoded: VAEmoOutput = self.vaemo(
            video.values if video else None,
            audio.values if audio else None,
            scope=scope,
            video_visible=video.mask.visible_BV if video else None,
            audio_visible=audio.mask.visible_BV if audio else None,
            video_unused=video.mask.is_unused_BV if video else None,
            audio_unused=audio.mask.is_unused_BV if audio else None,
        )
        return encoded

    def _decode(self, encoded: VAEmoOutput, views: list[_View | None], scope: Scope) -> list[Tensor | None]:
        assert encoded.last_hidden_state is not None
        assert encoded.num_video_tokens is not None
        num_audio = encoded.last_hidden_state.shape[1] - encoded.num_video_tokens
        seen = Layout(encoded.num_video_tokens, num_audio, encoded.is_padding)
        seen_index = [view.mask.visible_BV if view else None for view in views]
        asked_index = [view.targets.index_BK if view else None for view in views]
        decoded = self.decoder(encoded.last_hidden_state, seen, seen_index, asked_index, within=scope == "within")
        return list(decoded)

    def _reconstruction_losses(self, views: list[_View | None], predictions: list[Tensor | None]) -> dict[str, Tensor]:
        """The unweighted parts, each a mean over hidden tokens and values."""
        parts: dict[str, Tensor] = {}
        (video, audio), (video_prediction_BKP, audio_prediction_BKP) = views, predictions
        if video is not None and video_prediction_BKP is not None:
            sizes = [self.config.num_pixels, self.config.num_motion]
            target_BKP = _targets(VIDEO, video, self.config).split(sizes, dim=-1)
            prediction_BKP = video_prediction_BKP.split(sizes, dim=-1)
            for place, name in enumerate(("video_pixels", "video_motion")):
                error_BK = token_errors(prediction_BKP[place], target_BKP[place])
                parts[name] = weighted_mean(error_BK, video.targets.weight_BK)
        if audio is not None and audio_prediction_BKP is not None:
            error_BK = token_errors(audio_prediction_BKP, _targets(AUDIO, audio, self.config))
            parts["audio"] = weighted_mean(error_BK, audio.targets.weight_BK)
        return parts

    def _contrast(
        self,
        encoded: VAEmoOutput,
        video_BP: Tensor,
        audio_BP: Tensor,
        clip_number: Tensor | None,
        window_begin_s: Tensor | None,
    ) -> Contrast:
        """InfoNCE among the clips that have both modalities."""
        split, B = encoded.num_video_tokens, len(video_BP)
        has_video_B = has_tokens(encoded.is_padding, slice(0, split), B, video_BP.device)
        has_audio_B = has_tokens(encoded.is_padding, slice(split, None), B, video_BP.device)
        return info_nce(
            video_BP,
            audio_BP,
            self.config.contrastive_temperature,
            is_pair_B=has_video_B & has_audio_B,
            clip_B=clip_number,
            begin_s_B=window_begin_s,
            window_s=self.config.window_s,
        )


@torch.no_grad()
def _targets(modality: int, view: _View, config: VAEmoConfig) -> Tensor:
    """What the decoder is asked to predict, (B, K, values)."""
    if modality == VIDEO:
        return video_targets(tubelets(view.values, config, view.targets.index_BK), config)
    return audio_targets(mel_patches(view.values, config, view.targets.index_BK), config)


@torch.no_grad()
def _reconstruction(views: list[_View | None], predictions: list[Tensor | None], config: VAEmoConfig) -> Reconstruction:
    """Put targets and predictions where their tokens are."""
    found: dict[str, Tensor] = {}
    for modality, name in ((VIDEO, "video"), (AUDIO, "audio")):
        view, prediction_BKP = views[modality], predictions[modality]
        if view is None or prediction_BKP is None:
            continue
        index_BKP = view.targets.index_BK[..., None].expand_as(prediction_BKP)
        is_hidden_BK1 = view.mask.is_masked_BN.gather(1, view.targets.index_BK)[..., None]
        whole = torch.zeros(*view.mask.is_masked_BN.shape, prediction_BKP.shape[-1], device=prediction_BKP.device)
        found[f"{name}_mask"] = view.mask.is_masked_BN
        found[f"{name}_target"] = whole.scatter(1, index_BKP, _targets(modality, view, config) * is_hidden_BK1)
        found[f"{name}_prediction"] = whole.scatter(1, index_BKP, prediction_BKP.float() * is_hidden_BK1)
    return Reconstruction(**found)
