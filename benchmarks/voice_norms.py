"""Population norms of the voice cues: mean and spread over people's neutral utterances.

    python -m benchmarks.voice_norms --out clips/vaemo_clips/cues/voice_norms.yaml

People count, not files: the mean is that of the speakers' means, the variance that between the speakers'
means and the mean one within a speaker, which together are the spread of one neutral clip of one person.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.voice_utterances import DATA, read_utterances
from vaemo_clips.voice.cues import VOICE_CUES, WITHOUT_NORM

_SETS = ("ravdess_speech", "emodb")
_MIN_CLIPS = 2
_HEADER = """\
# Population norms of the voice cues: mean and standard deviation of one neutral utterance of one person.
# From {num_clips} neutral utterances of {num_speakers} actors, as many women as men: RAVDESS (English; Livingstone &
# Russo 2018, CC BY-NC-SA 4.0) and Emo-DB (German; Burkhardt et al. 2005, free for research; a copy cut to 2 s).
# RAVDESS's calm utterances are acted and left out. Adults who read short sentences in a studio: children, noise and
# free talk lie outside. Aggregate statistics only, nothing of the recordings. Without a norm, since a recording's
# gain, its text and the reading of short sentences decide them: {absent}.
# Made by: python -m benchmarks.voice_norms
"""


def main() -> None:
    """Measure, write the norms and say where they are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("clips/vaemo_clips/cues/voice_norms.yaml"))
    out = parser.parse_args().out
    cues, speakers = neutral_utterances()
    lines = [
        f"{name}: {{mean: {mean:.5g}, sd: {sd:.5g}}}"
        for name, mean, sd in zip((name for name, _ in VOICE_CUES), *norms(cues, speakers), strict=True)
        if name not in WITHOUT_NORM
    ]
    absent = ", ".join(name for name, _ in VOICE_CUES if name in WITHOUT_NORM)
    header = _HEADER.format(num_clips=len(cues), num_speakers=len(np.unique(speakers)), absent=absent)
    part = out.with_suffix(".part")
    part.write_text(header + "\n".join(lines) + "\n", encoding="utf-8")
    part.replace(out)
    print(f"{len(lines)} norms in {out}")


def neutral_utterances() -> tuple[NDArray[np.float64], NDArray[np.str_]]:
    """Cues (N, C) and speakers (N,) of the neutral utterances of both sets."""
    cues, speakers = [], []
    for name in _SETS:
        data = read_utterances(DATA / name)
        neutral = data.where(data.labels == "neutral")
        cues.append(neutral.cues)
        speakers.append(np.char.add(f"{name} ", neutral.speakers))
    return np.concatenate(cues), np.concatenate(speakers)


def norms(cues: NDArray[np.float64], speakers: NDArray[np.str_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation (C,) of cues (N, C), every speaker counting the same."""
    groups = [cues[speakers == speaker] for speaker in np.unique(speakers)]
    means = np.array([np.nanmean(group, axis=0) for group in groups])
    within = [np.nanvar(group, axis=0, ddof=1) for group in groups if len(group) >= _MIN_CLIPS]
    variance = np.nanvar(means, axis=0, ddof=1) + np.nanmean(within, axis=0)
    return np.nanmean(means, axis=0), np.sqrt(variance)


if __name__ == "__main__":
    main()
