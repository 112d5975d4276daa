"""Aligned crops: what the smoothing takes out and what it leaves in, by planted motion."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.faces import face_models, scene, timed, track_of
from vaemo_clips.faces.alignment import aligned_crops, alignment_of
from vaemo_clips.faces.tracking import track_faces

FPS = 25.0
NUM = 150
TIMES_S = np.arange(NUM) / FPS


def waving(frequency_hz: float, height_px: float = 10.0) -> NDArray[np.float64]:
    centre = np.tile([320.0, 180.0], (NUM, 1))
    centre[:, 0] += height_px * np.sin(2 * np.pi * frequency_hz * TIMES_S)
    return centre


def left_in_crops(frequency_hz: float) -> float:
    """Share of a sideways motion of that frequency that is still there in the crops."""
    centre = waving(frequency_hz)
    track = track_of(range(NUM), centre=centre)
    crop = alignment_of(track, TIMES_S).centre_px
    rest = (centre - crop)[25:-25, 0]
    return float((rest - rest.mean()).std() / (centre[25:-25, 0] - 320).std())


def test_head_tremor_survives_and_slow_drift_is_taken_out() -> None:
    assert left_in_crops(3.0) > 0.95
    assert left_in_crops(2.0) > 0.7
    assert left_in_crops(0.2) < 0.03


def test_half_the_power_of_the_path_is_left_at_the_cutoff() -> None:
    track = track_of(range(NUM), centre=waving(1.0))
    path = alignment_of(track, TIMES_S, cutoff_hz=1.0).centre_px[25:-25, 0]
    assert (path - path.mean()).std() / (10 / np.sqrt(2)) == pytest.approx(np.sqrt(0.5), abs=0.03)


def test_smoothing_has_no_delay_and_follows_a_steady_drift_to_its_ends() -> None:
    centre = np.stack([200 + 1.5 * np.arange(NUM), 150 + 0.5 * np.arange(NUM)], axis=1)
    track = track_of(range(NUM), centre=centre)
    offset = alignment_of(track, TIMES_S).centre_px - centre
    assert np.abs(offset - offset[75]).max() < 0.01


def test_scale_and_turn_of_the_head_are_recovered() -> None:
    track = track_of(range(NUM), eyes_px=80.0, angle=np.full(NUM, 0.3))
    aligned = alignment_of(track, TIMES_S, margin=0.0)
    assert aligned.angle == pytest.approx(0.3, abs=1e-4)
    assert aligned.side_px == pytest.approx(1.9 * 80, rel=1e-3)
    assert alignment_of(track, TIMES_S, margin=0.25).side_px == pytest.approx(1.5 * 1.9 * 80, rel=1e-3)


def test_an_angle_that_passes_half_a_turn_stays_smooth() -> None:
    angle = np.linspace(np.pi - 0.5, np.pi + 0.5, NUM)
    aligned = alignment_of(track_of(range(NUM), angle=angle), TIMES_S)
    assert np.unwrap(aligned.angle) == pytest.approx(angle, abs=0.01)


def test_a_turned_head_is_not_zoomed_in() -> None:
    frontal = track_of(range(NUM), eyes_px=80.0)
    turned = track_of(range(NUM), eyes_px=80.0, yaw_deg=40.0)
    turned.anchors_px[..., 0] = 320 + (frontal.anchors_px[..., 0] - 320) * np.cos(np.radians(40))
    sides = [alignment_of(track, TIMES_S).side_px[0] for track in (frontal, turned)]
    assert sides[1] == pytest.approx(sides[0], rel=0.01)


@pytest.mark.parametrize("how", ["cut", "gap", "leap"])
def test_smoothing_stops_at_a_break(how: str) -> None:
    moved = 300.0 if how == "leap" else 30.0
    index = np.arange(NUM) + (20 if how == "gap" else 0) * (np.arange(NUM) >= 75)
    centre = np.where((np.arange(NUM) < 75)[:, None], [200.0, 180.0], [200.0 + moved, 180.0])
    cuts_s = (75 / FPS,) if how == "cut" else ()
    path = alignment_of(track_of(index, centre=centre), np.arange(NUM + 20) / FPS, cuts_s=cuts_s).centre_px[:, 0]
    assert np.ptp(path[:75]) < 0.01
    assert np.ptp(path[75:]) < 0.01
    assert path[75] - path[74] == pytest.approx(moved, abs=0.01)


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_the_shortest_tracks_give_finite_squares(rows: int) -> None:
    aligned = alignment_of(track_of(range(rows)), TIMES_S)
    assert aligned.side_px.shape == (rows,)
    assert np.isfinite(aligned.centre_px).all()


def test_uneven_picture_times_are_smoothed_by_time() -> None:
    times_s = np.sort(np.concatenate([TIMES_S, TIMES_S[:75] + 0.013]))
    centre = np.stack([320 + 10 * np.sin(2 * np.pi * 0.2 * times_s), np.full(len(times_s), 180.0)], axis=1)
    path = alignment_of(track_of(range(len(times_s)), centre=centre), times_s).centre_px[:, 0]
    assert np.abs(path - centre[:, 0]).max() < 0.5


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="cutoff_hz=0 above 0"):
        alignment_of(track_of(range(3)), TIMES_S, cutoff_hz=0)


def test_crops_come_for_measured_pictures_only_with_the_eyes_level_and_centred() -> None:
    here = [scene((100 + k, 40, 1.0)) for k in range(20)]
    pictures = [*here, *[scene()] * 10]
    tracks = track_faces(timed(pictures), face_models())
    (track,) = tracks.tracks
    crops = list(aligned_crops(timed(pictures), track, tracks.times_s))
    assert [time_s for time_s, _ in crops] == pytest.approx([k / 25 for k in range(20)])
    assert {crop.shape for _, crop in crops} == {(192, 192, 3)}
    again = track_faces(timed([crop for _, crop in crops]), face_models())
    anchors = again.tracks[0].anchors_px.mean(axis=0)
    assert anchors[[0, 3], 0].mean() == pytest.approx(96, abs=4)
    assert anchors[0, 1] == pytest.approx(anchors[3, 1], abs=3)
    assert anchors[3, 0] - anchors[0, 0] == pytest.approx(192 / (1.9 * 1.3), rel=0.05)


def test_larger_frames_than_the_tracked_ones_give_the_same_crops() -> None:
    small = [scene((120, 50, 1.0))] * 3
    large = [np.kron(picture, np.ones((2, 2, 1), dtype=np.uint8)) for picture in small]
    tracks = track_faces(timed(small), face_models())
    track = tracks.tracks[0]
    crops = list(aligned_crops(timed(small), track, tracks.times_s, size_px=96))
    larger = list(aligned_crops(timed(large), track, tracks.times_s, size_px=96, picture_width=tracks.width))
    assert np.abs(crops[1][1].astype(int) - larger[1][1]).mean() < 3


def test_what_lies_outside_the_picture_is_black() -> None:
    track = track_of(range(3), centre=(0.0, 100.0))
    white = [np.full((360, 640, 3), 255, dtype=np.uint8)] * 3
    _, crop = next(aligned_crops(timed(white), track, TIMES_S))
    assert crop[96, 10].tolist() == [0, 0, 0]
    assert crop[96, 180].tolist() == [255, 255, 255]
