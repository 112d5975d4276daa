"""A validation part: whole speakers of a training part, so that no test speaker has a say in which epoch is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.folds import deal_folds, shown
from vaemo_train.protocol.labelled_clips import LabelledClips

MOST_SHARE = 0.5


def check_share(share: float) -> None:
    """Raises SplitError for a share of the training clips outside [0, 0.5]."""
    if not 0 <= share <= MOST_SHARE:
        raise SplitError(
            f"validation share {share:g}: it must lie between 0 (no validation part) and {MOST_SHARE:g} of the "
            f"training clips; more would leave too few to train on, or no training speaker"
        )


def keep_validation(
    clips: LabelledClips, train: NDArray[np.int64], share: float, seed: int, name: str
) -> NDArray[np.int64]:
    """Those of the clips `train` that are kept for validation, whole speakers with about a `share` of the clips.

    The speakers are dealt to round(1 / share) folds that are alike in classes (to as many as there are speakers, if
    fewer), and the one nearest to `share` that leaves every class to train on is kept. A clip whose speaker is
    unknown goes with the clips of its file. Raises SplitError for a training part of one speaker, and where every
    choice would take a class from the training.
    """
    groups = _groups(clips)[train]
    num_groups = len(set(groups.tolist()))
    labels = None if clips.labels is None else clips.labels[train]
    if num_groups < 2:
        raise SplitError(
            f"fold {name}: its training part has one speaker or file ({groups[0].partition(' ')[2]}), a validation "
            f"share of {share:g} leaves no training speaker; train without a validation part (share 0, the last "
            f"epoch counts), or make other folds"
        )
    num_folds = min(max(round(1 / share), 2), num_groups)
    dealt = [fold.test for fold in deal_folds(groups, labels, num_folds, seed)]
    fitting = [kept for kept in dealt if not _lost(labels, kept)]
    if not fitting:
        lost = set[str]().union(*(_lost(labels, kept) for kept in dealt))
        raise SplitError(
            f"fold {name}: every choice of validation speakers (share {share:g} of {len(train):,} clips, "
            f"{num_groups} speakers) leaves the training without a class ({shown(lost)}); train without a validation "
            f"part (share 0, the last epoch counts), or give more speakers of these classes"
        )
    return train[min(fitting, key=lambda kept: abs(len(kept) - share * len(train)))]


def _groups(clips: LabelledClips) -> NDArray[np.object_]:
    """(n,) who or what may not be parted: a clip's speaker, or its file where nobody knows the speaker."""
    speakers = clips.speakers if clips.speakers is not None else np.full(len(clips.ids), None)
    pairs = zip(speakers.tolist(), clips.files.tolist(), strict=True)
    return np.array([f"file {file}" if speaker is None else f"speaker {speaker}" for speaker, file in pairs], object)


def _lost(labels: NDArray[np.object_] | None, kept: NDArray[np.int64]) -> set[str]:
    """Classes that have no clip left when some are kept."""
    return set() if labels is None else set(labels.tolist()) - set(np.delete(labels, kept).tolist())
