"""What stage 2's model says of a batch.

B clips, P width of the shared space.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from vaemo_train.contrastive import Contrast
from vaemo_train.models.alignment_heads import Pair
from vaemo_train.models.block import AUDIO, VIDEO
from vaemo_train.models.pretraining import VAEmoPreTrainingOutput


@dataclass
class VAEmoAlignmentOutput(VAEmoPreTrainingOutput):
    """`loss` (), its unweighted `parts` by name, `metrics` by name.

    Parts are those of the paths (visual, acoustic, affect), of the fused path with one modality of clips that have
    both (affect_video, affect_audio), and those of stage 1. By comparison, of those that have a pair in the joint
    batch: the unit vectors that were compared, `clip_vectors` and `text_vectors` (B, P), and of which clips they mean
    something, `is_pair` (B,).
    """

    clip_vectors: dict[str, Tensor] | None = None
    text_vectors: dict[str, Tensor] | None = None
    is_pair: dict[str, Tensor] | None = None


@dataclass(frozen=True, slots=True)
class ClipEmbeds:
    """Of B clips by path: unit vectors (B, P), and which clips have one, `is_there` (B,); the others' mean nothing."""

    vectors: dict[str, Tensor]
    is_there: dict[str, Tensor]


@dataclass(slots=True)
class Compared:
    """What a forward pass has found so far."""

    parts: dict[str, Tensor] = field(default_factory=dict)
    metrics: dict[str, Tensor] = field(default_factory=dict)
    clip_vectors: dict[str, Tensor] = field(default_factory=dict)
    text_vectors: dict[str, Tensor] = field(default_factory=dict)
    is_pair: dict[str, Tensor] = field(default_factory=dict)

    def add(self, name: str, contrast: Contrast) -> None:
        """Take in a part of the loss and what logs say of it."""
        self.parts[name] = contrast.loss
        self.metrics |= contrast.metrics(name)

    def output(self, loss: Tensor, projections: Pair) -> VAEmoAlignmentOutput:
        """All of it, with the weighted loss and the projections of stage 1."""
        return VAEmoAlignmentOutput(
            loss=loss,
            parts=self.parts,
            metrics=self.metrics,
            video_projection=projections[VIDEO],
            audio_projection=projections[AUDIO],
            clip_vectors=self.clip_vectors,
            text_vectors=self.text_vectors,
            is_pair=self.is_pair,
        )
