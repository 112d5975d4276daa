"""The step runner: what is decoded, what is asked, in which order, with which inputs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import orjson

from tests.support.fake_server import make_reply
from tests.support.servers import REPOSITORY
from vaemo_annotate.engines.base import Caption, ModelIdentity, Reject
from vaemo_annotate.engines.chat import ChatEngine
from vaemo_annotate.engines.discovery import trial_media
from vaemo_annotate.engines.request import ChatRequest
from vaemo_annotate.ledger import Ledger
from vaemo_annotate.media import ClipSource, EncodedMedia, MediaFacts
from vaemo_annotate.prompt import load_prompt
from vaemo_annotate.reply import Reply
from vaemo_clips.clip import Clip
from vaemo_clips.errors import MediaError

COT = load_prompt(REPOSITORY / "prompts" / "cot_v2.yaml")


def clip(name: str = "a", **changes: Any) -> Clip:
    """Return a clip with picture and sound."""
    values: dict[str, Any] = {
        "clip_id": name, "path": f"{name}.mp4", "sha256": name, "start_s": None, "end_s": None, "duration_s": 1.0,
        "width": 112, "height": 112, "fps": 4.0, "n_frames": 4, "has_audio": True, "audio_rate_hz": 16_000,
        "audio_channels": 1, "file_bytes": 1, "file_mtime_ns": 1,
    }  # fmt: skip
    return Clip(**values | changes)


class CountingDecoder:
    """Gives the same media for every clip and counts how often it is asked."""

    def __init__(self, media: EncodedMedia | None = None, fault: MediaError | None = None) -> None:
        self.media = media or trial_media()
        self.fault = fault
        self.decoded: list[str] = []

    def memo_key(self, clip: Clip) -> bytes:
        return clip.sha256.encode()

    async def decode(self, clip: Clip) -> EncodedMedia:
        self.decoded.append(clip.clip_id)
        await asyncio.sleep(0)
        if self.fault:
            raise self.fault
        return self.media


class RecordingBackend:
    """Answers every request with a reply that fits its schema, and keeps the requests."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    async def complete(self, request: ChatRequest) -> Reply:
        raw = request.body("m", "vllm")
        body = orjson.loads(raw)
        self.bodies.append(body)
        await asyncio.sleep(0)
        return Reply(200, make_reply(body, raw), "stop", 10, 5, 10, 0.1, 1, "2026-01-01T00:00:00+00:00")


@contextmanager
def ledger_at(path: Path) -> Iterator[Ledger]:
    """Open a ledger."""
    with Ledger(path / "ledger.sqlite") as ledger:
        yield ledger


@asynccontextmanager
async def engine_at(path: Path, seed: int | None = None) -> AsyncIterator[tuple[ChatEngine, RecordingBackend, Ledger]]:
    """Open a step runner over a ledger."""
    with ledger_at(path) as ledger:
        backend = RecordingBackend()
        identity = ModelIdentity("endpoint", "m", None, None)
        yield ChatEngine(COT, backend, ledger, identity, "vllm", seed), backend, ledger


async def test_a_clip_is_decoded_once_for_three_steps_and_four_samples(tmp_path: Path) -> None:
    async with engine_at(tmp_path) as (engine, backend, ledger):
        decoder = CountingDecoder()
        source = ClipSource(clip(), decoder, ledger)
        outcomes = await asyncio.gather(*(engine.caption(source, k) for k in range(4)))
    assert all(isinstance(outcome, Caption) for outcome in outcomes)
    assert decoder.decoded == ["a"]
    assert len(backend.bodies) == 12


async def test_what_the_ledger_holds_is_neither_decoded_nor_asked(tmp_path: Path) -> None:
    async with engine_at(tmp_path) as (engine, _, ledger):
        first = await engine.caption(ClipSource(clip(), CountingDecoder(), ledger), 0)
    async with engine_at(tmp_path) as (engine, backend, ledger):
        decoder = CountingDecoder()
        second = await engine.caption(ClipSource(clip(), decoder, ledger), 0)
    assert second == first
    assert decoder.decoded == []
    assert backend.bodies == []


def parts_of(body: dict[str, Any]) -> list[str]:
    """Return the kinds of the user's content parts."""
    return [part["type"] for part in body["messages"][1]["content"]]


async def test_each_step_gets_exactly_the_inputs_it_names_picture_first(tmp_path: Path) -> None:
    async with engine_at(tmp_path) as (engine, backend, ledger):
        await engine.caption(ClipSource(clip(), CountingDecoder(), ledger), 0)
    look, listen, reason = backend.bodies
    assert parts_of(look) == ["video_url", "text"]
    assert parts_of(listen) == ["audio_url", "text"]
    assert parts_of(reason) == ["video_url", "audio_url", "text"]
    assert look["messages"][0] == listen["messages"][0] == reason["messages"][0]
    assert look["messages"][1]["content"][0] == reason["messages"][1]["content"][0]
    assert "media_io_kwargs" not in listen
    seen = orjson.loads(make_reply(look, orjson.dumps(look)))
    assert seen.keys() >= {"description"}


async def test_later_steps_are_told_what_earlier_ones_replied(tmp_path: Path) -> None:
    async with engine_at(tmp_path) as (engine, backend, ledger):
        outcome = await engine.caption(ClipSource(clip(), CountingDecoder(), ledger), 0)
    assert isinstance(outcome, Caption)
    text = backend.bodies[2]["messages"][1]["content"][-1]["text"]
    for field in ("visual_description", "acoustic_description"):
        assert outcome.fields[field] in text


async def test_a_clip_without_sound_goes_without_an_audio_part_and_the_prompt_is_told(tmp_path: Path) -> None:
    full = trial_media()
    silent_film = EncodedMedia(MediaFacts(full.facts.video, None), full.frames_base64, b"")
    async with engine_at(tmp_path) as (engine, backend, ledger):
        source = ClipSource(clip(has_audio=False, audio_rate_hz=None), CountingDecoder(silent_film), ledger)
        await engine.caption(source, 0)
    _, listen, reason = backend.bodies
    assert parts_of(listen) == ["text"]
    assert "no sound track" in listen["messages"][1]["content"][0]["text"]
    assert parts_of(reason) == ["video_url", "text"]


async def test_samples_have_seeds_of_their_own_only_where_a_seed_is_given(tmp_path: Path) -> None:
    async with engine_at(tmp_path, seed=7) as (engine, backend, ledger):
        for sample_index in range(2):
            await engine.caption(ClipSource(clip(), CountingDecoder(), ledger), sample_index)
    assert [body["seed"] for body in backend.bodies] == [7, 7, 7, 8, 8, 8]
    async with engine_at(tmp_path) as (engine, backend, ledger):
        await engine.caption(ClipSource(clip(), CountingDecoder(), ledger), 0)
    assert all("seed" not in body for body in backend.bodies)


async def test_a_clip_that_cannot_be_decoded_is_a_typed_reject_that_is_not_final(tmp_path: Path) -> None:
    async with engine_at(tmp_path) as (engine, backend, ledger):
        decoder = CountingDecoder(fault=MediaError("decoder_crashed", "a.mp4: the decoder died"))
        outcome = await engine.caption(ClipSource(clip(), decoder, ledger), 0)
    assert outcome == Reject("decoder_crashed", "a.mp4: the decoder died", is_final=False)
    assert backend.bodies == []


async def test_two_clips_of_the_same_bytes_at_the_same_time_are_asked_once(tmp_path: Path) -> None:
    async with engine_at(tmp_path) as (engine, backend, ledger):
        sources = [ClipSource(clip(name, sha256="same"), CountingDecoder(), ledger) for name in ("a", "b")]
        first, second = await asyncio.gather(*(engine.caption(source, 0) for source in sources))
    assert isinstance(first, Caption)
    assert isinstance(second, Caption)
    assert first.fields == second.fields
    assert len(backend.bodies) == 3
