"""Who is tested when: the parts of a protocol, as clips, before rows are kept for validation.

n labelled clips; parts are places among them, ascending.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.folds import Fold, Holdout, deal_folds, leave_one_speaker_out, shown, speaker_folds
from vaemo_train.protocol.labelled_clips import LabelledClips

NUM_DEALT = 5
"""Folds where neither a column nor the user says how many."""
_WORDS: Final = {
    "train": ("train",),
    "validation": ("val", "valid", "validation", "dev"),
    "test": ("test",),
}
_PART_OF: Final = {word: part for part, words in _WORDS.items() for word in words}
_RULE = "must be train, val (valid, validation, dev) or test"


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Clips to train on and to test on (none: no test), and those of the corpus's own `validation` part, if any."""

    name: str
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    validation: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Protocol:
    """The parts in order, `reason` says how they were made; `notes` are lines for the user."""

    parts: tuple[Part, ...]
    reason: str
    notes: tuple[str, ...] = ()


def make_protocol(clips: LabelledClips, folds: str | None, seed: int) -> Protocol:
    """The protocol that `folds` asks for; see `splits.make_splits`, which says which errors it raises too."""
    asked = folds.strip() if folds is not None else _default(clips)
    why = "" if folds is not None else f" (none was asked for: {_WHY.get(asked, _WHY[''])})"
    if asked == "none":
        made = Protocol((Part("all", np.arange(len(clips.ids)), np.empty(0, np.int64)),), "no clip is tested")
    elif asked == "speaker":
        made = _by_speaker(clips)
    elif asked == "split":
        made = _official(clips)
    elif "=" in asked:
        made = _one_holdout(clips, Holdout.parse(asked))
    elif asked.lstrip("-").isdecimal():
        made = _dealt(clips, int(asked), seed)
    else:
        made = _by_column(clips, asked)
    return Protocol(made.parts, made.reason + why, made.notes)


_WHY: Final = {
    "fold": "there is a column fold",
    "split": "the column split has a test part",
    "": "there is no column fold, and no column split with a test part",
}


def _default(clips: LabelledClips) -> str:
    names = clips.table.column_names
    if "fold" in names and _known(clips.column("fold")):
        return "fold"
    if "split" in names and any(word.lower() in _WORDS["test"] for word in _known(clips.column("split"))):
        return "split"
    num_speakers = len(_known(clips.speakers)) if clips.speakers is not None else 0
    return str(min(NUM_DEALT, max(num_speakers, 2)))


def _by_column(clips: LabelledClips, name: str) -> Protocol:
    """Each value of a column is tested once; clips without a value are in no part."""
    values = clips.column(name)
    has_value = _has(values)
    chosen = np.flatnonzero(has_value)
    found = _known(values)
    if len(found) < 2:
        raise SplitError(
            f"folds {name}: column {name} holds {'only ' + shown(found) if found else 'no value'}; cross-validation "
            f"needs at least two folds: name another column, or deal whole speakers to folds by a number"
        )
    speakers = None if clips.speakers is None else clips.speakers[chosen]
    if speakers is not None:
        _refuse_shared(name, values[chosen], speakers)
    labels = None if clips.labels is None else clips.labels[chosen]
    made = speaker_folds(speakers, values[chosen], labels=labels)
    left = len(values) - len(chosen)
    notes = (f"folds {name}: {left:,} labelled clips have no {name} and are left out",) if left else ()
    return Protocol(_parts(made, chosen), f"{len(made)} folds by column {name}, each tested once", notes)


def _refuse_shared(name: str, values: NDArray[np.object_], speakers: NDArray[np.object_]) -> None:
    folds_of: dict[str, set[str]] = {}
    for speaker, value in zip(speakers.tolist(), values.tolist(), strict=True):
        if speaker is not None:
            folds_of.setdefault(speaker, set()).add(value)
    shared = {speaker: found for speaker, found in folds_of.items() if len(found) > 1}
    if shared:
        first = min(shared)
        raise SplitError(
            f"folds {name}: {'speaker' if len(shared) == 1 else 'speakers'} {shown(shared)} shared by folds "
            f"({first} is in {name} {shown(shared[first])}); a speaker must be in one fold: mend the column, leave "
            f"those clips out, or deal whole speakers to folds by a number"
        )


def _by_speaker(clips: LabelledClips) -> Protocol:
    speakers = clips.column("speaker")
    known = _known(speakers)
    if len(known) < 2:
        raise SplitError(
            f"folds speaker: column speaker names {len(known)} ({shown(known)}); leaving one speaker out needs at "
            f"least two: add clips of others"
        )
    made = leave_one_speaker_out(speakers, clips.labels)
    return Protocol(_parts(made), f"leave one speaker out, {len(made)} speakers")


def _dealt(clips: LabelledClips, num_folds: int, seed: int) -> Protocol:
    made = deal_folds(clips.speakers, clips.labels, num_folds, seed)
    parts = _parts(fold.check(clips.speakers, clips.labels) for fold in made)
    return Protocol(parts, f"{num_folds} folds, whole speakers dealt with seed {seed}, each tested once")


def _one_holdout(clips: LabelledClips, holdout: Holdout) -> Protocol:
    if holdout.column in clips.table.column_names:
        clips.column(holdout.column)  # the same in all rows of a clip
    table = clips.table.take(clips.first_rows)
    is_test = holdout.mask(table)
    name = ",".join(holdout.values)
    fold = Fold(name, np.flatnonzero(~is_test), np.flatnonzero(is_test)).check(None, clips.labels)
    return Protocol(_parts([fold]), f"one split, tested are the clips with {holdout}")


def _official(clips: LabelledClips) -> Protocol:
    """The train, validation and test parts of the corpus itself."""
    words = clips.column("split")
    unknown = {word for word in _known(words) if word.lower() not in _PART_OF}
    if unknown:
        raise SplitError(f"folds split: column split holds {shown(unknown)}; its values {_RULE}: rename them")
    parts = np.array([None if word is None else _PART_OF[word.lower()] for word in words], object)
    train, validation, test = (np.flatnonzero(parts == part) for part in _WORDS)
    for part, places in (("train", train), ("test", test)):
        if not len(places):
            raise SplitError(
                f"folds split: no labelled clip has split {part}, only {shown(_known(words)) or 'empty cells'}; its "
                f"values {_RULE}, and train and test are needed: name another protocol, or label those clips"
            )
    fold = Fold("test", train, test).check(clips.speakers, clips.labels)
    left = int((~_has(words)).sum())
    notes = (f"folds split: {left:,} labelled clips have no split and are left out",) if left else ()
    own = Part(fold.name, fold.train, fold.test, validation if len(validation) else None)
    return Protocol((own,), "the corpus's own parts by column split", notes)


def _parts(folds: Iterable[Fold], chosen: NDArray[np.int64] | None = None) -> tuple[Part, ...]:
    """Folds as parts; of folds over some of the clips, `chosen` says which these are."""
    if chosen is None:
        return tuple(Part(fold.name, fold.train, fold.test) for fold in folds)
    return tuple(Part(fold.name, chosen[fold.train], chosen[fold.test]) for fold in folds)


def _known(names: NDArray[np.object_]) -> set[str]:
    return {name for name in names.tolist() if name is not None}


def _has(names: NDArray[np.object_]) -> NDArray[np.bool_]:
    return np.array([name is not None for name in names], bool)
