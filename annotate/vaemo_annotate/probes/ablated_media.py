"""Clips that lose something on the way to the model: the sound muted or swapped for another clip's, the picture blank.

What a prompt is told of the clip stays as it was: a track that is there, and not called silent.
"""

from __future__ import annotations

import base64
import hashlib
import io
import wave
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from PIL import Image

from vaemo_annotate.media import EncodedMedia, MediaDecoder, MediaFacts, encode_jpeg, encode_wav
from vaemo_annotate.probes.canary_media import digest_of
from vaemo_clips.clip import Clip

Kind = Literal["muted", "blank", "swapped"]


@dataclass(frozen=True, slots=True)
class AblatedDecoder:
    """Decodes a clip without its sound, its picture, or with the sound of `donor` (MediaDecoder)."""

    decoder: MediaDecoder
    kind: Kind
    donor: Clip | None = None

    def memo_key(self, clip: Clip) -> bytes:
        """Return the digest of what the media depend on."""
        donor = self.decoder.memo_key(self.donor) if self.donor else b""
        return hashlib.sha256(self.kind.encode() + self.decoder.memo_key(clip) + donor).digest()

    async def decode(self, clip: Clip) -> EncodedMedia:
        """Decode and take away. Raises MediaError."""
        media = await self.decoder.decode(clip)
        if self.kind == "muted":
            return muted(media)
        if self.kind == "blank":
            return blanked(media)
        assert self.donor is not None, "a swapped sound comes from another clip"
        return with_sound_of(media, await self.decoder.decode(self.donor))


def muted(media: EncodedMedia) -> EncodedMedia:
    """Return the media with digital silence of the same length."""
    with wave.open(io.BytesIO(base64.b64decode(media.wav_base64))) as sound:
        silence = np.zeros(sound.getnframes())
        return _with_wav(media, encode_wav(silence, sound.getframerate()), None)


def blanked(media: EncodedMedia) -> EncodedMedia:
    """Return the media with as many black frames of the same size."""
    assert media.facts.video is not None, "only clips with a picture are asked about"
    with Image.open(io.BytesIO(base64.b64decode(media.frames_base64[0]))) as first:
        black = base64.b64encode(encode_jpeg(np.zeros((first.height, first.width, 3), np.uint8)))
    frames = [black] * len(media.frames_base64)
    video = replace(media.facts.video, digest=digest_of(frames))
    return EncodedMedia(MediaFacts(video, media.facts.audio), frames, media.wav_base64)


def with_sound_of(media: EncodedMedia, donor: EncodedMedia) -> EncodedMedia:
    """Return the media with another clip's sound, cut to the length of the own one where it is longer."""
    assert media.facts.audio is not None, "only clips with sound are asked about"
    with wave.open(io.BytesIO(base64.b64decode(donor.wav_base64))) as sound:
        rate_hz = sound.getframerate()
        most = round(media.facts.audio.duration_s * rate_hz)
        samples = np.frombuffer(sound.readframes(most), "<i2") / 32767.0
    return _with_wav(media, encode_wav(samples, rate_hz), len(samples) / rate_hz)


def _with_wav(media: EncodedMedia, wav: bytes, duration_s: float | None) -> EncodedMedia:
    assert media.facts.audio is not None, "only clips with sound are asked about"
    encoded = base64.b64encode(wav)
    audio = replace(
        media.facts.audio,
        digest=digest_of([encoded]),
        duration_s=media.facts.audio.duration_s if duration_s is None else duration_s,
        is_silent=False,
    )
    return EncodedMedia(MediaFacts(media.facts.video, audio), media.frames_base64, encoded)
