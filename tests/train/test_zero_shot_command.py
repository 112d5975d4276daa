"""`vaemo-train zero-shot` as a user sees it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from rich.console import Console

from tests.support.shard_folders import Called, vaemo_train_here
from tests.support.tiny_text_space import TinySpace, write_space
from vaemo_train.evaluate.clip_vectors import embed_clips
from vaemo_train.evaluate.labels_file import choose_labels, read_labels
from vaemo_train.evaluate.report import confusion_report
from vaemo_train.evaluate.scores import Scores
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.text_space import cached_clips
from vaemo_train.text_space.cached_clips import FOLDER
from vaemo_train.text_space.space import TextSpace

LABELS: Mapping[str, Any] = {
    "happiness": ["A smile.", "A bright voice."],
    "sadness": ["A frown."],
    "joy of life": ["Laughter."],
    "boredom": ["A yawn."],
}


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> TinySpace:
    return write_space(tmp_path_factory.mktemp("space"))


def labels_file(folder: Path, labels: Mapping[str, Any] = LABELS) -> str:
    path = folder / "labels.yaml"
    path.write_text(yaml.safe_dump(dict(labels), sort_keys=False))
    return str(path)


def name_clips(space: TinySpace, *arguments: str) -> Called:
    done = vaemo_train_here("zero-shot", *space.options, *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done
    last = done.stdout.splitlines()[-1]
    assert last.startswith('next: vaemo-train retrieve "')
    assert str(space.run) in last
    return done


def scores(space: TinySpace, tmp_path: Path, *arguments: str) -> dict[str, dict[str, float]]:
    out = tmp_path / "scores.json"
    name_clips(space, "--out", str(out), *arguments)
    found: dict[str, dict[str, float]] = json.loads(out.read_text())
    found.pop("of")
    return found


def by_hand(space: TinySpace, names: list[str]) -> dict[str, str]:
    """What each clip with a picture is called by its face alone."""
    opened = TextSpace.open(space.run)
    clips = embed_clips(opened.model, ShardFolder.open(space.shards))
    means = [opened.text_vectors(LABELS[name])["visual"].mean(axis=0) for name in names]
    cosines = clips.vectors["video"]["visual"] @ np.stack([mean / np.linalg.norm(mean) for mean in means]).T
    there = clips.has("video", "visual")
    return {clip: names[best] for clip, best in zip(clips.clip_ids[there], cosines[there].argmax(1), strict=True)}


def test_clips_are_named_by_the_nearest_descriptions(space: TinySpace, tmp_path: Path) -> None:
    found = scores(space, tmp_path, "--labels", labels_file(tmp_path))
    assert list(found) == [
        *("V, visual", "V, affect", "V, all paths", "A, acoustic", "A, affect", "A, all paths"),
        *("VA, visual", "VA, acoustic", "VA, affect", "VA, all paths"),
    ]
    truth = ["happiness", "sadness", "joy of life"]
    called = by_hand(space, truth)
    hits = [name == truth[int(clip[-4:]) // 4] for clip, name in called.items()]
    assert found["V, visual"]["war"] == pytest.approx(np.mean(hits))
    assert [found[name]["num_clips"] for name in ("V, visual", "A, affect", "VA, all paths")] == [6, 6, 3]
    assert found["V, visual"]["uar_chance"] == pytest.approx(1 / 3)
    assert found["VA, all paths"]["uar_chance"] == pytest.approx(1 / 2), "no clip of joy of life has both"


def test_labels_that_do_not_occur_are_no_choice_and_named(space: TinySpace, tmp_path: Path) -> None:
    done = name_clips(space, "--labels", labels_file(tmp_path))
    assert "named among happiness, sadness, joy of life, by their descriptions alone" in " ".join(done.stdout.split())
    assert "no choice, since no clip has it: boredom\n" in done.stdout
    assert "VA, all paths: percent of each label's clips" in done.stdout


def test_the_shipped_labels_leave_out_and_count_what_they_do_not_describe(space: TinySpace, tmp_path: Path) -> None:
    found = scores(space, tmp_path)
    assert {one["num_labels"] for one in found.values()} == {2}
    assert found["V, visual"]["num_left_out"] == found["A, affect"]["num_left_out"] + 1 == 1
    said = " ".join(name_clips(space).stdout.split())
    assert "V, visual; V, affect; V, all paths: 1 clip of joy of life, which is none of the labels, left out" in said
    assert said.count("intervals over 4 speakers") == 1
    assert "no choice, since no clip has it: anger, fear, surprise, disgust, neutral, calm if some of" in said
    assert "if some of these mean joy of life: name the labels as the column label does, --labels FILE note:" in said
    assert "note: all 9 clips are searched, and nobody knows which of them the model was trained on" in said


def test_paths_that_are_not_described_do_not_count(space: TinySpace, tmp_path: Path) -> None:
    only = {name: {"affect": texts} for name, texts in LABELS.items()}
    done = name_clips(space, "--labels", labels_file(tmp_path, only))
    assert "all paths" not in done.stdout
    assert "VA, affect: percent of each label's clips" in done.stdout


def test_holdout_names_only_these_clips(space: TinySpace, tmp_path: Path) -> None:
    found = scores(space, tmp_path, "--labels", labels_file(tmp_path), "--holdout", "speaker=speaker_00,speaker_03")
    assert [found[name]["num_clips"] for name in ("V, visual", "A, affect", "VA, affect")] == [3, 4, 2]
    done = name_clips(space, "--labels", labels_file(tmp_path), "--holdout", "speaker=speaker_00,speaker_03")
    assert done.stdout.endswith(" --holdout speaker=speaker_00,speaker_03\n")


def test_the_labels_to_choose_from_are_those_of_all_rows(space: TinySpace, tmp_path: Path) -> None:
    found = scores(space, tmp_path, "--labels", labels_file(tmp_path), "--holdout", "label=sadness")
    assert {one["num_labels"] for one in found.values()} == {3}, "clips that are not scored have the others"
    assert {one["war_largest_class"] for one in found.values()} == {1}


def test_numbers_say_what_they_are_of(space: TinySpace, tmp_path: Path) -> None:
    labels, out = labels_file(tmp_path), tmp_path / "scores.json"
    name_clips(space, "--labels", labels, "--out", str(out), "--windows", "1")
    of = json.loads(out.read_text())["of"]
    assert (of["labels"], of["labels_sha256"]) == (labels, hashlib.sha256(Path(labels).read_bytes()).hexdigest())
    assert (of["label_column"], of["names"]) == ("label", ["happiness", "sadness", "joy of life"])
    assert (of["holdout"], of["num_clips"], of["windows"]) == (None, 9, 1)
    assert of["note"].startswith("note: all 9 clips are searched, and nobody knows")


def test_any_column_may_hold_the_labels(space: TinySpace, tmp_path: Path) -> None:
    speakers = {f"speaker_{number:02d}": [f"Person {number}."] for number in range(4)}
    found = scores(space, tmp_path, "--labels", labels_file(tmp_path, speakers), "--label-column", "speaker")
    assert found["V, visual"]["num_labels"] == 4
    assert {name for name in found["V, visual"] if name.startswith("recall_")} == {f"recall_{one}" for one in speakers}


def test_clips_are_embedded_once_even_where_nothing_can_be_kept(
    space: TinySpace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = shutil.copytree(space.run, tmp_path / "run", ignore=shutil.ignore_patterns(FOLDER))
    (copy / FOLDER).write_text("in the way")
    calls: list[int] = []

    def counted(*arguments: Any, **named: Any) -> Any:
        calls.append(1)
        return embed_clips(*arguments, **named)

    monkeypatch.setattr(cached_clips, "embed_clips", counted)
    done = vaemo_train_here("zero-shot", "--model", copy, "--data", space.shards)
    assert (done.returncode, len(calls)) == (0, 1)
    assert done.stderr.startswith(f"note: the vectors of clips are not kept, {copy / FOLDER} cannot be written (")


@pytest.mark.parametrize("columns", [80, 120])
def test_the_tables_fit_the_screen(space: TinySpace, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    table, _, _ = name_clips(space).stdout.partition("note:")
    assert max(map(len, table.splitlines())) <= columns
    assert "…" not in table


def test_all_eight_shipped_labels_fit_80_columns() -> None:
    names = read_labels(choose_labels("emotions")).names
    screen = Console(width=80)
    with screen.capture() as shown:
        screen.print(confusion_report(Scores(names, np.full((8, 8), 125)), "VA, all paths"))
    assert "…" not in shown.get()
    assert all(shown.get().count(name) == 2 for name in names)


def test_brackets_in_a_label_are_shown_as_they_are(tmp_path: Path, space: TinySpace) -> None:
    odd = {"speaker_00": ["One."], "speaker_01": ["Two."], "[b]loud[/]": ["Three."]}
    done = name_clips(space, "--labels", labels_file(tmp_path, odd), "--label-column", "speaker")
    assert "no choice, since no clip has it: [b]loud[/]\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--label-column", "mood"],
            "--label-column mood: the shards have no such column; they have audio_channels, a",
        ),
        (["--labels", "moods"], "--labels moods: no such file, and no shipped labels; shipped are emotions"),
        (["--label-column", "speaker"], "--labels emotions describes anger, calm, disgust, fear, happiness and 3 more"),
        (["--label-column", "has_picture"], "are in the column has_picture of the shards, which holds False, True; n"),
        (
            ["--holdout", "label=joy of life"],
            "none of these 1 clips has a label of --labels emotions in the column label, which holds joy of life; sea",
        ),
        (["--label-column", "start_s"], "are in the column start_s of the shards, which holds nothing; name the labe"),
        (["--out", "nowhere/x.json"], "--out nowhere/x.json cannot be written (there is no folder nowhere); give a fi"),
        (["--model", "nowhere"], "--model nowhere: no model in it; give a finished run of `vaemo-train stage2`"),
    ],
)
def test_a_mistake_is_one_clear_line(space: TinySpace, arguments: list[str], message: str) -> None:
    done = vaemo_train_here("zero-shot", *space.options, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


def test_descriptions_of_a_path_that_no_clip_has_are_told(space: TinySpace, tmp_path: Path) -> None:
    labels = {f"speaker_{number:02d}": {"visual": [f"Person {number}."]} for number in range(4)}
    arguments = ["--labels", labels_file(tmp_path, labels), "--label-column", "speaker"]
    done = vaemo_train_here("zero-shot", *space.options, *arguments, "--holdout", "has_picture=False")
    assert done.returncode == 2
    assert " describes visual only, which none of the clips with such a label has; describe other" in done.stderr
