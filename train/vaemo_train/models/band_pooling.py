"""Statistics over time, apart for each height of the face and each band of the spectrum.

B clips, N tokens, D width, G bands: rows of patches of the picture, or mel patches.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from vaemo_train.models.block import AUDIO, VIDEO, Layout
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.pooling import statistics

_VARIANCE_FLOOR = 1e-8  # the root has no gradient at 0


def num_bands(modality: int, config: VAEmoConfig) -> int:
    """How many bands a modality has."""
    return (config.image_size if modality == VIDEO else config.num_mel_bins) // config.patch_size


def band_of(index: Tensor, modality: int, config: VAEmoConfig) -> Tensor:
    """The band of tokens by their place in the order of all (time, height, width) or (time, mel); the same shape."""
    if modality == AUDIO:
        return index % num_bands(AUDIO, config)
    return index % config.num_places // (config.image_size // config.patch_size)


def band_statistics(
    hidden_BND: Tensor, layout: Layout, visible: tuple[Tensor | None, Tensor | None], config: VAEmoConfig
) -> list[Tensor | None]:
    """Mean and standard deviation of the tokens of each band that are no padding, (B, G * 2D) for video and for audio.

    A mean over all tokens mixes brows with mouths and low with high frequencies, which is where emotions differ: the
    statistics of plain spectral bands make a strong baseline (eGeMAPS, Eyben et al. 2016). `visible` (B, V) are the
    places of the tokens, None for all in order. A band without a token has the statistics of the whole clip.
    """
    found: list[Tensor | None] = []
    for modality, (span, whole) in enumerate(zip(layout.of_modalities(), statistics(hidden_BND, layout), strict=True)):
        if whole is None:
            found.append(None)
            continue
        part_BND = hidden_BND[:, span].float()
        index_BN = visible[modality]
        if index_BN is None:
            index_BN = torch.arange(part_BND.shape[1], device=part_BND.device).expand(part_BND.shape[:2])
        is_real_BN = None if layout.is_padding_BN is None else ~layout.is_padding_BN[:, span]
        count = num_bands(modality, config)
        found.append(_of_bands(part_BND, band_of(index_BN, modality, config), is_real_BN, count, whole))
    return found


def _of_bands(hidden_BND: Tensor, band_BN: Tensor, is_real_BN: Tensor | None, count: int, whole_BE: Tensor) -> Tensor:
    in_band_BNG = one_hot(band_BN, count).float()
    if is_real_BN is not None:
        in_band_BNG = in_band_BNG * is_real_BN[..., None]
    num_BG1 = in_band_BNG.sum(dim=1)[..., None]
    with torch.autocast(hidden_BND.device.type, enabled=False):
        in_band_BGN = in_band_BNG.transpose(1, 2)
        mean_BGD = in_band_BGN @ hidden_BND / num_BG1.clamp(min=1)
        own_mean_BND = in_band_BNG @ mean_BGD
        variance_BGD = in_band_BGN @ (hidden_BND - own_mean_BND).square() / num_BG1.clamp(min=1)
    deviation_BGD = (variance_BGD + _VARIANCE_FLOOR).sqrt() - _VARIANCE_FLOOR**0.5
    of_band_BGE = torch.cat([mean_BGD, deviation_BGD], dim=2)
    # (B, G, 2D) -> (B, G * 2D)
    return torch.where(num_BG1 > 0, of_band_BGE, whole_BE[:, None]).flatten(1)
