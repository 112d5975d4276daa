"""Clips find their texts, and texts their clips: exact chances, ties in expectation, equal texts as one query."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rich.console import Console

from vaemo_clips.errors import TrainingError
from vaemo_train.evaluate.match_rank import MatchRanks, match_ranks
from vaemo_train.evaluate.text_report import text_retrieval_report
from vaemo_train.evaluate.text_retrieval import text_retrieval

Vectors = NDArray[np.float64]


def unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def noise(num_rows: int, seed: int, width: int = 32) -> Vectors:
    return np.random.default_rng(seed).normal(size=(num_rows, width))


def ranks(ahead: int, tied: int, matching: int) -> MatchRanks:
    return MatchRanks(*(np.array([value]) for value in (ahead, tied, matching)))


@pytest.mark.parametrize(("tied", "matching"), [(1, 1), (4, 1), (4, 3), (5, 2), (6, 6)])
@pytest.mark.parametrize("ahead", [0, 2])
def test_ties_stand_in_random_order(ahead: int, tied: int, matching: int) -> None:
    orders = list(permutations(range(tied)))
    first = [ahead + 1 + min(order[:matching]) for order in orders]
    for k in range(1, ahead + tied + 3):
        expected = np.mean([rank <= k for rank in first])
        assert ranks(ahead, tied, matching).found_within(k)[0] == pytest.approx(expected)
    assert ranks(ahead, tied, matching).median() == pytest.approx(np.median(first))


@settings(max_examples=50, deadline=None)
@given(first=st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_the_median_of_untied_ranks_is_numpy_s(first: list[int]) -> None:
    ahead = np.array(first) - 1
    assert MatchRanks(ahead, np.ones_like(ahead), np.ones_like(ahead)).median() == np.median(first)


@pytest.mark.parametrize("num_candidates", [2, 9, 10, 5000])
def test_by_chance_one_match_stands_in_the_middle(num_candidates: int) -> None:
    chance = MatchRanks.of_chance(np.array([1, 1]), num_candidates)
    assert chance.median() == (num_candidates + 1) / 2
    assert chance.found_within(1)[0] == pytest.approx(1 / num_candidates)
    assert (chance.found_within(num_candidates) == 1).all()


def test_a_pair_finds_one_another() -> None:
    same = unit(noise(40, 0))
    found = text_retrieval(same, same, np.eye(40, dtype=bool))
    for way in (found.clip_to_text, found.text_to_clip):
        assert [rate.value for rate in way.recall.values()] == [1.0, 1.0, 1.0]
        assert [rate.chance for rate in way.recall.values()] == pytest.approx([1 / 40, 5 / 40, 10 / 40])
        assert (way.median_rank, way.median_rank_chance) == (1.0, 20.5)
        assert (way.num_queries, way.num_candidates) == (40, 40)


def test_ranks_are_those_of_a_sorted_list() -> None:
    clips, written = unit(noise(30, 1)), unit(noise(30, 1) + 2 * noise(30, 2))
    places = np.array([np.argsort(-(written[row] @ clips.T)).tolist().index(row) + 1 for row in range(30)])
    found = text_retrieval(clips, written, np.eye(30, dtype=bool)).text_to_clip
    assert found.median_rank == np.median(places)
    for k, rate in found.recall.items():
        assert rate.value == pytest.approx((places <= k).mean())


def test_blocks_of_queries_do_not_change_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    clips, written = unit(noise(30, 1)), unit(noise(50, 2))
    is_match = np.random.default_rng(0).random((50, 30)) < 0.1
    is_match[:, 0] = True
    whole = match_ranks(written, clips, is_match)
    monkeypatch.setattr("vaemo_train.evaluate.match_rank._CELLS_AT_ONCE", 30 * 7)
    parts = match_ranks(written, clips, is_match)
    for name in ("ahead", "tied", "matching"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


def test_collapsed_embeddings_score_chance() -> None:
    is_match = np.random.default_rng(0).random((60, 40)) < 0.1
    found = text_retrieval(unit(np.ones((40, 8))), unit(np.ones((60, 8))), is_match)
    for way in (found.clip_to_text, found.text_to_clip):
        assert all(rate.value == pytest.approx(rate.chance) for rate in way.recall.values())
        assert way.median_rank == way.median_rank_chance


@pytest.mark.parametrize("num_matches", [1, 4])
def test_unrelated_embeddings_score_chance(num_matches: int) -> None:
    is_match = np.zeros((400, 400), bool)
    for shift in range(num_matches):
        is_match |= np.eye(400, k=-shift * 17, dtype=bool) | np.eye(400, k=400 - shift * 17, dtype=bool)
    found = text_retrieval(unit(noise(400, 1)), unit(noise(400, 2)), is_match)
    for way in (found.clip_to_text, found.text_to_clip):
        assert way.recall[10].value == pytest.approx(way.recall[10].chance, abs=0.04)
        assert way.median_rank == pytest.approx(way.median_rank_chance, rel=0.2)


def test_any_of_several_matches_counts() -> None:
    clips = np.eye(4)
    written = np.eye(4)[[0, 0, 1, 2]] * [[1], [-1], [1], [1]]
    is_match = np.array([[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], bool)
    found = text_retrieval(clips, written, is_match)
    assert found.clip_to_text.recall[1].value == 1.0, "clip 0 finds its first text; its second points away"
    assert found.clip_to_text.recall[1].chance == pytest.approx((2 / 4 + 1 / 4 + 1 / 4) / 3)
    assert found.text_to_clip.recall[1].value == pytest.approx(3 / 4)
    assert found.text_to_clip.recall[5].chance == 1.0, "there are but four clips"


def test_equal_texts_are_one_query_whose_matches_are_all_their_clips() -> None:
    clips = unit(noise(6, 0))
    written = clips[[0, 1, 1, 2, 3]]
    is_match = np.zeros((5, 6), bool)
    is_match[[0, 1, 2, 3, 4], [0, 1, 4, 2, 3]] = True
    found = text_retrieval(clips, written, is_match, text_numbers=np.array([7, 3, 3, 9, 1]))
    assert found.text_to_clip.num_queries == found.clip_to_text.num_candidates == 4
    assert found.clip_to_text.num_queries == 5
    assert found.text_to_clip.recall[1].value == 1.0, "the doubled text finds clip 1, one of its two"
    assert found.text_to_clip.recall[1].chance == pytest.approx((3 * 1 / 6 + 2 / 6) / 4)


def test_what_has_no_match_is_no_query_but_a_candidate() -> None:
    same = unit(noise(5, 0))
    is_match = np.eye(5, dtype=bool)
    is_match[4] = False
    found = text_retrieval(same, same, is_match)
    for way in (found.clip_to_text, found.text_to_clip):
        assert (way.num_queries, way.num_candidates) == (4, 5)
        assert way.recall[1].num_clips == 4
        assert way.recall[1].value == 1.0


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_order_does_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = np.concatenate([[0, 1], rng.integers(0, 6, 7)])
    clips, written, is_match = unit(noise(12, seed)), unit(noise(6, seed + 1))[numbers], rng.random((9, 12)) < 0.3
    is_match[0, 0] = True
    of_clips, of_texts = rng.permutation(12), rng.permutation(9)
    found = text_retrieval(clips, written, is_match, text_numbers=numbers)
    mixed = text_retrieval(
        clips[of_clips], written[of_texts], is_match[np.ix_(of_texts, of_clips)], text_numbers=numbers[of_texts]
    )
    for way, other in ((found.clip_to_text, mixed.clip_to_text), (found.text_to_clip, mixed.text_to_clip)):
        assert way.median_rank == other.median_rank
        assert [r.value for r in way.recall.values()] == pytest.approx([r.value for r in other.recall.values()])


def test_intervals_are_over_speakers() -> None:
    # Speaker a's clips are all found, speaker b's never: with two speakers anything between is possible.
    clips = unit(noise(20, 0))
    written = clips.copy()
    written[10:] *= -1
    is_match = np.eye(20, dtype=bool)
    over_speakers = text_retrieval(clips, written, is_match, speakers=["a"] * 10 + ["b"] * 10)
    over_clips = text_retrieval(clips, written, is_match)
    for way in ("clip_to_text", "text_to_clip"):
        wide, narrow = (getattr(found, way).recall[1].interval for found in (over_speakers, over_clips))
        assert (wide.low, wide.high) == (0.0, 1.0)
        assert 0.2 < narrow.low < 0.5 < narrow.high < 0.8
    assert text_retrieval(clips, written, is_match, speakers=["a"] * 20).clip_to_text.recall[1].interval is None


def test_a_text_of_two_speakers_counts_for_both_in_equal_parts() -> None:
    clips = unit(noise(4, 0))
    is_match = np.array([[1, 1, 1, 0], [0, 0, 0, 1]], bool)
    found = text_retrieval(clips, clips[[0, 1]], is_match, speakers=["a", "b", "b", "c"]).text_to_clip
    assert found.recall[1].value == pytest.approx(0.5), "two queries count the same, whatever their clips"
    assert found.recall[1].num_clips == 4


def test_logs_are_flat_and_lines_and_tables_readable() -> None:
    same = unit(noise(40, 0))
    found = text_retrieval(same, same, np.eye(40, dtype=bool))
    logs = found.as_dict()
    assert logs["clip_to_text_recall1"] == logs["text_to_clip_recall10"] == logs["clip_to_text_recall1_low"] == 1.0
    assert logs["text_to_clip_median_rank_chance"] == 20.5
    assert not any(np.isnan(value) for value in logs.values())
    assert found.lines()[0] == (
        "clip -> text: R@1 100.0 [100.0, 100.0], chance 2.5; R@5 100.0 [100.0, 100.0], chance 12.5; "
        "R@10 100.0 [100.0, 100.0], chance 25.0; median rank 1 of 40, chance 20.5 (40 queries)"
    )
    console = Console(width=80, record=True)
    console.print(text_retrieval_report({"visual": found, "acoustic": found}, "held out"))
    shown = console.export_text()
    assert "…" not in shown
    for part in ("visual", "acoustic", "40 among 40", "clip -> text", "chance 12.5", "[100.0, 100.0]", "chance 20.5"):
        assert part in shown
    assert shown.count("intervals over 40 clips") == 1


def test_the_table_says_over_what_the_intervals_are() -> None:
    same, match = unit(noise(6, 0)), np.eye(6, dtype=bool)
    three = text_retrieval(same, same, match, speakers=list("aabbcc"))
    fewer = text_retrieval(same, same, match & (np.arange(6) > 1), speakers=list("aabbcc"))
    one = text_retrieval(same, same, match, speakers=["a"] * 6)
    assert [found.resampled for found in (three, fewer, one)] == ["3 speakers", "2 speakers", ""]
    shown = str(text_retrieval_report({"visual": three, "affect": three, "acoustic": fewer, "one": one}).caption)
    assert shown.endswith("\nvisual; affect: intervals over 3 speakers\nacoustic: intervals over 2 speakers")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"clips_nP": np.full((3, 4), np.nan)}, r"^3 of 3 clip embeddings hold values that are no numbers$"),
        ({"texts_KP": np.ones((3, 4))}, r"^a text embedding has length 2; to be compared all must have length 1: div"),
        (
            {"is_match_Kn": np.eye(4, dtype=bool)},
            r"^text retrieval with clips \(3, 4\), texts \(3, 4\) and matches \(4",
        ),
        ({"speakers": ["a"]}, r"and a speaker for each clip if any$"),
        (
            {"text_numbers": np.array([1, 1, 1])},
            r"^text retrieval among 3 clips and 1 different texts; it needs two or",
        ),
        ({"is_match_Kn": np.zeros((3, 3), bool)}, r"^none of the 3 texts was written of any of the 3 clips$"),
    ],
)
def test_what_cannot_be_searched(changes: dict[str, Any], message: str) -> None:
    same = np.eye(4)[:3]
    given: dict[str, Any] = {"clips_nP": same, "texts_KP": same, "is_match_Kn": np.eye(3, dtype=bool)}
    with pytest.raises(TrainingError, match=message):
        text_retrieval(**(given | changes))
