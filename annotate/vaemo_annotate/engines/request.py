"""A chat request: what it says, the key under which its reply is kept, and the JSON that is sent."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import orjson

from vaemo_annotate.media import EncodedMedia, VideoFacts

Dialect = Literal["vllm", "vllm-untimed", "images"]
"""How media are put into a request.

`vllm`: frames as one `video/jpeg` data URL, with their times as `media_io_kwargs` and
`mm_processor_kwargs` (the server must be started with --trust-request-mm-kwargs).
`vllm-untimed`: the same without the times; the model takes the frames for one a second or two.
`images`: any other OpenAI-compatible server; each frame is an `image_url`.
"""
UNTIMED_MAX_FRAMES = 32
"""vLLM keeps the first 32 frames of a video whose request does not give `num_frames`."""


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request of a step. `media_parts` are content parts already serialised to JSON.

    `follow_up` are the turns of a remedy after the user's message; `video` gives the frames' times.
    """

    system: str
    media_parts: Sequence[bytes]
    text: str
    schema_name: str
    schema: Mapping[str, Any] | None
    temperature: float
    top_p: float
    max_tokens: int
    seed: int | None
    video: VideoFacts | None = None
    follow_up: Sequence[tuple[str, str]] = ()

    def body(self, model: str, dialect: Dialect) -> bytes:
        """Serialise for POST /v1/chat/completions."""
        content = [orjson.Fragment(part) for part in self.media_parts]
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": self.system},
            {"role": "user", "content": [*content, {"type": "text", "text": self.text}]},
            *({"role": role, "content": text} for role, text in self.follow_up),
        ]
        body: dict[str, Any] = {
            "model": model,
            "messages": messages,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
        }
        if self.seed is not None:
            body["seed"] = self.seed
        if self.schema is not None:
            json_schema = {"name": self.schema_name, "strict": True, "schema": self.schema}
            body["response_format"] = {"type": "json_schema", "json_schema": json_schema}
        if dialect == "vllm" and self.video is not None:
            body |= _frame_times(self.video)
        return orjson.dumps(body)

    def with_media(self, media_parts: Sequence[bytes]) -> ChatRequest:
        """Return the request with its media."""
        return replace(self, media_parts=media_parts)


def request_key(facts: Mapping[str, Any]) -> bytes:
    """Return the ledger key: SHA-256 of everything that can change the reply, as canonical JSON."""
    return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).digest()


def video_parts(media: EncodedMedia, dialect: Dialect) -> list[bytes]:
    """Return the frames as serialised content parts. base64 needs no JSON escapes."""
    frames = media.frames_base64
    if dialect == "images":
        head, tail = b'{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,', b'"}}'
        return [head + frame + tail for frame in frames]
    if not frames:
        return []
    head, tail = b'{"type":"video_url","video_url":{"url":"data:video/jpeg;base64,', b'"}}'
    return [head + b",".join(frames) + tail]


def audio_parts(media: EncodedMedia, dialect: Dialect) -> list[bytes]:
    """Return the sound as a serialised content part."""
    if not media.wav_base64:
        return []
    if dialect == "images":
        return [b'{"type":"input_audio","input_audio":{"format":"wav","data":"' + media.wav_base64 + b'"}}']
    return [b'{"type":"audio_url","audio_url":{"url":"data:audio/wav;base64,' + media.wav_base64 + b'"}}']


def _frame_times(video: VideoFacts) -> dict[str, Any]:
    """Tell the server when the frames are.

    `media_io_kwargs` become the video's metadata (Qwen3 models read their time stamps from it);
    `mm_processor_kwargs.fps` is where Qwen2.5 models take the seconds between frames from, whatever the
    metadata say. Without `num_frames` the server would keep the first 32 frames only.
    """
    loading = {
        "num_frames": video.num_frames,
        "fps": video.fps,
        "frames_indices": list(range(video.num_frames)),
        "total_num_frames": video.num_frames,
        "duration": video.duration_s,
        "do_sample_frames": False,
    }
    return {"media_io_kwargs": {"video": loading}, "mm_processor_kwargs": {"fps": video.fps}}
