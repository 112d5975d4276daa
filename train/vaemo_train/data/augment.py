"""From a batch to the model's inputs: crop, flip, colour, gain and log-mel, for all clips at once on their device.

Shapes: B clips, T frames, H x W pixels as stored, R x R cropped, C colours, S samples, F frames of 10 ms, M mel bands.
"""

from __future__ import annotations

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

from vaemo_train.data.batch import NUM_COLOURS, Batch
from vaemo_train.data.features import HOP_SAMPLES, LOG_MEL_MEAN, LOG_MEL_STD, log_mel
from vaemo_train.shards.row import FULL_SCALE

_LUMA = (0.299, 0.587, 0.114)  # Rec. ITU-R BT.601, as JPEG
_NUM_DRAWS = 7


class AugmentSettings(BaseModel):
    """How much a clip may be changed; every change is the same for all frames of a clip.

    `brightness`, `contrast`, `saturation`: factors are uniform in [1 - x, 1 + x]. `gain_db`: uniform in [-x, x].
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    random_crop: bool = True
    flip_probability: float = Field(default=0.5, ge=0, le=1)
    brightness: float = Field(default=0.2, ge=0, lt=1)
    contrast: float = Field(default=0.2, ge=0, lt=1)
    saturation: float = Field(default=0.2, ge=0, lt=1)
    gain_db: float = Field(default=6.0, ge=0, le=40)


class Augment:
    """Turns batches into model inputs; with a generator at random, without one by the centre crop alone.

    Random numbers are drawn where the generator lives: one of the CPU gives the same on every device.
    """

    def __init__(
        self,
        settings: AugmentSettings | None = None,
        image_size: int = 160,
        log_mel_mean: float = LOG_MEL_MEAN,
        log_mel_std: float = LOG_MEL_STD,
    ) -> None:
        self.settings = settings or AugmentSettings()
        self.image_size = image_size
        self.log_mel_mean, self.log_mel_std = log_mel_mean, log_mel_std

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> Batch:
        """Return the inputs for the modalities that the batch has; padding frames are 0 in both.

            pixel_values_videos (B, T, C, R, R) float32 in [-1, 1]     video_padding_mask (B, T) bool, True = padding
            input_features (B, F, M) float32                           audio_padding_mask (B, F) bool, True = padding

        A frame of log-mel is padding where its 10 ms are not wholly real samples. A mask is left out where the batch
        says that it has no such padding (`has_padding`, best kept on the CPU): attention is faster without one.
        Raises ValueError for pictures smaller than the crop.
        """
        video_padding, audio_padding = batch["has_padding"].tolist() if "has_padding" in batch else (True, True)
        draws_BN = self._draws(batch, generator)
        inputs: Batch = {}
        if "frames" in batch:
            inputs["pixel_values_videos"] = self._pixels(batch["frames"], batch["is_frame_padding"], draws_BN)
            if video_padding:
                inputs["video_padding_mask"] = batch["is_frame_padding"]
        if "sound" in batch:
            features_BFM, is_padding_BF = self._features(batch["sound"], batch["num_samples"], draws_BN)
            inputs["input_features"] = features_BFM
            if audio_padding:
                inputs["audio_padding_mask"] = is_padding_BF
        return inputs

    def _draws(self, batch: Batch, generator: torch.Generator | None) -> Tensor | None:
        """Uniform numbers in [0, 1) for each clip, whatever its modalities, (B, _NUM_DRAWS)."""
        if generator is None:
            return None
        media = batch["frames"] if "frames" in batch else batch["sound"]
        draws_BN = torch.rand(len(media), _NUM_DRAWS, generator=generator, device=generator.device)
        return draws_BN.to(media.device, non_blocking=True)

    def _pixels(self, frames_BTHWC: Tensor, is_padding_BT: Tensor, draws_BN: Tensor | None) -> Tensor:
        stored, size = min(frames_BTHWC.shape[2:4]), self.image_size
        if stored < size:
            raise ValueError(f"pictures of {stored} pixels cannot be cropped to {size}; prepare larger ones")
        num_clips, spare = len(frames_BTHWC), stored - size
        if draws_BN is None or not self.settings.random_crop:
            top_left_B2 = torch.full((num_clips, 2), spare // 2, device=frames_BTHWC.device)
        else:
            top_left_B2 = (draws_BN[:, :2] * (spare + 1)).long()
        # (B, T, R, R, C) -> (B, T, C, R, R), as bytes: a quarter of the traffic of floats
        crop_BTCRR = crop(frames_BTHWC, top_left_B2, size).permute(0, 1, 4, 2, 3).contiguous()
        if draws_BN is None:
            colour_BCC, offset_BC = _no_colour(num_clips, crop_BTCRR.device)
        else:
            is_flipped_B = draws_BN[:, 2] < self.settings.flip_probability
            crop_BTCRR = _flipped(crop_BTCRR, is_flipped_B)
            colour_BCC, offset_BC = self._colour(crop_BTCRR, is_padding_BT, draws_BN[:, 3:6])
        return _coloured(crop_BTCRR, ~is_padding_BT, colour_BCC, offset_BC)

    def _colour(self, crop_BTCRR: Tensor, is_padding_BT: Tensor, draws_B3: Tensor) -> tuple[Tensor, Tensor]:
        """Brightness, contrast about the clip's mean grey, and saturation as one linear map of bytes to [0, 1].

        Returns its matrix (B, C, C) and offset (B, C).
        """
        ranges = draws_B3.new_tensor([self.settings.brightness, self.settings.contrast, self.settings.saturation])
        brightness_B, contrast_B, saturation_B = (1 + (2 * draws_B3 - 1) * ranges).unbind(1)
        luma_C = draws_B3.new_tensor(_LUMA)
        # The mean grey over a 64th of the pixels, which is near enough, and over real frames only.
        means_BTC = crop_BTCRR[..., ::8, ::8].float().mean(dim=(-2, -1)) / 255
        num_real_B = (~is_padding_BT).sum(1).clamp(min=1)
        grey_B = (means_BTC @ luma_C).masked_fill(is_padding_BT, 0).sum(1) / num_real_B
        identity_CC = torch.eye(NUM_COLOURS, device=luma_C.device)
        saturation_BCC = torch.lerp(luma_C.expand(NUM_COLOURS, -1), identity_CC, saturation_B[:, None, None])
        matrix_BCC = saturation_BCC * (brightness_B * contrast_B / 255)[:, None, None]
        offset_B = brightness_B * (1 - contrast_B) * grey_B
        return matrix_BCC, offset_B[:, None].expand(-1, NUM_COLOURS)

    def _features(self, sound_BS: Tensor, num_samples_B: Tensor, draws_BN: Tensor | None) -> tuple[Tensor, Tensor]:
        waves_BS = sound_BS.float() / FULL_SCALE
        if draws_BN is not None:
            gain_db_B = (2 * draws_BN[:, 6] - 1) * self.settings.gain_db
            waves_BS *= (10 ** (gain_db_B / 20))[:, None]
        features_BFM = log_mel(waves_BS, self.log_mel_mean, self.log_mel_std)
        ends_F = torch.arange(1, features_BFM.shape[1] + 1, device=sound_BS.device) * HOP_SAMPLES
        is_padding_BF = ends_F > num_samples_B[:, None]
        return features_BFM.masked_fill_(is_padding_BF[..., None], 0), is_padding_BF


def crop(frames_BTHWC: Tensor, top_left_B2: Tensor, size: int) -> Tensor:
    """Cut a square of `size` from each clip at its own place, (B, T, H, W, C) bytes -> (B, T, R, R, C).

    One gather of whole rows of the crop: they lie together in memory, so a view has one at every pixel.
    """
    num_clips, num_frames, height, width, num_colours = frames_BTHWC.shape
    device = frames_BTHWC.device
    num_pixels = num_clips * num_frames * height * width
    flat = frames_BTHWC.contiguous().view(-1)
    spans = flat.as_strided((num_pixels - size + 1, size * num_colours), (num_colours, 1))
    pictures_BT1 = torch.arange(num_clips * num_frames, device=device).view(num_clips, num_frames, 1) * height
    lines_BTR = pictures_BT1 + top_left_B2[:, None, :1] + torch.arange(size, device=device)
    begins_BTR = lines_BTR * width + top_left_B2[:, None, 1:]
    return spans[begins_BTR].view(num_clips, num_frames, size, size, num_colours)


def _no_colour(num_clips: int, device: torch.device) -> tuple[Tensor, Tensor]:
    matrix_BCC = torch.eye(NUM_COLOURS, device=device).expand(num_clips, -1, -1) / 255
    return matrix_BCC, torch.zeros(num_clips, NUM_COLOURS, device=device)


def _flipped(crop_BTCRR: Tensor, is_flipped_B: Tensor) -> Tensor:
    """Mirror the clips that are to be; x ^ (x ^ y) is y, and for bytes on the CPU three times as fast as `where`."""
    is_flipped_B1111 = is_flipped_B[:, None, None, None, None].to(torch.uint8) * 255
    return crop_BTCRR.flip(-1).bitwise_xor_(crop_BTCRR).bitwise_and_(is_flipped_B1111).bitwise_xor_(crop_BTCRR)


def _coloured(crop_BTCRR: Tensor, is_real_BT: Tensor, colour_BCC: Tensor, offset_BC: Tensor) -> Tensor:
    """Map bytes to [0, 1] by matrix and offset, cut there, and stretch to [-1, 1]; frames that are not real are 0."""
    num_clips, num_frames, num_colours, height, width = crop_BTCRR.shape
    # [0, 1] -> [-1, 1] is part of the same map: 2 (M x + o) - 1
    matrix_BTCC = (2 * colour_BCC)[:, None] * is_real_BT[..., None, None]
    offset_BTC = (2 * offset_BC - 1)[:, None] * is_real_BT[..., None]
    # (B, T, C, R, R) -> (B * T, C, R * R)
    bytes_NCP = crop_BTCRR.view(num_clips * num_frames, num_colours, height * width)
    matrix_NCC, offset_NC1 = matrix_BTCC.flatten(0, 1), offset_BTC.flatten(0, 1)[..., None]
    pixels_NCP = torch.empty(bytes_NCP.shape, device=bytes_NCP.device)
    # On the CPU clip by clip: floats of all clips at once would be mapped and faulted in page by page.
    step = num_frames if bytes_NCP.device.type == "cpu" else len(bytes_NCP)
    with torch.autocast(bytes_NCP.device.type, enabled=False):
        for begin in range(0, len(bytes_NCP), step):
            part = slice(begin, begin + step)
            torch.baddbmm(offset_NC1[part], matrix_NCC[part], bytes_NCP[part].float(), out=pixels_NCP[part]).clamp_(
                -1, 1
            )
    return pixels_NCP.view(crop_BTCRR.shape)
