"""Shard folders without any media files: a blob that grows with the loudness of a humming sound.

python -m tests.support.synthetic_shards FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import simplejpeg
from numpy.typing import NDArray

from vaemo_clips.clip import CLIP_SCHEMA
from vaemo_clips.timeline import seconds_to_samples
from vaemo_train.shards.layout import MARKER, REJECTS, ROWS, rejects_schema, rows_schema, shard_name, shard_schema
from vaemo_train.shards.record import Marker, RowCounts, ShardEntry
from vaemo_train.shards.row import ShardRow, ShardSettings
from vaemo_train.shards.span import Span, num_slots, spans

COLUMNS = [pa.field("label", pa.string()), pa.field("speaker", pa.string())]
_CLIPS_PER_SHARD = 8


def write_shards(
    folder: Path,
    num_clips: int,
    *,
    modality: str | Sequence[str] = "both",
    seconds: float | Sequence[float] = 4.0,
    speakers: int = 4,
    labels: Sequence[str] = ("happiness", "sadness"),
    settings: ShardSettings | None = None,
    seed: int = 0,
) -> Path:
    """Write a folder of shards with `num_clips` clips, a shard for every eight; return `folder`.

    `modality` (both, video, audio) and `seconds` may be one for each clip, and are repeated where they are fewer.
    Speakers and labels take turns: clip n has speaker n % speakers, and its label changes with every round.
    """
    settings = settings or ShardSettings()
    modalities = [modality] if isinstance(modality, str) else list(modality)
    durations = [seconds] if isinstance(seconds, (int, float)) else list(seconds)
    folder.mkdir(parents=True, exist_ok=True)
    records: list[dict[str, Any]] = []
    for number in range(num_clips):
        columns = {
            "label": labels[number // speakers % len(labels)],
            "speaker": f"speaker_{number % speakers:02d}",
        }
        duration_s, kind = durations[number % len(durations)], modalities[number % len(modalities)]
        records += clip_records(number, duration_s, kind, columns, settings, seed)
    _write(folder, records, settings)
    return folder


def write_rows(
    folder: Path,
    clips: Iterable[tuple[str, float, Sequence[bytes] | None, NDArray[np.int16] | None]],
    settings: ShardSettings,
) -> Path:
    """Write a folder of shards from (clip_id, seconds, a JPEG for each slot, sound); return `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    records = []
    for clip_id, duration_s, jpegs, sound in clips:
        records += _records(clip_id, duration_s, jpegs, sound, {}, settings)
    _write(folder, records, settings)
    return folder


def _records(
    clip_id: str,
    duration_s: float,
    jpegs: Sequence[bytes] | None,
    sound: NDArray[np.int16] | None,
    columns: Mapping[str, str],
    settings: ShardSettings,
) -> list[dict[str, Any]]:
    """A clip's rows, as dicts of all columns of a shard."""
    return [
        row_record(
            clip_id,
            part,
            jpegs[part.slots] if jpegs is not None else None,
            sound[part.samples(settings.sample_rate_hz)] if sound is not None else None,
            clip_seconds=duration_s,
            columns=columns,
        )
        for part in spans(duration_s, settings.fps)
    ]


def clip_records(
    number: int, duration_s: float, modality: str, columns: Mapping[str, str], settings: ShardSettings, seed: int = 0
) -> list[dict[str, Any]]:
    """The rows of clip `number`, as dicts of all columns of a shard."""
    rng = np.random.default_rng([seed, number])
    levels = _loudness(num_slots(duration_s, settings.fps), rng)
    sound = _sound(levels, duration_s, settings, rng)
    colours = rng.integers(40, 216, (2, 3))
    jpegs = [encode(_picture(level, colours, settings.size_px), settings) for level in levels]
    return _records(
        f"clip_{number:04d}",
        duration_s,
        jpegs if modality != "audio" else None,
        sound if modality != "video" else None,
        columns,
        settings,
    )


def row_record(
    clip_id: str,
    span: Span,
    jpegs: Sequence[bytes] | None,
    sound: NDArray[np.int16] | None,
    clip_seconds: float | None = None,
    columns: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """One row of a shard, as a dict of all its columns."""
    has_picture, has_sound = jpegs is not None, sound is not None
    clip = dict.fromkeys(CLIP_SCHEMA.names) | {
        "clip_id": clip_id,
        "path": f"{clip_id}.mp4",
        "sha256": sha256(clip_id.encode()).hexdigest(),
        "duration_s": clip_seconds or span.duration_s,
        "width": 640 if has_picture else None,
        "height": 360 if has_picture else None,
        "fps": 25.0 if has_picture else None,
        "has_audio": has_sound,
        "audio_rate_hz": 16000 if has_sound else None,
        "audio_channels": 1 if has_sound else None,
    }
    row = {
        "row": span.row,
        "row_begin_s": span.begin_s,
        "row_duration_s": span.duration_s,
        "has_picture": has_picture,
        "has_sound": has_sound,
    }
    media = {
        "jpegs": b"".join(jpegs) if jpegs is not None else None,
        "jpeg_ends": np.cumsum([len(jpeg) for jpeg in jpegs], dtype=np.int32) if jpegs is not None else None,
        "sound": sound.astype("<i2").tobytes() if sound is not None else None,
    }
    return clip | {field.name: None for field in COLUMNS} | dict(columns or {}) | row | media


def shard_row(
    duration_s: float,
    jpegs: Sequence[bytes] | None,
    sound: NDArray[np.int16] | None,
    fps: float = 12.5,
    begin_s: float = 0.0,
) -> ShardRow:
    """A row in memory, with a slot for each of `jpegs` (b"": face not seen)."""
    ends = np.cumsum([len(jpeg) for jpeg in jpegs or []], dtype=np.int32)
    return ShardRow("clip", 0, begin_s, duration_s, fps, memoryview(b"".join(jpegs or [])), ends, sound)


def encode(picture: NDArray[np.uint8], settings: ShardSettings) -> bytes:
    """A picture (H, W, 3) as JPEG."""
    jpeg: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(picture), settings.jpeg_quality)
    return jpeg


def grey(level: int, size_px: int = 16) -> bytes:
    """A small JPEG of one grey level, (size_px, size_px)."""
    return encode(np.full((size_px, size_px, 3), level, np.uint8), ShardSettings(jpeg_quality=95))


def _loudness(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Syllables: a smooth curve in [0.05, 1] over the slots, (K,)."""
    times = np.arange(count) * rng.uniform(0.3, 0.7) + rng.uniform(0, 2 * np.pi)
    return np.asarray(0.05 + 0.95 * (0.5 + 0.5 * np.sin(times)) * (0.6 + 0.4 * np.sin(0.31 * times)), np.float64)


def _sound(
    levels: NDArray[np.float64], duration_s: float, settings: ShardSettings, rng: np.random.Generator
) -> NDArray[np.int16]:
    """A hum with overtones, as loud as the slots say, (S,)."""
    times_s = np.arange(seconds_to_samples(duration_s, settings.sample_rate_hz)) / settings.sample_rate_hz
    level = np.interp(times_s, (np.arange(len(levels)) + 0.5) / settings.fps, levels)
    pitch_hz = rng.uniform(100, 250)
    hum = sum(np.sin(2 * np.pi * pitch_hz * overtone * times_s) / overtone for overtone in range(1, 6))
    return np.asarray(6000 * level * hum + rng.normal(0, 20, len(times_s)), np.int16)


def _picture(level: float, colours: NDArray[np.int64], size_px: int) -> NDArray[np.uint8]:
    """A blob on a sloping ground, as large as `level` in [0, 1]."""
    axis = np.linspace(-1, 1, size_px)
    radius = np.hypot(axis[:, None], axis)
    is_blob = radius < 0.2 + 0.7 * level
    slope = 20 * axis[:, None, None] + 20 * axis[None, :, None]
    return np.asarray(np.clip(np.where(is_blob[..., None], colours[0], colours[1]) + slope, 0, 255), np.uint8)


def _write(folder: Path, records: list[dict[str, Any]], settings: ShardSettings) -> None:
    """Write shards, list of rows, empty list of rejects, and the marker last."""
    fields = [*CLIP_SCHEMA, *COLUMNS]
    schema = shard_schema(fields, settings)
    clip_ids = list(dict.fromkeys(record["clip_id"] for record in records))
    entries, listed = [], []
    for number in range(-(-len(clip_ids) // _CLIPS_PER_SHARD)):
        held = set(clip_ids[number * _CLIPS_PER_SHARD : (number + 1) * _CLIPS_PER_SHARD])
        path = folder / shard_name(number)
        own = [record for record in records if record["clip_id"] in held]
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, schema) as writer:
            for batch, record in enumerate(own):
                writer.write_batch(pa.RecordBatch.from_pylist([record], schema))
                listed.append(record | _place(number, batch, record))
        entries.append(ShardEntry(file=path.name, rows=len(own), clips=len(held), num_bytes=path.stat().st_size))
    names = rows_schema(fields).names
    rows = [{name: record[name] for name in names} for record in listed]
    pq.write_table(pa.Table.from_pylist(rows, rows_schema(fields)), folder / ROWS)
    pq.write_table(rejects_schema(fields).empty_table(), folder / REJECTS)
    (folder / MARKER).write_text(_marker(records, settings, entries).model_dump_json(indent=1), encoding="utf-8")


def _marker(records: Sequence[Mapping[str, Any]], settings: ShardSettings, entries: list[ShardEntry]) -> Marker:
    num_clips = sum(entry.clips for entry in entries)
    kinds = [(record["has_picture"], record["has_sound"]) for record in records]
    counts = RowCounts(
        both=kinds.count((True, True)), picture_only=kinds.count((True, False)), sound_only=kinds.count((False, True))
    )
    return Marker(
        settings=settings,
        manifest_sha256="0" * 64,
        clips=num_clips,
        accepted=num_clips,
        rejects={},
        without_picture={},
        without_sound={},
        counts=counts,
        shards=entries,
    )


def _place(shard: int, batch: int, record: Mapping[str, Any]) -> dict[str, int]:
    ends, sound = record["jpeg_ends"], record["sound"]
    return {
        "shard": shard,
        "batch": batch,
        "num_slots": len(ends) if ends is not None else 0,
        "num_samples": len(sound) // 2 if sound is not None else 0,
    }


if __name__ == "__main__":
    print(write_shards(Path(sys.argv[1]), 16))
