"""Corpora with official lists: MAFW, DFEW, MER2023 and MER2024."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.corpus_trees import rows, touch, write
from vaemo_clips.corpora.registry import corpus_named
from vaemo_clips.errors import ManifestError

MAFW, DFEW, MER2023, MER2024 = (corpus_named(name) for name in ("mafw", "dfew", "mer2023", "mer2024"))
MAFW_SETS = "Train & Test Set/single/no_caption"
DFEW_SETS = "EmoLabel_DataSplit"
FIVE = range(1, 6)


@pytest.fixture
def mafw(tmp_path: Path) -> Path:
    words = ("anger", "contempt", "helplessness", "happiness", "disappointment")
    lines = {number: f"{number:05d}.mp4 {word}" for number, word in zip(FIVE, words, strict=True)}
    for number in FIVE:
        write(tmp_path, f"{MAFW_SETS}/set_{number}/test.txt", lines[number])
        others = [line for other, line in lines.items() if other != number]
        write(tmp_path, f"{MAFW_SETS}/set_{number}/train.txt", *others, "00006.mp4 fear")
    return touch(tmp_path, *(f"data/clips/{number:05d}.mp4" for number in range(1, 9)))


@pytest.fixture
def dfew(tmp_path: Path) -> Path:
    for number in FIVE:
        write(tmp_path, f"{DFEW_SETS}/test(single-labeled)/set_{number}.csv", "video_name,label", f"{number},{number}")
        others = [f"{other},{other}" for other in FIVE if other != number]
        write(tmp_path, f"{DFEW_SETS}/train(single-labeled)/set_{number}.csv", "video_name,label", *others)
    touch(tmp_path, "Clip/clip_224x224/00001/00001.jpg")
    return touch(tmp_path, *(f"Clip/original/part_1/{number}.mp4" for number in (1, 2, 3, 4, 7)))


def test_the_fold_of_a_mafw_clip_is_the_set_that_tests_it(mafw: Path) -> None:
    listing = MAFW.read(mafw)
    assert rows(listing, "path", "label", "fold") == {
        "00001": ("data/clips/00001.mp4", "anger", 1),
        "00002": ("data/clips/00002.mp4", "contempt", 2),
        "00003": ("data/clips/00003.mp4", "helplessness", 3),
        "00004": ("data/clips/00004.mp4", "happiness", 4),
        "00005": ("data/clips/00005.mp4", "disappointment", 5),
        "00006": ("data/clips/00006.mp4", "fear", None),
    }
    assert listing.left_out == {"no label in the official lists": 2}
    assert "speaker" not in listing.rows.column_names


def test_mafw_clips_without_a_file_are_noted_and_sounds_beside_them_are_copies(mafw: Path) -> None:
    (mafw / "data/clips/00004.mp4").unlink()
    touch(mafw, "data/audio_16k/00001.wav", "data/audio_16k/00004.wav")
    listing = MAFW.read(mafw)
    assert rows(listing, "path")["00004"] == "data/audio_16k/00004.wav"
    assert listing.left_out["another copy of a listed clip"] == 1
    (mafw / "data/audio_16k/00004.wav").unlink()
    assert "listed without a file: 1 (first: 00004)" in MAFW.read(mafw).notes


def test_a_clip_that_two_sets_test_is_an_error(mafw: Path) -> None:
    write(mafw, f"{MAFW_SETS}/set_2/test.txt", "00001.mp4 anger")
    with pytest.raises(ManifestError, match=r"set_2/test\.txt: clip 00001 is tested in set 1 and in set 2; each clip"):
        MAFW.read(mafw)


def test_a_clip_that_one_set_trains_and_tests_is_an_error(mafw: Path) -> None:
    write(mafw, f"{MAFW_SETS}/set_3/train.txt", "00003.mp4 helplessness")
    with pytest.raises(ManifestError, match=r"clip 00003 is in train and in test of set 3"):
        MAFW.read(mafw)


def test_a_clip_with_two_labels_is_an_error(mafw: Path) -> None:
    write(mafw, f"{MAFW_SETS}/set_3/train.txt", "00001.mp4 fear")
    with pytest.raises(ManifestError, match=r"clip 00001 is anger there or in another set, but fear in train of set 3"):
        MAFW.read(mafw)


@pytest.mark.parametrize("line", ["00001.mp4 joy", "00001.mp4", "clip.mp4 anger"])
def test_a_line_that_mafw_does_not_have_is_an_error(mafw: Path, line: str) -> None:
    write(mafw, f"{MAFW_SETS}/set_1/test.txt", line)
    with pytest.raises(ManifestError, match=rf"set_1/test\.txt: '{line}' is not CLIP LABEL, as 00025\.mp4 anger"):
        MAFW.read(mafw)


def test_missing_mafw_lists_say_where_they_were_looked_for(mafw: Path) -> None:
    (mafw / MAFW_SETS / "set_4/train.txt").unlink()
    with pytest.raises(
        ManifestError, match=r"there is no .*no_caption/set_4/train\.txt; MAFW .* looks like data/clips"
    ):
        MAFW.read(mafw)
    (mafw / MAFW_SETS / "set_1/test.txt").unlink()
    with pytest.raises(ManifestError, match=r"there is no Train & Test Set/single/no_caption/set_1/test\.txt or"):
        MAFW.read(mafw)


def test_mafw_lists_may_lie_in_the_folder_itself(mafw: Path) -> None:
    for number in FIVE:
        (mafw / MAFW_SETS / f"set_{number}").rename(mafw / f"set_{number}")
    assert MAFW.read(mafw).rows.num_rows == 6


def test_dfew_numbers_are_clips_and_labels(dfew: Path) -> None:
    listing = DFEW.read(dfew)
    assert rows(listing, "path", "label", "fold") == {
        "00001": ("Clip/original/part_1/1.mp4", "happiness", 1),
        "00002": ("Clip/original/part_1/2.mp4", "sadness", 2),
        "00003": ("Clip/original/part_1/3.mp4", "neutral", 3),
        "00004": ("Clip/original/part_1/4.mp4", "anger", 4),
    }
    assert listing.left_out == {"no label in the official lists": 1}
    assert "listed without a file: 1 (first: 00005)" in listing.notes
    assert listing.ignored == {".csv": 10, ".jpg": 1}


def test_the_original_of_a_dfew_clip_comes_before_its_copies(dfew: Path) -> None:
    listing = DFEW.read(touch(dfew, "A/00001.mp4", "A/00005.mp4"))
    assert rows(listing, "path")["00001"] == "Clip/original/part_1/1.mp4"
    assert rows(listing, "path")["00005"] == "A/00005.mp4"
    assert listing.left_out["another copy of a listed clip"] == 1


@pytest.mark.parametrize("row", ["1,8", "1,0", "one,1", "1,"])
def test_a_dfew_row_that_is_no_clip_or_class_is_an_error(dfew: Path, row: str) -> None:
    write(dfew, f"{DFEW_SETS}/test(single-labeled)/set_1.csv", "video_name,label", row)
    with pytest.raises(ManifestError, match=r"set_1\.csv: video_name '\w+' with label '\d?'; .* a label from 1 to 7"):
        DFEW.read(dfew)


def test_a_dfew_list_without_its_columns_says_which_it_has(dfew: Path) -> None:
    write(dfew, f"{DFEW_SETS}/test(single-labeled)/set_1.csv", "name,label", "1,1")
    with pytest.raises(ManifestError, match=r"it has no column video_name; its columns are name, label"):
        DFEW.read(dfew)


def test_dfew_as_pictures_alone_says_which_clips_it_needs(tmp_path: Path) -> None:
    touch(tmp_path, "Clip/clip_224x224/00001/00001.jpg")
    with pytest.raises(ManifestError, match=r"seen: 1 \.jpg.*Clip/original/part_1/1\.mp4.*clip_224x224 has pictures"):
        DFEW.read(tmp_path)


def test_mer2023_parts_and_tracks(tmp_path: Path) -> None:
    write(tmp_path, "train-label.csv", "name,discrete,valence", "sample_1,worried,-2.5", "sample_2,happy,3")
    write(tmp_path, "test1-label.csv", "name,discrete,valence", "sample_3,angry,-4.25")
    write(tmp_path, "test2-label.csv", "name,discrete,valence", "sample_4,neutral,")
    touch(tmp_path, "train/sample_1.mp4", "train/sample_2.mp4", "test1/sample_3.mp4", "test2/sample_4.mp4")
    listing = MER2023.read(touch(tmp_path, "test3/sample_5.mp4"))
    assert rows(listing, "label", "label_valence", "split", "track") == {
        "sample_1": ("worry", -2.5, "train", None),
        "sample_2": ("happiness", 3.0, "train", None),
        "sample_3": ("anger", -4.25, "test", "multi"),
        "sample_4": ("neutral", None, None, "noise"),
    }
    assert listing.left_out == {"no label in the official lists": 1}
    assert "there is no test3-label.csv, so no clip of test3" in listing.notes


def test_mer2023_without_its_list_or_with_a_clip_in_two_parts(tmp_path: Path) -> None:
    touch(tmp_path, "train/sample_1.mp4")
    with pytest.raises(ManifestError, match=r"there is no train-label\.csv; MER2023 looks like train/sample_0"):
        MER2023.read(tmp_path)
    write(tmp_path, "train-label.csv", "name,discrete,valence", "sample_1,worried,-2.5")
    write(tmp_path, "test1-label.csv", "name,discrete,valence", "sample_1,worried,-2.5")
    with pytest.raises(ManifestError, match=r"test1-label\.csv: clip sample_1 is in another part's list too"):
        MER2023.read(tmp_path)
    write(tmp_path, "train-label.csv", "name,discrete,valence", "sample_1,joyous,-2.5")
    with pytest.raises(ManifestError, match=r"train-label\.csv: clip sample_1 is 'joyous'; the official classes are"):
        MER2023.read(tmp_path)


def test_mer2024_labels_and_transcripts(tmp_path: Path) -> None:
    write(tmp_path, "label-disdim.csv", "name,discrete,valence", "s_1,surprise,1.0", "s_2,sad,-1.5")
    write(tmp_path, "label-transcription.csv", "name,chinese,english", "s_1,啊,Ah", "s_9,x,y")
    listing = MER2024.read(touch(tmp_path, "video-labeled/s_1.mp4", "video-labeled/s_2.avi", "video-unlabeled/s_3.mp4"))
    assert rows(listing, "label", "split", "text", "label_valence") == {
        "s_1": ("surprise", "train", "啊", 1.0),
        "s_2": ("sadness", "train", None, -1.5),
    }
    assert listing.left_out == {"no label in the official lists": 1}


def test_a_list_that_gives_a_clip_two_labels_or_is_not_utf8_is_an_error(mafw: Path) -> None:
    path = write(mafw, f"{MAFW_SETS}/set_1/test.txt", "00001.mp4 anger", "00001.mp4 anger", "00001.mp4 fear")
    with pytest.raises(ManifestError, match=r"set_1/test\.txt: clip 00001 is anger and fear; a clip has one label"):
        MAFW.read(mafw)
    path.write_bytes(b"00001.mp4 anger\xff\n")
    with pytest.raises(ManifestError, match=r"set_1/test\.txt: cannot be read as UTF-8 text"):
        MAFW.read(mafw)
