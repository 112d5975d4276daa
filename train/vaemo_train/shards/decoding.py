"""Clips of a manifest made ready by worker processes, in the manifest's order, some ahead."""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from vaemo_clips.clip import Clip
from vaemo_clips.errors import MediaError
from vaemo_clips.manifest import Manifest
from vaemo_clips.workers import decoding_pool, in_worker, num_cores
from vaemo_train.shards.prepared import PreparedClip, prepare_clip
from vaemo_train.shards.row import ShardSettings

TIMEOUT_S = 120.0
_TIMEOUT_PER_SECOND = 4.0  # of the clip: a slow machine on a large picture
_CLIPS_AHEAD = 8  # of each worker: a clip that takes long does not hold up the others
_SECONDS_AHEAD = 600.0  # of sound and picture, for each worker: what is done waits in memory for its turn

PrepareOne = Callable[[Path, Clip, ShardSettings], PreparedClip]
Prepared = PreparedClip | MediaError
Work = tuple[Clip, list[pa.Array]]
"""A clip, and its columns in the manifest."""
Outcome = tuple[Clip, list[pa.Array], Prepared]
"""A clip, its columns in the manifest, and what became of it."""


def clips_with_columns(manifest: Manifest, fields: list[pa.Field]) -> Iterator[Work]:
    """All clips in the manifest's order, each with one value of each of these columns."""
    return zip(manifest.clips(), _columns(manifest, fields), strict=True)


async def prepared_clips(
    work: Iterator[Work],
    root: Path,
    settings: ShardSettings,
    *,
    workers: int | None = None,
    timeout_s: float = TIMEOUT_S,
    prepare_one: PrepareOne = prepare_clip,
) -> AsyncGenerator[Outcome, None]:
    """What becomes of each clip of `work`, whose files lie below `root`, in its order.

    Worker processes (None: as many as there are cores) are at most ten minutes of clips ahead, each; they end with the
    generator. A clip that cannot be used, takes more than `timeout_s` and 4 s for each of its own, or kills its decoder
    comes as a MediaError.
    """
    workers = workers or num_cores()
    with decoding_pool(workers, preload="vaemo_train.shards.prepared") as pool:
        begin = functools.partial(_outcome, pool, root, settings, timeout_s, prepare_one)
        outcomes = _outcomes(work, begin, workers)
        try:
            async for outcome in outcomes:
                yield outcome
        finally:
            await outcomes.aclose()


def _columns(manifest: Manifest, fields: list[pa.Field]) -> Iterator[list[pa.Array]]:
    names = [column.name for column in fields]
    for batch in manifest.batches():
        wanted = batch.select(names)
        for place in range(batch.num_rows):
            yield wanted.slice(place, 1).columns


async def _outcomes(
    work: Iterator[Work], begin: Callable[[Clip], Coroutine[Any, Any, Prepared]], workers: int
) -> AsyncGenerator[Outcome, None]:
    """What becomes of each clip, in the order of `work`; some are worked on ahead."""
    ahead: deque[tuple[Clip, list[pa.Array], asyncio.Task[Prepared]]] = deque()
    seconds = 0.0
    try:
        while True:
            while len(ahead) < workers or (len(ahead) < _CLIPS_AHEAD * workers and seconds < _SECONDS_AHEAD * workers):
                if (following := next(work, None)) is None:
                    break
                clip, columns = following
                seconds += clip.duration_s
                ahead.append((clip, columns, asyncio.create_task(begin(clip))))
            if not ahead:
                return
            clip, columns, task = ahead.popleft()
            yield clip, columns, await task
            seconds -= clip.duration_s
    finally:
        for *_, task in ahead:
            task.cancel()
        await asyncio.gather(*(task for *_, task in ahead), return_exceptions=True)


async def _outcome(
    pool: Any, root: Path, settings: ShardSettings, timeout_s: float, prepare_one: PrepareOne, clip: Clip
) -> Prepared:
    timeout_s += _TIMEOUT_PER_SECOND * clip.duration_s
    try:
        return await in_worker(pool, timeout_s, clip.path, prepare_one, root / clip.path, clip, settings)
    except MediaError as error:
        return error
