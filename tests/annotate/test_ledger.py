"""The ledger: committed means on disk, once, and readable at once by anybody."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vaemo_annotate.ledger as ledger_module
from vaemo_annotate.ledger import LEDGER_VERSION, Ledger
from vaemo_annotate.reply import Reply
from vaemo_clips.errors import RunFolderError


def reply(text: str) -> Reply:
    return Reply(200, text, "stop", 10, None, 5, 0.25, 1, "2026-05-04T12:00:00+00:00")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.sqlite"


def elsewhere(path: Path, query: str) -> list[Any]:
    """Read through a connection of its own."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


class CountedConnection(sqlite3.Connection):
    """Counts its transactions."""

    begun = 0

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        if not self.in_transaction and str(arguments[0]).startswith("INSERT"):
            type(self).begun += 1
        return super().execute(*arguments)


async def test_replies_come_back_in_the_order_of_their_attempts(path: Path) -> None:
    with Ledger(path) as ledger:
        for attempt in (2, 0, 1):
            await ledger.commit_reply(b"key", attempt, "look", "clip", reply(f"attempt {attempt}"))
        await ledger.commit_reply(b"other", 0, "look", "clip", reply("other"))
        assert [one.text for one in ledger.replies(b"key")] == ["attempt 0", "attempt 1", "attempt 2"]
        assert ledger.replies(b"none") == []
        assert ledger.replies(b"key")[0] == reply("attempt 0")


async def test_a_committed_reply_is_readable_through_another_connection_at_once(path: Path) -> None:
    with Ledger(path) as ledger:
        for number in range(5):
            await ledger.commit_reply(b"key", number, "look", "clip", reply("x"))
            assert elsewhere(path, "SELECT COUNT(*) FROM attempts") == [(number + 1,)]


async def test_a_commit_waits_for_the_disk(path: Path) -> None:
    with Ledger(path) as ledger:
        assert ledger._reader.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"
        assert ledger._reader.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_a_committed_attempt_is_never_overwritten(path: Path) -> None:
    with Ledger(path) as ledger:
        await ledger.commit_reply(b"key", 0, "look", "clip", reply("first"))
        with pytest.raises(RunFolderError, match=r"ledger\.sqlite cannot be written \(UNIQUE constraint failed"):
            await ledger.commit_reply(b"key", 0, "look", "clip", reply("second"))
        assert [one.text for one in ledger.replies(b"key")] == ["first"]


async def test_a_thousand_commits_at_once_take_few_transactions(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *a, **options: plain(*a, factory=CountedConnection, **options))
    monkeypatch.setattr(CountedConnection, "begun", 0)
    with Ledger(path) as ledger:
        commits = [ledger.commit_reply(b"%d" % number, 0, "look", "clip", reply("x")) for number in range(1000)]
        await asyncio.gather(*commits)
        assert elsewhere(path, "SELECT COUNT(*) FROM attempts") == [(1000,)]
    assert 1 <= CountedConnection.begun <= 50


async def test_what_was_committed_is_there_after_reopening(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.note_meta({"prompt_name": "cot_v2"})
        await ledger.commit_reply(b"key", 0, "look", "clip", reply("kept"))
        ledger.note_media_facts(b"media", {"video": {"fps": 2.0}, "audio": None})
    with Ledger(path) as again:
        assert again.meta() == {"prompt_name": "cot_v2"}
        assert [one.text for one in again.replies(b"key")] == ["kept"]
        assert again.media_facts(b"media") == {"video": {"fps": 2.0}, "audio": None}
        assert again.media_facts(b"none") is None


async def test_leaving_the_ledger_commits_what_is_queued(path: Path) -> None:
    with Ledger(path) as ledger:
        commits = [asyncio.ensure_future(ledger.commit_reply(b"%d" % n, 0, "s", "c", reply("x"))) for n in range(50)]
        await asyncio.sleep(0)
    assert elsewhere(path, "SELECT COUNT(*) FROM attempts") == [(50,)]
    await asyncio.gather(*commits)


async def test_a_closed_ledger_lets_nobody_wait_for_ever(path: Path) -> None:
    with Ledger(path) as ledger:
        pass
    with pytest.raises(AssertionError, match="closed"):
        await ledger.commit_reply(b"key", 0, "look", "clip", reply("late"))


async def test_media_facts_can_be_noted_again(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.note_media_facts(b"media", {"audio": 1})
        ledger.note_media_facts(b"media", {"audio": 2})
        await ledger.commit_reply(b"key", 0, "look", "clip", reply("after both"))
        assert ledger.media_facts(b"media") == {"audio": 2}


def test_a_ledger_of_a_later_version_is_refused_and_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA user_version = {LEDGER_VERSION + 1}")
    connection.close()
    with pytest.raises(RunFolderError, match=r"ledger of version 2, this release reads up to 1; upgrade vaemo"):
        Ledger(path)
    assert elsewhere(path, "SELECT name FROM sqlite_master") == []


@pytest.mark.parametrize("content", [b"no database at all, but long enough to look like one" * 40, b"\x00" * 8192])
def test_a_file_that_is_no_ledger_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(
        RunFolderError, match=r"is no ledger that SQLite can read \(file is not a database\); restore it"
    ):
        Ledger(path)
    assert path.read_bytes() == content


def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    path.mkdir()
    with pytest.raises(RunFolderError, match=r"is no ledger that SQLite can read \(unable to open database file\)"):
        Ledger(path)


def limit_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every connection that is opened from now on find the disk nearly full."""
    plain = ledger_module._connect

    def connect(path: Path) -> sqlite3.Connection:
        connection = plain(path)
        connection.execute("PRAGMA max_page_count = 12")
        return connection

    monkeypatch.setattr(ledger_module, "_connect", connect)


async def test_a_full_disk_is_told_to_every_waiter_and_to_all_who_come_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = Ledger(path)
    limit_pages(monkeypatch)
    full = (
        r"cannot be written \(database or disk is full\); free disk space or check the folder, then run again to resume"
    )
    with ledger:
        await ledger.commit_reply(b"small", 0, "look", "clip", reply("fits"))
        commits = [ledger.commit_reply(b"%d" % n, 0, "look", "clip", reply("x" * 50_000)) for n in range(20)]
        failures = await asyncio.wait_for(asyncio.gather(*commits, return_exceptions=True), 10)
        assert {type(failure) for failure in failures} == {RunFolderError}
        with pytest.raises(RunFolderError, match=full):
            await ledger.commit_reply(b"later", 0, "look", "clip", reply("tiny"))
        assert [one.text for one in ledger.replies(b"small")] == ["fits"]
    assert elsewhere(path, "SELECT COUNT(*) FROM attempts") == [(1,)], "nobody was told a falsehood"


async def test_what_sqlite_cannot_hold_is_told_to_its_waiter(path: Path) -> None:
    with Ledger(path) as ledger, pytest.raises(RunFolderError, match=r"cannot be written \(.*surrogates not allowed"):
        await asyncio.wait_for(ledger.commit_reply(b"key", 0, "look", "clip \ud800", reply("x")), 10)


async def test_a_folder_that_vanished_is_told_when_the_writer_starts(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    ledger = Ledger(tmp_path / "run" / "ledger.sqlite")
    for file in (tmp_path / "run").iterdir():
        file.unlink()
    (tmp_path / "run").rmdir()
    with pytest.raises(RunFolderError, match=r"cannot be written \(unable to open database file\)"):
        ledger.__enter__()


async def test_a_waiter_that_is_cancelled_breaks_nothing(path: Path) -> None:
    with Ledger(path) as ledger:
        waiting = [asyncio.ensure_future(ledger.commit_reply(b"%d" % n, 0, "s", "c", reply("x"))) for n in range(10)]
        await asyncio.sleep(0)
        for task in waiting[::2]:
            task.cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in results] == [True, False] * 5
        await ledger.commit_reply(b"after", 0, "s", "c", reply("still writing"))
        assert [one.text for one in ledger.replies(b"after")] == ["still writing"]
    assert elsewhere(path, "SELECT COUNT(*) FROM attempts") == [(11,)], "what was queued is kept"


async def test_outcomes_stream_in_the_manifests_order_and_by_range(path: Path) -> None:
    with Ledger(path) as ledger:
        for position in (3, 0, 2, 1):
            for sample in (1, 0):
                record = {"clip": f"{position}.{sample}"}
                await ledger.commit_outcome(position, sample, accepted=position != 2, record=record)
        assert [one["clip"] for one in ledger.outcomes(True)] == ["0.0", "0.1", "1.0", "1.1", "3.0", "3.1"]
        assert [one["clip"] for one in ledger.outcomes(False)] == ["2.0", "2.1"]
        assert [one["clip"] for one in ledger.outcomes(True, 1, 3)] == ["1.0", "1.1"]
        assert list(ledger.outcomes(True, 4)) == []
        assert next(ledger.outcomes(True)) == {"position": 0, "sample_index": 0, "clip": "0.0"}


async def test_a_new_pass_forgets_outcomes_and_keeps_replies(path: Path) -> None:
    with Ledger(path) as ledger:
        await ledger.commit_reply(b"key", 0, "look", "clip", reply("kept"))
        await ledger.commit_outcome(0, 0, True, {"clip": "a"})
    again = Ledger(path)
    again.forget_outcomes()
    with again:
        assert list(again.outcomes(True)) == []
        assert len(again.replies(b"key")) == 1


async def test_one_outcome_a_sample_a_pass(path: Path) -> None:
    with Ledger(path) as ledger:
        await ledger.commit_outcome(0, 0, True, {})
        with pytest.raises(RunFolderError, match="UNIQUE"):
            await ledger.commit_outcome(0, 0, False, {})


COMMITS = st.lists(
    st.tuples(st.sampled_from([b"a", b"b", b"c"]), st.integers(0, 4)), unique=True, min_size=1, max_size=15
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(commits=COMMITS)
def test_the_ledger_holds_exactly_what_was_committed(
    commits: Sequence[tuple[bytes, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("ledger") / "ledger.sqlite"

    async def commit_all() -> dict[bytes, list[str]]:
        with Ledger(path) as ledger:
            await asyncio.gather(*(ledger.commit_reply(k, n, "s", "c", reply(f"{k!r}{n}")) for k, n in commits))
        with Ledger(path) as again:
            return {key: [one.text for one in again.replies(key)] for key in (b"a", b"b", b"c")}

    held = asyncio.run(commit_all())
    assert held == {k: [f"{k!r}{n}" for n in sorted(n for key, n in commits if key == k)] for k in (b"a", b"b", b"c")}
