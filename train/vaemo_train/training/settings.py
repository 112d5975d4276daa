"""Sections of a recipe that every stage of training has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Floor = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]


class Settings(BaseModel):
    """A section: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class MaskSettings(Settings):
    """Shares of the tokens that the encoder does not see: of the places of the picture, of the patches of the sound."""

    video: float = Field(default=0.9, ge=0, lt=1)
    audio: float = Field(default=0.8, ge=0, lt=1)


class DataSettings(Settings):
    """Shards (or --data), random windows of a row in each epoch, and processes that decode for each trainer.

    Each of these `workers` keeps `prefetch` batches ready, in shared memory.
    """

    folder: Path | None = None
    windows_per_row: int = Field(default=1, ge=1, le=100)
    workers: int = Field(default=2, ge=0, le=128)
    prefetch: int = Field(default=2, ge=1, le=16)


class OptimSettings(Settings):
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


class BatchSettings(Settings):
    """Clips on one device, and how many such batches make a step; processes multiply both."""

    per_device: int = Field(default=64, ge=1)
    accumulate: int = Field(default=1, ge=1)


class LengthSettings(Settings):
    """How long: passes over all rows, or optimizer steps."""

    epochs: float | None = Field(default=None, gt=0)
    max_steps: int | None = Field(default=None, ge=1)


class PrecisionSettings(Settings):
    """bfloat16 matrix products; `auto` takes them where the GPU, or without one the CPU, has them in hardware."""

    bf16: Literal["auto"] | bool = "auto"


class MonitorSettings(Settings):
    """Diagnostics on held-out clips every so many steps (0: never).

    Without --holdout, `num_clips` of the data are kept out of the training, drawn with `seed`.
    """

    every_steps: int = Field(default=1000, ge=0)
    num_clips: int = Field(default=512, ge=2)
    seed: int = Field(default=0, ge=0)


class FigureSettings(Settings):
    """Figures of held-out clips every so many steps (0: never)."""

    every_steps: int = Field(default=5000, ge=0)
