"""One search of counterparts in galleries, from picture to sound and back, and what it tallies up.

Shapes: n clips, Q queries of a gallery, G candidates of each (the query's own counterpart is candidate 0).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_train.evaluate.folds import Column
from vaemo_train.evaluate.gallery import Gallery, galleries, matched_gallery
from vaemo_train.evaluate.interval import Interval, bootstrap_interval, cluster_sums, ratio

_TIE = 1e-6
_GROUP_GALLERIES = 512

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share, what chance gives, its 95 % interval over speakers (or clips), over how many clips; NaN if undefined."""

    value: float
    chance: float
    interval: Interval | None
    num_clips: int

    @property
    def times_chance(self) -> float:
        """The share over that of chance."""
        return self.value / self.chance if self.chance else float("nan")

    def __str__(self) -> str:
        """In percent: 31.2 [28.0, 34.1], chance 1.6."""
        return f"{100 * self.value:.1f} {self.interval or ''}".strip() + f", chance {100 * self.chance:.1f}"


class Tally:
    """Sums of each clip (n, 3) over all its queries: hits, what chance would hit, and tries."""

    def __init__(self, num_clips: int) -> None:
        """Start at 0."""
        self.sums = np.zeros((num_clips, 3))

    def add(self, queries: NDArray[np.int64], hits: Floats, chances: Floats, tries: Floats) -> None:
        """Add hits and chances (Q,) where there were `tries` (Q,), which may be parts of one."""
        tried = tries > 0
        self.sums[queries[tried]] += np.stack([hits, chances, tries], axis=1)[tried]

    def __add__(self, other: Tally) -> Tally:
        """The sums of both."""
        both = Tally(len(self.sums))
        both.sums = self.sums + other.sums
        return both


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Whom the queries of a gallery found. All (Q, G): `wins` sum to 1 a line, candidates of equal likeness share."""

    gallery: Gallery
    wins: Floats
    is_candidate: Bools

    def top1(self, tally: Tally) -> None:
        """Count the counterparts found; a query without any other candidate is none."""
        numbers = self.is_candidate.sum(1)
        tally.add(self.gallery.queries, self.wins[:, 0], 1 / numbers, (numbers > 1).astype(float))

    def share(self, tally: Tally, is_same: Bools, is_known: Bools) -> None:
        """Count the found clips that are of the query's group; `is_same` (Q, G), `is_known` (Q,)."""
        numbers = self.is_candidate.sum(1)
        same = (self.is_candidate & is_same).sum(1)
        tries = (is_known & (numbers > 1)).astype(float)
        tally.add(self.gallery.queries, (self.wins * is_same).sum(1), same / numbers, tries)

    def share_of_mistakes(self, tally: Tally, is_same: Bools, is_known: Bools) -> None:
        """The same of what was found wrongly, against the share of the group among the wrong candidates."""
        numbers = self.is_candidate.sum(1) - 1
        same = (self.is_candidate & is_same).sum(1) - 1
        wrong = (1 - self.wins[:, 0]) * (is_known & (numbers > 0))
        hits = (self.wins * is_same)[:, 1:].sum(1)
        tally.add(self.gallery.queries, hits, wrong * same / np.maximum(numbers, 1), wrong)


class Search:
    """Draws galleries and looks in them, both ways; the same for the same seed."""

    def __init__(
        self, similarity: NDArray[np.float32], is_candidate: Bools, clusters: Column | None, num_draws: int, seed: int
    ) -> None:
        """`similarity` (n, n) of video i and audio j; `is_candidate` (n, n) symmetric, True on the diagonal."""
        self._ways = (similarity, similarity.T)
        self._is_candidate = is_candidate
        self._clusters = clusters
        self._num_draws = num_draws
        self._seed = seed
        self.num_clips = len(similarity)

    def everyone(self) -> tuple[Tally, Tally]:
        """Top-1 among all clips: video -> audio, audio -> video."""
        tallies = (Tally(self.num_clips), Tally(self.num_clips))
        for gallery in self._galleries(np.arange(self.num_clips)):
            for similarity, tally in zip(self._ways, tallies, strict=True):
                self._look(gallery, similarity).top1(tally)
        return tallies

    def by_group(self, groups: NDArray[np.int64]) -> dict[str, Tally]:
        """`groups` (n,), -1 unknown: tallies within, matched, across, found, mistaken, as GroupRetrieval says."""
        tallies = {name: Tally(self.num_clips) for name in ("within", "matched", "across", "found", "mistaken")}
        for gallery in self._galleries(np.arange(self.num_clips)):
            self._look_among_all(gallery, groups, tallies)
        members = [np.flatnonzero(groups == group) for group in np.unique(groups[groups >= 0])]
        num_draws = max(1, min(self._num_draws, _GROUP_GALLERIES // max(len(members), 1)))
        rng = np.random.default_rng([self._seed, 1])
        for rows in members:
            for gallery in self._galleries(rows, num_draws):
                self._look_within(gallery, matched_gallery(gallery, self.num_clips, rng), tallies)
        return tallies

    def rate(self, tally: Tally) -> Rate:
        """The share of hits among the tries."""
        hits, chances, tries = tally.sums.sum(0)
        if not tries:
            return Rate(float("nan"), float("nan"), None, 0)
        interval = bootstrap_interval(cluster_sums(tally.sums[:, [0, 2]], self._clusters), ratio, seed=self._seed)
        return Rate(float(hits / tries), float(chances / tries), interval, int((tally.sums[:, 2] > 0).sum()))

    def _galleries(self, rows: NDArray[np.int64], num_draws: int | None = None) -> Iterator[Gallery]:
        rng = np.random.default_rng([self._seed, 0])
        for _ in range(num_draws or self._num_draws):
            yield from galleries(rows, rng)

    def _look_among_all(self, gallery: Gallery, groups: NDArray[np.int64], tallies: dict[str, Tally]) -> None:
        is_known = groups[gallery.queries] >= 0
        is_same = groups[gallery.queries][:, None] == groups[gallery.candidates]
        is_other = ~is_same & (groups[gallery.candidates] >= 0) & is_known[:, None]
        is_other[:, 0] = True
        for similarity in self._ways:
            outcome = self._look(gallery, similarity)
            outcome.share(tallies["found"], is_same, is_known)
            outcome.share_of_mistakes(tallies["mistaken"], is_same, is_known)
            self._look(gallery, similarity, is_other).top1(tallies["across"])

    def _look_within(self, gallery: Gallery, matched: Gallery, tallies: dict[str, Tally]) -> None:
        for similarity in self._ways:
            self._look(gallery, similarity).top1(tallies["within"])
            self._look(matched, similarity).top1(tallies["matched"])

    def _look(self, gallery: Gallery, similarity: NDArray[np.float32], allowed: Bools | None = None) -> Outcome:
        cells = (gallery.queries[:, None], gallery.candidates)
        is_candidate = self._is_candidate[cells] if allowed is None else self._is_candidate[cells] & allowed
        likeness = np.where(is_candidate, similarity[cells], -np.inf)
        best = likeness >= likeness.max(1, keepdims=True) - _TIE
        return Outcome(gallery, best / best.sum(1, keepdims=True), is_candidate)
