"""`vaemo-train finetune` as a user sees it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from vaemo_clips.errors import RecipeError, UserError
from vaemo_train.shards.layout import DEFAULT_FOLDER
from vaemo_train.training.environment import join_processes, num_processes, rank
from vaemo_train.training.run_command import duration_text, leaving_together
from vaemo_train.training.shipped import choose_recipe

if TYPE_CHECKING:
    from vaemo_train.finetune.cross_validation import CrossValidation
    from vaemo_train.finetune.request import Request


@dataclass(frozen=True, slots=True)
class Options:
    """What `vaemo-train finetune` was given; None comes from the recipe."""

    recipe: str | None
    data: Path | None
    init: str | None
    out: Path
    changes: Sequence[str]
    label_column: str
    targets: str | None
    manifest: Path | None
    folds: str | None
    seeds: int
    modality: str | None
    part: str
    resume: bool
    skip_unlabelled: bool

    def request(self) -> tuple[Request, str]:
        """As the cross-validation wants it, and the words that tell the recipe. Raises RecipeError, UserError."""
        from vaemo_train.finetune.recipe import FinetuneRecipe
        from vaemo_train.finetune.request import Request

        chosen = choose_recipe(self.recipe, "finetune")
        changes = [*self.changes, *([f"modality={self.modality}"] if self.modality else [])]
        recipe = FinetuneRecipe.load(chosen.path, changes, num_processes())
        init = self.init or recipe.init
        if init is None:
            raise RecipeError(
                f"{chosen.path}: names no init; give --init RUN, a run of `vaemo-train stage1` or stage2 (or the name "
                "of a size, as vaemo-tiny, for an encoder with random weights)"
            )
        targets = tuple(one.strip() for one in self.targets.split(",")) if self.targets else ()
        return Request(
            recipe, self.data or recipe.data.folder or DEFAULT_FOLDER, init, self.out,
            label_column=self.label_column, target_columns=targets, manifest=self.manifest, folds=self.folds,
            num_seeds=self.seeds, part=_part(self.part), resume=self.resume, skip_unlabelled=self.skip_unlabelled,
        ), chosen.words  # fmt: skip


def _part(text: str) -> tuple[int, int]:
    number, slash, of = text.partition("/")
    if not (slash and number.isdecimal() and of.isdecimal() and 1 <= int(number) <= int(of)):
        raise UserError(f"--part {text}: it must read I/N, as 1/2: the first half of the trainings")
    return int(number), int(of)


def run_finetune(options: Options) -> None:
    """Train and test all folds and seeds, print their scores; leaves with 130 where it was interrupted."""
    with leaving_together():
        _run(options)


def _run(options: Options) -> None:
    from vaemo_train.finetune.cross_validation import CrossValidation
    from vaemo_train.finetune.reported import told
    from vaemo_train.training.joint import from_first

    request, words = options.request()
    join_processes()
    validation = CrossValidation(request)
    is_first = rank() == 0
    from_first(validation.begin, num_processes())
    if is_first:
        _tell(words, *validation.opening_lines())
    for number, job in enumerate(validation.own_jobs(), 1):
        summary = validation.run(job)
        if summary is None:
            continue
        is_done = summary.state == "done"
        if is_first and is_done:
            _tell(f"{number} of {len(validation.own_jobs())}: {told(job)}, {duration_text(summary.wall_s)}")
        if not is_done or (summary.was_asked_to_stop and number < len(validation.own_jobs())):
            if is_first:
                _tell(f"interrupted {'after' if is_done else 'in'} {job.run}; the same command with --resume goes on")
            raise typer.Exit(130)
    if is_first:
        for line in _ending(validation):
            typer.echo(line)


def _tell(*lines: str) -> None:
    for line in lines:
        typer.echo(line, err=True)


def _ending(validation: CrossValidation) -> Iterator[str]:
    """The tables, on the screen, and where all lies; or what is still to be done."""
    out, tested = validation.request.out, [job for job in validation.jobs if len(job.split.test)]
    if not tested:
        yield f"model: {validation.jobs[-1].run / 'model'}; it was tested on nothing"
        return
    outstanding = validation.outstanding()
    if outstanding:
        yield f"{len(outstanding)} of {len(tested)} trainings are outstanding; scores come when the last part is done"
        return
    from rich.console import Console

    from vaemo_train.outcome.report import outcome_report, recall_report

    results = validation.finish()
    console = Console(soft_wrap=True)
    console.print(outcome_report(results, f"{out}"))
    if not results.is_regression:
        console.print(recall_report(results, "recall of each class"))
    yield f"results: {out / 'results.json'}   figures: {out / 'figures'}   model card: {out / 'README.md'}"
    yield f"next: vaemo-train evaluate --model {out} --data {validation.request.data} --noise"
