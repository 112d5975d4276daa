"""One media file as vectors, without a manifest: what `VAEmoModel.embed` does.

Shapes: F width of a vector.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.clip import Clip
from vaemo_clips.clip_ids import clip_id_of
from vaemo_clips.errors import MediaError, MissingExtraError, UserError
from vaemo_clips.probe import probe
from vaemo_train.embed.embedder import Embedded, EmbeddedWindow, Embedder
from vaemo_train.embed.opened import face_side_px
from vaemo_train.embed.precision import resolve_precision
from vaemo_train.embed.settings import EmbedSettings
from vaemo_train.embed.windows import rows_of
from vaemo_train.evaluate.features import MODALITIES
from vaemo_train.models.encoder import VAEmoModel
from vaemo_train.shards.prepared import Missing, prepare_clip
from vaemo_train.shards.row import ShardSettings

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class WindowEmbedding:
    """Seconds [begin_s, end_s) of a clip as vectors (F,), None where the window lacks the modality."""

    begin_s: float
    end_s: float
    video: Vector | None = None
    audio: Vector | None = None
    both: Vector | None = None


@dataclass(frozen=True, slots=True, eq=False)
class ClipEmbedding:
    """A clip as vectors (F,), the means of its windows'; None, with the reason, where it lacks a modality.

    `both` is of the windows that have both: video's vector, then audio's. What was not asked for is None too.
    """

    video: Vector | None
    audio: Vector | None
    both: Vector | None
    windows: tuple[WindowEmbedding, ...]
    reason_no_video: str | None = None
    reason_no_audio: str | None = None


def embed_paths(
    model: VAEmoModel,
    paths: Sequence[Path],
    start_s: float | None,
    end_s: float | None,
    *,
    precision: str = "auto",
    **settings: Any,
) -> list[ClipEmbedding]:
    """Embed files with settings by name, as `VAEmoModel.embed` takes them.

    Every file is opened and its segment checked before the first is embedded: one that is missing, is no media, or is
    shorter than `start_s` raises UserError at once. One that cannot be decoded raises it when its turn comes.
    """
    chosen = EmbedSettings.read(**settings, bf16=resolve_precision(precision))
    return embed_files(model, paths, chosen, start_s, end_s)


def embed_files(
    model: VAEmoModel,
    paths: Sequence[Path],
    settings: EmbedSettings,
    start_s: float | None = None,
    end_s: float | None = None,
) -> list[ClipEmbedding]:
    """Embed files, or [start_s, end_s) of each, as `vaemo-train embed` does.

    Raises UserError that names the file; see `embed_paths`.
    """
    if settings.modality != "audio" and find_spec("ai_edge_litert") is None:
        raise MissingExtraError("ai_edge_litert", "train")
    size_px = face_side_px(model, model.name_or_path or "")
    shard_settings = ShardSettings(modality=settings.modality, size_px=size_px)
    clips = []
    for path in paths:
        with _named(path):
            clips.append(_clip(path, start_s, end_s))
    with Embedder(model, settings, size_px) as embedder:
        return [_embedded(embedder, path, clip, shard_settings) for path, clip in zip(paths, clips, strict=True)]


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turn a MediaError into a UserError that names the file."""
    try:
        yield
    except MediaError as error:
        detail = error.detail.removeprefix(f"{path}: ").removeprefix(f"{path.name}: ")
        raise UserError(f"{path}: cannot be embedded, {error.reason} ({detail}); give another clip") from error


def _embedded(embedder: Embedder, path: Path, clip: Clip, settings: ShardSettings) -> ClipEmbedding:
    with _named(path):
        prepared = prepare_clip(path, clip, settings)
    rows = ((0, row) for row in rows_of(clip, prepared, settings.fps))
    found = embedder.embed(rows, 1, keep_windows=True)
    if not found.num_windows[0]:
        raise UserError(f"{path}: cannot be embedded, no window of it has what --modality {settings.modality} asks for")
    return _record(found, prepared.picture, prepared.sound)


def _record(found: Embedded, picture: Missing | None, sound: Missing | None) -> ClipEmbedding:
    vectors = {name: values[0] for name, values in found.means.items() if not np.isnan(values[0, 0])}
    return ClipEmbedding(
        video=vectors.get("video"),
        audio=vectors.get("audio"),
        both=vectors.get("both"),
        windows=tuple(map(_window, found.windows[0])),
        reason_no_video=None if picture is None else f"{picture.reason}: {picture.detail}",
        reason_no_audio=None if sound is None else f"{sound.reason}: {sound.detail}",
    )


def _window(window: EmbeddedWindow) -> WindowEmbedding:
    video, audio, both = (window.vectors.get(name) for name in MODALITIES)
    return WindowEmbedding(window.begin_s, window.end_s, video, audio, both)


def _clip(path: Path, start_s: float | None, end_s: float | None) -> Clip:
    """The clip that `index` would make of the file, or of a segment of it. Raises MediaError."""
    info = probe(path)
    facts = path.stat()
    begin_s = 0.0 if start_s is None else start_s
    finish_s = info.duration_s if end_s is None else min(end_s, info.duration_s)
    if not (math.isfinite(begin_s) and 0 <= begin_s < finish_s):
        rule = f"needs 0 <= start_s < end_s, and the file is {info.duration_s:.3f} s long"
        raise MediaError("bad_segment", f"start_s={start_s}, end_s={end_s}: {rule}")
    return Clip(
        clip_id=clip_id_of(path.name, start_s, end_s), path=path.name, sha256="", start_s=start_s, end_s=end_s,
        duration_s=finish_s - begin_s, width=info.width, height=info.height, fps=info.fps, n_frames=info.n_frames,
        has_audio=info.has_audio, audio_rate_hz=info.audio_rate_hz, audio_channels=info.audio_channels,
        file_bytes=facts.st_size, file_mtime_ns=facts.st_mtime_ns,
    )  # fmt: skip
