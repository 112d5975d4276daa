"""The encoder that stage 2 begins with: a run or a model of stage 1, or a size for random weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vaemo_clips.errors import CheckpointError
from vaemo_clips.file_facts import sha256_of
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.models.config import SIZES
from vaemo_train.training.trained_on import TrainedOn


def find_init(given: str) -> Path | str:
    """Return the folder of a stage-1 model, of a run or itself, or a size's name. Raises CheckpointError."""
    if given in SIZES:
        return given
    for folder in (Path(given) / "model", Path(given)):
        if (folder / "config.json").is_file():
            return folder
    raise CheckpointError(
        f"--init {given}: no model in it; give a run of an earlier stage or its model folder, "
        f"or {', '.join(SIZES)} for an encoder with random weights"
    )


def init_identity(init: Path | str) -> str:
    """What a resumed run must have begun with: the weights, not where they lie."""
    if isinstance(init, str):
        return init
    return " ".join(sha256_of(path) for path in sorted(init.glob("*.safetensors")))


def init_notes(init: Path | str, holdout: Holdout | None) -> Iterator[str]:
    """Say where stage 1 may have seen the clips that are held out here, as run.json beside the model has it."""
    if isinstance(init, str):
        return
    trained = TrainedOn.read(init)
    if trained is None:
        yield (
            f"note: no run.json beside {init} says what stage 1 held out; clips that are held out here may have "
            "been seen there, without captions"
        )
    elif trained.holdout != (None if holdout is None else str(holdout)):
        how = "without --holdout" if trained.holdout is None else f"with --holdout {trained.holdout}"
        yield (
            f"note: stage 1 was trained {how}; clips that are held out here may have been seen there, without captions"
        )
