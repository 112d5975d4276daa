"""What the benchmark of stage 2 on speech rests on: captions that are dealt to others, cues, cells of the table."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from benchmarks.cue_regression import _cues
from benchmarks.stage2_speech import DESCRIPTIONS, _cells, shuffled
from datasets import load_from_disk

from tests.support.caption_folders import write_captions, write_verdicts
from tests.support.tiny_alignment import clip_ids, rows_of, speaker_of
from tests.support.tiny_run import tiny_shards
from vaemo_clips.cues.cue import Cue
from vaemo_train.captions.joined import join_captions
from vaemo_train.captions.paths import PATHS
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.texts.cache import CACHE_FOLDER

HOLDOUT = Holdout.parse("speaker=speaker_01")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_shards(tmp_path_factory.mktemp("shards"), 12, modality="audio")


@pytest.fixture
def captions(shards: Path, tmp_path: Path) -> Path:
    """A run with a caption of each clip; one of a training clip was mended, and embeddings lie beside it."""
    folder = write_captions(tmp_path / "captions", [{"clip_id": name} for name in clip_ids(shards)])
    write_verdicts(folder, [{"clip_id": "clip_0000", "verdict": "fixed", "fixed_description": "Mended."}])
    (folder / CACHE_FOLDER).mkdir()
    return folder


@pytest.mark.parametrize("seed", range(5))
def test_every_training_clip_gets_the_whole_caption_of_another_and_no_held_out_text_is_left(
    shards: Path, captions: Path, tmp_path: Path, seed: int
) -> None:
    trained = {clip for clip, speaker in speaker_of(shards).items() if speaker != "speaker_01"}
    out = shuffled(captions, shards, HOLDOUT, seed, tmp_path / "shuffled")
    dealt: Any = load_from_disk(str(out / "dataset"))
    assert set(dealt["clip_id"]) == trained
    givers = set()
    for row in dealt:
        [giver] = {row[name].split(",")[0] for name in DESCRIPTIONS if name != "emotions"}
        assert giver != row["clip_id"], "nobody keeps the own"
        givers.add(giver)
    assert givers == trained, "each is dealt once"
    assert not (out / "verdicts.parquet").exists(), "they judged other pairs"
    assert (out / CACHE_FOLDER).resolve() == (captions / CACHE_FOLDER).resolve()


def test_what_was_dealt_can_be_trained_on_and_another_seed_deals_otherwise(
    shards: Path, captions: Path, tmp_path: Path
) -> None:
    dealt = []
    for seed in (0, 0, 1):
        out = shuffled(captions, shards, HOLDOUT, seed, tmp_path / "shuffled")
        found = join_captions(out, rows_of(shards), np.arange(12), allow_unknown=True)
        dealt.append([found.texts[number] for path in PATHS for number in found.text_of[path]])
        shutil.rmtree(out)
    assert dealt[0] == dealt[1] != dealt[2]
    assert "Mended." not in dealt[0]


def test_cues_are_standardised_over_the_training_rows_and_unknown_ones_are_0(shards: Path, tmp_path: Path) -> None:
    ids = clip_ids(shards)
    rows = []
    for number, name in enumerate(ids[:-1]):  # nothing is known of the last clip
        cues = [
            Cue("f0_median", 100.0 + number, "Hz", 0.8, population_sd=0.5 if number == 2 else number / 10).to_dict()
        ]
        cues += [Cue("jitter", 1.0, "%", 0.8).to_dict()]
        rows.append({"clip_id": name, "cues": cues})
    write_captions(tmp_path / "captions", rows)
    train = np.arange(6)
    values, is_known = _cues(tmp_path / "captions", ShardFolder.open(shards), train)
    assert values.shape == is_known.shape == (12, 2), "what never varies is left out"
    assert values.dtype == np.float32
    np.testing.assert_allclose(values[train].mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(values[train].std(axis=0), 1, atol=1e-5)
    assert np.abs(values).max() <= 4, "a cue with a long tail would own the loss"
    assert is_known[:-1].all()
    assert not is_known[-1].any()
    assert not values[-1].any()


def test_the_table_has_means_over_folds_deviations_over_whole_seeds_and_gains_fold_by_fold() -> None:
    own = [
        {"fold": fold, "seed": seed, "uar": uar, "war": 0.5}
        for fold, seed, uar in [(1, 0, 0.5), (2, 0, 0.3), (1, 1, 0.6), (2, 1, 0.3), (1, 2, 0.9)]
    ]
    cells = list(_cells("stage 2", own, {1: 0.5, 2: 0.4}))
    first = (0.5 + 0.6 + 0.9) / 3
    assert cells[0] == "stage 2"
    assert cells[1] == f"{100 * (first + 0.3) / 2:.1f} %"
    assert cells[2] == f"± {100 * np.std([0.4, 0.45], ddof=1):.1f}", "seed 2 lacks a fold"
    assert cells[4] == f"{100 * ((first - 0.5) + (0.3 - 0.4)) / 2:+.1f}, 1 of 2"
    assert cells[5:] == ["50.0 %", "5"]
    assert list(_cells("stage 1", own[:1], {}))[2:5] == ["one seed", "one fold", ""]


def test_a_column_of_rows_is_what_these_tests_take_it_for(shards: Path) -> None:
    rows: pa.Table = rows_of(shards)
    assert rows["clip_id"].to_pylist() == clip_ids(shards), "a row of each clip, in order"
