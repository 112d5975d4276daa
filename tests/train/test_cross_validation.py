"""Folds and seeds: who is trained on, who is tested, and that nothing of a test part reaches a training."""

from __future__ import annotations

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file

from tests.support.finetune_folders import Workplace, run_all
from tests.support.tiny_run import HookedConsole, tiny_shards
from vaemo_clips.errors import CheckpointError, RecipeError, RunFolderError, SplitError
from vaemo_train.finetune.cross_validation import CrossValidation
from vaemo_train.finetune.seen import saw_test_speakers
from vaemo_train.outcome.results_file import read_results
from vaemo_train.shards.folder import ShardFolder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Shards and an encoder."""
    return Workplace.make(tmp_path_factory.mktemp("finetune"))


@pytest.fixture(scope="module")
def whole(place: Workplace, tmp_path_factory: pytest.TempPathFactory) -> CrossValidation:
    """Two folds with two seeds, trained, tested and reported."""
    validation = run_all(place.request(tmp_path_factory.mktemp("whole") / "ft", num_seeds=2))
    validation.finish()
    return validation


def weights(run: Path) -> dict[str, torch.Tensor]:
    """Of the model that a run left."""
    return load_file(run / "model" / "model.safetensors")


def same(first: Path, second: Path) -> bool:
    """Whether two runs left the same model, to the bit."""
    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_every_clip_is_tested_once_a_seed_by_a_model_that_never_saw_its_speaker(whole: CrossValidation) -> None:
    for seed in (0, 1):
        tested = []
        for job in whole.jobs:
            if job.seed != seed:
                continue
            rows = pq.read_table(job.predictions)
            tested += rows["clip_id"].to_pylist()
            speakers = np.asarray(whole.folder.rows["speaker"].to_pylist(), object)
            assert not set(rows["speaker"].to_pylist()) & set(speakers[job.split.train].tolist())
        assert sorted(tested) == sorted(set(whole.folder.rows["clip_id"].to_pylist()))


def test_results_figures_and_cards_lie_in_the_folder(whole: CrossValidation) -> None:
    out = whole.request.out
    results = read_results(out / "results.json")
    assert set(results.scores) == {"V", "A", "VA"}
    assert results.protocol.seeds == [0, 1]
    assert results.protocol.num_folds == 2
    assert results.protocol.selection == "the last step; nothing was chosen"
    assert {fold.pretraining_saw_test_speakers for fold in results.folds} == {"unknown"}  # no run.json beside it
    drawn = {path.name for path in (out / "figures").iterdir()}
    assert drawn == {"confusion-V.png", "confusion-A.png", "confusion-VA.png", "recalls.png", "curves.png"}
    assert (out / "README.md").is_file()
    assert "fold 1, seed 0" in (whole.jobs[0].run / "model" / "README.md").read_text()
    assert not (whole.jobs[0].run / "checkpoints").exists()


def test_labels_of_the_test_part_do_not_touch_the_training(
    place: Workplace, whole: CrossValidation, tmp_path: Path
) -> None:
    job = whole.jobs[0]
    rows = ShardFolder.open(place.shards).rows.select(["clip_id", "label", "speaker"]).to_pylist()
    names = ("anger", "joy", "rest")
    for number in job.split.test.tolist():
        rows[number]["label"] = names[(names.index(rows[number]["label"]) + 1) % 3]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "labels.parquet")
    for selection in ([], ["select.checkpoint=validation", "select.validation_share=0.5", "monitor.every_steps=1"]):
        found = []
        for name, manifest in (("one", None), ("other", tmp_path / "labels.parquet")):
            out = tmp_path / f"{name}-{len(selection)}"
            # dealt folds hang on the labels: the same speakers are named here
            speakers = ",".join(sorted({rows[number]["speaker"] for number in job.split.test.tolist()}))
            found.append(
                run_all(place.request(out, selection, folds=f"speaker={speakers}", manifest=manifest)).jobs[0].run
            )
        assert same(*found)
        truths = [pq.read_table(run / "predictions.parquet")["truth"].to_pylist() for run in found]
        assert truths[0] != truths[1]


def test_an_interrupted_fine_tuning_goes_on_to_the_same_models(
    place: Workplace, whole: CrossValidation, tmp_path: Path
) -> None:
    request = place.request(tmp_path / "ft", num_seeds=2)
    first = CrossValidation(request)
    first.begin()
    console = HookedConsole(lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 2 else None)
    summary = first.run(first.jobs[0], console)
    assert summary is not None
    assert summary.state == "interrupted"
    again = run_all(replace(request, resume=True))
    for job, other in zip(again.jobs, whole.jobs, strict=True):
        assert same(job.run, other.run)
        assert pq.read_table(job.predictions).equals(pq.read_table(other.predictions))


def test_a_choice_by_validation_is_the_same_after_an_interruption(place: Workplace, tmp_path: Path) -> None:
    changes = ["select.checkpoint=validation", "select.validation_share=0.5", "monitor.every_steps=1"]
    whole = run_all(place.request(tmp_path / "whole", changes))
    first = CrossValidation(place.request(tmp_path / "ft", changes))
    first.begin()
    console = HookedConsole(lambda step: os.kill(os.getpid(), signal.SIGINT) if step == 2 else None)
    first.run(first.jobs[0], console)
    best = first.jobs[0].run / "best.safetensors"
    assert best.exists()
    best.write_bytes(best.read_bytes()[:-1000])  # cut short: looked for again
    again = run_all(place.request(tmp_path / "ft", changes, resume=True))
    assert not best.exists()
    for job in again.jobs:
        assert (job.run / "model").exists()
    assert same(again.jobs[1].run, whole.jobs[1].run)


def test_a_trained_model_without_predictions_is_judged_and_not_trained_again(
    place: Workplace, whole: CrossValidation, tmp_path: Path
) -> None:
    validation = run_all(place.request(tmp_path / "ft"))
    job = validation.jobs[0]
    before = pq.read_table(job.predictions)
    trained_at = (job.run / "model" / "model.safetensors").stat().st_mtime_ns
    job.predictions.unlink()
    run_all(place.request(tmp_path / "ft", resume=True))
    assert pq.read_table(job.predictions).equals(before)
    assert (job.run / "model" / "model.safetensors").stat().st_mtime_ns == trained_at


def test_an_encoder_that_was_shown_labels_of_tested_speakers_is_refused(
    place: Workplace, whole: CrossValidation, tmp_path: Path
) -> None:
    with pytest.raises(SplitError, match="was fine-tuned with the labels of speakers who are tested here"):
        CrossValidation(place.request(tmp_path / "ft", init=str(whole.jobs[0].run)))
    own = str(whole.request.out / "fold-{fold}" / "seed-0")
    assert set(CrossValidation(place.request(tmp_path / "ft", init=own)).seen.values()) == {"unknown"}


def test_a_damaged_encoder_of_any_fold_is_found_before_the_first_step(place: Workplace, tmp_path: Path) -> None:
    (tmp_path / "enc-1").symlink_to(place.encoder)
    (tmp_path / "enc-2").mkdir()
    (tmp_path / "enc-2" / "config.json").write_bytes((place.encoder / "config.json").read_bytes())
    (tmp_path / "enc-2" / "model.safetensors").write_bytes(b"abc")
    with pytest.raises(CheckpointError, match=r"enc-2/model\.safetensors cannot be read"):
        CrossValidation(place.request(tmp_path / "ft", init=str(tmp_path / "enc-{fold}")))


def test_a_folder_that_cannot_be_written_is_a_line(place: Workplace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    validation = CrossValidation(place.request(tmp_path / "ft"))
    blocked = replace(validation.request, out=tmp_path / "file" / "ft")
    with pytest.raises(RunFolderError, match=r"--out .*file/ft cannot be written"):
        CrossValidation(blocked).begin()


def test_parts_do_every_training_once(place: Workplace, whole: CrossValidation, tmp_path: Path) -> None:
    request = place.request(tmp_path / "ft", num_seeds=2)
    one = run_all(replace(request, part=(1, 3)))
    assert len(one.outstanding()) == 2
    run_all(replace(request, part=(2, 3)))
    last = run_all(replace(request, part=(3, 3)))
    assert not last.outstanding()
    assert last.finish().scores == read_results(whole.request.out / "results.json").scores


def test_the_best_look_at_validation_speakers_is_kept(place: Workplace, tmp_path: Path) -> None:
    changes = ["select.checkpoint=validation", "select.validation_share=0.5", "monitor.every_steps=1"]
    validation = run_all(place.request(tmp_path / "ft", changes))
    for job in validation.jobs:
        record = json.loads((job.run / "run.json").read_text())
        looks = {
            line["step"]: line["monitor/validation_uar"]
            for line in map(json.loads, (job.run / "metrics.jsonl").read_text().splitlines())
            if "monitor/validation_uar" in line
        }
        assert sorted(looks) == [1, 2, 3, 4]
        assert record["validation_score"] == max(looks.values())
        assert record["chosen_step"] == min(step for step, score in looks.items() if score == max(looks.values()))
        kept_out = set(validation.targets.clip_ids[job.split.validation].tolist())
        assert kept_out
        assert not kept_out & set(validation.targets.clip_ids[job.split.train].tolist())


def test_a_frozen_encoder_stays_as_it_was(place: Workplace, tmp_path: Path) -> None:
    validation = run_all(place.request(tmp_path / "ft", ["optim.freeze=encoder"]))
    before = load_file(place.encoder / "model.safetensors")
    after = weights(validation.jobs[0].run)
    for name, value in after.items():
        if name.startswith("vaemo."):
            assert torch.equal(value, before[name]), name
    assert after["classifier.linear.0.weight"].abs().sum() > 0


def test_sound_alone_is_trained_and_scored_where_that_is_asked_for(place: Workplace, tmp_path: Path) -> None:
    validation = run_all(place.request(tmp_path / "ft", ["modality=audio"]))
    assert set(validation.finish().scores) == {"A"}


def test_a_regression_is_scored_as_one(place: Workplace, tmp_path: Path) -> None:
    rows = ShardFolder.open(place.shards).rows.select(["clip_id", "speaker"])
    values = np.random.default_rng(0).uniform(-1, 1, (2, rows.num_rows))
    table = rows.append_column("valence", pa.array(values[0])).append_column("arousal", pa.array(values[1]))
    pq.write_table(table, tmp_path / "clips.parquet")
    validation = run_all(
        place.request(tmp_path / "ft", target_columns=("valence", "arousal"), manifest=tmp_path / "clips.parquet")
    )
    results = validation.finish()
    assert results.targets == ["valence", "arousal"]
    assert set(results.scores) == {"V", "A", "VA"}
    assert (tmp_path / "ft" / "figures" / "scatter-VA.png").exists()


def test_pretraining_without_the_folds_speakers_is_told_apart_from_one_with_them(
    place: Workplace, tmp_path: Path
) -> None:
    folder = ShardFolder.open(place.shards)
    speakers = sorted(set(folder.rows["speaker"].to_pylist()))
    for name, holdout in (("own", f"speaker={speakers[0]}"), ("all", None)):
        run = tmp_path / name
        (run / "model").mkdir(parents=True)
        for path in place.encoder.iterdir():
            (run / "model" / path.name).write_bytes(path.read_bytes())
        record = {"data": str(place.shards), "identity": {"data": folder.digest, "holdout": holdout}}
        (run / "run.json").write_text(json.dumps(record))
    seen = {
        name: CrossValidation(place.request(tmp_path / "ft", folds="speaker", init=str(tmp_path / name))).seen
        for name in ("own", "all")
    }
    assert seen["own"] == dict(zip(speakers, ["no", "yes", "yes", "yes"], strict=True))
    assert set(seen["all"].values()) == {"yes"}
    assert saw_test_speakers("vaemo-tiny", folder.rows, np.arange(3)) == "no"


def test_an_encoder_for_every_fold_is_named_by_its_fold(place: Workplace, tmp_path: Path) -> None:
    for fold in ("1", "2"):
        (tmp_path / f"enc-{fold}").symlink_to(place.encoder)
    validation = CrossValidation(place.request(tmp_path / "ft", init=str(tmp_path / "enc-{fold}")))
    assert [str(job.init) for job in validation.jobs] == [str(tmp_path / "enc-1"), str(tmp_path / "enc-2")]
    with pytest.raises(CheckpointError, match=r"--init .*none-1: no model in it"):
        CrossValidation(place.request(tmp_path / "ft", init=str(tmp_path / "none-{fold}")))
    with pytest.raises(RecipeError, match=r"only \{fold\} stands for something"):
        CrossValidation(place.request(tmp_path / "ft", init="runs/{speaker}"))


def test_a_folder_that_was_begun_otherwise_is_refused(place: Workplace, whole: CrossValidation) -> None:
    request = whole.request
    with pytest.raises(RunFolderError, match="holds a fine-tuning; add --resume"):
        CrossValidation(request).begin()
    changed = request.recipe.model_copy(update={"seed": 7})
    with pytest.raises(RunFolderError, match="was begun with another recipe"):
        CrossValidation(replace(request, resume=True, recipe=changed)).begin()
    with pytest.raises(RunFolderError, match="was begun with another folds and another init"):
        CrossValidation(replace(request, resume=True, folds="4")).begin()
    CrossValidation(replace(request, resume=True, num_seeds=5)).begin()  # more seeds may follow


def test_pictures_that_are_too_small_and_folds_that_share_a_speaker_are_refused(tmp_path: Path) -> None:
    place = Workplace.make(tmp_path)
    with pytest.raises(RecipeError, match="pictures of 160 pixels cannot be cut from those in"):
        run_all(place.request(tmp_path / "ft", init="vaemo-tiny"))
    shards = tiny_shards(tmp_path / "other", 8)
    rows = ShardFolder.open(shards).rows
    folds = pa.array([str(number % 2) for number in range(rows.num_rows - 1)] + ["0"])
    table = rows.select(["clip_id", "label", "speaker"]).append_column("fold", folds)
    pq.write_table(table, tmp_path / "clips.parquet")
    with pytest.raises(SplitError, match="speaker_03"):
        CrossValidation(place.request(tmp_path / "ft2", data=shards, folds="fold", manifest=tmp_path / "clips.parquet"))
