"""Captions to read: the clip's pictures, its texts with each claim held against the measured cues, the findings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from vaemo_annotate.frame_strip import frame_strip
from vaemo_annotate.quality.checked import Checked
from vaemo_annotate.quality.finding import DESCRIPTIONS, Finding
from vaemo_annotate.quality.grounding import segments
from vaemo_annotate.quality.judgement import JudgedClaim
from vaemo_annotate.report.marked_text import Stretch, quote, stretches
from vaemo_annotate.run_folder import RunFolder
from vaemo_annotate.wording.measures import human_name
from vaemo_clips.clip import CLIP_SCHEMA, Clip
from vaemo_clips.errors import ManifestError, MediaError
from vaemo_clips.hub.portable import without_folders
from vaemo_clips.manifest import Manifest
from vaemo_clips.verdict import Verdict, decide

STATE_WORDS: Mapping[str, str] = {
    "supported": "the measured cue bears it out",
    "contradicted": "the measured cue goes against it",
    "unclear": "the cue is weak, or too near the usual",
    "not_measurable": "the cue could not be measured",
}
_NAMES: Mapping[str, str] = dict(zip(DESCRIPTIONS, ("seen", "heard", "affect"), strict=True))
_LONGEST_REPLY = 4_000
_MOST_OF_A_REASON = 3


@dataclass(frozen=True, slots=True)
class FoundFault:
    """One finding for people: its type, what follows from it, why, and the words it is about."""

    reason: str
    action: str
    detail: str
    quote: Sequence[Stretch]


@dataclass(frozen=True, slots=True)
class Example:
    """One caption as the page shows it; `row` holds the values that need no preparation."""

    row: Mapping[str, Any]
    strip: Sequence[str]
    strip_note: str
    texts: Sequence[tuple[str, Sequence[Stretch]]]
    verdict: Verdict | None
    people: Sequence[Verdict]
    faults: Sequence[FoundFault]
    steps: Sequence[Mapping[str, Any]]


class ExampleMaker:
    """Prepares captions of one run for the page."""

    def __init__(self, checked: Checked) -> None:
        """Open the run's manifest; without it, or without its media, examples have no pictures and say so."""
        self._checked = checked
        try:
            self._manifest: Manifest | None = Manifest.open(RunFolder(checked.out).manifest)
            self._no_media = ""
        except ManifestError as error:
            self._manifest, self._no_media = None, _sentence(error)

    def example(self, row: Mapping[str, Any], verdicts: Sequence[Verdict]) -> Example:
        """Prepare one caption, a whole row of the dataset, with the verdicts on it."""
        strip, note = self._strip(row)
        return Example(
            row=row,
            strip=strip,
            strip_note=note,
            texts=self.texts(row),
            verdict=decide(verdicts),
            people=[verdict for verdict in verdicts if not verdict.is_by_software],
            faults=self.faults(row, verdicts),
            steps=[_step(step) for step in row["steps"] or ()],
        )

    def texts(self, row: Mapping[str, Any]) -> list[tuple[str, list[Stretch]]]:
        """Return the three descriptions with their claims marked."""
        claims = segments({**row, "cues": self._checked.cues_of(row)}, self._checked.settings.grounding)
        shown = []
        for column, name in _NAMES.items():
            marks = [(begin, end, claim.state, _tip(claim)) for begin, end, claim in claims.get(column, ())]
            shown.append((name, stretches(row[column] or "", marks)))
        return shown

    def faults(self, row: Mapping[str, Any], verdicts: Sequence[Verdict]) -> list[FoundFault]:
        """Return what the software's verdict names, with details and words where they are found again."""
        software = decide([verdict for verdict in verdicts if verdict.is_by_software])
        if software is None:
            return []
        found: dict[str, list[Finding]] = {}
        for finding in self._checked.findings_of(row, verdicts):
            found.setdefault(finding.reason, []).append(finding)
        return [
            self._fault(row, reason, finding)
            for reason in software.reasons
            for finding in _first(found.get(reason, [Finding(reason, "")]))
        ]

    def _fault(self, row: Mapping[str, Any], reason: str, finding: Finding) -> FoundFault:
        text = row[finding.column] if finding.column else None
        words = quote(text, finding.span) if text and finding.span else []
        return FoundFault(reason, self._checked.settings.actions.get(reason, ""), finding.detail, words)

    def _strip(self, row: Mapping[str, Any]) -> tuple[list[str], str]:
        """Return the frames of a clip, and why there are none where there are none."""
        if self._manifest is None:
            return [], f"no pictures: {self._no_media}"
        try:
            clip = Clip(**{name: row[name] for name in CLIP_SCHEMA.names}, file_bytes=0, file_mtime_ns=0)
            return frame_strip(self._manifest.file_of(clip), clip), "" if clip.has_video else "sound only"
        except (ManifestError, MediaError) as error:
            return [], f"no pictures: {_sentence(error)}"


def _first(findings: Sequence[Finding]) -> list[Finding]:
    """Return the first findings of one reason; the last one shown tells how many more there are."""
    shown = list(findings[:_MOST_OF_A_REASON])
    if more := len(findings) - len(shown):
        shown[-1] = replace(shown[-1], detail=f"{shown[-1].detail} (and {more} more)")
    return shown


def _step(step: Mapping[str, Any]) -> dict[str, Any]:
    reply = step["reply"] or ""
    more = len(reply) - _LONGEST_REPLY
    return {**step, "reply": reply if more <= 0 else f"{reply[:_LONGEST_REPLY]} … {more:,} more characters"}


def _tip(judged: JudgedClaim) -> str:
    """Say what a claim claims and what was measured."""
    far = "" if judged.sd is None else f", {judged.sd:+.1f} SD".replace("-", "−")
    cue = f" ({human_name(judged.cue)}{far})" if judged.cue else ""
    said = f"{'not ' if judged.claim.is_negated else ''}{judged.claim.direction}"
    claim = f"{judged.claim.aspect.replace('_', ' ')} {said}"
    return f"{claim}; {STATE_WORDS.get(judged.state, judged.state)}{cue}"


def _sentence(error: Exception) -> str:
    return without_folders(str(error))
