"""The Protocols of annotation, and the records that pass through them.

An Engine turns a clip into a Caption or a Reject. The chat engines share one step runner over a
ChatBackend, which turns a request into a Reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Protocol

from vaemo_annotate.engines.request import ChatRequest
from vaemo_annotate.media import ClipSource
from vaemo_annotate.reply import Reply
from vaemo_clips.clip import Clip

if TYPE_CHECKING:
    from vaemo_annotate.cue_book import ClipCues


@dataclass(frozen=True, slots=True)
class ModelIdentity:
    """Who answers: the model, its revision where known, the server's version, how media are shown to it."""

    engine: str
    model: str
    model_revision: str | None
    server_version: str | None


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of a caption, as in `steps` of the dataset; counts are sums over the attempts."""

    name: str
    reply: str
    finish_reason: str
    prompt_tokens: int | None
    cached_tokens: int | None
    completion_tokens: int | None
    latency_s: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Caption:
    """An accepted caption of one sample of one clip: caption fields by name, and how it came about."""

    fields: Mapping[str, Any]
    steps: Sequence[StepRecord]
    request_sha256: str
    seed: int | None
    created_at: str


@dataclass(frozen=True, slots=True)
class Reject:
    """A clip without a caption: a typed reason, its detail, and the steps that did succeed.

    A final reject stands in the ledger and is not tried again by a later run; others (server gone,
    time-outs) are.
    """

    reason: str
    detail: str
    is_final: bool
    steps: Sequence[StepRecord] = field(default=())
    request_sha256: str | None = None


Outcome = Caption | Reject


class Engine(Protocol):
    """Turns clips into captions."""

    async def caption(self, source: ClipSource, sample_index: int) -> Outcome:
        """Caption one sample of one clip; never raises for a fault of the clip."""
        ...


class CueSource(Protocol):
    """Knows what was measured in a clip."""

    async def cues_of(self, clip: Clip) -> ClipCues:
        """Return a clip's cues. Raises MediaError."""
        ...


class ChatBackend(Protocol):
    """A chat server."""

    async def complete(self, request: ChatRequest) -> Reply:
        """Answer one request. Raises RequestFailed when every retry failed."""
        ...


class RequestFailed(Exception):  # noqa: N818 (it is an event of a run, not a fault of the program)
    """A request got no reply after all retries; `reason` is the typed reject it leads to."""

    def __init__(self, reason: str, detail: str, is_final: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.is_final = is_final


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """Return an outcome by field for the ledger, which serialises its steps."""
    return {part.name: getattr(outcome, part.name) for part in fields(outcome)}
