"""The canaries' media, made in memory: a drawn face that begins to smile, a black picture, a voice, digital silence."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from vaemo_annotate.media import AudioFacts, EncodedMedia, MediaFacts, VideoFacts, encode_jpeg, encode_wav
from vaemo_annotate.prompt import Input, MediaSettings
from vaemo_clips.timeline import frame_times, seconds_to_samples

SECONDS = 3.0
Picture = NDArray[np.uint8]
Signal = NDArray[np.float64]
Shown = Literal["face", "black"]
Heard = Literal["silence", "voice"]

_SIZE = (480, 360)
_SKIN, _SHADE, _LIPS, _HAIR = (222, 176, 148), (186, 136, 110), (170, 76, 76), (70, 46, 32)
# Formants (Hz) of a male "ah" and their bandwidths; Peterson & Barney (1952), JASA 24(2), table II.
_FORMANTS_HZ, _BANDWIDTHS_HZ = (730.0, 1090.0, 2440.0), (90.0, 110.0, 170.0)
_GLIDE_HZ = (130.0, 260.0)
_SYLLABLES = 4
_HIGHEST_HZ = 3800.0
_PEAK = 0.8


def canary_media(shown: Shown, heard: Heard, settings: MediaSettings, inputs: frozenset[Input]) -> EncodedMedia:
    """Return a clip of SECONDS as `settings` want it; the facts call no track silent, for that would tell the truth."""
    frames, video = _encoded_frames(shown, settings) if "video" in inputs else ([], None)
    wav, audio = _encoded_sound(heard, settings.audio_rate_hz) if "audio" in inputs else (b"", None)
    return EncodedMedia(MediaFacts(video, audio), frames, wav)


def picture_size(settings: MediaSettings) -> tuple[int, int]:
    """Return width and height in pixels of the canaries' frames: 4 to 3."""
    height = settings.short_side_px
    return max(round(height * _SIZE[0] / _SIZE[1]), 1), height


def _encoded_frames(shown: Shown, settings: MediaSettings) -> tuple[list[bytes], VideoFacts]:
    times_s = frame_times(0.0, SECONDS, settings.fps, settings.max_frames)
    size = picture_size(settings)
    frames = [base64.b64encode(encode_jpeg(_picture(shown, time_s / SECONDS, size))) for time_s in times_s]
    return frames, VideoFacts(digest_of(frames), len(frames), len(frames) / SECONDS, SECONDS)


def _encoded_sound(heard: Heard, rate_hz: int) -> tuple[bytes, AudioFacts]:
    samples = voice(rate_hz) if heard == "voice" else np.zeros(seconds_to_samples(SECONDS, rate_hz))
    wav = base64.b64encode(encode_wav(samples, rate_hz))
    return wav, AudioFacts(digest_of([wav]), SECONDS, is_silent=False)


def digest_of(parts: Sequence[bytes]) -> str:
    """Return the digest of encoded media: SHA-256 over the parts and where each ends."""
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def _picture(shown: Shown, progress: float, size: tuple[int, int]) -> Picture:
    return drawn_face(progress, size) if shown == "face" else np.zeros((size[1], size[0], 3), np.uint8)


def drawn_face(progress: float, size: tuple[int, int]) -> Picture:
    """Draw head and shoulders, (height, width, 3); with `progress` from 0 to 1 the brows rise and a smile comes."""
    image = Image.new("RGB", _SIZE, (150, 168, 182))
    draw = ImageDraw.Draw(image)
    x, y = 240 + 8 * np.sin(2 * np.pi * progress), 165.0
    draw.ellipse((90, 290, 390, 520), fill=(62, 78, 120))
    draw.rectangle((x - 34, y + 90, x + 34, y + 150), fill=_SHADE)
    draw.ellipse((x - 102, y - 140, x + 102, y + 90), fill=_HAIR)
    for side in (-1, 1):
        _ellipse(draw, x + side * 88, y + 12, 14, 24, _SHADE)
    _ellipse(draw, x, y + 10, 86, 116, _SKIN)
    for side in (-1, 1):
        _eye(draw, x + side * 36, y - 8, side, lift=10 * progress)
    draw.polygon([(x - 4, y + 2), (x + 4, y + 2), (x + 16, y + 44), (x, y + 50), (x - 16, y + 44)], fill=_SHADE)
    _mouth(draw, x, y + 78, smile=progress)
    soft = image.filter(ImageFilter.GaussianBlur(1.2)).resize(size, Image.Resampling.LANCZOS)
    return np.asarray(soft, np.uint8)


def _eye(draw: ImageDraw.ImageDraw, x: float, y: float, side: int, lift: float) -> None:
    _ellipse(draw, x, y, 19, 10, (246, 244, 240))
    _ellipse(draw, x, y, 9, 9, (78, 96, 70))
    _ellipse(draw, x, y, 4, 4, (16, 14, 14))
    draw.arc((x - 21, y - 13, x + 21, y + 14), 190, 350, fill=_HAIR, width=3)
    inner, outer = x - side * 24, x + side * 26
    draw.line([(inner, y - 22 - lift), (x, y - 29 - lift), (outer, y - 20 - lift)], fill=_HAIR, width=8, joint="curve")


def _mouth(draw: ImageDraw.ImageDraw, x: float, y: float, smile: float) -> None:
    half, corners = 28 + 14 * smile, 16 * smile
    upper = [(x - half, y - corners), (x - 10, y - 8), (x, y - 5), (x + 10, y - 8), (x + half, y - corners)]
    lower = [(x + half / 2, y + 8 + 6 * smile), (x, y + 12 + 8 * smile), (x - half / 2, y + 8 + 6 * smile)]
    draw.polygon([*upper, *lower], fill=_LIPS)
    draw.line([(x - half, y - corners), (x, y + 2 + 4 * smile), (x + half, y - corners)], fill=(96, 34, 38), width=4)


def _ellipse(
    draw: ImageDraw.ImageDraw, x: float, y: float, half_width: float, half_height: float, fill: tuple[int, int, int]
) -> None:
    draw.ellipse((x - half_width, y - half_height, x + half_width, y + half_height), fill=fill)


def voice(rate_hz: int) -> Signal:
    """Return a loud "ah" of SECONDS in syllables, its pitch rising over _GLIDE_HZ: (N,) in [-1, 1].

    Every harmonic of the glide is as strong as a falling pulse spectrum through three resonances makes it.
    """
    times_s = np.arange(seconds_to_samples(SECONDS, rate_hz)) / rate_hz
    f0_hz = _GLIDE_HZ[0] * (_GLIDE_HZ[1] / _GLIDE_HZ[0]) ** (times_s / SECONDS)
    phase = 2 * np.pi * np.cumsum(f0_hz) / rate_hz
    highest_hz = min(_HIGHEST_HZ, 0.45 * rate_hz)
    sound = np.zeros_like(times_s)
    for number in range(1, int(highest_hz / _GLIDE_HZ[0]) + 1):
        harmonic_hz = number * f0_hz
        sound += np.where(harmonic_hz < highest_hz, _resonance(harmonic_hz) / number, 0.0) * np.sin(number * phase)
    sound *= np.sqrt(np.clip(np.sin(np.pi * _SYLLABLES * times_s / SECONDS) ** 2 - 0.04, 0.0, None))
    return np.asarray(_PEAK * sound / np.abs(sound).max(), np.float64)


def _resonance(frequency_hz: Signal) -> Signal:
    gains = [
        1 / (1 + ((frequency_hz - centre) / (0.5 * width)) ** 2)
        for centre, width in zip(_FORMANTS_HZ, _BANDWIDTHS_HZ, strict=True)
    ]
    return np.asarray(0.05 + np.sum(gains, axis=0), np.float64)
