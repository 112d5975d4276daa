"""What a clip's vectors are: of which modality, which windows, which layers, pooled how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from vaemo_clips.errors import UserError
from vaemo_train.evaluate.features import MODALITIES, NUM_WINDOWS, Layers, Modality
from vaemo_train.models.block import AUDIO, VIDEO
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.token_pooling import Pooling, pooled_width

Wanted = Literal["any", "both", "audio", "video"]
BATCH_SIZE = 4
MIN_STEP_S = 0.08
"""Between windows: one picture slot of shards as `prepare` makes them."""
_MODALITIES_OF: Mapping[Modality, tuple[int, ...]] = {"video": (VIDEO,), "audio": (AUDIO,), "both": (VIDEO, AUDIO)}


class EmbedSettings(BaseModel):
    """`modality` any: whatever a clip has, in three columns; both, audio, video: that alone, of clips that have it.

    Of each row of at most ten seconds `windows` are taken, evenly spaced, or with `window_step_s` one every so many
    seconds and the last that has room. `pooling`: a window's mean over its tokens (D numbers: compact, for search and
    clusters), with "statistics" that and their standard deviation (2D), with "bands" both apart for each mel band of
    the sound (8 x 2D) and each row of patches of the face (10 x 2D): for linear probes. `layers` lower+last: the same
    of the last unimodal block in front. Neither `batch_size` nor `bf16` change more than the rounding: 1e-5, and in
    bfloat16 about 1e-2 of a vector's length.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    modality: Wanted = "any"
    windows: int = Field(default=NUM_WINDOWS, ge=1)
    window_step_s: float | None = Field(default=None, ge=MIN_STEP_S, allow_inf_nan=False)
    per_window: bool = False
    pooling: Pooling = "mean"
    layers: Layers = "last"
    batch_size: int = Field(default=BATCH_SIZE, ge=1)
    bf16: bool = False

    @classmethod
    def read(cls, **values: Any) -> EmbedSettings:
        """Settings from options of the same names. Raises UserError that names the option and the rule."""
        try:
            return cls(**values)
        except ValidationError as error:
            fault = error.errors()[0]
            name = str(fault["loc"][0])
            option = {"window_step_s": "window-step"}.get(name, name.replace("_", "-"))
            raise UserError(f"--{option} {fault['input']}: {fault['msg']}") from error

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The vectors that a clip may have."""
        return MODALITIES if self.modality == "any" else (self.modality,)

    def width(self, config: VAEmoConfig, modality: Modality) -> int:
        """Numbers in a vector of a modality, of an encoder of this configuration."""
        widths = [pooled_width(one, self.pooling, config) for one in _MODALITIES_OF[modality]]
        return sum(widths) * (2 if self.layers == "lower+last" else 1)

    def describe(self) -> str:
        """What a vector is, in words."""
        pooled = {
            "mean": "mean",
            "statistics": "mean and standard deviation",
            "bands": "mean and standard deviation, by mel band and by row of the face,",
        }[self.pooling]
        layers = "the last block" if self.layers == "last" else "the last unimodal block, then of the last block"
        windows = (
            f"{self.windows} windows of 2.56 s evenly spaced over each row of at most 10 s"
            if self.window_step_s is None
            else f"windows of 2.56 s every {self.window_step_s:g} s of each row of at most 10 s, and its last"
        )
        of_clip = "one row a window" if self.per_window else "means over a clip's windows"
        return f"{pooled} over the real tokens of {layers}; {windows}; {of_clip}; both: video's, then audio's"
