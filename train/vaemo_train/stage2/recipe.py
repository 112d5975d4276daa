"""The recipe of a stage-2 training: every setting that its result rests on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from vaemo_train.models.config import ALIGNMENT_PATHS, VAEmoConfig
from vaemo_train.training.mask_faults import mask_faults
from vaemo_train.training.recipe import Contradiction, TrainingRecipe
from vaemo_train.training.settings import MaskSettings, OptimSettings, Settings, Share, Weight


class TextSettings(Settings):
    """The frozen sentence encoder: a Hub id, a folder, or the name of an installed package that carries one."""

    model: str = "sentence-transformers/all-mpnet-base-v2"


class HeadSettings(Settings):
    """The space in which clips and descriptions meet: its width, and what is taken off a clip's vector there.

    `centring` "clips": the mean of all clips. "speakers": that of the speaker's own clips, so that who is seen and
    heard cannot tell clips apart; a batch then holds `clips_of_speaker` clips of a speaker, captioned or not, and clips
    are compared with captions beside the other clips of their speaker, later too.
    """

    size: int = Field(default=256, ge=8)
    centring: Literal["clips", "speakers"] = "clips"
    clips_of_speaker: int = Field(default=4, ge=2)


class Stage1Weights(Settings):
    """Weights of stage 1's own loss on the same clips, against forgetting; what has none is not computed.

    Pixels and motion are values of the same tokens, which are decoded where either has a weight.
    """

    video_pixels: Weight = 0.0
    video_motion: Weight = 0.0
    audio: Weight = 0.0
    contrastive: Weight = 0.0


class AlignmentLossSettings(Settings):
    """Weights of the three comparisons, and how they are made.

    Path 1: video with the `visual` description, sound with the `acoustic` one. Path 2: both, fused, with the `affect`
    description, and weighed by `alone` also each of the two by itself. Each has a learned temperature that begins at
    `temperature` and stays in its bounds. Of a target, `soft_share` goes by how alike the texts are, at
    `soft_temperature`; 0: only the clip's own text is right.
    """

    visual: Weight = 1.0
    acoustic: Weight = 1.0
    affect: Weight = 1.0
    temperature: float = Field(default=0.07, gt=0, le=10)
    temperature_min: float = Field(default=0.01, gt=0, le=10)
    temperature_max: float = Field(default=0.5, gt=0, le=10)
    alone: Weight = 0.5
    soft_share: Share = 0.0
    soft_temperature: float = Field(default=0.1, gt=0, le=10)
    stage1: Stage1Weights = Stage1Weights()


class AlignmentOptimSettings(OptimSettings):
    """As in stage 1; the encoder's rate is `encoder_lr_share` of that of the new heads, 0 leaves it as it is."""

    encoder_lr_share: Share = 0.1


class Stage2Recipe(TrainingRecipe):
    """A recipe file of stage 2.

    `init` is a run or model of stage 1 (or --init), or the name of a size for an encoder with random weights;
    `captions` the folder of caption datasets (or --captions).
    """

    init: str | None = None
    captions: Path | None = None
    text: TextSettings = TextSettings()
    heads: HeadSettings = HeadSettings()
    mask: MaskSettings = MaskSettings(video=0.5, audio=0.3)
    loss: AlignmentLossSettings = AlignmentLossSettings()
    optim: AlignmentOptimSettings = AlignmentOptimSettings()

    def config_fields(self) -> dict[str, Any]:
        """Return the fields of `VAEmoConfig` that this stage sets; the text model's are found when it is opened."""
        loss = self.loss
        return {
            "video_mask_ratio": self.mask.video,
            "audio_mask_ratio": self.mask.audio,
            "alignment_size": self.heads.size,
            "alignment_centring": self.heads.centring,
            "alignment_temperature": loss.temperature,
            "alignment_temperature_min": loss.temperature_min,
            "alignment_temperature_max": loss.temperature_max,
            "alignment_alone_weight": loss.alone,
            "alignment_weights": loss.model_dump(include=set(ALIGNMENT_PATHS)),
            "soft_share": loss.soft_share,
            "soft_temperature": loss.soft_temperature,
            "loss_weights": loss.stage1.model_dump(),
        }

    def contradictions(self, num_processes: int) -> Iterator[Contradiction]:
        """Yield what the loop and the loss ask of each other's settings."""
        yield from super().contradictions(num_processes)
        yield from _loss_faults(self, num_processes)
        if not (self.mask.video and self.mask.audio):  # a fault with any encoder
            yield from self.mask_faults(VAEmoConfig())

    def mask_faults(self, config: VAEmoConfig) -> Iterator[Contradiction]:
        """Yield what the masks ask of an encoder; that of a run is known when it is opened."""
        return mask_faults(self.mask, config, self.loss.stage1, ("loss.stage1",))


def _loss_faults(recipe: Stage2Recipe, num_processes: int) -> Iterator[Contradiction]:
    loss = recipe.loss
    if not (loss.visual or loss.acoustic or loss.affect):
        yield Contradiction(
            ("loss.visual", "loss.acoustic", "loss.affect"),
            "loss: visual, acoustic and affect are all 0, so no caption would be learnt from; give one a weight",
        )
    if not loss.temperature_min <= loss.temperature <= loss.temperature_max:
        yield Contradiction(
            ("loss.temperature", "loss.temperature_min", "loss.temperature_max"),
            f"loss.temperature: {loss.temperature:g} is not between temperature_min={loss.temperature_min:g} and "
            f"temperature_max={loss.temperature_max:g}; it begins within its bounds",
        )
    if recipe.batch.per_device * num_processes == 1:
        yield Contradiction(
            ("batch.per_device",), "batch.per_device: a batch of one has no negatives; give at least 2 clips"
        )
