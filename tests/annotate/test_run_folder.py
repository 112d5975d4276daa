"""What a run folder tells its readers, and what they are told where it is none, damaged, or cannot be written."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.run_folder import caption_row, write_run_folder
from vaemo_annotate.dataset import load_rows
from vaemo_annotate.ledger import Ledger
from vaemo_annotate.quality.caption_rows import caption_keys
from vaemo_annotate.quality.measured_cues import _key, cues_of
from vaemo_annotate.review.decision import Decision
from vaemo_annotate.review.store import REVIEWS_FILE, ReviewStore
from vaemo_annotate.run_folder import RunFolder
from vaemo_annotate.verdict_table import people_verdicts
from vaemo_clips.errors import RunFolderError
from vaemo_clips.verdict import Verdict

CUE = {"name": "f0_median", "value": 90.0}
NOBODY = 65534


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        ({}, r"counts.accepted is None, not a number of captions\); run the same `vaemo-annotate run` command again"),
        ([], "it is a list, not a mapping"),
        ({"counts": {}}, "counts.accepted is None, not a number of captions"),
        ({"counts": {"accepted": "3"}}, "counts.accepted is '3', not a number of captions"),
        ({"counts": {"accepted": True}}, "counts.accepted is True, not a number"),
        ({"counts": {"accepted": -1}}, "counts.accepted is -1, not a number"),
        ({"counts": [3]}, r"counts is \[3\], not a mapping"),
        ({"counts": {"accepted": 3}, "manifest": "clips.parquet"}, "manifest is 'clips.parquet', not a mapping"),
    ],
)
def test_a_record_that_is_none_of_a_run_is_refused(tmp_path: Path, content: Any, pattern: str) -> None:
    (tmp_path / "run.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunFolderError, match=rf"run\.json cannot be read \({pattern}"):
        RunFolder(tmp_path).read_record()


@pytest.mark.parametrize("content", [b"{", b"\xff\xfe", b""])
def test_a_record_that_is_cut_off_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"run\.json cannot be read \(.*\); run the same"):
        RunFolder(tmp_path).read_record()


def test_a_folder_without_a_record_says_what_to_give_instead(tmp_path: Path) -> None:
    run = write_run_folder(tmp_path / "a run", accepted=[caption_row(0)])
    shards = tmp_path / "in parts"
    write_run_folder(shards / "shard-1-of-2", accepted=[caption_row(0)])
    piloted = tmp_path / "piloted"
    write_run_folder(piloted / "pilot", accepted=[caption_row(0)])
    (piloted / "ledger.sqlite").touch()
    begun = tmp_path / "begun"
    begun.mkdir()
    (begun / "ledger.sqlite").touch()
    for folder, remedy in [
        (shards, rf"it holds shards: join them with `vaemo-annotate merge '{shards}'`"),
        (piloted, rf"it holds a pilot: give {piloted / 'pilot'}, or run the same .* without --pilot"),
        (begun, "run `vaemo-annotate run` again to finish it"),
        (run / "dataset", f"give the run's folder: '{run}'"),
        (tmp_path, "give the --out of a run"),
        (tmp_path / "none", "give the --out of a run"),
    ]:
        with pytest.raises(RunFolderError, match=rf"holds no finished run \(no run\.json\); {remedy}$"):
            RunFolder(folder).read_record()
    assert RunFolder(piloted / "pilot").read_record()["counts"]["accepted"] == 1


@pytest.mark.parametrize("damage", ["cut off", "gone", "no state"])
def test_a_damaged_dataset_is_refused_in_the_same_words_however_it_is_read(tmp_path: Path, damage: str) -> None:
    dataset = write_run_folder(tmp_path, accepted=[caption_row(0)]) / "dataset"
    [file] = dataset.glob("*.arrow")
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:600])
    elif damage == "gone":
        file.unlink()
    else:
        (dataset / "state.json").write_text("[]", encoding="utf-8")
    pattern = r"dataset.* cannot be read \(.*\); run the same `vaemo-annotate run` command again"
    with pytest.raises(RunFolderError, match=pattern):
        load_rows(dataset)
    with pytest.raises(RunFolderError, match=pattern):
        list(caption_keys(dataset))


def test_a_folder_that_is_no_dataset_is_not_called_damaged(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(RunFolderError, match="is no saved dataset; give the --out of a finished run"):
            load_rows(folder)


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Let nothing in a folder be written, as on a read-only file system; root gives up its rights for that."""
    is_root = os.geteuid() == 0
    folder.chmod(0o555)
    for file in folder.iterdir():
        file.chmod(0o444)
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(0)
        folder.chmod(0o755)


@pytest.fixture
def reviewed() -> Iterator[Path]:
    """A folder, which everybody may enter, with a decision and a measured clip."""
    with tempfile.TemporaryDirectory() as name:
        out = Path(name).resolve()
        out.chmod(0o755)
        ReviewStore(out).append(Decision("1", Verdict("clip_000", 0, "drop", by="ann")))
        with Ledger(out / "check.sqlite") as ledger:
            ledger.note_media_facts(_key("clip_000", "ab", None, None), {"cues": [CUE]})
        yield out


def read(out: Path) -> tuple[list[str], list[Any]]:
    """Who judged, and the cues of the clip that was measured."""
    row: dict[str, Any] = {"clip_id": "clip_000", "sha256": "ab", "start_s": None, "end_s": None, "cues": []}
    people = [one.by for found in people_verdicts(out).values() for one in found]
    return people, cues_of(out)(row)


def test_what_was_reviewed_and_measured_is_read_where_nothing_can_be_written(reviewed: Path) -> None:
    with unwritable(reviewed):
        with pytest.raises(PermissionError):
            (reviewed / "new").touch()
        assert read(reviewed) == (["ann"], [CUE])


def test_a_log_that_a_killed_server_left_is_read_there_too(reviewed: Path) -> None:
    server = sqlite3.connect(reviewed / REVIEWS_FILE)
    server.execute("UPDATE events SET annotator = 'bea'")
    server.commit()
    assert (reviewed / f"{REVIEWS_FILE}-wal").stat().st_size > 0
    with unwritable(reviewed):
        assert read(reviewed) == (["bea"], [CUE])
    server.close()


def test_an_empty_log_does_not_matter_there(reviewed: Path) -> None:
    (reviewed / f"{REVIEWS_FILE}-wal").touch()
    with unwritable(reviewed):
        assert read(reviewed) == (["ann"], [CUE])


def test_reading_decisions_leaves_the_folder_as_it_was(reviewed: Path) -> None:
    before = {path.name: path.read_bytes() for path in reviewed.iterdir()}
    assert len(people_verdicts(reviewed)) == 1
    assert {path.name: path.read_bytes() for path in reviewed.iterdir()} == before


def test_a_store_that_was_never_finished_holds_nothing_and_is_not_made_by_reading(tmp_path: Path) -> None:
    (tmp_path / REVIEWS_FILE).touch()
    assert ReviewStore(tmp_path).verdicts() == []
    assert (tmp_path / REVIEWS_FILE).stat().st_size == 0


@pytest.mark.parametrize("facts", [None, {"speakers": []}])
def test_measurements_that_cannot_be_read_are_not_to_be_deleted(reviewed: Path, facts: Any) -> None:
    if facts is None:
        (reviewed / "check.sqlite").write_bytes(b"no database at all, but long enough to be taken for one" * 30)
    else:
        connection = sqlite3.connect(reviewed / "check.sqlite")
        connection.execute("UPDATE media SET facts = ?", (orjson.dumps(facts),))
        connection.commit()
        connection.close()
    with pytest.raises(RunFolderError, match=r"check\.sqlite cannot be read \(.*\); let it be read, or copy") as caught:
        read(reviewed)
    assert "delete" not in str(caught.value)
