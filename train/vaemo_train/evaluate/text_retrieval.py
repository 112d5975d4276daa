"""Does a clip find what was written of it, and a text the clips that it was written of?

Shapes: n clips, K texts, P width of the shared space, Q queries of a direction. A query is answered at rank k where at
least one of its matches is among the first k candidates; ties count in expectation, so collapsed embeddings score
chance.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import TrainingError
from vaemo_train.evaluate.folds import Column
from vaemo_train.evaluate.interval import bootstrap_interval, cluster_sums, ratio
from vaemo_train.evaluate.match_rank import MatchRanks, match_ranks
from vaemo_train.evaluate.search import Rate
from vaemo_train.evaluate.unit import check_unit

RECALL_AT: Final = (1, 5, 10)

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Direction:
    """One way of searching. `recall` holds by k the share of queries with a match among the first k (recall@k).

    The chance of both scores is exact: of n candidates in random order, each query with as many matches as it has.
    The median rank is that of each query's first match, from 1. A rate's `num_clips` are the clips behind the queries.
    """

    recall: Mapping[int, Rate]
    median_rank: float
    median_rank_chance: float
    num_queries: int
    num_candidates: int

    def __str__(self) -> str:
        """One line: R@1 31.2 [28.0, 34.1], chance 1.6; ...; median rank 3 of 200, chance 69 (200 queries)."""
        recalls = "; ".join(f"R@{k} {rate}" for k, rate in self.recall.items())
        return (
            f"{recalls}; median rank {self.median_rank:,g} of {self.num_candidates:,}, "
            f"chance {self.median_rank_chance:,g} ({self.num_queries:,} queries)"
        )

    def as_dict(self) -> dict[str, float]:
        """Flat, for logs: recall1, recall1_chance, recall1_low, ..., median_rank, num_queries."""
        values: dict[str, float] = {}
        for k, rate in self.recall.items():
            values |= {f"recall{k}": rate.value, f"recall{k}_chance": rate.chance}
            if rate.interval is not None:
                values |= {f"recall{k}_low": rate.interval.low, f"recall{k}_high": rate.interval.high}
        values |= {"median_rank": self.median_rank, "median_rank_chance": self.median_rank_chance}
        return values | {"num_queries": float(self.num_queries), "num_candidates": float(self.num_candidates)}


@dataclass(frozen=True, slots=True)
class TextRetrieval:
    """Both ways: which texts a clip finds, and which clips a text finds.

    `resampled` names what the intervals are over, as "6 speakers"; "" without any.
    """

    clip_to_text: Direction
    text_to_clip: Direction
    resampled: str

    def as_dict(self) -> dict[str, float]:
        """Flat, for logs: clip_to_text_recall1, ..., text_to_clip_median_rank_chance; no undefined values."""
        named = {"clip_to_text": self.clip_to_text, "text_to_clip": self.text_to_clip}
        values = {f"{name}_{key}": value for name, one in named.items() for key, value in one.as_dict().items()}
        return {name: value for name, value in values.items() if not np.isnan(value)}

    def lines(self) -> list[str]:
        """Two sentences for the terminal."""
        return [f"clip -> text: {self.clip_to_text}", f"text -> clip: {self.text_to_clip}"]


def text_retrieval(
    clips_nP: NDArray[Any],
    texts_KP: NDArray[Any],
    is_match_Kn: Bools,
    *,
    text_numbers: NDArray[np.int64] | None = None,
    speakers: Column | None = None,
    seed: int = 0,
) -> TextRetrieval:
    """Search all texts with every clip, and all clips with every text; both of unit length.

    `is_match_Kn` says which text was written of which clip. Rows of one text, by `text_numbers` (K,) (each its own),
    are one text, whose matches are all clips that have it. What has no match is no query, but stays a candidate.
    Intervals are over `speakers` (n,), else clips; a text of several clips counts for their speakers in equal parts.
    Recall@k with several matches: Karpathy & Fei-Fei, CVPR 2015, section 4.1 (any of an image's five sentences counts).
    Raises TrainingError for shapes that do not fit, fewer than two clips or texts, no match at all, values that are
    no numbers or other than unit length.
    """
    _check(clips_nP, texts_KP, is_match_Kn, text_numbers, speakers)
    if text_numbers is not None:
        texts_KP, is_match_Kn = _merged(texts_KP, is_match_Kn, text_numbers)
    is_query_n, is_query_K = is_match_Kn.any(axis=0), is_match_Kn.any(axis=1)
    asked_of_texts, asked_of_clips = is_match_Kn.T[is_query_n], is_match_Kn[is_query_K]
    clips = np.flatnonzero(is_query_n)
    behind_texts, clips_behind = np.nonzero(asked_of_clips)
    return TextRetrieval(
        clip_to_text=_direction(
            match_ranks(clips_nP[clips], texts_KP, asked_of_texts),
            asked_of_texts,
            _Tally(np.arange(len(clips)), clips, speakers, len(clips_nP), seed),
        ),
        text_to_clip=_direction(
            match_ranks(texts_KP[is_query_K], clips_nP, asked_of_clips),
            asked_of_clips,
            _Tally(behind_texts, clips_behind, speakers, len(clips_nP), seed),
        ),
        resampled=_resampled(clips, speakers),
    )


def _resampled(clips: NDArray[np.int64], speakers: Column | None) -> str:
    """What the intervals of both ways are over: every clip with a text stands behind a query of each."""
    if speakers is None:
        return f"{len(clips):,} clips" if len(clips) > 1 else ""
    num_speakers = len(cluster_sums(np.ones(len(clips)), np.asarray(speakers, object)[clips]))
    return f"{num_speakers:,} speakers" if num_speakers > 1 else ""


@dataclass(frozen=True, slots=True, eq=False)
class _Tally:
    """Whose hits are whose: pair i says that clip `clips[i]` stands behind query `queries[i]`, each in equal parts."""

    queries: NDArray[np.int64]
    clips: NDArray[np.int64]
    speakers: Column | None
    num_clips: int
    seed: int

    def rate(self, hits_Q: Floats, chances_Q: Floats) -> Rate:
        """The share of hits among the queries, which counts each query once."""
        part = 1 / np.bincount(self.queries)[self.queries]
        tries = np.bincount(self.clips, part, self.num_clips)
        hits = np.bincount(self.clips, part * hits_Q[self.queries], self.num_clips)
        asked = tries > 0
        speakers = None if self.speakers is None else np.asarray(self.speakers, object)[asked]
        sums = cluster_sums(np.stack([hits, tries], axis=1)[asked], speakers)
        interval = bootstrap_interval(sums, ratio, seed=self.seed)
        return Rate(float(hits_Q.mean()), float(chances_Q.mean()), interval, int(asked.sum()))


def _direction(ranks: MatchRanks, is_match_QN: Bools, tally: _Tally) -> Direction:
    num_queries, num_candidates = is_match_QN.shape
    chance = MatchRanks.of_chance(is_match_QN.sum(1), num_candidates)
    return Direction(
        recall={k: tally.rate(ranks.found_within(k), chance.found_within(k)) for k in RECALL_AT},
        median_rank=ranks.median(),
        median_rank_chance=chance.median(),
        num_queries=num_queries,
        num_candidates=num_candidates,
    )


def _merged(texts_KP: NDArray[Any], is_match_Kn: Bools, numbers: NDArray[np.int64]) -> tuple[NDArray[Any], Bools]:
    """One row for each text: the first of its rows, and the matches of all of them."""
    _, first, inverse = np.unique(numbers, return_index=True, return_inverse=True)
    merged = np.zeros((len(first), is_match_Kn.shape[1]), bool)
    np.logical_or.at(merged, inverse, is_match_Kn)
    return texts_KP[first], merged


def _check(
    clips_nP: NDArray[Any],
    texts_KP: NDArray[Any],
    is_match_Kn: Bools,
    numbers: NDArray[np.int64] | None,
    speakers: Column | None,
) -> None:
    check_unit("clip", clips_nP)
    check_unit("text", texts_KP)
    fits = (
        clips_nP.shape[1:] == texts_KP.shape[1:]
        and is_match_Kn.shape == (len(texts_KP), len(clips_nP))
        and (numbers is None or len(numbers) == len(texts_KP))
        and (speakers is None or len(speakers) == len(clips_nP))
    )
    if not fits:
        raise TrainingError(
            f"text retrieval with clips {clips_nP.shape}, texts {texts_KP.shape} and matches {is_match_Kn.shape}; it "
            f"needs vectors of one width, a line of matches for each text, and a speaker for each clip if any"
        )
    num_texts = len(texts_KP) if numbers is None else len(np.unique(numbers))
    if len(clips_nP) < 2 or num_texts < 2:
        raise TrainingError(
            f"text retrieval among {len(clips_nP)} clips and {num_texts} different texts; it needs two or more of both"
        )
    if not is_match_Kn.any():
        raise TrainingError(f"none of the {num_texts} texts was written of any of the {len(clips_nP)} clips")
