"""Claims against cues: what is borne out, what is gone against, what nobody can tell, and what is not there at all."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.annotate.wording_clips import FACE_NAMES, VOICE_NAMES, MadeClip, cue, made_clip, told, weak
from vaemo_annotate.quality.finding import DESCRIPTIONS, Findings
from vaemo_annotate.quality.grounding import GroundingCheck, segments
from vaemo_annotate.quality.judgement import GroundingSettings
from vaemo_clips.cues.cue import Cue, Reason


@cache
def shipped() -> GroundingSettings:
    text = files("vaemo_annotate.quality").joinpath("check.yaml").read_text(encoding="utf-8")
    return GroundingSettings.model_validate(yaml.safe_load(text)["grounding"])


def row(visual: str = "", acoustic: str = "", affect: str = "", *cues: Cue, **changes: Any) -> dict[str, Any]:
    texts = dict(zip(DESCRIPTIONS, (visual, acoustic, affect), strict=True))
    return {**texts, "width": 640, "has_audio": True, "cues": [one.to_dict() for one in cues], **changes}


def found(*args: Any, **changes: Any) -> Findings:
    return GroundingCheck(shipped())(row(*args, **changes))


def state(text: str, *cues: Cue) -> str:
    column = "acoustic_description" if cues[0].name in VOICE_NAMES else "visual_description"
    made = row(text, "", "", *cues) if column == "visual_description" else row("", text, "", *cues)
    (segment,) = segments(made, shipped())[column]
    return segment[2].state


def reasons(findings: Findings) -> list[str]:
    return [finding.reason for finding in findings.findings]


@pytest.mark.parametrize(
    ("text", "name", "sd", "expected"),
    [
        ("The brows are raised.", "brow_raise", 1.5, "supported"),
        ("The brows are raised.", "brow_raise", 0.0, "unclear"),
        ("The brows are raised.", "brow_raise", -1.5, "contradicted"),
        ("The brows seem raised.", "brow_raise", -1.5, "unclear"),
        ("The brows are briefly raised.", "brow_raise", -4.0, "unclear"),
        ("The brows are not raised.", "brow_raise", 0.0, "supported"),
        ("The brows are not raised.", "brow_raise", 2.0, "contradicted"),
        ("The brows are not raised.", "brow_raise", -2.0, "supported"),
        ("There is no smile.", "lip_corner_pull", 2.5, "contradicted"),
        ("The head is held still.", "head_motion", 1.2, "unclear"),
        ("The head is held still.", "head_motion", 2.5, "contradicted"),
        ("The head is turned to the left.", "head_yaw", -2.0, "supported"),
        ("The pitch range is moderate.", "f0_range", -2.5, "contradicted"),
        ("The pitch range is moderate.", "f0_range", 1.5, "unclear"),
        ("The voice is bright.", "spectral_tilt", -1.5, "contradicted"),
        ("The voice is breathy.", "h1_h2", 1.0, "supported"),
        ("The voice is harsh.", "harmonicity", 1.5, "contradicted"),
    ],
)
def test_a_claim_is_judged_by_the_side_on_which_its_cue_lies(text: str, name: str, sd: float, expected: str) -> None:
    assert state(text, cue(name, sd)) == expected


def test_a_throat_that_differs_from_other_throats_is_no_evidence() -> None:
    assert state("The pitch is high.", cue("f0_median", -1.5)) == "unclear"
    assert state("The pitch is high.", cue("f0_median", -2.0)) == "contradicted"
    assert state("The pitch is high.", cue("f0_median", speaker_sd=-1.5)) == "contradicted"


def test_a_weak_cue_never_contradicts_alone() -> None:
    frown = "The brows are drawn together."
    assert state(frown, weak("brow_furrow", -3.0)) == "unclear"
    assert state(frown, weak("brow_furrow", 3.0)) == "supported"
    assert state(frown, weak("brow_furrow", -3.0), cue("brow_raise", 2.0)) == "contradicted"


def test_without_a_reference_only_values_out_of_bounds_tell() -> None:
    none, much = replace(cue("pause_share"), value=0.0), replace(cue("pause_share"), value=0.6)
    assert state("There are long pauses.", none) == "contradicted"
    assert state("She speaks without pauses.", much) == "contradicted"
    assert state("There are long pauses.", cue("pause_share")) == "not_measurable"
    assert state("The voice is loud.", cue("loudness_level")) == "not_measurable"
    assert state("Speech is fast.", replace(cue("speech_rate"), value=1.5)) == "contradicted"


def test_a_thing_that_changes_is_judged_by_how_far_it_ranges() -> None:
    text, level = "The voice is loud at first, then soft.", cue("loudness_level", speaker_sd=2.5)
    assert reasons(found("", text, "", level)) == []
    assert reasons(found("", text, "", level, cue("loudness_range", -2.0))) == ["grounding.contradicted"] * 2


def test_a_contradiction_tells_the_quote_the_cue_and_the_distance() -> None:
    findings = found("", "", "The corners of the mouth are raised.", cue("lip_corner_pull", -2.0))
    (finding,) = findings.findings
    assert (finding.column, finding.span) == ("affect_description", (4, 35))
    assert '"corners of the mouth are raised"' in finding.detail
    assert "lip-corner pull is 0.04, -2.0 sd from other people" in finding.detail
    assert findings.scores["grounding.contradicted"] == 1
    assert findings.scores["grounding.coverage"] == 1


@pytest.mark.parametrize("reason", ["no_audio", "silent", "no_speech"])
def test_a_voice_in_a_clip_without_one_is_unsupported(reason: Reason) -> None:
    voice = [Cue.missing(name, "x", reason) for name in VOICE_NAMES]
    assert reasons(found("", "The voice is soft.", "", *voice)) == ["grounding.unsupported"]
    assert reasons(found("", "There is no pause and no sound.", "", *voice)) == []
    whispered = reasons(found("", "He whispers.", "", *voice))
    assert whispered == ([] if reason == "no_speech" else ["grounding.unsupported"])


def test_a_summary_that_calls_an_expression_neutral_needs_no_face() -> None:
    face = [Cue.missing(name, "x", "no_video") for name in FACE_NAMES]
    assert reasons(found("", "", "Taken together, the expression counts as neutral.", *face)) == []
    assert reasons(found("The expression is neutral.", "", "", *face)) == ["grounding.unsupported"]


def test_a_face_in_a_clip_without_one_is_unsupported() -> None:
    face = [Cue.missing(name, "x", "no_face") for name in FACE_NAMES]
    assert reasons(found("The brows are raised.", "", "", *face)) == ["grounding.unsupported"]
    hidden = [Cue.missing(name, "x", "profile") for name in FACE_NAMES]
    assert reasons(found("The brows are raised.", "", "", *hidden)) == []


@pytest.mark.parametrize("text", ["A motionless face.", "Her head hardly budges.", "The lids are at a normal height."])
def test_a_face_at_rest_is_claimed_of_a_clip_without_one_too(text: str) -> None:
    assert reasons(found(text, width=None)) == ["grounding.unsupported"]


@pytest.mark.parametrize("text", ["No smile.", "No head movement can be seen.", "A smile is not visible."])
def test_what_a_clip_without_a_face_does_not_show_may_be_denied(text: str) -> None:
    assert reasons(found(text, width=None)) == []


def test_without_cues_only_what_the_clip_lacks_is_found() -> None:
    texts = ("The brows are raised.", "The voice is loud.", "")
    assert reasons(found(*texts)) == []
    assert found(*texts).scores["grounding.not_measurable"] == 2
    assert reasons(found(*texts, has_audio=False, width=None)) == ["grounding.unsupported"] * 2


def test_a_text_of_which_little_is_borne_out_is_flagged() -> None:
    text = "The brows are raised. The eyes are wide. The mouth is open. The head is raised."
    cues = [cue(name, 0.0) for name in ("brow_raise", "eye_opening", "mouth_opening", "head_pitch")]
    assert reasons(found(text, "", "", *cues)) == ["grounding.low_support"]


def _row_of(clip: MadeClip) -> dict[str, Any]:
    description = told(clip)
    return row(
        *(getattr(description, column) for column in DESCRIPTIONS), *clip.cues,
        width=640 if clip.facts.has_video else None, has_audio=clip.facts.has_audio,
    )  # fmt: skip


def test_captions_made_of_the_cues_themselves_are_borne_out() -> None:
    check = GroundingCheck(shipped())
    scores = [check(_row_of(replace(made_clip(seed), events=[]))).scores for seed in range(400)]
    total = {state: sum(score[f"grounding.{state}"] for score in scores) for state in ("supported", "contradicted")}
    assert total["supported"] > 1500
    assert total["contradicted"] <= 0.002 * total["supported"]


def test_a_text_that_says_both_sides_is_left_open() -> None:
    text = "The eyelids droop. The eyes are wide."
    assert reasons(found(text, "", "", cue("eye_opening", -2.5))) == []
    assert reasons(found("The eyes are wide.", "", "", cue("eye_opening", -2.5))) == ["grounding.contradicted"]


@settings(max_examples=50)
@given(st.integers(0, 10**6))
def test_segments_quote_their_description_and_every_claim_has_one_state(seed: int) -> None:
    made = _row_of(made_clip(seed))
    scores = GroundingCheck(shipped())(made).scores
    told_of = segments(made, shipped())
    for column, parts in told_of.items():
        assert [part[0] for part in parts] == sorted(part[0] for part in parts)
        assert all(made[column][begin:end] == one.claim.quote for begin, end, one in parts)
    states = ("supported", "contradicted", "not_measurable", "unclear")
    assert sum(len(parts) for parts in told_of.values()) == scores["grounding.claims"]
    assert sum(scores[f"grounding.{state}"] for state in states) == scores["grounding.claims"]


def test_settings_out_of_order_are_refused() -> None:
    with pytest.raises(ValidationError, match="marked_sd <= contradicted_sd"):
        GroundingSettings.model_validate(shipped().model_dump() | {"marked_sd": 5.0})
