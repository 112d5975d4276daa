"""How long does `vaemo-annotate check` take, and does its memory grow? Planted captions, some near-duplicates included.

    python -m benchmarks.check_speed [--captions 100000] [--workers 2] [--seed 1]

Peak memory is the greatest sum over the processes of a check, seen every 0.1 s: unique pages (USS) and, shared pages
counted in each process, resident ones (RSS). A tenth of the captions is checked first.
"""

from __future__ import annotations

import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import datasets
import psutil
import pyarrow as pa
import typer
from tests.support.run_folder import write_run_folder

from benchmarks.machine import describe_machine
from benchmarks.planted_captions import PACKAGES
from benchmarks.planted_rows import EXTRA_FIELDS, planted_captions
from vaemo_clips.caption import caption_schema

_CHECK: Final = """
import sys
from pathlib import Path
from vaemo_annotate.quality.check import check
if __name__ == "__main__":
    check(Path(sys.argv[1]), workers=int(sys.argv[2]))
"""
_ROWS_AT_ONCE: Final = 1000
_EVERY_S: Final = 0.1
_MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Taken:
    """What a check took: seconds of wall time and of processors, peaks in MiB over all its processes."""

    wall_s: float
    cpu_s: float
    peak_uss_mib: float
    peak_rss_mib: float


def main(
    captions: Annotated[int, typer.Option(help="How many; a tenth of them is checked first.")] = 100_000,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
    seed: Annotated[int, typer.Option(help="Seed of the captions.")] = 1,
) -> None:
    """Make, check, print."""
    datasets.disable_progress_bars()
    print(describe_machine("check_speed", (*PACKAGES, "psutil"), seed))
    print(f"\n{'captions':>9}{'seconds':>9}{'a second':>10}{'CPU s':>8}{'peak USS':>13}{'peak RSS':>13}")
    with tempfile.TemporaryDirectory(prefix="vaemo-check-") as name:
        for count in (captions // 10, captions):
            out = write_planted(Path(name) / f"run{count}", count, seed)
            taken = checked(out, workers)
            print(
                f"{count:>9,}{taken.wall_s:>9.1f}{count / taken.wall_s:>10.0f}{taken.cpu_s:>8.1f}"
                f"{taken.peak_uss_mib:>9.0f} MiB{taken.peak_rss_mib:>9.0f} MiB",
                flush=True,
            )


def write_planted(out: Path, count: int, seed: int) -> Path:
    """Write `count` planted captions as a run folder, some at a time."""
    schema = caption_schema(list(EXTRA_FIELDS))
    out.mkdir()
    counts = {"clips": count, "accepted": count, "rejected": 0, "rejects_by_reason": {}}
    write_run_folder(out, accepted=[], extra_fields=EXTRA_FIELDS, counts=counts)
    tables = [pa.Table.from_pylist(rows, schema=schema) for rows in _batches(count, seed)]
    datasets.Dataset(pa.concat_tables(tables)).save_to_disk(str(out / "dataset"))
    return out


def checked(out: Path, workers: int) -> Taken:
    """Check a run folder in processes of its own and watch their memory."""
    script = out / "check_it.py"
    script.write_text(_CHECK, encoding="utf-8")
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, str(script), str(out), str(workers)])
    peak_uss = peak_rss = 0
    cpu_s: dict[int, float] = {}
    while child.poll() is None:
        uss = rss = 0
        for process in _family(child.pid):
            try:
                memory, times = process.memory_full_info(), process.cpu_times()
            except psutil.Error:
                continue
            uss, rss = uss + memory.uss, rss + memory.rss
            cpu_s[process.pid] = times.user + times.system
        peak_uss, peak_rss = max(peak_uss, uss), max(peak_rss, rss)
        time.sleep(_EVERY_S)
    if child.returncode:
        raise SystemExit(f"the check of {out} ended with {child.returncode}")
    return Taken(time.monotonic() - began, sum(cpu_s.values()), peak_uss / _MIB, peak_rss / _MIB)


def _family(pid: int) -> list[psutil.Process]:
    try:
        first = psutil.Process(pid)
        return [first, *first.children(recursive=True)]
    except psutil.Error:
        return []


def _batches(count: int, seed: int) -> Iterator[list[dict[str, Any]]]:
    rows = (one.row for one in planted_captions(count, seed))
    while batch := list(itertools.islice(rows, _ROWS_AT_ONCE)):
        yield batch


if __name__ == "__main__":
    typer.run(main)
