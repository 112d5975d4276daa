"""A clip's cues as a table for the terminal: values, distances from the usual, and why something is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vaemo_annotate.wording.measures import human_name
from vaemo_clips.cues.cue import Cue, Reason

_UNITS = {
    "eye distances": "eye dist.",
    "eye widths": "eye width",
    "eye distances/s": "eye d./s",
    "redness, negated": "-redness",
    "semitones": "st",
    "semitones/s": "st/s",
    "dB/octave": "dB/oct",
    "syllables/s": "syll./s",
}


@dataclass(frozen=True, slots=True)
class Why:
    """A reason in a word or two for a table's cell, in a sentence, and what can be done about it."""

    word: str
    sentence: str
    remedy: str


WHY: dict[Reason, Why] = {
    "no_video": Why("no picture", "the file has no picture", "use the original if that has one"),
    "no_face": Why("no face", "no face was found", "choose a stretch that shows one with --start and --end"),
    "face_too_small": Why("small face", "the face is small", "use the video in a larger size"),
    "too_dark": Why("dark", "the face is in the dark", "use a brighter recording"),
    "profile": Why("profile", "the head is turned so far that half the face is hidden",
                   "choose a stretch in which it faces the camera with --start and --end"),
    "face_mostly_absent": Why("seldom seen", "the face is missing in most of the pictures",
                              "choose the stretch that shows it with --start and --end"),
    "too_few_frames": Why("few frames", "too few pictures show it (a range wants 8 in 0.5 s, blinks want 2 s)",
                          "use a longer stretch"),
    "weak_source": Why("rough", "this is measured only roughly", "read it as a hint"),
    "no_colour": Why("no colour", "the picture is black and white, the red of lips cannot be seen",
                     "use the original if that has colour"),
    "several_faces": Why("other faces", "another face counts nearly as much as the described one",
                         "check the strip of --plot, or crop the video to one person"),
    "no_audio": Why("no sound", "the file has no sound track", "use the original if that has one"),
    "silent": Why("silent", "the sound track is silent", "check the recording"),
    "no_speech": Why("no speech", "no speech was found", "choose a stretch with speech with --start and --end"),
    "too_little_speech": Why("short", "there is less than 0.5 s of speech, or none of the kind that it needs",
                             "use a longer stretch"),
    "no_voicing": Why("no voicing", "no voiced sound that it could be taken from", "use a longer stretch"),
    "narrow_band": Why("narrow band", "the sound ends below 5 kHz, as from a telephone",
                       "use the recording at 16 kHz or more"),
    "not_finite": Why("broken sound", "the sound has samples that are no numbers", "export the sound again"),
}  # fmt: skip
"""Every reason of a cue, in words."""

_NOTABLE_SD, _STRONG_SD = 1.0, 2.0


def cue_table(face: Sequence[Cue], voice: Sequence[Cue]) -> RenderableType:
    """Return the table of both groups with the reasons of what is weak or missing below it."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=0, header_style="bold", show_edge=False)
    table.add_column("cue", no_wrap=True, min_width=20)
    for name, justify in (("value", "right"), ("unit", "left"), ("sd", "right"), ("-3  0  +3", "left")):
        table.add_column(name, justify="right" if justify == "right" else "left", no_wrap=True)
    table.add_column("cover", justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for title, cues in (("face", face), ("voice", voice)):
        _add_group(table, title, cues)
    return Group(table, Text(), *_notes([*face, *voice]))


def _add_group(table: Table, title: str, cues: Sequence[Cue]) -> None:
    """One row a cue; a single row where none of the group could be measured."""
    table.add_row(Text(title.upper(), style="bold cyan"))
    reasons = {cue.reason for cue in cues}
    if cues and len(reasons) == 1 and all(cue.state == "not_measurable" for cue in cues):
        table.add_row(f"all {len(cues)} cues", "–", "", "", "", "", Text("not measurable", style="dim"))
    else:
        for cue in cues:
            table.add_row(*_cells(cue))
    table.add_section()


def _cells(cue: Cue) -> list[str | Text]:
    name = human_name(cue.name)
    if cue.value is None:
        return [Text(name, style="dim"), "–", "", "", "", "", Text("not measurable", style="dim")]
    value, unit = (100 * cue.value, "%") if cue.unit == "share" else (cue.value, _UNITS.get(cue.unit, cue.unit))
    sd = cue.population_sd
    distance = "" if sd is None else f"{sd:+.1f}"
    state = Text("measured", style="dim") if cue.state == "measured" else Text(_weak(cue), style="yellow")
    cover = f"{cue.coverage:.0%}"
    return [name, _number(value), unit, Text(distance, _style(sd)), Text(scale(sd), _style(sd)), cover, state]


def _weak(cue: Cue) -> str:
    return f"weak: {WHY[cue.reason].word}" if cue.reason else "weak"


def _number(value: float) -> str:
    """Three digits that count: no more is known."""
    size = abs(value)
    if not size:
        return "0"
    decimals = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3
    return f"{value:.{decimals}f}"


def _style(sd: float | None) -> str:
    if sd is None or abs(sd) < _NOTABLE_SD:
        return "dim"
    return "bold" if abs(sd) >= _STRONG_SD else ""


def scale(sd: float | None) -> str:
    """Return where a distance lies between -3 and +3 sd; an arrow beyond.

    >>> scale(1.6)
    '····|·●··'
    """
    if sd is None:
        return ""
    marks = list("····|····")
    place = round(4 + sd * 4 / 3)
    if place < 0:
        marks[0] = "◀"
    elif place > 8:
        marks[8] = "▶"
    else:
        marks[place] = "●"
    return "".join(marks)


def _notes(cues: Iterable[Cue]) -> list[Text]:
    """Why cues are weak or missing, each reason once, with what it concerns and what to do."""
    found: dict[Reason, list[Cue]] = {}
    for cue in cues:
        if cue.reason is not None:
            found.setdefault(cue.reason, []).append(cue)
    return [_note(WHY[reason], concerned) for reason, concerned in found.items()]


def _note(why: Why, cues: Sequence[Cue]) -> Text:
    num_weak = sum(cue.state == "weak" for cue in cues)
    counts = {"weak": num_weak, "not measurable": len(cues) - num_weak}
    which = ", ".join(f"{count} cues {state}" for state, count in counts.items() if count)
    return Text.assemble((f"{why.word}: ", "yellow" if num_weak else "bold"), f"{why.sentence} ({which}); {why.remedy}")
