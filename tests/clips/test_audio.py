"""Sound on the picture's clock: flash and click at the same moment, whatever the file does to its clocks."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.media_files import Picture, Sound, click_times, steady, write_media
from tests.support.real_data import real_data
from vaemo_clips.audio import decode_audio
from vaemo_clips.errors import MediaError
from vaemo_clips.probe import probe

CLICKS_S = [0.5, 1.32, 2.6]
WITHIN_S = 0.0015


def write_wav(path: Path, samples: NDArray[np.float64], rate_hz: int) -> Path:
    """A PCM file with one row of `samples` per channel."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(len(samples))
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes((samples.T * 32767).astype("<i2").tobytes())
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        ("a.mp4", "aac", 44100),
        ("a.mkv", "aac", 48000),
        ("a.mov", "pcm_s16le", 22050),
        ("a.mkv", "flac", 16000),
        ("a.mp4", "libmp3lame", 44100),
        ("a.ts", "aac", 48000),
    ],
)
@pytest.mark.parametrize("picture_begin_s", [0.0, 0.4])
@pytest.mark.parametrize("sound_begin_s", [0.0, 0.31])
def test_clicks_stay_where_their_flashes_are(
    tmp_path: Path, name: str, codec: str, rate_hz: int, picture_begin_s: float, sound_begin_s: float
) -> None:
    clicks_s = [picture_begin_s + t for t in CLICKS_S]
    sound = Sound(clicks_s, sound_begin_s, 4.0, codec=codec, rate_hz=rate_hz)
    path = write_media(tmp_path / name, Picture(steady(90, begin_s=picture_begin_s)), sound)
    samples = decode_audio(path, 0.0, 3.0)
    assert samples.shape == (48000,)
    assert click_times(samples, 16000) == pytest.approx(CLICKS_S, abs=WITHIN_S)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.mp4", "aac"), ("a.mkv", "flac"), ("a.ts", "aac"), ("a.mp3", "libmp3lame"), ("a.mpg", "mp2")]
)
def test_a_segment_far_into_a_file_is_exact(tmp_path: Path, name: str, codec: str) -> None:
    sound = Sound([12.0, 12.7], end_s=20.0, codec=codec)
    video_codec = "mpeg1video" if name == "a.mpg" else "libx264"
    picture = None if name == "a.mp3" else Picture(steady(500), 64, 48, codec=video_codec)
    path = write_media(tmp_path / name, picture, sound)
    samples = decode_audio(path, 11.5, 2.0)
    assert click_times(samples, 16000) == pytest.approx([0.5, 1.2], abs=WITHIN_S)


def test_a_late_or_short_stream_is_padded_with_silence(tmp_path: Path) -> None:
    sound = Sound([1.5], begin_s=1.0, end_s=2.0, codec="pcm_s16le", rate_hz=16000)
    path = write_media(tmp_path / "a.mov", Picture(steady(75)), sound)
    samples = decode_audio(path, 0.0, 3.0)
    assert np.flatnonzero(samples).min() == pytest.approx(24000, abs=10)
    assert decode_audio(path, 2.5, 0.5).shape == (8000,)
    assert not decode_audio(path, 2.5, 0.5).any()


def test_a_gap_in_the_stamps_stays_a_gap(tmp_path: Path) -> None:
    sound = Sound([0.5, 2.5], codec="flac", rate_hz=16000, gap_s=(1.0, 2.0))
    path = write_media(tmp_path / "a.mkv", Picture(steady(75)), sound)
    assert click_times(decode_audio(path, 0.0, 3.0), 16000) == pytest.approx([0.5, 2.5], abs=WITHIN_S)


def test_sound_begins_late_in_a_real_file() -> None:
    path = real_data("clips") / "hevc_mov_face_then_none.mov"
    samples = decode_audio(path, 0.0, 6.4, rate_hz=44100)
    first_s = np.flatnonzero(samples)[0] / 44100
    late_s = 107164 / 44100  # the sound stream's start_time
    assert late_s <= first_s < late_s + 0.1


@pytest.mark.parametrize("rate_hz", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("duration_s", [0.01, 0.333, 2.0])
def test_the_number_of_samples_is_exact(tmp_path: Path, rate_hz: int, duration_s: float) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(75)), Sound(CLICKS_S))
    samples = decode_audio(path, 0.2, duration_s, rate_hz)
    assert samples.shape == (round(duration_s * rate_hz),)
    assert samples.dtype == np.float32


def test_stereo_is_averaged_and_never_clips(tmp_path: Path) -> None:
    time_s = np.arange(16000) / 16000
    tone = np.sin(2 * np.pi * 200 * time_s)
    both = decode_audio(write_wav(tmp_path / "both.wav", np.stack([tone, tone]), 16000), 0, 1)
    left = decode_audio(write_wav(tmp_path / "left.wav", np.stack([tone, 0 * tone]), 16000), 0, 1)
    against = decode_audio(write_wav(tmp_path / "against.wav", np.stack([tone, -tone]), 16000), 0, 1)
    assert both == pytest.approx(tone, abs=1e-3)
    assert left == pytest.approx(tone / 2, abs=1e-3)
    assert against == pytest.approx(0 * tone, abs=1e-3)


def test_all_six_channels_are_heard_without_clipping(tmp_path: Path) -> None:
    sound = Sound([0.5], end_s=1.0, codec="flac", rate_hz=16000, layout="5.1")
    samples = decode_audio(write_media(tmp_path / "a.mkv", None, sound), 0.0, 1.0)
    assert click_times(samples, 16000) == pytest.approx([0.5], abs=WITHIN_S)
    assert np.abs(samples).max() == pytest.approx(0.9, abs=0.01), "six equal channels keep their level"


@pytest.mark.parametrize("num_channels", [1, 3, 4, 7, 8, 10])
def test_any_number_of_channels_is_mixed_at_its_level(tmp_path: Path, num_channels: int) -> None:
    tone = 0.9 * np.sin(2 * np.pi * 200 * np.arange(16000) / 16000)
    path = write_wav(tmp_path / "a.wav", np.repeat(tone[None], num_channels, axis=0), 16000)
    assert decode_audio(path, 0.0, 1.0) == pytest.approx(tone, abs=2e-3)


def test_resampling_keeps_a_tone_and_its_phase(tmp_path: Path) -> None:
    time_s = np.arange(44100) / 44100
    path = write_wav(tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * 440 * time_s)[None], 44100)
    samples = decode_audio(path, 0.25, 0.5)
    expected = 0.5 * np.sin(2 * np.pi * 440 * (0.25 + np.arange(8000) / 16000))
    assert samples == pytest.approx(expected, abs=2e-3)


def test_a_file_without_sound_is_a_typed_error(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(5)))
    with pytest.raises(MediaError, match=r"no_audio: .*has no sound"):
        decode_audio(path, 0.0, 1.0)


def test_every_real_sound_decodes_within_full_scale() -> None:
    folder = real_data("clips")
    for path in sorted(p for p in folder.iterdir() if p.suffix != ".csv"):
        info = probe(path)
        if info.has_audio:
            samples = decode_audio(path, 0.0, info.duration_s)
            assert np.isfinite(samples).all(), path.name
            assert np.abs(samples).max() <= 1.0, path.name
            assert samples.any() != ("silent" in path.name and "near" not in path.name), path.name
