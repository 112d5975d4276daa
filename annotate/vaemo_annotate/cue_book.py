"""The measured cues of a run's clips: each clip measured once, kept in the ledger, held against its speaker.

A speaker's reference needs the other clips of that speaker, so these are measured before the first caption.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from vaemo_annotate.media import check_unchanged, stat_if_changed
from vaemo_annotate.references import speaker_of
from vaemo_clips.clip import Clip
from vaemo_clips.cues.cue import Cue
from vaemo_clips.cues.event import Event
from vaemo_clips.cues.measurement import Facts, Measurement
from vaemo_clips.cues.norms import SpeakerReference
from vaemo_clips.errors import MediaError
from vaemo_clips.workers import first_cause, in_worker

if TYPE_CHECKING:
    from vaemo_annotate.ledger import Ledger
    from vaemo_clips.faces.models import FaceModels

MEASURE_VERSION = 2
"""Raised when cues come out otherwise than before, so that a ledger's old measurements no longer count."""
_TIMEOUT_S = 120.0
_TIMEOUT_PER_SECOND = 4.0  # of the clip: a slow machine on a large picture


@dataclass(frozen=True, slots=True)
class ClipCues:
    """What was measured in a clip, ready to be put into words."""

    facts: Facts
    cues: tuple[Cue, ...]
    events: tuple[Event, ...]
    digest: str

    @classmethod
    def of(cls, measured: Measurement, reference: SpeakerReference | None = None, clip_id: str = "") -> ClipCues:
        """Hold a measurement against its speaker, where there is a reference."""
        judged = measured.against_speaker(reference, clip_id) if reference else measured
        events = judged.events(reference, clip_id)
        content = orjson.dumps([judged.to_dict(), events], option=orjson.OPT_SORT_KEYS)
        return cls(judged.facts, judged.cues, events, hashlib.sha256(content).hexdigest())


class CueBook:
    """Measures clips in worker processes and knows the speakers."""

    def __init__(self, root: Path, pool: Any, ledger: Ledger) -> None:
        """Measure files below `root` in a pebble.ProcessPool."""
        self._root = root
        self._pool = pool
        self._ledger = ledger
        self._speakers: dict[str, SpeakerReference] = {}

    async def meet_speakers(
        self, references: Mapping[str, Sequence[Clip]], at_once: int, on_done: Callable[[int, int], None]
    ) -> None:
        """Measure the clips that stand for each speaker; `on_done` is told (done, of) after each clip."""
        found: dict[str, dict[str, tuple[Cue, ...]]] = {speaker: {} for speaker in references}
        total = sum(len(clips) for clips in references.values())
        done = 0
        gate = asyncio.Semaphore(at_once)

        async def measure(clip: Clip, speaker: str) -> None:
            nonlocal done
            async with gate:
                # A clip that cannot be measured is met again, and rejected, when its turn comes.
                with suppress(MediaError):
                    found[speaker][clip.clip_id] = (await self._measurement(clip)).cues
            done += 1
            on_done(done, total)

        try:
            async with asyncio.TaskGroup() as tasks:
                for speaker, clips in references.items():
                    for clip in clips:
                        tasks.create_task(measure(clip, speaker))
        except BaseExceptionGroup as group:
            raise first_cause(group) from group
        self._speakers = {speaker: SpeakerReference(cues) for speaker, cues in found.items()}

    async def cues_of(self, clip: Clip) -> ClipCues:
        """Return a clip's cues, measured now or earlier. Raises MediaError."""
        measured = await self._measurement(clip)
        return ClipCues.of(measured, self._speakers.get(speaker_of(clip) or ""), clip.clip_id)

    async def _measurement(self, clip: Clip) -> Measurement:
        key = self._memo_key(clip)
        noted = self._ledger.media_facts(key)
        if noted is not None:
            return Measurement.from_dict(noted).against_population()
        timeout_s = _TIMEOUT_S + _TIMEOUT_PER_SECOND * clip.duration_s
        measured = await in_worker(self._pool, timeout_s, clip.path, measure_clip, self._root / clip.path, clip)
        self._ledger.note_media_facts(key, measured.to_dict())
        return measured

    def _memo_key(self, clip: Clip) -> bytes:
        depends_on = [
            "cues", MEASURE_VERSION, clip.sha256, clip.start_s, clip.end_s, clip.has_video, clip.has_audio,
            _versions(), stat_if_changed(self._root / clip.path, clip),
        ]  # fmt: skip
        return hashlib.sha256(orjson.dumps(depends_on)).digest()


def measure_clip(path: Path, clip: Clip) -> Measurement:
    """Measure one clip of a manifest. Raises MediaError, `file_changed` included."""
    from vaemo_clips.cues.measure import measure

    check_unchanged(path, clip)
    return measure(
        path,
        clip.duration_s,
        _models() if clip.has_video else None,
        begin_s=clip.begin_s,
        has_audio=clip.has_audio,
    ).measurement


def check_face_models() -> None:
    """Raise UserError, with the remedy, where faces could not be measured for want of LiteRT or of its models."""
    _models()


@cache
def _models() -> FaceModels:
    from vaemo_clips.faces.models import FaceModels

    return FaceModels.load()


@cache
def _versions() -> list[str]:
    return [version(name) for name in ("av", "numpy", "pillow", "ai-edge-litert")]
