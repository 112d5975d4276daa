"""Which captions count as said before."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from vaemo_annotate.quality.near_duplicates import Duplicate, DuplicateBook, DuplicateSettings, jaccard, signatures

SETTINGS = DuplicateSettings(similarity=0.7, shingle_words=3, bands=20, rows_per_band=4)
WORDS = [f"word{number}" for number in range(400)]


def words(seed: int, count: int = 60) -> list[str]:
    """Words that no other seed draws in this order."""
    return random.Random(seed).choices(WORDS, k=count)


def caption(text: Sequence[str], **others: Any) -> dict[str, Any]:
    """A caption whose affect description consists of these words."""
    nothing = {"visual_description": None, "acoustic_description": ""}
    return {**nothing, "affect_description": " ".join(text), **others}


def duplicates(folder: Path, rows: Sequence[dict[str, Any]], clips: Sequence[str] | None = None) -> list[int | None]:
    """Of each row the row that it repeats; each of a clip of its own unless given."""
    names = clips or [str(number) for number in range(len(rows))]
    with DuplicateBook(folder / "book.sqlite", SETTINGS) as book:
        found = [book.note(clip, mark) for clip, mark in zip(names, signatures(rows, SETTINGS), strict=True)]
    return [one.row if one else None for one in found]


def test_of_copies_the_first_stays(tmp_path: Path) -> None:
    rows = [caption(words(seed)) for seed in (1, 2, 1, 1, 2, 3)]
    assert duplicates(tmp_path, rows) == [None, None, 0, 0, 1, None]


def test_case_and_punctuation_do_not_matter_and_a_few_other_words_hardly(tmp_path: Path) -> None:
    said = words(1)
    changed = [*said[:20], "another", *said[21:]]
    rows = [caption(said), caption([f"{word.upper()}," for word in said]), caption(changed)]
    assert duplicates(tmp_path, rows) == [None, 0, 0]


def test_half_the_words_in_common_is_no_duplicate(tmp_path: Path) -> None:
    rows = [caption(words(1)), caption([*words(1)[:30], *words(2)[:30]])]
    assert duplicates(tmp_path, rows) == [None, None]


def test_samples_of_one_clip_are_not_held_against_each_other(tmp_path: Path) -> None:
    rows = [caption(words(1))] * 4
    assert duplicates(tmp_path, rows, ["a", "a", "b", "b"]) == [None, None, 0, 0]


def test_a_caption_is_held_against_those_that_stay(tmp_path: Path) -> None:
    first = words(1)
    second = [*words(2)[:8], *first[8:]]
    third = [*second[:-8], *words(3)[:8]]
    similar = [jaccard_of(first, second), jaccard_of(second, third), jaccard_of(first, third)]
    assert min(similar[:2]) > SETTINGS.similarity > similar[2]
    assert duplicates(tmp_path, [caption(text) for text in (first, second, third)]) == [None, 0, None]


def jaccard_of(one: Sequence[str], other: Sequence[str]) -> float:
    """The similarity of two texts by the definition."""
    sets = [{tuple(text[start : start + 3]) for start in range(len(text) - 2)} for text in (one, other)]
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_the_similarity_is_that_of_the_definition(tmp_path: Path) -> None:
    one, other = words(1), [*words(1)[:55], *words(2)[:5]]
    marks = signatures([caption(one), caption(other)], SETTINGS)
    with DuplicateBook(tmp_path / "book.sqlite", SETTINGS) as book:
        assert book.note("a", marks[0]) is None
        assert book.note("b", marks[1]) == Duplicate(0, jaccard_of(one, other))


def test_captions_without_a_word_are_no_copies_of_each_other(tmp_path: Path) -> None:
    rows = [
        caption([]),
        caption([]),
        {"visual_description": None, "acoustic_description": " …", "affect_description": None},
    ]
    assert duplicates(tmp_path, rows) == [None, None, None]


def test_one_word_and_unspaced_scripts_are_compared(tmp_path: Path) -> None:
    rows = [caption([text]) for text in ("joy", "Joy!", "嘴角上扬,声音明亮而愉快", "嘴角上扬，声音明亮而愉快。")]
    assert duplicates(tmp_path, rows) == [None, 0, None, 2]


def test_a_description_is_not_run_into_the_next(tmp_path: Path) -> None:
    joined = caption(["a", "b", "c", "d"])
    apart = {"visual_description": "a b", "acoustic_description": None, "affect_description": "c d"}
    assert duplicates(tmp_path, [joined, apart]) == [None, None]


def test_thousands_of_copies_are_found_without_comparing_all_with_all(tmp_path: Path) -> None:
    rows = [caption(["the", "same", "reply", "to", "every", "clip"])] * 3000
    assert duplicates(tmp_path, rows) == [None, *[0] * 2999]


def test_nearly_all_pairs_at_the_threshold_are_found(tmp_path: Path) -> None:
    found = 0
    for seed in range(100):
        said = words(seed, 62)
        other = [*said[:52], *words(1000 + seed)[:10]]  # 50 of 70 runs in common: 0.714
        found += duplicates(tmp_path, [caption(said), caption(other)])[1] is not None
    assert found >= 97


def test_signatures_are_the_same_in_every_batch() -> None:
    rows = [caption(words(seed)) for seed in range(4)]
    alone = [signatures([row], SETTINGS)[0] for row in rows]
    assert signatures(rows, SETTINGS) == alone
    assert signatures([], SETTINGS) == []


def test_the_file_goes_with_the_block(tmp_path: Path) -> None:
    duplicates(tmp_path, [caption(words(1))])
    assert list(tmp_path.iterdir()) == []


@given(st.sets(st.integers(0, 40)), st.sets(st.integers(0, 40)))
def test_jaccard_is_shared_over_all(one: set[int], other: set[int]) -> None:
    expected = len(one & other) / len(one | other) if one | other else 0.0
    assert jaccard(one, other) == expected


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"(?s)similarity.*shingle_words.*bands"):
        DuplicateSettings(similarity=0.0, shingle_words=0, bands=0, rows_per_band=4)
