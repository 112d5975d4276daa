"""`vaemo-train stage1` as a user sees it: settings from options, progress, the words at the end."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vaemo_train.shards.layout import DEFAULT_FOLDER
from vaemo_train.training.environment import num_processes
from vaemo_train.training.run_command import run_training
from vaemo_train.training.shipped import choose_recipe

if TYPE_CHECKING:
    from vaemo_train.training.run import RunSummary


def run_stage1(
    recipe: str | None, data: Path | None, out: Path, changes: Sequence[str], holdout: str | None, resume: bool
) -> None:
    """Train and print a summary, as `run_training` does; `recipe` is as `choose_recipe` takes it."""

    def train_stage1() -> RunSummary:
        from vaemo_train.evaluate.folds import Holdout
        from vaemo_train.stage1.recipe import Stage1Recipe
        from vaemo_train.stage1.run import train

        chosen = choose_recipe(recipe, "stage1")
        settings = Stage1Recipe.load(chosen.path, changes, num_processes())
        shards = data or settings.data.folder or DEFAULT_FOLDER
        kept_out = Holdout.parse(holdout) if holdout is not None else None
        return train(settings, shards, out, holdout=kept_out, resume=resume, opening=chosen.words)

    run_training(train_stage1)
