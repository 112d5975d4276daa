"""`VAEmoForClassification`: the encoder with a head for classes (emotions), or for values (valence, arousal).

B clips, C classes or targets, N tokens, V visible, D width.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers.utils.generic import ModelOutput
from transformers.utils.logging import disable_progress_bar

from vaemo_clips.errors import CheckpointError
from vaemo_train.models.block import Layout
from vaemo_train.models.classifier_head import ClassifierHead, ClipNorm
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.downstream_loss import (
    accuracy,
    class_targets,
    cross_entropy,
    mean_squared_error,
    one_minus_ccc,
)
from vaemo_train.models.encoder import OF_PRETRAINING, VAEmoModel, VAEmoPreTrainedModel
from vaemo_train.models.encoder_weights import encoder_config, encoder_weights
from vaemo_train.models.masking import moment_mask, tube_mask
from vaemo_train.models.patches import audio_token_padding, video_token_padding

CLASSIFICATION, REGRESSION = "single_label_classification", "regression"
_FILES = ("config.json", "model.safetensors")


@dataclass
class VAEmoClassificationOutput(ModelOutput):
    """`logits` (B, C) float32, of a regression the values; `has_input` (B,): clips with a token of what was given.

    With labels also `loss`, its unweighted `parts` and `metrics` by name, over the clips that have input.
    """

    loss: Tensor | None = None
    parts: dict[str, Tensor] | None = None
    metrics: dict[str, Tensor] | None = None
    logits: Tensor | None = None
    has_input: Tensor | None = None


class VAEmoForClassification(VAEmoPreTrainedModel):
    """Names the class of a clip, or its values, from video, sound or both."""

    _keys_to_ignore_on_load_unexpected = [*OF_PRETRAINING]  # noqa: RUF012 (a list in transformers)

    def __init__(self, config: VAEmoConfig) -> None:
        """Build the model with random weights; `config.id2label` names the classes or the targets."""
        super().__init__(config)
        self.vaemo = VAEmoModel(config)
        self.classifier = ClassifierHead(config)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: torch.nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, ClassifierHead):
            module.begin()
        elif isinstance(module, ClipNorm):
            module.reset()

    def train(self, mode: bool = True) -> VAEmoForClassification:
        """As of any module; parts of the encoder that are frozen stay as they are, their running means too."""
        super().train(mode)
        for part in (self.vaemo.embedding, self.vaemo.lower, self.vaemo):
            if not any(parameter.requires_grad for parameter in part.parameters()):
                part.eval()
        return self

    @classmethod
    def from_encoder(cls, source: str | Path, names: tuple[str, ...], **overrides: Any) -> VAEmoForClassification:
        """Take over the encoder of any model folder, or of a size with random weights; the head is new.

        `names` are the classes or targets in order; `overrides` settings of the configuration. Raises CheckpointError
        for a folder without a whole encoder.
        """
        labels = {"id2label": dict(enumerate(names)), "label2id": {name: place for place, name in enumerate(names)}}
        config = encoder_config(source, **labels, **overrides)
        model = cls(config)
        weights = encoder_weights(source, config)
        if weights is not None:
            model.vaemo.load_state_dict(weights)
        return model

    @property
    def names(self) -> tuple[str, ...]:
        """The classes or targets, in the order of the logits."""
        labels: Any = self.config.id2label or {}
        return tuple(labels[place] for place in range(len(labels)))

    @property
    def is_regression(self) -> bool:
        """Whether it gives values instead of classes."""
        return self.config.problem_type == REGRESSION

    def forward(
        self,
        pixel_values_videos: Tensor | None = None,
        input_features: Tensor | None = None,
        video_padding_mask: Tensor | None = None,
        audio_padding_mask: Tensor | None = None,
        labels: Tensor | None = None,
        batch_seed: int | Tensor | None = None,
        clip_number: Tensor | None = None,
        window_begin_s: Tensor | None = None,
    ) -> VAEmoClassificationOutput:
        """Judge B clips; inputs as for `VAEmoModel`.

        `labels`: class numbers (B,), shares of classes (B, C), or the values of a regression (B, K). In training,
        tokens and modalities are left out as the configuration has it, drawn by `batch_seed`; `clip_number` and
        `window_begin_s`, which every batch of a training has, are not looked at.
        """
        video, mel = pixel_values_videos, input_features
        self.vaemo.check_inputs(video, mel)
        kept: dict[str, Any] = {}
        if self.training:
            generators = self._generator(batch_seed)
            video, mel = self._one_modality(video, mel, generators[1])
            kept = self._kept(video, mel, video_padding_mask, audio_padding_mask, generators[0])
        layers, layout = self.read(video, mel, video_padding_mask, audio_padding_mask, kept)
        logits_BC, has_input_B = self.classifier(layers, layout)
        if labels is None:
            return VAEmoClassificationOutput(logits=logits_BC, has_input=has_input_B)
        parts, metrics = self._losses(logits_BC, labels, has_input_B.float())
        weights = self.config.regression_weights if self.is_regression else None
        loss = sum(((weights or {}).get(name, 1.0) * part for name, part in parts.items()), logits_BC.new_zeros(()))
        return VAEmoClassificationOutput(loss, parts, metrics, logits_BC, has_input_B)

    def read(
        self,
        video: Tensor | None,
        mel: Tensor | None,
        video_padding: Tensor | None,
        audio_padding: Tensor | None,
        kept: dict[str, Any],
    ) -> tuple[list[list[Tensor | None]], Layout]:
        """What the head reads of each layer (see `ClassifierHead.pool`), and whose tokens these are.

        `kept` names visible and unused tokens by the encoder's arguments; none for all.
        """
        layers: list[list[Tensor | None]] = []
        head, visible = self.classifier, (kept.get("video_visible"), kept.get("audio_visible"))

        def read(hidden_BND: Tensor, layout: Layout) -> None:
            layers.append(head.pool(hidden_BND, layout, visible))

        on_block = read if self.config.head_layers == "all" else None
        lower_BND, layout = self.vaemo.run_lower(video, mel, video_padding, audio_padding, **kept, on_block=on_block)
        read(self.vaemo.run_upper(lower_BND, layout, "cross", on_block), layout)
        return layers, layout

    def _losses(
        self, logits_BC: Tensor, labels: Tensor, weight_B: Tensor
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The unweighted parts of the loss, and what else is counted."""
        if self.is_regression:
            target_BK = labels.float()
            wanted = [name for name, weight in (self.config.regression_weights or {}).items() if weight > 0]
            losses = {"ccc": one_minus_ccc, "mse": mean_squared_error}
            return {name: losses[name](logits_BC, target_BK, weight_B) for name in wanted}, {}
        target_BC = class_targets(labels, logits_BC.shape[1])
        weights = self.config.class_weights
        class_weight_C = None if weights is None else torch.tensor(weights, device=logits_BC.device)
        loss = cross_entropy(logits_BC, target_BC, weight_B, class_weight_C, self.config.label_smoothing)
        return {"cross_entropy": loss}, {"accuracy": accuracy(logits_BC, target_BC, weight_B)}

    def _one_modality(
        self, video: Tensor | None, mel: Tensor | None, generator: torch.Generator
    ) -> tuple[Tensor | None, Tensor | None]:
        """Leave out one of two modalities, either as often, for the whole batch and as often as the settings say."""
        draw = torch.rand((), generator=generator).item()
        if video is None or mel is None or draw >= self.config.one_modality_probability:
            return video, mel
        return (video, None) if draw < self.config.one_modality_probability / 2 else (None, mel)

    def _kept(
        self,
        video: Tensor | None,
        mel: Tensor | None,
        video_padding: Tensor | None,
        audio_padding: Tensor | None,
        generator: torch.Generator,
    ) -> dict[str, Any]:
        """The tokens that this step sees, by the encoder's arguments: PatchOut (Koutini et al. 2022, section 2.2).

        Places of the picture are left out at all times, and moments of the sound with all their frequencies, so that
        statistics of bands are those of whole rows and of whole spectra.
        """
        config = self.config
        kept: dict[str, Any] = {}
        if video is not None and config.video_drop_ratio:
            is_padding_BN = None if video_padding is None else video_token_padding(video_padding, config)
            mask = tube_mask(
                len(video), config.num_tubelets, config.num_places, config.video_drop_ratio, generator, is_padding_BN
            )
            kept |= {"video_visible": mask.visible_BV, "video_unused": mask.is_unused_BV}
        if mel is not None and config.audio_drop_ratio:
            is_padding_BN = None if audio_padding is None else audio_token_padding(audio_padding, config)
            num_bands = config.num_mel_bins // config.patch_size
            mask = moment_mask(
                len(mel), config.num_audio_tokens // num_bands, num_bands, config.audio_drop_ratio, generator,
                is_padding_BN,
            )  # fmt: skip
            kept |= {"audio_visible": mask.visible_BV, "audio_unused": mask.is_unused_BV}
        return kept


def load_classifier(folder: Path) -> VAEmoForClassification:
    """Return a fine-tuned model in eval mode. Raises CheckpointError for anything else in its place."""
    for place in (folder / "model", folder):
        if all((place / name).is_file() for name in _FILES):
            break
    else:
        raise CheckpointError(f"{folder}: no model in it; give a run of `vaemo-train finetune`, or its model folder")
    disable_progress_bar()  # of transformers: one for each model
    _check_kind(place)
    try:
        opened: Any = VAEmoForClassification.from_pretrained(place, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, TypeError, SafetensorError) as error:
        said = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{place} cannot be read as a model ({said}); give another run of finetune") from error
    loaded: tuple[VAEmoForClassification, dict[str, set[str]]] = opened
    model, told = loaded
    missing = sorted(told["missing_keys"])
    if missing:
        raise CheckpointError(f"{place} lacks {len(missing)} weights, {missing[0]} among them; give another run")
    model.eval()
    return model


def _check_kind(place: Path) -> None:
    """Raise CheckpointError for a model of pre-training, whose head would be a random one."""
    try:
        with safe_open(place / _FILES[1], "pt") as file:
            names = set(file.keys())
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{place} cannot be read as a model ({error}); give another run of finetune") from error
    if not any(name.startswith("classifier.") for name in names):
        raise CheckpointError(
            f"{place} knows no classes: it is a model of pre-training; fine-tune it first, "
            f"`vaemo-train finetune --init {place}`"
        )
