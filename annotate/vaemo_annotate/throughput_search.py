"""How many requests should be in flight: a search for the knee of throughput over concurrency, decided at replies.

No clock, no asyncio: times come in as arguments, so the search can be driven by a test or a simulation. Three phases:

STARTING   every reply raises the limit by one (it doubles in a round trip) while each round brings clearly more
           replies a second than any before (slow start, as in TCP and BBR);
CLIMBING   limits lie on a geometric ladder with a memory of the throughput at each rung; rungs beside the current one
           are tried, and the best of log(throughput) - price * log(limit) is kept: where twice the requests bring
           less than about 4 % more replies, the smaller number wins;
THROTTLED  the server said 429: multiplicative decrease, at most once a round trip, then slow additive increase,
           until there was no 429 for long.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from enum import Enum, auto

LADDER_RATIO = 2 ** (1 / 4)
PRICE_OF_CONCURRENCY = float(os.environ.get("PRICE", "0.05"))
CLEAR_GROWTH = float(os.environ.get("GROW", "1.15"))
THROTTLE_DECREASE = float(os.environ.get("DEC", "0.85"))
THROTTLE_INCREASE = float(os.environ.get("INC", "0.03"))
PATIENCE = int(os.environ.get("PAT", "4"))
PD = float(os.environ.get("PD", ".95"))
PI = float(os.environ.get("PI", "1.02"))
STRIDE = int(os.environ.get("STRIDE", "1"))
HARDPACE = float(os.environ.get("HP", "1"))
CUT = float(os.environ.get('CUT','.85'))
GAIN = int(os.environ.get('GAIN','1'))
CALM_ROUNDS = 24
MEMORY_PER_WINDOW = 0.85
MAX_DWELL = int(os.environ.get("DWELL", "8"))


class Phase(Enum):
    STARTING = auto()
    CLIMBING = auto()
    THROTTLED = auto()


@dataclass(slots=True)
class _Window:
    started_at: float
    to_skip: int
    to_measure: int
    replies: int = 0
    failures: int = 0
    at_limit: int = 0
    in_flight_sum: int = 0
    longest_gap: float = 0.0


def ladder(maximum: int) -> list[int]:
    """The limits that are tried: 1, 2, 3, ... and from 6 on about 19 % apart, up to `maximum`."""
    rungs = {maximum}
    rung = 1.0
    while rung < maximum:
        rungs.add(round(rung))
        rung = max(rung * LADDER_RATIO, rung + 1.0)
    return sorted(rungs)


class ThroughputSearch:
    def __init__(self, start: int, maximum: int) -> None:
        self.phase = Phase.STARTING
        self.limit = min(start, maximum)
        self._maximum = maximum
        self._rungs = ladder(maximum)
        self._rates: dict[int, tuple[float, float]] = {}  # rung -> (replies per second, weight)
        self._rounds: list[tuple[float, float]] = []  # of the start: (requests in flight, replies per second)
        self._frozen = False
        self._rung = 0
        self._base = 0
        self._dwell = 1
        self._stay = 0
        self._probe_up = True
        self._calm = 0
        self._window: _Window | None = None
        self._last_reply_at = -math.inf
        self._usual_gap = 0.0
        self._latency = self._rate = 0.0
        self._ceiling = 0
        self.pace = math.inf
        self._decreased_at = -math.inf
        self.saturated = False
        self.log: list[tuple[float, str, int, float]] = []

    # -- events
    def on_success(self, now: float, admitted_at: float, in_flight: int, is_limited: bool) -> None:
        latency = now - admitted_at
        self._latency += (latency - self._latency) * (0.05 if self._latency else 1.0)
        window = self._window
        if window is None:
            window = self._open(now if self._rounds or self.phase is not Phase.STARTING else admitted_at, 0)
        gap = now - max(self._last_reply_at, window.started_at)
        self._last_reply_at = now
        if gap > 3.0 * self._usual_gap and gap > 1.0 and self._usual_gap:
            window.to_skip = max(window.to_skip, min(in_flight, int(self._rate * gap))) + 1
        elif gap > window.longest_gap:
            window.longest_gap = gap
        if window.to_skip:
            window.to_skip -= 1
            window.started_at += gap
            return
        window.replies += 1
        window.in_flight_sum += in_flight
        if is_limited:
            window.at_limit += 1
            if self.phase is Phase.STARTING and not self._frozen and not self.saturated:
                self.limit = min(self.limit + GAIN, self._maximum)
        if window.replies >= window.to_measure:
            self._close(window, now)

    def on_throttle(self, now: float, admitted_at: float) -> None:
        if admitted_at <= self._decreased_at or now - self._decreased_at < self._latency:
            return
        was_calm = self.phase is Phase.THROTTLED and self._calm > 0
        if self.phase is not Phase.THROTTLED:
            self.pace = self.limit / max(self._latency, 1e-3)
        self.phase = Phase.THROTTLED
        cut = 0.95 if was_calm else CUT
        self.limit = max(1, min(self.limit - 1, round(self.limit * cut)))
        self.pace *= 0.95 if was_calm else HARDPACE
        self._calm = 0
        self._decreased_at = now
        self._open(now, self.limit)

    def on_failure(self, now: float, admitted_at: float) -> None:
        if self._window is not None:
            self._window.failures += 1

    def discard(self) -> None:
        """Forget the window under way: what it saw says nothing about speed."""
        self._window = None
        self._last_reply_at = -math.inf

    # -- windows
    def _open(self, now: float, to_skip: int) -> _Window:
        if self.phase is Phase.CLIMBING:
            measure = max(self.limit, 32)
        else:
            measure = max(self.limit, 8)
        self._window = _Window(now, to_skip, measure)
        return self._window

    def _close(self, window: _Window, now: float) -> None:
        seconds = now - window.started_at
        if window.longest_gap:
            self._usual_gap += (window.longest_gap - self._usual_gap) * (0.3 if self._usual_gap else 1.0)
        is_at_limit = window.at_limit >= 0.9 * window.replies
        if self.phase is Phase.THROTTLED:
            self._end_throttled_round(is_at_limit)
            self._open(now, 0)
            return
        if not is_at_limit or seconds <= 0.0:
            self._open(now, 0)
            return
        rate = self._rate = window.replies / seconds
        before = self.limit
        self.log.append((now, self.phase.name, self.limit, rate))
        if self.phase is Phase.STARTING:
            self._end_round(window.in_flight_sum / window.replies, rate)
            self._open(now, before if self.phase is Phase.CLIMBING else 0)
        else:
            self._end_window(rate, window.replies)
            self._open(now, max(self.limit, before) if self.limit != before else 0)

    def _end_round(self, in_flight: float, rate: float) -> None:
        best = max((seen for _, seen in self._rounds), default=0.0)
        self._rounds.append((in_flight, rate))
        if rate >= CLEAR_GROWTH * best and self.limit < self._maximum:
            self._frozen = False
        elif not self._frozen and self.limit < self._maximum:
            self._frozen = True
        else:
            knee = max(self._rounds, key=lambda seen: math.log(seen[1]) - PRICE_OF_CONCURRENCY * math.log(seen[0]))
            self._start_climbing(knee[0])

    def _start_climbing(self, limit: float) -> None:
        self.phase = Phase.CLIMBING
        self._base = self._rung = min(
            range(len(self._rungs)), key=lambda rung: abs(math.log(self._rungs[rung] / limit))
        )
        self.limit = self._rungs[self._rung]
        self._rates.clear()
        self._dwell = self._stay = 1

    def _end_throttled_round(self, is_at_limit: bool) -> None:
        self._calm += 1
        self.pace *= 1.01
        if self._calm > CALM_ROUNDS:
            self._start_climbing(self.limit)
        elif is_at_limit and not self.saturated:
            self.limit = min(self._maximum, self.limit + max(1, round(THROTTLE_INCREASE * self.limit)))

    def _end_window(self, rate: float, replies: int) -> None:
        for rung, (mean, weight) in self._rates.items():
            self._rates[rung] = (mean, weight * MEMORY_PER_WINDOW)
        mean, weight = self._rates.get(self._rung, (rate, 0.0))
        total = weight + replies
        self._rates[self._rung] = ((mean * weight + rate * replies) / total, total)
        self._move()

    def _score(self, rung: int) -> float:
        rate, _ = self._rates[rung]
        return math.log(rate) - PRICE_OF_CONCURRENCY * math.log(self._rungs[rung])

    def _move(self) -> None:
        near = [rung for rung in (self._base - STRIDE, self._base, self._base + STRIDE) if self._knows(rung)]
        best = max(near, key=self._score)
        if best != self._base:
            self._base, self._dwell, self._stay = best, 1, 0
        if self._rung == best:
            self._stay -= 1
        if self._stay > 0:
            self._rung = best
        else:
            self._dwell = min(self._dwell * 2, MAX_DWELL)
            self._stay = self._dwell
            self._rung = self._next_probe(best)
        self.limit = self._rungs[self._rung]

    def _knows(self, rung: int) -> bool:
        return rung in self._rates and self._rates[rung][1] >= 4.0

    def _next_probe(self, best: int) -> int:
        """The neighbour that is known least."""
        candidates = [rung for rung in (best + STRIDE, best - STRIDE) if 0 <= rung < len(self._rungs)]
        if self.saturated:
            candidates = [rung for rung in candidates if rung < best]
        return min(candidates, key=lambda rung: self._rates.get(rung, (0.0, 0.0))[1], default=best)
