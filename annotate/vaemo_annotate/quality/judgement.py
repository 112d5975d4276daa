"""Claims against measured cues: which ones the measurements bear out, and which ones they go against."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vaemo_annotate.quality.claims import Claim
from vaemo_annotate.quality.lexicon import Aspect, Evidence, Modality, load_lexicon
from vaemo_annotate.wording.facts import VOICELESS
from vaemo_annotate.wording.measures import modality
from vaemo_annotate.wording.rules import load_rules

JudgedState = Literal["supported", "contradicted", "not_measurable", "unclear"]
Row = Mapping[str, Any]
Sd = Annotated[float, Field(gt=0, le=10)]

_FACELESS = ("no_video", "no_face")
_SOUNDLESS = ("no_audio", "silent")


class Bounds(BaseModel):
    """Values of a cue, in its unit, below or above which a claim is wrong for anybody: `up_below`, `down_above`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    up_below: float
    down_above: float


class GroundingSettings(BaseModel):
    """From which distances on, in standard deviations, claims are borne out or gone against. See `check.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    supported_sd: Sd
    contradicted_sd: Sd
    marked_sd: Sd
    hedged_sd: Sd
    partial_sd: Sd
    absent_sd: Sd
    usual_sd: Sd
    bounds: dict[str, Bounds]
    low_support_claims: int = Field(ge=1)
    low_support_share: float = Field(ge=0, le=1)

    @model_validator(mode="after")
    def _ordered(self) -> GroundingSettings:
        if not self.marked_sd <= self.contradicted_sd <= min(self.hedged_sd, self.partial_sd):
            raise ValueError("marked_sd <= contradicted_sd <= hedged_sd, partial_sd does not hold")
        return self


@dataclass(frozen=True, slots=True)
class JudgedClaim:
    """A claim with what was measured: the deciding cue, its value and its distance, where there are any."""

    claim: Claim
    state: JudgedState
    cue: str | None = None
    sd: float | None = None
    value: float | None = None
    against: Literal["speaker", "people", "bound"] | None = None


@dataclass(frozen=True, slots=True)
class _Measured:
    cue: str
    value: float
    sd: float | None
    against: Literal["speaker", "people"] | None
    is_weak: bool
    least_sd: float

    def toward(self, evidence: Evidence) -> float | None:
        """The distance towards the aspect, None where there is none or where people differ as much between them."""
        if self.sd is None:
            return None
        return evidence.sign * self.sd if abs(self.sd) >= self.least_sd else 0.0


def absent_modalities(row: Row) -> dict[Modality, str]:
    """Return which of face and voice a clip does not have, and why."""
    found: dict[Modality, str] = {}
    if not row.get("width"):
        found["face"] = "the clip has no picture"
    if not row.get("has_audio"):
        found["voice"] = "the clip has no sound"
    reasons: dict[Modality, set[Any]] = {"face": set(), "voice": set()}
    for cue in row.get("cues") or ():
        reasons[modality(cue["name"])].add(cue.get("reason") if cue.get("value") is None else "measured")
    for name, gone in (("face", _FACELESS), ("voice", VOICELESS)):
        why = reasons[name]  # type: ignore[index]
        if why and why <= set(gone):
            found.setdefault(name, f"the cues say {', '.join(sorted(why))}")  # type: ignore[arg-type]
    return found


def is_soundless(row: Row) -> bool:
    """Tell whether a clip holds no sound at all: a whisper is sound without what a detector takes for speech."""
    reasons = {cue.get("reason") for cue in row.get("cues") or () if modality(cue["name"]) == "voice"}
    return not row.get("has_audio") or (bool(reasons) and reasons <= set(_SOUNDLESS))


def judge(found: Sequence[Claim], row: Row, settings: GroundingSettings) -> list[JudgedClaim]:
    """Judge the claims of one caption by the cues of its row."""
    gone = absent_modalities(row)
    measured = {cue["name"]: seen for cue in row.get("cues") or () if (seen := _measured(cue)) is not None}
    judged = [_judged(claim, {} if claim.modality in gone else measured, settings) for claim in found]
    return _of_changes(_without_own_counterparts(judged), measured, settings)


def _without_own_counterparts(judged: list[JudgedClaim]) -> list[JudgedClaim]:
    """Leave open what goes against the cues where the same text also says what they bear out: it says both."""
    borne = {(one.claim.column, one.claim.aspect) for one in judged if one.state == "supported"}
    return [
        replace(one, state="unclear")
        if one.state == "contradicted" and (one.claim.column, one.claim.aspect) in borne
        else one
        for one in judged
    ]


def _measured(cue: Mapping[str, Any]) -> _Measured | None:
    value = cue.get("value")
    if value is None:
        return None
    weak, name = cue.get("state") == "weak", cue["name"]
    own, people = cue.get("speaker_sd"), cue.get("population_sd")
    if own is not None and math.isfinite(own):
        return _Measured(name, value, own, "speaker", weak, 0.0)
    if people is not None and math.isfinite(people):
        return _Measured(name, value, people, "people", weak, load_rules().people_threshold.get(name, 0.0))
    return _Measured(name, value, None, None, weak, 0.0)


def _judged(claim: Claim, measured: Mapping[str, _Measured], settings: GroundingSettings) -> JudgedClaim:
    aspect = load_lexicon().aspects[claim.aspect]
    bounded = _out_of_bounds(claim, aspect, measured, settings)
    if bounded is not None:
        return bounded
    known = [(one, seen) for one in aspect.cues if (seen := measured.get(one.cue)) and seen.sd is not None]
    if not known or (known[0][0] is not aspect.cues[0] and not known[0][0].alone):
        return JudgedClaim(claim, "not_measurable")
    first, seen = known[0]
    toward = _favour(claim, aspect, first, seen)
    others = [(_favour(claim, aspect, one, other), other.is_weak) for one, other in known[1:]]
    state = _state(claim, toward, seen.is_weak, others, settings)
    return JudgedClaim(claim, state, seen.cue, seen.sd, seen.value, seen.against)


def _favour(claim: Claim, aspect: Aspect, evidence: Evidence, seen: _Measured) -> float:
    """Return how far a cue lies on the side that a claim names, whether it affirms or denies that side."""
    toward = seen.toward(evidence) or 0.0
    if aspect.unsigned or claim.direction == "usual":
        return abs(toward)
    return -toward if claim.direction == "down" else toward


def _state(
    claim: Claim, toward: float, is_weak: bool, others: Sequence[tuple[float, bool]], settings: GroundingSettings
) -> JudgedState:
    denies = claim.direction in ("usual", "absent") or claim.is_negated
    if denies and not (claim.direction == "usual" and claim.is_negated):
        return _state_of_denial(claim, toward, is_weak, settings)
    if toward >= settings.supported_sd:
        return "supported"
    limit = _limit(claim, settings)
    if claim.direction == "usual" or load_lexicon().aspects[claim.aspect].unsigned or limit is None or toward > -limit:
        return "unclear"
    if claim.aspect == "pauses" and claim.direction == "present":
        return "unclear"
    if any(other >= settings.supported_sd for other, _ in others):
        return "unclear"
    if is_weak and not any(other <= -limit and not weak for other, weak in others):
        return "unclear"
    return "contradicted"


def _state_of_denial(claim: Claim, toward: float, is_weak: bool, settings: GroundingSettings) -> JudgedState:
    """Judge "no smile", "not raised", "a moderate pitch": wrong where the cue lies far on the very side denied."""
    if toward < settings.supported_sd:
        return "supported"
    least = settings.usual_sd if claim.direction == "usual" else settings.absent_sd
    limit = _limit(claim, settings)
    return "unclear" if is_weak or limit is None or toward < max(least, limit) else "contradicted"


def _limit(claim: Claim, settings: GroundingSettings) -> float | None:
    """Return from which distance on a claim is contradicted; None for one of a moment, which no median can judge."""
    if claim.extent == "moment":
        return None
    if claim.hedged or claim.extent == "part":
        return max(settings.hedged_sd * claim.hedged, settings.partial_sd * (claim.extent == "part"))
    return settings.marked_sd if claim.is_marked else settings.contradicted_sd


def _out_of_bounds(
    claim: Claim, aspect: Aspect, measured: Mapping[str, _Measured], settings: GroundingSettings
) -> JudgedClaim | None:
    """Return a claim that is wrong by the value itself, whatever is usual."""
    seen, bounds = measured.get(aspect.cues[0].cue), settings.bounds.get(aspect.cues[0].cue)
    if seen is None or bounds is None or seen.is_weak or claim.extent == "moment" or claim.direction == "usual":
        return None
    says_more = (claim.direction in ("up", "present")) != claim.is_negated
    is_wrong = seen.value <= bounds.up_below if says_more else seen.value >= bounds.down_above
    return JudgedClaim(claim, "contradicted", seen.cue, seen.sd, seen.value, "bound") if is_wrong else None


def _of_changes(
    judged: list[JudgedClaim], measured: Mapping[str, _Measured], settings: GroundingSettings
) -> list[JudgedClaim]:
    """Take back contradictions of what is said to change: "loud at first, then soft" has a mean in between."""
    said: dict[tuple[str, str], list[JudgedClaim]] = {}
    for one in judged:
        said.setdefault((one.claim.column, one.claim.aspect), []).append(one)
    changing = {key for key, ones in said.items() if len(ones) > 1 and _is_change(ones)}
    if not changing:
        return judged
    return [
        _of_change(one, measured, settings) if (one.claim.column, one.claim.aspect) in changing else one
        for one in judged
    ]


def _is_change(ones: Iterable[JudgedClaim]) -> bool:
    sides = {(one.claim.direction in ("up", "present")) != one.claim.is_negated for one in ones}
    return len(sides) == 2 and any(one.claim.extent != "clip" for one in ones)


def _of_change(one: JudgedClaim, measured: Mapping[str, _Measured], settings: GroundingSettings) -> JudgedClaim:
    if one.state == "not_measurable":
        return one
    span = measured.get(load_lexicon().aspects[one.claim.aspect].range or "")
    if span is None or span.sd is None or span.is_weak or span.sd > -settings.partial_sd:
        return replace(one, state="unclear")
    return JudgedClaim(one.claim, "contradicted", span.cue, span.sd, span.value, span.against)
