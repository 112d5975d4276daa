"""The recipe of a fine-tuning: every setting that its scores rest on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from vaemo_train.training.recipe import Contradiction, TrainingRecipe
from vaemo_train.training.settings import OptimSettings, Settings, Share, Weight

Modality = Literal["any", "both", "audio", "video"]


class DownstreamHeadSettings(Settings):
    """What the classifier reads of the tokens of the last block, or of all blocks.

    Their `mean`, mean and deviation (`statistics`), or these over time apart for each row of the face's patches and
    each mel patch (`bands`).
    """

    pooling: Literal["mean", "statistics", "bands"] = "bands"
    layers: Literal["last", "all"] = "last"
    dropout: float = Field(default=0.0, ge=0, lt=1)


class DropSettings(Settings):
    """What a step of training leaves out.

    `video` is a share of the places of the picture, `audio` of the moments of the sound (PatchOut; also what makes a
    step cheaper), `path` the most often that
    a block is skipped for a clip, `one_modality` how often a batch of clips with both has only one of them: what makes
    V and A alone as good as they can be.
    """

    video: float = Field(default=0.0, ge=0, lt=1)
    audio: float = Field(default=0.0, ge=0, lt=1)
    path: float = Field(default=0.1, ge=0, lt=1)
    one_modality: Share = 0.3


class MixupSettings(Settings):
    """Mixing of clips two by two (Zhang et al. 2018, arXiv 1710.09412), by a share from Beta(alpha, alpha); 0: none.

    Picture, sound and label of a clip are mixed with those of the same other clip by the same share. `probability` is
    that of a batch being mixed.
    """

    alpha: float = Field(default=0.0, ge=0, le=10)
    probability: Share = 1.0


class DownstreamLossSettings(Settings):
    """Classification: `label_smoothing`, and `class_weights` "balanced" for clips of rare classes to count for more.

    Regression: the weights of 1 - CCC of the batch and of the mean squared error.
    """

    label_smoothing: float = Field(default=0.1, ge=0, lt=1)
    class_weights: Literal["none", "balanced"] = "none"
    ccc: Weight = 1.0
    mse: Weight = 1.0


class DownstreamOptimSettings(OptimSettings):
    """As in stage 1, with less for the lower blocks.

    A block's rate is `layer_decay` times that of the one above; the new head's is `head_lr` times the peak. `freeze`
    "encoder" trains the head alone; "lower" keeps the embedding and the blocks within a modality.
    """

    layer_decay: float = Field(default=0.75, gt=0, le=1)
    head_lr: float = Field(default=1.0, gt=0, le=100)
    freeze: Literal["nothing", "lower", "encoder"] = "nothing"


class SelectionSettings(Settings):
    """Whose weights are kept: those of the last step, or those of the best look at validation clips.

    Validation clips are `validation_share` of the training part, by whole speakers; they are looked at every
    `monitor.every_steps`, all of them. The best has the highest `metric`: UAR unless given, CCC of a regression. The
    test part has no say in anything.
    """

    checkpoint: Literal["last", "validation"] = "last"
    validation_share: float = Field(default=0.0, ge=0, le=0.5)
    metric: Literal["uar", "war", "wf1", "ccc"] | None = None


class EvaluationSettings(Settings):
    """How clips are judged: the mean over so many windows of each row of at most ten seconds, evenly spaced."""

    windows: int = Field(default=2, ge=1, le=100)
    batch_size: int = Field(default=16, ge=1)


class FinetuneRecipe(TrainingRecipe):
    """A recipe file of finetune.

    `init` is a run or model of any stage (or --init), or the name of a size for random weights; `{fold}` in it stands
    for the fold's name.
    """

    init: str | None = None
    modality: Modality = "any"
    head: DownstreamHeadSettings = DownstreamHeadSettings()
    drop: DropSettings = DropSettings()
    mixup: MixupSettings = MixupSettings()
    loss: DownstreamLossSettings = DownstreamLossSettings()
    optim: DownstreamOptimSettings = DownstreamOptimSettings()
    select: SelectionSettings = SelectionSettings()
    evaluation: EvaluationSettings = EvaluationSettings()

    def config_fields(self) -> dict[str, Any]:
        """Return the fields of `VAEmoConfig` that fine-tuning sets, but for the names and weights of classes."""
        return {
            "head_pooling": self.head.pooling,
            "head_layers": self.head.layers,
            "head_dropout": self.head.dropout,
            "video_drop_ratio": self.drop.video,
            "audio_drop_ratio": self.drop.audio,
            "drop_path_rate": self.drop.path,
            "one_modality_probability": self.drop.one_modality if self.modality in ("any", "both") else 0.0,
            "label_smoothing": self.loss.label_smoothing,
            "regression_weights": {"ccc": self.loss.ccc, "mse": self.loss.mse},
        }

    def contradictions(self, num_processes: int) -> Iterator[Contradiction]:
        """Yield what the settings ask of each other."""
        yield from super().contradictions(num_processes)
        if self.select.validation_share and not self.monitor.every_steps:
            yield Contradiction(
                ("select.validation_share", "monitor.every_steps"),
                f"select.validation_share: {self.select.validation_share:g} of the training clips would be kept out "
                "and never looked at; give monitor.every_steps, or 0 here",
            )
        if self.select.checkpoint == "validation" and not self.monitor.every_steps:
            yield Contradiction(
                ("select.checkpoint", "monitor.every_steps"),
                "select.checkpoint: validation clips are never looked at with monitor.every_steps=0; give a number",
            )
        if not (self.loss.ccc or self.loss.mse):
            yield Contradiction(
                ("loss.ccc", "loss.mse"), "loss: ccc and mse are both 0, so a regression would learn nothing"
            )
