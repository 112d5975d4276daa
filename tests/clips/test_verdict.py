"""Which verdict counts, and how verdict tables are read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaemo_clips.caption import DESCRIPTION_SCHEMA, VERDICT_SCHEMA, caption_digest
from vaemo_clips.errors import CaptionError
from vaemo_clips.verdict import (
    SOFTWARE,
    Verdict,
    Word,
    current,
    decide,
    iter_verdicts,
    read_verdicts,
)

BEGIN = datetime(2026, 5, 4, tzinfo=UTC)


def verdict(word: Word, by: str = SOFTWARE, hours: int | None = 0, text: str = "mended") -> Verdict:
    """A verdict on sample 0 of clip a, so many hours after the begin; None: at no known time."""
    at = None if hours is None else BEGIN + timedelta(hours=hours)
    return Verdict("a", 0, word, by=by, at=at, fixed_description=text if word == "fixed" else None)


ANY = st.builds(
    verdict,
    word=st.sampled_from(["keep", "drop", "fixed"]),
    by=st.sampled_from([SOFTWARE, "ann", "bea", "cem"]),
    hours=st.one_of(st.none(), st.integers(0, 3)),
    text=st.sampled_from(["one", "two"]),
)


@given(st.lists(ANY, max_size=6).flatmap(lambda rows: st.tuples(st.just(rows), st.permutations(rows))))
def test_the_order_of_rows_does_not_matter(rows: tuple[list[Verdict], list[Verdict]]) -> None:
    assert decide(rows[0]) == decide(rows[1])


@given(st.lists(ANY, min_size=1, max_size=6))
def test_one_of_the_verdicts_counts_and_a_persons_where_there_is_one(rows: list[Verdict]) -> None:
    counting = decide(rows)
    assert counting in rows
    assert counting.is_by_software == all(row.is_by_software for row in rows)


@given(st.lists(ANY, max_size=6), st.sampled_from(["keep", "drop"]))
def test_what_the_software_says_does_not_matter_where_a_person_judged(rows: list[Verdict], word: Word) -> None:
    judged = [*rows, verdict("keep", "dan")]
    assert decide(judged) == decide([*judged, verdict(word, SOFTWARE, 9)])


@given(st.lists(ANY, max_size=6))
def test_saying_it_again_changes_nothing(rows: list[Verdict]) -> None:
    assert decide([*rows, *rows]) == decide(rows)


def test_nobody_decides_nothing() -> None:
    assert decide([]) is None


def test_of_one_judge_the_latest_counts_and_a_time_is_later_than_none() -> None:
    assert decide([verdict("drop", "ann", 2), verdict("keep", "ann", 1)]) == verdict("drop", "ann", 2)
    assert decide([verdict("drop", hours=None), verdict("keep", hours=0)]) == verdict("keep")


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        (["keep", "drop"], "drop"),
        (["fixed", "drop"], "drop"),
        (["keep", "fixed", "drop"], "fixed"),
        (["keep", "keep", "drop"], "keep"),
        (["keep", "keep", "drop", "drop"], "drop"),
    ],
)
def test_of_people_the_majority_counts_and_a_tie_drops(words: list[Word], counts: Word) -> None:
    rows = [verdict(word, f"person {number}") for number, word in enumerate(words)]
    decided = decide(rows)
    assert decided is not None
    assert decided.verdict == counts


def test_of_two_who_fixed_it_the_later_text_counts() -> None:
    rows = [verdict("fixed", "ann", 2, "late"), verdict("fixed", "bea", 1, "early"), verdict("keep", "cem", 3)]
    assert decide(rows) == rows[0]


def test_current_are_those_on_the_present_words_and_those_that_do_not_name_theirs() -> None:
    rows = [replace(verdict("drop", name), caption_sha256=of) for name, of in (("a", "new"), ("b", "old"), ("c", None))]
    assert current(rows, "new") == [rows[0], rows[2]]
    assert current(rows[:2], "other") == []


def test_where_a_persons_verdict_is_stale_the_softwares_counts_again() -> None:
    person = replace(verdict("keep", "ann"), caption_sha256="old")
    software = replace(verdict("drop"), caption_sha256="new")
    assert decide([person, software]) == person
    assert decide(current([person, software], "new")) == software


def test_a_time_in_no_zone_is_no_verdict() -> None:
    with pytest.raises(
        CaptionError, match=r"clip 'a', sample 0, is of 2020-01-01T00:00:00 in no time zone, .* give the"
    ):
        Verdict("a", 0, "keep", at=datetime(2020, 1, 1))


def test_times_in_no_zone_of_a_table_are_in_utc(tmp_path: Path) -> None:
    at = pa.array([datetime(2020, 1, 1)], pa.timestamp("ms"))
    pq.write_table(pa.table({"clip_id": ["a"], "verdict": ["drop"], "at": at}), tmp_path / "verdicts.parquet")
    assert [one.at for one in read_verdicts(tmp_path / "verdicts.parquet")] == [datetime(2020, 1, 1, tzinfo=UTC)]


@pytest.mark.parametrize("text", [None, "", " \n"])
def test_fixed_without_a_description_is_no_verdict(text: str | None) -> None:
    with pytest.raises(CaptionError, match=r"clip 'a', sample 1, is 'fixed' with fixed_description .*; a description"):
        Verdict("a", 1, "fixed", fixed_description=text)


def test_a_description_without_fixed_is_no_verdict() -> None:
    with pytest.raises(CaptionError, match="is 'keep' with fixed_description 'mended'; a description stands exactly"):
        Verdict("a", 0, "keep", fixed_description="mended")


def write(path: Path, *verdicts: Verdict) -> Path:
    """Write a verdict table."""
    table = pa.Table.from_pylist([one.to_row() for one in verdicts], schema=VERDICT_SCHEMA)
    pq.write_table(table, path, row_group_size=2)
    return path


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    full = Verdict("a", 2, "drop", ("leak.name", "form.refusal"), {"form.words": 3.0}, "ann", BEGIN, None, "ab12")
    rows = [full, verdict("keep"), verdict("fixed", "bea", None)]
    path = write(tmp_path / "verdicts.parquet", *rows)
    assert read_verdicts(path) == rows
    assert list(iter_verdicts(path)) == rows
    assert list(iter_verdicts(path, people_alone=True)) == [full, rows[2]]
    assert (decide(rows[:1]), decide(rows[1:])) == (full, rows[2])


def test_no_file_is_no_verdict(tmp_path: Path) -> None:
    assert read_verdicts(tmp_path / "verdicts.parquet") == []


def test_columns_that_a_table_lacks_have_their_usual_values(tmp_path: Path) -> None:
    pq.write_table(pa.table({"clip_id": ["a"], "verdict": ["drop"]}), tmp_path / "verdicts.parquet")
    assert read_verdicts(tmp_path / "verdicts.parquet") == [Verdict("a", 0, "drop")]


def test_a_file_that_is_no_table_is_refused(tmp_path: Path) -> None:
    (tmp_path / "verdicts.parquet").write_bytes(b"drop all")
    with pytest.raises(CaptionError, match=r"verdicts.parquet cannot be read \(.*\); mend it, or delete it and check"):
        read_verdicts(tmp_path / "verdicts.parquet")


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        (
            {"verdict": "maybe"},
            "verdicts.parquet: the verdict on clip 'a', sample 0, is 'maybe'; it must be one of keep",
        ),
        ({"verdict": None}, "is None; it must be one of keep, drop, fixed; mend the file, or delete it"),
        ({"verdict": "fixed"}, "is 'fixed' with fixed_description None"),
    ],
)
def test_a_row_that_is_no_verdict_is_refused(tmp_path: Path, change: dict[str, Any], pattern: str) -> None:
    row = {**verdict("keep").to_row(), **change}
    pq.write_table(pa.Table.from_pylist([row], schema=VERDICT_SCHEMA), tmp_path / "verdicts.parquet")
    with pytest.raises(CaptionError, match=pattern):
        read_verdicts(tmp_path / "verdicts.parquet")


def test_the_digest_is_of_what_a_caption_says_and_of_nothing_else() -> None:
    said: dict[str, Any] = dict.fromkeys(DESCRIPTION_SCHEMA.names)
    digest = caption_digest(said)
    assert caption_digest({**said, "clip_id": "a", "sample_index": 3}) == digest
    changes = {**dict.fromkeys(said, 0.5), "emotions": ["joy"], "affect_description": "é"}
    digests = [caption_digest({**said, name: value}) for name, value in changes.items()]
    assert len({digest, *digests}) == len(said) + 1
