"""The canaries' media: they are what they are said to be, in the form the prompt wants."""

from __future__ import annotations

import base64
import io
import wave
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.faces import face_models
from tests.support.senses import pitch_hz
from vaemo_annotate.probes.canary_media import canary_media, drawn_face
from vaemo_annotate.prompt import MediaSettings

BOTH: Any = frozenset({"video", "audio"})


def samples_of(wav_base64: bytes) -> tuple[np.ndarray, int]:
    """Return a WAV's samples and rate."""
    with wave.open(io.BytesIO(base64.b64decode(wav_base64))) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32767.0, sound.getframerate()


def test_the_silent_track_holds_digital_silence_and_is_not_called_silent() -> None:
    media = canary_media("face", "silence", MediaSettings(), BOTH)
    samples, rate_hz = samples_of(media.wav_base64)
    assert len(samples) == 3 * rate_hz
    assert not samples.any()
    assert media.facts.audio is not None
    assert not media.facts.audio.is_silent


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
def test_the_voice_is_loud_and_glides_up(rate_hz: int) -> None:
    samples, _ = samples_of(canary_media("black", "voice", MediaSettings(audio_rate_hz=rate_hz), BOTH).wav_base64)
    assert np.abs(samples).max() == pytest.approx(0.8, abs=0.01)
    assert 10 * np.log10(np.square(samples).mean()) > -20
    assert pitch_hz(samples[:rate_hz], rate_hz) < 175 < 200 < pitch_hz(samples[-rate_hz:], rate_hz) < 270


def test_the_blank_picture_is_black_in_the_prompts_size_and_number() -> None:
    media = canary_media("black", "voice", MediaSettings(fps=4, max_frames=8, short_side_px=100), BOTH)
    frames = [Image.open(io.BytesIO(base64.b64decode(frame))) for frame in media.frames_base64]
    assert [frame.size for frame in frames] == [(133, 100)] * 8
    assert not any(np.asarray(frame).any() for frame in frames)


def test_the_drawn_face_is_found_by_a_face_detector() -> None:
    found = face_models().near.find(Image.fromarray(drawn_face(0.5, (480, 360))))
    assert len(found) == 1


def test_only_what_the_prompt_takes_is_sent() -> None:
    media = canary_media("face", "voice", MediaSettings(), frozenset({"audio", "text"}))
    assert media.facts.video is None
    assert not media.frames_base64
