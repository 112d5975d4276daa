"""Consecutive shards that are filled one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from vaemo_clips.clip import Clip
from vaemo_clips.errors import MediaError
from vaemo_train.shards.layout import shard_schema
from vaemo_train.shards.ledger import Ledger
from vaemo_train.shards.prepared import PreparedClip
from vaemo_train.shards.row import ShardSettings
from vaemo_train.shards.writer import ShardWriter


class ShardSeries:
    """Puts every `clips_per_shard` clips into a shard and writes each that is full down in the ledger.

    When the block ends well, so does the last shard; otherwise what is not full is thrown away.
    """

    def __init__(
        self, folder: Path, ledger: Ledger, fields: Sequence[pa.Field], settings: ShardSettings, clips_per_shard: int
    ) -> None:
        self.num_clips = ledger.num_clips
        self.num_rejects = ledger.num_rejects
        self._folder = folder
        self._ledger = ledger
        self._schema = shard_schema(fields, settings)
        self._rate_hz = settings.sample_rate_hz
        self._clips_per_shard = clips_per_shard
        self._writer: ShardWriter | None = None

    def __enter__(self) -> ShardSeries:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None and kind is not None:
            self._writer.discard()
        elif self._writer is not None:
            self._finish(self._writer)

    def add(self, clip: Clip, columns: Sequence[pa.Array], outcome: PreparedClip | MediaError) -> None:
        """Append a clip's rows, or its reject. Raises OSError."""
        if self._writer is None:
            self._writer = ShardWriter(self._folder, self._ledger.next_number(), self._schema, self._rate_hz)
        if isinstance(outcome, MediaError):
            self._writer.reject(clip, outcome)
            self.num_rejects += 1
        else:
            self._writer.accept(clip, columns, outcome)
        self.num_clips += 1
        if len(self._writer.record.clips) >= self._clips_per_shard:
            self._finish(self._writer)

    def _finish(self, writer: ShardWriter) -> None:
        self._writer = None
        self._ledger.add(writer.finish())
