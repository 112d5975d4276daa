"""Cues that nobody measured: what a probe tells a prompt that asks for them, since true ones would give it away."""

from __future__ import annotations

from vaemo_annotate.cue_book import ClipCues
from vaemo_clips.clip import Clip
from vaemo_clips.cues.measurement import Facts


class UnmeasuredCues:
    """A CueSource without cues."""

    async def cues_of(self, clip: Clip) -> ClipCues:
        """Return the cues of a clip that was not measured: none of its face, none of its voice."""
        facts = Facts(clip.duration_s, True, True, 1, 1.0, 0, (), None, ())
        return ClipCues(facts, (), (), "unmeasured")
