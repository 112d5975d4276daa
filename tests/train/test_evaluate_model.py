"""`vaemo-train evaluate` on one model: any labelled clips, and what it may have seen of them."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.tiny_finetune import (
    NUM_CLIPS,
    TinyFinetune,
    evaluate,
    evaluated,
    labelled_shards,
    labels_of,
    refused,
    write_labels,
)
from vaemo_train.judging.past import Past
from vaemo_train.shards.folder import ShardFolder


def test_numbers_go_into_the_run_unless_told_otherwise(finetuned: TinyFinetune, tmp_path: Path) -> None:
    shutil.copytree(finetuned.run(), tmp_path / "run")
    done = evaluate("--model", tmp_path / "run" / "model", "--data", finetuned.shards)
    assert f"numbers: {tmp_path / 'run' / 'evaluation.json'}" in done.stdout
    assert not (tmp_path / "run" / "model" / "evaluation.json").exists(), "what goes to a Hub is left as it is"


@pytest.mark.parametrize("option", ["--holdout", "--label-column", "--targets"])
def test_what_is_for_one_model_is_refused_for_a_fine_tuning(finetuned: TinyFinetune, option: str) -> None:
    assert f"{option}: the models of" in refused("--model", finetuned.out, option, "speaker=speaker_00")


def test_one_model_is_judged_by_all_labelled_clips_and_its_own_are_told(
    finetuned: TinyFinetune, tmp_path: Path
) -> None:
    out = tmp_path / "numbers.json"
    done = evaluate("--model", finetuned.run(), "--data", finetuned.shards, "--out", out)
    told = "6 of 12 clips were trained on (or chose the checkpoint): these scores say nothing about new clips"
    assert done.stderr == f"note: {told}\n"
    found = json.loads(out.read_text())
    assert found["notes"] == [told]
    assert found["results"]["protocol"]["speaker_disjoint"] is False
    assert found["results"]["data"]["num_clips"] == NUM_CLIPS, "nothing is left out"


def test_one_model_on_its_own_test_speakers_needs_no_note(finetuned: TinyFinetune, tmp_path: Path) -> None:
    before = json.loads((finetuned.out / "results.json").read_text())["folds"][0]
    out = tmp_path / "numbers.json"
    holdout = f"speaker={','.join(before['speakers'])}"
    done = evaluate("--model", finetuned.run(), "--data", finetuned.shards, "--holdout", holdout, "--out", out)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(out.read_text())
    assert found["results"]["protocol"]["speaker_disjoint"] is True
    assert found["results"]["data"]["num_clips"] == before["num_clips"]


def test_clips_are_known_again_in_other_shards(finetuned: TinyFinetune, tmp_path: Path) -> None:
    others = labelled_shards(tmp_path / "others", NUM_CLIPS + 4)
    done = evaluate("--model", finetuned.run(), "--data", others, "--out", tmp_path / "numbers.json")
    assert "note: 6 of 16 clips were trained on" in done.stderr
    assert "note: speakers cannot be compared with those trained on, in other shards" in done.stderr


def test_a_segment_of_a_file_is_another_clip_than_its_whole(finetuned: TinyFinetune, tmp_path: Path) -> None:
    others = tmp_path / "others"
    shutil.copytree(finetuned.shards, others)
    rows = pq.read_table(others / "rows.parquet")
    starts = pa.array([0.5] + [None] * (rows.num_rows - 1), rows.schema.field("start_s").type)
    place = rows.column_names.index("start_s")
    speakers = ShardFolder.open(finetuned.shards).rows["speaker"].to_pylist()
    tested = json.loads((finetuned.out / "results.json").read_text())["folds"]
    model = finetuned.run(1 if speakers[0] in tested[1]["speakers"] else 2)
    pq.write_table(rows.set_column(place, rows.schema.field("start_s"), starts), others / "rows.parquet")
    sight = Past.of(model, json.loads((model / "run.json").read_text()), ShardFolder.open(finetuned.shards))
    seen = replace(sight, judged=ShardFolder.open(others)).seen(np.arange(NUM_CLIPS))
    assert seen.num_trained == 5
    assert seen.notes[:2] == (
        "5 of 12 clips were trained on (or chose the checkpoint): these scores say nothing about new clips",
        "1 more are of files that were trained on",
    )


def test_a_model_without_its_run_says_that_nobody_knows(finetuned: TinyFinetune, tmp_path: Path) -> None:
    alone = tmp_path / "given" / "away"
    shutil.copytree(finetuned.run() / "model", alone)
    done = evaluate("--model", alone, "--data", finetuned.shards)
    assert "note: nobody knows which of the 12 clips the model was trained on" in done.stderr
    assert (alone / "evaluation.json").exists()


def test_labels_unknown_to_the_model_are_refused(finetuned: TinyFinetune, tmp_path: Path) -> None:
    others = labelled_shards(tmp_path / "others", labels=("anger", "calm", "envy"))
    told = refused("--model", finetuned.run(), "--data", others)
    assert "envy" in told
    assert "unknown to the model" in told


def test_a_model_of_stage_1_is_refused(finetuned: TinyFinetune) -> None:
    told = refused("--model", finetuned.encoder, "--data", finetuned.shards)
    assert "knows no classes: it is a model of pre-training" in told
    assert "no model in it" in refused("--model", finetuned.out / "fold-1", "--data", finetuned.shards)


def test_clips_without_a_label_are_refused_or_left_out(finetuned: TinyFinetune, tmp_path: Path) -> None:
    manifest = write_labels(tmp_path / "clips.csv", label=["", *labels_of(finetuned.shards)[1:]])
    given = ("--model", finetuned.run(), "--data", finetuned.shards, "--clips", manifest)
    assert "1 of 12 clips have no label" in refused(*given)
    found = evaluated(tmp_path / "numbers.json", *given, "--skip-unlabelled")
    assert found["results"]["data"]["num_clips"] == NUM_CLIPS - 1


def test_weights_that_are_no_numbers_are_told(finetuned: TinyFinetune, tmp_path: Path) -> None:
    copy = tmp_path / "model"
    shutil.copytree(finetuned.run() / "model", copy)
    weights = load_file(copy / "model.safetensors")
    name = next(name for name in weights if name.startswith("classifier.") and name.endswith("weight"))
    save_file(
        {**weights, name: torch.full_like(weights[name], torch.nan)}, copy / "model.safetensors", {"format": "pt"}
    )
    assert "its weights are broken" in refused("--model", copy, "--data", finetuned.shards)
