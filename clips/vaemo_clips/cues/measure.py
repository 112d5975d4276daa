"""From a file to its cues: sound first, since the target face is the one whose mouth moves with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.audio import iterate_audio
from vaemo_clips.cues.cue import Cue
from vaemo_clips.cues.face_cues import face_cues
from vaemo_clips.cues.face_curves import FaceCurves
from vaemo_clips.cues.measurement import Facts, Measurement
from vaemo_clips.cues.outline import Outline
from vaemo_clips.faces.models import FaceModels
from vaemo_clips.faces.target import NoFace, Sound, TargetFace, choose_target
from vaemo_clips.faces.tracking import track_faces
from vaemo_clips.video import iterate_frames
from vaemo_clips.voice.cues import VOICE_CUES, voice_cues
from vaemo_clips.voice.curves import VoiceCurves
from vaemo_clips.voice.measure import measure_voice

RATE_HZ = 16000
MAX_FPS = 30.0
OnProgress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """A clip's measurement with the full curves behind it; times count from the begin of the segment.

    `picture_width` is that of the pictures that were looked at: the pixels of `face` are theirs; 0 without a picture.
    """

    measurement: Measurement
    face: TargetFace | NoFace
    face_curves: FaceCurves | None
    voice_curves: VoiceCurves | None
    picture_width: int = 0


def measure(
    path: Path,
    duration_s: float,
    models: FaceModels | None,
    *,
    begin_s: float = 0.0,
    has_audio: bool = True,
    on_progress: OnProgress = lambda seconds: None,
) -> Measured:
    """Measure [begin_s, begin_s + duration_s) of a file, held against people's neutral clips.

    Faces are looked for with `models`; None for a file without a picture. Memory does not grow with the clip
    beyond its curves (about 0.3 kB a picture, 0.1 kB each 10 ms of sound). `on_progress` is told the second of
    the picture that was looked at last. Raises MediaError.
    """
    voice = _voice(path, begin_s, duration_s) if has_audio else None
    face: TargetFace | NoFace = NoFace("no_video", "the clip has no picture")
    face_curves: FaceCurves | None = None
    picture_width = 0
    if models is not None:
        pictures = iterate_frames(path, begin_s, begin_s + duration_s, MAX_FPS)
        tracks = track_faces(_from_zero(pictures, begin_s, on_progress), models)
        picture_width = tracks.width
        face = choose_target(tracks, _sound(voice))
        face_curves = FaceCurves.of(tracks.times_s, face.track, face.cuts_s) if isinstance(face, TargetFace) else None
    voice_part = voice_cues(voice) if voice else _no_voice()
    facts = _facts(duration_s, models is not None, voice, face)
    cues = (*face_cues(face, face_curves), *voice_part)
    measurement = Measurement(facts, cues, Outline.of(face_curves, duration_s)).against_population()
    return Measured(measurement, face, face_curves, voice, picture_width)


def _voice(path: Path, begin_s: float, duration_s: float) -> VoiceCurves:
    return measure_voice(iterate_audio(path, begin_s, duration_s, RATE_HZ), RATE_HZ)


def _no_voice() -> tuple[Cue, ...]:
    return tuple(Cue.missing(name, unit, "no_audio") for name, unit in VOICE_CUES)


def _from_zero(
    pictures: Iterable[tuple[float, NDArray[np.uint8]]], begin_s: float, on_progress: OnProgress
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    for time_s, image in pictures:
        on_progress(time_s - begin_s)
        yield time_s - begin_s, image


def _sound(voice: VoiceCurves | None) -> Sound | None:
    """What a mouth can be seen to move with: the loudness, where somebody speaks."""
    return (voice.times_s, voice.loudness_db) if voice and voice.is_speech.any() else None


def _facts(duration_s: float, has_video: bool, voice: VoiceCurves | None, face: TargetFace | NoFace) -> Facts:
    return Facts(
        duration_s=duration_s,
        has_video=has_video,
        has_audio=voice is not None,
        num_faces=face.num_faces if isinstance(face, TargetFace) else 0,
        face_coverage=face.coverage if isinstance(face, TargetFace) else 0.0,
        num_cuts=len(face.cuts_s) if isinstance(face, TargetFace) else 0,
        face_reasons=face.reasons if isinstance(face, TargetFace) else (face.reason,),
        voice_reason=voice.reason if voice else "no_audio",
        pauses_s=voice.pauses_s if voice else (),
    )
