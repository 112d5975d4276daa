"""What a fine-tuned model says of clips whose sound or pictures have been made worse, corruption by corruption."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from vaemo_train.data.corruption import CORRUPTIONS, Corruption
from vaemo_train.data.dataset import Rows
from vaemo_train.evaluate.predict import Predictions, predict
from vaemo_train.models.classification import VAEmoForClassification
from vaemo_train.shards.folder import ShardFolder


def robustness(
    model: VAEmoForClassification,
    folder: ShardFolder,
    rows: Rows | None,
    clean: Predictions,
    corruptions: Sequence[Corruption] = CORRUPTIONS,
    *,
    batch_size: int = 16,
    workers: int = 0,
    bf16: bool = False,
    on_batch: Callable[[int], None] | None = None,
) -> dict[str, Predictions]:
    """Predictions of the same clips under each corruption, by its text, as `snr=10`.

    `clean` is what `predict` says of the same `rows`: modalities and number of windows are its own, and a modality
    that a corruption does not touch is taken from it. `on_batch` is called with the number of windows of each batch,
    of corruptions that touch one of the modalities. Raises as `predict` does, ValueError where `clean` is of other
    clips.
    """
    found = {}
    for corruption in corruptions:
        touched = [name for name in clean.values if name == "both" or name in corruption.modalities]
        if not touched:
            found[str(corruption)] = clean
            continue
        worse = predict(
            model, folder, rows, modalities=touched, num_windows=clean.num_windows, batch_size=batch_size,
            workers=workers, bf16=bf16, corruption=corruption, on_batch=on_batch,
        )  # fmt: skip
        if not np.array_equal(worse.clip_ids, clean.clip_ids):
            raise ValueError(f"{len(worse.clip_ids)} clips, but {len(clean.clip_ids)} clean ones, not the same clips")
        found[str(corruption)] = replace(worse, values={**clean.values, **worse.values})
    return found
