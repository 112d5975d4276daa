"""From a source to a Parquet file of embeddings: part by part, so that memory stays and any end can be gone on from."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from vaemo_clips.errors import RunFolderError, UserError
from vaemo_clips.whole_file import locked_folder
from vaemo_train.embed.embedder import Embedder
from vaemo_train.embed.opened import OpenedModel
from vaemo_train.embed.part import Part
from vaemo_train.embed.parts import PartRecord, Parts, count_rejects, difference, parts_folder, read_facts
from vaemo_train.embed.rejects import IndexRejects, check_rejects, rejects_path
from vaemo_train.embed.settings import EmbedSettings
from vaemo_train.embed.source import Source, SourceClip
from vaemo_train.embed.table import embeddings_schema

_FORMAT = 2
Progress = Callable[[int, int, int], None]
"""Called with clips done, clips in all, clips rejected."""


@dataclass(frozen=True, slots=True)
class EmbedSummary:
    """What is in the file.

    `was_finished`: it was there already. Else `new_clips` of its accepted clips were embedded by this command, in
    `seconds` from its first batch on; the others by one that was interrupted.
    """

    out: Path
    clips: int
    rows: int
    rejects: Mapping[str, int]
    new_clips: int
    seconds: float
    widths: Mapping[str, int]
    was_finished: bool = False

    @property
    def rejected(self) -> int:
        """Rejects of all reasons; accepted + rejected = clips."""
        return sum(self.rejects.values())


def embed(
    source: Callable[[], tuple[Source, IndexRejects]],
    opened: OpenedModel,
    out: Path,
    settings: EmbedSettings,
    *,
    threads: int | None = None,
    on_progress: Progress = lambda done, total, rejected: None,
) -> EmbedSummary:
    """Write the embeddings of a source's clips to `out`, and its rejects beside it.

    `source` is called when the folder of parts is held, and gives the clips, and those refused before. However often
    it was killed, the file is the one of an undisturbed command, byte by byte, for the same clips, settings, version of
    vaemo and files of the model (weights, config.json, preprocessor), wherever these lie.
    Memory holds the windows under way and the rows of a part of 256 clips. Raises RunFolderError where `out` or the
    unfinished parts beside it are of another command or cannot be written, UserError where no clip can be embedded.
    """
    check_out(out)
    with locked_folder(parts_folder(out)):
        clips, refused = source()
        return _Run(clips, refused, opened, out, settings, threads, on_progress).execute()


def check_out(out: Path) -> None:
    """Raise RunFolderError where OUT is no name for a Parquet file, or it or its rejects are other files."""
    if out.suffix != ".parquet":
        raise RunFolderError(f"--out {out}: embeddings are a Parquet file; give it a name that ends in .parquet")
    if out.is_dir():
        raise RunFolderError(f"--out {out} is a folder; give a name for a file")
    if out.exists():
        read_facts(out)
    check_rejects(out)


@dataclass(slots=True)
class _Clock:
    """Seconds since the first clip of the first batch came."""

    began: float | None = None

    def start(self) -> None:
        """Begin to count, if that was not done."""
        if self.began is None:
            self.began = time.monotonic()

    def seconds(self) -> float:
        """What has passed; 0 if nothing came."""
        return 0.0 if self.began is None else time.monotonic() - self.began


@dataclass(frozen=True, slots=True)
class _Run:
    source: Source
    refused: IndexRejects
    opened: OpenedModel
    out: Path
    settings: EmbedSettings
    threads: int | None
    on_progress: Progress
    clock: _Clock = field(default_factory=_Clock)

    def execute(self) -> EmbedSummary:
        """Embed what is not there yet, and join it."""
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
            return self._summary(facts["clips"], facts["rows"], Counter(facts["rejects"]), None)
        schema = self._schema(identity, {})
        refused = self.refused.counts()
        records = parts.begin()
        before = sum(record.accepted for record in records)
        self._fill(parts, records, schema, refused.total())
        new_clips = sum(record.accepted for record in records) - before
        return self._finish(parts, records, identity, refused, new_clips)

    def _finish(
        self,
        parts: Parts,
        records: list[PartRecord],
        identity: Mapping[str, Any],
        refused: Counter[str],
        new_clips: int,
    ) -> EmbedSummary:
        seconds = self.clock.seconds()
        reasons = refused + count_rejects(records)
        rows = sum(record.rows for record in records)
        counts = {"rows": rows, "clips": reasons.total() + sum(record.accepted for record in records)}
        schema = self._schema(identity, {**counts, "rejects": dict(reasons.most_common())})
        parts.join(records, schema, self.refused.tables())
        if not rows:
            told = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
            raise UserError(
                f"{self.source.path}: none of its {counts['clips']:,} clips can be embedded with --modality "
                f"{self.settings.modality} ({told}; see {rejects_path(self.out)}); choose another --modality"
            )
        return self._summary(counts["clips"], rows, reasons, (new_clips, seconds))

    def _fill(self, parts: Parts, records: list[PartRecord], schema: pa.Schema, refused: int) -> None:
        """Embed the parts that are not there yet."""
        done, rejected = sum(one.clips for one in records), refused + count_rejects(records).total()

        def show(clips: int) -> None:
            self.on_progress(done + clips + refused, self.source.num_clips + refused, rejected)

        show(0)
        if done == self.source.num_clips:
            return
        embedder = Embedder(self.opened.model, self.settings, self.source.size_px, self.threads)
        with embedder, self.source.clips_from(done) as clips:
            counted = _counted(clips, show, self.clock)
            while part := Part.of(counted, embedder, self.settings):
                records.append(parts.add(len(records), part.table(schema), part.record(), part.rejects()))
                rejected += sum(records[-1].rejects.values())

    def _identity(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "vaemo": version("vaemo"),
            "model": self.opened.weights_sha256,
            "model_config": self.opened.config_sha256,
            "preprocessor": self.opened.preprocessor_sha256,
            "source": self.source.digest,
            **self.settings.model_dump(mode="json"),
        }

    def _schema(self, identity: Mapping[str, Any], counts: Mapping[str, Any]) -> pa.Schema:
        config = self.opened.model.config
        facts = {
            "of": dict(identity),
            "model_size": config.size,
            "model_sha256": self.opened.weights_sha256,
            "vectors": self.settings.describe(),
            **counts,
        }
        return embeddings_schema(self.source.fields, self.settings, config, json.dumps(facts).encode())

    def _summary(
        self, clips: int, rows: int, rejects: Mapping[str, int], new: tuple[int, float] | None
    ) -> EmbedSummary:
        """`new`: clips embedded now, and the seconds they took; None where the file was there already."""
        config = self.opened.model.config
        widths = {str(name): self.settings.width(config, name) for name in self.settings.modalities}
        new_clips, seconds = new or (0, 0.0)
        return EmbedSummary(self.out, clips, rows, rejects, new_clips, seconds, widths, was_finished=new is None)


def _counted(clips: Iterator[SourceClip], show: Callable[[int], None], clock: _Clock) -> Iterator[SourceClip]:
    """The clips, each shown when it is asked for; the first starts the clock."""
    for number, clip in enumerate(clips, 1):
        clock.start()
        show(number)
        yield clip
