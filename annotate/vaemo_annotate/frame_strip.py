"""A few frames of a clip in a row, as data URLs that a page can hold."""

from __future__ import annotations

import base64
from pathlib import Path

from vaemo_annotate.media import encode_jpeg
from vaemo_clips.clip import Clip
from vaemo_clips.timeline import frame_times
from vaemo_clips.video import decode_frames

_FRAMES = 6
_SHORT_SIDE_PX = 120


def frame_strip(path: Path, clip: Clip) -> list[str]:
    """Return six frames of the clip, evenly spread, as JPEG data URLs; none of a clip without picture.

    Raises MediaError where they cannot be decoded.
    """
    if not clip.has_video:
        return []
    times = frame_times(clip.begin_s, clip.duration_s, fps=100.0, max_frames=_FRAMES)
    frames = decode_frames(path, times, short_side_px=_SHORT_SIDE_PX)
    return ["data:image/jpeg;base64," + base64.b64encode(encode_jpeg(image)).decode() for image in frames.images]
