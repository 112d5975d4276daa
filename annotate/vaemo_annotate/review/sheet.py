"""What the page shows of one caption, as JSON's own types."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from itertools import pairwise
from typing import Any, Final

from vaemo_annotate.quality.finding import DESCRIPTIONS, Finding
from vaemo_annotate.wording.measures import human_name, reason_name
from vaemo_clips.caption import DESCRIPTION_SCHEMA, PROVENANCE_SCHEMA, caption_digest
from vaemo_clips.clip import CLIP_SCHEMA
from vaemo_clips.verdict import Verdict

OWN_COLUMNS: Final = frozenset([*CLIP_SCHEMA.names, *DESCRIPTION_SCHEMA.names, *PROVENANCE_SCHEMA.names])
"""Every other column of a caption dataset is the manifest's: the gold labels, and whatever the source had."""
_TITLES: Final = {"visual_description": "Seen", "acoustic_description": "Heard", "affect_description": "Affect"}
_LONGEST = 2_000
_CUE_FIELDS = ("name", "value", "unit", "state", "reason", "coverage", "population_sd", "speaker_sd")


@dataclass(frozen=True, slots=True)
class Mark:
    """Characters [begin, end) of a description, and what is to be said of them.

    `state` is that of a judged claim (supported, contradicted, not_measurable, unclear) or `finding`.
    """

    column: str
    begin: int
    end: int
    state: str
    note: str


@dataclass(frozen=True, slots=True)
class Judged:
    """What the software says of a caption: its verdict, where it wrote one, findings, marks in the text, and cues."""

    verdict: Verdict | None = None
    findings: Sequence[Finding] = ()
    marks: Sequence[Mark] = ()
    cues: Sequence[Mapping[str, Any]] = ()


def sheet_of(row: Mapping[str, Any], judged: Judged, own: Verdict | None) -> dict[str, Any]:
    """Return one caption; `own` is what the person who looks at it said before. No number in it is infinite or NaN."""
    return {
        "clip_id": row["clip_id"],
        "sample_index": row["sample_index"] or 0,
        "caption_sha256": caption_digest(row),
        "duration_s": number(row["duration_s"]),
        "has_video": row["width"] is not None,
        "has_audio": bool(row["has_audio"]),
        **said(row, judged.marks),
        "cues": [_cue(cue) for cue in judged.cues],
        "findings": [
            {"reason": one.reason, "detail": one.detail, "column": _TITLES.get(one.column or "")}
            for one in judged.findings
        ],
        "software": judged.verdict.verdict if judged.verdict else None,
        "own": own_words(own),
        "gold": [{"name": name, "value": shown(row[name])} for name in row if name not in OWN_COLUMNS],
        "model": f"{row['model']} · {row['prompt_name']} {row['prompt_version']}",
    }


def said(row: Mapping[str, Any], marks: Sequence[Mark] = ()) -> dict[str, Any]:
    """Return what a caption says: its texts in pieces, emotions and numbers."""
    texts = [
        {
            "column": column,
            "title": _TITLES[column],
            "pieces": pieces(row[column] or "", [mark for mark in marks if mark.column == column]),
        }
        for column in DESCRIPTIONS
    ]
    numbers = {name: number(row[name]) for name in ("valence", "arousal", "confidence")}
    return {"texts": texts, "emotions": [str(word) for word in row["emotions"] or []], **numbers}


def _cue(cue: Mapping[str, Any]) -> dict[str, Any]:
    reason = cue.get("reason")
    known = {name: plain(cue.get(name)) for name in _CUE_FIELDS}
    return {**known, "label": human_name(cue["name"]), "reason": reason and reason_name(reason)}


def own_words(own: Verdict | None) -> dict[str, Any] | None:
    """Return a person's verdict for the page."""
    if own is None:
        return None
    return {"verdict": own.verdict, "reasons": list(own.reasons), "fixed_description": own.fixed_description}


def pieces(text: str, marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """Cut a text where its marks begin and end: joined, the pieces are the text, and each bears all marks on it."""
    inside = [mark for mark in marks if 0 <= mark.begin < mark.end <= len(text)]
    edges = sorted({0, len(text), *(mark.begin for mark in inside), *(mark.end for mark in inside)})
    cut: list[dict[str, Any]] = []
    for begin, end in pairwise(edges):
        here = [mark for mark in inside if mark.begin <= begin and end <= mark.end]
        states = [mark.state for mark in here]
        cut.append(
            {"text": text[begin:end], "states": list(dict.fromkeys(states)), "notes": [mark.note for mark in here]}
        )
    return cut


def number(value: Any) -> float | None:
    """Return a finite number, else None."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def plain(value: Any) -> str | int | float | bool | None:
    """Return a value of a cue as JSON has it."""
    if isinstance(value, bool | str | int) or value is None:
        return value
    return number(value)


def shown(value: Any) -> str:
    """Return any value of a manifest's column as a text of bounded length."""
    if value is None:
        return "–"
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
