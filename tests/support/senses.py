"""What a fake server perceives in a request, and how it tells: truthfully, deaf or blind, or inventing.

The sentences are of words that captions use. A truthful server reads level and pitch off the WAV and brightness off
the JPEG frames, and says so in figures, so that no two sounds are told alike.
"""

from __future__ import annotations

import base64
import hashlib
import io
import random
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import orjson
from PIL import Image

Ears = Literal["good", "deaf", "invents"]
Eyes = Literal["good", "blind", "invents"]
_NO_SOUND = "There is no sound; the track is silent."
_NO_PICTURE = "The screen is black; no face is visible."
_BLACK = 12  # mean grey below which a picture shows nothing
_VOICES = (
    "The pitch is high and the voice is loud.",
    "The pitch is low and the voice is soft.",
    "The voice is loud and speaks fast, with a rising pitch.",
    "The voice is quiet and slow, with long pauses.",
)
_FACES = (
    "The brows are raised and the eyes are wide open.",
    "The person smiles and the head is tilted.",
    "The brows are drawn together and the lips are pressed.",
    "The lip corners are pulled down and the head is lowered.",
)


@dataclass(frozen=True, slots=True)
class Senses:
    """How well a server hears and sees."""

    ears: Ears = "good"
    eyes: Eyes = "good"

    def reply(self, body: dict[str, Any]) -> str:
        """Return a reply that fits the schema and tells what is perceived; equal requests get equal replies."""
        wavs, frames = list(_media(body, "audio")), list(_media(body, "image"))
        generator = random.Random(hashlib.sha256(orjson.dumps(body)).digest())
        heard = self._heard(wavs[0], generator) if wavs else None
        seen = self._seen(frames, generator) if frames else None
        schema = body.get("response_format", {}).get("json_schema", {}).get("schema")
        told = _Told(seen, heard)
        return told.text if schema is None else orjson.dumps(told.value("", schema)).decode()

    def _heard(self, wav: bytes, generator: random.Random) -> str:
        if self.ears == "deaf":
            return _NO_SOUND
        if self.ears == "invents":
            return f"{generator.choice(_VOICES)} It lasts {generator.random():.3f} s."
        return _sound_as_it_is(wav)

    def _seen(self, frames: list[bytes], generator: random.Random) -> str:
        if self.eyes == "blind":
            return _NO_PICTURE
        if self.eyes == "invents":
            return f"{generator.choice(_FACES)} It lasts {generator.random():.3f} s."
        return _picture_as_it_is(frames)


@dataclass(frozen=True, slots=True)
class _Told:
    """What a reply is made of; None for what the request did not hold."""

    seen: str | None
    heard: str | None

    @property
    def text(self) -> str:
        return " ".join(sentence for sentence in (self.seen, self.heard) if sentence) or "There is nothing to tell."

    def value(self, name: str, schema: dict[str, Any]) -> Any:
        """Return a value for a field: descriptions tell, enums fit what was perceived, numbers say little."""
        if "enum" in schema:
            return self._choice(schema["enum"])
        kind = schema["type"] if isinstance(schema["type"], str) else schema["type"][0]
        match kind:
            case "object":
                return {key: self.value(key, child) for key, child in schema["properties"].items()}
            case "array":
                return ["neutral"]
            case "number":
                return 0.1
            case "boolean":
                return True
            case _:
                return self._sentence(name)

    def _sentence(self, name: str) -> str:
        alone = {"seen": self.seen, "heard": self.heard}
        if name in alone:
            return alone[name] or "There is nothing to tell."
        return self.text if name in ("", "description", "affect") else "as described"

    def _choice(self, values: list[str]) -> str:
        if "not_visible" in values:
            return "not_visible" if self.seen in (None, _NO_PICTURE) else "clear"
        if "none" in values:
            return "none" if self.heard in (None, _NO_SOUND) else "speech"
        return values[0]


def _media(body: dict[str, Any], kind: str) -> Iterator[bytes]:
    """Yield the WAV, or the JPEG frames, of a request in either dialect."""
    for part in body["messages"][1]["content"]:
        match part["type"]:
            case "audio_url" if kind == "audio":
                yield base64.b64decode(part["audio_url"]["url"].partition(",")[2])
            case "input_audio" if kind == "audio":
                yield base64.b64decode(part["input_audio"]["data"])
            case "video_url" if kind == "image":
                yield from map(base64.b64decode, part["video_url"]["url"].partition(",")[2].split(","))
            case "image_url" if kind == "image":
                yield base64.b64decode(part["image_url"]["url"].partition(",")[2])


def _sound_as_it_is(wav: bytes) -> str:
    with wave.open(io.BytesIO(wav)) as sound:
        rate_hz = sound.getframerate()
        samples = np.frombuffer(sound.readframes(sound.getnframes()), "<i2") / 32767.0
    if np.abs(samples).max(initial=0.0) < 1e-4:
        return _NO_SOUND
    level_db = 10 * np.log10(np.square(samples).mean())
    period_hz = pitch_hz(samples, rate_hz)
    loudness = "loud" if level_db > -24 else "soft"
    height = "high" if period_hz > 180 else "low"
    return f"The voice is {loudness}, at {level_db:.2f} dB. The pitch is {height}, near {period_hz:.1f} Hz."


def pitch_hz(samples: np.ndarray, rate_hz: int) -> float:
    """Return the strongest period's frequency from 70 to 400 Hz, over the loudest eighty milliseconds."""
    length = rate_hz * 8 // 100
    power = np.convolve(np.square(samples), np.ones(min(length, len(samples))), "valid")
    first = int(power.argmax())
    part = samples[first : first + length] - samples[first : first + length].mean()
    spectrum = np.fft.rfft(part, 2 * len(part))
    correlation = np.fft.irfft(np.square(np.abs(spectrum)))[: len(part)]
    shortest, longest = rate_hz // 400, min(rate_hz // 70, len(part) - 1)
    return float(rate_hz / (shortest + correlation[shortest:longest].argmax()))


def _picture_as_it_is(frames: list[bytes]) -> str:
    greys = []
    for frame in frames:
        with Image.open(io.BytesIO(frame)) as image:
            greys.append(float(np.asarray(image.convert("L"), np.float64).mean()))
    grey = sum(greys) / len(greys)
    if grey < _BLACK:
        return _NO_PICTURE
    brows = "raised" if grey > 110 else "drawn together"
    return f"The brows are {brows} and the head is tilted; the light is at {grey:.2f}."
