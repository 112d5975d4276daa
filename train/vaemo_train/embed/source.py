"""What is embedded: the clips of shards, of a manifest, or of a folder of media files; in their order, from any on."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import ManifestError, MediaError, MissingExtraError, UserError
from vaemo_clips.manifest import Manifest
from vaemo_train.embed.windows import rows_of
from vaemo_train.shards.decoding import Outcome, PrepareOne, clips_with_columns, prepared_clips
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.layout import MARKER, PREPARE, clip_fields
from vaemo_train.shards.prepared import prepare_clip
from vaemo_train.shards.record import clip_digest
from vaemo_train.shards.row import ROW_SCHEMA, ShardRow, ShardSettings


@dataclass(frozen=True, slots=True)
class SourceClip:
    """A clip, one value of each of the source's columns, and its rows; or why it has none."""

    clip_id: str
    path: str
    columns: Sequence[pa.Array]
    rows: Sequence[ShardRow] | MediaError


class Source(Protocol):
    """Clips in a fixed order."""

    @property
    def path(self) -> Path:
        """What the user named."""
        ...

    @property
    def num_clips(self) -> int:
        """How many there are."""
        ...

    @property
    def fields(self) -> Sequence[pa.Field]:
        """The columns that they bring along."""
        ...

    @property
    def size_px(self) -> int:
        """Side of their faces."""
        ...

    @property
    def digest(self) -> str:
        """What changes where any clip does."""
        ...

    def clips_from(self, first: int) -> AbstractContextManager[Iterator[SourceClip]]:
        """The clips from number `first` on."""
        ...


class ShardSource:
    """The clips of a folder of shards."""

    def __init__(self, folder: ShardFolder) -> None:
        self.path, self._folder = folder.path, folder
        names = folder.rows.column_names
        self.fields = [folder.rows.schema.field(name) for name in names[: names.index(ROW_SCHEMA.names[0])]]
        self.size_px = folder.settings.size_px
        self._first = _first_rows(folder)
        self.num_clips = len(self._first)
        self.digest = folder.digest

    def check_modality(self, modality: str) -> None:
        """Raise UserError where no clip has it."""
        columns = {"video": ("has_picture",), "audio": ("has_sound",), "both": ("has_picture", "has_sound")}
        has = [self._folder.rows.column(name).to_numpy() for name in columns.get(modality, ())]
        if has and not np.logical_and.reduce(has).any():
            raise UserError(f"{self.path}: none of its {self.num_clips:,} clips has {_noun(modality)}; {_OTHER}")

    @contextmanager
    def clips_from(self, first: int) -> Iterator[Iterator[SourceClip]]:
        """The clips from number `first` on; rows are read where they lie."""
        yield (self._clip(number) for number in range(first, self.num_clips))

    def _clip(self, number: int) -> SourceClip:
        begin = int(self._first[number])
        end = int(self._first[number + 1]) if number + 1 < self.num_clips else self._folder.num_rows
        listed = self._folder.rows.slice(begin, 1)
        columns = [listed.column(one.name).combine_chunks() for one in self.fields]
        rows = [self._folder.row(row) for row in range(begin, end)]
        return SourceClip(rows[0].clip_id, rows[0].columns["path"], columns, rows)


def _first_rows(folder: ShardFolder) -> NDArray[np.int64]:
    """Of each clip the number of its first row; a clip's rows lie together."""
    first = folder.rows.column("row").to_numpy()
    ids = folder.rows.column("clip_id").to_numpy()
    begins = np.ones(len(first), np.bool_)
    begins[1:] = ids[1:] != ids[:-1]
    return np.flatnonzero(begins)


@dataclass(eq=False)
class MediaSource:
    """The clips of a manifest, decoded and cropped as `prepare` does, without a shard."""

    manifest: Manifest
    settings: ShardSettings
    workers: int | None = None
    prepare_one: PrepareOne = prepare_clip
    shown: Path | None = None

    def __post_init__(self) -> None:
        """Raise ShardError for a manifest with a column of a shard's own, MissingExtraError without face networks."""
        self.path = self.shown or self.manifest.path
        self.num_clips = self.manifest.num_clips
        self.fields = clip_fields(self.manifest)
        self.size_px = self.settings.size_px
        if self.settings.modality != "audio" and find_spec("ai_edge_litert") is None:
            raise MissingExtraError("ai_edge_litert", "train")  # before a worker finds out

    @cached_property
    def digest(self) -> str:
        """Of every clip's columns; one pass over the manifest."""
        found = hashlib.sha256(self.settings.model_dump_json().encode())
        for clip in self.manifest.clips():
            found.update(clip_digest(clip).encode())
        return found.hexdigest()

    @contextmanager
    def clips_from(self, first: int) -> Iterator[Iterator[SourceClip]]:
        """The clips from number `first` on; worker processes decode some ahead, and end with the block."""
        work = islice(clips_with_columns(self.manifest, self.fields), first, None)
        outcomes = prepared_clips(
            work, self.manifest.root, self.settings, workers=self.workers, prepare_one=self.prepare_one
        )
        with asyncio.Runner() as runner:
            try:
                yield (self._clip(outcome) for outcome in _each(runner, outcomes))
            finally:
                runner.run(outcomes.aclose())

    def _clip(self, outcome: Outcome) -> SourceClip:
        clip, columns, prepared = outcome
        rows = prepared if isinstance(prepared, MediaError) else rows_of(clip, prepared, self.settings.fps)
        return SourceClip(clip.clip_id, clip.path, columns, rows)


def _each(runner: asyncio.Runner, outcomes: AsyncGenerator[Outcome, None]) -> Iterator[Outcome]:
    """An asynchronous generator for a caller that is not; what it waits for goes on meanwhile."""

    async def following() -> Outcome | None:
        return await anext(outcomes, None)

    while (outcome := runner.run(following())) is not None:
        yield outcome


def is_shards(path: Path) -> bool:
    """Whether a folder holds shards, finished or not."""
    return (path / MARKER).exists() or (path / PREPARE).exists()


def check_source(path: Path) -> None:
    """Raise ManifestError where there is nothing that could be embedded."""
    if not path.exists():
        raise ManifestError(
            f"{path}: there is no such folder or manifest; give shards, a clips.parquet, or media files"
        )
    if path.is_file() and path.suffix != ".parquet":
        raise ManifestError(
            f"{path}: a source is a folder of shards or of media files, or a manifest (.parquet); of a single clip "
            "VAEmoModel.embed gives the vectors in Python"
        )


def _noun(modality: str) -> str:
    return {"video": "pictures", "audio": "sound", "both": "pictures and sound at once"}[modality]


_OTHER = "choose another --modality"
