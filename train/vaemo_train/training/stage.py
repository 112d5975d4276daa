"""A stage of training as the loop sees it."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from vaemo_train.evaluate.folds import Holdout
from vaemo_train.models.encoder import VAEmoPreTrainedModel
from vaemo_train.training.console import TrainingConsole
from vaemo_train.training.recipe import TrainingRecipe
from vaemo_train.training.trainer import StageTrainer
from vaemo_train.training.training_data import TrainingData
from vaemo_train.training.watching import Watching


class Stage(ABC):
    """What a stage of training is made of: its recipe, its data, and what it does with them."""

    recipe: TrainingRecipe
    data: TrainingData
    holdout: Holdout | None

    @abstractmethod
    def make_model(self) -> VAEmoPreTrainedModel:
        """The model as it is before the first step."""

    @abstractmethod
    def opening_lines(self, model: Any, arguments: TrainingArguments, num_processes: int) -> Iterator[str]:
        """What a user wants to know before the first step."""

    @abstractmethod
    def watch(self, watching: Watching, model: Any, bf16: bool) -> None:
        """Say what looks on while the model is trained."""

    def make_trainer(self, model: Any, arguments: TrainingArguments, **services: Any) -> StageTrainer:
        """The loop for this stage."""
        return StageTrainer(model, arguments, recipe=self.recipe, stream=self.data.stream, **services)

    def identity(self) -> dict[str, Any]:
        """What a resumed run must have in common with the one that it goes on with, besides recipe and rows."""
        return {}

    def prepare(self, console: TrainingConsole) -> None:
        """Do what takes long before there is a model; on every process, once the run may begin."""
        return

    def facts(self) -> dict[str, Any]:
        """What run.json says of the stage's own."""
        return {}

    def before_saving(self, model: Any) -> dict[str, Any]:
        """Change the model that a finished training leaves, on process 0; what run.json says of it."""
        return {}

    def next_commands(self, run: Path) -> Iterator[str]:
        """What a user is likely to do next with a run that is done."""
        yield from ()


def command_line(command: str, **options: object) -> str:
    """A command of vaemo-train as it is typed; options that are None are left out."""
    words = [word for name, value in options.items() if value is not None for word in (f"--{name}", str(value))]
    return shlex.join(["vaemo-train", command, *words])
