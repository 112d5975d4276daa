"""The store of decisions: on the disk before the answer, nothing lost, nothing counted twice."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.run_folder import caption_row, write_run_folder
from tests.support.servers import REPOSITORY
from vaemo_annotate.review.decision import Decision
from vaemo_annotate.review.store import REVIEWS_FILE, ReviewStore
from vaemo_annotate.verdict_table import write_verdicts
from vaemo_clips.errors import CaptionError, RunFolderError
from vaemo_clips.verdict import VERDICTS_FILE, Verdict, read_verdicts


def sent(number: int = 0, **changes: Any) -> dict[str, Any]:
    return {
        "decision_id": f"decision-{number}",
        "annotator": "Anna",
        "clip_id": f"clip_{number:03d}",
        "sample_index": 0,
        "verdict": "keep",
        "caption_sha256": "ab" * 32,
        **changes,
    }


def judged(store: ReviewStore) -> dict[tuple[str, str], str]:
    return {(verdict.clip_id, verdict.by): verdict.verdict for verdict in store.verdicts()}


def test_a_decision_is_on_the_disk_when_append_returns(tmp_path: Path) -> None:
    ReviewStore(tmp_path).append(Decision.of(sent(verdict="fixed", fixed_description="calm", reasons=["review.leak"])))
    rows = sqlite3.connect(f"file:{tmp_path / REVIEWS_FILE}?mode=ro", uri=True).execute("SELECT word FROM events")
    assert rows.fetchall() == [("fixed",)]
    (verdict,) = ReviewStore(tmp_path).verdicts()
    assert (verdict.verdict, verdict.fixed_description, verdict.by) == ("fixed", "calm", "Anna")
    assert (verdict.reasons, verdict.caption_sha256) == (("review.leak",), "ab" * 32)
    assert verdict.at is not None


def test_a_decision_that_is_sent_twice_counts_once(tmp_path: Path) -> None:
    store = ReviewStore(tmp_path)
    assert store.append(Decision.of(sent()))
    assert not store.append(Decision.of(sent()))
    assert store.num_events() == 1


def test_the_last_word_of_each_person_counts(tmp_path: Path) -> None:
    store = ReviewStore(tmp_path)
    store.append(Decision.of(sent(decision_id="1")))
    store.append(Decision.of(sent(decision_id="2", annotator="Ben")))
    store.append(Decision.of(sent(decision_id="3", verdict="drop", reasons=["review.other"])))
    assert judged(store) == {("clip_000", "Anna"): "drop", ("clip_000", "Ben"): "keep"}


def test_undo_brings_back_what_the_person_said_before(tmp_path: Path) -> None:
    store = ReviewStore(tmp_path)
    store.append(Decision.of(sent(decision_id="1")))
    store.append(Decision.of(sent(decision_id="2", verdict="drop")))
    store.append(Decision.of(sent(1, annotator="Ben")))
    assert store.undo("Anna", "undo-1") == ("clip_000", 0)
    assert judged(store)["clip_000", "Anna"] == "keep"
    assert store.undo("Anna", "undo-1") == ("clip_000", 0), "the same undoing, sent again"
    assert store.undo("Anna", "undo-2") == ("clip_000", 0)
    assert store.undo("Anna", "undo-3") is None
    assert judged(store) == {("clip_001", "Ben"): "keep"}
    assert store.ever_judged() == {(("clip_000", 0), "Anna"), (("clip_001", 0), "Ben")}


def test_undo_leaves_what_was_decided_before_and_what_is_asked_elsewhere(tmp_path: Path) -> None:
    store = ReviewStore(tmp_path)
    store.append(Decision.of(sent(0)))
    began_after = store.num_events()
    store.append(Decision.of(sent(1)))
    store.append(Decision.of(sent(2)))
    assert store.undo("Anna", "undo-1", began_after, [("clip_000", 0), ("clip_001", 0)]) == ("clip_001", 0)
    assert store.undo("Anna", "undo-2", began_after, [("clip_000", 0), ("clip_001", 0)]) is None
    assert judged(store) == {("clip_000", "Anna"): "keep", ("clip_002", "Anna"): "keep"}


def test_an_empty_folder_has_no_verdicts_and_gets_no_file(tmp_path: Path) -> None:
    assert ReviewStore(tmp_path).verdicts() == []
    assert not (tmp_path / REVIEWS_FILE).exists()


WRITER = """
import sys
from pathlib import Path
from vaemo_annotate.review.decision import Decision
from vaemo_annotate.review.store import ReviewStore
sys.stdin.read(1)
store = ReviewStore(Path(sys.argv[1]))
for number in range(25):
    own = {"decision_id": f"{sys.argv[2]}-{number}", "annotator": sys.argv[2], "clip_id": f"clip_{number}"}
    store.append(Decision.of({**own, "sample_index": 0, "verdict": "keep", "caption_sha256": "ab"}))
"""


def test_processes_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    people = ["Anna", "Ben", "Cleo"]
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    writers = [subprocess.Popen([*command, name], cwd=REPOSITORY, stdin=subprocess.PIPE) for name in people]
    for writer in writers:  # all wait for this, so that they meet at a file that is not there yet
        assert writer.stdin is not None
        writer.stdin.write(b"x")
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert len(judged(ReviewStore(tmp_path))) == 75


def test_people_outlive_a_new_verdict_table(tmp_path: Path) -> None:
    write_run_folder(tmp_path, accepted=[caption_row(0), caption_row(1)])
    ReviewStore(tmp_path).append(Decision.of(sent(1, verdict="drop", reasons=["review.clip"])))
    write_verdicts(tmp_path, [Verdict("clip_000", 0, "keep"), Verdict("clip_001", 0, "keep")])
    found = [(verdict.clip_id, verdict.by, verdict.verdict) for verdict in read_verdicts(tmp_path / VERDICTS_FILE)]
    assert found == [("clip_000", "check", "keep"), ("clip_001", "check", "keep"), ("clip_001", "Anna", "drop")]


def test_a_store_of_a_later_version_says_what_to_do(tmp_path: Path) -> None:
    ReviewStore(tmp_path).append(Decision.of(sent()))
    connection = sqlite3.connect(tmp_path / REVIEWS_FILE)
    connection.execute("PRAGMA user_version = 9")
    with pytest.raises(RunFolderError, match=r"reviews\.sqlite is of version 9, this program reads version 1; update"):
        ReviewStore(tmp_path).verdicts()


def test_a_damaged_store_is_a_users_error(tmp_path: Path) -> None:
    (tmp_path / REVIEWS_FILE).write_bytes(b"no database at all, but long enough to be taken for one" * 30)
    with pytest.raises(RunFolderError, match=r"reviews\.sqlite cannot be used \(file is not a database\)"):
        ReviewStore(tmp_path).append(Decision.of(sent()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"verdict": "maybe"}, "must be one of keep, drop, fixed"),
        ({"verdict": "fixed"}, "a description stands exactly where the verdict is fixed"),
        ({"fixed_description": "calm"}, "a description stands exactly where the verdict is fixed"),
        ({"reasons": ["form.gibberish"]}, r"reason 'form.gibberish' is none of review.wrong_emotion, "),
        ({"reasons": "review.other"}, "is none of"),
        ({"reasons": [[1]]}, r"reason '\[1\]' is none of review.wrong_emotion, "),
        ({"annotator": "Check"}, "annotator 'Check' is what the software signs with"),
        ({"annotator": " "}, "is no name; give 1 to 60 printable characters"),
        ({"annotator": "a\x00b"}, "is no name"),
        ({"annotator": "x" * 61}, "is no name"),
        ({"sample_index": -1}, "sample_index is -1; it must be a whole number from 0 on"),
        ({"sample_index": True}, "sample_index is True"),
        ({"clip_id": 7}, "clip_id is 7; it must be a text"),
        ({"decision_id": ""}, "decision_id is ''; it must be a text of 1 to 100 characters"),
        ({"verdict": "fixed", "fixed_description": "half \ud83d"}, "fixed_description is"),
    ],
)
def test_what_is_no_decision_is_refused_with_a_reason(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(CaptionError, match=message):
        Decision.of(sent(**changes))
