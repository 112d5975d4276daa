"""Clips a second with real decoding on two cores, and where a clip's time goes."""

from __future__ import annotations

import asyncio
import base64
import pickle
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

from benchmarks.annotate_workload import CannedDecoder, annotate, prompt_of, write_manifest
from benchmarks.fast_server import running_server
from vaemo_annotate.media import PooledDecoder, encode_clip, encode_jpeg, encode_wav
from vaemo_annotate.prompt import MediaSettings
from vaemo_clips.audio import decode_audio
from vaemo_clips.clip import Clip
from vaemo_clips.demo import make_demo_clips
from vaemo_clips.index import index
from vaemo_clips.manifest import Manifest
from vaemo_clips.timeline import frame_times
from vaemo_clips.video import _Painter, decode_frames
from vaemo_clips.workers import decoding_pool

WORKERS = 2
_ROUNDS = 5
_PICTURES, _RESIZE, _WHOLE = "open, decode pictures", "resize, convert to RGB", "whole clip in one process"
T = TypeVar("T")


def measure_decoding(folder: Path, source: Path | None, num_clips: int) -> dict[str, Any]:
    """Caption `num_clips` rows over the clips of `source` (default: demo clips); print and return what it took."""
    folder.mkdir(parents=True)
    if source is None:
        source = folder / "clips"
        make_demo_clips(source, complete=True)
    index(source, folder / "found.parquet")
    found = Manifest.open(folder / "found.parquet")
    files = list(found.clips())
    manifest = replace(write_manifest(folder / "clips.parquet", num_clips, files), root=found.root)
    rates = asyncio.run(_clip_rates(folder, manifest))
    stages = _stages(found.root, files)
    print(f"Clips a second on two cores, {WORKERS} decoding workers, {len(files)} files taking turns:\n")
    print("| what | clips/s |\n| --- | ---: |")
    for name, rate in rates.items():
        print(f"| {name} | {rate:,.1f} |")
    whole_ms = stages[_WHOLE]
    print("\n| stage, in one process | ms a clip | share |\n| --- | ---: | ---: |")
    for name, milliseconds in stages.items():
        print(f"| {name} | {milliseconds:.2f} | {milliseconds / whole_ms:.0%} |")
    print()
    return {"clips_per_s": rates, "stage_ms": stages}


async def _clip_rates(folder: Path, manifest: Manifest) -> dict[str, float]:
    prompt = prompt_of()
    rates = {}
    with decoding_pool(WORKERS, preload="vaemo_annotate.media") as pool, running_server(None) as url:
        decoder = PooledDecoder(manifest.root, prompt.media, prompt.inputs, pool)
        clips = list(manifest.clips())
        await asyncio.gather(*(decoder.decode(clip) for clip in clips[:WORKERS]))  # starts the workers
        began = time.monotonic()
        await asyncio.gather(*(decoder.decode(clip) for clip in clips))
        rates["decoding alone"] = len(clips) / (time.monotonic() - began)
        taken = await annotate(url, manifest, folder / "decoded.sqlite", decoder)
        rates["whole pipeline, three steps a clip"] = len(clips) / taken.seconds
        taken = await annotate(url, manifest, folder / "canned.sqlite", CannedDecoder(30))
        rates["whole pipeline without decoding"] = len(clips) / taken.seconds
    return rates


class _Stopwatch:
    """Adds up the seconds of named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {_PICTURES: 0.0, _RESIZE: 0.0}

    def __call__(self, stage: str, work: Callable[..., T], *arguments: Any) -> T:
        """Return what `work` returns, and note what it took under `stage`."""
        began = time.perf_counter()
        result = work(*arguments)
        self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - began
        return result


def _stages(root: Path, files: list[Clip]) -> dict[str, float]:
    """Milliseconds a clip of each stage of `encode_clip` and of the way back through the pool's pipe."""
    prompt = prompt_of()
    timed = _Stopwatch()
    for clip in files * _ROUNDS:
        path = root / clip.path
        _encode_in_stages(path, clip, prompt.media, timed)
        media = timed(_WHOLE, encode_clip, path, clip, prompt.media, prompt.inputs)
        timed("pickle there and back", lambda media: pickle.loads(pickle.dumps(media)), media)
    timed.seconds[_PICTURES] -= timed.seconds[_RESIZE]
    return {name: 1000 * seconds / (_ROUNDS * len(files)) for name, seconds in timed.seconds.items()}


def _encode_in_stages(path: Path, clip: Clip, settings: MediaSettings, timed: _Stopwatch) -> None:
    encoded: list[bytes] = []
    if clip.has_video:
        times = frame_times(clip.begin_s, clip.duration_s, settings.fps, settings.max_frames)
        paint = _Painter.paint
        with patch.object(_Painter, "paint", lambda *job: timed(_RESIZE, paint, *job)):
            frames = timed(_PICTURES, decode_frames, path, times, settings.short_side_px)
        encoded = timed("JPEG", lambda images: [encode_jpeg(image) for image in images], frames.images)
    if clip.has_audio:
        span = (clip.begin_s, clip.duration_s, settings.audio_rate_hz)
        sound = timed("open, decode, resample sound", decode_audio, path, *span)
        encoded.append(timed("WAV", encode_wav, sound, settings.audio_rate_hz))
    timed("base64", lambda parts: [base64.b64encode(part) for part in parts], encoded)
