"""The one face that a clip is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.cues.cue import Reason
from vaemo_clips.faces.geometry import GEOMETRY
from vaemo_clips.faces.speaking import mouth_follows_sound
from vaemo_clips.faces.track import FaceTrack, FaceTracks

Sound = tuple[NDArray[np.floating], NDArray[np.floating]]
"""Times in seconds and loudness in dB, (T,) each, on the clock of the pictures."""

SCORE_WEIGHTS: Mapping[str, float] = MappingProxyType({"length": 0.4, "size": 0.3, "centre": 0.1, "speech": 0.2})
"""What makes a face the target; each part is in [0, 1]."""

_LARGE = 0.4  # of the picture's short side: a larger face scores no more
_MIN_SIZE_PX, _SMALL_PX = 20.0, 48.0
_DARK_FACE, _DARK_PICTURE = 45.0, 40.0  # luma; dark skin in good light is at 60 to 80
_PROFILE_DEG = 45.0
_SURE = 0.8  # presence; a face that the mesh fits is above 0.95
_PRESENT = 0.5
_FLEETING_PICTURES, _FLEETING_S, _SHORT_CLIP_S = 3, 0.2, 0.5
_FEW_PICTURES, _FEW_S = 8, 0.3
_COUNTING_SIZE, _COUNTING_SHARE, _COUNTING_S = 0.4, 0.1, 1.0
_RIVAL = 0.8
_YAW = GEOMETRY.index("yaw_deg")


@dataclass(frozen=True, slots=True)
class TargetFace:
    """The face that cues and crops are taken from, and how good it is.

    `coverage` in [0, 1]: share of the clip's pictures in which it was measured. `state` is `weak` where a
    reason speaks against its numbers; `several_faces` alone does so only where another face scores nearly as
    much. `reasons`: the gravest first. `num_faces`: the largest number of faces seen at once, this one and
    those large and long enough to count. `score`: its parts by name (see `SCORE_WEIGHTS`).
    """

    track: FaceTrack
    coverage: float
    state: Literal["measured", "weak"]
    reasons: tuple[Reason, ...]
    num_faces: int
    score: Mapping[str, float]
    cuts_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class NoFace:
    """Why a clip has no target face; `detail` for people."""

    reason: Reason
    detail: str


def choose_target(tracks: FaceTracks, sound: Sound | None = None) -> TargetFace | NoFace:
    """The largest, longest, most central face, and where there is sound the one whose mouth moves with it."""
    if not len(tracks.times_s):
        return NoFace("no_video", "no picture was looked at")
    lasting = [track for track in tracks.tracks if not _is_fleeting(track, tracks)]
    usable = [track for track in lasting if track.size_px >= _MIN_SIZE_PX]
    if not usable:
        return _why_none(tracks, lasting)
    scores = [_score(track, tracks, sound) for track in usable]
    order = sorted(range(len(usable)), key=lambda place: -_total(scores[place]))
    track, score = usable[order[0]], scores[order[0]]
    others = [other for other in usable if other is not track and _counts(other, track, tracks)]
    reasons = _reasons(track, tracks, bool(others))
    has_rival = bool(others) and _total(scores[order[1]]) >= _RIVAL * _total(score)
    is_weak = has_rival or any(reason != "several_faces" for reason in reasons)
    num_faces = _most_at_once([track, *others], len(tracks.times_s))
    state: Literal["measured", "weak"] = "weak" if is_weak else "measured"
    return TargetFace(track, _coverage(track, tracks), state, reasons, num_faces, score, tracks.cuts_s)


def _is_fleeting(track: FaceTrack, tracks: FaceTracks) -> bool:
    if _clip_s(tracks) <= _SHORT_CLIP_S:
        return False
    return len(track.frame_index) < _FLEETING_PICTURES or _seen_s(track, tracks) < _FLEETING_S


def _why_none(tracks: FaceTracks, lasting: list[FaceTrack]) -> NoFace:
    num = len(tracks.times_s)
    if lasting:
        largest = max(track.size_px for track in lasting)
        return NoFace("face_too_small", f"the largest face is {largest:.0f} px high, under {_MIN_SIZE_PX:.0f} px")
    if tracks.tracks:
        most = max(len(track.frame_index) for track in tracks.tracks)
        return NoFace("too_few_frames", f"a face was seen in no more than {most} of {num} pictures")
    light = float(np.median(tracks.brightness)) if len(tracks.brightness) else 255.0
    if light < _DARK_PICTURE:
        return NoFace(
            "too_dark", f"no face was found in {num} pictures whose brightest parts have a luma of {light:.0f}"
        )
    return NoFace("no_face", f"no face was found in {num} pictures")


def _score(track: FaceTrack, tracks: FaceTracks, sound: Sound | None) -> dict[str, float]:
    """The parts of `SCORE_WEIGHTS` in [0, 1]."""
    short_side = min(tracks.width, tracks.height)
    centre = track.box_px.reshape(-1, 2, 2).mean(axis=(0, 1))
    middle = np.array([tracks.width, tracks.height]) / 2
    off_centre = float(np.linalg.norm((centre - middle) / middle)) / np.sqrt(2)
    return {
        "length": _coverage(track, tracks),
        "size": min(track.size_px / (_LARGE * short_side), 1.0),
        "centre": float(max(1 - off_centre, 0.0)),
        "speech": mouth_follows_sound(track, tracks.times_s, *sound) if sound else 0.0,
    }


def _total(score: Mapping[str, float]) -> float:
    return sum(weight * score[name] for name, weight in SCORE_WEIGHTS.items())


def _coverage(track: FaceTrack, tracks: FaceTracks) -> float:
    return len(track.frame_index) / len(tracks.times_s)


def _clip_s(tracks: FaceTracks) -> float:
    return float(tracks.times_s[-1] - tracks.times_s[0]) + _picture_s(tracks)


def _seen_s(track: FaceTrack, tracks: FaceTracks) -> float:
    return len(track.frame_index) * _picture_s(tracks)


def _picture_s(tracks: FaceTracks) -> float:
    return float(np.median(np.diff(tracks.times_s))) if len(tracks.times_s) > 1 else 0.0


def _counts(other: FaceTrack, target: FaceTrack, tracks: FaceTracks) -> bool:
    is_long = _coverage(other, tracks) >= _COUNTING_SHARE or _seen_s(other, tracks) >= _COUNTING_S
    return is_long and other.size_px >= _COUNTING_SIZE * target.size_px


def _most_at_once(faces: list[FaceTrack], num_pictures: int) -> int:
    return int(np.sum([np.bincount(face.frame_index, minlength=num_pictures) for face in faces], axis=0).max())


def _reasons(track: FaceTrack, tracks: FaceTracks, has_others: bool) -> tuple[Reason, ...]:
    """What speaks against the target's numbers, the gravest first."""
    num_rows, coverage = len(track.frame_index), _coverage(track, tracks)
    found: dict[Reason, bool] = {
        "too_few_frames": num_rows < _FEW_PICTURES or _seen_s(track, tracks) < _FEW_S,
        "face_too_small": track.size_px < _SMALL_PX,
        "too_dark": float(np.median(track.brightness)) < _DARK_FACE,
        "weak_source": float(np.median(track.presence)) < _SURE,
        "profile": float(np.median(np.abs(track.geometry[:, _YAW]))) > _PROFILE_DEG,
        "face_mostly_absent": coverage < _PRESENT,
        "several_faces": has_others,
    }
    return tuple(reason for reason, holds in found.items() if holds)
