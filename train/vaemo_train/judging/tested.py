"""Models, the clips that each is judged by, and what they say of them, clean and made worse.

Shapes: R rows of the shards, n clips, C classes or targets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from vaemo_train.data.corruption import Corruption
from vaemo_train.evaluate.folds import texts
from vaemo_train.evaluate.predict import Predictions, predict
from vaemo_train.finetune.seen import Seen
from vaemo_train.finetune.selection import modalities_of, truth_of
from vaemo_train.judging.robustness import robustness
from vaemo_train.models.classification import load_classifier
from vaemo_train.outcome.outcome import Outcome
from vaemo_train.outcome.predictions_file import FoldPredictions
from vaemo_train.outcome.results_file import PastEntry
from vaemo_train.outcome.robustness_scores import CLEAN
from vaemo_train.protocol.targets import Targets
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.training.training_data import check_pictures

if TYPE_CHECKING:
    from vaemo_train.data.dataset import Modality as TrainedOn

FOLD: Final = "all"
"""What the one fold of a single model's scores is called."""


@dataclass(frozen=True, slots=True, eq=False)
class TestedModel:
    """A model, by the `run` that it lies in or itself, and the numbers of the `rows` of the shards that test it."""

    __test__ = False  # the name is none of a test's

    run: Path
    fold: str
    seed: int
    rows: NDArray[np.int64]

    @property
    def weights(self) -> Path:
        """The file of its weights."""
        name = "model.safetensors"
        return next((path for path in (self.run / "model" / name, self.run / name) if path.is_file()), self.run / name)


@dataclass(frozen=True, slots=True, eq=False)
class Tested:
    """All models of an evaluation, with what their clips are called.

    `targets` hold the truth of all rows that are tested. `modality` is what the recipe gave to the models, `trained_on`
    what of it the clips that they were trained on have; `windows`, `batch_size` and `bf16` are those of its evaluation.
    `folds` and `selection` are words for people; `pretraining` says of folds whether their test speakers were seen
    unlabelled, `past` what they were trained on. `is_disjoint`: no tested speaker was trained on, `num_trained`: how
    many of the clips were (None: nobody knows). `is_one_model`: it is judged without the folds of its fine-tuning.
    `notes` are lines for the user.
    """

    __test__ = False

    folder: ShardFolder
    targets: Targets
    models: tuple[TestedModel, ...]
    modality: str
    trained_on: TrainedOn
    windows: int
    batch_size: int
    bf16: bool
    folds: str
    selection: str
    recipe: Mapping[str, Any]
    pretraining: Mapping[str, Seen]
    past: Mapping[str, PastEntry]
    is_disjoint: bool | None
    num_trained: int | None
    is_one_model: bool
    notes: tuple[str, ...]

    def num_windows(self, windows: int, corruptions: Sequence[Corruption]) -> int:
        """How many windows are looked at, at most."""
        times = 1 + len(corruptions)
        return sum(len(model.rows) for model in self.models) * windows * times


@dataclass(frozen=True, slots=True)
class Judge:
    """How models are judged: the windows of each row, the batch, what makes clips worse."""

    windows: int
    batch_size: int
    corruptions: tuple[Corruption, ...] = ()

    def outcomes(self, tested: Tested, on_batch: Callable[[int], None] | None = None) -> dict[str, Outcome]:
        """What all models say of their own clips, as they are ("clean") and by the text of each corruption.

        `on_batch` is called with the number of windows of each batch. Raises what `predict` and `Outcome.of` do,
        CheckpointError for a model that cannot be read, RecipeError for one that wants larger pictures.
        """
        parts: dict[str, list[FoldPredictions]] = {name: [] for name in (CLEAN, *map(str, self.corruptions))}
        for model in tested.models:
            for name, found in self._judge(tested, model, on_batch):
                parts[name].append(_part(tested, model, found))
        return {name: Outcome.of(own) for name, own in parts.items()}

    def _judge(
        self, tested: Tested, given: TestedModel, on_batch: Callable[[int], None] | None
    ) -> Iterator[tuple[str, Predictions]]:
        model = load_classifier(given.run)
        check_pictures(model.config.image_size, tested.folder, f"the model of {given.run}")
        torch.nn.Module.to(model, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        how: dict[str, Any] = {"batch_size": self.batch_size, "bf16": tested.bf16, "on_batch": on_batch}
        modalities = modalities_of(tested.folder, given.rows, tested.modality)
        clean = predict(
            model, tested.folder, given.rows, modalities=modalities, num_windows=self.windows, **how
        )  # fmt: skip
        yield CLEAN, clean
        yield from robustness(model, tested.folder, given.rows, clean, self.corruptions, **how).items()


def _part(tested: Tested, model: TestedModel, found: Predictions) -> FoldPredictions:
    """What a model says, beside the truth."""
    targets = tested.targets
    truth = truth_of(targets, found.clip_ids)
    if not targets.is_regression:
        truth = np.array(targets.names, object)[truth]
    return FoldPredictions(
        where=str(model.run), fold=model.fold, seed=model.seed, names=found.names, is_regression=found.is_regression,
        num_windows=found.num_windows, trained_on=tested.trained_on, clip_ids=found.clip_ids,
        speakers=_speakers(targets, found.clip_ids), truth=truth, values=found.values,
    )  # fmt: skip


def _speakers(targets: Targets, clip_ids: NDArray[np.object_]) -> NDArray[np.object_]:
    if targets.speakers is None:
        return texts([None] * len(clip_ids))
    of_clip = dict(zip(targets.clip_ids.tolist(), targets.speakers.tolist(), strict=True))
    return texts([of_clip[clip_id] for clip_id in clip_ids.tolist()])
