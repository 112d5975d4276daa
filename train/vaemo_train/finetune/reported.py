"""What a finished fine-tuning leaves for people: scores over all folds and seeds, figures, model cards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from vaemo_clips.whole_file import write_text
from vaemo_train.finetune.request import RESULTS, Job
from vaemo_train.finetune.split_facts import is_disjoint, pasts
from vaemo_train.outcome.figures import write_figures
from vaemo_train.outcome.gathered_results import results_of
from vaemo_train.outcome.model_card import model_card, weights_of
from vaemo_train.outcome.outcome import Outcome
from vaemo_train.outcome.results_file import Results, write_results
from vaemo_train.training import environment
from vaemo_train.training.record import RunFolder

if TYPE_CHECKING:
    from vaemo_train.finetune.cross_validation import CrossValidation

SELECTION: Final = {
    "last": "the last step; nothing was chosen",
    "validation": "the best look at validation speakers of the training part",
}


def told(job: Job) -> str:
    """A finished training in a line, with its own scores."""
    name = f"fold {job.split.name}, seed {job.seed}"
    if not job.predictions.exists():
        return f"{name}: tested on nothing"
    outcome = Outcome.read([job.predictions])
    return f"{name}: {outcome.main} {outcome.summary(outcome.main)}"


def report(validation: CrossValidation) -> Results:
    """Scores over all folds and seeds: results.json, figures, a card of all models and one beside each."""
    outcome, results = _results(validation)
    out = validation.request.out
    write_figures(outcome, results, _curves(validation), out / "figures")
    name, first = out.resolve().name, validation.jobs[0].run.relative_to(out) / "model"
    told = f"The models lie in fold-*/seed-*/model, one for each fold and seed; `{first}` is the first."
    write_text(out / "README.md", model_card(results, name=name, weights=told, model=str(first)))
    for job in validation.jobs:
        if (job.run / "model").is_dir():  # someone may have made room
            own = weights_of(results, job.split.name, job.seed)
            write_text(job.run / "model" / "README.md", model_card(results, name=name, weights=own))
    return results


def _inits(validation: CrossValidation) -> dict[str, Path | str]:
    """What each fold begins with."""
    return {job.split.name: job.init for job in validation.jobs}


def _init(validation: CrossValidation) -> str | dict[str, str]:
    """What all begin with, or each fold."""
    inits = {name: str(init) for name, init in _inits(validation).items()}
    return inits if len(set(inits.values())) > 1 else next(iter(inits.values()))


def _curves(validation: CrossValidation) -> list[tuple[str, int, list[dict[str, Any]]]]:
    return [(job.split.name, job.seed, RunFolder(job.run).read_metrics()) for job in validation.jobs]


def _results(validation: CrossValidation) -> tuple[Outcome, Results]:
    outcome = Outcome.read([job.predictions for job in validation.jobs if len(job.split.test)])
    recipe = validation.request.recipe
    seconds = sum(float(RunFolder(job.run).read_record().get("wall_s", 0.0)) for job in validation.jobs)
    results = results_of(
        outcome,
        folds=validation.splits[0].reason.partition(";")[0],
        selection=SELECTION[recipe.select.checkpoint],
        recipe=recipe.model_dump(mode="json") | {"init": _init(validation)},
        data={"shards": validation.folder.digest},
        pretraining=validation.seen,
        past=pasts(validation.folder, validation.targets, validation.splits, _inits(validation), recipe.modality),
        speaker_disjoint=is_disjoint(validation.splits, validation.targets),
        versions=environment.versions(),
        machine=environment.machine(),
        command=environment.command_line(),
        seconds=seconds,
    )
    write_results(validation.request.out / RESULTS, results)
    return outcome, results
