"""Sound of a clip as mono samples that lie exactly on the picture's clock."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.error import FFmpegError, InvalidDataError
from numpy.typing import NDArray

from vaemo_clips.container import Media, open_media
from vaemo_clips.errors import MediaError
from vaemo_clips.timeline import seconds_to_samples

_MARGIN_S = 1  # a whole second: an integer number of samples at every rate
_JITTER_S = 0.01  # rounded stamps stay below it; a larger jump is a gap
_FULL_SCALE = float(2**31)


def decode_audio(path: Path, begin_s: float, duration_s: float, rate_hz: int = 16000) -> NDArray[np.float32]:
    """Mono samples in [-1, 1] of [begin_s, begin_s + duration_s): (round(duration_s * rate_hz),).

    Seconds are the picture's clock, so sample i belongs to begin_s + i / rate_hz whatever the sound
    stream's own start; where there is no sound the samples are 0. Channels are mixed with
    libswresample's standard matrix, scaled so that it cannot clip (stereo is the mean).
    Raises MediaError with the reasons of `open_media`, and no_audio for a file without sound.
    """
    if not (duration_s > 0 and rate_hz > 0):
        raise ValueError(f"duration_s={duration_s} and rate_hz={rate_hz} must be above 0")
    num_samples = seconds_to_samples(duration_s, rate_hz)
    with open_media(path) as media:
        if media.audio is None:
            raise MediaError("no_audio", f"{path}: the file has no sound")
        canvas = _Canvas(begin_s - _MARGIN_S, duration_s + 2 * _MARGIN_S)
        for frame, time_s in _frames(media, media.audio, canvas.begin_s, canvas.end_s):
            canvas.draw(frame, time_s)
    margin = _MARGIN_S * rate_hz
    samples = canvas.at_rate(rate_hz)[margin : margin + num_samples]
    padded = np.zeros(num_samples, np.float32)
    padded[: len(samples)] = np.clip(samples, -1.0, 1.0)
    return padded


def _frames(
    media: Media, stream: AudioStream, begin_s: float, end_s: float
) -> Iterator[tuple[AudioFrame, float | None]]:
    """Decoded frames that reach into [begin_s, end_s), with their time on the picture's clock."""
    tick_s = float(stream.time_base or 0)
    if begin_s > _MARGIN_S and tick_s:
        _seek(media, stream, int((begin_s - _MARGIN_S + media.clock_s) / tick_s))
    for frame in _decoded(media, stream):
        time_s = None if frame.pts is None else frame.pts * tick_s - media.clock_s
        if time_s is not None and time_s >= end_s:
            return
        yield frame, time_s


def _seek(media: Media, stream: AudioStream, ticks: int) -> None:
    try:
        media.container.seek(ticks, stream=stream)
    except FFmpegError:
        media.container.seek(0)


def _decoded(media: Media, stream: AudioStream) -> Iterator[AudioFrame]:
    num_frames = 0
    try:
        for packet in media.container.demux(stream):
            try:
                frames = packet.decode()
            except InvalidDataError:
                continue  # damaged sound becomes a gap
            num_frames += len(frames)
            yield from frames
    except FFmpegError:
        if num_frames == 0:
            raise


class _Canvas:
    """Silence of a fixed span, into which decoded frames are drawn where their time says."""

    def __init__(self, begin_s: float, duration_s: float) -> None:
        self.begin_s = begin_s
        self.end_s = begin_s + duration_s
        self._duration_s = duration_s
        self._rate_hz = 0
        self._samples = np.zeros(0, np.float32)
        self._mixer = _Mixer(0)
        self._cursor: int | None = None

    def draw(self, frame: AudioFrame, time_s: float | None) -> None:
        """Mix `frame` to mono and put it at `time_s`, or after the last one where that is as good."""
        if not self._rate_hz:
            self._rate_hz = frame.sample_rate
            self._samples = np.zeros(seconds_to_samples(self._duration_s, self._rate_hz), np.float32)
            self._mixer = _Mixer(self._rate_hz)
        place = self._place(time_s)
        mono = self._mixer.mix(frame)
        self._cursor = place + len(mono)
        first, last = max(place, 0), min(self._cursor, len(self._samples))
        if first < last:
            self._samples[first:last] = mono[first - place : last - place]

    def _place(self, time_s: float | None) -> int:
        if time_s is None:
            return self._cursor if self._cursor is not None else seconds_to_samples(-self.begin_s, self._rate_hz)
        stamped = seconds_to_samples(time_s - self.begin_s, self._rate_hz)
        if self._cursor is not None and abs(stamped - self._cursor) <= _JITTER_S * self._rate_hz:
            return self._cursor
        return stamped

    def at_rate(self, rate_hz: int) -> NDArray[np.float32]:
        """The whole span resampled to `rate_hz`."""
        if self._rate_hz in (0, rate_hz) or not self._samples.any():
            return self._samples if self._rate_hz == rate_hz else np.zeros(0, np.float32)
        resampler = AudioResampler(format="fltp", layout="mono", rate=rate_hz)
        frame = AudioFrame.from_ndarray(self._samples[None], format="fltp", layout="mono")
        frame.sample_rate = self._rate_hz
        pieces = [*resampler.resample(frame), *resampler.resample(None)]
        return np.concatenate([piece.to_ndarray()[0] for piece in pieces]).astype(np.float32, copy=False)


class _Mixer:
    """Mixes frames of any layout to mono at one rate."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._resampler: AudioResampler | None = None
        self._source: tuple[str, str, int] | None = None

    def mix(self, frame: AudioFrame) -> NDArray[np.float32]:
        """Mono samples; an integer target makes libswresample scale its matrix so that nothing clips."""
        source = (frame.layout.name, frame.format.name, frame.sample_rate)
        if self._resampler is None or source != self._source:
            self._resampler = AudioResampler(format="s32p", layout="mono", rate=self._rate_hz)
            self._source = source
        pieces = [piece.to_ndarray()[0] for piece in self._resampler.resample(frame)]
        whole = np.concatenate(pieces) if pieces else np.zeros(0, np.int32)
        return (whole / _FULL_SCALE).astype(np.float32)
