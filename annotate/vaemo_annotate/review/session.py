"""One review of one run: the captions, their order, what was decided so far, and what follows from it."""

from __future__ import annotations

import hashlib
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaemo_annotate.review.captions import Captions
from vaemo_annotate.review.decision import Decision, is_same_person, person
from vaemo_annotate.review.opinion import Opinion
from vaemo_annotate.review.queue import Order, Queue, doubts_of, places_of
from vaemo_annotate.review.sheet import said, sheet_of
from vaemo_annotate.review.store import ReviewStore
from vaemo_annotate.review.tally import agreement, captions_per_hour, estimate
from vaemo_clips.errors import CaptionError
from vaemo_clips.verdict import CaptionKey, Verdict


@dataclass(frozen=True, slots=True)
class Progress:
    """How far one person has come: captions of the queue judged and left, and captions an hour, where known."""

    judged: int
    left: int
    per_hour: float | None


class ReviewSession:
    """The state behind the page; every method may be called from any thread."""

    def __init__(self, out: Path, *, order: Order, count: int | None, seed: int) -> None:
        """Open a run and put its captions in order. Raises RunFolderError, UserError for an unknown order."""
        self.out = out
        self.order = order
        self.captions = Captions(out)
        self.store = ReviewStore(out)
        self.began_after = self.store.num_events()
        self._opinion = Opinion(out)
        risks = self._opinion.risks(self.captions.rows_by_key, len(self.captions))
        self.queue = Queue.of(order, risks + doubts_of(self.captions.confidences), seed, count)
        self._places = places_of(self.queue, self.captions.keys)
        self._lock = threading.Lock()
        self._known: tuple[int, list[Verdict]] = (-1, [])

    @property
    def run_id(self) -> str:
        """Which run it is: pages of different runs share an address, and what the browser keeps for it."""
        return hashlib.sha256(os.fsencode(self.out.resolve())).hexdigest()[:16]

    def annotator(self, name: Any) -> str:
        """Return a person's name as it was spelled first in this run. Raises CaptionError for what is no name."""
        given = person(name)
        return next((known for known in self.store.annotators() if is_same_person(known, given)), given)

    def sheet(self, place: int, annotator: str) -> dict[str, Any]:
        """Return the caption at a place of the queue. Raises CaptionError where there is no such place."""
        number = self._row_at(place)
        row = self.captions.row(number)
        judged = self._opinion.of(row, self.captions.digest(number))
        own = self.judged(annotator).get(place)
        others = len(self.captions.samples(number))
        return {**sheet_of(row, judged, own), "place": place, "other_samples": others}

    def other_samples(self, place: int) -> list[dict[str, Any]]:
        """Return what the clip's other samples say. Raises CaptionError where there is no such place."""
        rows = [self.captions.row(number) for number in self.captions.samples(self._row_at(place))]
        return [{"sample_index": row["sample_index"] or 0, **said(row)} for row in rows]

    def clip_id(self, place: int) -> str:
        """Return the clip at a place of the queue. Raises CaptionError where there is no such place."""
        return self.captions.keys[self._row_at(place)][0]

    def next_place(self, annotator: str, after: int) -> int | None:
        """Return where a person goes on after a place; None where everything is judged."""
        return self.queue.next_place(after, self.judged(annotator))

    def coming(self, annotator: str, after: int, count: int) -> list[int]:
        """Return the next places that a person will come to."""
        judged = self.judged(annotator)
        later = (place for place in range(after + 1, len(self.queue.rows)) if place not in judged)
        return [place for place, _ in zip(later, range(count), strict=False)]

    def decide(self, decision: Decision) -> int:
        """Commit a decision and return the place of its caption; sent twice it counts once.

        Raises CaptionError for a caption that the run does not have or that now says something else, RunFolderError
        where it cannot be stored.
        """
        place = self._place_of(decision.key)
        number = self._row_at(place)
        if decision.verdict.caption_sha256 != self.captions.digest(number):
            raise CaptionError(
                f"clip {decision.key[0]!r}, sample {decision.key[1]}: the caption has changed since it was shown; "
                "reload the page and look again"
            )
        self.store.append(decision)
        return place

    def undo(self, annotator: str, event_id: str) -> tuple[bool, int | None]:
        """Undo a person's last decision on this queue since the session began.

        Return whether one was undone, and the place of its caption, where it has one: what is sent again may be of an
        earlier session.
        """
        key = self.store.undo(annotator, event_id, self.began_after, self._places)
        return key is not None, None if key is None else self._places.get(key)

    def judged(self, annotator: str) -> dict[int, Verdict]:
        """Return what a person decided, by place; what was said of other words than today's is left out."""
        own = [verdict for verdict in self.standing() if verdict.by == annotator]
        return {self._places[verdict.key]: verdict for verdict in own if verdict.key in self._places}

    def standing(self) -> list[Verdict]:
        """Return everybody's last decisions on captions as they are now."""
        with self._lock:
            num_events = self.store.num_events()
            if num_events != self._known[0]:
                current = [verdict for verdict in self.store.verdicts() if self._is_current(verdict)]
                self._known = num_events, current
            return self._known[1]

    def progress(self, annotator: str) -> Progress:
        """Return how far a person has come."""
        judged = self.judged(annotator)
        return Progress(len(judged), len(self.queue.rows) - len(judged), captions_per_hour(list(judged.values())))

    def results(self) -> dict[str, Any]:
        """Return how far people agree, and the share of good captions estimated from the begin of the random order."""
        standing = self.standing()
        judged = {self.captions.rows_by_key[verdict.key] for verdict in standing}
        sampled = {self.captions.keys[row]: True for row in self.queue.random_sample(judged)}
        return {**agreement(standing), "estimate": estimate(standing, sampled)}

    def _is_current(self, verdict: Verdict) -> bool:
        number = self.captions.rows_by_key.get(verdict.key)
        return number is not None and verdict.caption_sha256 in (None, self.captions.digest(number))

    def _place_of(self, key: CaptionKey) -> int:
        if key not in self._places:
            raise CaptionError(f"clip {key[0]!r:.200}, sample {key[1]}, is not in this review; reload the page")
        return self._places[key]

    def _row_at(self, place: int) -> int:
        if not 0 <= place < len(self.queue.rows):
            raise CaptionError(f"there is no caption {place}; this review has {len(self.queue.rows):,}, from 0 on")
        return int(self.queue.rows[place])
