"""The recipe of a stage-1 training: every setting that its result rests on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from vaemo_train.data.augment import AugmentSettings
from vaemo_train.models.config import VAEmoConfig

REFERENCE_BATCH = 256
"""Clips of a step that `optim.base_lr` is meant for (Goyal et al. 2017, arXiv 1706.02677, linear scaling)."""

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Floor = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelOverrides(TypedDict, total=False):
    """Fields of `VAEmoConfig` that no section of a recipe is about, and that the data leave open."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    hidden_size: Count
    num_attention_heads: Count
    num_unimodal_layers: Count
    num_cross_layers: Annotated[int, Field(ge=0)]
    mlp_ratio: Count
    layer_norm_eps: Floor
    initializer_range: Floor
    image_size: Count
    tubelet_frames: Annotated[int, Field(ge=2)]
    patch_size: Count
    log_mel_mean: Annotated[float, Field(allow_inf_nan=False)]
    log_mel_std: Floor
    decoder_num_heads: Count
    projection_size: Count


class ModelSettings(_Settings):
    """A named size of `VAEmoConfig`, and what differs from it."""

    size: Literal["vaemo-tiny", "vaemo-small", "vaemo-base"] = "vaemo-base"
    decoder_hidden_size: int | None = Field(default=None, ge=8)
    decoder_num_layers: int | None = Field(default=None, ge=1)
    target_share: float | None = Field(default=None, gt=0, le=1)
    within_probability: Share | None = None
    overrides: ModelOverrides = ModelOverrides()


class MaskSettings(_Settings):
    """Shares of the tokens that the encoder does not see: of the places of the picture, of the patches of the sound."""

    video: float = Field(default=0.9, ge=0, lt=1)
    audio: float = Field(default=0.8, ge=0, lt=1)


class LossSettings(_Settings):
    """Weights of the loss's parts, and floors of the targets' deviations.

    The contrastive part has a `temperature`; it compares windows as wholes, or where `contrastive_steps` is above 1
    their courses over so many stretches.
    """

    video_pixels: Weight = 1.0
    video_motion: Weight = 1.0
    audio: Weight = 1.0
    contrastive: Weight = 0.0025
    temperature: float = Field(default=0.07, gt=0, le=10)
    contrastive_steps: int = Field(default=1, ge=1)
    pixel_std_floor: Floor = 0.04
    motion_std_floor: Floor = 0.08
    mel_std_floor: Floor = 0.3


class DataSettings(_Settings):
    """Shards (or --data), random windows of a row in each epoch, and processes that decode for each trainer.

    Each of these `workers` keeps `prefetch` batches ready, in shared memory.
    """

    folder: Path | None = None
    windows_per_row: int = Field(default=1, ge=1, le=100)
    workers: int = Field(default=2, ge=0, le=128)
    prefetch: int = Field(default=2, ge=1, le=16)


class OptimSettings(_Settings):
    """AdamW. The peak rate is `base_lr` x clips of a step / 256; it rises linearly, then falls as a cosine.

    `final_lr_share` is the last rate over the peak; one of `warmup_share` (of all steps) and `warmup_epochs` may be
    given. Norms, biases and learned embeddings do not decay.
    """

    base_lr: float = Field(default=3e-4, gt=0, le=1)
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.95)
    weight_decay: Weight = 0.05
    warmup_share: float | None = Field(default=None, ge=0)
    warmup_epochs: float | None = Field(default=None, ge=0)
    final_lr_share: Share = 0.01
    grad_clip: float | None = Field(default=None, gt=0)


class BatchSettings(_Settings):
    """Clips on one device, and how many such batches make a step; processes multiply both."""

    per_device: int = Field(default=64, ge=1)
    accumulate: int = Field(default=1, ge=1)


class LengthSettings(_Settings):
    """How long: passes over all rows, or optimizer steps."""

    epochs: float | None = Field(default=None, gt=0)
    max_steps: int | None = Field(default=None, ge=1)


class PrecisionSettings(_Settings):
    """bfloat16 matrix products; `auto` takes them where the GPU, or without one the CPU, has them in hardware."""

    bf16: Literal["auto"] | bool = "auto"


class MonitorSettings(_Settings):
    """Diagnostics on held-out clips every so many steps (0: never).

    Without --holdout, `num_clips` of the data are kept out of the training, drawn with `seed`.
    """

    every_steps: int = Field(default=1000, ge=0)
    num_clips: int = Field(default=512, ge=2)
    seed: int = Field(default=0, ge=0)


class FigureSettings(_Settings):
    """A figure of original, masked and reconstructed held-out clips every so many steps (0: never)."""

    every_steps: int = Field(default=5000, ge=0)
    num_clips: int = Field(default=3, ge=1, le=16)


class Stage1Recipe(_Settings):
    """A recipe file. `recipe_file.load_recipe` reads one and checks what its sections ask of each other."""

    model: ModelSettings = ModelSettings()
    mask: MaskSettings = MaskSettings()
    loss: LossSettings = LossSettings()
    augment: AugmentSettings = AugmentSettings()
    data: DataSettings = DataSettings()
    optim: OptimSettings = OptimSettings()
    batch: BatchSettings = BatchSettings()
    length: LengthSettings = LengthSettings()
    precision: PrecisionSettings = PrecisionSettings()
    compile: bool = False
    seed: int = Field(default=0, ge=0, lt=2**31)
    logging_steps: int = Field(default=50, ge=1)
    save_steps: int = Field(default=1000, ge=1)
    keep_checkpoints: int = Field(default=2, ge=1)
    monitor: MonitorSettings = MonitorSettings()
    figure: FigureSettings = FigureSettings()

    def config(self) -> VAEmoConfig:
        """Return the model's configuration. Raises ValueError where its fields contradict each other."""
        return VAEmoConfig.of_size(self.model.size, **self.config_fields())

    def config_fields(self) -> dict[str, Any]:
        """Return the fields of the configuration that differ from those of the named size."""
        model, loss = self.model, self.loss
        named = model.model_dump(exclude={"size", "overrides"}, exclude_none=True)
        return {
            **named,
            "video_mask_ratio": self.mask.video,
            "audio_mask_ratio": self.mask.audio,
            "contrastive_temperature": loss.temperature,
            "contrastive_steps": loss.contrastive_steps,
            **loss.model_dump(include={"pixel_std_floor", "motion_std_floor", "mel_std_floor"}),
            "loss_weights": loss.model_dump(include={"video_pixels", "video_motion", "audio", "contrastive"}),
            **model.overrides,
        }

    def clips_per_step(self, num_processes: int) -> int:
        """Return how many clips one optimizer step sees."""
        return self.batch.per_device * self.batch.accumulate * num_processes

    def peak_lr(self, num_processes: int) -> float:
        """Return the learning rate after the warm-up."""
        return self.optim.base_lr * self.clips_per_step(num_processes) / REFERENCE_BATCH

    def total_steps(self, batches_per_epoch: int) -> int:
        """Return the number of optimizer steps; an epoch has `batches_per_epoch` batches of each process."""
        if self.length.max_steps is not None:
            return self.length.max_steps
        return max(round((self.length.epochs or 0) * batches_per_epoch / self.batch.accumulate), 1)

    def warmup_steps(self, batches_per_epoch: int) -> int:
        """Return the number of steps over which the learning rate rises."""
        if self.optim.warmup_epochs is not None:
            return round(self.optim.warmup_epochs * batches_per_epoch / self.batch.accumulate)
        return round((self.optim.warmup_share or 0) * self.total_steps(batches_per_epoch))
