"""Aligned crops of the target face at equal times: what the curves below them were measured from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.video import decode_frames

if TYPE_CHECKING:
    from vaemo_clips.faces.target import TargetFace

NUM_CROPS = 8
_SIZE_PX = 192  # 0.65 in at 300 dpi
_SHORT_SIDE_PX = 1080  # bounds the memory for the pictures of a 4K file
_NEAR = 0.25  # of the distance between two crops: so far off its time may a crop be


@dataclass(frozen=True, slots=True)
class Crop:
    """A place in the strip: its time in seconds, and the face (S, S, 3) uint8 RGB, None where it was not seen."""

    time_s: float
    image: NDArray[np.uint8] | None


def face_strip(
    path: Path,
    face: TargetFace,
    times_s: NDArray[np.float64],
    duration_s: float,
    picture_width: int,
    begin_s: float = 0.0,
) -> tuple[Crop, ...]:
    """Cut the face out of at most NUM_CROPS pictures of [begin_s, begin_s + duration_s) of a file.

    `times_s` (N,) are the pictures' times from `begin_s` on, `picture_width` is that of the pictures in which the
    face was followed; those of the strip may be larger. Raises MediaError.
    """
    from vaemo_clips.faces.alignment import aligned_crops

    places_s = strip_times(times_s, duration_s)
    seen_s = times_s[face.track.frame_index]
    chosen_s = [_nearest(seen_s, place_s, _NEAR * duration_s / len(places_s)) for place_s in places_s]
    wanted_s = [time_s for time_s in chosen_s if time_s is not None]
    if not wanted_s:
        return tuple(Crop(place_s, None) for place_s in places_s)
    frames = decode_frames(path, [begin_s + time_s for time_s in wanted_s], _SHORT_SIDE_PX)
    pictures = zip(wanted_s, frames.images, strict=True)
    crops = aligned_crops(
        pictures, face.track, times_s, size_px=_SIZE_PX, cuts_s=face.cuts_s, picture_width=picture_width
    )
    by_time = dict(crops)
    return tuple(
        Crop(place_s, None if time_s is None else by_time.get(time_s))
        for place_s, time_s in zip(places_s, chosen_s, strict=True)
    )


def strip_times(times_s: NDArray[np.float64], duration_s: float) -> list[float]:
    """Return the middles of equal parts of the clip, no more of them than there are pictures."""
    num_parts = max(min(NUM_CROPS, len(times_s)), 1)
    return [(part + 0.5) * duration_s / num_parts for part in range(num_parts)]


def _nearest(seen_s: NDArray[np.float64], time_s: float, within_s: float) -> float | None:
    place = int(np.abs(seen_s - time_s).argmin()) if len(seen_s) else -1
    return float(seen_s[place]) if place >= 0 and abs(seen_s[place] - time_s) <= max(within_s, 0.05) else None
