"""Speed and memory of faces, on one core: decoding alone, following faces, aligned crops.

    python -m benchmarks.face_speed CLIP [--minutes 5]

The clip is played over and over for the given time; memory is read as it goes, so that growth shows.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
from numpy.typing import NDArray

from vaemo_clips.faces.alignment import aligned_crops
from vaemo_clips.faces.models import FaceModels
from vaemo_clips.faces.target import TargetFace, choose_target
from vaemo_clips.faces.tracking import track_faces
from vaemo_clips.video import iterate_frames

_REPORT_EVERY = 1500


def main() -> None:
    """Print frames a second of each part and the resident memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, default=1.0, help="length of what is played, in the clip's time")
    arguments = parser.parse_args()
    models = FaceModels.load()
    num_frames, seconds = _timed_decoding(arguments.clip)
    print(f"decoding alone: {num_frames / seconds:.0f} frames/s")
    began = time.perf_counter()
    tracks = track_faces(_repeated(arguments.clip, 60 * arguments.minutes), models)
    seconds = time.perf_counter() - began
    num_rows = [len(track.frame_index) for track in tracks.tracks]
    print(
        f"file to tracks: {len(tracks.times_s) / seconds:.0f} frames/s, {tracks.width}x{tracks.height}, rows {num_rows}"
    )
    face = choose_target(tracks)
    if isinstance(face, TargetFace):
        began = time.perf_counter()
        num_crops = sum(1 for _ in aligned_crops(iterate_frames(arguments.clip), face.track, tracks.times_s))
        print(f"file to crops: {num_crops / (time.perf_counter() - began):.0f} frames/s")


def _timed_decoding(clip: Path) -> tuple[int, float]:
    began = time.perf_counter()
    num_frames = sum(1 for _ in iterate_frames(clip))
    return num_frames, time.perf_counter() - began


def _repeated(clip: Path, seconds: float) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    begin_s, time_s, step_s, count = 0.0, 0.0, 0.04, 0
    while time_s < seconds:
        for shown_s, image in iterate_frames(clip):
            step_s = begin_s + shown_s - time_s if shown_s > 0 else step_s
            time_s = begin_s + shown_s
            yield time_s, image
            count += 1
            if count % _REPORT_EVERY == 0:
                print(f"{count} frames: {psutil.Process().memory_info().rss / 2**20:.1f} MiB resident", flush=True)
        begin_s = time_s + step_s


if __name__ == "__main__":
    main()
