"""Which clips of a speaker the others are held against: a few, chosen by their ids from the whole manifest.

So a pilot, a shard and the whole run say the same of a clip, and no run measures more than a few clips a speaker
beyond its own.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable

from vaemo_clips.clip import Clip
from vaemo_clips.cues.norms import MIN_OTHER_CLIPS

REFERENCE_CLIPS = 12
"""At most so many clips stand for a speaker."""


def speaker_of(clip: Clip) -> str | None:
    """Return who speaks in a clip, where its source says so."""
    speaker = clip.extra.get("speaker")
    return None if speaker is None or str(speaker) == "" else str(speaker)


def reference_clips(clips: Iterable[Clip], speakers: frozenset[str]) -> dict[str, list[Clip]]:
    """Return the clips that stand for each of `speakers`; speakers with too few clips are left out."""
    heaps: dict[str, list[tuple[int, str, Clip]]] = {speaker: [] for speaker in speakers}
    for clip in clips:
        heap = heaps.get(speaker_of(clip) or "")
        if heap is None:
            continue
        entry = (-_rank(clip.clip_id), clip.clip_id, clip)
        if len(heap) < REFERENCE_CLIPS:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
    return {
        speaker: [clip for _, _, clip in sorted(heap, key=lambda entry: entry[1])]
        for speaker, heap in heaps.items()
        if len(heap) > MIN_OTHER_CLIPS
    }


def _rank(clip_id: str) -> int:
    return int.from_bytes(hashlib.sha256(clip_id.encode()).digest()[:8], "big")
