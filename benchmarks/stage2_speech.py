"""Does knowledge from captions help on real speech? Stage 2 against stage 1, its ablations and its controls.

    python -m benchmarks.stage2_speech --data SHARDS --captions CAPTIONS --stage1 'RUNS/fold{fold}' --out OUT

Every fold of the column `fold` has an encoder of stage 1 that was trained without its actors. Stage 2 goes on from it
with the captions of the training actors, by measured cues, so that no label is seen; then a linear probe on frozen
features of the same training clips names the emotions of the fold's actors. Results are appended to OUT/results.jsonl;
what is there is not done again, and `--part 1/2` shares the work out to two processes. `--report` prints the table.
"""

from __future__ import annotations

import itertools
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from datasets import Dataset, load_from_disk

from benchmarks.cue_regression import train_on_cues
from benchmarks.machine import describe_machine
from vaemo_clips.errors import UserError
from vaemo_train.evaluate.features import extract
from vaemo_train.evaluate.folds import Fold, Holdout
from vaemo_train.evaluate.probe import linear_probe
from vaemo_train.models import VAEmoConfig, VAEmoModel
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.stage2.recipe import Stage2Recipe
from vaemo_train.stage2.run import train
from vaemo_train.texts.cache import CACHE_FOLDER
from vaemo_train.training.console import TrainingConsole
from vaemo_train.training.environment import git_state
from vaemo_train.training.shipped import choose_recipe

STAGE2: dict[str, list[str]] = {
    "stage 2": [],
    "path 1 only": ["loss.affect=0"],
    "path 2 only": ["loss.visual=0", "loss.acoustic=0"],
    "soft targets": ["loss.soft_share=0.5"],
    "no stage 1": ["optim.encoder_lr_share=1"],
    "captions shuffled": [],
}
"""Changes of the recipe; the last two differ in what they begin with and in the captions.

A random encoder learns at the rate of the heads. Clips without pictures have one scope only, so that the paths differ
in the text and in the head.
"""
VARIANTS = ("untrained", "stage 1", *STAGE2, "cues regressed")
DESCRIPTIONS = ["visual_description", "acoustic_description", "affect_description", "emotions"]


def main(
    data: Annotated[Path, typer.Option(help="Folder of shards with columns label, speaker and fold.")],
    captions: Annotated[Path, typer.Option(help="A run of `vaemo-annotate run --engine cues` on the same clips.")],
    stage1: Annotated[str, typer.Option(help="Runs of stage 1, with {fold} in place of the fold.")],
    out: Annotated[Path, typer.Option(help="Folder for the results.")],
    variants: Annotated[str, typer.Option(help="Which, separated by commas; all unless given.")] = ",".join(VARIANTS),
    folds: Annotated[int, typer.Option(help="Folds 1 to N.")] = 6,
    seeds: Annotated[int, typer.Option(help="Seeds 0 to N - 1 of stage 2.")] = 3,
    size: Annotated[str, typer.Option(help="Of the encoder without stage 1.")] = "vaemo-tiny",
    changes: Annotated[list[str], typer.Option("--set", help="Changes of the recipe, for all variants.")] = [],  # noqa: B006
    part: Annotated[str, typer.Option(help="I/N: only every Nth of the trainings.")] = "1/1",
    report: Annotated[bool, typer.Option("--report", help="Only print the table of what is there.")] = False,
) -> None:
    """Train and probe what is missing."""
    out.mkdir(parents=True, exist_ok=True)
    if report:
        print_table(out)
        return
    wanted = variants.split(",")
    unknown = sorted(set(wanted) - set(VARIANTS))
    if unknown:
        raise UserError(f"--variants {', '.join(unknown)}: must be of {', '.join(VARIANTS)}")
    number, of = (int(one) for one in part.split("/"))
    print(describe_machine("stage2_speech", ["torch", "transformers", "scikit-learn", "sentence-transformers"], 0))
    jobs = [
        job for job in itertools.product(range(seeds), wanted, range(1, folds + 1))
        if job[0] == 0 or job[1] not in ("stage 1",)
    ]  # fmt: skip
    for seed, variant, fold in jobs[number - 1 :: of]:
        if (variant, fold, seed) in {(line["variant"], line["fold"], line["seed"]) for line in read_results(out)}:
            continue
        began = time.process_time()
        encoder = encoder_of(variant, fold, seed, data, captions, stage1, out, size, changes)
        found = probe(encoder, data, fold)
        line = {"variant": variant, "fold": fold, "seed": seed, **found, "cpu_s": time.process_time() - began,
                "changes": changes, "revision": git_state()}  # fmt: skip
        with (out / "results.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        print(
            f"{variant}, fold {fold}, seed {seed}: UAR {100 * found['uar']:.1f} ({line['cpu_s']:.0f} s CPU)", flush=True
        )
    print_table(out)


def encoder_of(
    variant: str, fold: int, seed: int, data: Path, captions: Path, stage1: str, out: Path, size: str,
    changes: list[str],
) -> VAEmoModel:  # fmt: skip
    """Train a variant, or read what needs no training."""
    init = stage1.format(fold=fold)
    _check_stage1(Path(init), fold, data)
    if variant == "stage 1":
        return VAEmoModel.from_pretrained(Path(init) / "model")
    if variant == "untrained":
        torch.manual_seed(seed)
        return VAEmoModel(VAEmoConfig.of_size(size))
    holdout = Holdout.parse(f"fold={fold}")
    settings = [*changes, f"seed={seed}", "monitor.every_steps=0", "figure.every_steps=0", "save_steps=1000000"]
    recipe = Stage2Recipe.load(choose_recipe("stage2-cpu", "stage2").path, [*settings, *STAGE2.get(variant, [])])
    if variant == "cues regressed":
        return train_on_cues(recipe, data, captions, Path(init) / "model", holdout, seed)
    run = out / f"{variant.replace(' ', '-')}-{fold}-{seed}"
    shutil.rmtree(run, ignore_errors=True)
    if variant == "captions shuffled":
        captions = shuffled(captions, data, holdout, seed, run.with_name(f"{run.name}-captions"))
    begin = size if variant == "no stage 1" else init
    train(recipe, data, captions, begin, run, holdout=holdout, allow_unknown=True, console=TrainingConsole(silent=True))
    encoder = VAEmoModel.from_pretrained(run / "model")
    shutil.rmtree(run, ignore_errors=True)
    shutil.rmtree(run.with_name(f"{run.name}-captions"), ignore_errors=True)
    return encoder


def _check_stage1(run: Path, fold: int, data: Path) -> None:
    """Raise UserError where the encoder of stage 1 has heard the fold's actors, or other shards."""
    identity = json.loads((run / "run.json").read_text("utf-8"))["identity"]
    if identity["holdout"] != f"fold={fold}" or identity["data"] != ShardFolder.open(data).digest:
        raise UserError(f"{run}: was not trained on {data} with --holdout fold={fold}; train it so")


def shuffled(captions: Path, data: Path, holdout: Holdout, seed: int, out: Path) -> Path:
    """The captions of the training clips dealt to other training clips at random; the others are left out.

    No clip keeps its own: the captions move around one circle through all clips.
    """
    rows = ShardFolder.open(data).rows
    kept = set(np.asarray(rows["clip_id"].to_pylist(), object)[~holdout.mask(rows)].tolist())
    dataset: Any = load_from_disk(str(captions / "dataset"))
    chosen = [number for number, clip_id in enumerate(dataset["clip_id"]) if clip_id in kept]
    dataset = dataset.select(chosen)
    circle = np.random.default_rng(seed).permutation(len(dataset))
    other = np.empty_like(circle)
    other[circle] = np.roll(circle, 1)
    columns = dataset.to_dict()
    for name in DESCRIPTIONS:
        columns[name] = [columns[name][row] for row in other]
    shutil.rmtree(out, ignore_errors=True)
    Dataset.from_dict(columns, features=dataset.features).save_to_disk(str(out / "dataset"))
    if (captions / CACHE_FOLDER).is_dir():  # the texts are the same
        (out / CACHE_FOLDER).symlink_to((captions / CACHE_FOLDER).resolve())
    return out


def probe(encoder: VAEmoModel, data: Path, fold: int) -> dict[str, float]:
    """A linear probe of frozen features of sound, trained on the other folds' clips and tested on this one's."""
    features = extract(encoder, ShardFolder.open(data), modalities=("audio",), num_windows=1, batch_size=32)
    is_test = features.columns["fold"] == str(fold)
    one = Fold(str(fold), np.flatnonzero(~is_test), np.flatnonzero(is_test))
    found = linear_probe(
        features.vectors["audio"], features.columns["label"], features.columns["speaker"], [one], seeds=(0,)
    )
    return {"uar": found.scores[0].uar, "war": found.scores[0].war}


def read_results(out: Path) -> list[dict[str, Any]]:
    """The lines of results.jsonl."""
    path = out / "results.jsonl"
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def print_table(out: Path) -> None:
    """UAR by variant: the mean over folds, its deviation over seeds, and the difference to stage 1 fold by fold."""
    lines = read_results(out)
    base = {line["fold"]: line["uar"] for line in lines if line["variant"] == "stage 1"}
    print("| encoder | UAR | over seeds | over folds | against stage 1, folds better | WAR | runs |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for variant in VARIANTS:
        own = [line for line in lines if line["variant"] == variant]
        if own:
            print(" | ".join(["", *_cells(variant, own, base), ""]).strip())


def _cells(variant: str, own: list[dict[str, Any]], base: dict[int, float]) -> Iterator[str]:
    folds = sorted({line["fold"] for line in own})
    seeds = sorted({line["seed"] for line in own})
    by_fold = np.array([np.mean([line["uar"] for line in own if line["fold"] == fold]) for fold in folds])
    whole = [seed for seed in seeds if len({line["fold"] for line in own if line["seed"] == seed}) == len(folds)]
    by_seed = np.array([np.mean([line["uar"] for line in own if line["seed"] == seed]) for seed in whole])
    gain = np.array([uar - base[fold] for uar, fold in zip(by_fold, folds, strict=True) if fold in base])
    yield variant
    yield f"{100 * by_fold.mean():.1f} %"
    yield f"± {100 * by_seed.std(ddof=1):.1f}" if len(by_seed) > 1 else "one seed"
    yield f"± {100 * by_fold.std(ddof=1):.1f}" if len(folds) > 1 else "one fold"
    yield f"{100 * gain.mean():+.1f}, {int((gain > 0).sum())} of {len(gain)}" if len(gain) else ""
    yield f"{100 * np.mean([line['war'] for line in own]):.1f} %"
    yield str(len(own))


if __name__ == "__main__":
    typer.run(main)
