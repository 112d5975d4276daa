"""The caption of a clip: its three descriptions with emotions, valence, arousal and confidence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vaemo_annotate.wording.account import affect_description
from vaemo_annotate.wording.acoustic import acoustic_description
from vaemo_annotate.wording.affect import Affect
from vaemo_annotate.wording.rules import Rules, load_rules
from vaemo_annotate.wording.visual import visual_description
from vaemo_clips.cues.cue import Cue
from vaemo_clips.cues.event import Event
from vaemo_clips.cues.measurement import Facts


@dataclass(frozen=True, slots=True)
class Description:
    """What a caption says: the fields of `vaemo_clips.caption.DESCRIPTION_SCHEMA`.

    `emotions` is empty where the evidence is too thin or too mixed for a name, and `neutral` where enough was
    measured and nothing moves.
    """

    visual_description: str
    acoustic_description: str
    affect_description: str
    emotions: list[str]
    valence: float | None
    arousal: float | None
    confidence: float


def describe(
    cues: Sequence[Cue], events: Sequence[Event], facts: Facts, affect: Affect, key: bytes, rules: Rules | None = None
) -> Description:
    """Put cues and the affect read out of them into words. Equal inputs give equal words; `key` varies them."""
    rules = rules or load_rules()
    return Description(
        visual_description=visual_description(cues, events, facts, key, rules),
        acoustic_description=acoustic_description(cues, events, facts, key, rules),
        affect_description=affect_description(affect, key),
        emotions=[] if affect.verdict == "unclear" else affect.names,
        valence=affect.valence,
        arousal=affect.arousal,
        confidence=affect.confidence,
    )
