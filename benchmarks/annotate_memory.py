"""Resident memory of a long run: it must not grow with the number of clips."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

from benchmarks.annotate_workload import IDENTITY, CannedDecoder, annotate, prompt_of, write_manifest
from benchmarks.fast_server import running_server
from vaemo_annotate.dataset import build_dataset, import_datasets
from vaemo_annotate.ledger import Ledger

_MB = 1e6


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / _MB


def measure_memory(folder: Path, num_clips: int) -> dict[str, float]:
    """Caption `num_clips` clips of small media, then build the dataset; print and return megabytes."""
    folder.mkdir(parents=True)
    manifest = write_manifest(folder / "clips.parquet", num_clips)
    import_datasets()  # some hundred megabytes of libraries, whatever the number of clips
    marks = {num_clips // 10, num_clips}
    resident: dict[str, float] = {"before the run": _resident_mb()}

    def note(done: int) -> None:
        if done in marks:
            resident[f"after {done:,} clips"] = _resident_mb()

    with running_server(1) as url:
        began = time.monotonic()
        taken = asyncio.run(annotate(url, manifest, folder / "ledger.sqlite", CannedDecoder(1.5), on_outcomes=note))
    run_s = time.monotonic() - began
    began = time.monotonic()
    ledger = Ledger(folder / "ledger.sqlite")
    with ledger:
        rows = build_dataset(folder / "dataset", True, manifest, ledger, IDENTITY, prompt_of())
    assert rows == num_clips, rows
    resident["dataset built"] = _resident_mb()
    print(f"Resident memory, {num_clips:,} clips of three steps and 2 kB ({taken.rate:,.0f} requests/s):\n")
    print("| when | MB |\n| --- | ---: |")
    for when, megabytes in resident.items():
        print(f"| {when} | {megabytes:,.0f} |")
    size_mb = (folder / "ledger.sqlite").stat().st_size / _MB
    print(f"\nrun {run_s:.0f} s, dataset {time.monotonic() - began:.0f} s, ledger {size_mb:,.0f} MB\n")
    return resident
