"""What the recipes of all stages have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import Field

from vaemo_train.data.augment import AugmentSettings
from vaemo_train.training.settings import (
    BatchSettings,
    DataSettings,
    FigureSettings,
    LengthSettings,
    MonitorSettings,
    OptimSettings,
    PrecisionSettings,
    Settings,
)

REFERENCE_BATCH = 256
"""Clips of a step that `optim.base_lr` is meant for (Goyal et al. 2017, arXiv 1706.02677, linear scaling)."""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A fault between settings; `keys` are those it rests on."""

    keys: tuple[str, ...]
    text: str

    def rests_on(self, broken: set[tuple[str | int, ...]]) -> bool:
        """Whether one of its settings is at fault itself."""
        names = {".".join(map(str, place)) for place in broken}
        return any(key == name or key.startswith(f"{name}.") or name.startswith(f"{key}.")
                   for key in self.keys for name in names)  # fmt: skip


class TrainingRecipe(Settings):
    """Settings of the loop; a stage adds its model and its loss. `recipe_file.load_recipe` reads a file of one."""

    augment: AugmentSettings = AugmentSettings()
    data: DataSettings = DataSettings()
    optim: OptimSettings = OptimSettings()
    batch: BatchSettings = BatchSettings()
    length: LengthSettings = LengthSettings()
    precision: PrecisionSettings = PrecisionSettings()
    compile: bool = False
    seed: int = Field(default=0, ge=0, lt=2**31)
    logging_steps: int = Field(default=50, ge=1)
    save_steps: int = Field(default=1000, ge=1)
    keep_checkpoints: int = Field(default=2, ge=1)
    monitor: MonitorSettings = MonitorSettings()
    figure: FigureSettings = FigureSettings()

    @classmethod
    def load(cls, path: Path, settings: Sequence[str] = (), num_processes: int = 1) -> Self:
        """Read a file as `recipe_file.load_recipe` does, which says what is raised."""
        from vaemo_train.training.recipe_file import load_recipe

        return load_recipe(cls, path, settings, num_processes)

    def contradictions(self, num_processes: int) -> Iterator[Contradiction]:
        """Yield what pydantic cannot see: relations between settings, on so many processes."""
        yield from _length_faults(self)
        yield from _warmup_faults(self)

    @classmethod
    def unknown_key(cls, place: tuple[str | int, ...]) -> str | None:
        """Say more of an unknown key than that it is one; None where nothing is to be said."""
        return None

    def clips_per_step(self, num_processes: int) -> int:
        """Return how many clips one optimizer step sees."""
        return self.batch.per_device * self.batch.accumulate * num_processes

    def peak_lr(self, num_processes: int) -> float:
        """Return the learning rate after the warm-up."""
        return self.optim.base_lr * self.clips_per_step(num_processes) / REFERENCE_BATCH

    def total_steps(self, batches_per_epoch: int) -> int:
        """Return the number of optimizer steps; an epoch has `batches_per_epoch` batches of each process."""
        if self.length.max_steps is not None:
            return self.length.max_steps
        return max(round((self.length.epochs or 0) * batches_per_epoch / self.batch.accumulate), 1)

    def warmup_steps(self, batches_per_epoch: int) -> int:
        """Return the number of steps over which the learning rate rises."""
        if self.optim.warmup_epochs is not None:
            return round(self.optim.warmup_epochs * batches_per_epoch / self.batch.accumulate)
        return round((self.optim.warmup_share or 0) * self.total_steps(batches_per_epoch))


def _length_faults(recipe: TrainingRecipe) -> Iterator[Contradiction]:
    keys = ("length.epochs", "length.max_steps")
    epochs, max_steps = recipe.length.epochs, recipe.length.max_steps
    if epochs is None and max_steps is None:
        yield Contradiction(keys, "length: neither epochs nor max_steps is given; give one of them")
    if epochs is not None and max_steps is not None:
        yield Contradiction(
            keys, f"length: epochs={epochs:g} and max_steps={max_steps} are both given; give one (the other null)"
        )


def _warmup_faults(recipe: TrainingRecipe) -> Iterator[Contradiction]:
    optim, epochs = recipe.optim, recipe.length.epochs
    keys = ("optim.warmup_share", "optim.warmup_epochs")
    if optim.warmup_share is not None and optim.warmup_epochs is not None:
        yield Contradiction(keys, "optim: warmup_share and warmup_epochs are both given; give one (the other null)")
    if optim.warmup_share is not None and optim.warmup_share >= 1:
        yield Contradiction(
            keys[:1],
            f"optim.warmup_share: a warm-up over {optim.warmup_share:g} of the run never ends; give less than 1",
        )
    if optim.warmup_epochs is not None and epochs is not None and optim.warmup_epochs >= epochs:
        yield Contradiction(
            (*keys[1:], "length.epochs"),
            f"optim.warmup_epochs: a warm-up of {optim.warmup_epochs:g} epochs is as long as the run of {epochs:g}; "
            "shorten it",
        )
