"""Sound and pictures made worse on purpose: what a model still knows of clips from bad microphones, lenses and lines.

Shapes: B windows, T frames of H x W pixels with C colours, S samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from vaemo_clips.errors import UserError
from vaemo_train.data.batch import Batch, seed_of

_KEYS: Final = {"snr": "audio_snr_db", "blur": "blur_px", "drop": "dropped_frames", "seed": "seed"}
_NOISE, _DROPS = 0, 1  # keep the random numbers of sound and pictures apart
_REACH = 4.0  # deviations after which a Gaussian ends, as in scipy.ndimage
_LOWEST, _HIGHEST = torch.iinfo(torch.int16).min, torch.iinfo(torch.int16).max


@dataclass(frozen=True, slots=True)
class Corruption:
    """How a window is made worse before anything else happens to it; what is None is left alone.

    audio_snr_db: white Gaussian noise is added, so many dB below the RMS of the window's own samples, padding left
    out; a silent window stays silent, and what would be louder than full scale is clipped. In [-60, 100].
    blur_px: every picture is blurred by a Gaussian of this standard deviation, in pixels as stored; in (0, 100].
    dropped_frames: in [0, 1), with what chance each picture after a window's first does not arrive. The last one that
    arrived stands in for it, as in a decoder that conceals what is lost; frames without a picture stay as they are.
    What is random hangs on (seed, row number, where the window begins) alone, so not on the batch that it is in.
    """

    audio_snr_db: float | None = None
    blur_px: float | None = None
    dropped_frames: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        """Raises UserError for values out of range, or where nothing is made worse."""
        snr, blur, drop = self.audio_snr_db, self.blur_px, self.dropped_frames
        if snr is not None and not -60 <= snr <= 100:
            raise UserError(f"noise snr={snr:g}: it must lie in [-60, 100] dB")
        if blur is not None and not 0 < blur <= 100:
            raise UserError(f"noise blur={blur:g}: it must be above 0 and at most 100 pixels")
        if drop is not None and not 0 <= drop < 1:
            raise UserError(f"noise drop={drop:g}: it must lie in [0, 1), a share of the pictures")
        if not 0 <= self.seed < 2**63:
            raise UserError(f"noise seed={self.seed}: it must lie in [0, 2^63)")
        if snr is None and blur is None and drop is None:
            raise UserError("noise: nothing to make worse; name some of snr, blur and drop, as snr=10,blur=2,drop=0.5")

    @classmethod
    def parse(cls, text: str) -> Corruption:
        """Read snr=DB,blur=PIXELS,drop=SHARE,seed=N, some of them. Raises UserError for anything else."""
        given: dict[str, str] = {}
        for part in text.split(","):
            key, equals, number = (piece.strip() for piece in part.partition("="))
            if not equals or key not in _KEYS:
                raise UserError(f"noise {text!r}: {part.strip()!r} is none of snr=DB, blur=PIXELS, drop=SHARE, seed=N")
            if key in given:
                raise UserError(f"noise {text!r}: {key} is there twice; name it once")
            given[key] = number
        values: dict[str, Any] = {_KEYS[key]: _number(text, key, number) for key, number in given.items()}
        return cls(**values)

    def __str__(self) -> str:
        """As `parse` reads it."""
        parts = [f"{key}={getattr(self, name):.15g}" for key, name in _KEYS.items() if getattr(self, name) is not None]
        return ",".join(parts if self.seed else parts[:-1])

    @property
    def modalities(self) -> tuple[str, ...]:
        """What is made worse, of "video" and "audio"."""
        video = ("video",) if self.blur_px is not None or self.dropped_frames is not None else ()
        return (*video, "audio") if self.audio_snr_db is not None else video

    def __call__(self, batch: Batch) -> Batch:
        """The batch (see `data.batch`) made worse, on the device where it is; the one given stays as it was."""
        worse = dict(batch)
        if "frames" in worse and self.dropped_frames is not None:
            worse["frames"] = self._dropped(worse, self.dropped_frames)
        if "frames" in worse and self.blur_px is not None:
            worse["frames"] = _blurred(worse["frames"], self.blur_px)
        if "sound" in worse and self.audio_snr_db is not None:
            worse["sound"] = self._noisy(worse, self.audio_snr_db)
        return worse

    def _dropped(self, batch: Batch, share: float) -> Tensor:
        """Frames (B, T, H, W, C) with the last one that arrived wherever one did not."""
        frames_BTHWC, is_padding_BT = batch["frames"], batch["is_frame_padding"].cpu().numpy()
        draws_BT = np.stack([chance.random(is_padding_BT.shape[1]) for chance in self._chances(batch, _DROPS)])
        is_first_BT = (np.cumsum(~is_padding_BT, axis=1) == 1) & ~is_padding_BT
        arrives_BT = ~is_padding_BT & (is_first_BT | (draws_BT >= share))
        own_T = np.arange(is_padding_BT.shape[1])
        last_BT = np.maximum.accumulate(np.where(arrives_BT, own_T, 0), axis=1)
        source_BT = torch.from_numpy(np.where(is_padding_BT, own_T, last_BT)).to(frames_BTHWC.device)
        clip_B1 = torch.arange(len(frames_BTHWC), device=frames_BTHWC.device)[:, None]
        return frames_BTHWC[clip_B1, source_BT]

    def _noisy(self, batch: Batch, snr_db: float) -> Tensor:
        """Sound (B, S) with noise of just this level on the samples that are no padding."""
        noisy_BS = batch["sound"].clone()
        for sound_S, count, chance in zip(
            noisy_BS, batch["num_samples"].tolist(), self._chances(batch, _NOISE), strict=True
        ):
            clean_S = sound_S[:count].double()
            noise_S = torch.from_numpy(chance.standard_normal(count)).to(clean_S.device)
            wanted = _rms(clean_S) * 10 ** (-snr_db / 20)
            worse_S = clean_S + noise_S * (wanted / _rms(noise_S).clamp(min=1e-12))
            sound_S[:count] = worse_S.round().clamp(_LOWEST, _HIGHEST).to(sound_S.dtype)
        return noisy_BS

    def _chances(self, batch: Batch, kind: int) -> list[np.random.Generator]:
        """A source of random numbers for each window (B,)."""
        begins_us = (batch["window_begin_s"] * 1e6).round().long().tolist()
        places = zip(batch["row_number"].tolist(), begins_us, strict=True)
        return [np.random.default_rng(seed_of(self.seed, [place, (kind, 0)])) for place in places]


CORRUPTIONS: Final = (
    *(Corruption(audio_snr_db=snr_db) for snr_db in (20.0, 10.0, 0.0)),
    *(Corruption(blur_px=sigma_px) for sigma_px in (1.0, 2.0, 4.0)),
    *(Corruption(dropped_frames=share) for share in (0.25, 0.5, 0.75)),
)
"""What a table of robustness shows."""


def _number(text: str, key: str, number: str) -> float | int:
    try:
        value = int(number) if key == "seed" else float(number)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        kind = "whole number" if key == "seed" else "number"
        raise UserError(f"noise {text!r}: {key}={number} is no {kind}")
    return value


def _rms(sound_S: Tensor) -> Tensor:
    """Root of the mean square, (); 0 of nothing."""
    return sound_S.square().sum().div(max(len(sound_S), 1)).sqrt()


def _blurred(frames_BTHWC: Tensor, sigma_px: float) -> Tensor:
    """Every frame through a Gaussian that ends at four deviations; beyond the border lies what is at the border.

    Rows, then columns, as two matrix products: `scipy.ndimage.gaussian_filter(mode="nearest")` of each colour.
    """
    height, width = frames_BTHWC.shape[2:4]
    down_HH, across_WW = (_blur_matrix(size, sigma_px).to(frames_BTHWC.device) for size in (height, width))
    blurred_BTHWC = torch.empty_like(frames_BTHWC)
    with torch.autocast(frames_BTHWC.device.type, enabled=False):
        for frames_THWC, out_THWC in zip(frames_BTHWC, blurred_BTHWC, strict=True):
            # (T, H, W, C) -> (T, C, H, W) and back
            planes_TCHW = frames_THWC.permute(0, 3, 1, 2).float()
            planes_TCHW = down_HH @ planes_TCHW @ across_WW.T
            out_THWC.copy_(planes_TCHW.round().clamp(0, 255).permute(0, 2, 3, 1))
    return blurred_BTHWC


def _blur_matrix(size: int, sigma_px: float) -> Tensor:
    """(size, size) weights of every pixel of a line in every blurred one."""
    reach = int(_REACH * sigma_px + 0.5)
    offset_K = torch.arange(-reach, reach + 1, dtype=torch.float64)
    weight_K = torch.exp(-0.5 * (offset_K / sigma_px) ** 2)
    weight_K /= weight_K.sum()
    source_LK = (torch.arange(size)[:, None] + offset_K.long()).clamp(0, size - 1)
    return torch.zeros(size, size, dtype=torch.float64).scatter_add_(1, source_LK, weight_K.expand(size, -1)).float()
