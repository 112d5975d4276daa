"""What a fine-tuned model says of every clip: probabilities of classes, or values, from video, sound or both.

Shapes: B windows, n clips, C classes or targets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from vaemo_clips.errors import TrainingError
from vaemo_train.data.augment import Augment
from vaemo_train.data.corruption import Corruption
from vaemo_train.data.dataset import EvenWindows, Rows
from vaemo_train.data.loader import make_loader
from vaemo_train.data.sampler import DistinctWindows
from vaemo_train.evaluate.features import MODALITIES, NUM_WINDOWS, ClipMeans, Modality, clips_of_rows, given_inputs
from vaemo_train.evaluate.folds import texts
from vaemo_train.models.classification import VAEmoForClassification
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.training.evaluating import evaluating, on_device


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """What a model says of n clips by modality, (n, C) float32, NaN for a clip that lacks it (see `has`).

    `values` are probabilities of the classes `names` (C,), whose rows sum to 1, or with `is_regression` the values of
    the targets `names`. `num_windows` is how many windows were asked for of each row of at most ten seconds,
    `windows_used` (n,) how many each clip gave in all.
    """

    clip_ids: NDArray[np.object_]
    values: Mapping[Modality, NDArray[np.float32]]
    names: tuple[str, ...]
    is_regression: bool
    num_windows: int
    windows_used: NDArray[np.int64]

    def has(self, modality: Modality) -> NDArray[np.bool_]:
        """(n,) which clips have a prediction of a modality."""
        return np.logical_not(np.isnan(self.values[modality]).any(axis=1))

    def named(self, modality: Modality) -> NDArray[np.object_]:
        """(n,) the likeliest class of each clip, the first of those that tie; None for a clip that lacks the modality.

        Raises ValueError for a regression.
        """
        if self.is_regression:
            raise ValueError(f"the values of {', '.join(self.names)} are no classes; a regression names none")
        found = np.full(len(self.clip_ids), None, dtype=object)
        has = self.has(modality)
        found[has] = np.array(self.names, object)[self.values[modality][has].argmax(axis=1)]
        return found


def predict(
    model: VAEmoForClassification,
    folder: ShardFolder,
    rows: Rows | None = None,
    *,
    modalities: Sequence[Modality] = MODALITIES,
    num_windows: int = NUM_WINDOWS,
    batch_size: int = 16,
    workers: int = 0,
    bf16: bool = False,
    corruption: Corruption | None = None,
    on_batch: Callable[[int], None] | None = None,
) -> Predictions:
    """Judge the clips of `rows` (all): means over windows that are evenly spaced over each row, nothing masked.

    A window's probabilities are the softmax of its logits; a clip's are the mean over the windows of all its rows, as
    are the values of a regression. "video" and "audio" see that input alone, "both" only windows that have both; a
    window without what is asked for does not count. `corruption` makes all windows worse first. `on_batch` is called
    with the number of windows of each batch. The model is left as it was. Neither batch size nor workers change the
    result but for rounding (1e-5). Memory holds one batch and the sums of all clips.
    Raises TrainingError without rows or for values that are no numbers, ShardError for pictures that cannot be decoded.
    """
    config = model.config
    dataset = EvenWindows(folder, rows, num_windows)
    augment = Augment(image_size=config.image_size, log_mel_mean=config.log_mel_mean, log_mel_std=config.log_mel_std)
    clip_of_row, first_rows = clips_of_rows(folder, dataset.rows)
    means = {name: ClipMeans(len(first_rows)) for name in modalities}
    windows_used = np.zeros(len(first_rows), np.int64)
    with evaluating(model, bf16):
        for batch in make_loader(dataset, DistinctWindows(dataset, batch_size), workers):
            given = on_device(batch, model.device)
            inputs = augment(given if corruption is None else corruption(given))
            clips = clip_of_row[batch["row_number"].numpy()]
            np.add.at(windows_used, clips, 1)
            for name in modalities:
                _add(means[name], model, inputs, clips, name)
            if on_batch is not None:
                on_batch(len(clips))
    return Predictions(
        clip_ids=texts(folder.rows.column("clip_id").take(first_rows).to_pylist()),
        values={name: means[name].vectors(len(model.names)) for name in modalities},
        names=model.names,
        is_regression=model.is_regression,
        num_windows=num_windows,
        windows_used=windows_used,
    )


def _add(
    means: ClipMeans,
    model: VAEmoForClassification,
    inputs: Mapping[str, Tensor],
    clips: NDArray[np.int64],
    modality: Modality,
) -> None:
    """Judge the windows of a batch that have the modality, and add what is said of them."""
    chosen = given_inputs(model, inputs, modality)
    if chosen is None:
        return
    given, has = chosen
    logits_BC = model(**given).logits.float()
    values_BC = (logits_BC if model.is_regression else logits_BC.softmax(dim=1)).double().cpu().numpy()
    if not np.isfinite(values_BC).all():
        raise TrainingError(
            f"what the model says from {modality} holds values that are no numbers; its weights are broken"
        )
    means.add(clips[has], values_BC)
