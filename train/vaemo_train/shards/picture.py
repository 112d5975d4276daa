"""A clip's picture as it is stored: one JPEG of the aligned target face for each slot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import simplejpeg

from vaemo_clips.clip import Clip
from vaemo_clips.faces.alignment import aligned_crops, alignment_of
from vaemo_clips.faces.models import FaceModels
from vaemo_clips.faces.target import NoFace, Sound, TargetFace, choose_target
from vaemo_clips.faces.track import FaceTracks
from vaemo_clips.faces.tracking import track_faces
from vaemo_clips.video import iterate_frames
from vaemo_train.shards.looks import Looks, TimedPicture
from vaemo_train.shards.row import ShardSettings

_MAX_FPS = 30.0
_LONG_SIDE_PX = 960
_MAX_KEPT_BYTES = 128 * 2**20


def face_jpegs(
    path: Path, clip: Clip, settings: ShardSettings, models: FaceModels, sound: Callable[[], Sound | None]
) -> list[bytes] | NoFace:
    """The target face in each slot of the clip, b"" where it was not measured; or why there is none.

    Faces are followed through the pictures that are looked at (`Looks`), not through all: of 31 hard clips that moves
    the crops by less than 1 % of their side, at 0.6 of the time. Costs about 7 ms a look, most of it the networks,
    and the decoding of the whole clip: once, and a second time where the pictures take more than 128 MiB, or where a
    small face is better seen in a picture of more than 960 pixels. `sound` is asked only where there are several
    faces. Raises MediaError.
    """
    pictures = _Pictures(path, clip, Looks.of(settings.fps, clip.duration_s))
    tracks = track_faces(pictures.once(), models)
    face = choose_target(tracks, sound() if len(tracks.tracks) > 1 else None)
    if isinstance(face, NoFace):
        return face
    is_larger_better = _is_larger_better(clip, tracks, face, settings.size_px)
    crops = aligned_crops(
        pictures.again(is_larger_better),
        face.track,
        tracks.times_s,
        size_px=settings.size_px,
        cuts_s=face.cuts_s,
        picture_width=tracks.width,
    )
    jpegs = [b""] * pictures.looks.num_slots
    for time_s, crop in crops:
        jpeg = simplejpeg.encode_jpeg(
            np.ascontiguousarray(crop), quality=settings.jpeg_quality, colorspace="RGB", colorsubsampling="420"
        )
        for slot in pictures.slots[time_s]:
            jpegs[slot] = jpeg
    return jpegs


def _is_larger_better(clip: Clip, tracks: FaceTracks, face: TargetFace, size_px: int) -> bool:
    """Whether the file has more of a small face than the pictures that were tracked."""
    side_px = np.median(alignment_of(face.track, tracks.times_s, cuts_s=face.cuts_s).side_px)
    return max(clip.width or 0, clip.height or 0) > _LONG_SIDE_PX and bool(side_px < size_px)


class _Pictures:
    """The pictures of a clip that are looked at, kept for a second walk while they fit into memory.

    `slots`: those that show a picture, by the picture's time.
    """

    def __init__(self, path: Path, clip: Clip, looks: Looks) -> None:
        self.looks = looks
        self.slots: dict[float, range] = {}
        self._path = path
        self._clip = clip
        self._kept: list[TimedPicture] | None = []

    def once(self) -> Iterator[TimedPicture]:
        """All of them, with a long side of at most 960 pixels."""
        num_bytes = 0
        for picture, slots in self._looked_at(_LONG_SIDE_PX):
            self.slots[picture[0]] = slots
            num_bytes += picture[1].nbytes
            if num_bytes > _MAX_KEPT_BYTES:
                self._kept = None
            elif self._kept is not None and slots:
                self._kept.append(picture)
            yield picture

    def again(self, is_larger: bool) -> Iterable[TimedPicture]:
        """Those that a slot shows; in the file's own size where `is_larger`."""
        if self._kept is not None and not is_larger:
            return self._kept
        side_px = None if is_larger else _LONG_SIDE_PX
        return (picture for picture, slots in self._looked_at(side_px) if slots)

    def _looked_at(self, long_side_px: int | None) -> Iterator[tuple[TimedPicture, range]]:
        begin_s, max_fps = self._clip.begin_s, max(_MAX_FPS, self.looks.rate_hz)
        frames = iterate_frames(self._path, begin_s, self._clip.finish_s, max_fps, long_side_px=long_side_px)
        return self.looks.on_screen((time_s - begin_s, image) for time_s, image in frames)
