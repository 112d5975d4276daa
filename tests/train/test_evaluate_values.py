"""`vaemo-train evaluate` on models of valence and arousal."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.support.tiny_finetune import (
    NUM_CLIPS,
    TinyFinetune,
    evaluate,
    refused,
    write_finetune,
    write_labels,
)


@pytest.fixture(scope="module")
def valued(tmp_path_factory: pytest.TempPathFactory) -> TinyFinetune:
    """A regression of one seed, whose targets come from a manifest."""
    folder = tmp_path_factory.mktemp("valued")
    manifest = write_labels(folder / "targets.csv", valence=values_of(1), arousal=values_of(2))
    return write_finetune(folder, "--targets", "valence,arousal", "--clips", manifest, seeds=1)


def values_of(seed: int) -> list[str]:
    return [f"{value:.3f}" for value in np.random.default_rng(seed).uniform(-1, 1, NUM_CLIPS)]


def test_a_regression_is_scored_by_its_concordance(valued: TinyFinetune, tmp_path: Path) -> None:
    out = tmp_path / "numbers.json"
    done = evaluate("--model", valued.out, "--noise", "snr=0", "--out", out)
    assert done.returncode == 0, done.stderr
    found = json.loads(out.read_text())
    before = json.loads((valued.out / "results.json").read_text())
    assert found["results"]["scores"] == before["scores"]
    assert set(found["noise"][1]) == {"noise", "scores", "ccc_minus_clean"}
    assert "CCC" in done.stdout
    assert "always the mean: 0" in " ".join(done.stdout.split())
    assert "the published scores are of classes" in refused("--model", valued.out, "--corpus", "mafw")


def test_targets_that_are_no_numbers_are_refused(valued: TinyFinetune, tmp_path: Path) -> None:
    broken = write_labels(tmp_path / "targets.csv", valence=["nan", *values_of(1)[1:]], arousal=values_of(2))
    given = ("--model", valued.run(), "--data", valued.shards, "--clips", broken)
    assert "valence" in refused(*given)
    assert "targets unknown to the model" in refused(*given, "--targets", "valence")
