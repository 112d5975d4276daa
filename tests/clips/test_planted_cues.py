"""What is planted in the demo clips is found back: pitch, pauses, the face, and which way its cues point."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from tests.support.faces import face_models
from vaemo_clips.cues.cue import by_name
from vaemo_clips.cues.measure import measure
from vaemo_clips.cues.measurement import Measurement
from vaemo_clips.cues.norms import population_norms
from vaemo_clips.demo import DemoClip
from vaemo_clips.probe import probe

FACE_CUES = (
    "brow_raise", "eye_opening", "mouth_opening", "lip_corner_pull", "lip_corner_depress", "head_pitch", "head_yaw",
    "head_roll", "face_motion",
)  # fmt: skip
"""Planted cues whose value counts: those left out, brow_furrow and lip_press, are never more than weak."""
Pair = tuple[DemoClip, Measurement]


@pytest.fixture(scope="module")
def pairs(talking_heads: list[DemoClip]) -> list[Pair]:
    """Each clip with what was measured in it."""
    models = face_models()
    return [(clip, measure(clip.file, probe(clip.file).duration_s, models).measurement) for clip in talking_heads]


def test_the_planted_pitch_is_measured_within_five_percent(pairs: list[Pair]) -> None:
    for clip, found in pairs:
        assert by_name(found.cues)["f0_median"].value == pytest.approx(clip.planted.f0_median_hz, rel=0.05), clip.file


def test_every_planted_pause_is_found_and_both_its_edges(pairs: list[Pair]) -> None:
    missed = [
        (clip.file.name, pause, found.facts.pauses_s)
        for clip, found in pairs
        for pause in clip.planted.pauses_s
        if not any(np.abs(np.subtract(other, pause)).max() <= 0.05 for other in found.facts.pauses_s)
    ]
    assert sum(len(clip.planted.pauses_s) for clip, _ in pairs) >= 5
    assert missed == []


def test_the_face_is_described_in_nearly_every_picture(pairs: list[Pair]) -> None:
    assert {
        clip.file.name: found.facts.face_coverage for clip, found in pairs if found.facts.face_coverage < 0.99
    } == {}
    assert {found.facts.num_faces for _, found in pairs} == {1}


def strong_differences(pairs: list[Pair]) -> Iterator[tuple[str, str, float, float]]:
    """Yield file, cue, planted and measured distance from the speaker's neutral clip, where that is one sd or more."""
    neutral = {clip.speaker: (clip, found) for clip, found in pairs if clip.emotion == "neutral"}
    for clip, found in pairs:
        calm_clip, calm_found = neutral[clip.speaker]
        here, there = by_name(found.cues), by_name(calm_found.cues)
        for name in FACE_CUES:
            assert here[name].state == there[name].state == "measured", f"{clip.file.name}: {here[name]}"
            planted = getattr(clip.planted, name) - getattr(calm_clip.planted, name)
            if abs(planted) >= population_norms()[name].sd:
                yield clip.file.name, name, planted, (here[name].value or 0.0) - (there[name].value or 0.0)


def test_strong_planted_differences_of_the_face_point_the_right_way(pairs: list[Pair]) -> None:
    strong = list(strong_differences(pairs))
    wrong = [item for item in strong if np.sign(item[2]) != np.sign(item[3])]
    assert len(strong) >= 30
    assert {name for _, name, _, _ in strong} == set(FACE_CUES)
    assert len(wrong) <= 0.1 * len(strong), wrong
