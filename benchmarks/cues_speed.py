"""Speed and memory of measuring, from file to cues, on one core.

    python -m benchmarks.cues_speed CLIP [--minutes 1 --minutes 60]

CLIP (one talking face) is brought to 640x360 H.264 at 25 frames/s with AAC sound, and played in a loop for the given
minutes; each length is measured by a process of its own that holds one core.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.machine import describe_machine
from vaemo_clips.audio import iterate_audio
from vaemo_clips.cues.measure import RATE_HZ, measure
from vaemo_clips.faces.models import FaceModels
from vaemo_clips.faces.tracking import track_faces
from vaemo_clips.probe import probe
from vaemo_clips.video import iterate_frames
from vaemo_clips.voice.measure import measure_voice

_FILTER = "scale=640:360:force_original_aspect_ratio=decrease,pad=640:360:(ow-iw)/2:(oh-ih)/2,fps=25"
_ENCODING = ["-c:v", "libx264", "-crf", "23", "-pix_fmt", "yuv420p", "-c:a", "aac", "-ar", "44100"]


def main(
    clip: Annotated[Path, typer.Argument(help="One talking face.")],
    minutes: Annotated[list[float], typer.Option(help="Lengths to measure.")] = [1.0, 60.0],  # noqa: B006 (typer)
    part: Annotated[bool, typer.Option(help="Measure CLIP itself in this process; used by the benchmark.")] = False,
) -> None:
    """Print frames a second and peak resident memory for each length."""
    if part:
        print(json.dumps(_measured(clip)))
        return
    print(describe_machine("cues_speed", ("numpy", "av", "ai-edge-litert", "pillow")))
    with tempfile.TemporaryDirectory(prefix="vaemo-speed-") as name:
        base = _encoded(clip, Path(name))
        print(f"\n{'minutes':>8}{'frames':>9}{'frames/s':>10}{'decoding':>10}{'faces':>8}{'voice':>14}{'peak MB':>9}")
        for length in minutes:
            looped = _looped(base, length, Path(name))
            row = _in_process(looped)
            print(
                f"{length:>8g}{row['frames']:>9.0f}{row['rate']:>10.0f}{row['decoding']:>10.0f}{row['faces']:>8.0f}"
                f"{row['voice']:>12.0f} x{row['peak_mb']:>9.0f}"
            )
    print("\nframes/s: file to cues, sound included; decoding and faces: frames/s of the parts; voice: times real time")


def _encoded(clip: Path, folder: Path) -> Path:
    target = folder / "base.mp4"
    _ffmpeg("-i", str(clip), "-vf", _FILTER, *_ENCODING, str(target))
    return target


def _looped(base: Path, minutes: float, folder: Path) -> Path:
    target = folder / f"{minutes:g}.mp4"
    _ffmpeg("-stream_loop", "-1", "-i", str(base), "-t", str(60 * minutes), "-c", "copy", str(target))
    return target


def _ffmpeg(*arguments: str) -> None:
    import imageio_ffmpeg

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *arguments]
    subprocess.run(command, check=True)


def _in_process(clip: Path) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.cues_speed", str(clip), "--part"], check=True, capture_output=True, text=True
    )
    row: dict[str, float] = json.loads(done.stdout)
    return row


def _measured(clip: Path) -> dict[str, float]:
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    facts, models = probe(clip), FaceModels.load()
    began = time.perf_counter()
    found = measure(clip, facts.duration_s, models, has_audio=facts.has_audio)
    seconds = time.perf_counter() - began
    assert found.face_curves is not None, f"{clip} shows no face"
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    frames = len(found.face_curves.times_s)
    part_s = min(60.0, facts.duration_s)
    return {"frames": frames, "rate": frames / seconds, "peak_mb": peak_mb, **_parts(clip, part_s, models)}


def _parts(clip: Path, seconds: float, models: FaceModels) -> dict[str, float]:
    """Rates of the parts over the first `seconds`."""
    began = time.perf_counter()
    frames = sum(1 for _ in iterate_frames(clip, 0.0, seconds))
    decoding_s = time.perf_counter() - began
    began = time.perf_counter()
    track_faces(iterate_frames(clip, 0.0, seconds), models)
    faces_s = time.perf_counter() - began - decoding_s
    began = time.perf_counter()
    measure_voice(iterate_audio(clip, 0.0, seconds, RATE_HZ), RATE_HZ)
    voice_s = time.perf_counter() - began
    return {"decoding": frames / decoding_s, "faces": frames / faces_s, "voice": seconds / voice_s}


if __name__ == "__main__":
    typer.run(main)
