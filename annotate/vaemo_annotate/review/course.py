"""The course of a clip's cues over time as plain numbers: what the page draws beside the caption."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from vaemo_annotate.wording.measures import reason_name
from vaemo_clips.cues.norms import Norm, moment_norms, population_norms
from vaemo_clips.errors import UserError
from vaemo_clips.voice.curves import HOP_S
from vaemo_clips.voice.runs import runs_of

if TYPE_CHECKING:
    from vaemo_clips.cues.face_curves import FaceCurves
    from vaemo_clips.faces.models import FaceModels
    from vaemo_clips.voice.curves import VoiceCurves

COURSE_VERSION: Final = 1
"""Of what `course_of` returns; part of the cache's names."""
MAX_POINTS: Final = 400
"""Of a curve: more than a page has pixels for."""
_WAVE_COLUMNS = 400
_RATE_HZ = 16000


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    label: str
    unit: str
    cue: str  # whose norm it is held against


_FACE = (
    _Row("brow_raise", "brow height", "eye dist.", "brow_raise"),
    _Row("lip_corner_pull", "lip corners", "eye dist.", "lip_corner_pull"),
    _Row("mouth_opening", "mouth", "eye dist.", "mouth_opening"),
    _Row("yaw_deg", "head turn", "deg", "head_yaw"),
    _Row("pitch_deg", "head nod", "deg", "head_pitch"),
)


@dataclass(frozen=True, slots=True)
class Course:
    """One curve: `times_s` and `values` (P,), None where nothing was measured; `usual` is people's mean and sd."""

    name: str
    label: str
    unit: str
    part: str
    times_s: list[float]
    values: list[float | None]
    usual: tuple[float, float] | None = None


def course_of(path: Path, begin_s: float, duration_s: float, has_video: bool, has_audio: bool) -> dict[str, Any]:
    """Measure [begin_s, begin_s + duration_s) of a file; return JSON's own types only. Raises MediaError.

    `curves` (see `Course`), `wave` [low, high] of equal columns in [-1, 1], `speech` and `pauses` as half-open
    (begin, end), `face_reason` and `voice_reason` why there is no face or no voice. Times count from the clip's begin.
    """
    from vaemo_clips.cues.measure import measure

    models, without_models = _models_or_why() if has_video else (None, None)
    measured = measure(path, duration_s, models, begin_s=begin_s, has_audio=has_audio)
    face, voice = measured.face_curves, measured.voice_curves
    facts = measured.measurement.facts
    courses = [*(_face_courses(face) if face else ()), *(_voice_courses(voice) if voice else ())]
    return {
        "duration_s": duration_s,
        "curves": [asdict(course) for course in courses],
        "wave": _wave(path, begin_s, duration_s) if has_audio else None,
        "speech": [[b * HOP_S, e * HOP_S] for b, e in runs_of(voice.is_speech).tolist()] if voice else [],
        "pauses": [list(pause) for pause in voice.pauses_s] if voice else [],
        "face_reason": without_models
        or (None if face else ", ".join(reason_name(reason) for reason in facts.face_reasons)),
        "voice_reason": facts.voice_reason and reason_name(facts.voice_reason),
    }


def _face_courses(face: FaceCurves) -> Iterator[Course]:
    for row in _FACE:
        norm = moment_norms().get(row.cue) or population_norms().get(row.cue)
        yield _course(row, "face", face.times_s, face.values[row.name], norm)


def _voice_courses(voice: VoiceCurves) -> Iterator[Course]:
    pitch = _Row("f0_hz", "pitch", "Hz", "")
    yield _course(pitch, "voice", voice.times_s, voice.f0_hz.astype(np.float64), None)
    loudness = _Row("loudness_db", "loudness", "dBFS", "")
    yield _course(loudness, "voice", voice.times_s, voice.loudness_db.astype(np.float64), None)


def _course(
    row: _Row, part: str, times_s: NDArray[np.float64], values: NDArray[np.float64], norm: Norm | None
) -> Course:
    at_s, shown = thinned(times_s, values)
    usual = (norm.mean, norm.sd) if norm else None
    return Course(row.name, row.label, row.unit, part, at_s, shown, usual)


def thinned(times_s: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[list[float], list[float | None]]:
    """Take means of equal runs of points, so that at most `MAX_POINTS` are left; a run without a value has None."""
    run = max(math.ceil(len(times_s) / MAX_POINTS), 1)
    at_s: list[float] = []
    shown: list[float | None] = []
    for first in range(0, len(times_s), run):
        known = values[first : first + run][np.isfinite(values[first : first + run])]
        at_s.append(round(float(times_s[first : first + run].mean()), 4))
        shown.append(round(float(known.mean()), 5) if len(known) else None)
    return at_s, shown


def _wave(path: Path, begin_s: float, duration_s: float) -> list[list[float]]:
    """Least and greatest sample of equal columns."""
    from vaemo_clips.audio import iterate_audio

    low, high = np.zeros((2, _WAVE_COLUMNS), np.float32)
    num_samples, done = max(round(duration_s * _RATE_HZ), 1), 0
    for block in iterate_audio(path, begin_s, duration_s, _RATE_HZ):
        samples = np.nan_to_num(block[: num_samples - done], nan=0.0, posinf=0.0, neginf=0.0)
        columns = (done + np.arange(len(samples))) * _WAVE_COLUMNS // num_samples
        np.minimum.at(low, columns, samples)
        np.maximum.at(high, columns, samples)
        done += len(samples)
    return [np.round(np.clip(edge, -1, 1), 4).tolist() for edge in (low, high)]


@cache
def _models_or_why() -> tuple[FaceModels | None, str | None]:
    """The face networks, loaded once a process; or, where they are not installed, the remedy."""
    from vaemo_clips.faces.models import FaceModels

    try:
        return FaceModels.load(), None
    except UserError as error:
        return None, str(error)
