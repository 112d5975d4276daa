"""The processor: from pictures and sound to the models' inputs, and back from disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoFeatureExtractor, AutoProcessor

from tests.support.tiny_vaemo import tiny_config, tiny_model
from vaemo_train.data.augment import Augment
from vaemo_train.data.features import log_mel
from vaemo_train.models import VAEmoConfig, VAEmoProcessor

_RNG = np.random.default_rng(0)
_FRAMES = _RNG.integers(0, 256, (16, 77, 77, 3), dtype=np.uint8)
_SOUND = _RNG.normal(0, 0.1, 40_960).astype(np.float32)


def test_a_whole_window_is_the_models_input() -> None:
    inputs = VAEmoProcessor.of(tiny_config())(videos=[_FRAMES], audio=[_SOUND], sampling_rate=16_000)
    assert inputs["pixel_values_videos"].shape == (1, 16, 3, 64, 64)
    assert inputs["pixel_values_videos"][0, 3, 1, 5, 7].item() == pytest.approx(_FRAMES[3, 11, 13, 1] / 127.5 - 1)
    assert torch.equal(inputs["input_features"], log_mel(torch.from_numpy(_SOUND)[None]))
    assert not inputs["video_padding_mask"].any()
    assert not inputs["audio_padding_mask"].any()
    with torch.no_grad():
        assert tiny_model()(**inputs, batch_seed=0).loss.isfinite()


def test_a_stored_face_and_its_sound_become_what_evaluation_sees_of_them() -> None:
    faces = _RNG.integers(0, 256, (1, 16, 192, 192, 3), dtype=np.uint8)
    sound = _RNG.integers(-3000, 3000, (1, 40_960), dtype=np.int16)
    batch = {
        "frames": torch.from_numpy(faces),
        "is_frame_padding": torch.zeros(1, 16, dtype=torch.bool),
        "sound": torch.from_numpy(sound),
        "num_samples": torch.tensor([40_960]),
    }
    evaluated = Augment()(batch)
    processed = VAEmoProcessor.of(VAEmoConfig())(videos=list(faces), audio=list(sound / 32768))
    for name in ("pixel_values_videos", "input_features"):
        torch.testing.assert_close(processed[name], evaluated[name], atol=1e-4, rtol=1e-4)


def test_what_a_clip_lacks_is_padding() -> None:
    inputs = VAEmoProcessor.of(tiny_config())(videos=[_FRAMES[:5], None], audio=[None, _SOUND[:16_000]])
    assert inputs["video_padding_mask"].sum(dim=1).tolist() == [11, 16]
    assert inputs["audio_padding_mask"].sum(dim=1).tolist() == [256, 156]
    assert (inputs["input_features"][0] == 0).all()


def test_pictures_of_another_size_are_scaled() -> None:
    grey = np.full((2, 200, 100, 3), 51, np.uint8)
    pixels = VAEmoProcessor.of(tiny_config())(videos=[grey])["pixel_values_videos"]
    torch.testing.assert_close(pixels[0, :2], torch.full((2, 3, 64, 64), 51 / 127.5 - 1))


def test_it_comes_back_from_disk(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path)
    processor = VAEmoProcessor.of(tiny_config(log_mel_mean=-3.0))
    processor.save_pretrained(tmp_path)
    for again in (
        VAEmoProcessor.from_pretrained(tmp_path),
        AutoProcessor.from_pretrained(tmp_path),
        AutoFeatureExtractor.from_pretrained(tmp_path),
    ):
        assert isinstance(again, VAEmoProcessor)
        assert again.to_dict() == processor.to_dict()
    assert again.log_mel_mean == -3.0


def test_what_cannot_be_used_is_told() -> None:
    processor = VAEmoProcessor.of(tiny_config())
    with pytest.raises(ValueError, match="give videos, audio, or both"):
        processor()
    with pytest.raises(ValueError, match="1 videos and 2 sounds: give None where a clip lacks one"):
        processor(videos=[_FRAMES], audio=[_SOUND, _SOUND])
    with pytest.raises(ValueError, match=r"videos\[0\] is \(17, 64, 64, 3\); it must be \(1 to 16 pictures"):
        processor(videos=[np.zeros((17, 64, 64, 3), np.uint8)])
    with pytest.raises(ValueError, match=r"audio\[0\] is \(50000,\); it must be \(1 to 40960 samples,\)"):
        processor(audio=[np.zeros(50_000, np.float32)])
    with pytest.raises(ValueError, match="sampling_rate=44100: the model hears 16000 Hz; resample"):
        processor(audio=[_SOUND], sampling_rate=44_100)
