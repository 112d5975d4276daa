"""Voice cues of every utterance of a labelled data set, measured once."""

from __future__ import annotations

import csv
import hashlib
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import vaemo_clips.voice
from vaemo_clips.audio import iterate_audio
from vaemo_clips.voice.cues import voice_cues
from vaemo_clips.voice.measure import measure_voice

DATA = Path(os.environ.get("VAEMO_TEST_DATA", "../shared/data"))


@dataclass(frozen=True, slots=True)
class Utterances:
    """Voice cues and labels of N utterances; `cues_NC` is NaN where a cue was not measurable."""

    cues: NDArray[np.float64]
    labels: NDArray[np.str_]
    speakers: NDArray[np.str_]
    folds: NDArray[np.str_]
    intensities: NDArray[np.str_]

    def where(self, chosen: NDArray[np.bool_]) -> Utterances:
        """Some of the utterances."""
        columns = (column[chosen] for column in (self.labels, self.speakers, self.folds, self.intensities))
        return Utterances(self.cues[chosen], *columns)


def cues_of(path: Path, duration_s: float) -> list[float]:
    """Values of a file's voice cues in the order of VOICE_CUES, NaN where not measurable."""
    cues = voice_cues(measure_voice(iterate_audio(path, 0.0, duration_s)))
    return [np.nan if cue.value is None else cue.value for cue in cues]


def read_utterances(folder: Path) -> Utterances:
    """Measure every utterance of a data set's manifest, or take the values of an earlier call with the same code."""
    with (folder / "manifest.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    cache = Path(tempfile.gettempdir()) / f"vaemo_voice_{folder.name}_{_code_id()}.npy"
    if not cache.exists():
        began = time.monotonic()
        values = np.array([cues_of(folder / row["path"], float(row["duration_s"])) for row in rows])
        sound_s = sum(float(row["duration_s"]) for row in rows)
        print(f"measured {len(rows)} utterances, {sound_s / (time.monotonic() - began):.0f}x real time with decoding")
        np.save(cache, values)
    columns = [np.array([row.get(name, "") for row in rows]) for name in ("label", "speaker", "fold", "intensity")]
    return Utterances(np.load(cache), *columns)


def _code_id() -> str:
    """Changes whenever the code of the voice cues does."""
    folder = Path(vaemo_clips.voice.__file__).parent
    return hashlib.sha256(b"".join(path.read_bytes() for path in sorted(folder.glob("*.py")))).hexdigest()[:12]
