"""Golden media: every picture carries its own number, every flash has its click.

A picture's top half holds its number in eight bars (white is 1, the left bar counts 128); below it
the left quarter is red and the rest is blue, so that turns and mirrors show.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

TICKS_HZ = 90000
_AUDIO_BLOCK = 1024


def steady(num_frames: int, fps: float = 25.0, begin_s: float = 0.0) -> list[float]:
    """Presentation times of a constant frame rate."""
    return [begin_s + index / fps for index in range(num_frames)]


@dataclass(frozen=True, slots=True)
class Picture:
    """How to encode a golden video; picture k is shown from times_s[k] on."""

    times_s: Sequence[float]
    width: int = 160
    height: int = 96
    codec: str = "libx264"
    pix_fmt: str = "yuv420p"
    gop: int = 12
    b_frames: int = 2
    quarter_turns: int = 0
    mirrors_columns: bool = False
    mirrors_rows: bool = False
    pixel_aspect: Fraction | None = None
    options: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sound:
    """A click at each of `clicks_s`; the stream itself covers [begin_s, end_s)."""

    clicks_s: Sequence[float]
    begin_s: float = 0.0
    end_s: float = 3.0
    codec: str = "aac"
    rate_hz: int = 44100
    layout: str = "stereo"
    gap_s: tuple[float, float] | None = None


def write_media(
    path: Path, picture: Picture | None, sound: Sound | None = None, options: dict[str, str] | None = None
) -> Path:
    """Encode a golden file; the container follows from the name."""
    with av.open(str(path), "w", options=options or {}) as container:
        video = _add_video(container, picture) if picture else None
        audio = _add_audio(container, sound) if sound else None
        pictures = _encode_pictures(video, picture) if picture and video else iter(())
        sounds = _encode_sound(audio, sound) if sound and audio else iter(())
        for _, packets in heapq.merge(pictures, sounds, key=lambda item: item[0]):
            container.mux(packets)
    return path


def _add_video(container: OutputContainer, picture: Picture) -> VideoStream:
    stream = container.add_stream(picture.codec, rate=25, options=picture.options)
    assert isinstance(stream, VideoStream)
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, picture.pix_fmt
    stream.codec_context.time_base = Fraction(1, 25 if "mpeg" in picture.codec else TICKS_HZ)
    stream.codec_context.gop_size = picture.gop
    stream.codec_context.max_b_frames = picture.b_frames
    stream.codec_context.thread_count = 1
    if picture.pixel_aspect is not None:
        stream.codec_context.sample_aspect_ratio = picture.pixel_aspect
    if picture.quarter_turns or picture.mirrors_columns or picture.mirrors_rows:
        turn = 90 * picture.quarter_turns
        stream.set_display_rotation(turn, hflip=picture.mirrors_columns, vflip=picture.mirrors_rows)
    return stream


def _add_audio(container: OutputContainer, sound: Sound) -> AudioStream:
    stream = container.add_stream(sound.codec, rate=sound.rate_hz, layout=sound.layout)
    assert isinstance(stream, AudioStream)
    return stream


def _encode_pictures(stream: VideoStream, picture: Picture) -> Iterator[tuple[float, list[Any]]]:
    tick = stream.codec_context.time_base
    assert tick is not None
    for index, time_s in enumerate(picture.times_s):
        frame = VideoFrame.from_ndarray(numbered(index, picture.width, picture.height), format="rgb24")
        frame = frame.reformat(format=picture.pix_fmt)
        frame.pts, frame.time_base = round(time_s / tick), tick
        yield time_s, stream.encode(frame)
    yield math.inf, stream.encode(None)


def _encode_sound(stream: AudioStream, sound: Sound) -> Iterator[tuple[float, list[Any]]]:
    rate_hz = sound.rate_hz
    signal = click_track(sound)
    kind = {"aac": "fltp", "libmp3lame": "fltp", "flac": "s16", "mp2": "s16"}.get(sound.codec, "s16")
    for first in range(0, len(signal), _AUDIO_BLOCK):
        time_s = sound.begin_s + first / rate_hz
        if sound.gap_s and sound.gap_s[0] <= time_s < sound.gap_s[1]:
            continue
        frame = _sound_frame(signal[first : first + _AUDIO_BLOCK], kind, sound.layout)
        frame.sample_rate = rate_hz
        frame.pts, frame.time_base = round(sound.begin_s * rate_hz) + first, Fraction(1, rate_hz)
        yield time_s, stream.encode(frame)
    yield math.inf, stream.encode(None)


def _sound_frame(mono: NDArray[np.float32], kind: str, layout: str) -> AudioFrame:
    channels = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    wide = np.repeat(mono[None], channels, axis=0)
    if kind == "fltp":
        return AudioFrame.from_ndarray(np.ascontiguousarray(wide), format="fltp", layout=layout)
    packed = np.ascontiguousarray((wide.T.reshape(1, -1) * 32767).astype(np.int16))
    return AudioFrame.from_ndarray(packed, format="s16", layout=layout)


def click_track(sound: Sound) -> NDArray[np.float32]:
    """One millisecond of full scale, centred on each click, over silence."""
    signal = np.zeros(round((sound.end_s - sound.begin_s) * sound.rate_hz), np.float32)
    half = sound.rate_hz // 2000
    for click_s in sound.clicks_s:
        centre = round((click_s - sound.begin_s) * sound.rate_hz)
        signal[max(centre - half, 0) : max(centre + half, 0)] = 0.9
    return signal


def numbered(index: int, width: int = 160, height: int = 96) -> NDArray[np.uint8]:
    """The RGB picture that says `index` modulo 256."""
    image = np.zeros((height, width, 3), np.uint8)
    bars = np.array([(index >> bit) & 1 for bit in range(7, -1, -1)], np.uint8) * 255
    image[: height // 2] = bars[np.arange(width) * 8 // width][None, :, None]
    image[height // 2 :, : width // 4] = (230, 20, 20)
    image[height // 2 :, width // 4 :] = (20, 20, 230)
    return image


def number_of(image: NDArray[np.uint8]) -> int:
    """Read a picture's number back, at any size."""
    height, width = image.shape[:2]
    grey = image[height // 4].mean(axis=1)
    bits = [grey[(2 * bar + 1) * width // 16] > 127 for bar in range(8)]
    return sum(int(bit) << (7 - place) for place, bit in enumerate(bits))


def click_times(samples: NDArray[np.float32], rate_hz: int) -> list[float]:
    """Centres of the clicks in a signal, in seconds."""
    loud = np.flatnonzero(np.abs(samples) > 0.4 * np.abs(samples).max())
    groups: list[Any] = np.split(loud, np.flatnonzero(np.diff(loud) > rate_hz // 50) + 1)
    return [float(group.mean() + 0.5) / rate_hz for group in groups if len(group)]
