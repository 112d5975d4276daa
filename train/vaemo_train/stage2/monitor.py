"""Do held-out clips and their captions find one another? Nothing is chosen by these numbers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vaemo_train.captions.joined import Captions
from vaemo_train.evaluate.caption_retrieval import CaptionRetrieval, caption_retrieval, captions_of, own_vectors
from vaemo_train.evaluate.clip_vectors import ClipVectors, embed_clips
from vaemo_train.evaluate.features import Modality
from vaemo_train.evaluate.text_vectors import text_vectors
from vaemo_train.models.alignment import VAEmoForCaptionAlignment
from vaemo_train.models.alignment_heads import FUSED
from vaemo_train.models.config import ALIGNMENT_PATHS
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.stage2.figure import map_figure, similarity_figure
from vaemo_train.training.evaluating import LABEL_COLUMNS, MOST_AT_ONCE
from vaemo_train.training.watching import Pictures

_Embedded = tuple[ClipVectors, dict[str, NDArray[np.float32]]]


@dataclass(frozen=True, slots=True)
class AlignmentDiagnostics:
    """What the held-out clips say at one step."""

    retrieval: CaptionRetrieval

    def as_dict(self) -> dict[str, float]:
        """Flat, for logs: monitor/visual_text_to_clip_recall1, …"""
        return {f"monitor/{name}": value for name, value in self.retrieval.as_dict().items()}

    def lines(self, step: int) -> Iterator[str]:
        """As people read it."""
        yield f"held-out clips with captions at step {step:,}: {self.retrieval.num_clips:,}"
        yield from self.retrieval.lines()


class AlignmentMonitor:
    """Embeds the middle window of some held-out rows, and the captions written of them."""

    def __init__(
        self,
        folder: ShardFolder,
        rows: NDArray[np.int64],
        captions: Captions,
        embeddings: NDArray[np.float32],
        *,
        seed: int,
        batch_size: int,
        bf16: bool,
    ) -> None:
        """`rows`, one of each clip; `embeddings` (K, E) of all texts of `captions`."""
        self._folder, self._rows, self._captions, self._embeddings = folder, np.sort(rows), captions, embeddings
        self._seed, self._batch_size, self._bf16 = seed, min(batch_size, MOST_AT_ONCE), bf16
        self._last: tuple[int, _Embedded] | None = None

    def measure(self, step: int, model: VAEmoForCaptionAlignment) -> AlignmentDiagnostics:
        """Retrieval on every path; the model's mode and torch's random numbers stay as they were."""
        clips, texts = self._embedded(step, model)
        return AlignmentDiagnostics(caption_retrieval(clips, self._captions, texts, self._seed))

    def draw(self, step: int, model: VAEmoForCaptionAlignment, wanted: bool) -> Pictures:
        """How alike clips and affect descriptions are, and where both lie; coloured by label, else by the captions."""
        if not wanted:
            return {}
        clips, texts = self._embedded(step, model)
        vectors = own_vectors(clips, "affect")
        has = np.logical_not(np.isnan(vectors).any(axis=1))
        own = captions_of(self._captions, clips.clip_ids[has], "affect", texts["affect"])
        if has.sum() < 2 or len(own.numbers) < 2:
            return {}
        labels = np.asarray(self._labels(clips), object)[has]
        title = f"step {step:,}, {has.sum():,} held-out clips and their affect descriptions"
        return {
            "similarity": similarity_figure(
                own.vectors @ vectors[has].T, labels[own.clip].tolist(), labels.tolist(), title
            ),
            "map": map_figure(vectors[has], own.vectors, labels.tolist(), labels[own.clip].tolist(), title),
        }

    def _embedded(self, step: int, model: VAEmoForCaptionAlignment) -> _Embedded:
        """Clips, and all texts by path, as the model has them after a step: what is measured is drawn."""
        if self._last is None or self._last[0] != step:
            texts = {path: text_vectors(model, self._embeddings, path) for path in ALIGNMENT_PATHS}
            self._last = step, (self._clips(model), texts)
        return self._last[1]

    def _clips(self, model: VAEmoForCaptionAlignment) -> ClipVectors:
        """Clips as wholly as they are: one modality alone only of those that have no more in their window."""

        def embed(rows: NDArray[np.int64], *modalities: Modality) -> ClipVectors:
            return embed_clips(
                model, self._folder, rows, modalities=modalities, num_windows=1, batch_size=self._batch_size,
                bf16=self._bf16,
            )  # fmt: skip

        found = embed(self._rows, "both")
        lacks = np.logical_not(found.has("both", FUSED))
        if not lacks.any():
            return found
        alone = embed(self._rows[lacks], "video", "audio")
        spread = {
            name: {path: _spread(values, lacks) for path, values in paths.items()}
            for name, paths in alone.vectors.items()
        }
        return replace(found, vectors={**found.vectors, **spread})

    def _labels(self, clips: ClipVectors) -> list[str | None]:
        """What the clips are called: by the first column that says it of any, else by an emotion of their captions."""
        rows = self._folder.rows.take(self._rows)
        for name in [name for name in LABEL_COLUMNS if name in rows.column_names]:
            labels = [None if value is None else str(value) for value in rows[name].to_pylist()]
            if any(label is not None for label in labels):
                return labels
        named = self._captions.emotions
        return [next(iter(named.get(clip_id, ())), None) for clip_id in clips.clip_ids]


def _spread(values: NDArray[np.float32], places: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Rows in their `places` (n,), NaN elsewhere."""
    spread = np.full((len(places), values.shape[1]), np.nan, np.float32)
    spread[places] = values
    return spread
