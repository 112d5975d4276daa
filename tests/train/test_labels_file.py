"""Files of labels: the shipped one can be read, and every fault is told at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from vaemo_clips.demo.manner import MANNERS
from vaemo_clips.errors import RecipeError
from vaemo_train.captions.paths import PATHS
from vaemo_train.evaluate import labels_file
from vaemo_train.evaluate.labels_file import LabelTexts, choose_labels, read_labels, shipped_labels

OF_EMOTION = re.compile(
    "happ|cheer|joy|sad|deject|ang(er|ry)|irritat|fear|afraid|anxi|surpris|astonish|disgust|neutral|calm|emotion"
)


@pytest.fixture(scope="module")
def emotions() -> LabelTexts:
    return read_labels(shipped_labels()["emotions"])


def test_the_shipped_emotions_are_those_of_the_demo_and_calm(emotions: LabelTexts) -> None:
    assert set(emotions.names) == {*MANNERS, "calm"}
    assert emotions.paths == PATHS


@pytest.mark.parametrize("path", PATHS)
def test_each_shipped_emotion_has_as_many_descriptions(emotions: LabelTexts, path: str) -> None:
    assert {len(texts) for texts in emotions.descriptions[path]} == {4}
    for text in emotions.of_path(path)[0]:
        assert text[0].isupper(), text
        assert text.endswith("."), text


@pytest.mark.parametrize("path", ["visual", "acoustic"])
def test_what_is_seen_or_heard_is_no_word_of_emotion(emotions: LabelTexts, path: str) -> None:
    assert [text for text in emotions.of_path(path)[0] if OF_EMOTION.search(text.lower())] == []


@pytest.mark.parametrize(
    "phrase", ["Measured against this speaker's", "Compared with the same person's", "For this speaker"]
)
@pytest.mark.parametrize("path", PATHS)
def test_phrases_of_reference_do_not_tell_emotions_apart(emotions: LabelTexts, path: str, phrase: str) -> None:
    assert len({sum(phrase in text for text in texts) for texts in emotions.descriptions[path]}) == 1


def test_shipped_labels_are_found_by_name_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert choose_labels("emotions") == shipped_labels()["emotions"]
    Path("own.yaml").write_text("a: [x]\nb: [y]\n")
    assert choose_labels("own.yaml") == Path("own.yaml")
    with pytest.raises(
        RecipeError, match=r"^--labels emotion: no such file, and no shipped labels; shipped are emotio"
    ):
        choose_labels("emotion")


def test_an_installed_package_has_them_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "vaemo_train"
    (package / "labels").mkdir(parents=True)
    (package / "labels" / "emotions.yaml").write_text("a: [x]\nb: [y]\n")
    monkeypatch.setattr(labels_file, "_PACKAGE", package)
    assert shipped_labels() == {"emotions": package / "labels" / "emotions.yaml"}
    monkeypatch.setattr(labels_file, "_PACKAGE", tmp_path / "nowhere" / "vaemo_train")
    assert shipped_labels() == {}


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "labels.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plain_list_counts_for_every_path(tmp_path: Path) -> None:
    text = "anger: [frowns, shouts loudly]\n1: {affect: [one], visual: [two], acoustic: [three]}\n"
    labels = read_labels(written(tmp_path, text))
    assert labels.names == ("anger", "1")
    for path in PATHS:
        assert labels.descriptions[path][0] == ("frowns", "shouts loudly")
    assert labels.of_path("visual") == (("frowns", "shouts loudly", "two"), ("anger", "anger", "1"))
    assert labels.texts == ("frowns", "one", "shouts loudly", "three", "two")


def test_paths_may_be_left_out_of_all_labels(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, "a: {affect: ['x\n  y']}\nb: {affect: [z]}\nc: {affect: [v]}\n"))
    assert labels.paths == ("affect",)
    assert labels.descriptions["affect"] == (("x y",), ("z",), ("v",))
    assert labels.only({"c", "a", "q"}) == LabelTexts(("a", "c"), {"affect": (("x y",), ("v",))})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n", r"labels\.yaml: holds a list; such a file is a mapping of labels to their descriptions$"),
        ("a: [x]\na: [y]\n", r"key 'a' is written twice"),
        ("a: [x]\n", r"labels\.yaml: holds 1 label; there is nothing to choose from below two: add labels$"),
        ("{}\n", r"labels\.yaml: holds 0 label"),
        ("yes: [x]\nb: [y]\n", r"True: a label must be text \(YAML reads it as bool\); put it in quotes$"),
        ("' ': [x]\nb: [y]\n", r"' ': a label must not be blank; name it as the clips' label column does$"),
        ("' b': [x]\nb: [y]\n", r"labels\.yaml: b: is written twice; merge both$"),
        (
            "a: x\nb: [y]\n",
            r"a: must be a list of descriptions or a mapping with visual, acoustic, affect \(it is 'x'\)$",
        ),
        ("a: {}\nb: [y]\n", r"a: must be a list .* \(it is {}\)$"),
        ("a:\nb: [y]\n", r"a: must be a list .* \(it is None\)$"),
        ("a: {visul: [x]}\nb: [y]\n", r"a\.visul: unknown key; a label has visual, acoustic, affect$"),
        ("a: {affect: x}\nb: {affect: [y]}\n", r"a\.affect: must be a list of descriptions \(it is 'x'\)$"),
        ("a: []\nb: [y]\n", r"a: holds no description; write at least one$"),
        ("a: {affect: []}\nb: {affect: [y]}\n", r"a\.affect: holds no description; write at least one$"),
        ("a: [x, ' ']\nb: [y]\n", r"a\[1\]: is blank; write a description or leave it out$"),
        ("a: {affect: [3]}\nb: {affect: [y]}\n", r"a\.affect\[0\]: must be text \(it is 3\); put it in quotes$"),
        (
            "a: [x]\nb: {affect: [y]}\n",
            r"b: has no visual descriptions, but a has; describe it for all labels or none\n",
        ),
        ("a: [x]\nb: {visual: [v], acoustic: [x], affect: [y]}\n", r"b\.acoustic\[0\]: says the same as a\[0\]; each"),
        (
            "a: [x, x]\nb: [y]\n",
            r"labels\.yaml: a\[1\]: says the same as a\[0\]; each description belongs to one la[^\n]*$",
        ),
    ],
)
def test_a_fault_is_told_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_labels(written(tmp_path, text))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = "a: {affect: [x, 3], visul: [x]}\nb: {affect: [x, '']}\nc: 4\n"
    with pytest.raises(RecipeError) as told:
        read_labels(written(tmp_path, text))
    lines = str(told.value).splitlines()
    assert [line.split("labels.yaml: ")[1].split(": ")[0] for line in lines] == [
        "a.affect[1]",
        "a.visul",
        "b.affect[1]",
        "c",
        "b.affect[0]",
    ]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"^labels .*none\.yaml cannot be read: .*; give the path of a labels YAML file$"
    ):
        read_labels(tmp_path / "none.yaml")
