"""Are planted cues found back? Demo clips with known truth, measured and compared.

    python -m benchmarks.cues_planted [--clips 168] [--seed 1]

Face cues: each clip against the same speaker's neutral clip, measured and planted; a planted difference is *strong*
from one population standard deviation of the cue on. F0: ratio of medians. Pauses: nearest edges.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from benchmarks.machine import describe_machine
from vaemo_clips.cues.cue import by_name
from vaemo_clips.cues.measure import measure
from vaemo_clips.cues.measurement import Measurement
from vaemo_clips.cues.norms import population_norms
from vaemo_clips.demo.clips import DemoClip, make_demo_clips
from vaemo_clips.faces.models import FaceModels
from vaemo_clips.probe import probe

FACE_CUES = (
    "brow_raise", "brow_furrow", "eye_opening", "mouth_opening", "lip_corner_pull", "lip_corner_depress", "lip_press",
    "head_pitch", "head_yaw", "head_roll", "face_motion",
)  # fmt: skip
Pair = tuple[DemoClip, Measurement]


def main(
    clips: Annotated[int, typer.Option(help="Demo clips; a multiple of 7 gives every speaker a neutral one.")] = 168,
    seed: Annotated[int, typer.Option(help="Seed of the clips.")] = 1,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Make, measure, compare, print."""
    print(describe_machine("cues_planted", ("numpy", "scipy", "av", "ai-edge-litert", "scikit-image"), seed))
    with tempfile.TemporaryDirectory(prefix="vaemo-planted-") as name:
        made = make_demo_clips(Path(name), clips, seed, workers=workers, complete=True)
        with ProcessPoolExecutor(workers) as pool:
            found = list(pool.map(_measured, [clip.file for clip in made], chunksize=4))
    pairs = list(zip(made, found, strict=True))
    seen = [measurement.facts.face_coverage for _, measurement in pairs]
    print(f"\n{clips} clips, seed {seed}: target face in {np.mean(seen):.1%} of the pictures, least {min(seen):.1%}")
    _print_face(pairs)
    _print_voice(pairs)


def _measured(file: Path) -> Measurement:
    facts = probe(file)
    return measure(file, facts.duration_s, FaceModels.load(), has_audio=facts.has_audio).measurement


def _print_face(pairs: list[Pair]) -> None:
    print(f"\n{'face cue':<20}{'strong':>7}{'sign right':>12}{'correlation':>13}{'slope':>8}")
    right = strong = 0
    for name in FACE_CUES:
        planted, measured = (np.array(values) for values in zip(*_differences(pairs, name), strict=True))
        is_strong = np.abs(planted) >= population_norms()[name].sd
        agrees = np.sign(planted[is_strong]) == np.sign(measured[is_strong])
        right, strong = right + int(agrees.sum()), strong + int(is_strong.sum())
        share = f"{agrees.mean():.1%}" if len(agrees) else "-"
        correlation = np.corrcoef(planted, measured)[0, 1] if planted.std() > 0 else float("nan")
        slope = np.polyfit(planted, measured, 1)[0] if planted.std() > 0 else float("nan")
        print(f"{name:<20}{len(agrees):>7}{share:>12}{correlation:>13.2f}{slope:>8.2f}")
    print(f"{'all':<20}{strong:>7}{right / max(strong, 1):>12.1%}")


def _differences(pairs: list[Pair], name: str) -> Iterator[tuple[float, float]]:
    """Yield planted and measured distance of each clip from its speaker's neutral one."""
    neutral = {clip.speaker: (clip, found) for clip, found in pairs if clip.emotion == "neutral"}
    for clip, found in pairs:
        if clip.emotion == "neutral" or clip.speaker not in neutral:
            continue
        base_clip, base_found = neutral[clip.speaker]
        values = [by_name(measurement.cues)[name].value for measurement in (found, base_found)]
        if values[0] is not None and values[1] is not None:
            yield getattr(clip.planted, name) - getattr(base_clip.planted, name), values[0] - values[1]


def _print_voice(pairs: list[Pair]) -> None:
    ratios, edges, num_found, num_planted, rates = [], [], 0, 0, []
    for clip, found in pairs:
        cues = by_name(found.cues)
        value = cues["f0_median"].value
        if value is not None and clip.planted.f0_median_hz is not None:
            ratios.append(value / clip.planted.f0_median_hz)
        if cues["speech_rate"].value is not None and clip.planted.speech_rate_hz is not None:
            rates.append((clip.planted.speech_rate_hz, cues["speech_rate"].value))
        for pause in clip.planted.pauses_s:
            num_planted += 1
            near = [other for other in found.facts.pauses_s if other[0] < pause[1] and pause[0] < other[1]]
            if near:
                num_found += 1
                edges += [abs(near[0][0] - pause[0]), abs(near[-1][1] - pause[1])]
    off = np.abs(np.array(ratios) - 1)
    print(
        f"\nF0 median within 5 % in {np.mean(off <= 0.05):.1%} of {len(off)} clips, median error {np.median(off):.2%}"
    )
    print(
        f"pauses: {num_found} of {num_planted} found; edges within 50 ms in {np.mean(np.array(edges) <= 0.05):.1%}, "
        f"median {1000 * float(np.median(edges)):.0f} ms"
    )
    print(f"speech rate: correlation {np.corrcoef(np.array(rates).T)[0, 1]:.2f}")


if __name__ == "__main__":
    typer.run(main)
