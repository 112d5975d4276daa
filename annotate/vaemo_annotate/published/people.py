"""What of a run's tables is not for everybody: what people said, who they are, what a model replied word for word."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import datasets
import pyarrow as pa

from vaemo_clips.caption import RESERVED_NAMES

_TRANSCRIPTS: Final = ("text", "transcript", "transcription")
_SPEAKERS: Final = ("speaker",)
_REPLY: Final = "reply"
"""Of `steps`: it holds what was dropped, and the words that somebody rewrote."""


@dataclass(slots=True)
class PublicColumns:
    """The columns of a run's tables that are published; speakers become speaker-1 and so on as they go by."""

    columns: tuple[str, ...]
    """Of the source manifest, those that are published."""
    transcripts: tuple[str, ...]
    """Of the source manifest, those that are left out."""
    speakers: tuple[str, ...]
    """Of `columns`, those that hold pseudonyms."""
    _pseudonyms: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: datasets.Dataset) -> PublicColumns:
        """Of a dataset of captions."""
        own = [name for name in dataset.column_names if name not in RESERVED_NAMES]
        hidden = tuple(name for name in own if name.lower() in _TRANSCRIPTS)
        speakers = tuple(name for name in own if name.lower() in _SPEAKERS)
        return cls(tuple(name for name in own if name not in hidden), hidden, speakers)

    def schema(self, dataset: datasets.Dataset) -> pa.Schema:
        """The schema of the published table, as `datasets` reads it."""
        features = {name: kind for name, kind in dataset.features.items() if name not in self.transcripts}
        steps = features["steps"].feature
        features["steps"] = datasets.List({name: kind for name, kind in steps.items() if name != _REPLY})
        features |= dict.fromkeys(self.speakers, datasets.Value("string"))
        return datasets.Features(features).arrow_schema

    def public(self, tables: Iterator[pa.Table], schema: pa.Schema) -> Iterator[pa.Table]:
        """The tables with the columns of `schema`."""
        for table in tables:
            columns = [self._column(table[part.name], part) for part in schema]
            yield pa.Table.from_arrays(columns, schema=schema)

    def _column(self, column: pa.ChunkedArray, part: pa.Field) -> Any:
        if part.name in self.speakers:
            return pa.array(map(self._pseudonym, column.to_pylist()), part.type)
        if part.name == "steps":
            # from_pylist keeps of a struct what its type names
            return pa.array(column.to_pylist(), part.type)
        return column.cast(part.type)

    def _pseudonym(self, speaker: object) -> str | None:
        if speaker is None or not str(speaker).strip():
            return None
        return self._pseudonyms.setdefault(str(speaker).strip(), f"speaker-{len(self._pseudonyms) + 1}")
