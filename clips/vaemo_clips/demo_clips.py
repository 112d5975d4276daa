"""Small talking-head clips drawn and voiced from scratch, so that a fresh machine has something to index."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame
from numpy.typing import NDArray

WIDTH, HEIGHT, FPS, RATE_HZ, DURATION_S = 320, 240, 25, 16000, 3.0
_Image = NDArray[np.float32]
_Signal = NDArray[np.float64]

# Centre, half axes (pixels), tilt (rad) and colour of what is drawn; y grows downwards.
_SKIN, _HAIR, _INK, _WHITE, _LIPS, _MOUTH = (
    np.array(rgb, np.float32)
    for rgb in ((236, 196, 164), (74, 52, 40), (40, 34, 36), (250, 250, 248), (186, 84, 82), (92, 28, 34))
)
# Formants (Hz) of the vowels a, e, i, o, u of an adult voice, after Peterson & Barney (1952).
_FORMANTS_HZ = ((730, 1090, 2440), (530, 1840, 2480), (270, 2290, 3010), (570, 840, 2410), (300, 870, 2240))
_BANDWIDTHS_HZ = (80, 100, 140)
# With its look-ahead x264 writes other bytes from one run to the next, even on one thread.
_X264 = {"crf": "23", "preset": "veryfast", "x264-params": "mbtree=0:rc-lookahead=0"}


@dataclass(frozen=True, slots=True)
class Manner:
    """How an emotion looks and sounds. Face values are pixels, tilt is radians (positive: angry)."""

    brow_raise: float
    brow_tilt: float
    eye_open: float
    lip_corner: float
    mouth_scale: float
    head_sway: float
    pitch_hz: float
    pitch_swing: float
    loudness: float
    syllables_per_s: float


MANNERS = {
    "happiness": Manner(5, -0.08, 0.85, 11, 1.1, 5, 230, 0.30, 0.75, 4.6),
    "sadness": Manner(3, -0.38, 0.55, -8, 0.5, 2, 140, 0.06, 0.25, 2.4),
    "anger": Manner(-6, 0.42, 0.75, -4, 1.2, 6, 205, 0.22, 1.00, 5.0),
    "fear": Manner(9, -0.28, 1.35, -4, 0.8, 3, 280, 0.18, 0.50, 5.6),
    "surprise": Manner(14, -0.05, 1.5, 1, 1.6, 4, 260, 0.40, 0.80, 3.4),
    "neutral": Manner(0, 0.0, 0.9, 0, 0.8, 1, 160, 0.10, 0.50, 3.8),
}


def make_demo_clips(folder: Path, count: int = 6, seed: int = 0) -> list[Path]:
    """Write `count` clips of 3 s below `folder`: 320x240 H.264 MP4 at 25 fps with AAC sound at 16 kHz.

    Emotions take turns. Of every six, the fourth has no sound and the sixth is sound alone (WAV).
    What is drawn and said depends on `seed` and the clip's number only.
    """
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(count):
        emotion = list(MANNERS)[number % len(MANNERS)]
        rng = np.random.default_rng([seed, number])
        voice, loudness = _voice(MANNERS[emotion], rng)
        if number % 6 == 5:
            paths.append(folder / f"{number:02d}_{emotion}_voice_only.wav")
            _write_wav(paths[-1], voice)
            continue
        has_sound = number % 6 != 3
        paths.append(folder / f"{number:02d}_{emotion}{'' if has_sound else '_silent'}.mp4")
        pictures = _pictures(MANNERS[emotion], loudness, rng)
        _write_mp4(paths[-1], pictures, voice if has_sound else None)
    return paths


def _voice(manner: Manner, rng: np.random.Generator) -> tuple[_Signal, _Signal]:
    """A source-filter voice and its loudness in [0, 1], both one value a sample."""
    num_samples = round(DURATION_S * RATE_HZ)
    time_s = np.arange(num_samples) / RATE_HZ
    phase = manner.syllables_per_s * time_s + rng.uniform(0, 1)
    talks = np.clip(np.minimum(time_s - 0.25, DURATION_S - 0.35 - time_s) * 6, 0, 1)
    loudness = talks * np.clip(np.sin(np.pi * (phase % 1)) * 1.3, 0, 1)
    melody = 1 + manner.pitch_swing * np.sin(2 * np.pi * (0.45 * time_s + rng.uniform(0, 1)))
    jitter = 1 + 0.01 * np.repeat(rng.standard_normal(num_samples // 160 + 1), 160)[:num_samples]
    cycles = np.cumsum(manner.pitch_hz * melody * jitter * (1.08 - 0.16 * time_s / DURATION_S)) / RATE_HZ
    source = np.exp(-8 * (cycles % 1)) - 0.125 + 0.02 * rng.standard_normal(num_samples)
    vowels = rng.integers(0, len(_FORMANTS_HZ), int(phase.max()) + 1)
    sound = np.zeros(num_samples)
    for syllable, vowel in enumerate(vowels):
        where = np.flatnonzero(phase.astype(int) == syllable)
        if len(where):
            sound[where] = _through_formants(source[where] * loudness[where], _FORMANTS_HZ[vowel])
    peak = float(np.abs(sound).max()) or 1.0
    return 0.8 * manner.loudness * sound / peak, loudness * manner.loudness


def _through_formants(signal: _Signal, formants_hz: tuple[int, ...]) -> _Signal:
    """Two-pole resonators in cascade (Klatt 1980, eq. 1-4), applied as one frequency response."""
    padded = 2 * len(signal)
    delay = np.exp(-2j * np.pi * np.fft.rfftfreq(padded))
    response = np.ones_like(delay)
    for centre_hz, width_hz in zip(formants_hz, _BANDWIDTHS_HZ, strict=True):
        radius = np.exp(-np.pi * width_hz / RATE_HZ)
        b = 2 * radius * np.cos(2 * np.pi * centre_hz / RATE_HZ)
        response *= (1 - b + radius**2) / (1 - b * delay + radius**2 * delay**2)
    return np.fft.irfft(np.fft.rfft(signal, padded) * response, padded)[: len(signal)]


def _pictures(manner: Manner, loudness: _Signal, rng: np.random.Generator) -> list[NDArray[np.uint8]]:
    samples = RATE_HZ // FPS
    openings = [float(loudness[i : i + samples].mean()) for i in range(0, len(loudness), samples)]
    blinks = rng.uniform(0.3, DURATION_S - 0.3, 2)
    phase = float(rng.uniform(0, 2 * np.pi))
    return [_picture(manner, k / FPS, openings[k], blinks, phase) for k in range(round(DURATION_S * FPS))]


def _picture(
    manner: Manner, time_s: float, opening: float, blinks: NDArray[np.float64], phase: float
) -> NDArray[np.uint8]:
    shape = manner
    onset = min(1.0, time_s / 0.6)  # the expression builds up from a neutral face
    x = WIDTH / 2 + shape.head_sway * np.sin(2 * np.pi * 0.6 * time_s + phase)
    y = HEIGHT / 2 + 6 + 0.4 * shape.head_sway * np.cos(2 * np.pi * 0.9 * time_s + phase)
    is_blinking = bool((np.abs(blinks - time_s) < 0.07).any())
    image = np.empty((HEIGHT, WIDTH, 3), np.float32)
    image[:] = np.linspace(0.75, 1.0, HEIGHT, dtype=np.float32)[:, None, None] * np.array((150, 178, 196))
    _ellipse(image, x, HEIGHT + 40, 96, 74, 0.0, np.array((88, 110, 150), np.float32))
    _ellipse(image, x, y - 16, 74, 86, 0.0, _HAIR)
    _ellipse(image, x, y + 6, 62, 80, 0.0, _SKIN)
    _ellipse(image, x, y + 16, 6, 11, 0.0, _SKIN * 0.86)
    for side in (-1, 1):
        eye = 0.1 if is_blinking else 1 + onset * (shape.eye_open - 1)
        _eye(image, x + side * 25, y - 14, eye)
        brow_y = y - 34 - onset * shape.brow_raise
        _ellipse(image, x + side * 25, brow_y, 15, 3.2, side * -onset * shape.brow_tilt, _HAIR)
    _mouth(image, x, y + 46, onset * shape.lip_corner, opening * 15 * shape.mouth_scale)
    return np.clip(image, 0, 255).astype(np.uint8)


def _eye(image: _Image, x: float, y: float, opening: float) -> None:
    _ellipse(image, x, y, 11.5, 7.5 * opening, 0.0, _WHITE)
    _ellipse(image, x, y, min(5.0, 7.5 * opening), min(5.0, 7.5 * opening), 0.0, _INK)


def _mouth(image: _Image, x: float, y: float, corner_lift: float, opening: float) -> None:
    """Lips and gap between two parabolas whose corners are lifted by `corner_lift` pixels."""
    box, rows, columns = _window(image, x, y, 29, 42)
    across = np.clip((columns - x) / 27, -1, 1)
    middle = y + corner_lift * (0.5 - across**2)
    inside = 27 - np.abs(columns - x)
    for extra, colour in ((3.6, _LIPS), (0.0, _MOUTH)):
        if extra or opening > 0.5:
            edge = opening * (1 - across**2) + extra * np.sqrt(1 - across**2) - np.abs(rows - middle)
            _blend(box, np.minimum(edge, inside), colour)


def _ellipse(
    image: _Image, x: float, y: float, half_width: float, half_height: float, tilt: float, colour: _Image
) -> None:
    reach = max(half_width, half_height) + 2 if tilt else 0.0
    box, rows, columns = _window(image, x, y, reach or half_width + 2, reach or half_height + 2)
    u = (columns - x) * np.cos(tilt) + (rows - y) * np.sin(tilt)
    v = (rows - y) * np.cos(tilt) - (columns - x) * np.sin(tilt)
    radius = np.sqrt((u / half_width) ** 2 + (v / half_height) ** 2)
    _blend(box, (1 - radius) * min(half_width, half_height), colour)


def _window(image: _Image, x: float, y: float, reach_x: float, reach_y: float) -> tuple[_Image, _Image, _Image]:
    """The part of `image` around (x, y) that is drawn on, with its row and column coordinates."""
    top, bottom = max(int(y - reach_y), 0), min(int(y + reach_y) + 1, HEIGHT)
    left, right = max(int(x - reach_x), 0), min(int(x + reach_x) + 1, WIDTH)
    rows, columns = np.mgrid[top:bottom, left:right].astype(np.float32)
    return image[top:bottom, left:right], rows, columns


def _blend(box: _Image, inside_px: NDArray[np.floating], colour: _Image) -> None:
    """Paint where `inside_px`, the distance to the shape's edge, is positive; soft over one pixel."""
    coverage = np.clip(inside_px + 0.5, 0, 1).astype(np.float32)
    box += coverage[..., None] * (colour - box)


def _write_mp4(path: Path, pictures: list[NDArray[np.uint8]], voice: _Signal | None) -> None:
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        video = container.add_stream("libx264", rate=FPS, options=_X264)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.thread_count = 1
        audio = None if voice is None else container.add_stream("aac", rate=RATE_HZ, layout="mono")
        for picture in pictures:
            frame = VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(video.encode(frame.reformat(format="yuv420p", threads=1)))
        container.mux(video.encode(None))
        if audio is None or voice is None:
            return
        for first in range(0, len(voice), 1024):
            samples = voice[None, first : first + 1024].astype(np.float32)
            sound = AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
            sound.sample_rate, sound.pts, sound.time_base = RATE_HZ, first, Fraction(1, RATE_HZ)
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def _write_wav(path: Path, voice: _Signal) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes((voice * 32767).astype("<i2").tobytes())


if __name__ == "__main__":
    import sys

    make_demo_clips(Path(sys.argv[1]))
