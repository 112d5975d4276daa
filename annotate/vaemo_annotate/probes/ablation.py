"""Ablation: accepted clips are asked about again without their sound, without their picture, with another's sound.

What is still said of a modality that is gone was not seen or heard. Replies go through a ledger of their own,
OUT/probes.sqlite, so that a second call asks nothing twice.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vaemo_annotate.engines.base import Engine
from vaemo_annotate.engines.opening import OpenEngine, RunParts, open_engine
from vaemo_annotate.ledger import Ledger
from vaemo_annotate.media import ClipSource, MediaDecoder, PooledDecoder
from vaemo_annotate.probes.ablated_media import AblatedDecoder, Kind
from vaemo_annotate.probes.ablated_run import AblatedRun, ServerChoice
from vaemo_annotate.probes.ablation_files import ablation_record, read_flags, read_stale, write_ablation
from vaemo_annotate.probes.ablation_rates import Rate, Survival, rates, survivals
from vaemo_annotate.probes.ablation_row import LOST, AblationRow, compare, said_in
from vaemo_annotate.probes.statement import INPUT
from vaemo_annotate.probes.unmeasured import UnmeasuredCues
from vaemo_annotate.progress import Display
from vaemo_annotate.reply import Reply
from vaemo_clips.caption import caption_digest
from vaemo_clips.clip import Clip
from vaemo_clips.errors import MediaError, UserError
from vaemo_clips.workers import decoding_pool, first_cause

__all__ = ["AblationSummary", "ablate", "read_flags", "read_stale"]

_CLIPS_AT_ONCE = 64
NOT_IN_MANIFEST = "not_in_manifest"
Row = dict[str, Any]
Pair = tuple[Row, Clip]
"""A caption with its clip."""


@dataclass(frozen=True, slots=True)
class AblationSummary:
    """What an ablation found. `left_out` counts chosen clips that could not be asked about, by reason."""

    folder: Path
    clips: int
    rows: tuple[AblationRow, ...]
    rates: tuple[Rate, ...]
    survivals: tuple[Survival, ...]
    left_out: Counter[str]
    replies: int

    @property
    def rejected(self) -> int:
        """Return how many questions got no caption."""
        return sum(row.reject_reason is not None for row in self.rows)


def ablate(
    out: Path,
    count: int,
    *,
    endpoint: str | None = None,
    model: str | None = None,
    vllm_python: Path | None = None,
    vllm_args: str | None = None,
    concurrency: int | str | None = None,
    workers: int | None = None,
    display: Display | None = None,
) -> AblationSummary:
    """Ask about `count` clips of a finished run again, three times each, and write OUT/ablation.json and .parquet.

    The server is the run's own unless another is named. Raises UserError: no finished run, no model behind it, a
    prompt without picture and sound, no clip that could be asked about, a server that is not there.
    """
    run = AblatedRun.open(out, ServerChoice(endpoint, model, vllm_python, vllm_args, concurrency, workers))
    with run.folder.locked():
        return asyncio.run(_ablate(run, count, display or Display(log_path=run.folder.log)))


async def _ablate(run: AblatedRun, count: int, display: Display) -> AblationSummary:
    workers = run.settings.workers or os.cpu_count() or 1
    replies: list[Reply] = []
    left_out: Counter[str] = Counter()
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(run.folder.path / "probes.sqlite"))
        pool = stack.enter_context(decoding_pool(workers, preload="vaemo_annotate.media"))
        decoder = PooledDecoder(run.manifest.root, run.prompt.media, run.prompt.inputs, pool)
        drawn, missing = run.choose(count)
        left_out.update({NOT_IN_MANIFEST: missing} if missing else {})
        chosen = await _with_media(drawn, run, decoder, ledger, left_out)
        if not chosen:
            raise UserError(_nothing_to_ask(run, left_out))
        async with open_engine(run.settings, run.prompt, run.folder.server_log, display.announce) as opened:
            _warn_of_another_model(run, opened, display)
            parts = RunParts(run.prompt, ledger, UnmeasuredCues(), run.seed, replies.append)
            asker = _Asker(opened.engine(parts), decoder, ledger, run)
            async with display.steps("asking again without sound or picture") as on_done:
                rows = await asker.ask(list(_questions(chosen, run)), on_done)
            identity = opened.identity
    summary = AblationSummary(
        run.folder.path, len(chosen), tuple(rows), tuple(rates(rows)), tuple(survivals(rows)), left_out, len(replies)
    )
    write_ablation(run.folder.path, rows, ablation_record(summary, run, identity))
    return summary


async def _with_media(
    chosen: Sequence[Pair], run: AblatedRun, decoder: MediaDecoder, ledger: Ledger, left_out: Counter[str]
) -> list[Pair]:
    """Return those whose media can be decoded and whose sound is not silent, in their order."""
    gate = asyncio.Semaphore(_CLIPS_AT_ONCE)

    async def fault(clip: Clip) -> str | None:
        async with gate:
            try:
                facts = await ClipSource(clip, decoder, ledger).facts()
            except MediaError as error:
                return error.reason
            return "silent" if facts.audio is not None and facts.audio.is_silent else None

    faults = await asyncio.gather(*(fault(clip) for _, clip in chosen))
    left_out.update(reason for reason in faults if reason)
    return [pair for pair, reason in zip(chosen, faults, strict=True) if reason is None]


def _nothing_to_ask(run: AblatedRun, left_out: Counter[str]) -> str:
    wanted = " and ".join(sorted(run.modalities))
    others = ", ".join(f"{reason} {number}" for reason, number in left_out.items()) or "none was found"
    return (
        f"{run.folder.path}: no accepted caption is of a clip with {wanted} that can be decoded and is not silent "
        f"({others}); there is nothing to ablate, leave out --ablate"
    )


def _warn_of_another_model(run: AblatedRun, opened: OpenEngine, display: Display) -> None:
    theirs = run.record["engine"]["model"]
    if opened.identity.model != theirs:
        display.announce(
            f"warning: the captions are {theirs}'s, {opened.identity.model} is asked; the rates compare two models"
        )


@dataclass(frozen=True, slots=True)
class _Question:
    caption: Row
    clip: Clip
    kind: Kind
    donor: Pair | None


def _questions(chosen: Sequence[Pair], run: AblatedRun) -> Iterator[_Question]:
    """Yield what to ask: each clip in each kind of loss."""
    for place, (caption, clip) in enumerate(chosen):
        donor = _donor(caption, clip, [*chosen[place + 1 :], *chosen[:place]])
        for kind, modality in LOST.items():
            if INPUT[modality] in run.modalities and (kind != "swapped" or donor is not None):
                yield _Question(caption, clip, kind, donor if kind == "swapped" else None)


def _donor(caption: Row, clip: Clip, others: Sequence[Pair]) -> Pair | None:
    """Return the first clip of other bytes whose sound was described otherwise; else the first of other bytes."""
    own = (clip.sha256, clip.start_s, clip.end_s)
    fit = [pair for pair in others if (pair[1].sha256, pair[1].start_s, pair[1].end_s) != own]
    stated = said_in("voice", caption).statements
    return next((pair for pair in fit if said_in("voice", pair[0]).statements != stated), fit[0] if fit else None)


@dataclass(frozen=True, slots=True)
class _Asker:
    """Asks the engine about clips that lost something."""

    engine: Engine
    decoder: MediaDecoder
    ledger: Ledger
    run: AblatedRun

    async def ask(self, questions: Sequence[_Question], on_done: Any) -> list[AblationRow]:
        """Return a row a question, in their order."""
        gate = asyncio.Semaphore(_CLIPS_AT_ONCE)
        done = 0

        async def one(question: _Question) -> AblationRow:
            nonlocal done
            async with gate:
                row = await self._row(question)
            done += 1
            on_done(done, len(questions))
            return row

        try:
            async with asyncio.TaskGroup() as tasks:
                asked = [tasks.create_task(one(question)) for question in questions]
        except BaseExceptionGroup as group:
            raise first_cause(group) from group
        return [task.result() for task in asked]

    async def _row(self, question: _Question) -> AblationRow:
        caption, donor = question.caption, question.donor
        decoder = AblatedDecoder(self.decoder, question.kind, donor[1] if donor else None)
        source = ClipSource(question.clip, decoder, self.ledger)
        outcome = await self.engine.caption(source, caption["sample_index"])
        corpus = self.run.corpus_of(caption)
        return compare(question.kind, caption, outcome, donor[0] if donor else None, corpus, caption_digest(caption))
