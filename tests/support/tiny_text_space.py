"""A stage-2 model on disk with the tiny text model that it was trained beside, shards, and captions.

python -m tests.support.tiny_text_space FOLDER
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tests.support.caption_folders import write_captions
from tests.support.text_models import TINY_WIDTH, write_tiny_text_model
from tests.support.tiny_run import tiny_shards
from tests.support.tiny_vaemo import tiny_config
from vaemo_train.models import VAEmoForCaptionAlignment
from vaemo_train.texts.model import TextModel

NUM_CLIPS = 9
KINDS = ("both", "audio", "video")


@dataclass(frozen=True, slots=True)
class TinySpace:
    """What the commands need: a run of stage 2, shards of nine clips, and captions of the first six."""

    root: Path

    @property
    def run(self) -> Path:
        """The run folder; its model is random."""
        return self.root / "run"

    @property
    def text_model(self) -> Path:
        """The text model that the run names."""
        return self.root / "words"

    @property
    def shards(self) -> Path:
        """Nine clips of four speakers: with both, with sound only, with picture only, in turns."""
        return self.root / "shards"

    @property
    def captions(self) -> Path:
        """Captions of clip_0000 to clip_0005, no two alike."""
        return self.root / "captions"

    @property
    def options(self) -> list[str]:
        """The options that every command takes."""
        return ["--model", str(self.run), "--data", str(self.shards)]


def tiny_alignment_model(seed: int = 0, **overrides: Any) -> VAEmoForCaptionAlignment:
    """A random model in eval mode."""
    torch.manual_seed(seed)
    model = VAEmoForCaptionAlignment(tiny_config(text_size=TINY_WIDTH, alignment_size=16, **overrides))
    model.eval()
    return model


def write_space(root: Path) -> TinySpace:
    """Write all of it."""
    space = TinySpace(root)
    write_tiny_text_model(space.text_model)
    texts = TextModel.open(str(space.text_model))
    model = tiny_alignment_model(text_model=str(space.text_model), text_model_digest=texts.digest)
    model.save_pretrained(space.run / "model")
    tiny_shards(space.shards, NUM_CLIPS, modality=KINDS, labels=("happiness", "sadness", "joy of life"))
    write_captions(space.captions / "run", [{"clip_id": f"clip_{number:04d}"} for number in range(6)])
    return space


if __name__ == "__main__":
    print(write_space(Path(sys.argv[1])).root)
