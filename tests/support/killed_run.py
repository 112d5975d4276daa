"""`vaemo-annotate run` that kills itself with SIGKILL at a chosen moment.

    python -m tests.support.killed_run MOMENT COUNT run --prompt …

MOMENT names what is going on, COUNT which time: `write` (inside a ledger transaction, before its commit),
`commit` (just after a commit, before anybody is told), `stream` (between two tables of a dataset), `swap`
(between the two renames that put a dataset in place), `marker` (before run.json is renamed), `reply` (a reply
has come and is not yet committed).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from vaemo_annotate import dataset, run_folder
from vaemo_annotate.cli import main
from vaemo_annotate.engines import endpoint
from vaemo_annotate.ledger import Ledger
from vaemo_clips import whole_file


def arm(moment: str, count: int) -> None:
    """Arrange for the kill."""
    left = [count]

    def strike() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    _ARM[moment](strike)


def _in_write(strike: Callable[[], None]) -> None:
    plain = Ledger._write_batch

    def write_batch(self: Ledger, connection: Any, batch: list[Any]) -> None:
        class Striking:
            """A connection whose every statement may be the last thing this process does."""

            def __enter__(self) -> Any:
                return connection.__enter__()

            def __exit__(self, *error: Any) -> Any:
                strike()
                return connection.__exit__(*error)

            def execute(self, *values: Any) -> Any:
                return connection.execute(*values)

        plain(self, Striking(), batch)  # type: ignore[arg-type]

    Ledger._write_batch = write_batch  # type: ignore[method-assign]


def _after_commit(strike: Callable[[], None]) -> None:
    plain = Ledger._write_batch

    def write_batch(self: Ledger, connection: Any, batch: list[Any]) -> None:
        plain(self, connection, batch)
        strike()

    Ledger._write_batch = write_batch  # type: ignore[method-assign]


def _in_stream(strike: Callable[[], None]) -> None:
    plain = dataset._tables

    def tables(*values: Any) -> Iterator[Any]:
        for table in plain(*values):
            yield table
            strike()

    dataset._tables = tables  # type: ignore[assignment]


def _in_swap(strike: Callable[[], None]) -> None:
    plain = Path.rename

    def rename(self: Path, target: Path) -> Path:
        moved = plain(self, target)
        strike()
        return moved

    Path.rename = rename  # type: ignore[method-assign, assignment]


def _before_marker(strike: Callable[[], None]) -> None:
    plain = whole_file.write_text

    def write_text(path: Path, text: str) -> None:
        strike()
        plain(path, text)

    run_folder.write_text = write_text  # type: ignore[attr-defined]


def _at_reply(strike: Callable[[], None]) -> None:
    plain = endpoint.EndpointBackend.complete

    async def complete(self: Any, request: Any) -> Any:
        reply = await plain(self, request)
        strike()
        return reply

    endpoint.EndpointBackend.complete = complete  # type: ignore[method-assign]


_ARM: dict[str, Callable[[Callable[[], None]], None]] = {
    "write": _in_write,
    "commit": _after_commit,
    "stream": _in_stream,
    "swap": _in_swap,
    "marker": _before_marker,
    "reply": _at_reply,
}

if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    sys.argv = ["vaemo-annotate", *sys.argv[3:]]
    main()
