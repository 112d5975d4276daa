"""Writing pictures and sound: H.264 and AAC in MP4, or WAV; the same bytes every time."""

from __future__ import annotations

import wave
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Signal = NDArray[np.float64]

# With its look-ahead x264 writes other bytes from one run to the next, even on one thread.
_X264 = {"crf": "21", "preset": "veryfast", "x264-params": "mbtree=0:rc-lookahead=0"}
_AAC_FRAME = 1024


def write_mp4(
    path: Path, pictures: Iterable[Picture], size: tuple[int, int], fps: int, sound: Signal | None, rate_hz: int
) -> None:
    """Write pictures (H, W, 3) and sound (N,) in [-1, 1], or no sound track where `sound` is None."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=fps, options=_X264)
        video.width, video.height = size
        video.pix_fmt = "yuv420p"
        video.codec_context.thread_count = 1
        audio = None if sound is None else container.add_stream("aac", rate=rate_hz, layout="mono", bit_rate=96000)
        for picture in pictures:
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(video.encode(frame.reformat(format="yuv420p", threads=1)))
        container.mux(video.encode(None))
        if audio is None or sound is None:
            return
        for first in range(0, len(sound), _AAC_FRAME):
            samples = sound[None, first : first + _AAC_FRAME].astype(np.float32)
            block = AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            block.sample_rate, block.pts, block.time_base = rate_hz, first, Fraction(1, rate_hz)
            container.mux(audio.encode(block))
        container.mux(audio.encode(None))


def write_wav(path: Path, sound: Signal, rate_hz: int) -> None:
    """Write sound (N,) in [-1, 1] as 16-bit mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.clip(sound, -1, 1) * 32767).astype("<i2").tobytes())
