"""Splits of the labelled clips into training, validation and test rows: speakers and clips are on one side only.

Row numbers count all rows of the shards from 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.folds import shown
from vaemo_train.protocol.labelled_clips import LabelledClips
from vaemo_train.protocol.protocols import Part, make_protocol
from vaemo_train.protocol.targets import Targets
from vaemo_train.protocol.validation_part import check_share, keep_validation


@dataclass(frozen=True, slots=True, eq=False)
class Split:
    """Row numbers, ascending: `train`, `validation` and `test`, of which the last two may be empty.

    `name` is the value of the fold's column, its number, its speaker, the values held out, or "test" or "all".
    `validation_speakers` are sorted; empty too where nobody knows the speakers. `reason` says how the rows were
    chosen, `notes` what the user should know of it. Raises SplitError without a training row, or for a row twice.
    """

    name: str
    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]
    validation_speakers: tuple[str, ...]
    reason: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that there is something to train on, and that rows are ascending and in one part."""
        if not len(self.train):
            raise SplitError(f"split {self.name}: no row to train on; make other folds, or label more clips")
        for part, rows in self.parts.items():
            if len(rows) > 1 and (np.diff(rows) <= 0).any():
                raise SplitError(f"split {self.name}: the rows of {part} are not ascending; sort them, each once")
        for (one, rows), (other, others) in combinations(self.parts.items(), 2):
            common = np.intersect1d(rows, others)
            if len(common):
                raise SplitError(f"split {self.name}: row {common[0]} is in {one} and in {other}; a row has one part")

    @property
    def parts(self) -> dict[str, NDArray[np.int64]]:
        """The rows by the name of the part."""
        return {"training": self.train, "validation": self.validation, "test": self.test}

    def check(self, clip_ids: NDArray[np.object_], speakers: NDArray[np.object_] | None) -> Split:
        """Return the split itself. Raises SplitError where two parts share a clip or a known speaker.

        `clip_ids` and `speakers` (R,) are those of all rows of the shards, as text, None where unknown.
        """
        self._refuse_shared("clip", clip_ids)
        if speakers is not None:
            self._refuse_shared("speaker", speakers)
        return self

    def _refuse_shared(self, noun: str, names: NDArray[np.object_]) -> None:
        for (one, rows), (other, others) in combinations(self.parts.items(), 2):
            shared = (set(names[rows].tolist()) & set(names[others].tolist())) - {None}
            if shared:
                raise SplitError(
                    f"split {self.name}: {noun if len(shared) == 1 else noun + 's'} {shown(shared)} would be in "
                    f"{one} and in {other}; a {noun} must be on one side: mend the column that divides them, leave "
                    f"those clips out, or deal whole speakers to folds by a number"
                )


def make_splits(
    rows: pa.Table, targets: Targets, *, folds: str | None, validation_share: float, seed: int
) -> tuple[Split, ...]:
    """Splits of the labelled rows of the shards (`targets.rows`), each to be trained and tested on its own.

    `folds` names a column of which each value is tested once ("fold"), or "speaker" (leave one out), a number (so
    many folds of whole speakers, dealt), COLUMN=VALUE[,VALUE] (one split that tests those), "split" (the corpus's own
    train, validation and test parts), or "none" (train on all). None: column fold where it has values, else split
    where it has a test part, else five folds (as many as there are speakers, if fewer). Clips without a value in
    such a column are in no part, and a note counts them. All rows of a clip are in one part.
    For validation whole speakers of the training part are kept out, see `validation_part.keep_validation`; not with a
    share of 0, nor where the corpus has its own validation part. The same seed gives the same clips, however the
    rows are ordered.
    Raises SplitError for a protocol that does not fit the columns, a speaker, a clip or a row in two parts, classes
    that a training part lacks, a share outside [0, 0.5] or one that leaves no training speaker.
    """
    check_share(validation_share)
    clips = LabelledClips.of(rows, targets)
    protocol = make_protocol(clips, folds, seed)
    found = []
    for part in protocol.parts:
        train, validation, how = _divided(clips, part, validation_share, seed)
        _refuse_absent(clips, train, part.name)
        split = Split(
            name=part.name,
            train=clips.rows_of(train),
            validation=clips.rows_of(validation),
            test=clips.rows_of(part.test),
            validation_speakers=tuple(sorted(_speakers(clips, validation))),
            reason=f"{protocol.reason}; {_sizes(len(train), len(validation), len(part.test))}{how}",
            notes=(*protocol.notes, *_notes(clips, part.name, train, validation, part.test)),
        )
        found.append(split.check(targets.clip_ids, targets.speakers))
    return tuple(found)


def _divided(
    clips: LabelledClips, part: Part, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], str]:
    """Clips to train on, clips for validation, and who the latter are."""
    if part.validation is not None:
        return part.train, part.validation, "; validation is the corpus's own"
    if not share:
        return part.train, np.empty(0, np.int64), ""
    kept = keep_validation(clips, part.train, share, seed, part.name)
    speakers, everyone = _speakers(clips, kept), _speakers(clips, part.train)
    who = f"{len(speakers)} of {len(everyone)} training speakers" if everyone else "whole files, no speakers are known"
    return np.setdiff1d(part.train, kept), kept, f"; validation: {who}"


def _sizes(num_train: int, num_validation: int, num_test: int) -> str:
    return f"{num_train:,} clips to train on, {num_validation:,} for validation, {num_test:,} to test on"


def _refuse_absent(clips: LabelledClips, train: NDArray[np.int64], name: str) -> None:
    if clips.labels is None:
        return
    absent = set(clips.labels.tolist()) - set(clips.labels[train].tolist())
    if absent:
        raise SplitError(
            f"fold {name}: {shown(absent)} without a clip in the training part; what was never shown cannot be "
            f"recognised: leave these clips out, or make fewer or other folds"
        )


def _speakers(clips: LabelledClips, places: NDArray[np.int64]) -> set[str]:
    return set() if clips.speakers is None else set(clips.speakers[places].tolist()) - {None}


def _notes(clips: LabelledClips, name: str, *parts: NDArray[np.int64]) -> Iterator[str]:
    """What is as it should not be, but hinders nothing: classes a part lacks, files and speakers that may be shared."""
    for part, places in zip(("validation", "test"), parts[1:], strict=True):
        if clips.labels is not None and len(places):
            absent = set(clips.labels.tolist()) - set(clips.labels[places].tolist())
            if absent:
                yield f"fold {name}: no {part} clip of {shown(absent)}; the recall of these is undefined there"
    num_unknown = sum(
        1 for places in parts for place in places if clips.speakers is None or clips.speakers[place] is None
    )
    if num_unknown and any(len(places) for places in parts[1:]):
        yield f"fold {name}: {num_unknown:,} clips name no speaker, nobody knows whether its parts share some"
    files = [set(clips.files[places].tolist()) for places in parts]
    num_shared = len(set().union(*(one & other for one, other in combinations(files, 2))))
    if num_shared:
        yield f"fold {name}: {num_shared:,} files have clips in several parts; clips of a file may be of one person"
