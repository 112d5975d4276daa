"""Corpora whose file names say everything: RAVDESS, CREMA-D and Emo-DB."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.support.corpus_trees import rows, touch, write
from tests.support.real_data import real_data
from vaemo_clips.corpora.registry import corpus_named
from vaemo_clips.errors import ManifestError

RAVDESS, CREMA_D, EMODB = (corpus_named(name) for name in ("ravdess", "crema-d", "emodb"))


def manifest_of(folder: Path, *columns: str) -> dict[str, tuple[str, ...]]:
    with (folder / "manifest.csv").open(encoding="utf-8", newline="") as file:
        return {row["clip_id"]: tuple(row[name] for name in columns) for row in csv.DictReader(file)}


def test_ravdess_names_say_who_speaks_how_and_in_which_fold(tmp_path: Path) -> None:
    touch(tmp_path, "Actor_12/01-01-06-01-02-01-12.mp4", "Actor_05/01-01-08-02-01-02-05.mp4")
    listing = RAVDESS.read(tmp_path)
    assert listing.rows.to_pylist()[1] == {
        "path": "Actor_12/01-01-06-01-02-01-12.mp4",
        "clip_id": "01-01-06-01-02-01-12",
        "start_s": None,
        "end_s": None,
        "label": "fearful",
        "speaker": "actor_12",
        "fold": 3,
        "intensity": "normal",
        "statement": 2,
        "repetition": 1,
        "vocal_channel": "speech",
        "modality": "audio-visual",
        "text": "Dogs are sitting by the door.",
    }
    assert rows(listing, "label", "fold", "intensity")["01-01-08-02-01-02-05"] == ("surprised", 2, "strong")


def test_each_ravdess_performance_is_listed_once_and_with_sound_and_picture_where_it_can_be(tmp_path: Path) -> None:
    touch(tmp_path, "V/01-01-01-01-01-01-01.mp4", "V/02-01-01-01-01-01-01.mp4", "A/03-01-01-01-01-01-01.wav")
    touch(tmp_path, "V/02-01-03-01-01-01-02.mp4", "A/03-01-03-01-01-01-02.wav", "B/03-01-03-01-01-01-02.flac")
    touch(tmp_path, "V/02-02-04-01-01-01-03.mp4")
    listing = RAVDESS.read(tmp_path)
    assert rows(listing, "modality") == {
        "01-01-01-01-01-01-01": "audio-visual",
        "02-02-04-01-01-01-03": "video",
        "03-01-03-01-01-01-02": "audio",
    }
    assert listing.left_out == {"another copy of a listed clip": 1, "another modality of a listed performance": 3}
    assert listing.found == 7
    assert any("speech and song" in note for note in listing.notes)
    assert any("not all in the same modality" in note for note in listing.notes)


@pytest.mark.parametrize(
    "name",
    ["01-01-09-01-01-01-01.mp4", "01-01-01-01-01-01-25.mp4", "01-01-01-01-01-01.mp4", "04-01-01-01-01-01-01.wav"],
)
def test_files_that_are_not_named_as_ravdess_names_them_are_counted(tmp_path: Path, name: str) -> None:
    listing = RAVDESS.read(touch(tmp_path, name, "03-01-01-01-01-01-01.wav", "notes.txt"))
    assert listing.left_out == {"not named as the corpus names its clips": 1}
    assert (listing.rows.num_rows, listing.found, listing.ignored) == (1, 2, {".txt": 1})


def test_the_real_ravdess_has_the_labels_speakers_and_folds_of_its_manifest() -> None:
    folder = real_data("ravdess_speech")
    listing = RAVDESS.read(folder)
    columns = ("path", "label", "speaker", "fold", "intensity", "statement", "repetition")
    read = {clip: tuple(map(str, values)) for clip, values in rows(listing, *columns).items()}
    assert read == manifest_of(folder, *columns)
    assert (len(read), dict(listing.left_out)) == (1424, {})


def test_the_real_emodb_has_the_labels_and_speakers_of_its_manifest() -> None:
    folder = real_data("emodb")
    columns = ("path", "label", "speaker", "text_code", "version")
    listing = EMODB.read(folder)
    assert rows(listing, *columns) == manifest_of(folder, *columns)
    assert "fold" not in listing.rows.column_names


def test_emodb_letters_are_german_words(tmp_path: Path) -> None:
    letters = {"W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness"}
    touch(tmp_path, *(f"wav/03a01{letter}a.wav" for letter in (*letters, "N", "X")))
    listing = EMODB.read(tmp_path)
    assert rows(listing, "label") == {f"03a01{k}a": v for k, v in letters.items()} | {"03a01Na": "neutral"}
    assert listing.left_out == {"not named as the corpus names its clips": 1}
    assert any("leave one speaker out" in note for note in listing.notes)


def test_crema_d_takes_the_video_of_a_clip_and_leaves_out_what_is_broken(tmp_path: Path) -> None:
    touch(tmp_path, "VideoFlash/1001_DFA_ANG_XX.flv", "AudioWAV/1001_DFA_ANG_XX.wav", "AudioMP3/1001_DFA_ANG_XX.mp3")
    touch(tmp_path, "AudioWAV/1091_IEO_SAD_HI.wav", "AudioMP3/1091_IEO_SAD_HI.mp3", "AudioWAV/1040_ITH_SAD_X.wav")
    touch(tmp_path, "AudioWAV/1064_IEO_DIS_MD.wav", "AudioWAV/1001_DFA_JOY_XX.wav")
    listing = CREMA_D.read(tmp_path)
    assert rows(listing, "path", "label", "speaker", "fold", "intensity", "text") == {
        "1001_DFA_ANG_XX": ("VideoFlash/1001_DFA_ANG_XX.flv", "anger", "1001", 1, None, "Don't forget a jacket."),
        "1091_IEO_SAD_HI": ("AudioWAV/1091_IEO_SAD_HI.wav", "sadness", "1091", 5, "high", "It's eleven o'clock."),
        "1040_ITH_SAD_X": (
            "AudioWAV/1040_ITH_SAD_X.wav",
            "sadness",
            "1040",
            3,
            None,
            "I think I have a doctor's appointment.",
        ),
    }
    assert listing.left_out == {
        "another copy of a listed clip": 3,
        "known to be broken": 1,
        "not named as the corpus names its clips": 1,
    }


def test_crema_d_folds_share_no_actor_and_are_18_or_19_actors_large(tmp_path: Path) -> None:
    touch(tmp_path, *(f"{actor}_{text}_ANG_XX.wav" for actor in range(1001, 1092) for text in ("DFA", "TSI")))
    pairs = set(rows(CREMA_D.read(tmp_path), "speaker", "fold").values())
    assert len(pairs) == 91, "one fold an actor"
    assert [sum(fold == number for _, fold in pairs) for number in range(1, 6)] == [18, 18, 18, 18, 19]


def test_lists_in_the_crema_d_folder_say_the_folds(tmp_path: Path) -> None:
    touch(tmp_path, "1001_DFA_ANG_XX.wav", "1002_DFA_ANG_XX.wav")
    for number in range(1, 6):
        write(tmp_path, f"split{number:02d}/test.csv", f"/data/face/100{number}_DFA_ANG_XX /data/x.wav 0")
    listing = CREMA_D.read(tmp_path)
    assert rows(listing, "fold") == {"1001_DFA_ANG_XX": 1, "1002_DFA_ANG_XX": 2}
    assert any("split01 to split05" in note for note in listing.notes)
    write(tmp_path, "split02/test.csv", "1001_DFA_ANG_XX 0")
    with pytest.raises(ManifestError, match=r"split02/test\.csv: clip 1001_DFA_ANG_XX is tested in set 1 and in set 2"):
        CREMA_D.read(tmp_path)


@pytest.mark.parametrize("corpus", [RAVDESS, CREMA_D, EMODB], ids=lambda corpus: corpus.name)
def test_a_folder_without_a_clip_of_the_corpus_says_how_it_looks(tmp_path: Path, corpus: object) -> None:
    touch(tmp_path, "a.mp4")
    with pytest.raises(
        ManifestError, match=r"none of its 1 media files is a clip of .*\(first: a\.mp4\); .* looks like"
    ):
        corpus.read(tmp_path)  # type: ignore[attr-defined]
