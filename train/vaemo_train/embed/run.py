"""From a source to a Parquet file of embeddings: part by part, so that memory stays and any end can be gone on from."""

from __future__ import annotations

import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from vaemo_clips.errors import RunFolderError, UserError
from vaemo_clips.whole_file import locked_folder
from vaemo_train.embed.embedder import Embedder
from vaemo_train.embed.opened import OpenedModel
from vaemo_train.embed.part import Part
from vaemo_train.embed.parts import (
    PartRecord,
    Parts,
    difference,
    is_begun,
    parts_folder,
    read_facts,
    rejects_path,
)
from vaemo_train.embed.settings import EmbedSettings
from vaemo_train.embed.source import Source, SourceClip
from vaemo_train.embed.table import embeddings_schema

_FORMAT = 1
Progress = Callable[[int, int, int], None]
"""Called with clips done, clips in all, clips rejected."""


@dataclass(frozen=True, slots=True)
class EmbedSummary:
    """What is in the file; `new_clips` of its clips went through this command, in `seconds`."""

    out: Path
    clips: int
    rows: int
    rejects: Mapping[str, int]
    new_clips: int
    seconds: float
    widths: Mapping[str, int]

    @property
    def rejected(self) -> int:
        """Rejects of all reasons; accepted + rejected = clips."""
        return sum(self.rejects.values())


def embed(
    source: Callable[[], tuple[Source, Sequence[Mapping[str, str]]]],
    opened: OpenedModel,
    out: Path,
    settings: EmbedSettings,
    *,
    threads: int | None = None,
    on_progress: Progress = lambda done, total, rejected: None,
) -> EmbedSummary:
    """Write the embeddings of a source's clips to `out`, and its rejects beside it.

    `source` is called when the folder of parts is held, and gives the clips, and those refused before. However often
    it was killed, the file is the one of an undisturbed command, byte by byte, for the same clips, model and settings.
    Memory holds the windows under way and the rows of a part of 256 clips. Raises RunFolderError where `out` or the
    unfinished parts beside it are of another command, UserError where no clip can be embedded.
    """
    began = time.monotonic()
    check_out(out)
    with _held(out):
        try:
            clips, refused = source()
            return _Run(clips, refused, opened, out, settings, threads, on_progress).execute(began)
        except OSError as error:
            raise RunFolderError(
                f"{out} cannot be written ({error.strerror or error}); make room, run the same command again"
            ) from error


@contextmanager
def _held(out: Path) -> Iterator[None]:
    """Hold the folder of parts; where nothing was begun in it, it goes."""
    folder = parts_folder(out)
    with locked_folder(folder):
        try:
            yield
        finally:
            if not is_begun(out):
                shutil.rmtree(folder, ignore_errors=True)


def check_out(out: Path) -> None:
    """Raise RunFolderError where OUT is no name for a Parquet file, or another file."""
    if out.suffix != ".parquet":
        raise RunFolderError(f"--out {out}: embeddings are a Parquet file; give it a name that ends in .parquet")
    if out.is_dir():
        raise RunFolderError(f"--out {out} is a folder; give a name for a file")
    if out.exists():
        read_facts(out)


@dataclass(frozen=True, slots=True)
class _Run:
    source: Source
    refused: Sequence[Mapping[str, str]]
    opened: OpenedModel
    out: Path
    settings: EmbedSettings
    threads: int | None
    on_progress: Progress

    def execute(self, began: float) -> EmbedSummary:
        identity = self._identity()
        parts = Parts(self.out, identity)
        if self.out.exists():
            facts = read_facts(self.out)
            if told := difference(facts["of"], identity):
                parts.remove()
                raise RunFolderError(
                    f"--out {self.out} was made with {told}; give another --out, or delete it to make it anew"
                )
            parts.remove()
            return self._summary(facts["rows"], Counter(facts["rejects"]), 0, began)
        schema = self._schema(identity, {})
        records = parts.begin()
        before = sum(record.clips for record in records)
        self._fill(parts, records, schema)
        return self._finish(parts, records, identity, before, began)

    def _finish(
        self, parts: Parts, records: list[PartRecord], identity: Mapping[str, Any], before: int, began: float
    ) -> EmbedSummary:
        reasons = Counter(reject["reject_reason"] for reject in self._all_rejects(records))
        rows = sum(record.rows for record in records)
        counts = {"rows": rows, "clips": sum(reasons.values()) + sum(record.accepted for record in records)}
        schema = self._schema(identity, {**counts, "rejects": dict(reasons.most_common())})
        parts.join(records, schema, self.refused)
        if not rows:
            told = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
            raise UserError(
                f"{self.source.path}: none of its {counts['clips']:,} clips can be embedded with --modality "
                f"{self.settings.modality} ({told}; see {rejects_path(self.out)}); choose another --modality"
            )
        return self._summary(rows, reasons, sum(record.clips for record in records) - before, began)

    def _fill(self, parts: Parts, records: list[PartRecord], schema: pa.Schema) -> None:
        """Embed the parts that are not there yet."""
        total = self.source.num_clips + len(self.refused)
        done, refused = sum(one.clips for one in records), len(self.refused)

        def show(clips: int) -> None:
            rejected = refused + sum(len(one.rejects) for one in records)
            self.on_progress(done + clips + refused, total, rejected)

        show(0)
        if done == self.source.num_clips:
            return
        embedder = Embedder(self.opened.model, self.settings, self.source.size_px, self.threads)
        with embedder, self.source.clips_from(done) as clips:
            counted = _counted(clips, show)
            while part := Part.of(counted, embedder, self.settings):
                records.append(parts.add(len(records), part.table(schema), part.record()))

    def _all_rejects(self, records: Sequence[PartRecord]) -> Iterator[Mapping[str, str]]:
        yield from self.refused
        for record in records:
            yield from record.rejects

    def _identity(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "model": self.opened.weights_sha256,
            "source": self.source.digest,
            **self.settings.model_dump(mode="json"),
        }

    def _schema(self, identity: Mapping[str, Any], counts: Mapping[str, Any]) -> pa.Schema:
        facts = {
            "of": dict(identity),
            "model": self.opened.name,
            "model_sha256": self.opened.weights_sha256,
            "vectors": self.settings.describe(),
            "vaemo": version("vaemo"),
            **counts,
        }
        width = self.opened.model.config.hidden_size
        return embeddings_schema(self.source.fields, self.settings, width, json.dumps(facts).encode())

    def _summary(self, rows: int, rejects: Mapping[str, int], new_clips: int, began: float) -> EmbedSummary:
        hidden_size = self.opened.model.config.hidden_size
        widths = {str(name): self.settings.width(hidden_size, name) for name in self.settings.modalities}
        total = self.source.num_clips + len(self.refused)
        return EmbedSummary(self.out, total, rows, rejects, new_clips, time.monotonic() - began, widths)


def _counted(clips: Iterator[SourceClip], show: Callable[[int], None]) -> Iterator[SourceClip]:
    """The clips, each shown when it is asked for."""
    for number, clip in enumerate(clips, 1):
        show(number)
        yield clip
