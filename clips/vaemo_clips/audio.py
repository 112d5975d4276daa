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
    blocks = iterate_audio(path, begin_s, duration_s, rate_hz, block_s=duration_s)
    samples: NDArray[np.float32] = np.nan_to_num(np.concatenate([np.zeros(0, np.float32), *blocks]), copy=False)
    return samples


def iterate_audio(
    path: Path, begin_s: float, duration_s: float, rate_hz: int = 16000, block_s: float = 30.0
) -> Iterator[NDArray[np.float32]]:
    """The samples of `decode_audio` in consecutive blocks of `block_s`, the last one shorter.

    Samples that are no finite numbers in the file are NaN here (and 0 in `decode_audio`). Memory is bounded by a
    few blocks, whatever the file's length; so is how far back a later frame may overwrite an earlier one (one
    block). Errors are `decode_audio`'s, raised with the first block.
    """
    if not (duration_s > 0 and rate_hz > 0 and block_s > 0):
        raise ValueError(f"duration_s={duration_s}, rate_hz={rate_hz} and block_s={block_s} must be above 0")
    num_samples = seconds_to_samples(duration_s, rate_hz)
    block_samples = max(seconds_to_samples(block_s, rate_hz), 1)
    resampled = _resampled(_native_pieces(path, begin_s, duration_s, block_s), rate_hz)
    return _cut(resampled, _MARGIN_S * rate_hz, num_samples, block_samples)


def _native_pieces(
    path: Path, begin_s: float, duration_s: float, block_s: float
) -> Iterator[tuple[NDArray[np.float32], int]]:
    """Mono pieces of the span and a margin on both sides, with their rate; none where no frame lies there."""
    with open_media(path) as media:
        if media.audio is None:
            raise MediaError("no_audio", f"{path}: the file has no sound")
        canvas = _Canvas(begin_s - _MARGIN_S, duration_s + 2 * _MARGIN_S, block_s + _MARGIN_S)
        for frame, time_s in _frames(media, media.audio, canvas.begin_s, canvas.end_s):
            for piece in canvas.draw(frame, time_s):
                yield piece, canvas.rate_hz
        for piece in canvas.rest():
            yield piece, canvas.rate_hz


def _resampled(pieces: Iterator[tuple[NDArray[np.float32], int]], rate_hz: int) -> Iterator[NDArray[np.float32]]:
    """Consecutive pieces at `rate_hz`; one resampler for all of them, so that joints do not show."""
    resampler: AudioResampler | None = None
    for piece, native_hz in pieces:
        if native_hz == rate_hz:
            yield piece
            continue
        resampler = resampler or AudioResampler(format="fltp", layout="mono", rate=rate_hz)
        frame = AudioFrame.from_ndarray(piece[None], format="fltp", layout="mono")
        frame.sample_rate = native_hz
        yield from _samples(resampler.resample(frame))
    if resampler is not None:
        yield from _samples(resampler.resample(None))


def _samples(frames: list[AudioFrame]) -> Iterator[NDArray[np.float32]]:
    for frame in frames:
        yield frame.to_ndarray()[0].astype(np.float32, copy=False)


def _cut(
    pieces: Iterator[NDArray[np.float32]], skip: int, num_samples: int, block_samples: int
) -> Iterator[NDArray[np.float32]]:
    """Blocks of `num_samples` samples in all after the first `skip`, silence where the pieces end early."""
    first, place = 0, -skip  # of the block, of the piece
    block = np.zeros(min(block_samples, num_samples), np.float32)
    for piece in pieces:
        while first < num_samples:
            begin, end = max(place, first), min(place + len(piece), first + len(block))
            if begin < end:
                block[begin - first : end - first] = np.clip(piece[begin - place : end - place], -1.0, 1.0)
            if place + len(piece) < first + len(block):
                break
            yield block
            first += len(block)
            block = np.zeros(min(block_samples, num_samples - first), np.float32)
        place += len(piece)
    while first < num_samples:
        yield block
        first += len(block)
        block = np.zeros(min(block_samples, num_samples - first), np.float32)


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
    """Silence of a fixed span, into which decoded frames are drawn where their time says.

    Two blocks of it are held; what lies before them is given away for good.
    """

    def __init__(self, begin_s: float, duration_s: float, block_s: float) -> None:
        self.begin_s = begin_s
        self.end_s = begin_s + duration_s
        self.rate_hz = 0
        self._duration_s = duration_s
        self._block_s = block_s
        self._samples = np.zeros(0, np.float32)
        self._first = 0  # the place of the first held sample
        self._mixer = _Mixer(0)
        self._cursor: int | None = None

    def draw(self, frame: AudioFrame, time_s: float | None) -> Iterator[NDArray[np.float32]]:
        """Mix `frame` to mono and put it at `time_s`, or after the last one where that is as good.

        Yields the blocks that had to make room for it.
        """
        if not self.rate_hz:
            self.rate_hz = frame.sample_rate
            self._samples = np.zeros(min(2 * self._block, self._end), np.float32)
            self._mixer = _Mixer(self.rate_hz)
        place = self._place(time_s)
        mono = self._mixer.mix(frame)
        self._cursor = place + len(mono)
        while self._first + len(self._samples) < min(self._cursor, self._end):
            self._put(place, mono)
            yield self._give(self._block)
        self._put(place, mono)

    def rest(self) -> Iterator[NDArray[np.float32]]:
        """What is held and the silence up to the span's end, in blocks."""
        while self._first < self._end and self.rate_hz:
            yield self._give(min(self._block, self._end - self._first))

    @property
    def _block(self) -> int:
        return max(seconds_to_samples(self._block_s, self.rate_hz), 1)

    @property
    def _end(self) -> int:
        return seconds_to_samples(self._duration_s, self.rate_hz)

    def _put(self, place: int, mono: NDArray[np.float32]) -> None:
        first, last = max(place, self._first), min(place + len(mono), self._first + len(self._samples))
        if first < last:
            self._samples[first - self._first : last - self._first] = mono[first - place : last - place]

    def _give(self, num_samples: int) -> NDArray[np.float32]:
        piece = np.zeros(num_samples, np.float32)
        piece[: len(self._samples)] = self._samples[:num_samples]
        kept = self._samples[num_samples:]
        self._samples = np.zeros(min(2 * self._block, self._end - self._first - num_samples), np.float32)
        self._samples[: len(kept)] = kept
        self._first += num_samples
        return piece

    def _place(self, time_s: float | None) -> int:
        if time_s is None:
            return self._cursor if self._cursor is not None else seconds_to_samples(-self.begin_s, self.rate_hz)
        stamped = seconds_to_samples(time_s - self.begin_s, self.rate_hz)
        if self._cursor is not None and abs(stamped - self._cursor) <= _JITTER_S * self.rate_hz:
            return self._cursor
        return stamped


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
        mono = (whole / _FULL_SCALE).astype(np.float32)
        # libswresample turns what is no number into full scale.
        is_broken = _is_broken(frame)
        if is_broken is not None and len(is_broken) == len(mono):
            mono[is_broken] = np.nan
        return mono


def _is_broken(frame: AudioFrame) -> NDArray[np.bool_] | None:
    """Where a frame of floats holds NaN or infinity in any channel, (N,); None where it does not."""
    if not frame.format.name.startswith(("flt", "dbl")):
        return None
    values = frame.to_ndarray()
    if np.isfinite(values).all():
        return None
    # (1, N * C) packed or (C, N) planar -> (C or N, N or C)
    channels = values.reshape(-1, frame.layout.nb_channels).T if frame.format.is_packed else values
    return np.asarray(~np.isfinite(channels).all(axis=0))
