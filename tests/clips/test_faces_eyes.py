"""Lids: a blink is seen, which the face mesh alone does not show."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.support.faces import face_models, scene, timed
from tests.support.real_data import real_data
from vaemo_clips.faces.geometry import GEOMETRY
from vaemo_clips.faces.target import TargetFace, choose_target
from vaemo_clips.faces.tracking import track_faces
from vaemo_clips.video import iterate_frames

OPENING = GEOMETRY.index("eye_opening")


def test_a_real_blink_is_seen_where_it_happens() -> None:
    frames = iterate_frames(real_data("clips") / "grid_sbwe5n.mpg")
    face = choose_target(track_faces(frames, face_models()))
    assert isinstance(face, TargetFace)
    opening = face.track.geometry[:, OPENING]
    assert 23 <= int(opening.argmin()) <= 27, "the eyes are shut at 1.0 s"
    assert opening.min() < 0.4 * np.median(opening)
    assert (opening > 0.8 * np.median(opening)).mean() > 0.85, "and open before and after"


def test_both_eyes_of_a_mirrored_face_are_as_far_open() -> None:
    picture = scene((140, 40, 1.2))
    mirrored = np.ascontiguousarray(picture[:, ::-1])
    openings = [
        float(np.median(track_faces(timed([image] * 6), face_models()).tracks[0].geometry[:, OPENING]))
        for image in (picture, mirrored)
    ]
    assert openings[0] == pytest.approx(openings[1], rel=0.15)
    assert 0.15 < openings[0] < 0.5


def test_a_turned_picture_changes_the_opening_little() -> None:
    picture = Image.fromarray(scene((140, 40, 1.2)))
    turned = np.asarray(picture.rotate(20, resample=Image.Resampling.BILINEAR, fillcolor=(110, 115, 120)))
    straight, tilted = (
        float(np.median(track_faces(timed([image] * 6), face_models()).tracks[0].geometry[:, OPENING]))
        for image in (np.asarray(picture), turned)
    )
    assert tilted == pytest.approx(straight, rel=0.2)
