"""`vaemo-train prepare` that kills itself with SIGKILL at a chosen moment.

    python -m tests.support.killed_prepare MOMENT COUNT prepare --clips …

MOMENT names what is going on, COUNT which time: `clip` (after a clip went into a shard that is not full), `shard`
(a shard has its name, but is not yet written down), `record` (it has just been written down), `lists` (rows and
rejects are listed, the marker is not written).
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vaemo_clips.whole_file import write_text
from vaemo_train.cli import main
from vaemo_train.shards import finish
from vaemo_train.shards.ledger import Ledger
from vaemo_train.shards.series import ShardSeries
from vaemo_train.shards.writer import ShardWriter


def arm(moment: str, count: int) -> None:
    """Arrange for the kill."""
    left = [count]

    def strike() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if moment == "lists":
        _before_marker(strike)
    else:
        owner, name = {
            "clip": (ShardSeries, "add"), "shard": (ShardWriter, "finish"), "record": (Ledger, "add")
        }[moment]  # fmt: skip
        setattr(owner, name, _then(getattr(owner, name), strike))


def _then(plain: Callable[..., Any], strike: Callable[[], None]) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        result = plain(*values)
        strike()
        return result

    return call


def _before_marker(strike: Callable[[], None]) -> None:
    plain = write_text

    def strike_and_write(path: Path, text: str) -> None:
        strike()
        plain(path, text)

    vars(finish)["write_text"] = strike_and_write


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]))
    sys.argv = ["vaemo-train", *sys.argv[3:]]
    main()
