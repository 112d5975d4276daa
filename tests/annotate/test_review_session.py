"""What a session makes of decisions: whose they are, which can be undone, and what `check` says meanwhile."""

from __future__ import annotations

import tracemalloc
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.review_folder import review_client, write_review_run
from tests.support.run_folder import caption_row
from vaemo_annotate.dataset import load_rows
from vaemo_annotate.review import captions
from vaemo_annotate.review.decision import Decision
from vaemo_annotate.review.opinion import Opinion, software_verdict
from vaemo_annotate.review.review_command import summary_lines
from vaemo_annotate.review.session import ReviewSession
from vaemo_annotate.verdict_table import write_table, write_verdicts
from vaemo_clips.errors import CaptionError, RunFolderError
from vaemo_clips.verdict import VERDICTS_FILE, Verdict

JOSE = "José"


def plain_run(out: Path, count: int = 3) -> Path:
    return write_review_run(out, [caption_row(number) for number in range(count)], out)


def opened(out: Path, count: int | None = None) -> ReviewSession:
    return ReviewSession(out, order="dataset", count=count, seed=0)


def decide(session: ReviewSession, place: int, number: str) -> None:
    shown = session.sheet(place, "Anna")
    known = {name: shown[name] for name in ("clip_id", "sample_index", "caption_sha256")}
    session.decide(Decision.of({**known, "decision_id": number, "annotator": "Anna", "verdict": "keep"}))


def test_undo_takes_back_nothing_of_before_the_session_and_nothing_outside_its_queue(tmp_path: Path) -> None:
    plain_run(tmp_path)
    earlier = opened(tmp_path)
    decide(earlier, 0, "before")
    session = opened(tmp_path, count=2)
    assert session.undo("Anna", "u1") == (False, None)
    decide(earlier, 2, "outside")
    assert session.undo("Anna", "u2") == (False, None)
    decide(session, 1, "inside")
    assert session.undo("Anna", "u3") == (True, 1)
    assert [verdict.clip_id for verdict in session.standing()] == ["clip_000", "clip_002"]
    assert session.undo("Anna", "u3") == (True, 1), "the same undoing, sent again"


async def test_a_person_who_spells_the_name_otherwise_is_the_same_person(tmp_path: Path) -> None:
    plain_run(tmp_path)
    async with review_client(tmp_path) as client:
        for place, name in enumerate([JOSE, unicodedata.normalize("NFD", JOSE), JOSE.upper()]):
            shown = await client.get(f"api/captions/{place}", annotator=name)
            assert shown["annotator"] == JOSE
            await client.decide(shown["caption"], "keep", name)
        people = (await client.get("api/results"))["people"]
    assert [(one["name"], one["judged"]) for one in people] == [(JOSE, 3)]


def test_a_check_while_people_judge_is_noticed(tmp_path: Path) -> None:
    plain_run(tmp_path)
    session = opened(tmp_path)
    assert session.sheet(0, "Anna")["software"] is None
    digest = session.captions.digest(0)
    said = Verdict("clip_000", 0, "drop", ("agreement.minority",), caption_sha256=digest)
    write_verdicts(tmp_path, [said, Verdict("clip_001", 0, "keep")])
    shown = session.sheet(0, "Anna")
    assert (shown["software"], [one["reason"] for one in shown["findings"]]) == ("drop", ["agreement.minority"])
    write_verdicts(tmp_path, [Verdict("clip_000", 0, "keep", caption_sha256="of other words")])
    assert session.sheet(0, "Anna")["software"] is None


def test_of_several_rows_the_softwares_own_on_that_sample_counts(tmp_path: Path) -> None:
    path = tmp_path / VERDICTS_FILE
    assert software_verdict(path, ("a", 0)) is None
    people = Verdict("a", 0, "keep", by="Anna")
    write_table(path, [Verdict("a", 1, "keep"), Verdict("a", 0, "drop", ("leak.label",)), people])
    found = software_verdict(path, ("a", 0))
    assert found is not None
    assert (found.verdict, found.reasons) == ("drop", ("leak.label",))
    assert software_verdict(path, ("b", 0)) is None
    path.write_bytes(b"no table")
    with pytest.raises(CaptionError, match=r"verdicts\.parquet cannot be read .*mend it, or delete it and check again"):
        software_verdict(path, ("a", 0))


def test_verdicts_of_many_captions_are_not_kept_in_memory(tmp_path: Path) -> None:
    scores = {f"grounding.score_{number}": float(number) for number in range(20)}
    keys = [(f"clip_{number:05d}", 0) for number in range(3000)]
    write_table(
        tmp_path / VERDICTS_FILE,
        (
            Verdict(*key, "drop", ("leak.label",), scores, at=datetime.now(UTC), caption_sha256="ab" * 32)
            for key in keys
        ),
    )
    opinion = Opinion(tmp_path)
    rows_by_key = {key: row for row, key in enumerate(keys)}
    tracemalloc.start()
    risks = opinion.risks(rows_by_key, len(keys))
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (len(risks), set(risks.tolist())) == (3000, {2.5})
    assert kept_bytes < 100 * len(keys)


def test_what_comes_next_can_be_pasted_whatever_the_folder_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = plain_run(tmp_path / "my run's")
    assert list(summary_lines(opened(out)))[-1].startswith("next: vaemo-annotate review '/")
    nothing = SimpleNamespace(data=SimpleNamespace(table=load_rows(out / "dataset").data.table.slice(0, 0)))
    monkeypatch.setattr(captions, "load_rows", lambda path: nothing)
    with pytest.raises(RunFolderError, match=r"only rejects; look at them: vaemo-annotate show '/.*run.* --rejects$"):
        opened(out)
