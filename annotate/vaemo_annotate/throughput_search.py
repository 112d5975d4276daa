"""How many requests should be in flight: a search for the knee of throughput over concurrency, decided at replies.

No clock and no asyncio: times come in as arguments, so that a test or a simulation can drive it. Three phases:

STARTING   every reply admits two more (the limit triples in a round trip) while each round brings clearly more
           replies a second than any before: slow start, as in TCP and BBR;
CLIMBING   limits lie on a geometric ladder with a fading memory of the throughput at each rung; the neighbours of
           the best rung are tried in turn, and the best of log(throughput) - price * log(limit) is kept: where
           twice the requests bring less than 4 % more replies, the smaller number wins;
THROTTLED  the server said 429: the limit and the pace of admissions fall, at most once a round trip, and creep up
           again. The pace matters: a quota counts requests a second, and without it each burst trips it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

_LADDER_RATIO = 2 ** (1 / 4)
_PRICE_OF_CONCURRENCY = 0.06
_CLEAR_GROWTH = 1.15
_SMALLEST_ROUND = 8
_SMALLEST_WINDOW = 32
_MEMORY_PER_WINDOW = 0.85
_LONGEST_STAY = 8
_SHARE_AT_LIMIT = 0.9

_FIRST_CUT, _REPEATED_CUT = 0.95, 0.85
_FAST_RECOVERY, _SLOW_RECOVERY, _PACE_RECOVERY = 0.25, 0.03, 0.01
_SPARE_OVER_PACE = 1.25
_CALM_ROUNDS = 24

_OVERLOAD_CUT = 0.75
_TIMEOUT_SECONDS = 10.0  # a failure slower than this is a timeout, as long as no reply has told the usual latency

_STALL_GAPS, _STALL_SECONDS, _STALLS_PER_WINDOW = 3.0, 1.0, 2

_POLLS_UNTIL_SATURATED = 3
_BACKLOG_SHARE = 0.1
_FULL_KV_CACHE = 0.98


class Phase(Enum):
    """What the search is doing."""

    STARTING = auto()
    CLIMBING = auto()
    THROTTLED = auto()


@dataclass(slots=True)
class _Window:
    """The replies over which one throughput is measured; the first `to_skip` belong to the limit before."""

    started_at: float
    to_skip: int
    to_measure: int
    replies: int = 0
    replies_at_limit: int = 0
    in_flight_sum: int = 0
    failures: int = 0
    failure_seconds: float = 0.0
    longest_gap: float = 0.0
    stalls: int = 0


def ladder(maximum: int) -> Sequence[int]:
    """Return the limits that are tried: 1, 2, 3, ... and from 6 on about 19 % apart, up to `maximum`."""
    rungs, rung = {maximum}, 1.0
    while rung < maximum:
        rungs.add(round(rung))
        rung = max(rung * _LADDER_RATIO, rung + 1.0)
    return sorted(rungs)


class RungMemory:
    """Throughput seen at each rung of the ladder, and which rung to use next."""

    def __init__(self, rungs: Sequence[int], limit: float) -> None:
        """Begin at the rung nearest to `limit`."""
        self._rungs = rungs
        self._rates: dict[int, tuple[float, float]] = {}  # rung -> (replies per second, weight in replies)
        self._best = min(range(len(rungs)), key=lambda rung: abs(math.log(rungs[rung] / max(limit, 1.0))))
        self._now = self._best
        self._stay = self._longest_stay = 1

    @property
    def limit(self) -> int:
        """The limit of the rung in use."""
        return self._rungs[self._now]

    def note(self, rate: float, replies: int) -> None:
        """Take in a window measured at the rung in use."""
        for rung, (mean, weight) in self._rates.items():
            self._rates[rung] = (mean, weight * _MEMORY_PER_WINDOW)
        mean, weight = self._rates.get(self._now, (rate, 0.0))
        total = weight + replies
        self._rates[self._now] = (mean + (rate - mean) * replies / total, total)

    def move(self, may_grow: bool) -> None:
        """Stay at the best rung, or look at the neighbour that is known least; after a step, look further on."""
        neighbours = [rung for rung in (self._best + 1, self._best - 1) if 0 <= rung < len(self._rungs)]
        if not may_grow:
            neighbours = [rung for rung in neighbours if rung < self._best]
        best = max((rung for rung in (self._best, *neighbours) if rung in self._rates), key=self._score)
        if best != self._best:
            onward = 2 * best - self._best
            self._best = self._now = best
            self._stay = self._longest_stay = 1
            if 0 <= onward < len(self._rungs) and (may_grow or onward < best):
                self._now = onward
            return
        self._stay -= self._now == best
        self._now = best
        if self._stay <= 0 and neighbours:
            self._stay = self._longest_stay = min(2 * self._longest_stay, _LONGEST_STAY)
            self._now = min(neighbours, key=lambda rung: self._rates.get(rung, (0.0, 0.0))[1])

    def _score(self, rung: int) -> float:
        return _score(self._rungs[rung], self._rates[rung][0])


class ThroughputSearch:
    """Turns outcomes of requests into `limit` and, while throttled, `pace`."""

    def __init__(self, start: int, maximum: int) -> None:
        """Begin with `start` requests in flight; never allow more than `maximum`."""
        self.limit = min(start, maximum)
        self.pace = math.inf
        self.phase = Phase.STARTING
        self._maximum = maximum
        self._rungs = ladder(maximum)
        self._memory = RungMemory(self._rungs, self.limit)
        self._rounds: list[tuple[float, float]] = []  # while starting: (requests in flight, replies per second)
        self._is_frozen = False
        self._window: _Window | None = None
        self._last_reply_at = -math.inf
        self._usual_gap = self._latency = self._rate = 0.0
        self._cut_at = -math.inf
        self._calm_rounds = 0
        self._backlogged_polls = 0

    @property
    def is_saturated(self) -> bool:
        """Whether the server itself says that requests pile up before it."""
        return self._backlogged_polls >= _POLLS_UNTIL_SATURATED

    def on_success(self, now: float, admitted_at: float, in_flight: int, is_limited: bool) -> None:
        """Count a reply; `in_flight` is as of its admission, `is_limited` says that others wait for a slot."""
        self._latency += (now - admitted_at - self._latency) * (0.05 if self._latency else 1.0)
        window = self._window or self._open(now if self._rounds else admitted_at, 0)
        gap = now - max(self._last_reply_at, window.started_at)
        self._last_reply_at = now
        if gap > window.longest_gap and not self._note_stall(window, gap, in_flight):
            window.longest_gap = gap
        if window.to_skip:
            window.to_skip -= 1
            window.started_at += gap
            return
        window.replies += 1
        window.in_flight_sum += in_flight
        if is_limited:
            window.replies_at_limit += 1
            if self.phase is Phase.STARTING and not self._is_frozen:
                self.limit = min(self.limit + 2, self._maximum)
        if window.replies >= window.to_measure:
            self._close(window, now)

    def on_throttle(self, now: float, admitted_at: float) -> None:
        """Cut the limit and the pace, unless the request was sent before or in the round trip after the last cut."""
        if admitted_at <= self._cut_at or now - self._cut_at < self._latency:
            return
        if self.phase is not Phase.THROTTLED:
            self.phase, self.pace, self._calm_rounds = Phase.THROTTLED, math.inf, 0
        cut = _FIRST_CUT if self._calm_rounds else _REPEATED_CUT
        if self._latency:
            seen = self.limit / self._latency
            self.pace = min(self.pace, seen) * (_FIRST_CUT if self._calm_rounds else 1.0)
        self.limit = max(1, min(self.limit - 1, round(self.limit * cut)))
        self._calm_rounds, self._cut_at = 0, now
        self._open(now, self.limit)

    def on_failure(self, now: float, admitted_at: float) -> None:
        """Count a timeout or a broken connection; when they rule and are slow, the server has too much to do."""
        window = self._window or self._open(now, 0)
        window.failures += 1
        window.failure_seconds += now - admitted_at
        if window.failures >= max(self.limit, _SMALLEST_ROUND) and window.failures > window.replies:
            if window.failure_seconds > window.failures * (self._latency or _TIMEOUT_SECONDS):
                self._climb_from(self.limit * _OVERLOAD_CUT)
            self._open(now, self.limit)

    def on_gauges(self, running: float, waiting: float, kv_cache_usage: float | None) -> None:
        """Count polls with a backlog; when that lasts, stop growing, and end the start at what the server runs."""
        is_backlogged = waiting > max(1.0, _BACKLOG_SHARE * running) or (kv_cache_usage or 0.0) > _FULL_KV_CACHE
        self._backlogged_polls = self._backlogged_polls + 1 if is_backlogged else 0
        if self.is_saturated and self.phase is Phase.STARTING:
            served = running / max(running + waiting, 1.0)
            self._climb_from(self.limit * min(1.0, served * (1.0 + _BACKLOG_SHARE)))
            self._window = None

    def discard(self) -> None:
        """Forget the window under way: what it saw says nothing about speed."""
        self._window = None
        self._last_reply_at = -math.inf

    def _open(self, now: float, to_skip: int) -> _Window:
        smallest = _SMALLEST_WINDOW if self.phase is Phase.CLIMBING else _SMALLEST_ROUND
        self._window = _Window(now, to_skip, max(self.limit, smallest))
        return self._window

    def _note_stall(self, window: _Window, gap: float, in_flight: int) -> bool:
        """A silence far beyond the usual does not count, nor do the replies that pile up behind it."""
        is_stall = 0.0 < self._usual_gap < gap / _STALL_GAPS and gap > _STALL_SECONDS
        if not is_stall or window.stalls >= _STALLS_PER_WINDOW:
            return False
        window.stalls += 1
        window.to_skip = max(window.to_skip, min(in_flight, int(self._rate * gap))) + 1
        return True

    def _close(self, window: _Window, now: float) -> None:
        seconds = now - window.started_at
        self._usual_gap += (window.longest_gap - self._usual_gap) * (0.3 if self._usual_gap else 1.0)
        limit_before = self.limit
        if window.replies_at_limit >= _SHARE_AT_LIMIT * window.replies and seconds > 0.0:
            self._rate = window.replies / seconds
            self._decide(window)
        has_settled = self.limit == limit_before or self.phase is not Phase.CLIMBING
        self._open(now, 0 if has_settled else max(self.limit, limit_before))

    def _decide(self, window: _Window) -> None:
        if self.phase is Phase.STARTING:
            self._end_round(window.in_flight_sum / window.replies)
        elif self.phase is Phase.THROTTLED:
            self._end_calm_round()
        else:
            self._memory.note(self._rate, window.replies)
            self._memory.move(may_grow=not self.is_saturated)
            self.limit = self._memory.limit

    def _end_round(self, in_flight: float) -> None:
        """Go on, hold for one round (throughput lags a round trip behind the limit), or pick the best round seen."""
        best = max((rate for _, rate in self._rounds), default=0.0)
        self._rounds.append((in_flight, self._rate))
        if self.limit < self._maximum and self._rate >= _CLEAR_GROWTH * best:
            self._is_frozen = False
        elif self.limit < self._maximum and not self._is_frozen:
            self._is_frozen = True
        else:
            self._climb_from(max(self._rounds, key=lambda seen: _score(*seen))[0])

    def _end_calm_round(self) -> None:
        self._calm_rounds += 1
        self.pace *= 1.0 + _PACE_RECOVERY
        expected = self.pace * self._latency
        if self._calm_rounds > _CALM_ROUNDS:
            self._climb_from(self.limit)
        elif not self.is_saturated and self.limit < _SPARE_OVER_PACE * expected:
            share = _FAST_RECOVERY if self.limit < expected else _SLOW_RECOVERY
            self.limit = min(self._maximum, self.limit + max(1, round(share * self.limit)))

    def _climb_from(self, limit: float) -> None:
        self.phase, self.pace = Phase.CLIMBING, math.inf
        self._memory = RungMemory(self._rungs, limit)
        self.limit = self._memory.limit


def _score(in_flight: float, rate: float) -> float:
    return math.log(rate) - _PRICE_OF_CONCURRENCY * math.log(in_flight)
