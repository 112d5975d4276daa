"""Whether a caption holds against what was measured: claims borne out, gone against, or of what is not there."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vaemo_annotate.quality.claims import Claim, Reading, read
from vaemo_annotate.quality.finding import DESCRIPTIONS, Finding, Findings
from vaemo_annotate.quality.judgement import (
    GroundingSettings,
    JudgedClaim,
    Row,
    absent_modalities,
    is_soundless,
    judge,
)
from vaemo_annotate.quality.lexicon import load_lexicon
from vaemo_annotate.wording.measures import human_name

__all__ = ["GroundingCheck", "GroundingSettings", "JudgedClaim", "Segment", "judge", "segments"]

Segment = tuple[int, int, JudgedClaim]
"""A claim at the characters [begin, end) of a description."""

_DENIES_ALL = re.compile(
    r"\b(?:no|not any|none|nothing|neither|nor|without|lack\w*|absen\w+|missing|free|devoid|can\w*|could\w*|seen?"
    r"|visible|heard|audible|shown?|shows|appears?|detect\w+|discern\w+|evident|present|made)\b"
)
"""What tells that a thing is not there at all ("no smile"), where else a thing is said not to do something."""

_AGAINST = {"speaker": "the speaker's other clips", "people": "other people"}


class GroundingCheck:
    """Reads the claims of the three descriptions and judges them by the row's cues."""

    def __init__(self, settings: GroundingSettings) -> None:
        """Take the thresholds."""
        self._settings = settings

    def __call__(self, row: Row) -> Findings:
        """Return the findings, and as scores the number of claims by state and the share of clauses with a claim."""
        readings = _readings(row)
        judged = judge([claim for reading in readings for claim in reading.claims], row, self._settings)
        counts = dict.fromkeys(("supported", "contradicted", "not_measurable", "unclear"), 0)
        for one in judged:
            counts[one.state] += 1
        findings = [*_contradicted(judged), *_unsupported(row, judged), *self._low_support(counts)]
        scores = {f"grounding.{state}": float(count) for state, count in counts.items()}
        clauses = sum(reading.num_clauses for reading in readings)
        telling = sum(reading.num_telling for reading in readings)
        scores |= {"grounding.claims": float(len(judged)), "grounding.coverage": telling / clauses if clauses else 0.0}
        return Findings(findings, scores)

    def _low_support(self, counts: dict[str, int]) -> Iterator[Finding]:
        measurable = counts["supported"] + counts["contradicted"] + counts["unclear"]
        share = self._settings.low_support_share
        if measurable >= self._settings.low_support_claims and counts["supported"] < share * measurable:
            detail = f"{counts['supported']} of {measurable} measurable claims borne out by cues, below {share:g}"
            yield Finding("grounding.low_support", detail)


def segments(row: Row, settings: GroundingSettings) -> dict[str, list[Segment]]:
    """Return the judged claims of each description in the order of the text, for pages that colour them."""
    judged = judge([claim for reading in _readings(row) for claim in reading.claims], row, settings)
    found: dict[str, list[Segment]] = {column: [] for column in DESCRIPTIONS}
    for one in sorted(judged, key=lambda one: one.claim.span):
        found[one.claim.column].append((*one.claim.span, one))
    return found


def _readings(row: Row) -> list[Reading]:
    return [read(row.get(column) or "", column) for column in DESCRIPTIONS]


def _contradicted(judged: list[JudgedClaim]) -> Iterator[Finding]:
    for one in judged:
        if one.state == "contradicted":
            yield Finding("grounding.contradicted", _why(one), one.claim.column, one.claim.span)


def _why(one: JudgedClaim) -> str:
    said = f'"{one.claim.quote}" says {_said(one.claim)}, yet {human_name(one.cue or "")} is {one.value:.3g}'
    if one.against == "bound":
        return f"{said}, out of the bounds of that for anybody"
    return f"{said}, {one.sd:+.1f} sd from {_AGAINST[one.against or 'people']}"


def _said(claim: Claim) -> str:
    return f"{'not ' * claim.is_negated}{claim.aspect.replace('_', ' ')} {claim.direction}"


def _unsupported(row: Row, judged: list[JudgedClaim]) -> Iterator[Finding]:
    claims = [one.claim for one in judged if one.state == "not_measurable"]
    gone = absent_modalities(row) if claims else {}
    for claim in claims:
        why = gone.get(claim.modality)
        says_nothing = (claim.direction == "absent" or claim.is_negated) and _DENIES_ALL.search(claim.quote.lower())
        is_sound = load_lexicon().aspects[claim.aspect].without_speech and not is_soundless(row)
        # "The expression counts as neutral" sums up a voice just as well.
        is_summary = claim.direction == "usual" and claim.column == "affect_description"
        if why and not (says_nothing or is_sound or is_summary):
            yield Finding("grounding.unsupported", f'"{claim.quote}": {why}', claim.column, claim.span)
