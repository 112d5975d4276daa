"""`vaemo-train evaluate --probe` on encoders that never saw a label."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from tests.support.shard_folders import Called
from tests.support.tiny_finetune import (
    NUM_CLIPS,
    TinyFinetune,
    evaluate,
    refused,
)


def probed(tiny: TinyFinetune, model: str | Path, out: Path, *more: str) -> tuple[dict[str, Any], Called]:
    given = ("--model", model, "--data", tiny.shards, "--folds", "2", "--windows", "1", "--out", out)
    done = evaluate("--probe", *given, *more)
    assert done.returncode == 0, done.stderr
    return json.loads(out.read_text()), done


def test_an_encoder_is_probed_with_the_folds_of_finetune(finetuned: TinyFinetune, tmp_path: Path) -> None:
    found, done = probed(finetuned, finetuned.encoder, tmp_path / "probe.json")
    assert set(found["results"]) == {"V", "A", "VA"}
    assert found["results"]["A"]["num_clips"] == NUM_CLIPS
    assert found["results"]["V"]["num_clips"] == NUM_CLIPS - 2
    assert [fold["name"] for fold in found["results"]["A"]["folds"]] == ["1", "2"]
    assert found["folds"] == "2 folds, whole speakers dealt with seed 0, each tested once"
    assert "linear probe of" in done.stdout
    assert "nobody knows whether the encoder saw" in done.stderr
    assert done.stdout.splitlines()[-1].startswith(f"next: vaemo-train finetune --init {finetuned.encoder}")


def test_encoders_of_each_fold_are_pooled_as_one_would_be(finetuned: TinyFinetune, tmp_path: Path) -> None:
    for number in (1, 2):
        shutil.copytree(finetuned.encoder, tmp_path / f"encoder-{number}")
    one, _ = probed(finetuned, finetuned.encoder, tmp_path / "one.json")
    many, done = probed(finetuned, tmp_path / "encoder-{fold}", tmp_path / "many.json")
    assert many["results"] == one["results"], "the same weights"
    assert len({entry["model"] for entry in many["encoders"].values()}) == 2
    assert done.stderr.count("features for fold") == 2


def test_a_probe_of_what_has_seen_labels_is_refused(finetuned: TinyFinetune) -> None:
    assert "was fine-tuned with labels" in refused("--probe", "--model", finetuned.run(), "--data", finetuned.shards)
    assert "--noise: a probe has none of it" in refused("--probe", "--model", finetuned.encoder, "--noise")
    assert "--folds: a fine-tuned model has its own" in refused("--model", finetuned.out, "--folds", "speaker")
