"""Does the picture find its own sound, and how much of that is the speaker's identity alone?

Shapes: n clips (or windows of clips), P width of an embedding. The score is top-1: the share of queries whose
counterpart is the most similar of a gallery. Ties count in parts, so that collapsed embeddings score chance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import TrainingError
from vaemo_train.data.window import WINDOW_S
from vaemo_train.evaluate.folds import Column, texts
from vaemo_train.evaluate.search import Rate, Search
from vaemo_train.evaluate.unit import check_unit

NUM_DRAWS = 10
MAX_CLIPS = 4096


@dataclass(frozen=True, slots=True)
class GroupRetrieval:
    """Retrieval seen through a column, the speaker or the label of the clips.

    within: top-1 among clips of the query's own group only, where the group cannot help.
    matched: top-1 of the same queries among as many clips of everyone: the difference is what the group gives.
    across: top-1 among clips of other groups only, where to know the group is enough.
    found: share of the retrieved clips that are of the query's group.
    mistaken: the same share of the wrongly retrieved clips only, which a good model does not hide.
    """

    within: Rate
    matched: Rate
    across: Rate
    found: Rate
    mistaken: Rate

    @property
    def share(self) -> float:
        """How much of the score above chance is gone where the group cannot help: 0 none of it, 1 all of it.

        1 - (within - chance) / (matched - chance); NaN where the matched score is not above chance.
        """
        above = self.matched.value - self.matched.chance
        return 1 - (self.within.value - self.within.chance) / above if above > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class Retrieval:
    """Top-1 of video -> audio, of audio -> video, and of both; by speaker and by label where these are known."""

    overall: Rate
    video_to_audio: Rate
    audio_to_video: Rate
    speaker: GroupRetrieval | None
    label: GroupRetrieval | None

    def as_dict(self) -> dict[str, float]:
        """Flat, for logs: top1, top1_chance, top1_low, ..., speaker_within, speaker_share; no undefined values."""
        values = _flat("top1", self.overall)
        values |= _flat("top1_video_to_audio", self.video_to_audio) | _flat("top1_audio_to_video", self.audio_to_video)
        for column, group in (("speaker", self.speaker), ("label", self.label)):
            if group is not None:
                for name in ("within", "matched", "across", "found", "mistaken"):
                    values |= _flat(f"{column}_{name}", getattr(group, name))
                values[f"{column}_share"] = group.share
        return {name: value for name, value in values.items() if not np.isnan(value)}


def _flat(name: str, rate: Rate) -> dict[str, float]:
    values = {name: rate.value, f"{name}_chance": rate.chance}
    if rate.interval is not None:
        values |= {f"{name}_low": rate.interval.low, f"{name}_high": rate.interval.high}
    return values


def retrieval(
    video: NDArray[Any],
    audio: NDArray[Any],
    *,
    labels: Column | None = None,
    speakers: Column | None = None,
    clips: Column | None = None,
    begins_s: Column | None = None,
    num_draws: int = NUM_DRAWS,
    seed: int = 0,
) -> Retrieval:
    """Retrieve in galleries of 64, drawn `num_draws` times so that each clip is a query; fewer clips are one gallery.

    `video` and `audio` (n, P) are of unit length, row i of both from one window; of more than 4,096 rows, as many
    evenly spaced ones are taken. With `clips` (n,) and `begins_s` (n,) (begin of the window in the clip, in seconds),
    windows of a clip that overlap the query's are no candidates of it; with `clips` alone, no other window of the
    clip is. Clips without a value of `speakers` or `labels` are left out of these groups. Chance is the mean of
    1 / (number of candidates). Intervals are over speakers, else clips; over four speakers they say little.
    Raises TrainingError for fewer than two rows, values that are no numbers, or other than unit length.
    """
    check_unit("video", video)
    check_unit("audio", audio)
    if video.shape != audio.shape or len(video) < 2:
        raise TrainingError(
            f"retrieval with video {video.shape} and audio {audio.shape}; it needs as many of both, two or more"
        )
    rows = np.linspace(0, len(video) - 1, min(len(video), MAX_CLIPS)).round().astype(np.int64)
    speaker_numbers, label_numbers, clip_numbers = (_numbers(column, rows) for column in (speakers, labels, clips))
    begins = None if begins_s is None else np.asarray(begins_s, np.float64)[rows]
    similarity = video[rows].astype(np.float32) @ audio[rows].astype(np.float32).T
    clusters = clip_numbers if speaker_numbers is None else speaker_numbers
    search = Search(similarity, _candidates(len(rows), clip_numbers, begins), clusters, num_draws, seed)
    video_to_audio, audio_to_video = search.everyone()
    return Retrieval(
        overall=search.rate(video_to_audio + audio_to_video),
        video_to_audio=search.rate(video_to_audio),
        audio_to_video=search.rate(audio_to_video),
        speaker=_by_group(search, speaker_numbers),
        label=_by_group(search, label_numbers),
    )


def _by_group(search: Search, groups: NDArray[np.int64] | None) -> GroupRetrieval | None:
    if groups is None:
        return None
    return GroupRetrieval(**{name: search.rate(tally) for name, tally in search.by_group(groups).items()})


def _numbers(column: Column | None, rows: NDArray[np.int64]) -> NDArray[np.int64] | None:
    """(n,) a number for each value, -1 where there is none."""
    if column is None:
        return None
    names = texts(np.asarray(column, object)[rows])
    order = {name: number for number, name in enumerate(sorted({name for name in names if name is not None}))}
    return np.array([order.get(name, -1) for name in names], np.int64)


def _candidates(
    num_rows: int, clips: NDArray[np.int64] | None, begins: NDArray[np.float64] | None
) -> NDArray[np.bool_]:
    """(n, n) False where another row shows some of the same moments."""
    if clips is None:
        return np.ones((num_rows, num_rows), bool)
    overlaps = np.equal(clips[:, None], clips) & (clips >= 0)
    if begins is not None:
        overlaps &= np.abs(begins[:, None] - begins) < WINDOW_S - 1e-6
    np.fill_diagonal(overlaps, False)
    return np.logical_not(overlaps)
