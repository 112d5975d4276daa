"""`vaemo-annotate index --corpus` as a user runs it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq

from tests.support.real_data import real_data
from tests.support.workspace import annotate

ACTORS = ("actor_03", "actor_22")


def test_ravdess_is_indexed_with_its_folds_and_speakers(tmp_path: Path) -> None:
    folder = real_data("ravdess_speech")
    for actor in ACTORS:
        (tmp_path / "ravdess" / actor).mkdir(parents=True)
        for path in sorted((folder / actor).iterdir())[:3]:
            shutil.copy2(path, tmp_path / "ravdess" / actor)
    shutil.copy2(path, tmp_path / "ravdess" / "other.flac")
    done = annotate("index", tmp_path / "ravdess", "--corpus", "ravdess", "--out", tmp_path / "clips.parquet")
    assert done.returncode == 0, done.stderr
    assert "6 clips + 0 rejects = 6 found" in done.stdout
    assert "left out, not named as the corpus names its clips: 1 file" in done.stdout
    assert "folds: six by actor as HiCMAE published them" in done.stdout
    table = pq.read_table(tmp_path / "clips.parquet")
    pairs = zip(table["speaker"].to_pylist(), table["fold"].to_pylist(), strict=True)
    assert set(pairs) == {("actor_03", 1), ("actor_22", 6)}


def test_help_and_a_wrong_name_tell_the_known_corpora(tmp_path: Path) -> None:
    shown = " ".join(annotate("index", "--help", COLUMNS="200").stdout.split())
    assert "crema-d, dfew, emodb, iemocap, mafw, meld, mer2023, mer2024, msp-improv, ravdess" in shown
    done = annotate("index", tmp_path, "--corpus", "cremad", "--out", tmp_path / "clips.parquet")
    assert done.returncode == 2
    assert done.stderr.strip().startswith("error: corpus 'cremad' is not known; known are crema-d, dfew")
    assert len(done.stderr.strip().splitlines()) == 1
