"""The acoustic description: what was measured of the voice, in observable terms."""

from __future__ import annotations

from collections.abc import Sequence

from vaemo_annotate.wording.facts import VOICELESS, voice_reasons
from vaemo_annotate.wording.paragraph import Material, Parts, gather, paragraph
from vaemo_annotate.wording.phrasing import Phrasing
from vaemo_annotate.wording.rules import Rules
from vaemo_annotate.wording.sentence import joined, percent, seconds
from vaemo_clips.cues.cue import Cue, by_name
from vaemo_clips.cues.event import Event
from vaemo_clips.cues.measurement import Facts

_PAUSES_WORTH_TELLING = 0.1
_LONG_PAUSE_S = 0.5


def acoustic_description(cues: Sequence[Cue], events: Sequence[Event], facts: Facts, key: bytes, rules: Rules) -> str:
    """Return how the voice sounds, against whom, and what could not be measured and why."""
    material = gather("acoustic", cues, events, facts, rules)
    reasons = voice_reasons(cues, facts)
    phrasing = Phrasing(b"acoustic\0" + key)
    if material.has_values:
        return paragraph(material, key, _own_parts)
    if reasons and reasons[0] in VOICELESS:
        return joined([phrasing.pick(f"acoustic.nothing.{reasons[0]}")])
    why = " and ".join(phrasing.pick(f"because.{reason}") for reason in reasons[:2])
    return joined([phrasing.pick("acoustic.nothing.other", why=why or phrasing.pick("because.unknown"))])


def _own_parts(material: Material, phrasing: Phrasing) -> Parts:
    return {"values": _values(material, phrasing)}


def _values(material: Material, phrasing: Phrasing) -> list[str]:
    """Return what means something by itself: the pitch in Hz, the share of pauses, the longest pause."""
    cues = by_name(material.cues)
    said = []
    pitch, pauses = cues.get("f0_median"), cues.get("pause_share")
    if pitch is not None and pitch.value is not None:
        said.append(phrasing.pick("acoustic.pitch_value", hz=f"{pitch.value:.0f}"))
    if pauses is not None and pauses.value is not None and pauses.value >= _PAUSES_WORTH_TELLING:
        said.append(phrasing.pick("acoustic.pause_value", percent=percent(pauses.value)))
    return [", and ".join(said), *_longest_pause(material, phrasing)]


def _longest_pause(material: Material, phrasing: Phrasing) -> list[str]:
    """Return when the longest pause is, if it is long enough to be heard as one."""
    begin_s, end_s = max(material.facts.pauses_s, key=lambda pause: pause[1] - pause[0], default=(0.0, 0.0))
    if end_s - begin_s < _LONG_PAUSE_S:
        return []
    return [phrasing.pick("acoustic.longest_pause", begin=seconds(begin_s), end=seconds(end_s))]
