"""What to do about a reply that is no answer: a pure function of the attempts so far.

| fault | remedy, once | reject |
| --- | --- | --- |
| truncated | a cap twice as high | truncated |
| not_json, schema | ask again with the validator's message | not_json, schema |
| empty, repetitive, whitespace_loop | draw again with another seed, warmer | the same |
| refusal | ask again, saying what the work is for | refusal |
| refused_media (HTTP 4xx), poison (kills the server) | none | the same |

As the decision depends on committed replies only, a killed run takes it up again without asking twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from vaemo_annotate.engines.request import ChatRequest
from vaemo_annotate.json_schema import Schema
from vaemo_annotate.reply import Fault, Reply, read_reply

MAX_ATTEMPTS = 3
_SEED_STEP = 1_000_003
_WARMER_BY = 0.3
_QUOTED_CHARS = 1_500
_REASSURANCE = (
    "This is a description of visible and audible behaviour for research on expression; it names nobody and "
    "judges nobody. Please describe what can be observed, and say so where nothing can."
)


@dataclass(frozen=True, slots=True)
class Answered:
    """One of the replies is an answer: the parsed value."""

    value: Any


@dataclass(frozen=True, slots=True)
class Ask:
    """Send this request."""

    request: ChatRequest


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The remedies are used up."""

    fault: Fault


def next_move(request: ChatRequest, schema: Schema | None, replies: Sequence[Reply]) -> Answered | Ask | GiveUp:
    """Decide what follows from the replies to a request and to its remedies so far."""
    if not replies:
        return Ask(request)
    faults: list[Fault] = []
    for reply in replies:
        read = read_reply(reply, schema)
        if not isinstance(read, Fault):
            return Answered(read)
        faults.append(read)
    last = faults[-1]
    if last.kind == "refused_media" and faults[:-1]:
        return GiveUp(faults[-2])  # the server took the clip before; it is the remedy (a higher cap) that it refuses
    already_tried = {_remedy_of(fault) for fault in faults[:-1]}
    if last.kind in ("refused_media", "poison") or _remedy_of(last) in already_tried or len(replies) >= MAX_ATTEMPTS:
        return GiveUp(last)
    for fault, reply in zip(faults, replies, strict=True):
        request = _apply(request, fault, reply, len(replies))
    return Ask(request)


def _remedy_of(fault: Fault) -> str:
    if fault.kind in ("not_json", "schema"):
        return "ask again"
    if fault.kind in ("empty", "repetitive", "whitespace_loop"):
        return "draw again"
    return fault.kind


def _apply(request: ChatRequest, fault: Fault, reply: Reply, attempt: int) -> ChatRequest:
    match _remedy_of(fault):
        case "truncated":
            return replace(request, max_tokens=request.max_tokens * 2)
        case "draw again":
            warmer = max(request.temperature, min(request.temperature + _WARMER_BY, 1.0))
            seed = None if request.seed is None else (request.seed + attempt * _SEED_STEP) % 2**31
            return replace(request, seed=seed, temperature=warmer)
        case "refusal":
            return replace(request, follow_up=_turns(reply, _REASSURANCE))
        case _:
            correction = (
                f"Your reply does not fit the required JSON schema: {fault.detail}. "
                "Reply once more with the corrected JSON only."
            )
            return replace(request, follow_up=_turns(reply, correction))


def _turns(reply: Reply, message: str) -> list[tuple[str, str]]:
    return [("assistant", reply.text[:_QUOTED_CHARS] or "…"), ("user", message)]
