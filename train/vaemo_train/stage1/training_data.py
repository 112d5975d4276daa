"""The shards of a run, which of their rows are trained on, and the stream of batches that they make."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vaemo_clips.errors import RecipeError, TrainingError
from vaemo_train.data.dataset import BOTH, PICTURE_ONLY, SOUND_ONLY, WindowDataset
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.stage1.environment import rank
from vaemo_train.stage1.held_out import RowChoice, choose_rows
from vaemo_train.stage1.recipe import Stage1Recipe
from vaemo_train.stage1.stream import BatchStream


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


def open_data(recipe: Stage1Recipe, data: Path, holdout: Holdout | None, num_processes: int) -> TrainingData:
    """Open the shards and choose what is trained on. Raises ShardError, SplitError, RecipeError, TrainingError."""
    folder = ShardFolder.open(data)
    _check_pictures(recipe, folder)
    monitored = bool(recipe.monitor.every_steps or recipe.figure.every_steps)
    rows = choose_rows(folder.rows, holdout, recipe.monitor.num_clips, recipe.monitor.seed, monitored)
    dataset = WindowDataset(folder, rows.train, seed=recipe.seed)
    _check_parts(recipe, dataset)
    stream = BatchStream(
        dataset,
        recipe.batch.per_device,
        seed=recipe.seed,
        windows_per_row=recipe.data.windows_per_row,
        workers=recipe.data.workers,
        prefetch=recipe.data.prefetch,
        rank=rank(),
        num_processes=num_processes,
    )
    return TrainingData(folder, rows, dataset, stream)


def _check_pictures(recipe: Stage1Recipe, folder: ShardFolder) -> None:
    """Raise RecipeError where the model asks for larger pictures than were stored."""
    wanted, stored = recipe.config().image_size, folder.settings.size_px
    if wanted > stored:
        raise RecipeError(
            f"model.overrides.image_size: pictures of {wanted} pixels cannot be cut from those in {folder.path}, "
            f"which are {stored} wide; give at most that"
        )


def _check_parts(recipe: Stage1Recipe, dataset: WindowDataset) -> None:
    """Raise TrainingError where no part of the loss that has a weight can be computed from the data."""
    kinds, loss = dataset.kinds, recipe.loss
    weights = (
        (loss.video_pixels + loss.video_motion) * bool((kinds != SOUND_ONLY).any())
        + loss.audio * bool((kinds != PICTURE_ONLY).any())
        + loss.contrastive * bool((kinds == BOTH).any())
    )
    if not weights:
        raise TrainingError(
            f"{dataset.folder.path}: no part of the loss with a weight above 0 can be computed from these clips; "
            "weigh the parts of the modality that they have"
        )
