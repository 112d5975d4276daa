"""`VAEmoProcessor`: pictures and sound of clips as inputs of the models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate
from transformers import BatchFeature, FeatureExtractionMixin

from vaemo_train.data.features import HOP_SAMPLES, log_mel
from vaemo_train.models.config import VAEmoConfig

_SETTINGS = ("num_frames", "frame_stride_s", "image_size", "num_audio_frames", "num_mel_bins", "audio_hop_s",
             "sampling_rate", "log_mel_mean", "log_mel_std")  # fmt: skip
FACE_SHARE = 1.2
"""A stored face's side over what the model sees of it: 192 px and 160 px."""


class VAEmoProcessor(FeatureExtractionMixin):
    """Turns clips of at most one window into the models' inputs: B clips, T pictures, S samples, F frames, M mel bins.

    A window is `num_frames` pictures of a face, `frame_stride_s` apart, and the sound of the same seconds: picture i
    is of second (i + 0.5) * frame_stride_s. Pictures are aligned crops as `prepare` stores them; as in training they
    are brought to `face_size` and cut to the `image_size` in their middle.
    """

    model_input_names = ("pixel_values_videos", "input_features", "video_padding_mask", "audio_padding_mask")

    num_frames: int
    frame_stride_s: float
    image_size: int
    face_size: int
    num_audio_frames: int
    num_mel_bins: int
    audio_hop_s: float
    sampling_rate: int
    log_mel_mean: float
    log_mel_std: float

    def __init__(self, **settings: Any) -> None:
        """Take the settings of a configuration by name; those not given are `VAEmoConfig`'s."""
        defaults = VAEmoConfig()
        for name in _SETTINGS:
            settings.setdefault(name, getattr(defaults, name))
        settings.setdefault("face_size", round(FACE_SHARE * settings["image_size"]))
        super().__init__(**settings)

    @classmethod
    def of(cls, config: VAEmoConfig, face_size: int | None = None) -> VAEmoProcessor:
        """Return the processor that goes with a model of this configuration, trained on faces of `face_size` px."""
        known = {} if face_size is None else {"face_size": face_size}
        return cls(**{name: getattr(config, name) for name in _SETTINGS}, **known)

    def __call__(
        self,
        videos: Sequence[NDArray[np.uint8] | None] | None = None,
        audio: Sequence[NDArray[np.floating[Any]] | None] | None = None,
        sampling_rate: int | None = None,
    ) -> BatchFeature:
        """Prepare pictures (T, H, W, 3) RGB of aligned faces and mono sound (S,) in [-1, 1] of B clips.

        A clip without one of them has None there. Returns `pixel_values_videos` (B, num_frames, 3, H, W) in [-1, 1]
        and `input_features` (B, F, M), each with its padding mask, for what was given. Raises ValueError where
        neither is given, the numbers of clips differ, a clip is longer than a window, or `sampling_rate` is not the
        model's.
        """
        if videos is None and audio is None:
            raise ValueError("give videos, audio, or both")
        if videos is not None and audio is not None and len(videos) != len(audio):
            raise ValueError(f"{len(videos)} videos and {len(audio)} sounds: give None where a clip lacks one")
        inputs: dict[str, Tensor] = {}
        if videos is not None:
            inputs["pixel_values_videos"], inputs["video_padding_mask"] = self._pictures(videos)
        if audio is not None:
            if sampling_rate is not None and sampling_rate != self.sampling_rate:
                raise ValueError(f"sampling_rate={sampling_rate}: the model hears {self.sampling_rate} Hz; resample")
            inputs["input_features"], inputs["audio_padding_mask"] = self._sounds(audio)
        return BatchFeature(inputs)

    def _pictures(self, videos: Sequence[NDArray[np.uint8] | None]) -> tuple[Tensor, Tensor]:
        pixels = torch.zeros(len(videos), self.num_frames, 3, self.image_size, self.image_size)
        is_padding_BT = torch.ones(len(videos), self.num_frames, dtype=torch.bool)
        for place, frames in enumerate(videos):
            if frames is None:
                continue
            if frames.ndim != 4 or frames.shape[3] != 3 or not 0 < len(frames) <= self.num_frames:
                raise ValueError(
                    f"videos[{place}] is {frames.shape}; it must be (1 to {self.num_frames} pictures, height, width, 3)"
                )
            # (T, H, W, C) -> (T, C, H, W)
            shown = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
            if shown.shape[2:] != (self.face_size, self.face_size):
                shown = interpolate(shown, (self.face_size, self.face_size), mode="bilinear", antialias=True)
            begin = (self.face_size - self.image_size) // 2
            middle = slice(begin, begin + self.image_size)
            pixels[place, : len(shown)] = shown[..., middle, middle].clamp(0, 255) / 127.5 - 1
            is_padding_BT[place, : len(shown)] = False
        return pixels, is_padding_BT

    def _sounds(self, audio: Sequence[NDArray[np.floating[Any]] | None]) -> tuple[Tensor, Tensor]:
        most = self.num_audio_frames * HOP_SAMPLES
        sound_BS = torch.zeros(len(audio), most)
        num_samples_B = torch.zeros(len(audio), dtype=torch.long)
        for place, samples in enumerate(audio):
            if samples is None:
                continue
            if samples.ndim != 1 or not 0 < len(samples) <= most:
                raise ValueError(f"audio[{place}] is {samples.shape}; it must be (1 to {most} samples,)")
            sound_BS[place, : len(samples)] = torch.from_numpy(np.ascontiguousarray(samples)).float()
            num_samples_B[place] = len(samples)
        features_BFM = log_mel(sound_BS, self.log_mel_mean, self.log_mel_std)
        is_padding_BF = torch.arange(1, self.num_audio_frames + 1) * HOP_SAMPLES > num_samples_B[:, None]
        return features_BFM.masked_fill_(is_padding_BF[..., None], 0), is_padding_BF
