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

from vaemo_clips.errors import TrainingError
from vaemo_train.evaluate.folds import Holdout, texts

MOST_SHARE = 0.2
"""Of the clips may be kept out for monitoring, where no --holdout says which."""


@dataclass(frozen=True, slots=True)
class RowChoice:
    """Row numbers, ascending: `train`, and `monitor`, one row of each clip; `reason` says how they were chosen."""

    train: NDArray[np.int64]
    monitor: NDArray[np.int64]
    reason: str

    @property
    def digest(self) -> str:
        """Identifies what is trained on."""
        return sha256(self.train.astype("<i8").tobytes()).hexdigest()


def choose_rows(rows: pa.Table, holdout: Holdout | None, num_clips: int, seed: int, monitored: bool) -> RowChoice:
    """Divide the rows (R,) of a folder of shards; no clip, and no known speaker, is on both sides.

    With a `holdout` its rows are kept out, and `num_clips` of its clips are monitored. Else so many clips are kept out
    if the training is `monitored`, by whole speakers where a column `speaker` names two or more, at most a fifth of
    all. Clips with picture and sound come first. Raises SplitError for a holdout that does not fit the rows,
    TrainingError where nothing is left.
    """
    clips = np.asarray(rows["clip_id"].to_pylist(), object)
    is_out = np.zeros(len(clips), bool)
    reason = "no clip is kept out; nothing is monitored"
    if holdout is not None:
        is_out, reason = holdout.mask(rows), holdout.summary(rows)
    elif monitored:
        is_out, reason = _kept_out(rows, clips, num_clips, seed)
    if is_out.all():
        raise TrainingError(
            f"{reason}; no row is left to train on: prepare more clips, or set monitor.every_steps to 0"
        )
    shown = _first_rows(rows, clips, is_out, num_clips, seed) if monitored else np.empty(0, np.int64)
    return RowChoice(np.flatnonzero(~is_out), shown, reason)


def _kept_out(rows: pa.Table, clips: NDArray[Any], num_clips: int, seed: int) -> tuple[NDArray[np.bool_], str]:
    """Whole speakers, or clips where nobody knows the speakers, until there are enough of them."""
    names = list(dict.fromkeys(clips.tolist()))
    most = max(round(MOST_SHARE * len(names)), 2)
    wanted = min(num_clips, most)
    rng = np.random.default_rng([seed, len(names)])
    speakers = texts(rows["speaker"].to_pylist()) if "speaker" in rows.column_names else np.full(len(clips), None)
    known = sorted({str(speaker) for speaker in speakers if speaker is not None})
    if len(known) < 2:
        chosen = set(rng.permutation(np.asarray(names, object))[:wanted].tolist())
        is_out = np.asarray([clip in chosen for clip in clips])
        return is_out, f"{len(chosen):,} of {len(names):,} clips are kept out to be monitored; no speakers are known"
    clips_of = {speaker: set(clips[speakers == speaker].tolist()) for speaker in known}
    chosen_speakers: list[str] = []
    count = 0
    for speaker in rng.permutation(np.asarray(known, object)).tolist():
        if count >= wanted or len(chosen_speakers) == len(known) - 1:
            break
        if not chosen_speakers or count + len(clips_of[speaker]) <= most:
            chosen_speakers.append(speaker)
            count += len(clips_of[speaker])
    is_out = np.isin(speakers.astype(str), chosen_speakers) & (speakers != None)  # noqa: E711 - elementwise
    return is_out, (
        f"{count:,} of {len(names):,} clips, of {len(chosen_speakers)} of {len(known)} speakers, "
        "are kept out to be monitored"
    )


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
