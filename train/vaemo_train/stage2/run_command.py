"""`vaemo-train stage2` as a user sees it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from vaemo_clips.errors import RecipeError
from vaemo_train.shards.layout import DEFAULT_FOLDER
from vaemo_train.training.environment import num_processes
from vaemo_train.training.run_command import run_training
from vaemo_train.training.shipped import choose_recipe

if TYPE_CHECKING:
    from vaemo_train.training.run import RunSummary


def run_stage2(
    recipe: str | None,
    data: Path | None,
    captions: Path | None,
    init: str | None,
    out: Path,
    changes: Sequence[str],
    holdout: str | None,
    resume: bool,
    allow_unknown: bool,
) -> None:
    """Train and print a summary, as `run_training` does; what is None comes from the recipe."""

    def train_stage2() -> RunSummary:
        from vaemo_train.evaluate.folds import Holdout
        from vaemo_train.stage2.recipe import Stage2Recipe
        from vaemo_train.stage2.run import train

        chosen = choose_recipe(recipe, "stage2")
        settings = Stage2Recipe.load(chosen.path, changes, num_processes())
        shards = data or settings.data.folder or DEFAULT_FOLDER
        described, begun = captions or settings.captions, init or settings.init
        if described is None:
            raise RecipeError(
                f"{chosen.path}: names no captions; give --captions FOLDER, below which `vaemo-annotate run` wrote them"
            )
        if begun is None:
            raise RecipeError(
                f"{chosen.path}: names no init; give --init RUN, a run of `vaemo-train stage1` (or the name of a size, "
                "as vaemo-tiny, for an encoder with random weights)"
            )
        kept_out = Holdout.parse(holdout) if holdout is not None else None
        return train(
            settings, shards, described, begun, out,
            holdout=kept_out, resume=resume, allow_unknown=allow_unknown, opening=chosen.words,
        )  # fmt: skip

    run_training(train_stage2)
