"""Trainings of stage 2 that are small enough for tests: shards, captions, an encoder, a text model and a recipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from torch import Tensor

from tests.support.caption_folders import write_captions
from tests.support.text_models import write_tiny_text_model
from tests.support.tiny_run import HookedConsole, tiny_shards
from tests.support.tiny_vaemo import tiny_model
from vaemo_train.captions.paths import PATHS
from vaemo_train.cli import main
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.models import VAEmoForCaptionAlignment
from vaemo_train.models.position_means import PositionMeans
from vaemo_train.shards.layout import ROWS
from vaemo_train.stage2.recipe import Stage2Recipe
from vaemo_train.stage2.run import train
from vaemo_train.training.run import RunSummary

STAGE1_LOSS = {"video_pixels": 1.0, "video_motion": 1.0, "audio": 1.0, "contrastive": 0.5}

TINY_ALIGNMENT: dict[str, Any] = {
    "heads": {"size": 16},
    "mask": {"video": 0.5, "audio": 0.3},
    "data": {"workers": 0},
    "batch": {"per_device": 3, "accumulate": 2},
    "length": {"max_steps": 6},
    "optim": {"base_lr": 0.2, "encoder_lr_share": 0.2, "warmup_share": 0.2, "grad_clip": 1.0},
    "logging_steps": 2,
    "save_steps": 2,
    "monitor": {"every_steps": 3, "num_clips": 4},
    "figure": {"every_steps": 0},
    "precision": {"bf16": False},  # the same on every processor
}
QUIET = ("monitor.every_steps=0", "figure.every_steps=0", "save_steps=100")
"""Changes of a recipe: nothing is kept out, looked at or saved on the way."""


def tiny_alignment_recipe(text_model: Path, **sections: Any) -> dict[str, Any]:
    """The tiny recipe, with whole sections in place of its own."""
    return {**TINY_ALIGNMENT, "text": {"model": str(text_model)}, **sections}


@dataclass(frozen=True, slots=True)
class Site:
    """What a training of stage 2 is made of; `clips` are the clip_ids of the shards, in order."""

    shards: Path
    captions: Path
    init: Path
    text_model: Path
    recipe: Path

    @classmethod
    def make(cls, folder: Path, num_clips: int = 20, *, captions: Sequence[dict[str, Any]] = (), **shards: Any) -> Site:
        """Shards with a caption of each clip, whose texts no other clip has; or with the `captions` given."""
        folder.mkdir(parents=True, exist_ok=True)
        data = tiny_shards(folder / "shards", num_clips, **{"seconds": [2.7, 2.0, 3.5], **shards})
        write_captions(folder / "captions" / "run", captions or [{"clip_id": name} for name in clip_ids(data)])
        tiny_model(is_fresh=False).save_pretrained(folder / "init")
        text_model = write_tiny_text_model(folder / "text_model")
        recipe = folder / "recipe.yaml"
        recipe.write_text(yaml.safe_dump(tiny_alignment_recipe(text_model)), encoding="utf-8")
        return cls(data, folder / "captions", folder / "init", text_model, recipe)

    def of(self, **parts: Path) -> Site:
        """The same but for some parts."""
        return replace(self, **parts)

    def load(self, *changes: str, num_processes: int = 1) -> Stage2Recipe:
        """The recipe, changed as by --set."""
        return Stage2Recipe.load(self.recipe, changes, num_processes)

    def train(
        self,
        out: Path,
        *changes: str,
        init: str | None = None,
        holdout: str | None = None,
        resume: bool = False,
        allow_unknown: bool = False,
        console: HookedConsole | None = None,
    ) -> RunSummary:
        """Train, silently unless a console is given."""
        return train(
            self.load(*changes), self.shards, self.captions, init or str(self.init), out,
            holdout=None if holdout is None else Holdout.parse(holdout), resume=resume, allow_unknown=allow_unknown,
            console=console or HookedConsole(),
        )  # fmt: skip

    def options(self, out: Path) -> list[str]:
        """What a user of the command would give."""
        named = {"data": self.shards, "captions": self.captions, "init": self.init, "recipe": self.recipe, "out": out}
        return [word for name, value in named.items() for word in (f"--{name}", str(value))]


def clip_ids(shards: Path) -> list[str]:
    """The clips of a folder of shards, in order."""
    return list(dict.fromkeys(rows_of(shards)["clip_id"].to_pylist()))


def rows_of(shards: Path) -> pa.Table:
    """The list of rows of a folder of shards."""
    return pq.read_table(shards / ROWS)


def speaker_of(shards: Path) -> dict[str, str]:
    """Who speaks in each clip."""
    rows = rows_of(shards)
    return dict(zip(rows["clip_id"].to_pylist(), rows["speaker"].to_pylist(), strict=True))


def vaemo_train(*arguments: str) -> int:
    """Run the command as the shell does, in this process; return its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["vaemo-train", *arguments])
        try:
            main()
        except SystemExit as end:
            return int(end.code or 0)
    return 0


@dataclass(frozen=True, slots=True)
class SeenTexts:
    """What one training batch told the model of texts."""

    clip_number: Tensor
    text_embeds: dict[str, Tensor]
    text_ids: dict[str, Tensor]
    has_text: dict[str, Tensor]


@contextmanager
def texts_at_the_model() -> Iterator[list[SeenTexts]]:
    """What every forward pass of a training gets of texts."""
    seen: list[SeenTexts] = []
    forward = VAEmoForCaptionAlignment.forward

    def note_and_run(self: VAEmoForCaptionAlignment, *inputs: Any, **named: Any) -> Any:
        if self.training:
            own = {name: {path: named[name][path].clone() for path in PATHS} for name in _TEXT_INPUTS}
            seen.append(SeenTexts(named["clip_number"].clone(), **own))
        return forward(self, *inputs, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(VAEmoForCaptionAlignment, "forward", note_and_run)
        yield seen


@contextmanager
def still_means() -> Iterator[None]:
    """Let the running means of positions stay: under DDP they are those of process 0's part of a batch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PositionMeans, "update", lambda *_: None)
        patch.setattr(PositionMeans, "_take_variance", lambda *_: None)
        yield


_TEXT_INPUTS = ("text_embeds", "text_ids", "has_text")
