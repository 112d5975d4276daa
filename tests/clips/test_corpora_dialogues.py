"""Corpora of dialogues: IEMOCAP, MSP-IMPROV and MELD."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.corpus_trees import rows, touch, write
from vaemo_clips.corpora.registry import corpus_named
from vaemo_clips.errors import ManifestError

IEMOCAP, MSP_IMPROV, MELD = (corpus_named(name) for name in ("iemocap", "msp-improv", "meld"))
TURNS = (
    "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]",
    "",
    "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.5000, 2.5000]",
    "C-E2:\tNeutral;\t()",
    "[10.0100 - 11.3925]\tSes01F_impro01_M000\texc\t[4.5000, 3.5000, 2.0000]",
    "[12.0000 - 13.5000]\tSes01F_impro01_M001\txxx\t[2.0000, 3.0000, 2.0000]",
    "[14.0000 - 15.5000]\tSes01F_impro01_F001\tfru\t[2.0000, 3.0000, 2.0000]",
)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    top = tmp_path / "IEMOCAP_full_release" / "Session1"
    write(top, "dialog/EmoEvaluation/Ses01F_impro01.txt", *TURNS)
    write(top, "dialog/EmoEvaluation/Categorical/Ses01F_impro01_e1_cat.txt", "Ses01F_impro01_F000 :Neutral; ()")
    words = "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me."
    (top / "dialog/transcriptions").mkdir()
    (top / "dialog/transcriptions/Ses01F_impro01.txt").write_bytes(f"{words}\nM: What\x92s?\n".encode("latin-1"))
    touch(top, "dialog/wav/Ses01F_impro01.wav", "dialog/avi/DivX/Ses01F_impro01.avi")
    touch(
        top, *(f"sentences/wav/Ses01F_impro01/Ses01F_impro01_{turn}.wav" for turn in ("F000", "M000", "M001", "F009"))
    )
    return top


def test_iemocap_turns_are_segments_of_the_dialogue_s_video(session: Path) -> None:
    listing = IEMOCAP.read(session.parents[1])
    assert listing.rows.to_pylist()[0] == {
        "path": "IEMOCAP_full_release/Session1/dialog/avi/DivX/Ses01F_impro01.avi",
        "clip_id": "Ses01F_impro01_F000",
        "start_s": 6.2901,
        "end_s": 8.2357,
        "label": "neutral",
        "label4": "neutral",
        "speaker": "Ses01F",
        "fold": 1,
        "dialogue": "Ses01F_impro01",
        "text": "Excuse me.",
        "label_valence": 2.5,
        "label_arousal": 2.5,
        "label_dominance": 2.5,
    }
    assert rows(listing, "label", "label4", "speaker", "label_arousal") == {
        "Ses01F_impro01_F000": ("neutral", "neutral", "Ses01F", 2.5),
        "Ses01F_impro01_M000": ("excitement", "happiness", "Ses01M", 3.5),
        "Ses01F_impro01_M001": (None, None, "Ses01M", 3.0),
        "Ses01F_impro01_F001": ("frustration", None, "Ses01F", 3.0),
    }
    assert listing.left_out == {
        "a whole dialogue, whose turns are listed": 1,
        "another copy of a listed clip": 3,
        "no label in the official lists": 1,
    }
    assert "only 1 of 5 sessions are there" in listing.notes


def test_without_a_video_iemocap_turns_are_the_sentences_sounds(session: Path) -> None:
    (session / "dialog/avi/DivX/Ses01F_impro01.avi").unlink()
    listing = IEMOCAP.read(session.parent)
    assert rows(listing, "path", "start_s", "end_s")["Ses01F_impro01_M000"] == (
        "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav",
        None,
        None,
    )
    assert "listed without a file: 1 (first: Ses01F_impro01_F001)" in listing.notes


def test_scripted_iemocap_dialogues_and_other_sessions(session: Path) -> None:
    other = session.with_name("Session5")
    line = "[1.0000 - 2.0000]\tSes05M_script01_1b_F013\thap\t[4.0000, 3.0000, 3.0000]"
    write(other, "dialog/EmoEvaluation/Ses05M_script01_1b.txt", line)
    touch(other, "dialog/avi/DivX/Ses05M_script01_1b.avi")
    found = rows(IEMOCAP.read(session.parent), "label", "speaker", "fold")
    assert found["Ses05M_script01_1b_F013"] == ("happiness", "Ses05F", 5)


def test_iemocap_without_ratings_or_with_an_unknown_class(session: Path) -> None:
    path = write(session, "dialog/EmoEvaluation/Ses01F_impro01.txt", TURNS[2].replace("neu", "joy"))
    with pytest.raises(ManifestError, match=r"turn Ses01F_impro01_F000 is 'joy'; the official classes are ang, dis"):
        IEMOCAP.read(session.parent)
    write(session, "dialog/EmoEvaluation/Ses01F_impro01.txt", TURNS[2].replace("2.5000, ", "", 1))
    with pytest.raises(ManifestError, match=r"does not read as \[START - END\] TURN EMOTION \[V, A, D\]"):
        IEMOCAP.read(session.parent)
    path.unlink()
    with pytest.raises(ManifestError, match=r"Session1: there is no dialog/EmoEvaluation/Ses\*\.txt; IEMOCAP looks"):
        IEMOCAP.read(session.parent)
    with pytest.raises(ManifestError, match=r"there is no Session1 or IEMOCAP_full_release/Session1 or"):
        IEMOCAP.read(session)


def test_msp_improv_turns(tmp_path: Path) -> None:
    write(
        tmp_path,
        "Evalution.txt",
        "UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.000000; V:3.500000; D:NaN ; N:4.000000;",
        "E-123; Neutral; Neutral; A:3.000000; V:3.000000; D:3.000000; N:3.000000;",
        "UTD-IMPROV-S03H-M06-S-FM03.avi; O; A:2.000000; V:3.500000; D:2.000000 ; N:4.000000;",
        "UTD-IMPROV-S08S-M02-R-MF01.avi; X; A:2.000000; V:3.500000; D:2.000000 ; N:4.000000;",
    )
    touch(tmp_path, "session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav", "video/UTD-IMPROV-S01A-F01-P-FM01.avi")
    touch(tmp_path, "session6/S03H/S/MSP-IMPROV-S03H-M06-S-FM03.wav", "session2/MSP-IMPROV-S08S-M02-R-MF01.wav")
    listing = MSP_IMPROV.read(touch(tmp_path, "session2/MSP-IMPROV-S08S-M02-R-MF02.wav", "x.wav"))
    assert rows(listing, "path", "label", "label4", "speaker", "fold", "scenario") == {
        "MSP-IMPROV-S01A-F01-P-FM01": ("video/UTD-IMPROV-S01A-F01-P-FM01.avi", "neutral", "neutral", "F01", 1, "P"),
        "MSP-IMPROV-S03H-M06-S-FM03": (
            "session6/S03H/S/MSP-IMPROV-S03H-M06-S-FM03.wav",
            "other",
            None,
            "M06",
            6,
            "S",
        ),
        "MSP-IMPROV-S08S-M02-R-MF01": ("session2/MSP-IMPROV-S08S-M02-R-MF01.wav", None, None, "M02", 2, "R"),
    }
    numbers = rows(listing, "label_valence", "label_arousal", "label_dominance")
    assert numbers["MSP-IMPROV-S01A-F01-P-FM01"] == (3.5, 3.0, None)
    assert listing.left_out == {
        "another copy of a listed clip": 1,
        "no label in the official lists": 1,
        "not named as the corpus names its clips": 1,
    }


def test_msp_improv_without_its_list_or_with_another_one(tmp_path: Path) -> None:
    touch(tmp_path, "MSP-IMPROV-S01A-F01-P-FM01.wav")
    with pytest.raises(ManifestError, match=r"there is no Evalution\.txt or Evaluation\.txt; MSP-IMPROV looks like"):
        MSP_IMPROV.read(tmp_path)
    write(tmp_path, "Evaluation.txt", "nothing")
    with pytest.raises(ManifestError, match=r"Evaluation\.txt: no line reads as UTD-IMPROV-S01A-F01-P-FM01\.avi; N"):
        MSP_IMPROV.read(tmp_path)
    write(tmp_path, "Evaluation.txt", "UTD-IMPROV-S01A-F07-P-FM01.avi; N; A:3.0; V:3.5; D:3.0 ; N:4.0;")
    with pytest.raises(ManifestError, match=r"'UTD-IMPROV-S01A-F07-P-FM01\.avi; N; .*does not read as UTD-IMPROV-S01A"):
        MSP_IMPROV.read(tmp_path)
    write(tmp_path, "Evaluation.txt", "UTD-IMPROV-S01A-F01-P-FM01.avi; Q; A:3.0; V:3.5; D:3.0 ; N:4.0;")
    with pytest.raises(ManifestError, match=r"turn S01A-F01-P-FM01 is 'Q'; the official classes are A, H, N, S, O, X"):
        MSP_IMPROV.read(tmp_path)


MELD_HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime"


@pytest.fixture
def meld(tmp_path: Path) -> Path:
    write(tmp_path, "train/train_sent_emo.csv", MELD_HEADER, '1,"Oh, hi!",Chandler,joy,positive,0,0,8,21,"0,0","0,1"')
    write(tmp_path, "dev_sent_emo.csv", MELD_HEADER, "1,No.,Ross,sadness,negative,0,0,1,1,a,b")
    write(tmp_path, "test_sent_emo.csv", MELD_HEADER, "1,Why?,Joey,surprise,negative,0,0,1,1,a,b")
    touch(tmp_path, "train/train_splits/dia0_utt0.mp4", "dev/dev_splits_complete/dia0_utt0.mp4")
    return touch(tmp_path, "test/output_repeated_splits_test/dia0_utt0.mp4", "test/output_repeated_splits_test/._x.mp4")


def test_meld_clips_of_one_name_in_three_parts_are_three_clips(meld: Path) -> None:
    touch(meld, "test/output_repeated_splits_test/final_videos_testdia0_utt0.mp4", "train/train_splits/dia9_utt9.mp4")
    listing = MELD.read(meld)
    assert rows(listing, "path", "label", "speaker", "split", "text") == {
        "train_dia0_utt0": ("train/train_splits/dia0_utt0.mp4", "happiness", "Chandler", "train", "Oh, hi!"),
        "dev_dia0_utt0": ("dev/dev_splits_complete/dia0_utt0.mp4", "sadness", "Ross", "dev", "No."),
        "test_dia0_utt0": ("test/output_repeated_splits_test/dia0_utt0.mp4", "surprise", "Joey", "test", "Why?"),
    }
    assert listing.left_out == {
        "no label in the official lists": 1,
        "not named as the corpus names its clips": 1,
    }
    assert any("share speakers" in note for note in listing.notes)


def test_meld_without_a_list_or_with_an_unknown_class(meld: Path) -> None:
    write(meld, "dev_sent_emo.csv", MELD_HEADER, "1,No.,Ross,bliss,negative,0,0,1,1,a,b")
    with pytest.raises(ManifestError, match=r"dev_sent_emo\.csv: dia0_utt0 is 'bliss'; the official classes are anger"):
        MELD.read(meld)
    (meld / "dev_sent_emo.csv").unlink()
    with pytest.raises(ManifestError, match=r"there is no dev_sent_emo\.csv or dev/dev_sent_emo\.csv; MELD looks like"):
        MELD.read(meld)
