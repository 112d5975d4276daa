"""What of a clip is sent: frames and sound with their digests, and what becomes of files that cannot be decoded."""

from __future__ import annotations

import base64
import io
import os
import shutil
import time
import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.real_data import real_data
from vaemo_annotate.media import PooledDecoder, encode_clip
from vaemo_annotate.prompt import Input, MediaSettings
from vaemo_annotate.prompt_view import single_clip
from vaemo_clips.errors import MediaError
from vaemo_clips.workers import decoding_pool

BOTH: frozenset[Input] = frozenset({"video", "audio"})
SETTINGS = MediaSettings(fps=2.0, max_frames=4, short_side_px=120)


@pytest.fixture(scope="module")
def talking(demo_clips: Path) -> Path:
    """A clip with picture and sound."""
    return sorted(demo_clips.glob("*.mp4"))[0]


def test_frames_are_small_jpegs_and_sound_is_16_khz_mono_wav(talking: Path) -> None:
    media = encode_clip(talking, single_clip(talking), SETTINGS, BOTH)
    assert media.facts.video is not None
    assert media.facts.audio is not None
    assert (media.facts.video.num_frames, len(media.frames_base64)) == (4, 4)
    assert media.facts.video.fps == pytest.approx(4 / 3.0, rel=0.01)
    with Image.open(io.BytesIO(base64.b64decode(media.frames_base64[0]))) as image:
        assert (image.format, min(image.size)) == ("JPEG", 120)
    with wave.open(io.BytesIO(base64.b64decode(media.wav_base64))) as sound:
        assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16_000, 1, 2)
        assert sound.getnframes() == round(16_000 * media.facts.audio.duration_s)
        assert np.abs(np.frombuffer(sound.readframes(-1), "<i2")).max() > 1000


def test_encoding_is_deterministic_and_its_digest_tells_segments_and_settings_apart(talking: Path) -> None:
    clip = single_clip(talking)
    half = replace(clip, start_s=0.0, end_s=1.5, duration_s=1.5)
    digests = set()
    for one, settings in (
        (clip, SETTINGS),
        (half, SETTINGS),
        (clip, SETTINGS.model_copy(update={"short_side_px": 96})),
    ):
        first, again = (encode_clip(talking, one, settings, BOTH).facts for _ in range(2))
        assert first == again
        assert first.video is not None
        digests.add(first.video.digest)
    assert len(digests) == 3


def test_only_what_a_prompt_asks_for_is_decoded(talking: Path) -> None:
    media = encode_clip(talking, single_clip(talking), SETTINGS, frozenset({"audio"}))
    assert media.facts.video is None
    assert media.frames_base64 == []


def test_digital_silence_is_told_from_quiet_sound() -> None:
    for name, silent in (("silent_audio_20s.mp4", True), ("near_silent_mp3_in_mp4.mp4", False)):
        path = real_data(f"clips/{name}")
        facts = encode_clip(path, single_clip(path), SETTINGS, BOTH).facts
        assert facts.audio is not None
        assert facts.audio.is_silent is silent, name


def test_all_real_clips_encode(tmp_path: Path) -> None:
    for path in sorted(real_data("clips").iterdir()):
        if path.suffix != ".csv":
            clip = single_clip(path)
            facts = encode_clip(path, clip, SETTINGS, BOTH).facts
            assert (facts.video is not None) == clip.has_video
            assert (facts.audio is not None) == clip.has_audio


def test_a_file_that_changed_or_went_since_it_was_indexed_is_a_media_error(talking: Path, tmp_path: Path) -> None:
    path = Path(shutil.copy(talking, tmp_path / "a.mp4"))
    clip = single_clip(path)
    path.touch()
    assert encode_clip(path, clip, SETTINGS, BOTH).facts.video is not None
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(MediaError, match=r"file_changed: a\.mp4: .* index the folder again"):
        encode_clip(path, clip, SETTINGS, BOTH)
    path.unlink()
    with pytest.raises(MediaError, match=r"not_found: a\.mp4: .* index the folder again"):
        encode_clip(path, clip, SETTINGS, BOTH)


def die(*job: Any) -> None:
    """Die as a decoder does on a file that it cannot survive."""
    os._exit(11)


def hang(*job: Any) -> None:
    """Hang as a decoder does on a file without end."""
    time.sleep(60)


class Instead:
    """A pool that runs another function in the place of the decoder."""

    def __init__(self, pool: Any, function: Any) -> None:
        self.pool = pool
        self.function = function

    def schedule(self, function: Any, args: Any, timeout: float) -> Any:
        return self.pool.schedule(self.function, args=args, timeout=timeout)


async def test_a_decoder_that_dies_or_hangs_is_a_typed_reject_and_the_pool_goes_on(talking: Path) -> None:
    clip = single_clip(talking)
    with decoding_pool(1, preload="vaemo_annotate.media") as pool:
        for function, reason in ((die, "decoder_crashed"), (hang, "decoder_timeout")):
            decoder = PooledDecoder(talking.parent, SETTINGS, BOTH, Instead(pool, function), timeout_s=4.0)
            with pytest.raises(MediaError, match=rf"{reason}: {clip.path}: .* transcode the file"):
                await decoder.decode(clip)
        media = await PooledDecoder(talking.parent, SETTINGS, BOTH, pool).decode(clip)
    assert media.facts.video is not None


async def test_the_memo_key_depends_on_all_that_the_bytes_depend_on(talking: Path) -> None:
    clip = single_clip(talking)

    def key(settings: MediaSettings = SETTINGS, inputs: frozenset[Input] = BOTH, **changes: Any) -> bytes:
        return PooledDecoder(talking.parent, settings, inputs, pool=None).memo_key(replace(clip, **changes))

    others = [
        key(settings=MediaSettings(fps=3.0)), key(inputs=frozenset({"video"})), key(sha256="x"), key(start_s=0.5),
        key(end_s=2.5), key(has_audio=False), key(file_bytes=1), key(file_mtime_ns=1),
    ]  # fmt: skip
    assert key() not in others
    assert key() == key(clip_id="renamed")
