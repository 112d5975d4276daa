"""What can be wrong with a stage-1 recipe beyond the single value."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from vaemo_train.data.batch import NUM_COLOURS
from vaemo_train.data.features import HOP_SAMPLES, NUM_BANDS
from vaemo_train.data.window import NUM_FRAMES, NUM_SAMPLES
from vaemo_train.models.config import SIZES, VAEmoConfig
from vaemo_train.shards.row import FRAME_STRIDE_S, SAMPLE_RATE_HZ
from vaemo_train.stage1.recipe import ModelOverrides, Stage1Recipe
from vaemo_train.training.mask_faults import mask_faults
from vaemo_train.training.recipe import Contradiction
from vaemo_train.training.recipe_file import did_you_mean

FIXED_BY_DATA: Final[dict[str, float]] = {
    "num_frames": NUM_FRAMES,
    "frame_stride_s": FRAME_STRIDE_S,
    "num_channels": NUM_COLOURS,
    "num_mel_bins": NUM_BANDS,
    "num_audio_frames": NUM_SAMPLES // HOP_SAMPLES,
    "audio_hop_s": HOP_SAMPLES / SAMPLE_RATE_HZ,
    "sampling_rate": SAMPLE_RATE_HZ,
}
"""Fields of the model that say what windows are; `data` makes them so."""

RECIPE_KEYS: Final = {
    **{name: f"model.{name}" for name in ("decoder_hidden_size", "decoder_num_layers", "target_share")},
    "within_probability": "model.within_probability",
    "video_mask_ratio": "mask.video",
    "audio_mask_ratio": "mask.audio",
    "contrastive_temperature": "loss.temperature",
    **{name: f"loss.{name}" for name in ("contrastive_steps", "pixel_std_floor", "motion_std_floor", "mel_std_floor")},
    "loss_weights": "loss",
}
"""Fields of the model that sections of a recipe are about, and their keys there."""

OF_STAGE2: Final = frozenset(
    {
        "text_model",
        "text_model_digest",
        "text_size",
        "alignment_size",
        "alignment_temperature",
        "alignment_temperature_min",
        "alignment_temperature_max",
        "alignment_alone_weight",
        "alignment_centring",
        "alignment_weights",
        "soft_share",
        "soft_temperature",
    }
)
"""Fields of the model that captions make use of."""

OF_FINETUNE: Final = frozenset(
    {
        "head_pooling",
        "head_layers",
        "head_dropout",
        "drop_path_rate",
        "video_drop_ratio",
        "audio_drop_ratio",
        "one_modality_probability",
        "label_smoothing",
        "class_weights",
        "regression_weights",
    }
)
"""Fields of the model that labels make use of."""


def stage1_faults(recipe: Stage1Recipe, num_processes: int) -> Iterator[Contradiction]:
    """Yield the contradictions that stage 1 adds to those of every recipe."""
    yield from _loss_faults(recipe, num_processes)
    yield from _model_faults(recipe)
    yield from _figure_faults(recipe)


def no_override(name: str) -> str:
    """Why a field of the model cannot be among the overrides."""
    if name in FIXED_BY_DATA:
        return f"is what the shards and the loader make it, {FIXED_BY_DATA[name]:g}; leave it out"
    if name in RECIPE_KEYS:
        return f"is set by {RECIPE_KEYS[name]}; write it there"
    if name in OF_STAGE2:
        return "belongs to stage 2, whose recipe sets it; leave it out"
    if name in OF_FINETUNE:
        return "belongs to finetune, whose recipe sets it; leave it out"
    return f"no field of the model{did_you_mean(name, ModelOverrides.__annotations__)}"


def _loss_faults(recipe: Stage1Recipe, num_processes: int) -> Iterator[Contradiction]:
    loss = recipe.loss
    if not (loss.video_pixels or loss.video_motion or loss.audio or loss.contrastive):
        yield Contradiction(("loss",), "loss: every weight is 0, so nothing would be learnt; give one part a weight")
    if loss.contrastive and recipe.batch.per_device * num_processes == 1:
        yield Contradiction(
            ("loss.contrastive", "batch.per_device"),
            "batch.per_device: a batch of one has no negatives for the contrastive loss; "
            "give at least 2 clips, or set loss.contrastive to 0",
        )


def _figure_faults(recipe: Stage1Recipe) -> Iterator[Contradiction]:
    drawn, monitored = recipe.figure.num_clips, recipe.monitor.num_clips
    if recipe.figure.every_steps and drawn > monitored:
        yield Contradiction(
            ("figure.num_clips", "monitor.num_clips"),
            f"figure.num_clips: {drawn} clips cannot be drawn from monitor.num_clips={monitored}; "
            "raise that or lower this",
        )


def _model_faults(recipe: Stage1Recipe) -> Iterator[Contradiction]:
    size = recipe.model.size
    try:
        config = VAEmoConfig.of_size(size, **recipe.config_fields() | {"contrastive_steps": 1})
    except ValueError as error:
        taken = {"hidden_size", "num_attention_heads"} & recipe.model.overrides.keys()
        named = f" (the size {size} has {SIZES[size]})" if taken else ""
        yield Contradiction(("model",), f"model: {' '.join(str(error).split())}{named}")
        return
    yield from mask_faults(recipe.mask, config, recipe.loss, ("model.overrides", "loss"))
    yield from _stretch_faults(recipe, config)


def _stretch_faults(recipe: Stage1Recipe, config: VAEmoConfig) -> Iterator[Contradiction]:
    most, wanted = math.gcd(config.num_tubelets, config.projection_size), recipe.loss.contrastive_steps
    if most % wanted:
        able = ", ".join(str(number) for number in range(1, most + 1) if most % number == 0)
        yield Contradiction(
            ("loss.contrastive_steps", "model.overrides"),
            f"loss.contrastive_steps: {wanted} equal stretches cannot be made of a window's {config.num_tubelets} "
            f"moments and a projection of {config.projection_size} values; give one of {able}",
        )
