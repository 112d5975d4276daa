"""Face cues from planted curves: values, coverage, states, and what stands out over time."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from vaemo_clips.cues.cue import Cue, Reason, by_name
from vaemo_clips.cues.face_cues import FACE_CUES, face_cues
from vaemo_clips.cues.face_curves import FaceCurves, smoothed
from vaemo_clips.cues.norms import Norm
from vaemo_clips.cues.outline import MAX_STEPS, Outline
from vaemo_clips.faces.geometry import GEOMETRY
from vaemo_clips.faces.target import NoFace, TargetFace
from vaemo_clips.faces.track import FaceTrack

FPS = 25
State = Literal["measured", "weak"]


def track(frames: NDArray[np.int32], **columns: float | NDArray[np.float64]) -> FaceTrack:
    """A face seen in `frames`, with planted geometry columns (0 elsewhere)."""
    count = len(frames)
    geometry = np.zeros((count, len(GEOMETRY)), np.float32)
    geometry[:, GEOMETRY.index("eye_opening")] = 0.3
    for name, values in columns.items():
        geometry[:, GEOMETRY.index(name)] = values
    ones = np.ones(count, np.float32)
    boxes = np.tile(np.array([10, 10, 110, 130], np.float32), (count, 1))
    anchors = np.zeros((count, 5, 2), np.float32)
    return FaceTrack(frames, boxes, anchors, geometry, ones, 120 * ones)


def target(
    found: FaceTrack, num_frames: int, state: State = "measured", reasons: tuple[Reason, ...] = ()
) -> TargetFace:
    return TargetFace(
        track=found, coverage=len(found.frame_index) / num_frames, state=state, reasons=reasons, num_faces=1,
        score={}, cuts_s=(),
    )  # fmt: skip


def measured(found: FaceTrack, num_frames: int, **changes: object) -> dict[str, Cue]:
    times = np.arange(num_frames) / FPS
    return by_name(face_cues(target(found, num_frames, **changes), FaceCurves.of(times, found)))  # type: ignore[arg-type]


def frames(first: int, end: int) -> NDArray[np.int32]:
    return np.arange(first, end, dtype=np.int32)


def test_every_cue_is_there_whatever_was_found() -> None:
    names = [name for name, _ in FACE_CUES]
    nothing = face_cues(NoFace("no_face", "none was found"), None)
    assert [cue.name for cue in nothing] == names
    assert {cue.state for cue in nothing} == {"not_measurable"}
    assert {cue.reason for cue in nothing} == {"no_face"}
    assert list(measured(track(frames(0, 50)), 50)) == names


def test_a_constant_expression_keeps_its_value_and_does_not_move() -> None:
    cues = measured(track(frames(0, 50), lip_corner_pull=0.4), 50)
    assert cues["lip_corner_pull"].value == pytest.approx(0.4)
    assert cues["lip_corner_pull"].coverage == 1.0
    assert cues["lip_corner_pull_range"].value == pytest.approx(0.0)
    assert cues["lip_corner_pull"].state == "measured"


def test_a_gap_lowers_the_coverage_and_not_the_value() -> None:
    cues = measured(track(np.r_[frames(0, 10), frames(40, 50)].astype(np.int32), brow_raise=0.3), 50)
    assert cues["brow_raise"].value == pytest.approx(0.3)
    assert cues["brow_raise"].coverage == pytest.approx(0.4)


def test_a_profile_has_a_pose_and_no_mouth() -> None:
    cues = measured(track(frames(0, 50), yaw_deg=70.0, mouth_opening=0.2), 50)
    assert cues["head_yaw"].value == pytest.approx(70.0)
    assert (cues["mouth_opening"].state, cues["mouth_opening"].reason) == ("not_measurable", "profile")


def test_one_picture_gives_no_value() -> None:
    cues = measured(track(frames(0, 1)), 1)
    assert {(cue.state, cue.reason) for cue in cues.values()} == {("not_measurable", "too_few_frames")}


def test_what_a_mesh_cannot_see_well_is_weak() -> None:
    cues = measured(track(frames(0, 50)), 50)
    assert {name for name, cue in cues.items() if cue.state == "weak"} == {"brow_furrow", "lip_press"}


def test_a_dark_face_is_weak_evidence_throughout() -> None:
    cues = measured(track(frames(0, 50)), 50, state="weak", reasons=("too_dark",))
    assert cues["brow_raise"].reason == "too_dark"
    assert {cue.state for cue in cues.values() if cue.value is not None} == {"weak"}


def test_blinks_are_counted_and_closed_eyes_are_not_blinks() -> None:
    lids = np.full(150, 0.3)
    lids[20:24] = lids[80:85] = 0.05
    lids[100:140] = 0.05
    cues = measured(track(frames(0, 150), eye_opening=lids), 150)
    assert cues["blink_rate"].value == pytest.approx(2 * 60 / (149 / FPS))


def test_head_motion_is_speed_in_degrees_a_second() -> None:
    cues = measured(track(frames(0, 100), yaw_deg=np.arange(100) / FPS * 12.0), 100)
    assert cues["head_motion"].value == pytest.approx(12.0, rel=0.05)


def test_smoothing_keeps_gaps_as_gaps() -> None:
    times = np.arange(50) / FPS
    values = np.where((times > 0.5) & (times < 1), np.nan, 2.0)
    found = smoothed(times, values, 0.1)
    assert np.array_equal(np.isnan(found), np.isnan(values))
    assert np.nanmax(np.abs(found - 2.0)) < 1e-9


def smile_from_one_to_two_seconds() -> FaceCurves:
    pull = np.where((np.arange(75) >= 25) & (np.arange(75) < 50), 0.5, 0.3)
    return FaceCurves.of(np.arange(75) / FPS, track(frames(0, 75), lip_corner_pull=pull))


def test_a_planted_smile_is_an_event_at_its_time() -> None:
    outline = Outline.of(smile_from_one_to_two_seconds(), 3.0)
    (event,) = outline.events({"lip_corner_pull": Norm(0.3, 0.05)}, {})
    assert (event.begin_s, event.end_s, event.direction, event.against) == (1.0, 2.0, "up", "people")
    assert event.sd == pytest.approx(4.0)


def test_the_speaker_comes_before_people() -> None:
    outline = Outline.of(smile_from_one_to_two_seconds(), 3.0)
    norms = {"lip_corner_pull": Norm(0.3, 0.05)}
    assert outline.events(norms, {"lip_corner_pull": Norm(0.4, 0.2)}) == ()
    assert outline.events(norms, {"lip_corner_pull": Norm(0.2, 0.1)})[0].against == "speaker"


def test_an_outline_stays_small_and_survives_the_ledger() -> None:
    times = np.arange(0, 3600, 0.2)
    curves = FaceCurves.of(times, track(np.arange(0, len(times), 3, dtype=np.int32), lip_corner_pull=0.4))
    outline = Outline.of(curves, 3600.0)
    assert max(len(values) for values in outline.values.values()) <= MAX_STEPS
    assert math.isclose(outline.step_s, 12.0)
    assert Outline.from_dict(outline.to_dict()) == outline


def test_a_clip_without_a_face_has_an_empty_outline() -> None:
    assert Outline.of(None, 3.0).events({"lip_corner_pull": Norm(0, 1)}, {}) == ()
