"""Two processes fine-tune together: one protocol, one choice by validation, one file of predictions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from tests.support.finetune_folders import RECIPE, Workplace


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Shards and an encoder."""
    return Workplace.make(tmp_path_factory.mktemp("processes"))


def finetune(place: Workplace, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command on two processes."""
    recipe = {
        **RECIPE, "batch": {"per_device": 2}, "select": {"checkpoint": "validation", "validation_share": 0.5},
        "monitor": {"every_steps": 2},
    }  # fmt: skip
    path = out.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = ["-m", "vaemo_train.cli", "finetune", "--recipe", str(path), "--init", str(place.encoder)]
    data = ["--data", str(place.shards), "--out", str(out), "--folds", "2", "--seeds", "1", *options]
    return subprocess.run(
        [*launch, *command, *data], capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_two_processes_do_one_fine_tuning_and_judge_what_was_left_unjudged(place: Workplace, tmp_path: Path) -> None:
    out = tmp_path / "ft"
    done = finetune(place, out)
    assert done.returncode == 0, done.stderr
    results = json.loads((out / "results.json").read_text())
    assert set(results["scores"]) == {"V", "A", "VA"}
    runs = [out / f"fold-{fold}" / "seed-0" for fold in ("1", "2")]
    for run in runs:
        record = json.loads((run / "run.json").read_text())
        assert record["identity"]["processes"] == 2
        assert record["chosen_step"] in (2, 4)
    before = pq.read_table(runs[0] / "predictions.parquet")
    (runs[0] / "predictions.parquet").unlink()
    again = finetune(place, out, "--resume")
    assert again.returncode == 0, again.stderr
    assert pq.read_table(runs[0] / "predictions.parquet").equals(before)
    assert done.stdout.splitlines()[-1] == again.stdout.splitlines()[-1]
    refused = finetune(place, out)
    assert refused.returncode != 0
    assert refused.stderr.count("holds a fine-tuning; add --resume") == 1
