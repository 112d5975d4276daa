"""The shards of a run, which of their rows are trained on, and the stream of batches that they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from vaemo_clips.errors import RecipeError
from vaemo_train.data.dataset import BOTH, PICTURE_ONLY, SOUND_ONLY, Modality, WindowDataset
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.training.environment import rank
from vaemo_train.training.held_out import RowChoice, choose_rows
from vaemo_train.training.recipe import TrainingRecipe
from vaemo_train.training.stream import BatchStream


@dataclass(frozen=True, slots=True)
class TrainingData:
    """An open folder, the choice of its rows, the windows of those trained on, and their batches."""

    folder: ShardFolder
    rows: RowChoice
    dataset: WindowDataset
    stream: BatchStream

    def counts(self) -> dict[str, int]:
        """How many rows and clips of which kind are trained on, and how many are not."""
        kinds, clips = self.dataset.kinds, self.folder.rows["clip_id"].take(self.rows.train)
        return {
            "clips": len(clips.unique()),
            "rows": len(kinds),
            "rows_with_both": int((kinds == BOTH).sum()),
            "rows_with_picture_only": int((kinds == PICTURE_ONLY).sum()),
            "rows_with_sound_only": int((kinds == SOUND_ONLY).sum()),
            "rows_held_out": self.folder.num_rows - len(kinds),
            "clips_monitored": len(self.rows.monitor),
            "windows_left_out_of_an_epoch": self.stream.num_dropped,
        }


def open_data(
    recipe: TrainingRecipe,
    data: Path,
    holdout: Holdout | None,
    num_processes: int,
    image_size: int,
    choose: Callable[[ShardFolder, RowChoice], RowChoice] | None = None,
    image_size_of: str = "model.overrides.image_size",
) -> TrainingData:
    """Open the shards and choose what is trained on; `choose` returns what a stage can use of the rows.

    The model sees pictures of `image_size` px, as what is called `image_size_of` has it. Raises ShardError, SplitError,
    RecipeError, TrainingError.
    """
    folder = ShardFolder.open(data)
    check_pictures(image_size, folder, image_size_of)
    monitored = bool(recipe.monitor.every_steps or recipe.figure.every_steps)
    rows = choose_rows(folder.rows, holdout, recipe.monitor.num_clips, recipe.monitor.seed, monitored)
    if choose is not None:
        rows = choose(folder, rows)
    return training_data(recipe, folder, rows, num_processes)


def training_data(
    recipe: TrainingRecipe, folder: ShardFolder, rows: RowChoice, num_processes: int, modality: Modality = "any"
) -> TrainingData:
    """The batches of the rows chosen, with what `modality` leaves of a row. Raises TrainingError for too few rows."""
    dataset = WindowDataset(folder, rows.train, seed=recipe.seed, modality=modality)
    stream = BatchStream(
        dataset,
        recipe.batch.per_device,
        seed=recipe.seed,
        windows_per_row=recipe.data.windows_per_row,
        workers=recipe.data.workers,
        prefetch=recipe.data.prefetch,
        rank=rank(),
        num_processes=num_processes,
        groups=rows.groups,
        group_size=rows.group_size,
    )
    return TrainingData(folder, rows, dataset, stream)


def check_pictures(wanted: int, folder: ShardFolder, whose: str) -> None:
    """Raise RecipeError where the model asks for larger pictures than were stored."""
    stored = folder.settings.size_px
    if wanted > stored:
        raise RecipeError(
            f"{whose}: pictures of {wanted} pixels cannot be cut from those in {folder.path}, "
            f"which are {stored} wide; give at most that"
        )
