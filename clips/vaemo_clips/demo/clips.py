"""The demo clips: who shows which emotion in which file, and the lists that go with them."""

from __future__ import annotations

import csv
import functools
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.demo.encode import write_mp4, write_wav
from vaemo_clips.demo.face import Face
from vaemo_clips.demo.manner import MANNERS, FaceManner, VoiceManner, draw_manner
from vaemo_clips.demo.performance import FPS, Performance, perform
from vaemo_clips.demo.planted import Planted, planted_face, planted_voice
from vaemo_clips.demo.portraits import collins, hopper
from vaemo_clips.demo.speaker import Speaker, make_speaker
from vaemo_clips.demo.utterance import draw_utterance
from vaemo_clips.demo.voice import RATE_HZ, speak
from vaemo_clips.errors import UserError

EMOTIONS = tuple(MANNERS)
LABELS, TRUTH = "labels.csv", "planted.json"
NUM_FOLDS = 5
_CYCLE, _SILENT, _VOICE_ONLY = 12, 4, 11
_CLIP, _GRAIN, _REFERENCE = 1, 2, 3  # streams of random numbers
_NUM_REFERENCES = 3

OnClip = Callable[[int], None]
"""Called with the number of clips that are done."""


@dataclass(frozen=True, slots=True)
class DemoClip:
    """One file, who shows what in it, and its truth."""

    file: Path
    emotion: str
    speaker: str
    text: str
    has_video: bool
    has_audio: bool
    planted: Planted

    @property
    def fold(self) -> int:
        """Which of NUM_FOLDS, counted from 1, the speaker's clips belong to."""
        return 1 + int(self.speaker.removeprefix("s")) % NUM_FOLDS


@dataclass(frozen=True, slots=True)
class _Order:
    folder: Path
    seed: int
    num_speakers: int
    noise: float
    size: tuple[int, int]
    duration_s: float
    complete: bool


def make_demo_clips(
    folder: Path,
    num_clips: int = 6,
    seed: int = 0,
    *,
    num_speakers: int = 24,
    noise: float = 1.0,
    size: tuple[int, int] = (320, 240),
    duration_s: float = 3.0,
    complete: bool = False,
    workers: int = 1,
    on_clip: OnClip | None = None,
) -> list[DemoClip]:
    """Write `num_clips` clips of (width, height) `size` at 25 fps with sound at 16 kHz, LABELS and TRUTH.

    A speaker shows all EMOTIONS in turn, then the next one does; after `num_speakers` the first comes again, so
    ceil(num_clips / 7) of them are used as long as that is fewer. Of every twelve clips the fifth has no sound
    and the last is sound alone (WAV), unless `complete`. `noise` scales the chance between clips. What is shown
    and said depends on `seed`, `num_speakers`, the clip's number and the options, on nothing else.
    Raises ValueError for a bad number, UserError for a folder that cannot be made, and MissingExtraError where a
    portrait's package is not installed.
    """
    _check(num_clips, num_speakers, size, duration_s, workers)
    collins(), hopper()  # a missing package is told before anything is written
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}); give another folder") from error
    make = functools.partial(_make, _Order(folder, seed, num_speakers, noise, size, duration_s, complete))
    clips = []
    for clip in _each(make, num_clips, workers):
        clips.append(clip)
        if on_clip is not None:
            on_clip(len(clips))
    _write_lists(folder, clips)
    return clips


def _check(num_clips: int, num_speakers: int, size: tuple[int, int], duration_s: float, workers: int) -> None:
    if min(num_clips, num_speakers, workers) < 1:
        raise ValueError(
            f"num_clips={num_clips}, num_speakers={num_speakers}, workers={workers}: each must be 1 or more"
        )
    if min(size) < 64 or size[0] % 2 or size[1] % 2:
        raise ValueError(f"size={size}: width and height must be even and at least 64")
    if not 1.0 <= duration_s <= 60.0:
        raise ValueError(f"duration_s={duration_s}: must be 1 to 60 seconds")


def _each(make: Callable[[int], DemoClip], num_clips: int, workers: int) -> Iterator[DemoClip]:
    if workers == 1 or num_clips == 1:
        yield from map(make, range(num_clips))
        return
    with ProcessPoolExecutor(min(workers, num_clips), get_context("spawn")) as pool:
        yield from pool.map(make, range(num_clips), chunksize=min(len(EMOTIONS), -(-num_clips // workers)))


def _make(order: _Order, number: int) -> DemoClip:
    emotion = EMOTIONS[number % len(EMOTIONS)]
    speaker = make_speaker(number // len(EMOTIONS) % order.num_speakers, order.seed)
    has_audio = order.complete or number % _CYCLE != _SILENT
    has_video = order.complete or number % _CYCLE != _VOICE_ONLY
    rng = np.random.default_rng([order.seed, _CLIP, number])
    manner = draw_manner(emotion, order.noise, rng)
    utterance = draw_utterance(speaker.voice, manner.voice, order.duration_s, rng)
    speech = speak(speaker.voice, manner.voice, utterance, order.duration_s, rng)
    shown = perform(speaker.rest, manner.face, utterance, round(order.duration_s * FPS), rng)
    planted = Planted(
        manner.strength, manner.face_strength, manner.voice_strength,
        **(planted_face(shown, _neutral(speaker, shown.num_frames)) if has_video else {}),
        **(planted_voice(speech, utterance) if has_audio else {}),
    )  # fmt: skip
    name = f"{number:03d}_s{speaker.number:02d}_{emotion}"
    file = order.folder / f"{name}.{'mp4' if has_video else 'wav'}"
    if has_video:
        pictures = _pictures(
            speaker, order.seed, shown, order.size, np.random.default_rng([order.seed, _GRAIN, number])
        )
        write_mp4(file, pictures, order.size, FPS, speech.sound if has_audio else None, RATE_HZ)
    else:
        write_wav(file, speech.sound, RATE_HZ)
    text = utterance.text if has_audio else ""
    return DemoClip(file, emotion, f"s{speaker.number:02d}", text, has_video, has_audio, planted)


def _neutral(speaker: Speaker, num_frames: int) -> Performance:
    """The speaker in the neutral manner, without chance in the cues: several talks, one after the other."""
    curves: list[dict[str, NDArray[np.float64]]] = []
    for talk in range(_NUM_REFERENCES):
        rng = np.random.default_rng([speaker.texture_seed, _REFERENCE, talk])
        utterance = draw_utterance(speaker.voice, VoiceManner(), num_frames / FPS, rng)
        curves.append(perform(speaker.rest, FaceManner(), utterance, num_frames, rng).curves)
    return Performance({name: np.concatenate([c[name] for c in curves]) for name in curves[0]})


def _pictures(
    speaker: Speaker, seed: int, shown: Performance, size: tuple[int, int], rng: np.random.Generator
) -> Iterator[NDArray[np.uint8]]:
    """All pictures with the grain of a camera."""
    face = _face(speaker.number, seed, size)
    grain = rng.normal(0, 2.2, (size[1] + 64, size[0] + 64, 1)).astype(np.float32)
    for frame in range(shown.num_frames):
        down, across = rng.integers(64, size=2)
        picture = face.picture(shown.state(frame)) + grain[down : down + size[1], across : across + size[0]]
        yield np.clip(picture, 0, 255).astype(np.uint8)


@functools.lru_cache(maxsize=1)  # a speaker's clips follow one another
def _face(speaker: int, seed: int, size: tuple[int, int]) -> Face:
    return Face(make_speaker(speaker, seed), *size)


def _write_lists(folder: Path, clips: list[DemoClip]) -> None:
    with (folder / LABELS).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "speaker", "fold", "text"])
        writer.writerows([clip.file.name, clip.emotion, clip.speaker, clip.fold, clip.text] for clip in clips)
    truth = [{**asdict(clip), "file": clip.file.name} for clip in clips]
    (folder / TRUTH).write_text(json.dumps(truth, indent=1) + "\n", encoding="utf-8")
