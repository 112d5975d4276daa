"""What a fine-tuning is asked for, what of it is noted in its folder, and the trainings that it is made of."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from vaemo_clips.errors import RunFolderError
from vaemo_train.finetune.recipe import FinetuneRecipe
from vaemo_train.protocol.splits import Split

FORMAT_VERSION: Final = 1
PROTOCOL: Final = "protocol.json"
PREDICTIONS: Final = "predictions.parquet"
RESULTS: Final = "results.json"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: see `vaemo-train finetune --help`. `init` may hold {fold}; `part` is (number, of)."""

    recipe: FinetuneRecipe
    data: Path
    init: str
    out: Path
    label_column: str = "label"
    target_columns: tuple[str, ...] = ()
    manifest: Path | None = None
    folds: str | None = None
    num_seeds: int = 1
    part: tuple[int, int] = (1, 1)
    resume: bool = False
    skip_unlabelled: bool = False

    def as_dict(self) -> dict[str, Any]:
        """What `evaluate` needs to judge the models again."""
        return {
            "data": str(self.data.resolve()),
            "init": self.init,
            "label_column": self.label_column,
            "target_columns": list(self.target_columns),
            "manifest": None if self.manifest is None else str(self.manifest.resolve()),
            "folds": self.folds,
            "skip_unlabelled": self.skip_unlabelled,
        }


def read_protocol(out: Path) -> dict[str, Any]:
    """The protocol that `begin` noted in a folder. Raises RunFolderError where there is none that can be read."""
    try:
        found: dict[str, Any] = json.loads((out / PROTOCOL).read_text(encoding="utf-8"))
        found["request"], found["identity"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{out / PROTOCOL} cannot be read ({error}); give a folder of `vaemo-train finetune`"
        ) from error
    return found


@dataclass(frozen=True, slots=True)
class Job:
    """One training: a fold and a seed, in its own run folder."""

    split: Split
    seed: int
    init: Path | str
    run: Path

    @property
    def predictions(self) -> Path:
        """What it says of its test part."""
        return self.run / PREDICTIONS
