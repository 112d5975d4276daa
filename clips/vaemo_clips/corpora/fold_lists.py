"""Official train and test lists of several sets, in which each clip is tested once: the set that tests it is its fold.

Training lists are there to be checked: they may not name a clip of their own set's test list, nor give it another
label; a clip that only they name is trained on in every fold, and has no fold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vaemo_clips.errors import ManifestError


@dataclass(frozen=True, slots=True)
class SetLists:
    """The lists of one set: labels by clip. `number` counts from 1; `train` is None where there is no such list."""

    number: int
    test_path: Path
    test: Mapping[str, str]
    train: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """What the lists say of a clip; `fold` is None where it is only trained on."""

    label: str
    fold: int | None


def add_label(labels: dict[str, str], clip: str, label: str, path: Path) -> None:
    """Take a clip's label from the list `path`. Raises ManifestError where the list gives it another one too."""
    if labels.setdefault(clip, label) != label:
        raise ManifestError(f"{path}: clip {clip} is {labels[clip]} and {label}; a clip has one label: mend the list")


def folds_of(sets: list[SetLists]) -> dict[str, Listed]:
    """Each clip's label and fold, by clip in order.

    Raises ManifestError for a clip that two sets test, that one set trains and tests, or that has two labels.
    """
    found: dict[str, Listed] = {}
    for lists in sets:
        for clip, label in lists.test.items():
            first = found.get(clip)
            if first is not None:
                raise ManifestError(
                    f"{lists.test_path}: clip {clip} is tested in set {first.fold} and in set {lists.number}; "
                    f"each clip has one test set: fetch the official lists again"
                )
            found[clip] = Listed(label, lists.number)
    for lists in sets:
        for clip, label in (lists.train or {}).items():
            if clip in lists.test:
                raise ManifestError(
                    f"{lists.test_path}: clip {clip} is in train and in test of set {lists.number}; a clip has one "
                    f"side: fetch the official lists again"
                )
            if found.setdefault(clip, Listed(label, None)).label != label:
                raise ManifestError(
                    f"{lists.test_path}: clip {clip} is {found[clip].label} there or in another set, but {label} in "
                    f"train of set {lists.number}; a clip has one label: fetch the official lists again"
                )
    return dict(sorted(found.items()))
