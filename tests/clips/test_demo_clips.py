"""The clips that the project draws itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from vaemo_clips.audio import decode_audio
from vaemo_clips.demo_clips import MANNERS, make_demo_clips
from vaemo_clips.probe import probe
from vaemo_clips.video import decode_frames


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_demo_clips(tmp_path_factory.mktemp("demo"))


def test_six_clips_cover_both_one_and_no_modality(demo: list[Path]) -> None:
    facts = [probe(path) for path in demo]
    assert [info.width is not None for info in facts] == [True, True, True, True, True, False]
    assert [info.has_audio for info in facts] == [True, True, True, False, True, True]
    assert all(info.duration_s == pytest.approx(3.0, abs=0.01) for info in facts)
    assert sorted(path.name for path in demo[0].parent.iterdir()) == [path.name for path in demo]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_does_not(demo: list[Path], tmp_path: Path) -> None:
    (again,) = make_demo_clips(tmp_path / "same", count=1)
    (other,) = make_demo_clips(tmp_path / "other", count=1, seed=1)
    assert again.read_bytes() == demo[0].read_bytes()
    assert other.read_bytes() != demo[0].read_bytes()


def test_the_mouth_opens_with_the_voice(demo: list[Path]) -> None:
    path = demo[2]
    times_s = [k / 25 + 0.02 for k in range(75)]
    voice = decode_audio(path, 0.0, 3.0).reshape(75, 640)
    loudness = np.sqrt((voice**2).mean(axis=1))
    opening = [
        float((np.abs(i[150:200, 120:200].astype(int) - (92, 28, 34)).sum(-1) < 60).sum())
        for i in decode_frames(path, times_s).images
    ]
    assert np.corrcoef(loudness, opening)[0, 1] > 0.6


def test_angry_speech_is_louder_than_sad_speech(demo: list[Path]) -> None:
    sad, angry = (np.square(decode_audio(demo[k], 0.0, 3.0)).mean() for k in (1, 2))
    assert angry > 4 * sad
    assert MANNERS["anger"].pitch_hz > MANNERS["sadness"].pitch_hz
