"""What a model saw, when it was fine-tuned, of the clips and speakers that judge it.

Shapes: R rows that judge it, T rows that it was trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import UserError
from vaemo_train.finetune.split_facts import trained_on
from vaemo_train.judging.rebuilt import Rebuilt, is_finetuning
from vaemo_train.judging.tested import FOLD
from vaemo_train.outcome.disjoint import speakers_disjoint
from vaemo_train.outcome.past import past_of
from vaemo_train.outcome.results_file import PastEntry
from vaemo_train.shards.folder import ShardFolder

if TYPE_CHECKING:
    from vaemo_train.data.dataset import Modality as TrainedOn


@dataclass(frozen=True, slots=True)
class Sight:
    """What a model saw of the clips that judge it.

    `notes` are lines for the user. `is_disjoint`: no tested speaker was trained on; `num_trained`: how many of the
    clips were; None: nobody knows.
    """

    notes: tuple[str, ...]
    is_disjoint: bool | None
    num_trained: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """The `rows` (T,) of the shards `trained_in` that a model was trained on or chosen by; None where nobody knows.

    `judged` are the shards whose clips judge it. A clip is known again by the content of its file and its place in it.
    """

    judged: ShardFolder
    trained_in: ShardFolder | None
    rows: NDArray[np.int64] | None

    @classmethod
    def of(cls, run: Path, record: dict[str, Any], judged: ShardFolder) -> Past:
        """From the run.json of a model and the protocol of the fine-tuning that its run belongs to."""
        out = run.resolve().parent.parent
        identity: Any = record.get("identity", {})
        if not is_finetuning(out) or "fold" not in record:
            return cls(judged, None, None)
        is_same = identity.get("data") == judged.digest
        try:
            rebuilt = Rebuilt.read(out, judged.path if is_same else None)
            split = next(split for split in rebuilt.splits if split.name == record["fold"])
            rebuilt.check(split, record)
        except (UserError, StopIteration):
            return cls(judged, None, None)
        chosen_by = [split.validation] if rebuilt.recipe.select.checkpoint == "validation" else []
        return cls(judged, rebuilt.folder, np.sort(np.concatenate([split.train, *chosen_by])))

    def trained_on(self, wanted: str) -> TrainedOn:
        """What the model was trained on, as far as its clips tell, else as its recipe says."""
        if self.trained_in is not None and self.rows is not None:
            return trained_on(self.trained_in, self.rows, wanted)
        return "audio" if wanted == "audio" else "video" if wanted == "video" else "both"

    def entries(self, init: Path | str | None) -> dict[str, PastEntry]:
        """For the one fold of its scores, where it is known what the model was trained on and began with."""
        if self.trained_in is None or self.rows is None or init is None:
            return {}
        speakers = _column(self.trained_in, "speaker", self.rows)
        return {FOLD: past_of(_column(self.trained_in, "clip_id", self.rows) or [], speakers, init)}

    def seen(self, rows: NDArray[np.int64]) -> Sight:
        """What is told of the clips of `rows` (R,) of the judged shards."""
        clips = _clips(self.judged, rows)
        if self.trained_in is None or self.rows is None:
            told = f"nobody knows which of the {len(clips):,} clips the model was trained on: nothing beside it tells"
            return Sight((told,), None, None)
        trained = set(_places(self.trained_in, self.rows))
        files = {sha256 for sha256, _, _ in trained}
        places = _places(self.judged, rows)
        again = _clips(self.judged, rows[[place in trained for place in places]])
        beside = _clips(self.judged, rows[[place[0] in files for place in places]]) - again
        notes = list(_notes_on_clips(len(again), len(beside), len(clips)))
        if self.trained_in.digest != self.judged.digest:
            notes.append("speakers cannot be compared with those trained on, in other shards; some may be the same")
            return Sight(tuple(notes), False if again else None, len(again))
        speakers = [_column(self.judged, "speaker", part) for part in (self.rows, rows)]
        if not again:
            notes += _notes_on_speakers(*speakers)
        is_disjoint = False if again else speakers_disjoint([(speakers[0], speakers[1])])
        return Sight(tuple(notes), is_disjoint, len(again))


def _notes_on_clips(num_again: int, num_beside: int, num_clips: int) -> Iterator[str]:
    if num_again:
        yield (
            f"{num_again:,} of {num_clips:,} clips were trained on (or chose the checkpoint): these scores say "
            f"nothing about new clips"
        )
    if num_beside:
        yield f"{num_beside:,}{' more' if num_again else f' of {num_clips:,} clips'} are of files that were trained on"


def _notes_on_speakers(trained: Sequence[Any] | None, tested: Sequence[Any] | None) -> Iterator[str]:
    """What is told of people in other clips of the same shards."""
    theirs = set(tested or ()) - {None}
    shared = theirs & set(trained or ())
    if shared:
        yield f"{len(shared):,} of their {len(theirs):,} speakers were trained on, in other clips"


def _clips(folder: ShardFolder, rows: NDArray[np.int64]) -> set[str]:
    return set(_column(folder, "clip_id", rows) or ())


def _places(folder: ShardFolder, rows: NDArray[np.int64]) -> list[tuple[str, Any, Any]]:
    """Of each row the content of its file, and where in it the clip begins and ends."""
    columns = [_column(folder, name, rows) or [None] * len(rows) for name in ("sha256", "start_s", "end_s")]
    return list(zip(*columns, strict=True))


def _column(folder: ShardFolder, name: str, rows: NDArray[np.int64]) -> list[Any] | None:
    if name not in folder.rows.column_names:
        return None
    values: list[Any] = folder.rows[name].take(pa.array(rows)).to_pylist()
    return values
