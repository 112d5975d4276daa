"""The recipe of a stage-1 training: every setting that its result rests on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field
from typing_extensions import TypedDict  # pydantic asks for this one before Python 3.12

from vaemo_train.models.config import VAEmoConfig
from vaemo_train.training.recipe import Contradiction, TrainingRecipe
from vaemo_train.training.settings import Count, FigureSettings, Floor, MaskSettings, Settings, Share, Weight


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


class ModelSettings(Settings):
    """A named size of `VAEmoConfig`, and what differs from it."""

    size: Literal["vaemo-tiny", "vaemo-small", "vaemo-base"] = "vaemo-base"
    decoder_hidden_size: int | None = Field(default=None, ge=8)
    decoder_num_layers: int | None = Field(default=None, ge=1)
    target_share: float | None = Field(default=None, gt=0, le=1)
    within_probability: Share | None = None
    overrides: ModelOverrides = ModelOverrides()


class LossSettings(Settings):
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


class ReconstructionSettings(FigureSettings):
    """Figures of originals, what was seen of them, and reconstructions, of so many held-out clips."""

    num_clips: int = Field(default=3, ge=1, le=16)


class Stage1Recipe(TrainingRecipe):
    """A recipe file of stage 1."""

    model: ModelSettings = ModelSettings()
    mask: MaskSettings = MaskSettings()
    loss: LossSettings = LossSettings()
    figure: ReconstructionSettings = ReconstructionSettings()

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

    def contradictions(self, num_processes: int) -> Iterator[Contradiction]:
        """Yield what the loop, the loss, the masks and the model ask of each other's settings."""
        from vaemo_train.stage1.recipe_faults import stage1_faults

        yield from super().contradictions(num_processes)
        yield from stage1_faults(self, num_processes)

    @classmethod
    def unknown_key(cls, place: tuple[str | int, ...]) -> str | None:
        """Say why a field of the model cannot be among its overrides."""
        from vaemo_train.stage1.recipe_faults import no_override

        return no_override(str(place[-1])) if place[:2] == ("model", "overrides") else None
