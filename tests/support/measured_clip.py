"""A measured clip with planted curves, built by hand: no file, no networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.cues.face_cues import face_cues
from vaemo_clips.cues.face_curves import FaceCurves
from vaemo_clips.cues.measure import Measured
from vaemo_clips.cues.measurement import Facts, Measurement
from vaemo_clips.cues.norms import population_norms
from vaemo_clips.cues.outline import Outline
from vaemo_clips.faces.geometry import GEOMETRY
from vaemo_clips.faces.target import NoFace, TargetFace
from vaemo_clips.faces.track import FaceTrack
from vaemo_clips.voice.cues import voice_cues
from vaemo_clips.voice.curves import HOP_S, VoiceCurves
from vaemo_clips.voice.timbre import TIMBRE_CURVES

FPS = 25
_USUAL = {"brow_raise": "brow_raise", "eye_opening": "eye_opening", "lip_corner_pull": "lip_corner_pull",
          "mouth_opening": "mouth_opening", "yaw_deg": "head_yaw", "pitch_deg": "head_pitch",
          "roll_deg": "head_roll", "lip_corner_depress": "lip_corner_depress"}  # fmt: skip


def measured_clip(
    duration_s: float = 4.0,
    *,
    face: TargetFace | NoFace | None = None,
    voice: VoiceCurves | None = None,
) -> Measured:
    """A clip with the given face and voice; None is no picture, or no sound track."""
    target = face or NoFace("no_video", "the clip has no picture")
    curves = FaceCurves.of(picture_times(duration_s), target.track) if isinstance(target, TargetFace) else None
    facts = Facts(
        duration_s=duration_s, has_video=face is not None, has_audio=voice is not None,
        num_faces=int(isinstance(target, TargetFace)), face_coverage=getattr(target, "coverage", 0.0),
        num_cuts=len(getattr(target, "cuts_s", ())),
        face_reasons=target.reasons if isinstance(target, TargetFace) else (target.reason,),
        voice_reason=voice.reason if voice else "no_audio", pauses_s=voice.pauses_s if voice else (),
    )  # fmt: skip
    cues = (*face_cues(target, curves), *(voice_cues(voice) if voice else ()))
    measurement = Measurement(facts, cues, Outline.of(curves, duration_s)).against_population()
    return Measured(measurement, target, curves, voice)


def picture_times(duration_s: float) -> NDArray[np.float64]:
    """Times of the clip's pictures, (N,)."""
    return np.arange(max(round(duration_s * FPS), 1)) / FPS


def planted_face(
    duration_s: float = 4.0,
    sd: Mapping[str, NDArray[np.float64]] | None = None,
    *,
    absent_s: tuple[float, float] = (0.0, 0.0),
    **fields: Any,
) -> TargetFace:
    """A face that lies on people's norm but for the curves in `sd`, (N,) each, in standard deviations from it."""
    times_s = picture_times(duration_s)
    geometry = np.zeros((len(times_s), len(GEOMETRY)), np.float32)
    norms = population_norms()
    for curve, cue in _USUAL.items():
        distance = (sd or {}).get(curve, np.zeros(len(times_s)))
        geometry[:, GEOMETRY.index(curve)] = norms[cue].mean + distance * norms[cue].sd
    rows = np.flatnonzero((times_s < absent_s[0]) | (times_s >= absent_s[1]))
    ones = np.ones(len(rows), np.float32)
    track = FaceTrack(
        frame_index=rows.astype(np.int32), box_px=np.tile(np.array([20, 20, 120, 120], np.float32), (len(rows), 1)),
        anchors_px=np.zeros((len(rows), 5, 2), np.float32), geometry=geometry[rows], presence=ones,
        brightness=100 * ones,
    )  # fmt: skip
    known: dict[str, Any] = {
        "coverage": len(rows) / len(times_s), "state": "measured", "reasons": (), "num_faces": 1, "score": {},
        "cuts_s": (),
    }  # fmt: skip
    return TargetFace(track, **{**known, **fields})


def planted_voice(duration_s: float = 4.0, **fields: Any) -> VoiceCurves:
    """A voice of 200 Hz that speaks but for a pause from two to three fifths of the clip."""
    num_hops = max(round(duration_s / HOP_S), 1)
    is_speech = np.ones(num_hops, bool)
    pause = slice(2 * num_hops // 5, 3 * num_hops // 5)
    is_speech[pause] = False
    f0_hz = np.where(is_speech, 200.0, np.nan).astype(np.float32)
    known: dict[str, Any] = {
        "loudness_db": np.where(is_speech, -20.0, -60.0).astype(np.float32), "is_speech": is_speech, "f0_hz": f0_hz,
        "tilt_db": np.where(is_speech, -6.0, np.nan).astype(np.float32),
        "pauses_s": ((pause.start * HOP_S, pause.stop * HOP_S),),
        "timbre": {name: np.where(is_speech, 1.0, np.nan).astype(np.float32) for name in TIMBRE_CURVES},
    }  # fmt: skip
    return VoiceCurves(duration_s, **{**known, **fields})


def silent_voice(duration_s: float = 4.0) -> VoiceCurves:
    """Digital silence."""
    num_hops = max(round(duration_s / HOP_S), 1)
    nothing = np.full(num_hops, np.nan, np.float32)
    return planted_voice(
        duration_s, loudness_db=np.full(num_hops, -100, np.float32), is_speech=np.zeros(num_hops, bool), f0_hz=nothing,
        tilt_db=nothing, pauses_s=(), timbre=dict.fromkeys(TIMBRE_CURVES, nothing), reason="silent",
    )  # fmt: skip
