"""The clips that the project makes itself, and the truth that is planted in them."""

from __future__ import annotations

import csv
import importlib.util
import json
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from vaemo_clips.audio import decode_audio
from vaemo_clips.demo import EMOTIONS, LABELS, TRUTH, DemoClip, clips, make_demo_clips
from vaemo_clips.demo.canvas import EYE_DISTANCE, EYES_X, EYES_Y
from vaemo_clips.demo.manner import FaceManner, draw_manner
from vaemo_clips.demo.portraits import MEAN_FACE, POINT_NAMES, collins
from vaemo_clips.demo.pose import displacement
from vaemo_clips.demo.speaker import HAIR_STYLES, make_speaker
from vaemo_clips.demo.utterance import draw_utterance
from vaemo_clips.demo.warp import thin_plate
from vaemo_clips.errors import MissingExtraError
from vaemo_clips.index import index
from vaemo_clips.probe import probe
from vaemo_clips.video import decode_frames

SIZE = (160, 120)
DURATION_S = 2.0


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> list[DemoClip]:
    return make_demo_clips(tmp_path_factory.mktemp("demo"), 12, duration_s=DURATION_S)


def _pictures(clip: DemoClip) -> NDArray[np.float64]:
    frames = decode_frames(clip.file, [k / 25 + 0.02 for k in range(50)]).images
    return np.stack([np.asarray(frame, np.float64) for frame in frames])


def _pitch_hz(sound: NDArray[np.floating], rate_hz: int = 16000) -> float:
    """Median of the strongest autocorrelation lag over the loud stretches of 40 ms."""
    stretches = sound[: len(sound) // 640 * 640].reshape(-1, 640)
    loud = stretches[np.square(stretches).mean(1) > 0.3 * np.square(stretches).mean()]
    lags = range(rate_hz // 500, rate_hz // 65)
    pitches = []
    for stretch in loud - loud.mean(1, keepdims=True):
        score = [float((stretch[lag:] * stretch[:-lag]).sum() / (640 - lag) ** 0.9) for lag in lags]
        # Twice the period fits as well as the period: the first lag that is nearly best counts.
        pitches.append(rate_hz / next(lag for lag, s in zip(lags, score, strict=True) if s > 0.85 * max(score)))
    return float(np.median(pitches))


def test_twelve_clips_cover_both_one_and_no_modality(demo: list[DemoClip]) -> None:
    facts = [probe(clip.file) for clip in demo]
    assert [info.has_audio for info in facts] == [k != 4 for k in range(12)] == [clip.has_audio for clip in demo]
    assert [info.width is not None for info in facts] == [k != 11 for k in range(12)]
    assert all((info.width, info.height) == (320, 240) and info.fps == 25 for info in facts[:11])
    assert all(info.duration_s == pytest.approx(DURATION_S, abs=0.01) for info in facts)
    assert {info.audio_rate_hz for info in facts if info.has_audio} == {16000}


def test_names_tell_number_speaker_and_emotion(demo: list[DemoClip]) -> None:
    assert demo[0].file.name == "000_s00_happiness.mp4"
    assert demo[11].file.name == "011_s01_fear.wav"
    names = {path.name for path in demo[0].file.parent.iterdir()}
    assert names == {clip.file.name for clip in demo} | {LABELS, TRUTH}


def test_each_speaker_shows_each_emotion_once_before_the_next_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "write_mp4", lambda *_: None)
    made = [clips._make(clips._Order(Path(), 0, 3, 1.0, SIZE, 3.0, True), number) for number in range(42)]
    assert Counter((clip.speaker, clip.emotion) for clip in made) == {
        (f"s{s:02d}", emotion): 2 for s in range(3) for emotion in EMOTIONS
    }
    assert {clip.speaker for clip in made[:7]} == {"s00"}


def test_labels_can_be_indexed(demo: list[DemoClip], tmp_path: Path) -> None:
    folder = demo[0].file.parent
    summary = index(folder / LABELS, tmp_path / "clips.parquet", workers=1)
    assert (summary.found, summary.accepted) == (12, 12)
    rows = pq.read_table(tmp_path / "clips.parquet").to_pylist()
    assert [(row["label"], row["speaker"]) for row in rows] == [(clip.emotion, clip.speaker) for clip in demo]
    assert [row["fold"] for row in rows] == [clip.fold for clip in demo] == [1] * 7 + [2] * 5


def test_a_speaker_is_in_one_of_five_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clips, "write_mp4", lambda *_: None)
    order = clips._Order(Path(), 0, 24, 1.0, SIZE, 1.0, True)
    folds = {number // 7: clips._make(order, number).fold for number in range(0, 84, 7)}
    assert folds == {speaker: 1 + speaker % 5 for speaker in range(12)}


def test_the_lists_say_what_the_records_say(demo: list[DemoClip]) -> None:
    folder = demo[0].file.parent
    with (folder / LABELS).open(encoding="utf-8") as file:
        assert [(r["path"], r["text"]) for r in csv.DictReader(file)] == [(c.file.name, c.text) for c in demo]
    truth = json.loads((folder / TRUTH).read_text(encoding="utf-8"))
    assert [row["planted"]["brow_raise"] for row in truth] == [clip.planted.brow_raise for clip in demo]
    assert truth[4]["planted"]["f0_median_hz"] is None
    assert truth[11]["planted"]["head_yaw"] is None


def test_a_clip_hangs_on_seed_and_number_only(tmp_path: Path) -> None:
    one = make_demo_clips(tmp_path / "one", 2, size=SIZE, duration_s=1.0)
    more = make_demo_clips(tmp_path / "more", 3, size=SIZE, duration_s=1.0, workers=2)
    other = make_demo_clips(tmp_path / "other", 1, seed=1, size=SIZE, duration_s=1.0)
    assert [clip.file.read_bytes() for clip in one] == [clip.file.read_bytes() for clip in more[:2]]
    assert [clip.planted for clip in one] == [clip.planted for clip in more[:2]]
    assert other[0].file.read_bytes() != one[0].file.read_bytes()


def test_the_voice_has_the_planted_pitch(demo: list[DemoClip]) -> None:
    for clip in (demo[0], demo[1], demo[11]):
        assert _pitch_hz(decode_audio(clip.file, 0.0, DURATION_S)) == pytest.approx(clip.planted.f0_median_hz, rel=0.08)


def test_pauses_are_silent_and_the_rest_has_the_planted_level(demo: list[DemoClip]) -> None:
    paused = [(clip, pause) for clip in demo for pause in clip.planted.pauses_s]
    assert paused, "no clip has a pause"
    for clip, (begin_s, end_s) in paused:
        assert end_s - begin_s >= 0.15
        # AAC smears the end of a word by a few milliseconds.
        silence = decode_audio(clip.file, begin_s + 0.05, end_s - begin_s - 0.1)
        assert 20 * np.log10(np.sqrt(np.square(silence).mean())) < -50
    assert _level_db(demo[2]) > _level_db(demo[1])


def _level_db(clip: DemoClip) -> float:
    """Level of the whole sound in dB re full scale."""
    return float(10 * np.log10(np.square(decode_audio(clip.file, 0.0, DURATION_S)).mean()))


def test_the_mouth_moves_while_the_voice_sounds(demo: list[DemoClip]) -> None:
    calm, shown = demo[3], _pictures(demo[3])
    sound = decode_audio(calm.file, 0.0, DURATION_S).reshape(50, 640)
    is_loud = np.square(sound).mean(1) > 0.1 * np.square(sound).mean()
    mouth = np.abs(np.diff(shown[:, 130:175, 130:190].mean(-1), axis=0)).mean((1, 2))
    assert mouth[is_loud[1:]].mean() > 1.3 * mouth[~is_loud[1:]].mean()


def test_pictures_differ_by_emotion_more_than_by_noise(demo: list[DemoClip]) -> None:
    middle = [_pictures(clip)[20:48].mean(0) for clip in demo[:4]]
    wall = [np.abs(one[5:30, 5:60] - middle[3][5:30, 5:60]).mean() for one in middle[:3]]
    face = [np.abs(one[60:180, 110:210] - middle[3][60:180, 110:210]).mean() for one in middle[:3]]
    assert max(wall) < 1.5
    assert min(face) > 4 * max(wall)


@pytest.mark.parametrize(
    ("emotion", "cue", "sign"),
    [("happiness", "lip_corner_pull", 1), ("sadness", "head_pitch", -1), ("anger", "brow_raise", -1),
     ("fear", "eye_opening", 1), ("surprise", "mouth_opening", 1), ("disgust", "eye_opening", -1)],
)  # fmt: skip
def test_cues_point_the_emotions_way_in_most_clips_but_not_in_all(emotion: str, cue: str, sign: int) -> None:
    values = [getattr(draw_manner(emotion, 1.0, np.random.default_rng(k)).face, cue) * sign for k in range(200)]
    share = np.mean(np.array(values) > 0)
    assert share > 0.8
    assert np.std(values) > 0.2 * np.mean(values)


def test_without_noise_face_and_voice_are_equally_strong() -> None:
    manner = draw_manner("neutral", 0.0, np.random.default_rng(0))
    assert manner.face == FaceManner()
    assert manner.face_strength == manner.voice_strength == manner.strength
    drawn = [draw_manner("anger", 1.0, np.random.default_rng(k)) for k in range(300)]
    strengths = np.array([(m.face_strength, m.voice_strength, m.strength) for m in drawn])
    assert strengths.min() > 0
    assert strengths.max() <= 1.5
    assert np.corrcoef(strengths[:, 0], strengths[:, 1])[0, 1] < 0


def test_planted_face_of_neutral_without_noise_is_near_nothing(tmp_path: Path) -> None:
    clip = make_demo_clips(tmp_path, 4, noise=0.0, size=SIZE, complete=True)[3]
    assert clip.emotion == "neutral"
    assert clip.planted.lip_corner_pull == pytest.approx(0.0, abs=0.01)
    assert clip.planted.head_pitch == pytest.approx(0.0, abs=3.0)


def test_words_fill_the_clip_and_pauses_lie_between_them() -> None:
    for seed in range(40):
        rng = np.random.default_rng(seed)
        manner = draw_manner(EMOTIONS[seed % 7], 1.0, rng).voice
        said = draw_utterance(make_speaker(seed, 0).voice, manner, 3.0, rng)
        ends = [time_s for word in said.words_s for time_s in word]
        assert ends == sorted(ends)
        assert 0.1 < ends[0] < ends[-1] <= 2.8
        for begin_s, end_s in said.pauses_s:
            assert not said.level(np.linspace(begin_s + 1e-6, end_s - 1e-6, 50)).any()


def test_speakers_differ_in_looks_and_voice() -> None:
    speakers = [make_speaker(number, 0) for number in range(24)]
    assert {s.hair_style for s in speakers} == set(HAIR_STYLES)
    assert len({(s.skin, s.hair) for s in speakers}) == 24
    pitches = [s.voice.f0_hz for s in speakers]
    assert max(pitches) > 1.6 * min(pitches)
    spread = np.std([s.points for s in speakers], axis=0)
    assert spread[POINT_NAMES.index("chin"), 1] > 2


def test_a_thin_plate_takes_points_to_points() -> None:
    points = MEAN_FACE.astype(np.float32)
    x, y = thin_plate(points, collins().points, points[:, 0], points[:, 1])
    assert np.abs(np.column_stack([x, y]) - collins().points).max() < 2.5


def test_a_missing_portrait_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    collins.cache_clear()
    with pytest.raises(MissingExtraError, match=r"skimage is not installed; .*vaemo\[demo\]"):
        make_demo_clips(tmp_path / "none", 1)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [({"num_clips": 0}, "num_clips=0"), ({"size": (321, 240)}, "even"), ({"duration_s": 0.2}, "1 to 60 seconds")],
)
def test_bad_numbers_are_refused(tmp_path: Path, options: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_demo_clips(tmp_path, **options)  # type: ignore[arg-type]


def test_brows_move_by_what_is_planted() -> None:
    speaker = make_speaker(3, 0)
    still = dict.fromkeys(
        ("brow_raise", "brow_slant", "brow_furrow", "lip_corner_pull", "nose_wrinkle", "head_yaw", "head_pitch",
         "head_roll", "sway_x", "sway_y"), 0.0,
    )  # fmt: skip
    _, moved = displacement(speaker, {**still, "brow_raise": 0.05}, 1)
    places = [speaker.point(f"brow_{side}_{part}") for side in "lr" for part in ("out", "top", "in")]
    heights = [-moved[round(y) + EYES_Y, round(x) + EYES_X] / EYE_DISTANCE for x, y in places]
    assert np.mean(heights) == pytest.approx(0.05, rel=0.1)
    assert not np.any(displacement(speaker, still, 1)[1])
