"""A finished training that is going to be pushed: its models, its records, and whether they are fit to be seen."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from vaemo_clips.errors import CheckpointError, RunFolderError
from vaemo_train.finetune.request import PROTOCOL, RESULTS, read_protocol
from vaemo_train.finetune.split_facts import fold_folder
from vaemo_train.outcome.results_file import Results, read_results
from vaemo_train.training.record import RunFolder

Stage = Literal["stage1", "stage2", "finetune"]
CONFIG: Final = "config.json"


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """The folder of a model, and the run that it comes from."""

    folder: Path
    run: RunFolder
    record: dict[str, Any]

    @property
    def weights(self) -> list[Path]:
        """Its files of weights."""
        return sorted(self.folder.glob("*.safetensors"))

    @property
    def stage(self) -> Stage:
        """What it was trained for, as run.json tells it."""
        if "classes" in self.record:
            return "finetune"
        return "stage2" if "captions" in self.record else "stage1"

    def last_losses(self) -> dict[str, float]:
        """The losses of the last line of metrics.jsonl that has any, by name."""
        for line in reversed(self.run.read_metrics()):
            if "loss" in line:
                return {name: value for name, value in line.items() if name.partition("/")[0] == "loss"}
        return {}


@dataclass(frozen=True, slots=True)
class FinishedTraining:
    """One model, or all of a fine-tuning; `whole` is that fine-tuning's folder, `results` what it came to."""

    models: tuple[TrainedModel, ...]
    whole: Path | None
    results: Results | None
    notes: tuple[str, ...] = ()

    @property
    def stage(self) -> Stage:
        """What it is."""
        return self.models[0].stage

    @property
    def is_one(self) -> bool:
        """Whether there is one model, which lies at the repository's top."""
        return len(self.models) == 1

    def place(self, model: TrainedModel) -> str:
        """The folder of a model in the repository, with a slash at its end; empty at the top."""
        if self.is_one or self.whole is None:
            return ""
        return f"{model.folder.relative_to(self.whole).as_posix()}/"


def find_training(path: Path) -> FinishedTraining:
    """The training in `path`: a run of stage1 or stage2, a fine-tuning, one of its runs, or a model's folder of one.

    Raises RunFolderError where there is none, it is unfinished or its losses are no numbers, CheckpointError where a
    model lacks safetensors or holds weights that are no numbers.
    """
    found = _whole(path) if (path / PROTOCOL).is_file() else _one(path)
    for model in found.models:
        _check(model)
    return found


def _whole(path: Path) -> FinishedTraining:
    """All models of a fine-tuning."""
    folds = [path / fold_folder(str(name)) for name in read_protocol(path)["identity"]["folds"]]
    runs = [run for fold in folds for run in sorted(fold.glob("seed-*"))]
    begun = {run.parent for run in runs}
    if missing := [fold for fold in folds if fold not in begun]:
        raise RunFolderError(
            f"{missing[0]} is not trained yet; finish it with the same command and --resume, then push"
        )
    records = [(RunFolder(run), _record(RunFolder(run))) for run in runs]
    models = tuple(TrainedModel(run.model, run, record) for run, record in records if (run.model / CONFIG).is_file())
    if not models:
        raise RunFolderError(f"{path}: none of its {len(runs)} runs has a model folder any more; train it again")
    is_tested = any((run / "predictions.parquet").exists() for run in runs)
    if is_tested and not (path / RESULTS).is_file():
        raise RunFolderError(f"{path} has no {RESULTS}; finish it with the same command and --resume, then push")
    gone = len(runs) - len(models)
    notes = (f"{gone} of {len(runs)} runs have no model folder any more; they are left out",) if gone else ()
    return FinishedTraining(models, path, _results(path), notes)


def _one(path: Path) -> FinishedTraining:
    """The model of one run."""
    places = ((RunFolder(path), path / "model"), (RunFolder(path.parent), path))
    run, model = next((place for place in places if place[0].record.is_file()), (None, path))
    if run is None:
        raise RunFolderError(
            f"{path} holds no finished training (no run.json); give the --out of stage1, stage2 or finetune, or its "
            "model folder"
        )
    record = _record(run)
    if not (model / CONFIG).is_file():
        raise RunFolderError(f"{model} holds no model ({CONFIG}); give the --out of a training, or its model folder")
    whole = run.path.resolve().parent.parent
    is_part = "classes" in record and (whole / PROTOCOL).is_file()
    found = TrainedModel(model, run, record)
    return FinishedTraining((found,), whole if is_part else None, _results(whole) if is_part else None)


def _results(whole: Path) -> Results | None:
    return read_results(whole / RESULTS) if (whole / RESULTS).is_file() else None


def _record(run: RunFolder) -> dict[str, Any]:
    """What run.json says. Raises RunFolderError unless it is of a run that is done."""
    try:
        record = json.loads(run.record.read_text(encoding="utf-8"))
        state = record["state"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{run.record} cannot be read ({error}); give the folder of a finished training"
        ) from error
    if state != "done":
        raise RunFolderError(
            f"{run.path} is not finished (its state is {state!r}); finish it with the same command and --resume, then "
            "push"
        )
    return dict(record)


def _check(model: TrainedModel) -> None:
    if not model.weights:
        raise CheckpointError(f"{model.folder} has no *.safetensors, and no other weights are pushed; train it again")
    for name, value in model.last_losses().items():
        if not math.isfinite(value):
            raise RunFolderError(f"{model.run.metrics}: the last {name} is {value}; such a model is not pushed")
    for path in model.weights:
        _check_weights(path)


def _check_weights(path: Path) -> None:
    """Raise CheckpointError where a file cannot be read or holds a weight that is no finite number."""
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            for name in file.keys():  # noqa: SIM118
                if not torch.isfinite(file.get_tensor(name)).all():
                    raise CheckpointError(f"{path}: {name} holds NaN or infinity; such a model is not pushed")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path} cannot be read ({' '.join(str(error).split())}); train it again") from error
