"""Which rows of the shards are trained on, and which are kept for looking at how the training goes.

R rows of the shards.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import SplitError, TrainingError
from vaemo_train.evaluate.folds import Holdout, texts
from vaemo_train.evaluate.source_files import source_files

MOST_SHARE = 0.2
"""Of the clips may be kept out for monitoring, where no --holdout says which."""


@dataclass(frozen=True, slots=True)
class RowChoice:
    """Row numbers, ascending: `train`, and `monitor`, one row of each clip; `reason` says how they were chosen.

    Rows of one of `groups` (one number for each of `train`) come into a batch together, `group_size` at a time.
    """

    train: NDArray[np.int64]
    monitor: NDArray[np.int64]
    reason: str
    groups: NDArray[np.int64] | None = None
    group_size: int = 1

    @property
    def digest(self) -> str:
        """Identifies what is trained on."""
        return sha256(self.train.astype("<i8").tobytes()).hexdigest()


def choose_rows(rows: pa.Table, holdout: Holdout | None, num_clips: int, seed: int, monitored: bool) -> RowChoice:
    """Divide the rows (R,) of a folder of shards; no clip, and no known speaker, is on both sides.

    With a `holdout` its rows are kept out, and `num_clips` of its clips are monitored. Else so many clips are kept out
    if the training is `monitored`, by whole speakers where a column `speaker` names two or more, else by whole files;
    at most a fifth of all, or the speaker (the file) with the fewest where none has so few. Clips with picture and
    sound come first. Raises SplitError for a holdout that does not fit the rows or parts a clip, TrainingError where
    nothing is left.
    """
    clips = np.asarray(rows["clip_id"].to_pylist(), object)
    is_out = np.zeros(len(clips), bool)
    reason = "no clip is kept out; nothing is monitored"
    if holdout is not None:
        is_out = holdout.mask(rows)
        reason = holdout.summary(rows) + _check_clips(holdout, rows, clips, is_out)
    elif monitored:
        is_out, reason = _kept_out(rows, clips, num_clips, seed)
    if is_out.all():
        raise TrainingError(
            f"{reason}; no row is left to train on: prepare more clips, or set monitor.every_steps to 0"
        )
    shown = _first_rows(rows, clips, is_out, num_clips, seed) if monitored else np.empty(0, np.int64)
    return RowChoice(np.flatnonzero(~is_out), shown, reason)


def _kept_out(rows: pa.Table, clips: NDArray[Any], num_clips: int, seed: int) -> tuple[NDArray[np.bool_], str]:
    """Whole speakers, or whole files where nobody knows the speakers, until there are enough clips."""
    num_all = len(set(clips.tolist()))
    most = max(round(MOST_SHARE * num_all), 2)
    rng = np.random.default_rng([seed, num_all])
    speakers = texts(rows["speaker"].to_pylist()) if "speaker" in rows.column_names else np.full(len(clips), None)
    known = sorted({str(speaker) for speaker in speakers if speaker is not None})
    groups, noun, least_left, note = speakers, "speakers", 1, ""
    if len(known) < 2:
        groups, noun, least_left, note = source_files(rows), "files", 0, "; no speakers are known"
    clips_of = _clips_of(groups, clips)
    names = rng.permutation(np.asarray(list(clips_of), object)).tolist()
    chosen = _fitting(names, clips_of, min(num_clips, most), most, len(names) - least_left)
    if not chosen:
        chosen = [min(names, key=lambda name: (len(clips_of[name]), name))]
        note = f"; all {noun} have more than a fifth of all, this one has the fewest{note}"
    is_out = np.isin(groups.astype(str), chosen) & (groups != None)  # noqa: E711 - elementwise
    count = sum(len(clips_of[name]) for name in chosen)
    whose = "" if noun == "files" and len(clips_of) == num_all else f", of {len(chosen):,} of {len(clips_of):,} {noun},"
    return is_out, f"{count:,} of {num_all:,} clips{whose} are kept out to be monitored{note}"


def _fitting(names: list[str], clips_of: dict[str, set[str]], wanted: int, most: int, most_groups: int) -> list[str]:
    """The first groups that fit until there are `wanted` clips, of at most `most` and in at most `most_groups`."""
    chosen: list[str] = []
    count = 0
    for name in names:
        if count >= wanted or len(chosen) == most_groups:
            break
        if count + len(clips_of[name]) <= most:
            chosen.append(name)
            count += len(clips_of[name])
    return chosen


def _clips_of(groups: NDArray[Any], clips: NDArray[Any]) -> dict[str, set[str]]:
    """The clips of each group (R,), by the group's name in order; rows without a group are left out."""
    found: dict[str, set[str]] = {}
    for group, clip in zip(groups.tolist(), clips.tolist(), strict=True):
        if group is not None:
            found.setdefault(str(group), set()).add(clip)
    return dict(sorted(found.items()))


def _check_clips(holdout: Holdout, rows: pa.Table, clips: NDArray[Any], is_out: NDArray[np.bool_]) -> str:
    """Return a note on files with clips on both sides. Raises SplitError for a clip with rows on both."""
    both = set(clips[is_out].tolist()) & set(clips[~is_out].tolist())
    if both:
        raise SplitError(
            f"holdout {holdout}: {len(both):,} clips have rows on both sides (the first: {min(both)}); a clip must be "
            f"on one side: hold out by a column that is the same for all rows of a clip"
        )
    files = source_files(rows)
    num_shared = len(set(files[is_out].tolist()) & set(files[~is_out].tolist()))
    return f"; {num_shared:,} files have clips on both sides" if num_shared else ""


def _first_rows(
    rows: pa.Table, clips: NDArray[Any], is_out: NDArray[np.bool_], num_clips: int, seed: int
) -> NDArray[np.int64]:
    """One row of each of `num_clips` kept clips: those with picture and sound before the others, at random."""
    is_both = rows["has_picture"].to_numpy() & rows["has_sound"].to_numpy()
    order = np.random.default_rng([seed, 1]).permutation(np.flatnonzero(is_out))
    order = order[np.argsort(~is_both[order], kind="stable")]
    seen: dict[Any, int] = {}
    for row in order.tolist():
        if len(seen) == num_clips:
            break
        seen.setdefault(clips[row], row)
    return np.asarray(sorted(seen.values()), np.int64)
