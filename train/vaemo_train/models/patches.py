"""Pictures and log-mel spectrograms cut into tokens; only the tokens that are asked for are copied.

B clips, T pictures, C channels, H x W pixels, F audio frames, M mel bins, N tokens, K chosen tokens, P values.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vaemo_train.models.config import VAEmoConfig


def tubelets(video_BTCHW: Tensor, config: VAEmoConfig, index_BK: Tensor | None = None) -> Tensor:
    """Tubelets (B, N, num_pixels), or those of `index_BK` (B, K, num_pixels); a tubelet is (pictures, C, 16, 16)."""
    B, T, C, H, _ = video_BTCHW.shape
    patch, frames = config.patch_size, config.tubelet_frames
    side = H // patch
    # (B, T, C, H, W) -> (B, T/2, 2, C, h, 16, w, 16) -> (B, T/2, h, w, 2, C, 16, 16), a view
    view = video_BTCHW.reshape(B, T // frames, frames, C, side, patch, side, patch).permute(0, 1, 4, 6, 2, 3, 5, 7)
    if index_BK is None:
        return view.reshape(B, -1, config.num_pixels)
    clip = torch.arange(B, device=index_BK.device)[:, None]
    place = index_BK % (side * side)
    chosen = view[clip, index_BK // (side * side), place // side, place % side]
    return chosen.reshape(B, index_BK.shape[1], config.num_pixels)


def mel_patches(mel_BFM: Tensor, config: VAEmoConfig, index_BK: Tensor | None = None) -> Tensor:
    """Patches (B, N, 256), or those of `index_BK` (B, K, 256), of a log-mel spectrogram: 16 frames x 16 bins each."""
    B, F, M = mel_BFM.shape
    patch = config.patch_size
    bands = M // patch
    # (B, F, M) -> (B, F/16, 16, M/16, 16) -> (B, F/16, M/16, 16, 16), a view
    view = mel_BFM.reshape(B, F // patch, patch, bands, patch).permute(0, 1, 3, 2, 4)
    if index_BK is None:
        return view.reshape(B, -1, patch * patch)
    clip = torch.arange(B, device=index_BK.device)[:, None]
    return view[clip, index_BK // bands, index_BK % bands].reshape(B, index_BK.shape[1], patch * patch)


def video_token_padding(is_padding_BT: Tensor, config: VAEmoConfig) -> Tensor:
    """Which tubelets have a picture missing, (B, N)."""
    # (B, T) -> (B, T/2, 2) -> (B, T/2) -> (B, T/2 * places)
    step_BS = is_padding_BT.reshape(len(is_padding_BT), -1, config.tubelet_frames).any(dim=2)
    return step_BS.repeat_interleave(config.num_places, dim=1)


def audio_token_padding(is_padding_BF: Tensor, config: VAEmoConfig) -> Tensor:
    """Which audio patches have a frame missing, (B, N)."""
    # (B, F) -> (B, F/16, 16) -> (B, F/16) -> (B, F/16 * bands)
    step_BS = is_padding_BF.reshape(len(is_padding_BF), -1, config.patch_size).any(dim=2)
    return step_BS.repeat_interleave(config.num_mel_bins // config.patch_size, dim=1)
