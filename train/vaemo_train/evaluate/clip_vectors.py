"""Clips in the space where they meet descriptions: unit vectors of every clip, path by path.

Shapes: B windows, n clips, P width of the shared space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from vaemo_clips.errors import TrainingError
from vaemo_train.data.augment import Augment
from vaemo_train.data.dataset import EvenWindows, Rows
from vaemo_train.data.loader import make_loader
from vaemo_train.data.sampler import DistinctWindows
from vaemo_train.evaluate.features import COLUMNS, MODALITIES, NUM_WINDOWS, ClipMeans, Modality, clips_of_rows
from vaemo_train.evaluate.folds import texts
from vaemo_train.models.alignment import VAEmoForCaptionAlignment
from vaemo_train.models.alignment_output import ClipEmbeds
from vaemo_train.models.config import ALIGNMENT_PATHS
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.training.evaluating import evaluating, on_device

PATHS_OF: Final[Mapping[Modality, tuple[str, ...]]] = {
    "video": ("visual", "affect"),
    "audio": ("acoustic", "affect"),
    "both": ("visual", "acoustic", "affect"),
}
"""What a clip can be compared by where only so much of it is seen and heard."""


@dataclass(frozen=True, slots=True, eq=False)
class ClipVectors:
    """Unit vectors (n, P) float32 of n clips by modality and path, NaN where a clip lacks what they need.

    `columns` are the clips' label, speaker and fold as text (n,), None where they have none, those that the shards
    have. Of "both", "visual" is of the video alone and "acoustic" of the sound alone.
    """

    clip_ids: NDArray[np.object_]
    vectors: Mapping[Modality, Mapping[str, NDArray[np.float32]]]
    columns: Mapping[str, NDArray[np.object_]]

    def has(self, modality: Modality, path: str) -> NDArray[np.bool_]:
        """(n,) which clips have a vector."""
        return np.logical_not(np.isnan(self.vectors[modality][path]).any(axis=1))


def embed_clips(
    model: VAEmoForCaptionAlignment,
    folder: ShardFolder,
    rows: Rows | None = None,
    *,
    modalities: Sequence[Modality] = MODALITIES,
    num_windows: int = NUM_WINDOWS,
    batch_size: int = 16,
    workers: int = 0,
    bf16: bool = False,
    on_batch: Callable[[int], None] | None = None,
) -> ClipVectors:
    """Embed the clips of `rows` (all): the mean of the unit vectors of windows evenly spaced, normalised again.

    Nothing is masked; the model is left as it was. Where its heads are centred by speaker, the mean over these clips of
    each speaker is taken off, so that what is embedded together matters. "video" and "audio" see that modality of a
    clip alone, "both" only clips and windows that have both. `on_batch` is called with the number of windows of each
    batch. Raises TrainingError without rows or for vectors that are no numbers, ShardError for pictures that cannot be
    decoded.
    """
    config = model.config
    dataset = EvenWindows(folder, rows, num_windows)
    augment = Augment(image_size=config.image_size, log_mel_mean=config.log_mel_mean, log_mel_std=config.log_mel_std)
    clip_of_row, first_rows = clips_of_rows(folder, dataset.rows)
    means = _PathMeans(modalities, len(first_rows))
    by_speaker = config.alignment_centring == "speakers"
    with evaluating(model, bf16):
        for batch in make_loader(dataset, DistinctWindows(dataset, batch_size), workers):
            inputs = augment(on_device(batch, model.device))
            clips = clip_of_row[batch["row_number"].numpy()]
            for name in modalities:
                found = model.clip_embeds(**inputs, modality=name, paths=PATHS_OF[name], as_units=not by_speaker)
                means.add(name, clips, found)
            if on_batch is not None:
                on_batch(len(clips))
    names = [name for name in ("clip_id", *COLUMNS) if name in folder.rows.column_names]
    listed = folder.rows.select(names).take(first_rows)
    columns = {name: texts(listed.column(name).to_pylist()) for name in names}
    speakers = columns.get("speaker") if by_speaker else None
    return ClipVectors(columns.pop("clip_id"), means.vectors(config.alignment_size, speakers), columns)


class _PathMeans:
    """Running means of windows' vectors by modality, path and clip."""

    def __init__(self, modalities: Sequence[Modality], num_clips: int) -> None:
        self._means = {name: {path: ClipMeans(num_clips) for path in PATHS_OF[name]} for name in modalities}

    def add(self, name: Modality, clips: NDArray[np.int64], found: ClipEmbeds) -> None:
        """Add the windows of a batch, whose `clips` are (B,). Raises TrainingError for what is no number."""
        if not found.vectors or (name == "both" and len(found.vectors) < len(PATHS_OF[name])):
            return
        has_B = torch.stack(list(found.is_there.values())).all(dim=0)
        chosen = clips[has_B.cpu().numpy()]
        for path, vectors_BP in found.vectors.items():
            vectors = vectors_BP[has_B].double().cpu().numpy()
            if not np.isfinite(vectors).all():
                raise TrainingError("the model's vectors hold values that are no numbers; its weights are broken")
            if len(vectors):
                self._means[name][path].add(chosen, vectors)

    def vectors(
        self, size: int, speakers: NDArray[np.object_] | None = None
    ) -> dict[Modality, dict[str, NDArray[np.float32]]]:
        """Unit vectors (n, size) of n clips, NaN for those to which nothing was added.

        Less the mean of the clips of their speaker, where `speakers` (n,) are given and have two or more.
        """
        return {
            name: {path: _unit(_centred(means.vectors(size), speakers)) for path, means in paths.items()}
            for name, paths in self._means.items()
        }


def _centred(vectors_nP: NDArray[np.float32], speakers: NDArray[np.object_] | None) -> NDArray[np.float32]:
    """Each clip less the mean of its speaker's clips that are there; one that stands alone is left as it is."""
    if speakers is None:
        return vectors_nP
    centred = vectors_nP.copy()
    is_there = np.logical_not(np.isnan(vectors_nP).any(axis=1))
    for speaker in {speaker for speaker in speakers.tolist() if speaker is not None}:
        own = is_there & (speakers == speaker)
        if own.sum() > 1:
            centred[own] -= vectors_nP[own].mean(axis=0, dtype=np.float64)  # of equal ones nothing may be left
    return centred


def _unit(vectors_nP: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(vectors_nP, axis=1, keepdims=True)
    return np.asarray(vectors_nP / np.maximum(lengths, 1e-12), np.float32)


def joined(vectors: Mapping[str, NDArray[np.float32]], paths: Sequence[str] = ALIGNMENT_PATHS) -> NDArray[np.float32]:
    """Vectors of several paths (n, P) side by side, as unit vectors: their cosine is the mean of the paths' cosines."""
    return np.asarray(np.concatenate([vectors[path] for path in paths], axis=1) / np.sqrt(len(paths)), np.float32)
