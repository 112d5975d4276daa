"""The visual description: what was measured of the face and head, in observable terms."""

from __future__ import annotations

from collections.abc import Sequence

from vaemo_annotate.wording.facts import face_reasons
from vaemo_annotate.wording.paragraph import Material, Parts, gather, paragraph
from vaemo_annotate.wording.phrasing import Phrasing
from vaemo_annotate.wording.rules import Rules
from vaemo_annotate.wording.sentence import joined, percent
from vaemo_clips.cues.cue import Cue, Reason, by_name
from vaemo_clips.cues.event import Event
from vaemo_clips.cues.measurement import Facts

_FULLY_COVERED = 0.9
_ANGLES = (("head_yaw", 12.0), ("head_roll", 10.0))
"""Head angles with the size in degrees from which they are told: those of a mesh are off by some degrees.

There is no pitch: where its zero lies hangs on the camera and the face, so that it is told against others only."""


def visual_description(cues: Sequence[Cue], events: Sequence[Event], facts: Facts, key: bytes, rules: Rules) -> str:
    """Return what is seen, when, how strong and against whom, and what could not be seen and why."""
    material = gather("visual", cues, events, facts, rules)
    reasons = face_reasons(cues, facts)
    if not facts.has_video or not material.has_values:
        return joined([_nothing(facts, reasons, Phrasing(b"visual\0" + key))])
    return paragraph(material, key, _own_parts)


def _nothing(facts: Facts, reasons: Sequence[Reason], phrasing: Phrasing) -> str:
    if not facts.has_video:
        return phrasing.pick("visual.no_video")
    why = " and ".join(phrasing.pick(f"because.{reason}") for reason in reasons[:2])
    return phrasing.pick("visual.nothing", why=why or phrasing.pick("because.unknown"))


def _own_parts(material: Material, phrasing: Phrasing) -> Parts:
    return {"scene": _scene(material.facts, phrasing), "pose": _pose(material, phrasing)}


def _scene(facts: Facts, phrasing: Phrasing) -> list[str]:
    """Return how many faces there are and how much of the time the described one is in view, where that matters."""
    said = []
    if facts.num_faces > 1:
        said.append(phrasing.pick("visual.scene.several", n=str(facts.num_faces)))
    if 0 < facts.face_coverage < _FULLY_COVERED:
        seen = percent(facts.face_coverage)
        said.append(phrasing.pick("visual.scene.covered", percent=seen, absent=str(100 - int(seen))))
    return said


def _pose(material: Material, phrasing: Phrasing) -> list[str]:
    """Return the head's large angles as one sentence."""
    cues = by_name(material.cues)
    told = {seen.cue for seen in material.seen}
    said = []
    for name, least in _ANGLES:
        cue = cues.get(name)
        if cue is not None and cue.value is not None and abs(cue.value) >= least and name not in told:
            side = "right" if cue.value > 0 else "left"
            slot = f"visual.pose.{name.removeprefix('head_')}.{side}"
            said.append(phrasing.pick(slot, angle=f"{abs(cue.value):.0f}"))
    return [phrasing.pick("visual.pose.lead", clauses=" and ".join(said))] if said else []
