"""Fine-tunings that are small enough for tests."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from tests.support.tiny_classifier import tiny_encoder_folder
from tests.support.tiny_run import tiny_shards
from vaemo_train.finetune.cross_validation import CrossValidation
from vaemo_train.finetune.recipe import FinetuneRecipe
from vaemo_train.finetune.request import Request
from vaemo_train.training.console import TrainingConsole

RECIPE: dict[str, Any] = {
    "data": {"workers": 0},
    "drop": {"video": 0.5, "audio": 0.5},
    "mixup": {"alpha": 0.4},
    "optim": {"base_lr": 0.2, "warmup_share": 0.2, "grad_clip": 1.0, "head_lr": 5.0},
    "batch": {"per_device": 4},
    "length": {"max_steps": 4},
    "logging_steps": 1,
    "save_steps": 2,
    "monitor": {"every_steps": 0},
    "figure": {"every_steps": 0},
    "precision": {"bf16": False},
}


@dataclass(frozen=True, slots=True)
class Workplace:
    """Shards of 24 clips of four speakers with three labels, and an encoder that has learned nothing."""

    shards: Path
    encoder: Path

    @classmethod
    def make(cls, folder: Path, **options: Any) -> Workplace:
        """Write both."""
        shards = tiny_shards(folder / "shards", 24, labels=("anger", "joy", "rest"), **options)
        return cls(shards, tiny_encoder_folder(folder / "encoder"))

    def request(self, out: Path, changes: list[str] | None = None, **options: Any) -> Request:
        """A fine-tuning of two folds with one seed."""
        out.parent.mkdir(parents=True, exist_ok=True)
        path = out.parent / f"{out.name}.yaml"
        path.write_text(yaml.safe_dump(RECIPE), encoding="utf-8")
        recipe = FinetuneRecipe.load(path, changes or [])
        first = Request(recipe, self.shards, str(self.encoder), out, folds="2")
        return replace(first, **options)


def run_all(request: Request, console: TrainingConsole | None = None) -> CrossValidation:
    """Do all trainings of a request's part."""
    validation = CrossValidation(request)
    validation.begin()
    for job in validation.own_jobs():
        summary = validation.run(job, console or TrainingConsole(silent=True))
        assert summary is None or summary.state == "done"
    return validation
