"""Frozen features: what an encoder that is not trained any further says of every clip.

Shapes: B windows, n clips, D width of the encoder, F width of a feature.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaemo_clips.errors import TrainingError
from vaemo_train.data.augment import Augment
from vaemo_train.data.dataset import EvenWindows, Rows
from vaemo_train.data.loader import make_loader
from vaemo_train.data.sampler import DistinctWindows
from vaemo_train.evaluate.folds import texts
from vaemo_train.models import VAEmoConfig, VAEmoModel, VAEmoOutput
from vaemo_train.models.block import AUDIO, VIDEO
from vaemo_train.models.encoder import VAEmoPreTrainedModel
from vaemo_train.models.patches import audio_token_padding, video_token_padding
from vaemo_train.models.token_pooling import Pooling, pool_tokens, pooled_width
from vaemo_train.shards.folder import ShardFolder

Modality = Literal["video", "audio", "both"]
MODALITIES: tuple[Modality, ...] = ("video", "audio", "both")
Layers = Literal["last", "lower+last"]
NUM_WINDOWS = 2
COLUMNS = ("label", "speaker", "fold")
_INPUTS = {
    "video": ("pixel_values_videos", "video_padding_mask"),
    "audio": ("input_features", "audio_padding_mask"),
}
_NUMBERS = {"video": VIDEO, "audio": AUDIO}
_TOKEN_PADDING = {"video": video_token_padding, "audio": audio_token_padding}


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Features of n clips by modality, (n, F) float32 each, NaN for a clip that lacks it (see `has`).

    `columns` are the clips' label, speaker and fold as text (n,), None where they have none, those that the shards
    have. `num_windows` is how many windows were taken of each row of at most ten seconds, at most.
    """

    clip_ids: NDArray[np.object_]
    vectors: Mapping[str, NDArray[np.float32]]
    columns: Mapping[str, NDArray[np.object_]]
    num_windows: int

    def has(self, modality: str) -> NDArray[np.bool_]:
        """(n,) which clips have features of a modality."""
        return np.logical_not(np.isnan(self.vectors[modality]).any(axis=1))

    def where(self, chosen: NDArray[np.bool_]) -> Features:
        """Some of the clips, by a mask (n,)."""
        return Features(
            self.clip_ids[chosen],
            {name: values[chosen] for name, values in self.vectors.items()},
            {name: values[chosen] for name, values in self.columns.items()},
            self.num_windows,
        )


def extract(
    model: VAEmoModel,
    folder: ShardFolder,
    rows: Rows | None = None,
    *,
    modalities: Sequence[Modality] = MODALITIES,
    layers: Layers = "last",
    pooling: Pooling = "mean",
    num_windows: int = NUM_WINDOWS,
    batch_size: int = 16,
    workers: int = 0,
) -> Features:
    """Features of the clips of `rows` (all): means over windows that are evenly spaced over each row, nothing masked.

    A window's feature is the mean of the encoder's last hidden states over the tokens of real picture or sound:
    "video" and "audio" from that input alone, to the top; "both" from both at once, the means over video and over
    audio tokens side by side, of clips and windows that have both. `layers` "lower+last" puts the same means after
    the last unimodal block in front. `pooling` takes other statistics of the tokens than their mean, see `pool_tokens`.
    F is D for means, 2 D for "both"; twice that for "lower+last".
    A row with room for fewer windows gives fewer; a window in which a modality was not there does not count for it.
    The model runs in eval mode on its own device and in its own dtype, and is left as it was. Neither batch size nor
    workers change the result but for rounding (1e-5). Memory holds one batch and the sums of all clips.
    Raises TrainingError without rows, ShardError for pictures that cannot be decoded.
    """
    config = model.config
    dataset = EvenWindows(folder, rows, num_windows)
    augment = Augment(image_size=config.image_size, log_mel_mean=config.log_mel_mean, log_mel_std=config.log_mel_std)
    clip_of_row, first_rows = clips_of_rows(folder, dataset.rows)
    means = {name: ClipMeans(len(first_rows)) for name in modalities}
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            for batch in make_loader(dataset, DistinctWindows(dataset, batch_size), workers):
                inputs = augment({name: value.to(model.device) for name, value in batch.items()})
                clips = clip_of_row[batch["row_number"].numpy()]
                for name in modalities:
                    _add(means[name], model, inputs, clips, name, layers, pooling)
    finally:
        model.train(was_training)
    names = [name for name in ("clip_id", *COLUMNS) if name in folder.rows.column_names]
    listed = folder.rows.select(names).take(first_rows)
    columns = {name: texts(listed.column(name).to_pylist()) for name in names}
    vectors = {str(name): means[name].vectors(_width(config, name, layers, pooling)) for name in modalities}
    return Features(columns.pop("clip_id"), vectors, columns, num_windows)


def _width(config: VAEmoConfig, modality: Modality, layers: Layers, pooling: Pooling) -> int:
    widths = [pooled_width(_NUMBERS[one], pooling, config) for one in _wanted(modality)]
    return sum(widths) * (2 if layers == "lower+last" else 1)


def clips_of_rows(folder: ShardFolder, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of every row of the folder the number of its clip among those of `rows`; of each clip the first row."""
    ids = folder.rows.column("clip_id").to_pylist()
    first: dict[str, int] = {}
    for row in np.sort(rows).tolist():
        first.setdefault(ids[row], row)
    numbers = {clip_id: number for number, clip_id in enumerate(first)}
    clip_of_row = np.array([numbers.get(clip_id, -1) for clip_id in ids], np.int64)
    return clip_of_row, np.array(list(first.values()), np.int64)


class ClipMeans:
    """Running means of features by clip."""

    def __init__(self, num_clips: int) -> None:
        self._sums: NDArray[np.float64] | None = None
        self._counts = np.zeros(num_clips, np.int64)

    def add(self, clips: NDArray[np.int64], vectors: NDArray[np.float64]) -> None:
        """Add windows' features (B, F) to those of their clips (B,)."""
        if self._sums is None:
            self._sums = np.zeros((len(self._counts), vectors.shape[1]))
        np.add.at(self._sums, clips, vectors)
        np.add.at(self._counts, clips, 1)

    def vectors(self, width: int) -> NDArray[np.float32]:
        """(n, width) means, NaN for clips to which nothing was added."""
        sums = np.zeros((len(self._counts), width)) if self._sums is None else self._sums
        with np.errstate(invalid="ignore"):
            return np.asarray(sums / self._counts[:, None], np.float32)


def _add(
    means: ClipMeans,
    model: VAEmoModel,
    inputs: dict[str, Tensor],
    clips: NDArray[np.int64],
    modality: Modality,
    layers: Layers,
    pooling: Pooling,
) -> None:
    """Encode the windows of a batch that have the modality, and add what comes of them."""
    chosen = given_inputs(model, inputs, modality)
    if chosen is None:
        return
    given, has = chosen
    output = model(**given, scope="cross" if modality == "both" else "within")
    vectors = _pooled(output, _wanted(modality), layers, pooling, model.config).double().cpu().numpy()
    if not np.isfinite(vectors).all():
        raise TrainingError(
            f"the encoder's {modality} features hold values that are no numbers; its weights are broken"
        )
    means.add(clips[has], vectors)


def given_inputs(
    model: VAEmoPreTrainedModel, inputs: Mapping[str, Tensor], modality: Modality
) -> tuple[dict[str, Tensor], NDArray[np.bool_]] | None:
    """What a model is given of a batch's windows that have the modality, of "both" both, and which these are, (B,).

    None where no window of the batch has it.
    """
    wanted = _wanted(modality)
    if not all(_INPUTS[name][0] in inputs for name in wanted):
        return None
    has_B = _has(wanted, model.config, inputs)
    if not has_B.any():
        return None
    names = [name for one in wanted for name in _INPUTS[one] if name in inputs]
    given = {name: inputs[name][has_B] for name in names}
    for one in wanted:
        given[_INPUTS[one][0]] = given[_INPUTS[one][0]].to(model.dtype)
    return given, has_B.cpu().numpy()


def _wanted(modality: Modality) -> list[str]:
    return [name for name in ("video", "audio") if modality in (name, "both")]


def _has(wanted: Sequence[str], config: VAEmoConfig, inputs: Mapping[str, Tensor]) -> Tensor:
    """(B,) which windows have a token of each wanted modality; inputs without a mask have no padding."""
    pixels_or_mel = inputs[_INPUTS[wanted[0]][0]]
    has_B = torch.ones(len(pixels_or_mel), dtype=torch.bool, device=pixels_or_mel.device)
    for name in wanted:
        mask = inputs.get(_INPUTS[name][1])
        if mask is not None:
            has_B &= ~_TOKEN_PADDING[name](mask, config).all(dim=1)
    return has_B


def _pooled(
    output: VAEmoOutput, wanted: Sequence[str], layers: Layers, pooling: Pooling, config: VAEmoConfig
) -> Tensor:
    """(B, F): what is pooled after the lower blocks where asked for, then after the last block."""
    hidden = [output.lower_hidden_state] if layers == "lower+last" else []
    parts: list[Tensor] = []
    for hidden_BND in (*hidden, output.last_hidden_state):
        assert hidden_BND is not None
        of_modality = pool_tokens(hidden_BND, output.layout, pooling, config)
        parts += [part for name in wanted if (part := of_modality[_NUMBERS[name]]) is not None]
    return torch.cat(parts, dim=1)
