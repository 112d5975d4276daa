"""From a manifest to a folder of shards: every clip decoded and cropped once, accepted or rejected."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import pyarrow as pa

from vaemo_clips.errors import MissingExtraError, ShardError
from vaemo_clips.manifest import Manifest
from vaemo_clips.whole_file import locked_folder
from vaemo_train.shards.decoding import TIMEOUT_S, PrepareOne, Work, clips_with_columns, prepared_clips
from vaemo_train.shards.finish import write_lists
from vaemo_train.shards.layout import MARKER, clip_fields
from vaemo_train.shards.ledger import Ledger
from vaemo_train.shards.prepared import prepare_clip
from vaemo_train.shards.record import PASSING_REASONS, Job, Marker
from vaemo_train.shards.row import ShardSettings
from vaemo_train.shards.series import ShardSeries

Progress = Callable[[int, int, int], None]
"""Called with clips done, clips in all, clips rejected."""


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """What to prepare, and how. `limit`: only the manifest's first clips; `timeout_s`: for a clip, and 4 s more for
    each of its seconds; `workers` None: all cores; `retry_rejects`: also those of `PASSING_REASONS`.
    """

    clips: Path
    out: Path
    settings: ShardSettings = field(default_factory=ShardSettings)
    clips_per_shard: int = 256
    workers: int | None = None
    limit: int | None = None
    timeout_s: float = TIMEOUT_S
    retry_rejects: bool = False


@dataclass(frozen=True, slots=True)
class PrepareSummary:
    """What is in the folder now, and what this command did for it; `new_clips` holds those that it tried again."""

    folder: Path
    marker: Marker
    new_clips: int
    seconds: float


def prepare(
    options: PrepareOptions,
    on_progress: Progress = lambda done, total, rejected: None,
    prepare_one: PrepareOne = prepare_clip,
) -> PrepareSummary:
    """Fill the folder `options.out` with shards of the manifest's clips, in its order.

    Whatever the number of workers and however often it was interrupted, the files come out the same, byte by byte.
    Clips that are in the folder are not looked at again, but for rejects that are to be tried again; these, and clips
    that the manifest has gained since, go to new shards.
    Memory holds the finished clips that wait for a slower one, at most ten minutes of clips a worker, and 200 bytes
    for each clip of the folder. Raises ShardError for a folder that is of other settings, of clips that have changed
    or vanished, damaged, or on a full disk; ManifestError for a manifest that cannot be used; RunFolderError for a
    folder that is in use. A clip that cannot be used is a typed reject.
    """
    began = time.monotonic()
    manifest = Manifest.open(options.clips)
    fields = clip_fields(manifest)
    if options.settings.modality != "audio" and find_spec("ai_edge_litert") is None:
        raise MissingExtraError("ai_edge_litert", "train")  # before a worker finds out
    job = Job(settings=options.settings, columns=[f"{column.name} {column.type}" for column in fields])
    with locked_folder(options.out):
        try:
            ledger = Ledger.open(options.out, job)
            ledger.check(manifest)
            if options.retry_rejects:
                _forget_rejects(options, manifest, ledger)
            before = ledger.num_clips
            asyncio.run(_fill(options, manifest, fields, ledger, on_progress, prepare_one))
            marker = write_lists(options.out, ledger.records, manifest, fields, options.settings)
        except OSError as error:
            raise ShardError(
                f"{options.out} cannot be written ({error.strerror or error}); make room, run the same command again"
            ) from error
    return PrepareSummary(options.out, marker, marker.clips - before, time.monotonic() - began)


def _forget_rejects(options: PrepareOptions, manifest: Manifest, ledger: Ledger) -> None:
    """Let the rejects that may end otherwise be tried again, those among the clips that this command is for."""
    rejected = ledger.rejected_for(PASSING_REASONS)
    again = [clip.clip_id for clip in islice(manifest.clips(), options.limit) if clip.clip_id in rejected]
    if again:
        (options.out / MARKER).unlink(missing_ok=True)
        ledger.forget_rejects(again)


async def _fill(
    options: PrepareOptions,
    manifest: Manifest,
    fields: list[pa.Field],
    ledger: Ledger,
    on_progress: Progress,
    prepare_one: PrepareOne,
) -> None:
    """Write the shards that are not there yet."""
    total = max(min(options.limit or manifest.num_clips, manifest.num_clips), ledger.num_clips)
    on_progress(ledger.num_clips, total, ledger.num_rejects)
    if next(_todo(manifest, fields, ledger, options.limit), None) is None:
        return
    (options.out / MARKER).unlink(missing_ok=True)
    outcomes = prepared_clips(
        _todo(manifest, fields, ledger, options.limit), manifest.root, options.settings,
        workers=options.workers, timeout_s=options.timeout_s, prepare_one=prepare_one,
    )  # fmt: skip
    async with aclosing(outcomes):
        with ShardSeries(options.out, ledger, fields, options.settings, options.clips_per_shard) as series:
            async for clip, columns, outcome in outcomes:
                series.add(clip, columns, outcome)
                on_progress(series.num_clips, total, series.num_rejects)


def _todo(manifest: Manifest, fields: list[pa.Field], ledger: Ledger, limit: int | None) -> Iterator[Work]:
    """The clips that are not in a shard when this is called, in the manifest's order, with their columns."""
    known = frozenset(ledger.clip_ids)
    for clip, columns in islice(clips_with_columns(manifest, fields), limit):
        if clip.clip_id not in known:
            yield clip, columns
