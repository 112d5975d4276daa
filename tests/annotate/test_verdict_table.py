"""How verdicts.parquet is written: the software's rows, people's rows, and who may write."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.caption_folders import write_captions
from vaemo_annotate.review.decision import Decision
from vaemo_annotate.review.store import ReviewStore
from vaemo_annotate.verdict_table import STRAY_FILE, people_verdicts, write_verdicts
from vaemo_clips.caption import VERDICT_SCHEMA
from vaemo_clips.errors import RunFolderError
from vaemo_clips.verdict import VERDICTS_FILE, Verdict, Word, read_verdicts

CLIPS = ["c", "a", "b"]
NOW = datetime(2026, 5, 4, tzinfo=UTC)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run folder with a caption of each of CLIPS, in this order."""
    return write_captions(tmp_path / "run", [{"clip_id": clip} for clip in CLIPS])


def software(word: Word = "keep", clips: Sequence[str] = CLIPS) -> list[Verdict]:
    """What `check` says of each clip."""
    return [Verdict(clip, 0, word, scores={"form.words": 9.0}, at=NOW) for clip in clips]


def person(clip_id: str, by: str = "ann", word: Word = "drop", hours: int = 0) -> Verdict:
    """A person's verdict."""
    return Verdict(clip_id, 0, word, by=by, at=NOW + timedelta(hours=hours), caption_sha256="ab")


def table(run: Path) -> list[Verdict]:
    """What stands in the table."""
    return read_verdicts(run / VERDICTS_FILE)


def write_foreign(run: Path, *verdicts: Verdict) -> None:
    """Put a table into the run folder that came from elsewhere."""
    rows = pa.Table.from_pylist([one.to_row() for one in verdicts], schema=VERDICT_SCHEMA)
    pq.write_table(rows, run / VERDICTS_FILE)


def test_rows_stand_in_the_datasets_order_people_after_the_software(run: Path) -> None:
    write_foreign(run, person("b"), person("c", "bea"), person("c", "ann", hours=1))
    write_verdicts(run, iter(software()))
    of_c, of_a, of_b = software()
    assert table(run) == [of_c, person("c", "bea"), person("c", "ann", hours=1), of_a, of_b, person("b")]
    assert not (run / STRAY_FILE).exists()


def test_a_second_check_rewrites_only_the_softwares_rows(run: Path) -> None:
    write_foreign(run, *software("drop"), person("a"))
    write_verdicts(run, software("keep"))
    assert [one for one in table(run) if one.is_by_software] == software("keep")
    assert person("a") in table(run)


def test_without_new_ones_the_softwares_rows_stay_and_peoples_are_renewed(run: Path) -> None:
    write_verdicts(run, software("drop"))
    ReviewStore(run).append(Decision("1", person("a", word="keep")))
    write_verdicts(run, None)
    assert table(run) == [*software("drop")[:2], person("a", word="keep"), software("drop")[2]]


def test_people_alone_stand_in_the_datasets_order(run: Path) -> None:
    for number, clip in enumerate(["b", "c"]):
        ReviewStore(run).append(Decision(str(number), person(clip)))
    write_verdicts(run, None)
    assert table(run) == [person("c"), person("b")]


def test_of_a_person_the_newest_counts_wherever_it_was_noted(run: Path) -> None:
    write_foreign(run, person("a", hours=1), person("a", "bea", hours=1))
    ReviewStore(run).append(Decision("1", person("a", word="keep", hours=2)))
    write_verdicts(run, None)
    assert table(run) == [person("a", "bea", hours=1), person("a", word="keep", hours=2)]


def test_a_decision_that_was_taken_back_does_not_return_from_the_table(run: Path) -> None:
    store = ReviewStore(run)
    store.append(Decision("1", person("a")))
    write_verdicts(run, software())
    store.undo("ann", "2")
    write_verdicts(run, None)
    assert table(run) == software()


def test_verdicts_on_captions_that_are_gone_are_set_aside_and_return_with_them(run: Path) -> None:
    write_foreign(run, person("gone"), person("a"))
    write_verdicts(run, software())
    assert read_verdicts(run / STRAY_FILE) == [person("gone")]
    assert {one.clip_id for one in table(run)} == set(CLIPS)
    write_captions(run, [{"clip_id": "gone"}])
    write_verdicts(run, software(clips=["gone"]))
    assert table(run) == [*software(clips=["gone"]), person("gone")]
    assert read_verdicts(run / STRAY_FILE) == [person("a")]


@pytest.mark.parametrize("target", [VERDICTS_FILE, STRAY_FILE])
def test_a_kill_between_the_two_files_loses_nobody(run: Path, monkeypatch: pytest.MonkeyPatch, target: str) -> None:
    write_foreign(run, person("gone"), person("a"), person("b"))
    write_verdicts(run, software())
    write_captions(run, [{"clip_id": "gone"}, {"clip_id": "b"}])
    real = Path.replace

    def killed(draft: Path, goal: Path) -> Path:
        if goal.name == target:
            raise KeyboardInterrupt
        return real(draft, goal)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_verdicts(run, software(clips=["gone", "b"]))
    monkeypatch.undo()
    assert people_verdicts(run) == {(clip, 0): [person(clip)] for clip in ("gone", "a", "b")}
    write_verdicts(run, software(clips=["gone", "b"]))
    assert [one for one in table(run) if not one.is_by_software] == [person("gone"), person("b")]
    assert read_verdicts(run / STRAY_FILE) == [person("a")]


def test_the_last_stray_that_returns_is_in_the_table_before_its_file_goes(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_foreign(run, person("gone"))
    write_verdicts(run, software())
    write_captions(run, [{"clip_id": "gone"}])

    def killed(draft: Path, goal: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_verdicts(run, software(clips=["gone"]))
    monkeypatch.undo()
    assert people_verdicts(run) == {("gone", 0): [person("gone")]}
    write_verdicts(run, software(clips=["gone"]))
    assert not (run / STRAY_FILE).exists()
    assert person("gone") in table(run)


def test_nobody_judged_is_an_empty_table(run: Path) -> None:
    write_verdicts(run, [])
    assert table(run) == []
    assert people_verdicts(run) == {}


def test_more_rows_than_are_held_at_once(run: Path) -> None:
    many = [Verdict(f"clip {number}", 0, "keep", at=NOW) for number in range(2500)]
    write_verdicts(run, iter(many))
    assert table(run) == many


def test_a_failure_leaves_the_old_table_and_nothing_else(run: Path) -> None:
    write_verdicts(run, software("drop"))
    before = sorted(path.name for path in run.iterdir())

    def broken() -> list[Verdict]:
        raise RunFolderError("no more")

    with pytest.raises(RunFolderError, match="no more"):
        write_verdicts(run, (one for part in [software(), None] for one in (broken() if part is None else part)))
    assert table(run) == software("drop")
    assert sorted(path.name for path in run.iterdir()) == before


def test_two_writers_at_once_lose_nobody(run: Path) -> None:
    names = [f"person {number}" for number in range(8)]

    def judge(name: str) -> None:
        ReviewStore(run).append(Decision(name, replace(person("a"), by=name)))
        write_verdicts(run, None)

    threads = [Thread(target=judge, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.by for one in table(run)) == names


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"cannot be written \(No such file or directory\)"):
        write_verdicts(tmp_path / "none", [])
