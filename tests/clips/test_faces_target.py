"""The choice of the target face, from tracks made of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.support.faces import track_of, tracks_of
from vaemo_clips.faces.target import SCORE_WEIGHTS, NoFace, TargetFace, choose_target
from vaemo_clips.faces.track import FaceTrack

NUM = 100
ALWAYS = np.arange(NUM)


def chosen(*tracks: FaceTrack, num_pictures: int = NUM, **settings: Any) -> TargetFace:
    face = choose_target(tracks_of(*tracks, num_pictures=num_pictures, **settings))
    assert isinstance(face, TargetFace)
    return face


def none(*tracks: FaceTrack, num_pictures: int = NUM, **settings: Any) -> NoFace:
    face = choose_target(tracks_of(*tracks, num_pictures=num_pictures, **settings))
    assert isinstance(face, NoFace)
    return face


def test_the_weights_sum_to_one_and_name_the_parts_of_a_score() -> None:
    assert sum(SCORE_WEIGHTS.values()) == pytest.approx(1)
    score = chosen(track_of(ALWAYS)).score
    assert set(score) == set(SCORE_WEIGHTS)
    assert all(0 <= part <= 1 for part in score.values())


@pytest.mark.parametrize(
    "other",
    [track_of(ALWAYS, eyes_px=30), track_of(ALWAYS[:40]), track_of(ALWAYS, centre=(60.0, 60.0))],
    ids=["smaller", "shorter", "off the middle"],
)
def test_the_larger_longer_more_central_face_is_chosen(other: FaceTrack) -> None:
    best = track_of(ALWAYS)
    for order in ([best, other], [other, best]):
        assert chosen(*order).track is best


def test_of_two_like_faces_the_one_that_speaks_is_chosen() -> None:
    times_s = ALWAYS / 25
    syllables = np.maximum(np.sin(2 * np.pi * 2.5 * times_s), 0) * (1 + np.sin(2 * np.pi * 0.4 * times_s))
    silent = track_of(ALWAYS, centre=(220, 180), mouth_opening=0.05 + 0.02 * np.sin(2 * np.pi * 0.7 * times_s))
    speaker = track_of(ALWAYS, centre=(420, 180), mouth_opening=0.02 + 0.1 * syllables)
    sound_s = (np.arange(400) + 0.5) * 0.01
    level = np.interp(sound_s, times_s, syllables)
    sound = sound_s, (-60 + 40 * np.sqrt(level)).astype(np.float32)
    face = choose_target(tracks_of(silent, speaker, num_pictures=NUM), sound)
    assert isinstance(face, TargetFace)
    assert face.track is speaker
    assert face.score["speech"] > 0.6
    assert face.num_faces == 2


@pytest.mark.parametrize("mouth", [0.0, np.nan], ids=["still", "not a number"])
def test_a_mouth_that_tells_nothing_scores_no_speech(mouth: float) -> None:
    sound = np.arange(400) * 0.01, np.full(400, -100, dtype=np.float32)
    face = choose_target(tracks_of(track_of(ALWAYS, mouth_opening=mouth), num_pictures=NUM), sound)
    assert isinstance(face, TargetFace)
    assert face.score["speech"] == 0


@pytest.mark.parametrize(
    ("track", "reason"),
    [
        (track_of(ALWAYS[:40]), "face_mostly_absent"),
        (track_of(ALWAYS, eyes_px=20), "face_too_small"),
        (track_of(ALWAYS, yaw_deg=60.0), "profile"),
        (track_of(ALWAYS, yaw_deg=-60.0), "profile"),
    ],
)
def test_what_speaks_against_a_face_makes_it_weak(track: FaceTrack, reason: str) -> None:
    face = chosen(track)
    assert (face.state, face.reasons) == ("weak", (reason,))


def test_a_mesh_that_is_not_sure_of_its_face_makes_it_weak() -> None:
    track = track_of(ALWAYS)
    track.presence[:] = 0.6
    assert chosen(track).reasons == ("weak_source",)


def test_several_faces_weaken_the_choice_only_where_another_scores_nearly_as_much() -> None:
    target = track_of(ALWAYS)
    apart = chosen(target, track_of(ALWAYS[:50], eyes_px=30, centre=(60.0, 60.0)))
    assert (apart.state, apart.reasons, apart.num_faces) == ("measured", ("several_faces",), 2)
    alike = chosen(target, track_of(ALWAYS, centre=(200.0, 180.0)))
    assert (alike.state, alike.reasons) == ("weak", ("several_faces",))


def test_a_small_face_in_the_background_does_not_count() -> None:
    face = chosen(track_of(ALWAYS, eyes_px=100), track_of(ALWAYS, eyes_px=20, centre=(60.0, 60.0)))
    assert (face.reasons, face.num_faces) == ((), 1)


@pytest.mark.parametrize(("rows", "is_target"), [(2, False), (4, False), (6, True)])
def test_a_face_of_under_a_fifth_of_a_second_is_no_target_of_a_longer_clip(rows: int, is_target: bool) -> None:
    face = choose_target(tracks_of(track_of(ALWAYS[:rows]), num_pictures=NUM))
    assert isinstance(face, TargetFace) == is_target
    if isinstance(face, NoFace):
        assert face.reason == "too_few_frames"
        assert f"{rows} of {NUM} pictures" in face.detail


def test_a_clip_of_a_fifth_of_a_second_may_have_a_target() -> None:
    assert chosen(track_of(ALWAYS[:5]), num_pictures=5).reasons == ("too_few_frames",)


def test_without_a_usable_face_the_reason_is_typed() -> None:
    assert none().reason == "no_face"
    assert none(light=10.0).reason == "too_dark"
    assert none(track_of(ALWAYS, eyes_px=8)).reason == "face_too_small"
    assert none(num_pictures=0).reason == "no_video"
