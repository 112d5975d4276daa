"""Sound in blocks: the same samples as in one piece, in memory that does not grow."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from tests.clips.test_audio import write_wav
from tests.support.media_files import Picture, Sound, steady, write_media
from tests.support.real_data import real_data
from vaemo_clips.audio import decode_audio, iterate_audio
from vaemo_clips.errors import MediaError
from vaemo_clips.probe import probe


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz", "layout"),
    [
        ("a.mp4", "aac", 44100, "stereo"),
        ("a.mkv", "aac", 48000, "5.1"),
        ("a.mkv", "flac", 16000, "mono"),
        ("a.mkv", "flac", 8000, "mono"),
        ("a.ts", "aac", 48000, "stereo"),
    ],
)
@pytest.mark.parametrize("block_s", [0.1, 1.0, 30.0])
@pytest.mark.parametrize(("begin_s", "duration_s"), [(0.0, 6.0), (1.37, 3.1), (4.5, 3.0)])
def test_blocks_are_the_samples_of_the_whole(
    tmp_path: Path, name: str, codec: str, rate_hz: int, layout: str, block_s: float, begin_s: float, duration_s: float
) -> None:
    sound = Sound([0.5, 2.6, 5.2], 0.31, 6.0, codec, rate_hz, layout, gap_s=(3.0, 4.5))
    path = write_media(tmp_path / name, Picture(steady(150)), sound)
    blocks = list(iterate_audio(path, begin_s, duration_s, block_s=block_s))
    assert {len(block) for block in blocks[:-1]} <= {round(block_s * 16000)}
    assert 0 < len(blocks[-1]) <= round(block_s * 16000)
    np.testing.assert_allclose(np.concatenate(blocks), decode_audio(path, begin_s, duration_s), atol=1e-6)


def test_blocks_of_real_sound_are_the_samples_of_the_whole() -> None:
    for name in ("animation_5_1_audio.mp4", "hevc_mov_face_then_none.mov", "five_frames_1080p_silent.mp4"):
        path = real_data("clips") / name
        duration_s = probe(path).duration_s
        blocks = np.concatenate(list(iterate_audio(path, 0.0, duration_s, block_s=0.37)))
        np.testing.assert_allclose(blocks, decode_audio(path, 0.0, duration_s), atol=1e-6, err_msg=name)


def test_beyond_the_end_there_is_silence(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.full((1, 8000), 0.5), 8000)
    blocks = list(iterate_audio(path, 5.0, 2.5, block_s=1.0))
    assert [len(block) for block in blocks] == [16000, 16000, 8000]
    assert not np.concatenate(blocks).any()


def test_memory_is_bounded_by_the_block(tmp_path: Path) -> None:
    tone = 0.5 * np.sin(np.arange(300 * 8000) / 10)
    path = write_wav(tmp_path / "long.wav", tone[None], 8000)
    del tone
    tracemalloc.start()
    try:
        count = sum(len(block) for block in iterate_audio(path, 0.0, 300.0, block_s=2.0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 300 * 16000
    assert peak < 2e6, "300 s of samples would be 19 MB"


def test_an_unfinished_reading_can_be_left(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", np.full((1, 80000), 0.5), 8000)
    assert len(next(iterate_audio(path, 0.0, 10.0, block_s=1.0))) == 16000


def test_errors_come_with_the_first_block(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(5)))
    with pytest.raises(MediaError, match="no_audio"):
        next(iterate_audio(path, 0.0, 1.0))
    with pytest.raises(ValueError, match="block_s=0"):
        iterate_audio(path, 0.0, 1.0, block_s=0)


@pytest.mark.parametrize("channels", [1, 2])
def test_samples_that_are_no_numbers_are_nan_in_the_stream_and_silent_when_decoded(
    tmp_path: Path, channels: int
) -> None:
    sound = np.full((16000, channels), 0.25, np.float32)
    sound[4000:4100, 0] = np.nan
    sound[9000:9010, -1] = np.inf
    header = struct.pack("<HHIIHH", 3, channels, 16000, 16000 * 4 * channels, 4 * channels, 32)
    data = sound.tobytes()
    chunks = b"fmt " + struct.pack("<I", len(header)) + header + b"data" + struct.pack("<I", len(data)) + data
    path = tmp_path / "broken.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks)
    streamed = np.concatenate(list(iterate_audio(path, 0.0, 1.0, 16000, block_s=0.3)))
    assert np.flatnonzero(np.isnan(streamed)).tolist() == [*range(4000, 4100), *range(9000, 9010)]
    decoded = decode_audio(path, 0.0, 1.0, 16000)
    assert np.isfinite(decoded).all()
    assert not decoded[4000:4100].any()
    assert np.isfinite(decode_audio(path, 0.0, 1.0, 8000)).all()
