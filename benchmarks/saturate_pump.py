"""saturate's pump as annotate_overhead.py runs it, in an interpreter that has saturate 0.2.0 and not this project.

    python benchmarks/saturate_pump.py '{"url": …, "body": FILE, "requests": N, "in_flight": 64, "cpu": 0}'

One request a row, no ledger: a row's body is that of one step, its output the reply's text. Prints JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main(url: str, body: str, requests: int, in_flight: int, cpu: int | None) -> None:
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    from saturate import Fixed, pump  # type: ignore[import-not-found,unused-ignore]

    request: dict[str, Any] = json.loads(Path(body).read_bytes())
    before = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        stats = pump(
            ((str(number), {"number": number}) for number in range(requests)),
            to_request=lambda row: {**request, "user": str(row["number"])},
            parse=lambda row, reply: {"text": reply["choices"][0]["message"]["content"]},
            endpoint=f"{url}/v1",
            output=folder,
            window=Fixed(in_flight),
            signal_source="none",
            flush_every=1000,
        )
    assert stats.rows_processed == requests, stats
    print(json.dumps({"seconds": stats.elapsed_s, "cpu_seconds": time.process_time() - before}))


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
