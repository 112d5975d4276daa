"""Faces over time: real clips, and a portrait that moves, leaves, doubles, darkens, shrinks and lies down."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from tests.support.faces import Picture, face_models, scene, timed
from tests.support.real_data import real_data
from vaemo_clips.faces.detector import iou
from vaemo_clips.faces.geometry import GEOMETRY
from vaemo_clips.faces.target import NoFace, TargetFace, choose_target
from vaemo_clips.faces.track import FaceTracks
from vaemo_clips.faces.tracking import track_faces
from vaemo_clips.video import iterate_frames

GRID = ("bbaf2n", "brbk7n", "lbax4n", "lbbc2a", "lrwp9a", "lwbsza", "pwij3p", "sbia1a", "sbwe5n", "swiz3n")
EMPTY = scene()
NO_FACE = {
    "animation_5_1_audio.mp4": "no_face",
    "av1_mkv_noaudio.mkv": "no_face",
    "hevc_10bit_200px.mp4": "no_face",
    "noface_cartoon.mp4": "no_face",
    "tiny_66x50_60fps.mov": "too_dark",
    "vfr_yuv444.mp4": "no_face",
}


def tracked(pictures: Sequence[Picture], fps: float = 25.0, max_faces: int = 4) -> FaceTracks:
    tracks = track_faces(timed(pictures, fps), face_models(), max_faces=max_faces)
    assert_sound(tracks)
    return tracks


def tracked_clip(name: str) -> FaceTracks:
    tracks = track_faces(iterate_frames(real_data("clips") / name), face_models())
    assert_sound(tracks)
    return tracks


def assert_sound(tracks: FaceTracks) -> None:
    """What holds of every result: finite numbers, rows in time order, one row a picture."""
    assert (np.diff(tracks.times_s) > 0).all()
    assert len(tracks.brightness) == len(tracks.times_s)
    for track in tracks.tracks:
        assert (np.diff(track.frame_index) > 0).all()
        for values in (track.box_px, track.anchors_px, track.presence, track.brightness):
            assert len(values) == len(track.frame_index)
            assert np.isfinite(values).all()
        assert (track.box_px[:, 2:] > track.box_px[:, :2]).all()


@pytest.mark.parametrize("name", GRID)
def test_a_speaker_in_front_of_the_camera_is_followed_throughout(name: str) -> None:
    face = choose_target(tracked_clip(f"grid_{name}.mpg"))
    assert isinstance(face, TargetFace)
    assert face.coverage >= 0.95
    assert (face.state, face.reasons, face.num_faces) == ("measured", (), 1)


@pytest.mark.parametrize(("name", "reason"), NO_FACE.items())
def test_a_clip_without_a_face_has_no_target_and_says_why(name: str, reason: str) -> None:
    face = choose_target(tracked_clip(name))
    assert isinstance(face, NoFace)
    assert face.reason == reason


@pytest.mark.parametrize(
    ("name", "coverage", "reasons", "num_faces"),
    [
        ("debate_two_faces_title.mp4", 0.26, ("face_mostly_absent",), 1),
        ("debate_shot_change.mp4", 0.87, ("face_too_small", "several_faces"), 1),
        ("five_frames_1080p_silent.mp4", 1.0, ("too_few_frames",), 1),
        ("five_frames_many_faces_noaudio.mp4", 1.0, ("too_few_frames", "face_too_small", "several_faces"), 3),
        ("hevc_mov_face_then_none.mov", 0.43, ("face_mostly_absent",), 1),
        ("noaudio_phone_night.mp4", 1.0, (), 1),
    ],
)
def test_a_hard_clip_carries_its_typed_reasons(
    name: str, coverage: float, reasons: tuple[str, ...], num_faces: int
) -> None:
    face = choose_target(tracked_clip(name))
    assert isinstance(face, TargetFace)
    assert face.coverage == pytest.approx(coverage, abs=0.04)
    assert (face.reasons, face.num_faces) == (reasons, num_faces)


def test_shot_changes_are_found_and_a_flash_counts_once() -> None:
    assert tracked_clip("debate_shot_change.mp4").cuts_s == pytest.approx((0.64,), abs=0.01)
    assert tracked_clip("debate_two_faces_title.mp4").cuts_s == pytest.approx((3.56,), abs=0.01)


def test_a_moving_face_is_one_track_whose_box_moves_with_it() -> None:
    (track,) = tracked([scene((40 + 4 * k, 40 + k, 1.0)) for k in range(40)]).tracks
    assert len(track.frame_index) == 40
    assert np.diff(track.box_px[:, 0]).mean() == pytest.approx(4, abs=0.1)
    assert np.diff(track.box_px[:, 1]).mean() == pytest.approx(1, abs=0.1)


def test_a_face_that_comes_back_after_a_short_gap_is_the_same() -> None:
    here = scene((120, 50, 1.0))
    (track,) = tracked([here] * 15 + [EMPTY] * 12 + [here] * 15).tracks
    assert track.frame_index.tolist()[:15] == list(range(15))
    assert 27 <= track.frame_index[15] <= 31, "found again within a tenth of a second"


def test_a_face_that_comes_back_elsewhere_and_larger_is_another() -> None:
    tracks = tracked([scene((10, 90, 0.6))] * 15 + [EMPTY] * 12 + [scene((250, 40, 1.1))] * 15)
    assert len(tracks.tracks) == 2


def test_the_same_framing_after_two_cuts_continues_the_track() -> None:
    elsewhere = np.random.default_rng(0).integers(0, 60, (320, 480, 3)).astype(np.uint8)
    here = scene((120, 50, 1.0))
    tracks = tracked([here] * 12 + [elsewhere] * 40 + [here] * 12)
    assert tracks.cuts_s == pytest.approx((12 / 25, 52 / 25))
    assert [len(track.frame_index) for track in tracks.tracks] == [24]


def test_two_faces_at_once_are_two_tracks_and_the_larger_is_the_target() -> None:
    tracks = tracked([scene((10, 90, 0.7), (220, 40, 1.1))] * 20)
    assert [len(track.frame_index) for track in tracks.tracks] == [20, 20]
    face = choose_target(tracks)
    assert isinstance(face, TargetFace)
    assert face.track.box_px[0, 0] > 220
    assert (face.reasons, face.num_faces) == (("several_faces",), 2)


def test_no_more_faces_than_asked_for_are_followed_and_the_largest_is_kept() -> None:
    tracks = tracked([scene((10, 90, 0.5), (220, 40, 1.1))] * 10, max_faces=1)
    assert [len(track.frame_index) for track in tracks.tracks] == [10]
    assert tracks.tracks[0].box_px[0, 0] > 220


def test_tracks_never_lie_on_one_another() -> None:
    crossing = [scene((10 + 6 * k, 60, 0.9), (260 - 6 * k, 60, 0.9)) for k in range(40)]
    tracks = tracked(crossing).tracks
    for picture in range(40):
        boxes = [t.box_px[t.frame_index == picture] for t in tracks if (t.frame_index == picture).any()]
        if len(boxes) == 2:
            assert iou(boxes[0][0], boxes[1])[0] <= 0.5


def test_a_face_that_leaves_after_the_first_picture_is_no_target() -> None:
    face = choose_target(tracked([scene((120, 50, 1.0))] + [EMPTY] * 30))
    assert isinstance(face, NoFace)
    assert face.reason == "too_few_frames"


def test_one_picture_is_measured_and_says_that_it_is_one() -> None:
    face = choose_target(tracked([scene((120, 50, 1.0))]))
    assert isinstance(face, TargetFace)
    assert (face.coverage, face.state, face.reasons) == (1.0, "weak", ("too_few_frames",))


def test_no_picture_at_all_is_no_video() -> None:
    face = choose_target(tracked([]))
    assert isinstance(face, NoFace)
    assert face.reason == "no_video"


def test_a_dark_face_is_weak_and_black_pictures_say_too_dark() -> None:
    face = choose_target(tracked([scene((120, 50, 1.0), light=0.2)] * 10))
    assert isinstance(face, TargetFace)
    assert (face.state, face.reasons) == ("weak", ("too_dark",))
    black = choose_target(tracked([scene((120, 50, 1.0), light=0.02)] * 10))
    assert isinstance(black, NoFace)
    assert black.reason == "too_dark"


def test_a_tiny_face_is_weak_and_says_so() -> None:
    face = choose_target(tracked([scene((200, 120, 0.35))] * 15))
    assert isinstance(face, TargetFace)
    assert (face.state, face.reasons) == ("weak", ("face_too_small",))


@pytest.mark.parametrize("turns", [1, 3])
def test_a_head_lying_on_its_side_is_found_and_its_roll_says_so(turns: int) -> None:
    pictures = [np.ascontiguousarray(np.rot90(scene((120 + k, 50, 1.0)), turns)) for k in range(12)]
    (track,) = tracked(pictures).tracks
    roll = track.geometry[:, GEOMETRY.index("roll_deg")]
    assert np.abs(roll).mean() == pytest.approx(90, abs=15)


@pytest.mark.parametrize("size", [(2, 2), (16, 9), (9, 300), (1200, 40)])
def test_pictures_of_any_size_are_looked_at(size: tuple[int, int]) -> None:
    assert tracked([scene(size=size)] * 3).tracks == ()


def test_a_low_picture_rate_does_not_lose_a_moving_face() -> None:
    (track,) = tracked([scene((20 + 20 * k, 40, 1.0)) for k in range(12)], fps=4).tracks
    assert len(track.frame_index) >= 11


def test_long_steps_between_few_pictures_stay_one_track() -> None:
    (track,) = tracked([scene((10 + 60 * k, 50, 0.8)) for k in range(6)], fps=5).tracks
    assert len(track.frame_index) == 6


def test_a_face_that_is_covered_ends_its_track() -> None:
    here = scene((120, 50, 1.0))
    pictures = [here.copy() for _ in range(60)]
    for k, picture in enumerate(pictures):
        picture[50 : 50 + 6 * k, 120:320] = (200, 150, 130)
    (track,) = tracked(pictures).tracks
    assert 5 < track.frame_index[-1] < 30, "the block reaches the mouth in picture 25"


def test_a_hand_over_the_face_does_not_break_the_track() -> None:
    tracks = tracked_clip("silent_audio_20s.mp4")
    face = choose_target(tracks)
    assert isinstance(face, TargetFace)
    assert face.coverage >= 0.9
    assert len(tracks.tracks) == 1
