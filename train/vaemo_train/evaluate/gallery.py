"""Galleries: the candidates that a query's counterpart is looked for among.

Shapes: Q queries of a gallery, G candidates of each. Values are row numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

GALLERY_SIZE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """`candidates` (Q, G) of `queries` (Q,): each query's own row stands first in its line, and only there."""

    queries: NDArray[np.int64]
    candidates: NDArray[np.int64]


def galleries(rows: NDArray[np.int64], rng: np.random.Generator, size: int = GALLERY_SIZE) -> Iterator[Gallery]:
    """Galleries of `size` drawn from `rows` (n,), so that each row is a query once; fewer rows are one gallery.

    Queries share the clips of their gallery; the last gallery is filled up with clips that were queries before.
    """
    order = rng.permutation(rows)
    size = min(size, len(order))
    if size < 2:
        return
    for first in range(0, len(order), size):
        queries = order[first : first + size]
        filling = rng.choice(order[:first], size - len(queries), replace=False) if len(queries) < size else order[:0]
        members = np.concatenate([queries, filling])
        # (Q, size): line q is the gallery turned so that member q stands first
        turned = (np.arange(len(queries))[:, None] + np.arange(size)) % size
        yield Gallery(queries, members[turned])


def matched_gallery(gallery: Gallery, num_rows: int, rng: np.random.Generator) -> Gallery:
    """The same queries among as many candidates, but of all `num_rows` rows.

    Each query's candidates are as good as drawn for it alone: a drawn set without the query loses any one of its rows.
    """
    size = gallery.candidates.shape[1]
    drawn: NDArray[np.int64] = np.asarray(rng.choice(num_rows, size, replace=False))
    is_query = drawn == gallery.queries[:, None]  # (Q, G)
    dropped = np.where(is_query.any(1), is_query.argmax(1), size - 1)
    kept = np.arange(size - 1)
    others = drawn[kept + (kept >= dropped[:, None])]
    return Gallery(gallery.queries, np.concatenate([gallery.queries[:, None], others], axis=1))
