"""One clip made ready for a shard: its rows with their media, or why it has none. Runs in a worker process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.clip import Clip
from vaemo_clips.errors import MediaError
from vaemo_clips.faces.models import FaceModels
from vaemo_clips.faces.target import NoFace, Sound
from vaemo_clips.file_facts import sha256_of
from vaemo_train.shards.picture import face_jpegs
from vaemo_train.shards.row import MAX_ROW_S, MIN_ROW_S, ShardSettings
from vaemo_train.shards.sound import SILENT_PEAK, clip_sound, is_silent, loudness
from vaemo_train.shards.span import Span, spans


@dataclass(frozen=True, slots=True)
class Missing:
    """Why a clip has no picture, or no sound, that can be used: a typed reason and a detail for people."""

    reason: str
    detail: str

    @classmethod
    def because(cls, error: MediaError, path: Path, clip: Clip) -> Missing:
        """What a decoder says, without the machine's own path."""
        return cls(error.reason, error.detail.replace(str(path), clip.path))


@dataclass(frozen=True, slots=True)
class RowMedia:
    """A row's media: one JPEG for each slot (b"" where the face was not seen) and 16-bit sound; None without."""

    span: Span
    jpegs: list[bytes] | None
    sound: NDArray[np.int16] | None


@dataclass(frozen=True, slots=True)
class PreparedClip:
    """The rows of a clip, at least one.

    `left_out`: parts of it in which there is nothing that was asked for. `picture` and `sound` say why no row has
    one, None where some row does or where it was not asked for.
    """

    rows: tuple[RowMedia, ...]
    left_out: int
    picture: Missing | None
    sound: Missing | None


def prepare_clip(path: Path, clip: Clip, settings: ShardSettings) -> PreparedClip:
    """Measure and cut one clip.

    A row has a picture where the face was seen in half a second of its slots, and sound where that rises above
    digital silence. Kept are the rows with picture or sound (modality any), with both, or with the one asked for.
    A clip without any such row is rejected: Raises MediaError with the reason why the picture is missing, else
    the sound (too_short, no_face, no_video, silent, no_audio, …), or file_changed, or that of the decoder where
    nothing else is left. Whether a modality is missing because the file lacks it or because it cannot be decoded
    makes no difference to the other one.
    """
    _check_unchanged(path, clip)
    if clip.duration_s < MIN_ROW_S:
        raise MediaError("too_short", f"{clip.path}: {clip.duration_s:.3f} s, a clip has at least {MIN_ROW_S} s")
    lazy = _Sound(path, clip, settings.sample_rate_hz)
    sound = lazy.samples() if settings.modality != "video" else None
    if settings.modality == "both" and isinstance(sound, Missing):
        raise _reject(clip, None, sound)  # before the faces, which take most of the time
    jpegs = _picture(path, clip, settings, lazy.loudness) if settings.modality != "audio" else None
    parts = [_row(part, settings, jpegs, sound) for part in spans(clip.duration_s, settings.fps)]
    rows = tuple(row for row in parts if _is_wanted(row, settings.modality))
    picture = _why_no_picture(jpegs, parts, settings)
    silence = _why_no_sound(sound, parts)
    if not rows:
        raise _reject(clip, picture, silence)
    return PreparedClip(rows, len(parts) - len(rows), picture, silence)


class _Sound:
    """A clip's sound, decoded when it is first asked for and once only."""

    def __init__(self, path: Path, clip: Clip, rate_hz: int) -> None:
        self._path = path
        self._clip = clip
        self._rate_hz = rate_hz
        self._samples: NDArray[np.int16] | Missing | None = None

    def samples(self) -> NDArray[np.int16] | Missing:
        """(S,) int16, or why there is none."""
        if self._samples is None:
            self._samples = self._decode()
        return self._samples

    def loudness(self) -> Sound | None:
        """What a mouth moves with."""
        samples = self.samples()
        return None if isinstance(samples, Missing) else loudness(samples, self._rate_hz)

    def _decode(self) -> NDArray[np.int16] | Missing:
        if not self._clip.has_audio:
            return Missing("no_audio", f"{self._clip.path}: the file has no sound")
        try:
            return clip_sound(self._path, self._clip, self._rate_hz)
        except MediaError as error:
            return Missing.because(error, self._path, self._clip)


@cache
def _models() -> FaceModels:
    """Loaded once in a worker, and only where there is a picture."""
    return FaceModels.load()


def _picture(
    path: Path, clip: Clip, settings: ShardSettings, loudness_of_clip: Callable[[], Sound | None]
) -> list[bytes] | Missing:
    if not clip.has_video:
        return Missing("no_video", f"{clip.path}: the file has no picture")
    try:
        found = face_jpegs(path, clip, settings, _models(), loudness_of_clip)
    except MediaError as error:
        return Missing.because(error, path, clip)
    return Missing(found.reason, f"{clip.path}: {found.detail}") if isinstance(found, NoFace) else found


def _row(
    part: Span,
    settings: ShardSettings,
    jpegs: list[bytes] | Missing | None,
    sound: NDArray[np.int16] | Missing | None,
) -> RowMedia:
    faces = jpegs[part.slots] if isinstance(jpegs, list) else None
    if faces is not None and sum(map(bool, faces)) < _min_seen(settings):
        faces = None
    samples = sound[part.samples(settings.sample_rate_hz)] if isinstance(sound, np.ndarray) else None
    if samples is not None and is_silent(samples):
        samples = None
    return RowMedia(part, faces, samples)


def _min_seen(settings: ShardSettings) -> int:
    """Whole slots in half a second."""
    return max(int(MIN_ROW_S * settings.fps), 1)


def _is_wanted(row: RowMedia, modality: str) -> bool:
    has = (row.jpegs is not None, row.sound is not None)
    return all(has) if modality == "both" else any(has)  # what was not asked for is not there


def _why_no_picture(
    jpegs: list[bytes] | Missing | None, parts: list[RowMedia], settings: ShardSettings
) -> Missing | None:
    if jpegs is None or isinstance(jpegs, Missing):
        return jpegs
    if any(row.jpegs is not None for row in parts):
        return None
    seen = sum(map(bool, jpegs))
    detail = (
        f"the face was seen in {seen} of {len(jpegs)} slots; a part of the clip, of at most {MAX_ROW_S:g} s, "
        f"needs it in {_min_seen(settings)} of its own"
    )
    return Missing("too_few_frames", detail)


def _why_no_sound(sound: NDArray[np.int16] | Missing | None, parts: list[RowMedia]) -> Missing | None:
    if sound is None or isinstance(sound, Missing):
        return sound
    if any(row.sound is not None for row in parts):
        return None
    return Missing("silent", f"its sound never rises above {SILENT_PEAK:g} of full scale")


def _reject(clip: Clip, picture: Missing | None, sound: Missing | None) -> MediaError:
    missing = [why for why in (picture, sound) if why is not None]
    if not missing:  # modality both: rows with a picture and rows with sound, none with both
        return MediaError("never_both", f"{clip.path}: no part of it has a face and sound at once")
    details = dict.fromkeys(why.detail.removeprefix(f"{clip.path}: ") for why in missing)
    return MediaError(missing[0].reason, f"{clip.path}: {'; '.join(details)}")


def _check_unchanged(path: Path, clip: Clip) -> None:
    """Raise MediaError where the file is not the one that was indexed; a hash only where its time or size differ."""
    try:
        facts = path.stat()
        if (facts.st_size, facts.st_mtime_ns) == (clip.file_bytes, clip.file_mtime_ns):
            return
        is_same = sha256_of(path) == clip.sha256
    except OSError as error:
        raise MediaError("not_found", f"{clip.path}: {error.strerror}; index the folder again") from error
    if not is_same:
        detail = f"{clip.path}: its bytes are not those that were indexed; index the folder again"
        raise MediaError("file_changed", detail)
