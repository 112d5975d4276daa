"""Verdicts on captions: the side table verdicts.parquet, and which verdict counts where there are several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, get_args

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vaemo_clips.caption import VERDICT_SCHEMA
from vaemo_clips.errors import CaptionError

VERDICTS_FILE: Final = "verdicts.parquet"
SOFTWARE: Final = "check"
"""`by` of the verdicts that `vaemo-annotate check` writes; any other name is a person's."""

_ROWS_AT_ONCE: Final = 1000

Word = Literal["keep", "drop", "fixed"]
CaptionKey = tuple[str, int]
"""clip_id and sample_index."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judgement of one caption by one judge.

    `fixed_description` takes the place of affect_description, exactly where `verdict` is `fixed`. `reasons` are typed
    (`leak.transcript`), `scores` by name; `at` has a time zone. Raises CaptionError where that does not hold.
    """

    clip_id: str
    sample_index: int
    verdict: Word
    reasons: tuple[str, ...] = ()
    scores: Mapping[str, float] = field(default_factory=dict)
    by: str = SOFTWARE
    at: datetime | None = None
    fixed_description: str | None = None
    caption_sha256: str | None = None

    def __post_init__(self) -> None:
        """Check the record."""
        where = f"the verdict on clip {self.clip_id!r}, sample {self.sample_index}"
        if self.verdict not in get_args(Word):
            raise CaptionError(f"{where}, is {self.verdict!r}; it must be one of {', '.join(get_args(Word))}")
        if (self.verdict == "fixed") != bool((self.fixed_description or "").strip()):
            raise CaptionError(
                f"{where}, is {self.verdict!r} with fixed_description {self.fixed_description!r}; "
                "a description stands exactly where the verdict is fixed"
            )
        if self.at is not None and self.at.tzinfo is None:
            raise CaptionError(
                f"{where}, is of {self.at.isoformat()} in no time zone, and of several the latest counts; give the "
                "zone, as datetime.now(UTC) does"
            )

    @property
    def key(self) -> CaptionKey:
        """Which caption it is on."""
        return self.clip_id, self.sample_index

    @property
    def is_by_software(self) -> bool:
        """Whether `check` said it, not a person."""
        return self.by == SOFTWARE

    @property
    def age_key(self) -> tuple[datetime, str, str, str]:
        """Ascends with the time; one without a time is older than all, of two at once word, text and judge decide."""
        return self.at or datetime.min.replace(tzinfo=UTC), self.verdict, self.fixed_description or "", self.by

    def to_row(self) -> dict[str, Any]:
        """Return the verdict as a row of `VERDICT_SCHEMA`."""
        row = {part.name: getattr(self, part.name) for part in fields(self)}
        return {**row, "reasons": list(self.reasons), "scores": list(self.scores.items())}


def current(verdicts: Iterable[Verdict], caption_sha256: str) -> list[Verdict]:
    """Return the verdicts on a caption that are of its present words, in their order; the others are stale.

    `caption_sha256` is `caption_digest` of the caption in the dataset; a verdict that does not name its words is of the
    present ones. The rule for all who read verdicts: stale ones count for nothing, neither a person's nor the
    software's, and `decide` chooses among the current ones; so where a person's is stale, the software's counts again.
    Who makes or publishes data of captions refuses a caption only where it had verdicts and none of them is current:
    nobody vouches for it, though somebody once looked. A caption that nobody ever judged counts as it is.
    """
    return [verdict for verdict in verdicts if verdict.caption_sha256 in (None, caption_sha256)]


def decide(verdicts: Iterable[Verdict]) -> Verdict | None:
    """Return the verdict that counts among those on one caption; None where there is none.

    People outrank software. Of each judge the latest counts; of several people the majority between dropping and
    keeping (fixed keeps), a tie drops; of those who keep, the latest that fixed it.
    """
    latest: dict[str, Verdict] = {}
    for verdict in sorted(verdicts, key=lambda one: one.age_key):
        latest[verdict.by] = verdict
    people = [verdict for verdict in latest.values() if not verdict.is_by_software]
    if not people:
        return latest.get(SOFTWARE)
    dropping = [verdict for verdict in people if verdict.verdict == "drop"]
    keeping = [verdict for verdict in people if verdict.verdict != "drop"]
    if len(dropping) >= len(keeping):
        return max(dropping, key=lambda one: one.age_key)
    fixed = [verdict for verdict in keeping if verdict.verdict == "fixed"]
    return max(fixed or keeping, key=lambda one: one.age_key)


def read_verdicts(path: Path) -> list[Verdict]:
    """Return the rows of a verdict table; none where there is no file. Raises CaptionError."""
    return list(iter_verdicts(path))


def iter_verdicts(path: Path, people_alone: bool = False) -> Iterator[Verdict]:
    """Yield the rows of a verdict table, some in memory at a time; none where there is no file.

    With `people_alone` the software's rows are passed over unread. Raises CaptionError.
    """
    if not path.exists():
        return
    try:
        for rows in _batches(path, people_alone):
            yield from map(_verdict, rows)
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:300]
        raise CaptionError(
            f"{path} cannot be read ({reason}); mend it, or delete it and check the run again"
        ) from error
    except CaptionError as error:
        raise CaptionError(f"{path}: {error}; mend the file, or delete it so that every caption counts") from error


def _batches(path: Path, people_alone: bool) -> Iterator[list[dict[str, Any]]]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(_ROWS_AT_ONCE):
            table = pa.Table.from_batches([batch])
            for missing in [part for part in VERDICT_SCHEMA if part.name not in table.column_names]:
                table = table.append_column(missing, pa.nulls(len(table), missing.type))
            rows = table.select(VERDICT_SCHEMA.names).cast(VERDICT_SCHEMA)
            yield (rows.filter(pc.not_equal(rows["by"], SOFTWARE)) if people_alone else rows).to_pylist()


def _verdict(row: Mapping[str, Any]) -> Verdict:
    return Verdict(
        clip_id=row["clip_id"],
        sample_index=row["sample_index"] or 0,
        verdict=row["verdict"],
        reasons=tuple(row["reasons"] or ()),
        scores=dict(row["scores"] or ()),
        by=row["by"] or SOFTWARE,
        at=row["at"],
        fixed_description=row["fixed_description"],
        caption_sha256=row["caption_sha256"],
    )
