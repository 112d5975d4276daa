"""A figure of held-out clips: what they are, what the encoder saw of them, what the decoder made of it.

B clips, T pictures, N tokens, P values of a token, F audio frames, M mel bins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaemo_train.data.augment import Augment
from vaemo_train.data.dataset import EvenWindows
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.patches import mel_patches, tubelets
from vaemo_train.models.pretraining import VAEmoForPreTraining
from vaemo_train.training.evaluating import evaluating
from vaemo_train.training.picture import STYLE, rastered

if TYPE_CHECKING:
    from vaemo_train.shards.folder import ShardFolder

_EVERY: Final = 2
"""Of the 16 pictures every second is shown."""
_GREY: Final = 0.35
_ROWS: Final = ("original", "masked", "predicted")
_SIDE_IN: Final = 0.84
"""Of a picture on paper; eight of them and a spectrogram three times as wide stand side by side."""
_LABELS_IN: Final = 0.62
_TITLE_IN: Final = 0.3


@dataclass(frozen=True, slots=True)
class Panel:
    """One clip: pictures (3, T, H, W, C) in [0, 1] and log-mel (3, F, M): original, masked, predicted; None without.

    In `predicted` the visible tokens are the original's. Masked log-mel is NaN, and -inf where the clip has ended;
    pictures that it does not have are white.
    """

    title: str
    pictures: NDArray[np.float32] | None
    mels: NDArray[np.float32] | None


def reconstruct(
    model: VAEmoForPreTraining, folder: ShardFolder, rows: NDArray[np.int64], *, seed: int, bf16: bool = False
) -> list[Panel]:
    """Mask the middle window of each of these rows and predict what is hidden; masks are the same every time."""
    config: VAEmoConfig = model.config
    windows = EvenWindows(folder, rows)
    augment = Augment(None, config.image_size, config.log_mel_mean, config.log_mel_std)
    panels = []
    with evaluating(model, bf16):
        for item, clip_id in enumerate(folder.rows.take(rows)["clip_id"].to_pylist()):
            batch = windows.__getitems__([(0, item)])
            inputs = augment({name: value.to(model.device) for name, value in batch.items()})
            found = model(**inputs, batch_seed=seed + item, return_reconstruction=True).reconstruction
            pictures = mels = None
            if found.video_mask is not None:
                prediction = found.video_prediction[..., : config.num_pixels]
                pictures = _pictures(inputs["pixel_values_videos"].float(), found.video_mask, prediction, config)
                if "video_padding_mask" in inputs:
                    pictures[:, inputs["video_padding_mask"][0].cpu().numpy()] = 1.0
            if found.audio_mask is not None:
                mels = _mels(inputs["input_features"].float(), found.audio_mask, found.audio_prediction, config)
                if "audio_padding_mask" in inputs:
                    mels[:, inputs["audio_padding_mask"][0].cpu().numpy()] = -np.inf
            panels.append(Panel(clip_id, pictures, mels))
    return panels


def draw(panels: list[Panel], title: str) -> NDArray[np.uint8]:
    """Return the figure as a picture (H, W, 3). The caller writes it where it is wanted.

    Where no clip has pictures, or none has sound, there is no column for them.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        columns = _columns(panels)
        height_in = (3.1 * _SIDE_IN + _TITLE_IN) * len(panels) + _TITLE_IN
        size_in = (max(right_in for _, right_in in columns.values()) + 0.1 * _SIDE_IN, height_in)
        figure = Figure(figsize=size_in, dpi=130)
        figure.text(0.006, 1 - 0.08 / size_in[1], title, va="top", size=8)
        for number, panel in enumerate(panels):
            _draw_panel(figure, panel, columns, top_in=_TITLE_IN + number * (3.1 * _SIDE_IN + _TITLE_IN))
        return rastered(figure)


def _pictures(
    video_BTCHW: Tensor, is_masked_BN: Tensor, pixels_BNP: Tensor, config: VAEmoConfig
) -> NDArray[np.float32]:
    """Original, masked and predicted pictures of one clip, (3, T, H, W, C) in [0, 1]."""
    original_BNP = tubelets(video_BTCHW, config)
    predicted_BNP = torch.where(
        is_masked_BN[..., None], stretched(pixels_BNP.float(), original_BNP, config.pixel_std_floor), original_BNP
    )
    masked_BNP = torch.where(is_masked_BN[..., None], torch.full_like(original_BNP, 2 * _GREY - 1), original_BNP)
    stacked = torch.cat([original_BNP, masked_BNP, predicted_BNP])
    array: NDArray[np.float32] = ((untubelets(stacked, config) + 1) / 2).clamp(0, 1).cpu().numpy()
    return array


def _mels(mel_BFM: Tensor, is_masked_BN: Tensor, patches_BNP: Tensor, config: VAEmoConfig) -> NDArray[np.float32]:
    """Original, masked and predicted log-mel of one clip, (3, F, M)."""
    original_BNP = mel_patches(mel_BFM, config)
    predicted_BNP = torch.where(
        is_masked_BN[..., None], stretched(patches_BNP.float(), original_BNP, config.mel_std_floor), original_BNP
    )
    masked_BNP = original_BNP.masked_fill(is_masked_BN[..., None], float("nan"))
    array: NDArray[np.float32] = unpatches(torch.cat([original_BNP, masked_BNP, predicted_BNP]), config).cpu().numpy()
    return array


def stretched(prediction_BNP: Tensor, original_BNP: Tensor, std_floor: float) -> Tensor:
    """Undo `loss.normalised`: with the mean and deviation of the original's own token (as He et al. 2022, figure 2)."""
    mean = original_BNP.mean(dim=-1, keepdim=True)
    std = (original_BNP - mean).square().mean(dim=-1, keepdim=True).sqrt().clamp(min=std_floor)
    return prediction_BNP * std + mean


def untubelets(tokens_BNP: Tensor, config: VAEmoConfig) -> Tensor:
    """Undo `tubelets`: (B, N, num_pixels) -> (B, T, H, W, C)."""
    patch, frames, channels = config.patch_size, config.tubelet_frames, config.num_channels
    side = config.image_size // patch
    # (B, T/2, h, w, 2, C, 16, 16) -> (B, T/2, 2, h, 16, w, 16, C)
    view = tokens_BNP.reshape(len(tokens_BNP), -1, side, side, frames, channels, patch, patch)
    return view.permute(0, 1, 4, 2, 6, 3, 7, 5).reshape(
        len(tokens_BNP), config.num_frames, config.image_size, config.image_size, channels
    )


def unpatches(tokens_BNP: Tensor, config: VAEmoConfig) -> Tensor:
    """Undo `mel_patches`: (B, N, 256) -> (B, F, M)."""
    patch, bands = config.patch_size, config.num_mel_bins // config.patch_size
    # (B, F/16, M/16, 16, 16) -> (B, F/16, 16, M/16, 16)
    view = tokens_BNP.reshape(len(tokens_BNP), -1, bands, patch, patch).permute(0, 1, 3, 2, 4)
    return view.reshape(len(tokens_BNP), config.num_audio_frames, config.num_mel_bins)


def _columns(panels: list[Panel]) -> dict[str, tuple[float, float]]:
    """Where the column of pictures and that of sound begin and end, in inches; alone, sound gets more width."""
    has_pictures = any(panel.pictures is not None for panel in panels)
    has_sound = any(panel.mels is not None for panel in panels)
    columns, left_in = {}, _LABELS_IN
    if has_pictures:
        columns["picture"] = (left_in, left_in + 8 * _SIDE_IN)
        left_in += 8.2 * _SIDE_IN
    if has_sound:
        columns["sound"] = (left_in, left_in + (3 if has_pictures else 7) * _SIDE_IN)
    return columns


def _draw_panel(figure: Any, panel: Panel, columns: dict[str, tuple[float, float]], top_in: float) -> None:
    """Three rows: pictures in a strip on the left, the spectrogram of the same seconds on the right."""
    width_in, height_in = figure.get_size_inches()
    limits = _limits(panel.mels)
    for row, name in enumerate(_ROWS):
        bottom = 1 - (top_in + _TITLE_IN + (row + 1) * 1.03 * _SIDE_IN) / height_in
        axes = {
            noun: figure.add_axes(
                (left_in / width_in, bottom, (right_in - left_in) / width_in, _SIDE_IN / height_in),
                label=f"{noun} {row}",
            )
            for noun, (left_in, right_in) in columns.items()
        }
        for noun, axis in axes.items():
            axis.set_axis_off()
            if (panel.pictures if noun == "picture" else panel.mels) is None:
                axis.text(0.5, 0.5, f"no {noun}", ha="center", va="center", transform=axis.transAxes)
        first = next(iter(axes.values()))
        figure.text((_LABELS_IN - 0.06) / width_in, bottom + 0.5 * _SIDE_IN / height_in, name, ha="right", va="center")
        if row == 0:
            first.set_title(panel.title, loc="left", size=7, pad=3)
        if panel.pictures is not None:
            axes["picture"].imshow(_strip(panel.pictures[row]), aspect="auto", interpolation="nearest")
        if panel.mels is not None:
            mel = _coloured(panel.mels[row].T, limits)
            axes["sound"].imshow(mel, origin="lower", aspect="auto", interpolation="nearest")


def _strip(pictures_THWC: NDArray[np.float32]) -> NDArray[np.float32]:
    """Every second picture side by side, with a white line between, (H, W', C)."""
    shown = pictures_THWC[_EVERY // 2 :: _EVERY]
    padded = np.pad(shown, ((0, 0), (0, 0), (0, 3), (0, 0)), constant_values=1.0)
    return np.concatenate(list(padded), axis=1)


def _coloured(mel_MF: NDArray[np.float32], limits: tuple[float, float]) -> NDArray[np.float32]:
    """Log-mel as colours, (M, F, 3): masked tokens grey, what the clip does not have white."""
    from matplotlib import colormaps

    low, high = limits
    colours = colormaps["magma"](np.clip(np.nan_to_num((mel_MF - low) / (high - low)), 0, 1))[..., :3]
    colours[np.isnan(mel_MF)] = _GREY
    colours[np.isneginf(mel_MF)] = 1.0
    return np.asarray(colours, np.float32)


def _limits(mels: NDArray[np.float32] | None) -> tuple[float, float]:
    """The range of the original, which all three share."""
    real = np.zeros(0) if mels is None else mels[0][np.isfinite(mels[0])]
    if not real.size:
        return (0.0, 1.0)
    low, high = np.percentile(real, [1, 99.5])
    return float(low), float(max(high, low + 1e-3))
