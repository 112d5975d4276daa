"""Before a run: what the server serves, how it takes media, and one trial request like the real ones."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import orjson

from vaemo_annotate.engines.request import UNTIMED_MAX_FRAMES, ChatRequest, Dialect, audio_parts, video_parts
from vaemo_annotate.engines.transport import ChatTransport, TransientFailure
from vaemo_annotate.media import AudioFacts, EncodedMedia, MediaFacts, VideoFacts, encode_jpeg, encode_wav
from vaemo_annotate.prompt import Prompt
from vaemo_annotate.reply import Reply
from vaemo_clips.errors import ServerError

_TRIAL_FRAMES = 4
_TRIAL_SECONDS = 1.0
_TRIAL_SCHEMA = {
    "type": "object",
    "additionalProperties": False,
    "required": ["ready"],
    "properties": {"ready": {"enum": ["yes", "no"]}},
}


@dataclass(frozen=True, slots=True)
class ServedModel:
    """A model that a server serves. `vllm_version` is None where the server is not vLLM."""

    model: str
    vllm_version: str | None


async def find_model(transport: ChatTransport, model: str | None) -> ServedModel:
    """Find the model among those the server lists; the only one where none is named. Raises ServerError."""
    url = transport.endpoint.url
    try:
        status, payload = await transport.get("/v1/models")
    except TransientFailure as failure:
        raise ServerError(
            f"no server answers at {url} ({failure.detail}); start one, correct --endpoint, or use --engine vllm"
        ) from failure
    if status in (401, 403):
        raise ServerError(f"{url} refuses the key (HTTP {status}); set VAEMO_API_KEY")
    served = _listed(status, payload, url)
    names = ", ".join(sorted(served))
    if model is None and len(served) != 1:
        raise ServerError(f"{url} serves {len(served)} models ({names}); choose one with --model")
    chosen = model or next(iter(served))
    if chosen not in served:
        raise ServerError(f"model {chosen!r} is not served at {url}; it serves: {names}; pass one of them as --model")
    return ServedModel(chosen, await _vllm_version(transport))


def _listed(status: int, payload: bytes, url: str) -> set[str]:
    try:
        if status != 200:
            raise ValueError(f"HTTP {status}")
        models = {str(entry["id"]) for entry in orjson.loads(payload)["data"]}
    except (ValueError, LookupError, TypeError) as error:
        raise ServerError(
            f"{url}/v1/models is no list of models ({error}); --endpoint must be an OpenAI-compatible server"
        ) from error
    if not models:
        raise ServerError(f"{url} serves no model; start the server with one")
    return models


async def _vllm_version(transport: ChatTransport) -> str | None:
    try:
        status, payload = await transport.get("/version")
        return str(orjson.loads(payload)["version"]) if status == 200 else None
    except (TransientFailure, ValueError, LookupError, TypeError):
        return None


async def choose_dialect(
    transport: ChatTransport, served: ServedModel, prompt: Prompt, announce: Callable[[str], None]
) -> Dialect:
    """Ask one request like the real ones and learn how the server takes media. Raises ServerError."""
    if served.vllm_version is None:
        await _trial(transport, served.model, prompt, "images")
        return "images"
    refused = await _trial(transport, served.model, prompt, "vllm", allow_untimed=True)
    if refused is None:
        return "vllm"
    if prompt.media.max_frames > UNTIMED_MAX_FRAMES:
        raise ServerError(
            f"{transport.endpoint.url} does not take frame times ({refused}) and then keeps only {UNTIMED_MAX_FRAMES} "
            f"of the prompt's media.max_frames {prompt.media.max_frames}; start vLLM with --trust-request-mm-kwargs"
        )
    await _trial(transport, served.model, prompt, "vllm-untimed")
    announce(
        "warning: the server was started without --trust-request-mm-kwargs, so it cannot be told when the frames are; "
        "the prompt says it in words, but the model's own sense of time is off. Restart vLLM with that flag."
    )
    return "vllm-untimed"


async def _trial(
    transport: ChatTransport, model: str, prompt: Prompt, dialect: Dialect, allow_untimed: bool = False
) -> str | None:
    """Return None where the trial was answered, or why its frame times were refused."""
    request = _trial_request(prompt, dialect)
    reply = await _ask(transport, request.body(model, dialect), model)
    if reply.status == 200:
        return None
    if allow_untimed and ("media_io_kwargs" in reply.text or "mm_processor_kwargs" in reply.text):
        return reply.text
    wanted = " and ".join(sorted(prompt.inputs)) or "text"
    raise ServerError(
        f"{transport.endpoint.url} refuses a trial request of {wanted} to {model!r} "
        f"(HTTP {reply.status}: {reply.text}); "
        "serve a model that takes these inputs and structured output, or choose another prompt"
    )


async def _ask(transport: ChatTransport, body: bytes, model: str) -> Reply:
    for tries in (1, 2, 3):
        try:
            return await transport.chat(body, tries)
        except TransientFailure as failure:
            last = failure
            await asyncio.sleep(min(failure.retry_after_s or 0.5, 30.0))
    raise ServerError(
        f"{transport.endpoint.url} did not answer a trial request to {model!r} ({last}); look at the server's log"
    ) from last


def _trial_request(prompt: Prompt, dialect: Dialect) -> ChatRequest:
    media = trial_media()
    parts = video_parts(media, dialect) if "video" in prompt.inputs else []
    parts += audio_parts(media, dialect) if "audio" in prompt.inputs else []
    return ChatRequest(
        system="You answer with JSON only.",
        media_parts=parts,
        text="This is a trial. Are you ready?",
        schema_name="trial",
        schema=_TRIAL_SCHEMA,
        temperature=0.0,
        top_p=1.0,
        max_tokens=32,
        seed=0,
        video=media.facts.video if "video" in prompt.inputs else None,
    )


def trial_media() -> EncodedMedia:
    """Return a second of a moving grey bar and of a 220 Hz tone, encoded as clips are."""
    frames = []
    for index in range(_TRIAL_FRAMES):
        image = np.full((112, 112, 3), 96, np.uint8)
        image[:, 20 * index : 20 * index + 20] = 200
        frames.append(base64.b64encode(encode_jpeg(image)))
    time_s = np.arange(round(16_000 * _TRIAL_SECONDS)) / 16_000
    wav = encode_wav(0.1 * np.sin(2 * np.pi * 220 * time_s), 16_000)
    facts = MediaFacts(
        VideoFacts("trial", _TRIAL_FRAMES, _TRIAL_FRAMES / _TRIAL_SECONDS, _TRIAL_SECONDS),
        AudioFacts("trial", _TRIAL_SECONDS, is_silent=False),
    )
    return EncodedMedia(facts, frames, base64.b64encode(wav))
