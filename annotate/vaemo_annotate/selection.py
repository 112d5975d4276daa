"""Which clips of a manifest a run takes: all, the first N, a shard, or a random pilot."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from itertools import islice

from vaemo_annotate.settings import RunSettings, Shard
from vaemo_clips.clip import Clip
from vaemo_clips.manifest import Manifest

Row = tuple[int, Clip]
"""A clip with its position in the manifest."""


def in_shard(clip_id: str, shard: Shard) -> bool:
    """Tell whether a clip belongs to a shard: by its id alone, so that clips added later move no other."""
    digest = hashlib.sha256(clip_id.encode()).digest()
    return int.from_bytes(digest[:8], "big") % shard.count == shard.index - 1


def select_clips(manifest: Manifest, settings: RunSettings, seed: int) -> Iterator[Row]:
    """Stream the chosen clips in the order of the manifest."""
    rows: Iterator[Row] = enumerate(manifest.clips())
    if settings.shard:
        shard = settings.shard
        rows = (row for row in rows if in_shard(row[1].clip_id, shard))
    if settings.limit is not None:
        rows = islice(rows, settings.limit)
    if settings.pilot is not None:
        rows = iter(random_rows(rows, settings.pilot, seed))
    return rows


def random_rows(rows: Iterator[Row], count: int, seed: int) -> list[Row]:
    """Return `count` rows drawn at random (reservoir sampling), in the order of the manifest."""
    generator = random.Random(seed)
    chosen = list(islice(rows, count))
    for number, row in enumerate(rows, start=count + 1):
        place = generator.randrange(number)
        if place < count:
            chosen[place] = row
    return sorted(chosen, key=lambda row: row[0])


def count_selected(manifest: Manifest, settings: RunSettings) -> int:
    """Return how many clips are chosen, reading no more than the ids."""
    count = manifest.num_clips
    if settings.shard:
        shard = settings.shard
        count = sum(in_shard(clip_id, shard) for clip_id in manifest.clip_ids())
    return min(count, settings.limit or count, settings.pilot or count)
