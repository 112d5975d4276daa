"""`vaemo-train evaluate` on a finished fine-tuning: every model judged again by its own test part."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.tiny_finetune import (
    CLASSES,
    NUM_CLIPS,
    TinyFinetune,
    evaluate,
    evaluated,
    labelled_shards,
    labels_of,
    refused,
    write_labels,
)
from vaemo_train.finetune.split_facts import fold_folder, is_disjoint
from vaemo_train.judging.rebuilt import Rebuilt
from vaemo_train.judging.tested import Judge
from vaemo_train.judging.tested_run import _model, _seeds, open_run
from vaemo_train.outcome.robustness_scores import CLEAN, read_corruptions


def test_the_same_windows_give_the_same_scores_as_the_fine_tuning(finetuned: TinyFinetune, tmp_path: Path) -> None:
    done = evaluate("--model", finetuned.out, "--out", tmp_path / "numbers.json")
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads((tmp_path / "numbers.json").read_text())
    before = json.loads((finetuned.out / "results.json").read_text())
    for key in ("scores", "recalls", "confusion", "folds", "chance", "over_folds"):
        assert found["results"][key] == before[key], key
    assert found["results"]["protocol"] == before["protocol"]
    assert set(found["results"]["scores"]) == {"V", "A", "VA", "any"}, "some clips have no picture"
    assert found["shards_digest"] == before["data"]["shards"]
    assert found["noise"] is None
    assert [(one["fold"], one["seed"]) for one in found["models"]] == [("1", 0), ("2", 0), ("1", 1), ("2", 1)]
    assert len({one["sha256"] for one in found["models"]}) == 4
    assert done.stdout.splitlines()[-1] == (f"next: vaemo-train embed {finetuned.shards} --model {finetuned.run(1, 0)}")


def test_every_model_is_judged_by_its_own_test_part_alone(finetuned: TinyFinetune) -> None:
    tested = open_run(finetuned.out)
    speakers = tested.folder.rows["speaker"].to_numpy(zero_copy_only=False)
    by_fold = {one.fold: set(speakers[one.rows]) for one in tested.models}
    assert not by_fold["1"] & by_fold["2"]
    assert sorted(np.concatenate([one.rows for one in tested.models if one.seed == 0])) == list(range(NUM_CLIPS))


def test_more_windows_are_stated_and_change_the_scores_alone(finetuned: TinyFinetune, tmp_path: Path) -> None:
    shards = tmp_path / "shards"
    shutil.copytree(finetuned.shards, shards)
    found = evaluated(tmp_path / "numbers.json", "--model", finetuned.out, "--data", shards, "--windows", "2")
    assert found["windows"] == found["results"]["protocol"]["num_windows"] == 2
    assert found["shards"] == str(shards), "the shards may have moved"


def test_noise_on_the_sound_leaves_pictures_as_they_are_to_the_bit(finetuned: TinyFinetune) -> None:
    outcomes = Judge(1, 8, read_corruptions("snr=100;snr=-20;blur=8")).outcomes(open_run(finetuned.out))
    clean, faint, loud, blurred = (outcomes[name] for name in (CLEAN, "snr=100", "snr=-20", "blur=8"))
    for noisy in (faint, loud):
        np.testing.assert_array_equal(noisy.values["V"], clean.values["V"])
    np.testing.assert_allclose(faint.values["A"], clean.values["A"], atol=0.02)
    assert np.abs(loud.values["A"] - clean.values["A"]).max() > 0.02
    np.testing.assert_array_equal(blurred.values["A"], clean.values["A"])
    assert np.nanmax(np.abs(blurred.values["V"] - clean.values["V"])) > 1e-4


def test_noise_without_a_value_is_the_standard_suite_in_a_table_a_figure_and_a_file(
    finetuned: TinyFinetune, tmp_path: Path
) -> None:
    out = tmp_path / "numbers.json"
    few = ("--data", finetuned.shards, "--holdout", "speaker=speaker_00")
    done = evaluate("--model", finetuned.run(), *few, "--noise", "--out", out)
    assert done.returncode == 0, done.stderr
    names = [one["noise"] for one in json.loads(out.read_text())["noise"]]
    assert names == ["clean", "snr=20", "snr=10", "snr=0", "blur=1", "blur=2", "blur=4", "drop=0.25", "drop=0.5",
                     "drop=0.75"]  # fmt: skip
    assert "75 % of frames lost" in done.stdout
    assert "as clean" in done.stdout
    assert f"figure: {tmp_path / 'numbers.png'}" in done.stdout
    assert (tmp_path / "numbers.png").stat().st_size > 10_000


def test_differences_are_to_the_clean_scores(finetuned: TinyFinetune, tmp_path: Path) -> None:
    found = evaluated(tmp_path / "numbers.json", "--model", finetuned.out, "--noise", "snr=-20,blur=8")
    clean, noisy = found["noise"]
    assert clean["scores"]["A"]["uar"] == found["results"]["scores"]["A"]["uar"]
    for name, difference in noisy["uar_minus_clean"].items():
        assert difference == pytest.approx(noisy["scores"][name]["uar"]["mean"] - clean["scores"][name]["uar"]["mean"])


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("snr=loud", "snr=loud is no number"),
        ("snr=10;;blur=2", "a specification is empty"),
        ("snr=10;snr=10", "snr=10 is there twice"),
        ("hiss=3", "'hiss=3' is none of snr=DB"),
        ("drop=1", "drop=1: it must lie in"),
    ],
)
def test_a_specification_of_noise_that_cannot_be_read_is_told(finetuned: TinyFinetune, spec: str, told: str) -> None:
    assert told in refused("--model", finetuned.out, "--noise", spec)


def test_other_shards_than_those_trained_on_are_refused(finetuned: TinyFinetune, tmp_path: Path) -> None:
    others = labelled_shards(tmp_path / "others", NUM_CLIPS + 4)
    assert f"{others}: not the shards that {finetuned.out} was trained on" in refused(
        "--model", finetuned.out, "--data", others
    )


def test_a_changed_label_is_refused(finetuned: TinyFinetune, tmp_path: Path) -> None:
    labels = labels_of(finetuned.shards)
    labels[0] = next(name for name in CLASSES if name != labels[0])
    manifest = write_labels(tmp_path / "clips.csv", label=labels)
    assert "the labels are not those that it was trained with" in refused("--model", finetuned.out, "--clips", manifest)
    shards = tmp_path / "shards"
    shutil.copytree(finetuned.shards, shards)
    rows = pq.read_table(shards / "rows.parquet")
    place = rows.column_names.index("label")
    pq.write_table(rows.set_column(place, rows.schema.field("label"), pa.array(labels)), shards / "rows.parquet")
    assert "the labels are not those" in refused("--model", finetuned.out, "--data", shards)


def test_a_changed_speaker_is_refused(finetuned: TinyFinetune, tmp_path: Path) -> None:
    folds = json.loads((finetuned.out / "results.json").read_text())["folds"]
    one, other = (fold["speakers"][0] for fold in folds)
    speakers = pq.read_table(finetuned.shards / "rows.parquet")["speaker"].to_pylist()
    swapped = [{one: other, other: one}.get(speaker, speaker) for speaker in speakers]
    manifest = write_labels(tmp_path / "clips.csv", label=labels_of(finetuned.shards), speaker=swapped)
    told = refused("--model", finetuned.out, "--clips", manifest)
    assert "fold 1 was tested on other clips than its speakers and folds give now" in told


def test_a_seed_that_a_fold_lacks_is_left_out_and_told(finetuned: TinyFinetune, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finetuned.out, copy)
    shutil.rmtree(copy / "fold-2" / "seed-1" / "model")
    done = evaluate("--model", copy, "--out", tmp_path / "numbers.json")
    assert "note: seed 1: not finished in every fold, and left out" in done.stderr
    assert json.loads((tmp_path / "numbers.json").read_text())["results"]["protocol"]["seeds"] == [0]
    shutil.rmtree(copy / "fold-1" / "seed-0" / "model")
    assert "no seed is finished in every fold" in refused("--model", copy)


def test_another_precision_than_that_of_the_training_is_told(finetuned: TinyFinetune, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(finetuned.out, copy)
    record = json.loads((copy / "fold-1" / "seed-0" / "run.json").read_text())
    record["identity"]["bf16"] = True
    (copy / "fold-1" / "seed-0" / "run.json").write_text(json.dumps(record))
    assert open_run(copy).notes == (
        "judged in float32, tested in bfloat16 when it was trained: a few clips may be named otherwise",
    )


def test_published_scores_stand_beside_with_their_marks(finetuned: TinyFinetune, tmp_path: Path) -> None:
    done = evaluate("--model", finetuned.out, "--corpus", "ravdess", "--out", tmp_path / "numbers.json")
    assert done.returncode == 0, done.stderr
    assert "HiCMAE-B †" in done.stdout
    assert "its checkpoint was chosen by its score on the test fold" in done.stdout
    assert done.stdout.count("this model *") == 3, "VA, A and V"
    words = " ".join(done.stdout.split())
    assert "* not to be compared: 3 classes, not 8; 2 folds, not 6" in words
    assert "12 clips" in words
    assert "mafw" in refused("--model", finetuned.out, "--corpus", "nobody")


def test_ours_are_shown_on_a_corpus_without_published_scores(finetuned: TinyFinetune, tmp_path: Path) -> None:
    done = evaluate("--model", finetuned.out, "--corpus", "emodb", "--out", tmp_path / "numbers.json")
    assert done.returncode == 0, done.stderr
    assert "emodb: no published score is recorded" in " ".join(done.stdout.split())
    assert done.stdout.count("this model") == 4, "VA, A and V, and what they are of"


def test_a_model_judged_by_clips_that_it_was_trained_on_is_marked_beside_published_scores(
    finetuned: TinyFinetune, tmp_path: Path
) -> None:
    given = ("--model", finetuned.run(), "--data", finetuned.shards)
    done = evaluate(*given, "--corpus", "ravdess", "--out", tmp_path / "numbers.json")
    words = " ".join(done.stdout.split())
    assert "trained on 6 of 12 clips; speakers who are tested were trained on" in words
    assert "one model, not one for each of 6 folds" in words
    assert "note: 6 of 12 clips were trained on" in words, "also below the table"
    assert "this model *" in words


def test_settings_that_are_not_the_trainings_own_name_the_file(finetuned: TinyFinetune, tmp_path: Path) -> None:
    shutil.copytree(finetuned.out, tmp_path / "run")
    done = evaluate("--model", tmp_path / "run", "--windows", "2", "--noise", "snr=0")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "evaluation-windows2-noise.json").is_file()
    assert (tmp_path / "run" / "evaluation-windows2-noise.png").is_file()
    assert not (tmp_path / "run" / "evaluation.json").exists()


def test_a_file_that_cannot_be_written_is_told_before_anything_is_computed(
    finetuned: TinyFinetune, tmp_path: Path
) -> None:
    shutil.copytree(finetuned.run(), tmp_path / "run")
    (tmp_path / "run" / "evaluation.json").mkdir()
    told = refused("--model", tmp_path / "run", "--data", finetuned.shards)
    assert "evaluation.json is a folder; give a file" in told


def test_folders_of_folds_are_found_whatever_speakers_are_called(finetuned: TinyFinetune, tmp_path: Path) -> None:
    assert fold_folder("Müller/1") == "fold-M%C3%BCller%2F1"
    split = replace(Rebuilt.read(finetuned.out).splits[0], name="Müller/1")
    for number in (0, 1):
        shutil.copytree(finetuned.run(1, number), tmp_path / "ft" / fold_folder(split.name) / f"seed-{number}")
    assert _seeds(tmp_path / "ft", [split]) == ([0, 1], ())
    rebuilt = replace(Rebuilt.read(finetuned.out), out=tmp_path / "ft")
    assert _model(rebuilt, split, 1).weights.is_file()


def test_speakers_that_are_not_known_are_no_other_ones(finetuned: TinyFinetune) -> None:
    rebuilt = Rebuilt.read(finetuned.out)
    speakers = rebuilt.targets.speakers
    assert speakers is not None
    assert is_disjoint(rebuilt.splits, rebuilt.targets) is True
    assert is_disjoint(rebuilt.splits, replace(rebuilt.targets, speakers=None)) is None
    unknown = speakers.copy()
    unknown[0] = None
    assert is_disjoint(rebuilt.splits, replace(rebuilt.targets, speakers=unknown)) is None
    assert is_disjoint(rebuilt.splits, replace(rebuilt.targets, speakers=np.full_like(speakers, "one"))) is False
