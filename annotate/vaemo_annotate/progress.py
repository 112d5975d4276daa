"""How a run is going: counts and rates, live on a terminal, a line every few seconds in a log file."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table

from vaemo_annotate.engines.base import Caption, Outcome
from vaemo_annotate.reply import Reply

_WINDOW_SECONDS = 60.0
_REFRESH_SECONDS = 0.5
_LOG_SECONDS = 10.0


class RunCounts:
    """What a run has done so far."""

    def __init__(self, total: int) -> None:
        """`total` counts the outcomes to come: clips times samples."""
        self.total = total
        self.accepted = 0
        self.rejects: Counter[str] = Counter()
        self.replies = 0
        self.prompt_tokens = 0
        self.cached_tokens = 0
        self.completion_tokens = 0
        self.dataset_tokens: Counter[str] = Counter(prompt=0, cached=0, completion=0)
        self.dataset_requests = 0
        self.began = time.monotonic()
        self._cache_known_tokens = 0
        self._history: deque[tuple[float, int, int]] = deque([(self.began, 0, 0)])

    @property
    def rejected(self) -> int:
        """Return the number of rejects of any type."""
        return self.rejects.total()

    @property
    def done(self) -> int:
        """Return the number of outcomes."""
        return self.accepted + self.rejected

    def note_reply(self, reply: Reply) -> None:
        """Count a reply that was asked for in this run."""
        self.replies += 1
        self.prompt_tokens += reply.prompt_tokens or 0
        self.cached_tokens += reply.cached_tokens or 0
        self._cache_known_tokens += (reply.prompt_tokens or 0) if reply.cached_tokens is not None else 0
        self.completion_tokens += reply.completion_tokens or 0

    def note_outcome(self, outcome: Outcome) -> None:
        """Count a clip as accepted or as rejected by its type, and the tokens its reply took, now or earlier."""
        for step in outcome.steps:
            self.dataset_requests += step.attempts
            self.dataset_tokens["prompt"] += step.prompt_tokens or 0
            self.dataset_tokens["cached"] += step.cached_tokens or 0
            self.dataset_tokens["completion"] += step.completion_tokens or 0
        if isinstance(outcome, Caption):
            self.accepted += 1
        else:
            self.rejects[outcome.reason] += 1

    def sample_rates(self) -> None:
        """Note the counts now; rates are taken over the last minute of such notes."""
        now = time.monotonic()
        self._history.append((now, self.done, self.completion_tokens))
        while now - self._history[0][0] > _WINDOW_SECONDS and len(self._history) > 2:
            self._history.popleft()

    def rates(self) -> tuple[float, float]:
        """Return (clips, generated tokens) a second over the last minute."""
        (then, done_then, tokens_then), (now, done, tokens) = self._history[0], self._history[-1]
        seconds = max(now - then, 1e-9)
        return (done - done_then) / seconds, (tokens - tokens_then) / seconds

    @property
    def cached_share(self) -> float | None:
        """Return the share of the prompt tokens that the server found in its cache; None where it does not say."""
        return self.cached_tokens / self._cache_known_tokens if self._cache_known_tokens else None


def describe(counts: RunCounts, in_flight: str) -> str:
    """Return the state of a run in one line."""
    clips_rate, tokens_rate = counts.rates()
    parts = [
        f"{counts.done:,}/{counts.total:,} ({100 * counts.done // max(counts.total, 1)}%)",
        f"{clips_rate:.1f} clips/s",
        f"{tokens_rate:,.0f} tokens/s",
        "cached –" if counts.cached_share is None else f"cached {counts.cached_share:.0%}",
        f"in flight {in_flight}",
        f"ETA {_eta(counts, clips_rate)}",
        f"rejected {counts.rejected}{_by_type(counts)}",
    ]
    return "  ".join(parts)


def duration_text(seconds: float) -> str:
    """Return a duration as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 172_800 else f"{seconds / 86_400:.1f} days"


def _eta(counts: RunCounts, clips_rate: float) -> str:
    left = counts.total - counts.done
    if left == 0:
        return "0 s"
    return duration_text(left / clips_rate) if clips_rate > 0 else "–"


def _by_type(counts: RunCounts) -> str:
    shown = ", ".join(f"{reason} {count}" for reason, count in counts.rejects.most_common(4))
    return f" ({shown})" if shown else ""


class Display:
    """Shows a run's counts: one live line on a terminal; elsewhere, and in `log_path`, a line every 10 s."""

    def __init__(self, log_path: Path | None = None, console: Console | None = None) -> None:
        """Write to stderr unless another console is given."""
        self._console = console or Console(file=sys.stderr, soft_wrap=True)
        self._log_path = log_path

    def announce(self, line: str) -> None:
        """Show a line that stays."""
        self._console.print(line, markup=False, highlight=False)
        self._log(line)

    @asynccontextmanager
    async def following(self, counts: RunCounts, in_flight: Callable[[], str]) -> AsyncIterator[None]:
        """Show the counts while the block runs, and their last state."""
        ticking = asyncio.create_task(self._tick(counts, in_flight))
        try:
            yield
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
            counts.sample_rates()
            self.announce(describe(counts, in_flight()))

    @asynccontextmanager
    async def steps(self, what: str) -> AsyncIterator[Callable[[int, int], None]]:
        """Yield what is told (done, of) after each step of a preparation, and show it at most twice a second."""
        last_shown = time.monotonic()
        with Live(console=self._console, auto_refresh=False, transient=True) as live:

            def on_done(done: int, total: int) -> None:
                nonlocal last_shown
                if time.monotonic() - last_shown >= (_REFRESH_SECONDS if self._console.is_terminal else _LOG_SECONDS):
                    last_shown = time.monotonic()
                    line = f"{what}: {done:,}/{total:,}"
                    if self._console.is_terminal:
                        live.update(line, refresh=True)
                    else:
                        self.announce(line)

            yield on_done

    async def _tick(self, counts: RunCounts, in_flight: Callable[[], str]) -> None:
        last_logged = time.monotonic()
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while True:
                await asyncio.sleep(_REFRESH_SECONDS)
                counts.sample_rates()
                line = describe(counts, in_flight())
                if self._console.is_terminal:
                    live.update(_bar(counts, line), refresh=True)
                if time.monotonic() - last_logged >= _LOG_SECONDS:
                    last_logged = time.monotonic()
                    if self._console.is_terminal:
                        self._log(line)
                    else:
                        self.announce(line)

    def _log(self, line: str) -> None:
        if self._log_path is None:
            return
        # A log that cannot be written must not end a run, nor hide why it ends.
        with suppress(OSError), self._log_path.open("a", encoding="utf-8") as file:
            file.write(f"{datetime.now().isoformat(timespec='seconds')}  {line}\n")


def _bar(counts: RunCounts, line: str) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(ProgressBar(total=max(counts.total, 1), completed=counts.done, width=24), line)
    return grid
