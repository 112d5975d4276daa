"""What a server answered to one request, and what is wrong with it as an answer to a prompt step."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from vaemo_annotate.json_schema import Schema, reply_fault

FaultKind = Literal[
    "truncated", "whitespace_loop", "repetitive", "empty", "refusal", "not_json", "schema", "refused_media", "poison"
]

_LOOP_UNIT_CHARS = 60
_LOOP_CHARS = 60
_LOOP_TIMES = 10
_REFUSAL = re.compile(
    r"\A\W*(i(?:['’]m| am) (?:(?:really |very )?sorry|unable to|not able to)|sorry,|i (?:can(?:no|['’])t|won['’]t)|"
    r"as an ai\b|unfortunately,? i (?:can|am|['’]m))",
    re.IGNORECASE,
)
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_WHITESPACE_TAIL = 64


@dataclass(frozen=True, slots=True)
class Reply:
    """One committed answer of the server to one request.

    `status` is the HTTP status: 200, or a 4xx that tells that the server will never take the request
    (then `text` is its message). Token counts are None where the server does not report them.
    `tries` counts the HTTP requests it took; `latency_s` is that of the last one.
    """

    status: int
    text: str
    finish_reason: str
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    latency_s: float
    tries: int
    created_at: str

    def to_json(self) -> bytes:
        """Serialise for the ledger."""
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, data: bytes) -> Reply:
        """Read what `to_json` wrote."""
        return cls(**orjson.loads(data))


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a reply is no answer, with a detail that names the value and the rule."""

    kind: FaultKind
    detail: str


def read_reply(reply: Reply, schema: Schema | None) -> Any | Fault:
    """Return the parsed answer (a dict, or text where the step has no schema), or its Fault."""
    if reply.finish_reason == "poison":
        return Fault("poison", reply.text)
    if reply.status != 200:
        return Fault("refused_media", f"HTTP {reply.status}: {_shorten(reply.text, 300)}")
    if reply.finish_reason == "length":
        return _cut_off(reply)
    if reply.finish_reason == "content_filter":
        return Fault("refusal", "the server's content filter stopped the reply")
    if not reply.text.strip():
        return Fault("empty", f"the reply has no text (finish_reason={reply.finish_reason})")
    if schema is None:
        return _refusal_or_loop(reply.text) or reply.text.strip()
    try:
        return _read_json(reply.text, schema)
    except RecursionError:
        return Fault("schema", "the reply is nested too deeply")


def _cut_off(reply: Reply) -> Fault:
    text = reply.text
    if len(text) - len(text.rstrip()) >= _WHITESPACE_TAIL:
        blank = len(text) - len(text.rstrip())
        return Fault(
            "whitespace_loop",
            f"the last {blank} of {len(text)} characters are white space; on vLLM serve with "
            '--structured-outputs-config \'{"backend": "xgrammar", "disable_any_whitespace": true}\'',
        )
    if unit := _loop_unit(text):
        return Fault("repetitive", f"it repeats {_shorten(unit, 40)!r} until the token cap")
    return Fault("truncated", f"stopped at the cap of {reply.completion_tokens} tokens")


def _read_json(text: str, schema: Schema) -> Any | Fault:
    try:
        value = parse_json(_unfenced(text))
    except ValueError as error:
        return _refusal_or_loop(text) or Fault("not_json", f"{error}; it begins {_shorten(text, 80)!r}")
    wrong = reply_fault(schema, value)
    if wrong:
        return Fault("schema", wrong)
    for name, part in _strings(value):
        if fault := _refusal_or_loop(part):
            return Fault(fault.kind, f"{name}: {fault.detail}")
    return value


def _unfenced(text: str) -> str:
    """Return what stands inside a Markdown code fence that holds the whole text."""
    fence, _, rest = text.strip().partition("\n")
    language = fence.removeprefix("```").strip()
    if fence.startswith("```") and rest.endswith("```") and (not language or language.isalpha()):
        return rest.removesuffix("```")
    return text


def parse_json(text: str) -> Any:
    """Parse a model's JSON. Raises ValueError, also for NaN and numbers that overflow to infinity.

    Grammars of structured output let raw control characters into strings, which strict JSON forbids: they
    are taken, and become spaces; halves of surrogate pairs become U+FFFD.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return _clean(json.loads(text, strict=False, parse_constant=_finite, parse_float=_finite, parse_int=_number))
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _number(text: str) -> float:
    return int(text) if len(text) < 19 else _finite(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{_shorten(text, 20)} is no JSON number")
    return value


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", _CONTROL.sub(" ", value)).strip()
    if isinstance(value, dict):
        return {_clean(name): _clean(child) for name, child in value.items()}
    return [_clean(child) for child in value] if isinstance(value, list) else value


def _refusal_or_loop(text: str) -> Fault | None:
    if _REFUSAL.match(text):
        return Fault("refusal", f"it begins {_shorten(text, 80)!r}")
    if unit := _loop_unit(text):
        return Fault("repetitive", f"it ends in {_shorten(unit, 40)!r} ten or more times")
    return None


def _loop_unit(text: str) -> str | None:
    """Return what a text ends in ten or more times over, for 60 or more characters, so that "......" is no loop."""
    text = text.rstrip()
    for length in range(1, min(_LOOP_UNIT_CHARS, len(text) // _LOOP_TIMES) + 1):
        unit = text[-length:]
        if text.endswith(unit * max(_LOOP_TIMES, -(-_LOOP_CHARS // length))):
            return unit
    return None


def _strings(value: Any, path: str = "") -> list[tuple[str, str]]:
    """Return every string of a parsed reply with its path."""
    if isinstance(value, str):
        return [(path, value)]
    if isinstance(value, dict):
        return [item for name, child in value.items() for item in _strings(child, f"{path}.{name}".lstrip("."))]
    if isinstance(value, list):
        return [item for index, child in enumerate(value) for item in _strings(child, f"{path}[{index}]")]
    return []


def _shorten(text: str, length: int) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= length else f"{flat[:length]}…"
