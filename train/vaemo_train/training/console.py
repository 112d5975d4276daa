"""How a training is going, on the terminal: a bar with the last losses, and lines that stay."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_NAMES = {
    "loss": "loss",
    "loss/video_pixels": "pixels",
    "loss/video_motion": "motion",
    "loss/audio": "audio",
    "loss/contrastive": "contrastive",
    "loss/visual": "visual",
    "loss/acoustic": "acoustic",
    "loss/affect": "affect",
    "loss/affect_video": "affect (video)",
    "loss/affect_audio": "affect (audio)",
    "grad_norm": "gradient",
}
_LINE_S = 10.0


class TrainingConsole:
    """Shows steps and losses: one live bar on a terminal, elsewhere a line at most every 10 s; silent if told so."""

    def __init__(self, silent: bool = False, console: Console | None = None) -> None:
        """Write to stderr unless another console is given."""
        self._console = console or Console(file=sys.stderr, soft_wrap=True, quiet=silent)
        self._bar = Progress(
            TextColumn("training"), BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.fields[losses]}"),
            TimeRemainingColumn(), console=self._console, transient=True, disable=silent,
        )  # fmt: skip
        self._task: Any = None
        self._total = 0
        self._last_line_at = 0.0

    def __enter__(self) -> TrainingConsole:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def announce(self, *lines: str) -> None:
        """Show lines that stay."""
        for line in lines:
            self._console.print(line, markup=False, highlight=False)

    @contextmanager
    def counting(self, noun: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show how far something has come that is no training; the block calls what it gets with each advance."""
        is_shown = total and self._console.is_terminal
        bar = Progress(
            TextColumn(noun), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn(),
            console=self._console, transient=True, disable=not is_shown,
        )  # fmt: skip
        with bar:
            task = bar.add_task(noun, total=total)
            yield lambda done: bar.advance(task, done)

    def begin(self, step: int, total: int) -> None:
        """Show that `step` of `total` steps are done."""
        self._total = total
        if self._console.is_terminal:
            self._task = self._bar.add_task("training", total=total, completed=step, losses="")
            self._bar.start()

    def show_step(self, step: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bar.update(self._task, completed=step)

    def show_losses(self, step: int, values: Mapping[str, Any]) -> None:
        """Show the means of the last log."""
        words = [f"{short} {values[name]:.4g}" for name, short in _NAMES.items() if name in values]
        words.append(f"{values['clips_per_s']:,.1f} clips/s")
        if self._task is not None:
            self._bar.update(self._task, losses="  ".join(words))
        elif time.monotonic() - self._last_line_at >= _LINE_S or step in (1, self._total):
            self._last_line_at = time.monotonic()
            self.announce(f"step {step:,}/{self._total:,}  " + "  ".join(words))
