"""A finished fine-tuning to be judged again: the model of each fold and seed, by its own test part alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from vaemo_clips.errors import RunFolderError
from vaemo_train.finetune.reported import SELECTION
from vaemo_train.finetune.seen import Seen, saw_test_speakers
from vaemo_train.finetune.split_facts import fold_folder, is_disjoint, pasts, rows_trained_on, trained_on
from vaemo_train.judging.rebuilt import Rebuilt
from vaemo_train.judging.tested import Tested, TestedModel
from vaemo_train.models.config import SIZES
from vaemo_train.protocol.splits import Split
from vaemo_train.training import environment
from vaemo_train.training.record import RunFolder


def open_run(out: Path, data: Path | None = None, manifest: Path | None = None) -> Tested:
    """All models of a fine-tuning, of the seeds that are finished in every fold.

    Raises as `Rebuilt.read` does, RunFolderError where no seed is finished in every fold or nothing was tested.
    """
    rebuilt = Rebuilt.read(out, data, manifest)
    splits = [split for split in rebuilt.splits if len(split.test)]
    if not splits:
        raise RunFolderError(
            f"{out}: it was trained on all clips and has none to be tested on; judge its model on others: "
            f"--model {out / fold_folder(rebuilt.splits[0].name)}/seed-0 --data SHARDS"
        )
    seeds, notes = _seeds(out, splits)
    models = tuple(_model(rebuilt, split, number) for number in seeds for split in splits)
    recipe = rebuilt.recipe
    bf16 = environment.resolve_bf16(recipe)
    inits = {split.name: init for split in splits if (init := _init(split, models)) is not None}
    return Tested(
        folder=rebuilt.folder,
        targets=rebuilt.targets,
        models=models,
        modality=recipe.modality,
        trained_on=trained_on(rebuilt.folder, rows_trained_on(rebuilt.splits), recipe.modality),
        windows=recipe.evaluation.windows,
        batch_size=recipe.evaluation.batch_size,
        bf16=bf16,
        folds=splits[0].reason.partition(";")[0],
        selection=SELECTION[recipe.select.checkpoint],
        recipe=recipe.model_dump(mode="json") | {"init": _told(inits)},
        pretraining={split.name: _seen(rebuilt, split, inits.get(split.name)) for split in splits},
        past=pasts(rebuilt.folder, rebuilt.targets, splits, inits, recipe.modality),
        is_disjoint=is_disjoint(splits, rebuilt.targets),
        num_trained=0,
        is_one_model=False,
        notes=(*rebuilt.targets.notes, *notes, *_precision(models, bf16)),
    )


def _seeds(out: Path, splits: list[Split]) -> tuple[list[int], tuple[str, ...]]:
    """The seeds' numbers that every fold has a model of, and what is told of the others."""
    finished = {split.name: set(_finished(out / fold_folder(split.name))) for split in splits}
    whole = sorted(set.intersection(*finished.values()))
    if not whole:
        lacking = [name for name, seeds in finished.items() if 0 not in seeds]
        raise RunFolderError(
            f"{out}: no seed is finished in every fold (fold {lacking[0] if lacking else '?'} lacks seed 0); finish it "
            f"first, `vaemo-train finetune` with --resume"
        )
    partial = sorted(set.union(*finished.values()) - set(whole))
    named = ", ".join(map(str, partial))
    return whole, (f"seed {named}: not finished in every fold, and left out",) if partial else ()


def _finished(fold: Path) -> Iterator[int]:
    for run in fold.glob("seed-*"):
        number = run.name.removeprefix("seed-")
        if number.isdecimal() and (run / "model" / "model.safetensors").is_file():
            yield int(number)


def _model(rebuilt: Rebuilt, split: Split, number: int) -> TestedModel:
    run = rebuilt.out / fold_folder(split.name) / f"seed-{number}"
    rebuilt.check(split, RunFolder(run).read_record())
    return TestedModel(run, split.name, rebuilt.recipe.seed + number, split.test)


def _precision(models: tuple[TestedModel, ...], bf16: bool) -> Iterator[str]:
    """What is told where this machine multiplies otherwise than the one that tested before."""
    noted = {RunFolder(model.run).read_record()["identity"].get("bf16") for model in models}
    if noted != {bf16}:
        here, there = ("bfloat16", "float32") if bf16 else ("float32", "bfloat16")
        yield f"judged in {here}, tested in {there} when it was trained: a few clips may be named otherwise"


def _init(split: Split, models: tuple[TestedModel, ...]) -> Path | str | None:
    """What the models of a fold began with, as run.json notes it."""
    run = next(model.run for model in models if model.fold == split.name)
    init: Any = RunFolder(run).read_record().get("init")
    if not isinstance(init, str):
        return None
    return init if init in SIZES else Path(init)


def _told(inits: Mapping[str, Path | str]) -> str | dict[str, str] | None:
    """What all folds began with, or each; None where nobody knows."""
    names = {fold: str(init) for fold, init in inits.items()}
    return names if len(set(names.values())) > 1 else next(iter(names.values()), None)


def _seen(rebuilt: Rebuilt, split: Split, init: Path | str | None) -> Seen:
    return "unknown" if init is None else saw_test_speakers(init, rebuilt.targets.rows, split.test)
