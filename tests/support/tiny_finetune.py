"""A finished fine-tuning of two folds and two seeds that is small enough for tests."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tests.support.shard_folders import Called, vaemo_train_here
from tests.support.tiny_run import tiny_shards
from tests.support.tiny_vaemo import tiny_config, tiny_model
from vaemo_train.models import VAEmoProcessor

CLASSES = ("anger", "calm", "joy")
NUM_CLIPS = 12
KINDS = ("both", "both", "both", "both", "audio")
_FACE_PX = 64
_SETTINGS = (
    "length.epochs=null", "length.max_steps=3", "batch.per_device=4", "optim.base_lr=0.3", "precision.bf16=false",
    "evaluation.windows=1", "evaluation.batch_size=8",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TinyFinetune:
    """Where all lies: fold-1 and fold-2 with seed-0 and seed-1 in `out`, the encoder of stage 1, the shards.

    Four speakers, each with a clip of every class; two clips have no picture.
    """

    out: Path
    encoder: Path
    shards: Path

    def run(self, fold: int = 1, seed: int = 0) -> Path:
        """The folder of one training."""
        return self.out / f"fold-{fold}" / f"seed-{seed}"


def write_encoder(folder: Path) -> Path:
    """Write what a run of stage 1 leaves of its model; return `folder`."""
    tiny_model().save_pretrained(folder / "model")
    VAEmoProcessor.of(tiny_config(), _FACE_PX).save_pretrained(folder / "model")
    return folder


def labelled_shards(folder: Path, num_clips: int = NUM_CLIPS, labels: tuple[str, ...] = CLASSES) -> Path:
    """Write shards of clips whose label and speaker are known; return `folder`."""
    return tiny_shards(folder, num_clips, labels=labels, modality=KINDS)


def write_finetune(folder: Path, *options: str | Path, seeds: int = 2) -> TinyFinetune:
    """Train all folds and seeds, with more `options` of `vaemo-train finetune`."""
    made = TinyFinetune(folder / "finetune", write_encoder(folder / "encoder"), labelled_shards(folder / "shards"))
    changes = [word for setting in _SETTINGS for word in ("--set", setting)]
    done = vaemo_train_here(
        "finetune", "--init", made.encoder, "--data", made.shards, "--out", made.out, "--folds", "2",
        "--seeds", str(seeds), "--recipe", "finetune-cpu", *changes, *options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return made


def labels_of(shards: Path) -> list[str]:
    """The label of each row."""
    labels: list[str] = pq.read_table(shards / "rows.parquet")["label"].to_pylist()
    return labels


def write_labels(path: Path, **columns: list[str]) -> Path:
    """Write a manifest of the tiny clips with these columns, a value a clip; return `path`."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["clip_id", *columns])
        writer.writerows(zip([f"clip_{one:04d}" for one in range(NUM_CLIPS)], *columns.values(), strict=True))
    return path


def evaluate(*arguments: str | Path) -> Called:
    """Run `vaemo-train evaluate`."""
    return vaemo_train_here("evaluate", *arguments)


def evaluated(out: Path, *arguments: str | Path) -> dict[str, Any]:
    """The numbers of an evaluation that must go well."""
    done = evaluate("--out", out, *arguments)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return found


def refused(*arguments: str | Path) -> str:
    """The error of an evaluation that must not go well: one line, after notes."""
    done = evaluate(*arguments)
    assert done.returncode == 2, done.stdout
    *notes, error = done.stderr.splitlines()
    assert all(note.startswith("note: ") for note in notes), done.stderr
    assert error.startswith("error: ")
    return error
