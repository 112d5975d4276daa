"""The captions of some clips, looked at and never learnt from: do clips and captions find one another?

Shapes: n clips, K descriptions of a path, P width of the shared space.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_train.captions.joined import Captions
from vaemo_train.evaluate.clip_vectors import ClipVectors, joined
from vaemo_train.evaluate.text_retrieval import TextRetrieval, text_retrieval

TOGETHER = "all paths together"
"""A description of every path at once, the clip's first of each where it has several; the cosine is their mean."""


@dataclass(frozen=True, slots=True, eq=False)
class PathCaptions:
    """Descriptions of one path: unit vectors (K, P), text numbers (K,), and the clip of each, a row of (n,)."""

    vectors: NDArray[np.float32]
    numbers: NDArray[np.int64]
    clip: NDArray[np.int64]

    def matches(self, num_clips: int) -> NDArray[np.bool_]:
        """(K, n) which description was written of which clip."""
        return np.asarray(self.clip[:, None] == np.arange(num_clips))


def captions_of(
    captions: Captions, clip_ids: NDArray[np.object_], path: str, vectors_of_text: NDArray[np.float32]
) -> PathCaptions:
    """The descriptions of a path that the clips `clip_ids` (n,) have; `vectors_of_text` are of all texts."""
    row_of = {clip_id: row for row, clip_id in enumerate(clip_ids.tolist())}
    rows = np.asarray([row_of.get(clip_id, -1) for clip_id in captions.clip_of[path].tolist()], np.int64)
    numbers = captions.text_of[path][rows >= 0]
    return PathCaptions(vectors_of_text[numbers], numbers, rows[rows >= 0])


@dataclass(frozen=True, slots=True)
class CaptionRetrieval:
    """Retrieval both ways by path, and of all paths together; those without two clips and two texts are left out."""

    by_path: Mapping[str, TextRetrieval]
    num_clips: int

    def as_dict(self) -> dict[str, float]:
        """Flat, for logs: visual_text_to_clip_recall1, ..., all_paths_clip_to_text_median_rank; no undefined values."""
        return {
            f"{'all_paths' if name == TOGETHER else name}_{key}": value
            for name, found in self.by_path.items()
            for key, value in found.as_dict().items()
        }

    def lines(self) -> Iterator[str]:
        """A table: recall in percent with its chance, and the median rank with its own."""
        columns = "".join(f"{f'R@{k}':>7}{'chance':>8}" for k in (1, 5, 10))
        yield f"  {'':32}{columns}{'median rank':>14}{'chance':>8}{'queries':>9}"
        for name, found in self.by_path.items():
            for words, one in (("text -> clip", found.text_to_clip), ("clip -> text", found.clip_to_text)):
                rates = "".join(f"{100 * rate.value:7.1f}{100 * rate.chance:8.1f}" for rate in one.recall.values())
                ranks = f"{one.median_rank:14.4g}{one.median_rank_chance:8.4g}"
                yield f"  {name + ', ' + words:32}{rates}{ranks}{one.num_queries:9,}"


def caption_retrieval(
    clips: ClipVectors, captions: Captions, text_vectors: Mapping[str, NDArray[np.float32]], seed: int = 0
) -> CaptionRetrieval:
    """Search among the clips (n,), seen and heard as wholly as they are, and the descriptions written of them.

    `text_vectors` are by path of all texts of `captions`. Intervals are over speakers where they are known.
    """
    found: dict[str, TextRetrieval] = {}
    speakers = _speakers(clips)
    own = {path: own_vectors(clips, path) for path in text_vectors}
    for path, vectors in own.items():
        has = np.logical_not(np.isnan(vectors).any(axis=1))
        texts = captions_of(captions, clips.clip_ids[has], path, text_vectors[path])
        if has.sum() > 1 and len(np.unique(texts.numbers)) > 1:
            of_clips = None if speakers is None else speakers[has]
            found[path] = text_retrieval(
                vectors[has], texts.vectors, texts.matches(int(has.sum())),
                text_numbers=texts.numbers, speakers=of_clips, seed=seed,
            )  # fmt: skip
    paths = [path for path in own if path in found]
    if len(paths) > 1:
        together = _together(clips, captions, text_vectors, own, paths, speakers, seed)
        if together is not None:
            found[TOGETHER] = together
    return CaptionRetrieval(found, len(clips.clip_ids))


def own_vectors(clips: ClipVectors, path: str) -> NDArray[np.float32]:
    """(n, P) vectors of a path from both modalities where a clip has both, else from the one it has."""
    vectors: NDArray[np.float32] | None = None
    for modality in ("both", "video", "audio"):
        of_path = clips.vectors.get(modality, {}).get(path)
        if of_path is not None:
            vectors = of_path.copy() if vectors is None else np.where(np.isnan(vectors), of_path, vectors)
    assert vectors is not None
    return vectors


def _together(
    clips: ClipVectors,
    captions: Captions,
    text_vectors: Mapping[str, NDArray[np.float32]],
    own: Mapping[str, NDArray[np.float32]],
    paths: Sequence[str],
    speakers: NDArray[np.object_] | None,
    seed: int,
) -> TextRetrieval | None:
    """Retrieval by all paths at once, among the clips that have one description or more of every path.

    Of several descriptions of a path the first in order of text stands for the clip: of a clip with several captions,
    what stands together need not be of one caption.
    """
    first = {}
    for path in paths:
        texts = captions_of(captions, clips.clip_ids, path, text_vectors[path])
        numbers = np.full(len(clips.clip_ids), -1, np.int64)
        numbers[texts.clip[::-1]] = texts.numbers[::-1]
        first[path] = numbers
    has = np.all([np.logical_not(np.isnan(own[path]).any(axis=1)) & (first[path] >= 0) for path in paths], axis=0)
    combined = np.stack([first[path][has] for path in paths], axis=1)
    _, numbers = np.unique(combined, axis=0, return_inverse=True)
    if has.sum() < 2 or numbers.max() < 1:
        return None
    return text_retrieval(
        joined({path: own[path][has] for path in paths}, paths),
        joined({path: text_vectors[path][first[path][has]] for path in paths}, paths),
        np.eye(int(has.sum()), dtype=bool),
        text_numbers=numbers.ravel(),
        speakers=None if speakers is None else speakers[has],
        seed=seed,
    )


def _speakers(clips: ClipVectors) -> NDArray[np.object_] | None:
    """The clips' speakers, where all are known."""
    speakers = clips.columns.get("speaker")
    return None if speakers is None or any(speaker is None for speaker in speakers) else speakers
