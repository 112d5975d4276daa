"""The step runner that the chat engines share: a prompt's steps, one after the other, through the ledger."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from vaemo_annotate.engines.base import (
    Caption,
    ChatBackend,
    CueSource,
    ModelIdentity,
    Outcome,
    Reject,
    RequestFailed,
    StepRecord,
)
from vaemo_annotate.engines.remedy import Answered, Ask, GiveUp, next_move
from vaemo_annotate.engines.request import ChatRequest, Dialect, audio_parts, request_key, video_parts
from vaemo_annotate.template import render
from vaemo_annotate.wording.cue_text import cue_texts
from vaemo_clips.errors import MediaError

if TYPE_CHECKING:
    from vaemo_annotate.cue_book import ClipCues
    from vaemo_annotate.ledger import Ledger
    from vaemo_annotate.media import ClipSource, EncodedMedia, MediaFacts
    from vaemo_annotate.prompt import Prompt, Step
    from vaemo_annotate.reply import Fault, Reply

KEY_VERSION = 1
"""Raised when the way requests are built changes so that old replies no longer answer them."""


@dataclass(frozen=True, slots=True)
class _Answer:
    value: Any
    record: StepRecord
    key: bytes
    created_at: str


class _StepRejected(Exception):  # noqa: N818 (ends a chain of steps)
    def __init__(self, step: str, fault: Fault, record: StepRecord, key: bytes) -> None:
        super().__init__(fault.detail)
        self.step = step
        self.fault = fault
        self.record = record
        self.key = key


class ChatEngine:
    """Engine over a chat server: renders each step, asks what the ledger does not hold, judges the replies."""

    def __init__(
        self,
        prompt: Prompt,
        backend: ChatBackend,
        ledger: Ledger,
        identity: ModelIdentity,
        dialect: Dialect,
        seed: int | None,
        on_reply: Callable[[Reply], None] = lambda reply: None,
        gone: Callable[[], str | None] = lambda: None,
        book: CueSource | None = None,
    ) -> None:
        """Caption with `prompt`; where there is a seed, sample k is drawn with `seed + k`.

        `on_reply` sees each new reply; `gone` tells why no request can succeed any more; `book` measures the
        cues that a prompt asks for.
        """
        self._prompt = prompt
        self._backend = backend
        self._ledger = ledger
        self._identity = identity
        self._dialect: Dialect = dialect
        self._seed = seed
        self._on_reply = on_reply
        self._gone = gone
        self._book = book

    async def caption(self, source: ClipSource, sample_index: int) -> Outcome:
        """Caption one sample of one clip (Engine)."""
        seed = None if self._seed is None else (self._seed + sample_index) % 2**31
        answers: dict[str, _Answer] = {}
        try:
            if (why := self._gone()) and source.noted_facts() is None:
                return Reject("server_gone", why, is_final=False)  # not worth decoding
            facts = await source.facts()
            cues = await self._cues(source)
            if not (facts.video or facts.audio or self._prompt.inputs <= {"text", "cues"}):
                return Reject("no_usable_media", f"the prompt wants {self._inputs()}; the clip has none of it", True)
            for step in self._prompt.steps:
                answers[step.name] = await self._answer(step, source, facts, cues, answers, sample_index, seed)
        except MediaError as error:
            return Reject(error.reason, error.detail, is_final=False)
        except _StepRejected as reject:
            records = [*(answer.record for answer in answers.values()), reject.record]
            return Reject(
                reject.fault.kind, f"step {reject.step}: {reject.fault.detail}", True, records, reject.key.hex()
            )
        except RequestFailed as failure:
            done = [answer.record for answer in answers.values()]
            return Reject(failure.reason, failure.detail, failure.is_final, done)
        return self._caption_of(answers, cues, seed)

    async def _cues(self, source: ClipSource) -> ClipCues | None:
        """Return what was measured in the clip, where the prompt asks for it. Raises MediaError."""
        return await self._book.cues_of(source.clip) if self._book and "cues" in self._prompt.inputs else None

    def _inputs(self) -> str:
        return " and ".join(sorted(self._prompt.inputs))

    def _caption_of(self, answers: dict[str, _Answer], cues: ClipCues | None, seed: int | None) -> Caption:
        fields: dict[str, Any] = {"cues": [cue.to_dict() for cue in cues.cues]} if cues else {}
        for field, target in self._prompt.output.items():
            name, *path = target.split(".")
            value = answers[name].value
            for part in path:
                value = value.get(part) if isinstance(value, dict) else None
            fields[field] = value
        last = answers[self._prompt.steps[-1].name]
        records = [answer.record for answer in answers.values()]
        return Caption(fields, records, last.key.hex(), seed, last.created_at)

    async def _answer(
        self,
        step: Step,
        source: ClipSource,
        facts: MediaFacts,
        cues: ClipCues | None,
        answers: dict[str, _Answer],
        sample_index: int,
        seed: int | None,
    ) -> _Answer:
        """Ask one step, through the ledger, until it is answered. Raises _StepRejected, RequestFailed, MediaError."""
        text = _render_step(step, source, facts, cues, answers)
        key = self._key(step, source, facts, text, sample_index, seed)
        async with self._ledger.alone(key):
            replies = self._ledger.replies(key)
            request = self._request(step, facts, text, seed)
            while isinstance(move := next_move(request, step.reply_schema, replies), Ask):
                media = await source.media() if step_media(step, facts) else None
                reply = await self._backend.complete(self._with_media(move.request, step, media))
                await self._ledger.commit_reply(key, len(replies), step.name, source.clip.clip_id, reply)
                self._on_reply(reply)
                replies.append(reply)
        record = _step_record(step.name, replies)
        match move:
            case Answered(value):
                return _Answer(value, record, key, replies[-1].created_at)
            case GiveUp(fault):
                raise _StepRejected(step.name, fault, record, key)

    def _key(
        self, step: Step, source: ClipSource, facts: MediaFacts, text: str, sample_index: int, seed: int | None
    ) -> bytes:
        clip, identity, sampling = source.clip, self._identity, self._prompt.sampling
        return request_key(
            {
                "key_version": KEY_VERSION,
                "clip": [clip.sha256, clip.start_s, clip.end_s],
                "media": asdict(facts),
                "sent": step_media(step, facts),
                "dialect": self._dialect,
                "messages": [self._prompt.system, text],
                "schema": step.reply_schema,
                "model": [identity.model, identity.model_revision],
                "sampling": [sampling.temperature, sampling.top_p, sampling.max_tokens, seed],
                "sample_index": sample_index,
            }
        )

    def _request(self, step: Step, facts: MediaFacts, text: str, seed: int | None) -> ChatRequest:
        sampling = self._prompt.sampling
        return ChatRequest(
            system=self._prompt.system,
            media_parts=(),
            text=text,
            schema_name=step.name,
            schema=step.reply_schema,
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            max_tokens=sampling.max_tokens,
            seed=seed,
            video=facts.video if "video" in step.inputs else None,
        )

    def _with_media(self, request: ChatRequest, step: Step, media: EncodedMedia | None) -> ChatRequest:
        return request.with_media(media_parts(step, media, self._dialect)) if media else request


def step_media(step: Step, facts: MediaFacts) -> list[str]:
    """Return which of a clip's media a step is sent, picture before sound."""
    there = {"video": facts.video, "audio": facts.audio}
    return [name for name in ("video", "audio") if name in step.inputs and there[name] is not None]


def media_parts(step: Step, media: EncodedMedia, dialect: Dialect) -> list[bytes]:
    """Return the content parts of a step, picture before sound."""
    parts = video_parts(media, dialect) if "video" in step.inputs else []
    return parts + (audio_parts(media, dialect) if "audio" in step.inputs else [])


def template_values(step: Step, source_clip: Any, facts: MediaFacts, cues: ClipCues | None) -> dict[str, Any]:
    """Return what a template may know of a clip: facts of its media; its text and cues where the step asks for them."""
    video, audio = facts.video, facts.audio
    values: dict[str, Any] = {
        "clip": {
            "duration_s": source_clip.duration_s,
            "has_video": video is not None,
            "has_audio": audio is not None,
            "is_silent": audio is not None and audio.is_silent,
        },
        "video": {
            "num_frames": video.num_frames if video else 0,
            "fps": video.fps if video else 0.0,
            "interval_s": 1.0 / video.fps if video else 0.0,
        },
    }
    if "text" in step.inputs:
        values["text"] = str(source_clip.extra.get("text") or "")
    if "cues" in step.inputs and cues is not None:
        values["cues"] = cue_texts(cues.cues, cues.events, cues.facts)
    return values


def _render_step(
    step: Step, source: ClipSource, facts: MediaFacts, cues: ClipCues | None, answers: dict[str, _Answer]
) -> str:
    values = template_values(step, source.clip, facts, cues)
    values |= {name: answers[name].value for name in step.uses}
    try:
        return render(step.template, values)
    except ValueError as error:
        raise RequestFailed("template_error", f"step {step.name}: {error}") from error


def _step_record(name: str, replies: Sequence[Reply]) -> StepRecord:
    def total(counts: list[int | None]) -> int | None:
        known = [count for count in counts if count is not None]
        return sum(known) if known else None

    last = replies[-1]
    return StepRecord(
        name=name,
        reply=last.text,
        finish_reason=last.finish_reason,
        prompt_tokens=total([reply.prompt_tokens for reply in replies]),
        cached_tokens=total([reply.cached_tokens for reply in replies]),
        completion_tokens=total([reply.completion_tokens for reply in replies]),
        latency_s=sum(reply.latency_s for reply in replies),
        attempts=sum(reply.tries for reply in replies),
    )
