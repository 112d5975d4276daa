"""The main job: clips through an engine into the ledger, then the ledger into the datasets."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vaemo_annotate.cue_book import CueBook, check_face_models
from vaemo_annotate.engines.base import Caption, Engine, ModelIdentity, outcome_record
from vaemo_annotate.engines.opening import RunParts, open_engine
from vaemo_annotate.ledger import Ledger
from vaemo_annotate.media import ClipSource, MediaDecoder, PooledDecoder
from vaemo_annotate.pilot import Estimate, estimate, write_page
from vaemo_annotate.probes.canaries import ask_canaries
from vaemo_annotate.progress import Display, RunCounts
from vaemo_annotate.prompt import Prompt, load_prompt
from vaemo_annotate.references import reference_clips, speaker_of
from vaemo_annotate.results import run_record, write_results
from vaemo_annotate.run_folder import RunFolder, snapshot_manifest
from vaemo_annotate.selection import Row, count_selected, select_clips
from vaemo_annotate.settings import RunSettings
from vaemo_clips.clip import Clip
from vaemo_clips.manifest import Manifest
from vaemo_clips.workers import decoding_pool, first_cause


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a finished run did: its counts, the content of run.json, and after a pilot what all clips would take."""

    folder: Path
    counts: RunCounts
    record: dict[str, Any]
    estimate: Estimate | None = None

    @property
    def reject_rate(self) -> float:
        """Return the share of outcomes that were rejected."""
        return self.counts.rejected / max(self.counts.done, 1)


class ClipPump:
    """Keeps enough clips on their way through an engine to fill its concurrency limit, and no more."""

    def __init__(self, engine: Engine, decoder: MediaDecoder, ledger: Ledger, counts: RunCounts, samples: int) -> None:
        """Every outcome is committed to the ledger and then counted."""
        self._engine = engine
        self._decoder = decoder
        self._ledger = ledger
        self._counts = counts
        self._samples = samples
        self._active = 0
        self._freed = asyncio.Event()

    async def run(self, rows: Iterable[Row], capacity: Callable[[], int]) -> None:
        """Caption all rows; `capacity()` is how many clips may be on their way now."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for position, clip in rows:
                    while self._active >= capacity():
                        self._freed.clear()
                        await self._freed.wait()
                    self._active += 1
                    tasks.create_task(self._caption(position, clip))
        except BaseExceptionGroup as group:
            raise first_cause(group) from group

    async def _caption(self, position: int, clip: Clip) -> None:
        try:
            source = ClipSource(clip, self._decoder, self._ledger)
            for sample_index in range(self._samples):
                outcome = await self._engine.caption(source, sample_index)
                accepted = isinstance(outcome, Caption)
                await self._ledger.commit_outcome(position, sample_index, accepted, outcome_record(outcome))
                self._counts.note_outcome(outcome)
        finally:
            self._active -= 1
            self._freed.set()


def run(settings: RunSettings, display: Display | None = None) -> RunSummary:
    """Caption the clips of a manifest as `settings` say. Raises UserError; Ctrl-C leaves a ledger to resume from."""
    prompt = load_prompt(settings.prompt)
    prompt_text = settings.prompt.read_text(encoding="utf-8")
    listed = Manifest.open(settings.clips)
    folder = RunFolder(settings.folder)
    with folder.locked():
        manifest = snapshot_manifest(listed, folder.manifest)
        shown = display or Display(log_path=folder.log)
        return asyncio.run(_run(settings, prompt, prompt_text, manifest, folder, shown))


async def _run(
    settings: RunSettings, prompt: Prompt, prompt_text: str, manifest: Manifest, folder: RunFolder, display: Display
) -> RunSummary:
    started_at = datetime.now(UTC)
    seed = prompt.sampling.seed if settings.seed is None else settings.seed
    total = count_selected(manifest, settings) * settings.samples
    workers = settings.workers or os.cpu_count() or 1
    with ExitStack() as stack:
        ledger = Ledger(folder.ledger)
        folder.check_owner(ledger.meta(), prompt.name)
        ledger.note_meta({"prompt_name": prompt.name})
        ledger.forget_outcomes()
        stack.enter_context(ledger)
        pool = stack.enter_context(decoding_pool(workers, preload="vaemo_annotate.media"))
        async with open_engine(settings, prompt, folder.server_log, display.announce) as opened:
            parts = RunParts(prompt, ledger, None, seed)
            canaries = await ask_canaries(settings.canaries, opened, parts, display.announce)
            began = time.monotonic()  # measuring the speakers is part of what a pilot tells the time of
            book = _cue_book(opened.identity, prompt, manifest, pool, ledger)
            if book:
                await _meet_speakers(book, settings, manifest, seed or 0, workers, display)
            counts = RunCounts(total)
            engine = opened.engine(replace(parts, book=book, on_reply=counts.note_reply))
            decoder = PooledDecoder(manifest.root, prompt.media, prompt.inputs, pool)
            pump = ClipPump(engine, decoder, ledger, counts, settings.samples)
            rows = select_clips(manifest, settings, seed or 0)
            pilot = list(rows) if settings.pilot else []
            async with display.following(counts, lambda: f"{opened.limit.in_flight}/{opened.limit.limit}"):
                await pump.run(pilot or rows, lambda: opened.limit.limit + 2 * workers)
        seconds = time.monotonic() - began
        assert counts.done == total, f"{counts.done} outcomes for {total} clips"
        record = run_record(settings, prompt, prompt_text, manifest, opened, counts, seed, started_at)
        record["canaries"] = canaries.to_dict()
        target = RunFolder(folder.pilot) if settings.pilot else folder
        write_results(target, manifest, ledger, opened.identity, prompt, record)
    if not settings.pilot:
        return RunSummary(target.path, counts, record)
    in_all = count_selected(manifest, settings.model_copy(update={"pilot": None}))
    whole = estimate(counts, seconds, in_all, len(pilot))
    write_page(target, manifest, [clip for _, clip in pilot], record, whole)
    return RunSummary(target.path, counts, record, whole)


def _cue_book(identity: ModelIdentity, prompt: Prompt, manifest: Manifest, pool: Any, ledger: Ledger) -> CueBook | None:
    """Return what measures the clips, where the engine or the prompt wants that. Raises UserError."""
    if identity.engine != "cues" and "cues" not in prompt.inputs:
        return None
    if any(clip.has_video for clip in manifest.clips()):
        check_face_models()
    return CueBook(manifest.root, pool, ledger)


async def _meet_speakers(
    book: CueBook, settings: RunSettings, manifest: Manifest, seed: int, workers: int, display: Display
) -> None:
    if "speaker" not in (field.name for field in manifest.extra_fields):
        return
    chosen = (speaker_of(clip) for _, clip in select_clips(manifest, settings, seed))
    references = reference_clips(manifest.clips(), frozenset(speaker for speaker in chosen if speaker))
    async with display.steps("measuring the speakers' clips") as on_done:
        await book.meet_speakers(references, 2 * workers, on_done)
    if references:
        people = f"{len(references):,} speaker{'s' if len(references) > 1 else ''}"
        display.announce(f"cues are held against each speaker's other clips ({people}) and against people's")
