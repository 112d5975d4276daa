"""What of a clip is sent to a model: frames as JPEG, sound as WAV, each with the digest of its bytes.

A clip is decoded once, in a worker process, whatever the number of steps and samples that use it, and
not at all where the ledger already holds every reply.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import wave
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import orjson

from vaemo_annotate.ledger import Ledger
from vaemo_annotate.prompt import Input, MediaSettings
from vaemo_clips.clip import Clip
from vaemo_clips.errors import MediaError, MissingExtraError
from vaemo_clips.file_facts import sha256_of
from vaemo_clips.workers import in_worker

JPEG_QUALITY = 90
SILENCE_PEAK = 1e-4
"""Below this peak (-80 dBFS) a sound track is called silent."""


@dataclass(frozen=True, slots=True)
class VideoFacts:
    """The frames as sent: frame i shows the clip at about (i + 0.5) / fps seconds."""

    digest: str
    num_frames: int
    fps: float
    duration_s: float


@dataclass(frozen=True, slots=True)
class AudioFacts:
    """The sound as sent: mono WAV, 16 bit."""

    digest: str
    duration_s: float
    is_silent: bool


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What is known of a clip's media without holding their bytes; None = the clip has no such track."""

    video: VideoFacts | None
    audio: AudioFacts | None

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> MediaFacts:
        """Read what `dataclasses.asdict` wrote."""
        video, audio = facts["video"], facts["audio"]
        return cls(VideoFacts(**video) if video else None, AudioFacts(**audio) if audio else None)


@dataclass(frozen=True, slots=True)
class EncodedMedia:
    """The bytes to send: base64 of each JPEG frame, base64 of the WAV file."""

    facts: MediaFacts
    frames_base64: Sequence[bytes]
    wav_base64: bytes


class MediaDecoder(Protocol):
    """Makes the media of a clip."""

    async def decode(self, clip: Clip) -> EncodedMedia:
        """Decode and encode a clip. Raises MediaError."""
        ...

    def memo_key(self, clip: Clip) -> bytes:
        """Return what the bytes depend on, as a digest."""
        ...


class ClipSource:
    """One clip on its way through an engine: its facts, and its bytes, decoded when first needed."""

    def __init__(self, clip: Clip, decoder: MediaDecoder, ledger: Ledger) -> None:
        """Take a clip; nothing is decoded yet."""
        self.clip = clip
        self._decoder = decoder
        self._ledger = ledger
        self._memo_key = decoder.memo_key(clip)
        self._decoding: asyncio.Task[EncodedMedia] | None = None

    async def facts(self) -> MediaFacts:
        """Return the media's facts, from the ledger where the same bytes were decoded before."""
        return self.noted_facts() or (await self.media()).facts

    def noted_facts(self) -> MediaFacts | None:
        """Return the facts that the ledger holds."""
        noted = self._ledger.media_facts(self._memo_key)
        return MediaFacts.from_dict(noted) if noted else None

    async def media(self) -> EncodedMedia:
        """Return the media, decoding them once. Raises MediaError."""
        if self._decoding is None:
            self._decoding = asyncio.create_task(self._decode())
        return await asyncio.shield(self._decoding)

    async def _decode(self) -> EncodedMedia:
        media = await self._decoder.decode(self.clip)
        self._ledger.note_media_facts(self._memo_key, asdict(media.facts))
        return media


class PooledDecoder:
    """Decodes in worker processes: a file that kills or hangs its worker becomes a typed reject."""

    def __init__(
        self, root: Path, settings: MediaSettings, inputs: frozenset[Input], pool: Any, timeout_s: float = 120.0
    ) -> None:
        """Decode files below `root` for the inputs a prompt asks for, in a pebble.ProcessPool."""
        self._root = root
        self._settings = settings
        self._inputs = inputs
        self._pool = pool
        self._timeout_s = timeout_s
        self._version = _encoder_version()

    def memo_key(self, clip: Clip) -> bytes:
        """Return the digest of all that the encoded bytes depend on.

        A file that is not as it was indexed has a key of its own, so that it is looked at again.
        """
        depends_on = [
            clip.sha256, clip.start_s, clip.end_s, clip.has_video, clip.has_audio,
            self._settings.model_dump(), sorted(self._inputs), self._version,
            stat_if_changed(self._root / clip.path, clip),
        ]  # fmt: skip
        return hashlib.sha256(orjson.dumps(depends_on, option=orjson.OPT_SORT_KEYS)).digest()

    async def decode(self, clip: Clip) -> EncodedMedia:
        """Decode in a worker. Raises MediaError, also for a crashed or hung decoder."""
        job = (self._root / clip.path, clip, self._settings, self._inputs)
        return await in_worker(self._pool, self._timeout_s, clip.path, encode_clip, *job)


def encode_clip(path: Path, clip: Clip, settings: MediaSettings, inputs: frozenset[Input]) -> EncodedMedia:
    """Decode a clip (frames and sound on the picture's clock) and encode it for sending.

    Raises MediaError; its reason is `file_changed` where the file is not the one that was indexed.
    """
    check_unchanged(path, clip)
    frames, video = _encode_video(path, clip, settings) if "video" in inputs and clip.has_video else ([], None)
    wav, audio = _encode_audio(path, clip, settings) if "audio" in inputs and clip.has_audio else (b"", None)
    return EncodedMedia(MediaFacts(video, audio), frames, wav)


def stat_if_changed(path: Path, clip: Clip) -> list[int] | None:
    """Return a file's size and time of change where they are not those that were indexed (-1: no such file)."""
    try:
        facts = path.stat()
    except OSError:
        return [-1, -1]
    now = (facts.st_size, facts.st_mtime_ns)
    return None if now == (clip.file_bytes, clip.file_mtime_ns) else list(now)


def check_unchanged(path: Path, clip: Clip) -> None:
    """Raise MediaError where a file's bytes are not those that were indexed."""
    if stat_if_changed(path, clip) is None:
        return
    try:
        digest = sha256_of(path)
    except OSError as error:
        raise MediaError("not_found", f"{clip.path}: {error.strerror}; index the folder again") from error
    if digest != clip.sha256:
        raise MediaError(
            "file_changed", f"{clip.path}: its bytes are not those that were indexed; index the folder again"
        )


def _encode_video(path: Path, clip: Clip, settings: MediaSettings) -> tuple[list[bytes], VideoFacts]:
    from vaemo_clips.timeline import frame_times
    from vaemo_clips.video import decode_frames

    times = frame_times(clip.begin_s, clip.duration_s, settings.fps, settings.max_frames)
    frames = decode_frames(path, times, short_side_px=settings.short_side_px)
    jpegs = [encode_jpeg(image) for image in frames.images]
    return [base64.b64encode(jpeg) for jpeg in jpegs], VideoFacts(
        digest=_digest(jpegs), num_frames=len(jpegs), fps=len(jpegs) / clip.duration_s, duration_s=clip.duration_s
    )


def _encode_audio(path: Path, clip: Clip, settings: MediaSettings) -> tuple[bytes, AudioFacts]:
    from vaemo_clips.audio import decode_audio

    samples = decode_audio(path, clip.begin_s, clip.duration_s, rate_hz=settings.audio_rate_hz)
    wav = encode_wav(samples, settings.audio_rate_hz)
    peak = float(np.abs(samples).max(initial=0.0))
    facts = AudioFacts(
        digest=_digest([wav]), duration_s=len(samples) / settings.audio_rate_hz, is_silent=peak < SILENCE_PEAK
    )
    return base64.b64encode(wav), facts


def encode_jpeg(image: np.ndarray) -> bytes:
    """Encode (H, W, 3) uint8 as JPEG."""
    try:
        from PIL import Image
    except ImportError as error:
        raise MissingExtraError("pillow", "annotate") from error
    target = io.BytesIO()
    Image.fromarray(image).save(target, "JPEG", quality=JPEG_QUALITY)
    return target.getvalue()


def encode_wav(samples: np.ndarray, rate_hz: int) -> bytes:
    """Encode (N,) float samples in [-1, 1] as a mono 16 bit WAV file."""
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((np.clip(samples, -1.0, 1.0) * 32767.0).round().astype("<i2").tobytes())
    return target.getvalue()


def _digest(parts: Sequence[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


def _encoder_version() -> list[str]:
    import av
    import PIL

    codecs = ".".join(str(number) for number in av.library_versions["libavcodec"])
    return [av.__version__, codecs, PIL.__version__, np.__version__, str(JPEG_QUALITY)]
