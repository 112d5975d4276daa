"""`check`: every caption of a run judged by the rules, in one pass, over all cores, in constant memory.

Worker processes judge batches of whole clips; what needs all captions (near-duplicates) and the counts are done here,
in the dataset's order. Verdicts are spooled to a file, and take their place when all are there.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from vaemo_annotate.probes.ablation_files import read_flags
from vaemo_annotate.quality import check_record
from vaemo_annotate.quality.caption_rows import clip_batches
from vaemo_annotate.quality.check_record import CheckSummary, CheckTally
from vaemo_annotate.quality.measured_cues import Progress, measure_missing
from vaemo_annotate.quality.near_duplicates import NEAR_DUPLICATE, ROW_SCORE, SIMILARITY_SCORE, DuplicateBook
from vaemo_annotate.quality.row_checks import JudgedCaption, judge_batch
from vaemo_annotate.quality.settings import REASONS, CheckSettings, load_settings
from vaemo_annotate.run_folder import RunFolder
from vaemo_annotate.verdict_table import people_verdicts, write_table, write_verdicts
from vaemo_clips.errors import RunFolderError
from vaemo_clips.verdict import VERDICTS_FILE, Verdict, Word, iter_verdicts
from vaemo_clips.workers import decoding_pool, num_cores

_BATCH_ROWS: Final = 256
_WAITING_PER_WORKER: Final = 3
_DRAFT: Final = ".check-"


def check(
    out: Path,
    rules: Path | None = None,
    workers: int | None = None,
    measure: bool = False,
    on_progress: Progress | None = None,
) -> CheckSummary:
    """Judge every caption of the run folder `out` by the rules file `rules`; the shipped one unless given.

    Writes verdicts.parquet and check.json and changes nothing else; people's verdicts stay. With `measure`, clips whose
    captions carry no cues are measured first. Raises UserError: faults of the rules (all at once), no finished run, a
    folder that another process holds.
    """
    settings = load_settings(rules)
    folder = RunFolder(out)
    folder.read_record()  # before the lock, which makes folders
    with folder.locked(), _draft_folder(out) as draft:
        began, started_at = time.monotonic(), datetime.now(UTC)
        tell = on_progress or (lambda what, done, total: None)
        num_workers = workers or num_cores()
        measuring = measure_missing(out, folder.read_record(), num_workers, tell) if measure else None
        spool = draft / VERDICTS_FILE
        tally = _judge_all(folder, settings, num_workers, started_at, draft, tell)
        (out / check_record.RECORD_FILE).unlink(missing_ok=True)
        write_verdicts(out, iter_verdicts(spool))
        record = {
            **tally.to_dict(settings),
            "cues": check_record.cues_record(tally, measuring),
            "settings": settings.to_dict(),
            "rules": check_record.rules_record(settings, rules),
            "packages": check_record.packages(),
            "started_at": started_at.isoformat(),
            "seconds": round(time.monotonic() - began, 3),
            "workers": num_workers,
        }
        check_record.write_record(out, record)
    return CheckSummary(out, record)


def _judge_all(
    folder: RunFolder, settings: CheckSettings, workers: int, at: datetime, draft: Path, tell: Progress
) -> CheckTally:
    """Spool a verdict on every caption to `draft`; return the counts. Raises RunFolderError."""
    total = folder.read_record()["counts"]["accepted"]
    tally = CheckTally()
    flags, people = read_flags(folder.path), people_verdicts(folder.path)

    def verdicts() -> Iterator[Verdict]:
        with DuplicateBook(draft / "duplicates.sqlite", settings.duplicates) as book:
            judge = _Judge(settings, book, flags, at)
            for batch in _judged_batches(folder, settings, min(workers, 1 + total // _BATCH_ROWS)):
                for caption in batch:
                    verdict = judge(caption)
                    tally.note(caption, verdict, people.get(caption.key, ()))
                    yield verdict
                tell("checking", tally.captions, total)

    try:
        write_table(draft / VERDICTS_FILE, verdicts())
    except OSError as error:
        raise RunFolderError(f"{draft} cannot be written ({error.strerror}); free disk space, then again") from error
    if tally.captions != total:
        raise RunFolderError(
            f"{folder.dataset} holds {tally.captions:,} captions, {folder.record} says {total:,}; "
            "run the same `vaemo-annotate run` command again"
        )
    assert tally.kept + tally.dropped == total
    return tally


@dataclass(frozen=True, slots=True)
class _Judge:
    """Makes a verdict of what was found in a caption, in its clip's ablation, and in the captions before it."""

    settings: CheckSettings
    book: DuplicateBook
    flags: Mapping[str, Sequence[str]]
    at: datetime

    def __call__(self, judged: JudgedCaption) -> Verdict:
        clip_id, sample_index = judged.key
        found = [finding.reason for finding in judged.findings.findings]
        found += self.flags.get(clip_id, ())
        scores = dict(judged.findings.scores)
        stays = not any(map(self.settings.drops, found))
        if self.settings.is_on(NEAR_DUPLICATE) and (duplicate := self.book.note(clip_id, judged.signature, stays)):
            found.append(NEAR_DUPLICATE)
            scores |= {SIMILARITY_SCORE: duplicate.similarity, ROW_SCORE: float(duplicate.row)}
        reasons = sorted({reason for reason in found if self.settings.is_on(reason)}, key=REASONS.index)
        word: Word = "drop" if any(map(self.settings.drops, reasons)) else "keep"
        return Verdict(clip_id, sample_index, word, tuple(reasons), scores, at=self.at, caption_sha256=judged.digest)


def _judged_batches(folder: RunFolder, settings: CheckSettings, workers: int) -> Iterator[list[JudgedCaption]]:
    """Yield the batches of the dataset in order, judged; in this process where one worker is enough."""
    judge = partial(judge_batch, settings.model_dump_json(), str(folder.path))
    batches = map(_packed, clip_batches(folder.dataset, _BATCH_ROWS))
    if workers == 1:
        yield from map(judge, batches)
        return
    with decoding_pool(workers, preload="vaemo_annotate.quality.preloaded") as pool:
        waiting: deque[Any] = deque()
        for batch in batches:
            waiting.append(pool.schedule(judge, args=(batch,)))
            if len(waiting) > _WAITING_PER_WORKER * workers:
                yield _result(waiting.popleft())
        while waiting:
            yield _result(waiting.popleft())


def _result(job: Any) -> list[JudgedCaption]:
    from pebble import ProcessExpired

    try:
        judged: list[JudgedCaption] = job.result()
    except ProcessExpired as error:
        raise RunFolderError(f"a checking process died ({error}); free memory, or give --workers 1") from error
    return judged


def _packed(table: pa.Table) -> bytes:
    """Return the rows as an Arrow stream: of a slice only what is in it."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


@contextmanager
def _draft_folder(out: Path) -> Iterator[Path]:
    """Yield a folder in `out` that goes with the block; those of checks that were killed go as well."""
    for left in out.glob(f"{_DRAFT}*"):
        shutil.rmtree(left, ignore_errors=True)
    try:
        place = tempfile.TemporaryDirectory(prefix=_DRAFT, dir=out)
    except OSError as error:
        raise RunFolderError(f"{out} cannot be written ({error.strerror}); let it be written, then again") from error
    with place as path:
        yield Path(path)
