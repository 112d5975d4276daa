"""Verdicts as they are published: which captions stay, by whom without names, and how far people agreed."""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from vaemo_annotate.quality.krippendorff import alpha
from vaemo_clips.caption import DESCRIPTION_SCHEMA, VERDICT_SCHEMA, caption_digest
from vaemo_clips.errors import RunFolderError
from vaemo_clips.hub.refusal import one_line
from vaemo_clips.verdict import SOFTWARE, VERDICTS_FILE, CaptionKey, Verdict, current, decide, read_verdicts
from vaemo_clips.whole_file import write_text

ANNOTATORS_FILE: Final = "annotators.json"
"""Beside the run, never published: which pseudonym stands for whom, so that later pushes use the same."""
_PSEUDONYM: Final = re.compile(r"annotator-(\d+)", re.ASCII)
_SCORES: Final = pa.list_(pa.struct([("name", pa.string()), ("value", pa.float64())]))
PUBLISHED_SCHEMA: Final = pa.schema(
    [pa.field(part.name, _SCORES if part.name == "scores" else part.type) for part in VERDICT_SCHEMA]
)
"""Of the published verdicts: `VERDICT_SCHEMA` with `scores` as a list, since `datasets` knows no maps."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far people agreed on whether captions are dropped, over `captions` judged by two or more of them.

    `share` of them had one opinion; `alpha` is Krippendorff's for nominal data, None where it is not defined.
    """

    annotators: int
    captions: int
    share: float
    alpha: float | None


@dataclass(slots=True)
class Judgements:
    """All verdicts of a run, and what they came to while its captions went by: `decided` of each caption."""

    verdicts: Sequence[Verdict]
    decided: dict[CaptionKey, Verdict] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    _by_caption: dict[CaptionKey, list[Verdict]] = field(default_factory=dict)
    _current: set[int] = field(default_factory=set)
    _stale: list[Verdict] = field(default_factory=list)

    @classmethod
    def read(cls, out: Path) -> Judgements:
        """Of the verdict table beside a run; none where there is no table. Raises CaptionError."""
        found = cls(read_verdicts(out / VERDICTS_FILE))
        for verdict in found.verdicts:
            found._by_caption.setdefault(verdict.key, []).append(verdict)
        return found

    def kept(self, tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """Leave out what was dropped, put in what was fixed; count both in `counts`, and what nobody checked."""
        for table in tables:
            keys = list(zip(table["clip_id"].to_pylist(), table["sample_index"].to_pylist(), strict=True))
            self._look_at(keys, table)
            found = [self.decided.get(key) for key in keys]
            self.counts.update(verdict.verdict for verdict in found if verdict is not None)
            texts = zip(table["affect_description"].to_pylist(), found, strict=True)
            fixed = [verdict.fixed_description if verdict and verdict.verdict == "fixed" else text
                     for text, verdict in texts]  # fmt: skip
            kept = pa.array([verdict is None or verdict.verdict != "drop" for verdict in found])
            index = table.schema.get_field_index("affect_description")
            column = table.schema.field(index)
            yield table.set_column(index, column, pa.array(fixed, column.type)).filter(kept)

    def _look_at(self, keys: Sequence[CaptionKey], table: pa.Table) -> None:
        """Decide on each caption by the verdicts on its present words; note those on which only stale ones are left."""
        captions = table.select(DESCRIPTION_SCHEMA.names).to_pylist() if self.verdicts else [{}] * len(keys)
        for key, caption in zip(keys, captions, strict=True):
            verdicts = self._by_caption.get(key, [])
            fresh = current(verdicts, caption_digest(caption)) if verdicts else []
            self._current.update(map(id, fresh))
            self.counts["unchecked"] += not any(verdict.is_by_software for verdict in verdicts)
            if (verdict := decide(fresh)) is not None:
                self.decided[key] = verdict
            else:
                self._stale += verdicts

    def refuse_stale(self, out: Path) -> None:
        """Raise RunFolderError where every verdict on a caption is on other words than stand in the dataset now."""
        if not self._stale:
            return
        people = Counter(verdict.by for verdict in self._stale if not verdict.is_by_software)
        again = "".join(
            f", then `vaemo-annotate review {out} --annotator {shlex.quote(name)}` for the {count:,} of {name}"
            for name, count in people.most_common(3)
        )
        others = f" (and so for {len(people) - 3:,} others)" if len(people) > 3 else ""
        asked = f"{others}: each is asked for again, under that name by whoever is there" if people else ""
        first = self._stale[0]
        raise RunFolderError(
            f"{out / VERDICTS_FILE}: {len(self._stale):,} verdicts are on captions that read otherwise by now (the "
            f"first: clip {first.clip_id!r}, sample {first.sample_index}); run `vaemo-annotate check {out}` again"
            f"{again}{asked}"
        )

    def present(self) -> list[Verdict]:
        """The verdicts on captions that went by, as they read now, in the table's order."""
        return [verdict for verdict in self.verdicts if id(verdict) in self._current]

    def agreement(self) -> Agreement | None:
        """How far people agreed; None where no caption that went by was judged by two."""
        latest: dict[CaptionKey, dict[str, bool]] = {}
        for verdict in sorted(self.present(), key=lambda one: one.age_key):
            if not verdict.is_by_software:
                latest.setdefault(verdict.key, {})[verdict.by] = verdict.verdict == "drop"
        shared = [said for said in latest.values() if len(said) > 1]
        if not shared:
            return None
        people = sorted({name for said in shared for name in said})
        same = sum(len(set(said.values())) == 1 for said in shared)
        found = alpha([[said.get(name) for said in shared] for name in people])
        return Agreement(len(people), len(shared), same / len(shared), found)


def pseudonyms(out: Path, verdicts: Sequence[Verdict]) -> dict[str, str]:
    """A name such as annotator-1 for each person; those of earlier pushes keep theirs. Raises RunFolderError."""
    known = _known(out / ANNOTATORS_FILE)
    begun: dict[str, datetime] = {}
    for verdict in verdicts:
        at = verdict.at or datetime.max.replace(tzinfo=UTC)
        begun[verdict.by] = min(at, begun.get(verdict.by, at))
    people = sorted(begun.keys() - {SOFTWARE} - known.keys(), key=lambda name: (begun[name], name))
    in_use = [int(found[1]) for pseudonym in known.values() if (found := _PSEUDONYM.fullmatch(pseudonym))]
    first = max(in_use, default=0) + 1
    return known | {name: f"annotator-{number}" for number, name in enumerate(people, first)}


def remember_pseudonyms(out: Path, names: Mapping[str, str]) -> None:
    """Keep the names beside the run for later pushes. Raises RunFolderError where that cannot be written."""
    path = out / ANNOTATORS_FILE
    if not names or _known(path) == names:
        return
    try:
        write_text(path, json.dumps(names, indent=2, ensure_ascii=False) + "\n")
    except OSError as error:
        raise RunFolderError(f"{path} cannot be written ({error.strerror}); make room, or allow it") from error


def _known(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(pseudonym) for name, pseudonym in names.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise RunFolderError(f"{path} cannot be read: {one_line(error)}; mend it, or delete it") from error


def verdict_tables(
    verdicts: Sequence[Verdict], decided: Mapping[CaptionKey, Verdict], names: Mapping[str, str], batch: int
) -> Iterator[pa.Table]:
    """The verdicts as tables of PUBLISHED_SCHEMA, with pseudonyms for people; of rewritten texts only those that count.

    What somebody wrote that does not count, say since others dropped the caption, is nowhere else in the dataset.
    """
    for start in range(0, len(verdicts), batch):
        rows = [_row(one, one == decided.get(one.key), names) for one in verdicts[start : start + batch]]
        yield pa.Table.from_pylist(rows, schema=PUBLISHED_SCHEMA)


def _row(verdict: Verdict, counts: bool, names: Mapping[str, str]) -> dict[str, Any]:
    scores = [{"name": name, "value": value} for name, value in verdict.scores.items()]
    text = verdict.fixed_description if counts and verdict.verdict == "fixed" else None
    return {
        **verdict.to_row(), "scores": scores, "by": names.get(verdict.by, verdict.by), "fixed_description": text
    }  # fmt: skip
