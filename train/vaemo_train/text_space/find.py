"""The clips that fit a text, and the captions that fit a clip.

n clips, K captions, P width of the shared space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import UserError
from vaemo_train.captions.joined import Captions
from vaemo_train.evaluate.caption_retrieval import own_vectors
from vaemo_train.evaluate.clip_vectors import ClipVectors
from vaemo_train.evaluate.folds import shown
from vaemo_train.models.config import ALIGNMENT_PATHS


@dataclass(frozen=True, slots=True)
class Found:
    """What fits, best first: the clip, the mean cosine over the paths, and a text for people."""

    clip_id: str
    score: float
    words: str


def clips_for_text(
    clips: ClipVectors, text_vectors: Mapping[str, NDArray[np.float32]], paths: Sequence[str], top: int
) -> list[Found]:
    """The `top` clips by the mean cosine over those of the `paths` that a clip has.

    `text_vectors` are of one text, (1, P). A clip that is both seen and heard is taken as both.
    """
    cosines = np.stack([own_vectors(clips, path) @ text_vectors[path][0] for path in paths])
    is_there = np.logical_not(np.isnan(cosines))
    counts = is_there.sum(axis=0)
    scores = np.where(counts > 0, np.where(is_there, cosines, 0).sum(axis=0) / np.maximum(counts, 1), -np.inf)
    best = [row for row in np.argsort(-scores, kind="stable")[:top].tolist() if counts[row]]
    return [Found(str(clips.clip_ids[row]), float(scores[row]), _named(clips, row)) for row in best]


def captions_for_clip(
    clips: ClipVectors,
    clip_id: str,
    captions: Captions,
    text_vectors: Mapping[str, NDArray[np.float32]],
    path: str,
    top: int,
) -> list[Found]:
    """The `top` different descriptions of the clips by their cosine with one of them.

    Each names a clip that it was written of: the one that is asked about if it is its own, else the first. Raises
    UserError for a clip that is not there or has nothing that the path compares, and without descriptions.
    """
    row = np.flatnonzero(clips.clip_ids == clip_id)
    if not len(row):
        raise UserError(
            f"--clip {clip_id}: is none of the {len(clips.clip_ids):,} clips that are searched; "
            f"their clip_ids are {shown(clips.clip_ids.tolist())}"
        )
    vector = own_vectors(clips, path)[row[0]]
    if np.isnan(vector).any():
        raise UserError(f"--clip {clip_id}: has no {'picture' if path == 'visual' else 'sound'}; give another --path")
    is_here = np.isin(captions.clip_of[path].astype(str), clips.clip_ids.astype(str))
    written_of, numbers = captions.clip_of[path][is_here], captions.text_of[path][is_here]
    if not len(numbers):
        raise UserError(f"none of the {len(clips.clip_ids):,} clips has a {path} description; give another --path")
    own_first = np.argsort(written_of != clip_id, kind="stable")
    different, first = np.unique(numbers[own_first], return_index=True)
    scores = text_vectors[path][different] @ vector
    return [
        Found(str(written_of[own_first][first[one]]), float(scores[one]), captions.texts[different[one]])
        for one in np.argsort(-scores, kind="stable")[:top].tolist()
    ]


def choose_paths(given: str) -> tuple[str, ...]:
    """The paths of --path. Raises UserError for a name that is none."""
    if given == "all":
        return ALIGNMENT_PATHS
    if given in ALIGNMENT_PATHS:
        return (given,)
    raise UserError(f"--path {given}: must be all, {', '.join(ALIGNMENT_PATHS)}")


def _named(clips: ClipVectors, row: int) -> str:
    """What the shards say of a clip: its label and its speaker."""
    words = [clips.columns[name][row] for name in ("label", "speaker") if name in clips.columns]
    return ", ".join(str(word) for word in words if word is not None)
