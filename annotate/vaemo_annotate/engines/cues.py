"""The engine without a model: what was measured in a face and a voice, put into words by written rules."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import orjson

from vaemo_annotate.engines.base import Caption, CueSource, ModelIdentity, Outcome, Reject, StepRecord
from vaemo_annotate.engines.request import request_key
from vaemo_annotate.reply import Reply
from vaemo_annotate.wording.affect import Affect, judge
from vaemo_annotate.wording.describe import describe
from vaemo_annotate.wording.facts import unmeasured
from vaemo_clips.errors import MediaError

if TYPE_CHECKING:
    from vaemo_annotate.concurrency import ConcurrencyLimit
    from vaemo_annotate.cue_book import ClipCues
    from vaemo_annotate.ledger import Ledger
    from vaemo_annotate.media import ClipSource

STEP = "describe"
_PARTS = (
    ("vaemo_annotate.wording", "rules.yaml"),
    ("vaemo_annotate.wording", "phrases.yaml"),
    ("vaemo_clips.cues", "face_norms.yaml"),
    ("vaemo_clips.cues", "voice_norms.yaml"),
)


@cache
def identity() -> ModelIdentity:
    """Return who speaks: `model_revision` is the digest of the rules, the phrases and the norms."""
    digest = hashlib.sha256()
    for package, name in _PARTS:
        digest.update((files(package) / name).read_bytes())
    return ModelIdentity("cues", "vaemo-cues", digest.hexdigest()[:12], version("vaemo"))


class CuesEngine:
    """Engine over measured cues; deterministic: sample k of a clip says the same in other words."""

    def __init__(
        self,
        book: CueSource,
        ledger: Ledger,
        limit: ConcurrencyLimit,
        seed: int | None,
        on_reply: Callable[[Reply], None],
    ) -> None:
        """Describe what `book` measures; replies are kept in the ledger, so that a resumed run repeats nothing."""
        self._book = book
        self._ledger = ledger
        self._limit = limit
        self._seed = seed
        self._on_reply = on_reply

    async def caption(self, source: ClipSource, sample_index: int) -> Outcome:
        """Caption one sample of one clip (Engine)."""
        began = time.monotonic()
        try:
            async with self._limit.slot():
                found = await self._book.cues_of(source.clip)
        except MediaError as error:
            return Reject(error.reason, error.detail, is_final=False)
        nothing = unmeasured(found.cues, found.facts)
        if nothing is not None:
            return Reject(nothing.reason, nothing.detail, is_final=True)
        key = self._key(found, sample_index)
        async with self._ledger.alone(key):
            replies = self._ledger.replies(key)
            if not replies:
                content = _content(found, judge(found.cues, found.facts, found.events), key)
                replies = [_reply(content, time.monotonic() - began)]
                await self._ledger.commit_reply(key, 0, STEP, source.clip.clip_id, replies[0])
                self._on_reply(replies[0])
        return self._caption(replies[0], found, key)

    def _key(self, found: ClipCues, sample_index: int) -> bytes:
        who = identity()
        return request_key(
            {"engine": who.engine, "revision": [who.model_revision, who.server_version], "cues": found.digest,
             "seed": self._seed, "sample_index": sample_index}
        )  # fmt: skip

    def _caption(self, reply: Reply, found: ClipCues, key: bytes) -> Caption:
        content = orjson.loads(reply.text)
        fields = {name: value for name, value in content.items() if name != "evidence"}
        fields["cues"] = [cue.to_dict() for cue in found.cues]
        step = StepRecord(STEP, reply.text, reply.finish_reason, None, None, None, reply.latency_s, 1)
        return Caption(fields, [step], key.hex(), self._seed, reply.created_at)


def _reply(content: dict[str, Any], seconds: float) -> Reply:
    """Return what goes into the ledger: the caption's fields and the evidence behind them."""
    text = orjson.dumps(content).decode()
    return Reply(200, text, "stop", None, None, None, seconds, 1, datetime.now(UTC).isoformat())


def _content(found: ClipCues, affect: Affect, key: bytes) -> dict[str, Any]:
    """Put the cues into words; `evidence` names the rules that spoke, with their sources."""
    description = describe(found.cues, found.events, found.facts, affect, key)
    return {**asdict(description), "evidence": [asdict(item) for item in affect.evidence]}
