"""From a mesh to numbers: signs, scale, and the head's pose taken out."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from vaemo_clips.faces.geometry import GEOMETRY, Details, GeometryMeter

Points = NDArray[np.float32]
DETAILS = Details(eye_opening=0.3, inner_brow=0.1, lip_redness=0.05)


def face(brow: float = 0.0, corner: float = 0.0, jaw: float = 0.0) -> Points:
    """A flat-featured face, 100 px between the outer eye corners, x right, y down, z away from the camera."""
    mesh = np.zeros((468, 3), np.float32)
    for left, right, x, y in [
        (33, 263, 50, 0), (133, 362, 20, 0), (98, 327, 15, 50), (234, 454, 70, 20), (127, 356, 68, 0),
        (162, 389, 66, -25),
        (63, 293, 46, -25 - brow), (105, 334, 38, -30 - brow), (66, 296, 28, -30 - brow), (107, 336, 18, -26 - brow),
        (61, 291, 26 + corner / 2, 78 - corner),
    ]:  # fmt: skip
        mesh[left], mesh[right] = (-x, y, 0), (x, y, 0)
    for point, y in [
        (10, -80),
        (151, -60),
        (9, -35),
        (2, 52),
        (94, 48),
        (0, 70),
        (13, 76),
        (14, 77 + jaw),
        (17, 86 + jaw),
    ]:
        mesh[point] = (0, y, 0)
    return mesh


def turned(mesh: Points, yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Points:
    """Turn the head towards the picture's right, up, and its top to the picture's right (degrees)."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return np.asarray(mesh @ (about_z @ about_y @ about_x).T, np.float32)


def measured(mesh: Points) -> dict[str, float]:
    return dict(zip(GEOMETRY, GeometryMeter().measure(mesh, 0.0, DETAILS).tolist(), strict=True))


def test_lengths_are_in_eye_distances() -> None:
    values = measured(face())
    assert values["brow_raise"] == pytest.approx(0.2775, abs=1e-4)
    assert values["mouth_opening"] == pytest.approx(0.01, abs=1e-4)
    assert measured(3 * face()) == pytest.approx(values, abs=1e-4, nan_ok=True)


@pytest.mark.parametrize(
    ("name", "moved"),
    [
        ("brow_raise", face(brow=5)),
        ("lip_corner_pull", face(corner=5)),
        ("lip_corner_depress", face(corner=-5)),
        ("mouth_opening", face(jaw=10)),
    ],
)
def test_a_movement_raises_its_own_value(name: str, moved: Points) -> None:
    assert measured(moved)[name] > measured(face())[name] + 0.02


def test_a_dropping_jaw_is_no_smile_and_no_frown() -> None:
    talking, still = measured(face(jaw=15)), measured(face())
    assert talking["lip_corner_pull"] == pytest.approx(still["lip_corner_pull"], abs=1e-4)
    assert talking["lip_corner_depress"] == pytest.approx(still["lip_corner_depress"], abs=1e-4)


@pytest.mark.parametrize("pose", [{"yaw": 25.0}, {"pitch": -15.0}, {"roll": 30.0}])
def test_the_pose_is_read_with_its_sign_and_leaves_the_rest_as_it_is(pose: dict[str, float]) -> None:
    straight, posed = measured(face()), measured(turned(face(), **pose))
    for angle in ("yaw", "pitch", "roll"):
        assert posed[f"{angle}_deg"] == pytest.approx(pose.get(angle, 0.0), abs=0.1)
    for name in GEOMETRY[3:-1]:
        assert posed[name] == pytest.approx(straight[name], abs=1e-3), name


def test_motion_is_speed_inside_the_head_and_unknown_for_the_first_picture() -> None:
    meter = GeometryMeter()
    assert np.isnan(meter.measure(face(), 0.0, DETAILS)[-1])
    assert meter.measure(turned(face() + 40, yaw=5), 0.04, DETAILS)[-1] == pytest.approx(0, abs=0.02), (
        "the head moved, the face did not"
    )
    assert meter.measure(face(brow=10), 0.08, DETAILS)[-1] > 0.5
