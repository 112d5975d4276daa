"""Measured cues as text for a prompt: a line a cue, with its distance from the usual and its doubts."""

from __future__ import annotations

from collections.abc import Sequence

from vaemo_annotate.wording.contradiction import without_contradictions
from vaemo_annotate.wording.deviation import Deviation, least_sd, notable
from vaemo_annotate.wording.facts import face_reasons, usable, voice_reasons
from vaemo_annotate.wording.measures import TOLD, Modality, human_name, modality, reason_name
from vaemo_annotate.wording.rules import load_rules
from vaemo_annotate.wording.sentence import percent, seconds
from vaemo_clips.cues.cue import Cue
from vaemo_clips.cues.event import Against, Event
from vaemo_clips.cues.measurement import Facts

MAX_CHARS = 2_900
"""No text is longer; lines of the least use are left out, and the text says so."""
_MAX_LINE_CHARS = 160
_MAX_EVENTS = 4

HEADER = (
    "Measured by software; any number can be wrong. people, speaker: distance from a small reference of other "
    "people (talking faces, read neutral speech) and from this speaker's other clips, in standard deviations (sd); "
    "within 1 sd is ordinary. Weak values are rough."
)
_LEGENDS: dict[Modality, str] = {
    "face": "right: of the picture",
    "voice": "higher spectral tilt: brighter; higher HNR: clearer; higher H1-H2: breathier",
}


def cue_text(cues: Sequence[Cue], events: Sequence[Event], facts: Facts) -> str:
    """Return the whole table, of at most `MAX_CHARS`."""
    face, voice = (_lines(cues, events, facts, which) for which in ("face", "voice"))
    return _text([*face, *voice], MAX_CHARS)


def cue_texts(cues: Sequence[Cue], events: Sequence[Event], facts: Facts) -> dict[str, str]:
    """Return the template variable `cues`: `all`, and `face` and `voice` for steps that get one modality only."""
    own = {which: _text(_lines(cues, events, facts, which), MAX_CHARS) for which in ("face", "voice")}
    return {"all": cue_text(cues, events, facts), **own}


def _text(lines: Sequence[str], most: int) -> str:
    kept = [HEADER, *lines]
    while len("\n".join(kept)) > most:
        kept = [*kept[:-2], "(further cues left out)"]
    return "\n".join(kept)


def _lines(cues: Sequence[Cue], events: Sequence[Event], facts: Facts, which: Modality) -> list[str]:
    """Return the lines of one modality; a single one where nothing of it was measured."""
    consistent, events = without_contradictions(usable(cues, facts), events, load_rules())
    own = [cue for cue in consistent if modality(cue.name) == which]
    if all(cue.value is None for cue in own):
        reasons = face_reasons(cues, facts) if which == "face" else voice_reasons(cues, facts)
        return [f"{which.upper()}: not measurable ({', '.join(map(reason_name, reasons)) or 'not measured'})"]
    usual = _usual_coverage(own)
    told = [_line(by, usual) for by in _in_order(own) if by.value is not None]
    others = [_line(by, usual) for by in own if by.name not in TOLD and by.value is not None]
    return [_heading(facts, which, usual), *told, *_missing_lines(own), *_event_lines(own, events, facts), *others]


def _in_order(cues: Sequence[Cue]) -> list[Cue]:
    """Return the cues that prose tells, too, in its order; the others are the first to be left out."""
    return sorted((cue for cue in cues if cue.name in TOLD), key=lambda cue: TOLD.index(cue.name))


def _usual_coverage(cues: Sequence[Cue]) -> str:
    """Return the most frequent coverage, in percent; lines repeat only those that differ."""
    shares = [percent(cue.coverage) for cue in cues if cue.value is not None]
    return max(shares, key=shares.count)


def _heading(facts: Facts, which: Modality, usual: str) -> str:
    several = f"; {facts.num_faces} faces, the one in focus was measured" if facts.num_faces > 1 else ""
    of_face = several if which == "face" else ""
    return f"{which.upper()} (from {usual} % of the clip unless noted{of_face}; {_LEGENDS[which]})"


def _line(cue: Cue, usual_coverage: str) -> str:
    parts = [f"{human_name(cue.name)}: {_number(cue.value or 0.0, cue.unit)} {cue.unit}".rstrip()]
    people_sd = cue.population_sd
    if people_sd is not None and abs(people_sd) >= least_sd(cue.name, "people", load_rules()):
        parts.append(_distance("people", people_sd))
    parts += [_distance("speaker", cue.speaker_sd)] if cue.speaker_sd is not None else []
    coverage = percent(cue.coverage)
    parts += [f"from {coverage} %"] if coverage != usual_coverage else []
    parts += [f"weak: {reason_name(str(cue.reason))}"] if cue.state == "weak" else []
    return _short(", ".join(parts))


def _missing_lines(cues: Sequence[Cue]) -> list[str]:
    """Return a line a reason with the cues it took."""
    missing: dict[str, list[str]] = {}
    for cue in _in_order([cue for cue in cues if cue.value is None]):
        missing.setdefault(reason_name(str(cue.reason)), []).append(human_name(cue.name))
    return [f"not measurable, {reason}: {'; '.join(names)}" for reason, names in missing.items()]


def _event_lines(cues: Sequence[Cue], events: Sequence[Event], facts: Facts) -> list[str]:
    """Return the strongest stretches in order of time; those of cues that could not be measured do not count."""
    measured = {cue.name for cue in cues if cue.value is not None}
    rules = load_rules()
    own = [
        e
        for e in events
        if e.cue in measured and e.begin_s < facts.duration_s and notable(e.cue, Deviation.of(e), rules)
    ]
    strongest = sorted(own, key=lambda e: -abs(e.sd))[:_MAX_EVENTS]
    return [_event_line(event, facts) for event in sorted(strongest, key=lambda e: (e.begin_s, e.cue))]


def _event_line(event: Event, facts: Facts) -> str:
    time = f"{seconds(event.begin_s)} to {seconds(min(event.end_s, facts.duration_s))}"
    return _short(f"{time}: {human_name(event.cue)}, {_distance(event.against, event.signed_sd)}")


def _distance(against: Against, sd: float) -> str:
    return f"{against} {round(sd, 1) + 0.0:+.1f} sd"


def _number(value: float, unit: str) -> str:
    """Return a value for people: no more digits than it can carry."""
    digits = 0 if unit == "Hz" or abs(value) >= 100 else 1 if abs(value) >= 1 else 2
    return f"{round(value, digits) + 0.0:.{digits}f}"


def _short(line: str) -> str:
    """Return a line of bounded length: a name from elsewhere may be long."""
    return line if len(line) <= _MAX_LINE_CHARS else f"{line[: _MAX_LINE_CHARS - 1]}…"
