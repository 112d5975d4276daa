"""Canaries: two clips with planted truth that every run asks about first, to learn whether its model looks and listens.

One shows a drawn face and is silent, the other is black and has a voice. The prompt is the run's own, and what it is
told of the clips does not give them away: both are said to have picture and sound.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vaemo_annotate.engines.base import Caption, Outcome
from vaemo_annotate.media import ClipSource, EncodedMedia
from vaemo_annotate.probes.canary_media import SECONDS, Heard, Shown, canary_media, picture_size
from vaemo_annotate.probes.canary_verdict import CanaryOutcome, judge_canaries
from vaemo_annotate.probes.statement import COLUMN, INPUT, Said, reply_text, said
from vaemo_annotate.probes.unmeasured import UnmeasuredCues
from vaemo_annotate.quality.lexicon import Modality
from vaemo_annotate.settings import CanaryMode
from vaemo_clips.clip import Clip
from vaemo_clips.errors import ServerError
from vaemo_clips.workers import first_cause

if TYPE_CHECKING:
    from vaemo_annotate.engines.opening import OpenEngine, RunParts
    from vaemo_annotate.prompt import Prompt
    from vaemo_annotate.reply import Reply

SAMPLES = 3
"""How often each clip is asked about."""
_CLIPS: tuple[tuple[Shown, Heard], ...] = (("face", "silence"), ("black", "voice"))

Heeded = Mapping[tuple[str, Modality], list[Said | str]]
"""By clip (what is shown, what is heard) and modality: what each sample said of it, or why it said nothing."""


@dataclass(frozen=True, slots=True)
class CanaryReport:
    """What the canaries of a run said. `replies` were asked for now; the others were in the ledger."""

    mode: CanaryMode
    asked: int
    replies: int
    outcomes: tuple[CanaryOutcome, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return what run.json keeps."""
        outcomes = {outcome.name: outcome.to_dict() for outcome in self.outcomes}
        return {"mode": self.mode, "asked": self.asked, "replies_asked_now": self.replies, "outcomes": outcomes}


class CanarySource:
    """Holds a canary's media, made already (MediaDecoder)."""

    def __init__(self, media: EncodedMedia) -> None:
        """Take the media of one clip."""
        self._media = media

    def memo_key(self, clip: Clip) -> bytes:
        """Return the digest of the media."""
        return _digest(self._media)

    async def decode(self, clip: Clip) -> EncodedMedia:
        """Return the media."""
        return self._media


async def ask_canaries(
    mode: CanaryMode, opened: OpenEngine, parts: RunParts, announce: Callable[[str], None]
) -> CanaryReport:
    """Ask about the canaries of the modalities that the prompt takes; nothing of it counts as a clip of the run.

    Raises ServerError in mode `stop` where most samples invent a modality that is not there or ignore one that is.
    The embedded engine, which measures, is not asked.
    """
    modalities = [modality for modality in COLUMN if INPUT[modality] in parts.prompt.inputs]
    if mode == "off" or opened.dialect is None or not modalities:
        return CanaryReport(mode, 0, 0, ())
    replies: list[Reply] = []
    engine = opened.engine(replace(parts, book=UnmeasuredCues(), on_reply=replies.append))
    sources = {f"{shown}, {heard}": _source(shown, heard, parts) for shown, heard in _CLIPS}
    announce(f"canaries: {len(sources)} clips of planted truth are asked about {SAMPLES} times each")
    names = [(name, number) for name in sources for number in range(SAMPLES)]
    try:
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(engine.caption(sources[name], number)) for name, number in names]
    except BaseExceptionGroup as group:
        raise first_cause(group) from group
    heeded: dict[tuple[str, Modality], list[Said | str]] = {}
    for (name, _), task in zip(names, asked, strict=True):
        for modality in modalities:
            heeded.setdefault((name, modality), []).append(said_of(modality, task.result(), parts.prompt))
    report = CanaryReport(mode, len(asked), len(replies), tuple(_judged(heeded, modalities)))
    _tell(report, announce)
    return report


def _source(shown: Shown, heard: Heard, parts: RunParts) -> ClipSource:
    prompt = parts.prompt
    media = canary_media(shown, heard, prompt.media, prompt.inputs)
    name, (width, height) = f"canary-{shown}-{heard}", picture_size(prompt.media)
    frames = round(SECONDS * prompt.media.fps)
    clip = Clip(
        name, f"{name}.mp4", _digest(media).hex(), None, None, SECONDS, width, height, prompt.media.fps, max(frames, 1),
        True, prompt.media.audio_rate_hz, 1, 0, 0, {"text": ""},
    )  # fmt: skip
    return ClipSource(clip, CanarySource(media), parts.ledger)


def _digest(media: EncodedMedia) -> bytes:
    video, audio = media.facts.video, media.facts.audio
    return hashlib.sha256(f"{video and video.digest} {audio and audio.digest}".encode()).digest()


def said_of(modality: Modality, outcome: Outcome, prompt: Prompt) -> Said | str:
    """Return what a caption says of a modality, or the reason where there is no caption.

    Besides its description, the replies of those steps count that were shown this modality and not the other.
    """
    if not isinstance(outcome, Caption):
        return f"{outcome.reason}: {outcome.detail}"
    other = INPUT["voice" if modality == "face" else "face"]
    own = [step.name for step in prompt.steps if INPUT[modality] in step.inputs and other not in step.inputs]
    replies = [reply_text(step.reply) for step in outcome.steps if step.name in own]
    return said(modality, outcome.fields.get(COLUMN[modality]), replies)


def _judged(heeded: Heeded, modalities: list[Modality]) -> list[CanaryOutcome]:
    (face, silence), (black, voice) = _CLIPS
    with_face, with_voice = f"{face}, {silence}", f"{black}, {voice}"
    outcomes: list[CanaryOutcome] = []
    if "voice" in modalities:
        outcomes += judge_canaries("voice", heeded[with_voice, "voice"], heeded[with_face, "voice"])
    if "face" in modalities:
        outcomes += judge_canaries("face", heeded[with_face, "face"], heeded[with_voice, "face"])
    return outcomes


def _tell(report: CanaryReport, announce: Callable[[str], None]) -> None:
    """Announce the outcomes. Raises ServerError where the run is to stop."""
    for outcome in report.outcomes:
        if outcome.is_fault and report.mode == "stop":
            raise ServerError(f"{outcome.sentence()}; {outcome.remedy()}, or go on with --canaries warn")
        if outcome.is_fault:
            announce(f"warning: {outcome.sentence()}; {outcome.remedy()}")
        elif outcome.outcome == "inconclusive":
            announce(outcome.sentence())


def canary_line(record: Mapping[str, Any]) -> str | None:
    """Return the canaries of run.json in one line; None where none were asked."""
    outcomes = record["outcomes"]
    if not outcomes:
        return None
    shown = ", ".join(f"{name} {outcome['outcome']}" for name, outcome in outcomes.items())
    return f"canaries ({record['asked']} captions, not counted above): {shown}"
