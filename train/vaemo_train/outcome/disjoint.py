"""Whether anybody who is tested was trained on, of all folds at once."""

from __future__ import annotations

from collections.abc import Iterable

from vaemo_train.evaluate.folds import Column, texts


def speakers_disjoint(folds: Iterable[tuple[Column | None, Column | None]]) -> bool | None:
    """Whether no fold trains on a speaker whom it tests.

    Of each fold the speakers of its clips to train on and of those to test on; None for one that is not known, or for
    all. False where a known speaker is in both, else None as soon as one clip names no speaker: it may be anybody's.
    """
    found: bool | None = True
    for trained, tested in folds:
        if trained is None or tested is None:
            found = None
            continue
        one, other = (set(texts(part).tolist()) for part in (trained, tested))
        if (one & other) - {None}:
            return False
        if None in one | other:
            found = None
    return found
