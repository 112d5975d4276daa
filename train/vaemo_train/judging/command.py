"""`vaemo-train evaluate` as a user sees it."""

from __future__ import annotations

import shlex
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import typer

from vaemo_clips.errors import UserError
from vaemo_train.judging.probe_command import run_probe
from vaemo_train.shards.layout import DEFAULT_FOLDER

if TYPE_CHECKING:
    from rich.table import Table

    from vaemo_train.judging.evaluation import Evaluation
    from vaemo_train.judging.probed import ProbeRequest
    from vaemo_train.judging.tested import Tested
    from vaemo_train.models.token_pooling import Pooling


def _pooling(given: str | None) -> Pooling:
    from vaemo_train.models.token_pooling import Pooling as Known

    if given is None:
        return "statistics"
    for known in get_args(Known):
        if given == known:
            return cast("Pooling", known)
    raise UserError(f"--pooling {given}: it must be one of {', '.join(get_args(Known))}")


@dataclass(frozen=True, slots=True)
class Options:
    """What `vaemo-train evaluate` was given; None is as the model was trained."""

    model: Path
    data: Path | None = None
    windows: int | None = None
    noise: str | None = None
    corpus: str | None = None
    holdout: str | None = None
    label_column: str | None = None
    targets: str | None = None
    manifest: Path | None = None
    skip_unlabelled: bool = False
    batch_size: int | None = None
    out: Path | None = None
    probe: bool = False
    folds: str | None = None
    pooling: str | None = None

    def opened(self) -> Tested:
        """The models and their clips. Raises UserErrors."""
        from vaemo_train.judging.rebuilt import is_finetuning
        from vaemo_train.judging.tested_model import Labelled, open_model
        from vaemo_train.judging.tested_run import open_run

        if is_finetuning(self.model):
            self._refuse_for_run()
            return open_run(self.model, self.data, self.manifest)
        targets = tuple(one.strip() for one in self.targets.split(",")) if self.targets else ()
        return open_model(
            self.model,
            Labelled(
                self.data or DEFAULT_FOLDER, self.label_column or "label", targets, self.manifest, self.holdout,
                self.skip_unlabelled,
            ),
        )  # fmt: skip

    def probed(self) -> ProbeRequest:
        """What --probe asks for. Raises UserError for an option that says nothing of a probe."""
        from vaemo_train.judging.probed import ProbeRequest

        others = {"--noise": self.noise, "--corpus": self.corpus, "--holdout": self.holdout, "--targets": self.targets}
        for name, value in others.items():
            if value:
                raise UserError(f"{name}: a probe has none of it; leave it out, or --probe")
        return ProbeRequest(
            str(self.model), self.data or DEFAULT_FOLDER, self.label_column or "label", self.manifest, self.folds,
            self.skip_unlabelled, self.windows or 2, self.batch_size or 16, _pooling(self.pooling),
        )  # fmt: skip

    def _refuse_for_run(self) -> None:
        given = {
            "--holdout": self.holdout, "--label-column": self.label_column, "--targets": self.targets,
            "--skip-unlabelled": self.skip_unlabelled,
        }  # fmt: skip
        for name, value in given.items():
            if value:
                raise UserError(
                    f"{name}: the models of {self.model} are judged by the labels and folds that they were trained "
                    f"with; leave it out, or judge one of them: --model {self.model}/fold-…/seed-0"
                )


def run_evaluate(options: Options) -> None:
    """Judge all models, print their scores, write the numbers and the figure. Raises UserErrors."""
    from vaemo_train.judging.evaluation import Evaluation, check_writable, default_file
    from vaemo_train.judging.tested import Judge
    from vaemo_train.outcome.published import find_corpus
    from vaemo_train.outcome.robustness_scores import read_corruptions
    from vaemo_train.text_space.answer import console, write_numbers
    from vaemo_train.training.console import TrainingConsole

    if options.probe:
        run_probe(options.probed(), options.out)
        return
    if options.folds is not None:
        raise UserError("--folds: a fine-tuned model has its own; leave it out, or probe an encoder with --probe")
    corruptions = () if options.noise is None else read_corruptions(options.noise)
    if options.corpus is not None:
        find_corpus(options.corpus)
    if options.out is not None:
        check_writable(options.out)
    tested = options.opened()
    for note in tested.notes:
        typer.echo(f"note: {note}", err=True)
    judge = Judge(options.windows or tested.windows, options.batch_size or tested.batch_size, corruptions)
    out = options.out or default_file(options.model, tested, judge, options.holdout)
    check_writable(out)
    began = time.monotonic()
    with TrainingConsole().counting("windows of clips", tested.num_windows(judge.windows, corruptions)) as advance:
        outcomes = judge.outcomes(tested, advance)
    found = Evaluation.of(tested, judge, outcomes, time.monotonic() - began)
    for table in _tables(found, options):
        console().print(table)
    write_numbers(out, found.as_dict(corpus=options.corpus))
    _draw(found, out)
    typer.echo(f"next: {_next(found)}")


def _tables(found: Evaluation, options: Options) -> Iterator[Table | str]:
    """Scores, recalls, what noise costs, what others have published; then what is to be known of all."""
    from vaemo_train.judging.comparison import how_reached, our_scores, unlike
    from vaemo_train.outcome.published import published_report
    from vaemo_train.outcome.report import outcome_report, recall_report
    from vaemo_train.outcome.robustness_report import robustness_report

    results = found.results
    yield outcome_report(results, str(options.model))
    if not results.is_regression:
        yield recall_report(results, "recall of each class")
    if found.robustness is not None:
        yield robustness_report(found.robustness, "made worse on purpose")
    if options.corpus is not None:
        differs = list(unlike(found.tested, results, options.corpus))
        yield published_report(options.corpus, our_scores(results), unlike=differs, how=how_reached(results))
    for note in found.tested.notes:
        yield f"note: {note}"


def _draw(found: Evaluation, out: Path) -> None:
    """Write a figure beside the numbers, of the same name, where noise was asked for."""
    from vaemo_train.outcome.robustness_figure import robustness_figure
    from vaemo_train.training.picture import write_png

    if found.robustness is None:
        return
    path = out.with_suffix(".png")
    write_png(robustness_figure(found.robustness), path)
    typer.echo(f"figure: {path}")


def _next(found: Evaluation) -> str:
    """The vectors of the clips, by the first of the models."""
    embed = ["vaemo-train", "embed", found.tested.folder.path, "--model", found.tested.models[0].run]
    return shlex.join(map(str, embed))
