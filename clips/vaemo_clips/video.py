"""Pictures of a clip, at wanted times or one after the other, as a player would show them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av.error import FFmpegError, InvalidDataError
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream
from numpy.typing import NDArray

from vaemo_clips.container import Media, open_media
from vaemo_clips.errors import MediaError
from vaemo_clips.picture import Orientation, scaled_size

_SKIP_WITH_INDEX_S = 0.5  # decoding forward this far costs about as much as a seek
_MARGINS_WITH_INDEX_S = (0.0, 1.0, 5.0, 30.0)  # how much earlier to try when a seek lands too late
_SKIP_WITHOUT_INDEX_S = 20.0
_MARGINS_WITHOUT_INDEX_S = (5.0, 30.0)
_NEVER_SEEK = frozenset({"mpeg"})  # a program stream's stamps stay off by a picture or two after a seek
_INDEXED = frozenset({"mov", "mp4", "matroska", "webm", "avi", "flv", "asf"})
_BEFORE_START_S = 10.0  # far enough to reach the first key picture, whose decoding time comes earlier
_JITTER_S = 0.008  # stamps that are off by less do not cost a picture where pictures are thinned
_SNAP_S = 0.001  # a time this close before a picture means that picture


@dataclass(frozen=True, slots=True)
class Frames:
    """Pictures in the order asked for: (H, W, 3) uint8 RGB, and when each one came on screen (s).

    Times that fall on the same picture share one array; do not write into it.
    """

    images: list[NDArray[np.uint8]]
    times_s: list[float]


def decode_frames(
    path: Path, times_s: Sequence[float], short_side_px: int | None = None, *, threads: int = 1
) -> Frames:
    """Decode the pictures on screen at `times_s`, in seconds on the picture's clock.

    On screen at t is the last picture that came at or before t; before the first picture it is the
    first, after the end the last. Rotation and pixel shape are applied; with `short_side_px` the
    short side comes down to it (never up), the aspect ratio is kept and both sides are even.
    Raises MediaError with the reasons of `open_media`, and no_video for a file without picture.
    """
    with open_media(path, threads) as media:
        if media.video is None:
            raise MediaError("no_video", f"{path}: the file has no picture")
        reader = _PictureReader(media, media.video)
        painter = _Painter(media.video, short_side_px)
        by_time: dict[float, tuple[NDArray[np.uint8], float]] = {}
        for time_s in sorted(set(times_s)):
            frame, shown_s = reader.frame_at(time_s)
            by_time[time_s] = painter.paint(frame, shown_s), shown_s
    return Frames([by_time[t][0] for t in times_s], [by_time[t][1] for t in times_s])


def iterate_frames(
    path: Path,
    begin_s: float = 0.0,
    end_s: float | None = None,
    max_fps: float = 30.0,
    *,
    short_side_px: int | None = None,
    long_side_px: int | None = 960,
    threads: int = 1,
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Each picture that comes in [begin_s, end_s) once, in order: its time (s), (H, W, 3) uint8 RGB.

    One picture is held at a time, so a file may be of any length; `end_s` None is the end of the file.
    Of pictures that come faster than `max_fps`, evenly spread ones are left out. Rotation and pixel
    shape are applied; `short_side_px` and `long_side_px` bring that side down (never up), None keeps it.
    Raises MediaError as `decode_frames` does, at the first step, and ValueError where max_fps is not above 0.
    """
    if not max_fps > 0:
        raise ValueError(f"max_fps={max_fps} must be above 0")
    with open_media(path, threads) as media:
        if media.video is None:
            raise MediaError("no_video", f"{path}: the file has no picture")
        painter = _Painter(media.video, short_side_px, long_side_px)
        pictures = _PictureReader(media, media.video).pictures(begin_s, math.inf if end_s is None else end_s)
        for frame, shown_s in _thinned(pictures, 1 / max_fps):
            yield shown_s, painter.paint(frame, shown_s)


def _thinned(pictures: Iterator[tuple[VideoFrame, float]], step_s: float) -> Iterator[tuple[VideoFrame, float]]:
    due_s = -math.inf
    slack_s = min(step_s / 4, _JITTER_S)
    for frame, shown_s in pictures:
        if shown_s >= due_s - slack_s:
            yield frame, shown_s
            due_s = due_s + step_s if shown_s < due_s + step_s else shown_s + step_s


class _PictureReader:
    """Walks forward through the pictures, by seeking where that skips more than it costs."""

    def __init__(self, media: Media, stream: VideoStream) -> None:
        self._media = media
        self._stream = stream
        self._tick_s = float(stream.time_base or 0) or 1e-6
        self._frame_s = 1 / float(stream.average_rate or 25)
        names = set(media.container.format.name.split(","))
        self._may_seek = not names & _NEVER_SEEK
        self._has_index = bool(names & _INDEXED)
        self._last_s = -self._frame_s
        self._shown: tuple[VideoFrame, float] | None = None
        self._decoded = self._decode()
        self._upcoming: tuple[VideoFrame, float] | None = None
        self._has_begun = False

    def frame_at(self, time_s: float) -> tuple[VideoFrame, float]:
        """The picture on screen at `time_s` and its own time; call with times that only grow."""
        until_s = time_s + min(self._tick_s / 2, _SNAP_S)
        if self._may_seek and self._skips_enough(until_s):
            self._seek(until_s)
        if not self._has_begun:
            self._step()
        while self._upcoming is not None and self._upcoming[1] <= until_s:
            self._shown = self._upcoming
            self._step()
        on_screen = self._shown or self._upcoming
        if on_screen is None:
            raise MediaError("corrupt", f"{self._media.path}: no picture of its video stream decodes")
        return on_screen

    def pictures(self, begin_s: float, end_s: float) -> Iterator[tuple[VideoFrame, float]]:
        """The pictures that come in [begin_s, end_s), in order, each with its own time."""
        on_screen = self.frame_at(begin_s)
        until_s = end_s - _SNAP_S  # a picture on the border belongs to what begins there, however that was rounded
        if on_screen is not self._upcoming and begin_s - _SNAP_S <= on_screen[1] < until_s:
            yield on_screen
        while self._upcoming is not None and self._upcoming[1] < until_s:
            yield self._upcoming
            self._step()

    def _step(self) -> None:
        self._has_begun = True
        self._upcoming = next(self._decoded, None)

    def _decode(self) -> Iterator[tuple[VideoFrame, float]]:
        num_frames = 0
        try:
            for packet in self._media.container.demux(self._stream):
                try:
                    frames = packet.decode()
                except InvalidDataError:
                    continue  # a player skips a damaged picture and keeps the one before
                for frame in frames:
                    num_frames += 1
                    yield frame, self._time_of(frame)
        except FFmpegError:
            if num_frames == 0:
                raise

    def _time_of(self, frame: VideoFrame) -> float:
        if frame.pts is None:
            self._last_s += self._frame_s
        else:
            self._last_s = frame.pts * self._tick_s - self._media.clock_s
        return self._last_s

    def _skips_enough(self, until_s: float) -> bool:
        here_s = self._upcoming[1] if self._upcoming else 0.0
        if self._has_begun and self._upcoming is None:
            return False
        if until_s - here_s < _SKIP_WITH_INDEX_S:
            return False
        key_s = self._key_picture_before(until_s)
        if key_s is None:
            return until_s - here_s > _SKIP_WITHOUT_INDEX_S
        return key_s - here_s > _SKIP_WITH_INDEX_S

    def _key_picture_before(self, until_s: float) -> float | None:
        entries = self._stream.index_entries
        is_usable = self._has_index and len(entries) > 0
        place = entries.search_timestamp(self._ticks(until_s)) if is_usable else -1
        return entries[place].timestamp * self._tick_s - self._media.clock_s if place >= 0 else None

    def _ticks(self, time_s: float) -> int:
        return int((time_s + self._media.clock_s) / self._tick_s)

    def _seek(self, until_s: float) -> None:
        here_s = self._upcoming[1] if self._upcoming else 0.0
        margins_s = _MARGINS_WITH_INDEX_S if self._has_index else _MARGINS_WITHOUT_INDEX_S
        for margin_s in (*margins_s, until_s + _BEFORE_START_S):
            if not self._land(until_s - margin_s):
                self._may_seek = False
                return
            if self._upcoming is not None and self._upcoming[1] <= until_s:
                break
        # A long way back to the nearest key picture: from here on, decoding forward is cheaper.
        self._may_seek = self._upcoming is not None and self._upcoming[1] > here_s

    def _land(self, time_s: float) -> bool:
        try:
            self._media.container.seek(self._ticks(time_s), stream=self._stream)
        except FFmpegError:
            return False
        self._decoded = self._decode()
        self._shown = None
        self._step()
        return True


class _Painter:
    """Turns decoded pictures into upright RGB of one size, each picture once."""

    def __init__(self, stream: VideoStream, short_side_px: int | None = None, long_side_px: int | None = None) -> None:
        self._stream = stream
        self._short_side_px = short_side_px
        self._long_side_px = long_side_px
        self._size: tuple[int, int] | None = None
        self._orientation: Orientation | None = None
        self._last: tuple[float, NDArray[np.uint8]] | None = None

    def paint(self, frame: VideoFrame, shown_s: float) -> NDArray[np.uint8]:
        """RGB (H, W, 3) of `frame`; scaling and colour conversion are one swscale pass."""
        if self._last is not None and self._last[0] == shown_s:
            return self._last[1]
        if self._size is None or self._orientation is None:
            self._size = self._size_of(frame)
            # Asked once: PyAV's side data and its frame hold one another, which would keep every picture for a while.
            self._orientation = Orientation.of(frame)
        width, height = self._size
        interpolation = Interpolation.AREA if width < frame.width else Interpolation.BICUBIC
        options: dict[str, Any] = {"interpolation": interpolation, "threads": 1}
        rgb = frame.reformat(width, height, "rgb24", **options).to_ndarray()
        image = self._orientation.apply(np.asarray(rgb, dtype=np.uint8))
        self._last = (shown_s, image)
        return image

    def _size_of(self, frame: VideoFrame) -> tuple[int, int]:
        aspect = self._stream.sample_aspect_ratio
        sides = scaled_size(frame.width, frame.height, aspect, None)
        wanted = [] if self._short_side_px is None else [self._short_side_px]
        if self._long_side_px is not None and max(sides) > self._long_side_px:
            wanted.append(round(self._long_side_px * min(sides) / max(sides)))
        return scaled_size(frame.width, frame.height, aspect, min(wanted, default=None))
