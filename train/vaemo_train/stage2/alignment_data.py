"""What stage 2 is trained on: the rows of the shards that have captions, on the training side and on the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vaemo_clips.errors import CaptionError, ShardError
from vaemo_train.captions.joined import Captions, join_captions
from vaemo_train.captions.paths import PATHS
from vaemo_train.captions.row_captions import RowCaptions
from vaemo_train.evaluate.folds import Holdout, texts
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.layout import AGAIN, REJECTS
from vaemo_train.shards.record import one_line
from vaemo_train.stage2.recipe import Stage2Recipe
from vaemo_train.training.held_out import RowChoice
from vaemo_train.training.training_data import TrainingData, open_data


@dataclass(frozen=True, slots=True, eq=False)
class AlignmentData:
    """The stream of captioned training rows, all captions, and those of the training rows and of the held-out ones.

    No caption of a held-out clip is in `train`; `held_out` is looked at, never learnt from.
    """

    training: TrainingData
    captions: Captions
    train: RowCaptions
    held_out: RowCaptions

    def lines(self) -> Iterator[str]:
        """What the user is told of the captions."""
        yield from self.captions.counts.lines()
        for path, described, lacking in (("visual", "a visual", "picture"), ("acoustic", "an acoustic", "sound")):
            if count := self.train.without_tokens[path]:
                rows = f"{count:,} rows have" if count > 1 else "1 row has"
                yield f"note: {rows} {described} description, but no {lacking} that it describes; it is left out"


def open_alignment_data(
    recipe: Stage2Recipe,
    data: Path,
    captions_folder: Path,
    holdout: Holdout | None,
    num_processes: int,
    image_size: int,
    *,
    allow_unknown: bool = False,
    init: str = "",
) -> AlignmentData:
    """Open shards and captions, and join them, for an encoder `init` that sees pictures of `image_size` px.

    Raises what `open_data` and `join_captions` raise, and CaptionError where no training clip has a caption.
    """
    joined: list[tuple[Captions, RowCaptions, RowCaptions]] = []

    def choose(folder: ShardFolder, rows: RowChoice) -> RowChoice:
        captions = join_captions(
            captions_folder, folder.rows, rows.train, allow_unknown=allow_unknown, rejected_clips=rejected_clips(folder)
        )
        others = np.setdiff1d(np.arange(folder.num_rows), rows.train)
        train, held_out = captions.of_rows(folder.rows, rows.train), captions.of_rows(folder.rows, others)
        joined.append((captions, train, held_out))
        weighted = _weighted_rows(recipe, train)
        if not len(weighted):
            raise CaptionError(
                f"{captions_folder}: no clip that is trained on has a description that the loss weighs; "
                f"{captions.counts.clips_with_captions:,} clips have captions: caption clips that are not held out"
            )
        monitored = _monitored(recipe, folder, held_out.rows)
        if recipe.heads.centring == "clips":
            return RowChoice(weighted, monitored, rows.reason)
        together = _with_speakers(folder, weighted, rows.train)
        groups = _groups(speaker_numbers(folder)[together])
        return RowChoice(together, monitored, rows.reason, groups, recipe.heads.clips_of_speaker)

    training = open_data(recipe, data, holdout, num_processes, image_size, choose, f"--init {init}")
    return AlignmentData(training, *joined[0])


def rejected_clips(folder: ShardFolder) -> list[str]:
    """The clips that `prepare` gave no row: captions of them are no mistake. Raises ShardError for a damaged list."""
    path = folder.path / REJECTS
    if not path.exists():
        return []
    try:
        clip_ids: list[str] = pq.read_table(path, columns=["clip_id"])["clip_id"].to_pylist()
    except (OSError, pa.ArrowException, KeyError) as error:
        raise ShardError(f"{path}: damaged, {one_line(error)}; {AGAIN}") from error
    return clip_ids


def speaker_numbers(folder: ShardFolder) -> NDArray[np.int64]:
    """A number for each row's speaker (N,), -1 where nobody is named. Raises CaptionError where no row names one."""
    is_column = "speaker" in folder.rows.column_names
    names = texts(folder.rows["speaker"].to_pylist()) if is_column else np.full(folder.num_rows, None, object)
    if all(name is None for name in names):
        raise CaptionError(
            f"{folder.path}: heads.centring: speakers needs a column speaker that names someone, which these shards "
            "lack; name the speakers in the manifest and prepare it again, or --set heads.centring=clips"
        )
    known = {name: number for number, name in enumerate(sorted({str(name) for name in names if name is not None}))}
    return np.array([-1 if name is None else known[str(name)] for name in names], np.int64)


def _with_speakers(folder: ShardFolder, weighted: NDArray[np.int64], training: NDArray[np.int64]) -> NDArray[np.int64]:
    """The rows with descriptions, and all other training rows of their speakers, to be compared with."""
    speakers = speaker_numbers(folder)
    is_known = np.isin(speakers[training], speakers[weighted]) & (speakers[training] >= 0)
    return np.union1d(weighted, training[is_known])


def _groups(speakers: NDArray[np.int64]) -> NDArray[np.int64]:
    """A row whose speaker nobody knows is a group of its own."""
    return np.where(speakers >= 0, speakers, -1 - np.arange(len(speakers)))


def _weighted_rows(recipe: Stage2Recipe, captions: RowCaptions) -> NDArray[np.int64]:
    """Rows with a description of a path that has a weight."""
    paths = [path for path in PATHS if getattr(recipe.loss, path) > 0]
    return np.unique(np.concatenate([np.flatnonzero(np.diff(captions.begin[path])) for path in paths]))


def _monitored(recipe: Stage2Recipe, folder: ShardFolder, held_out: NDArray[np.int64]) -> NDArray[np.int64]:
    """One row of each clip that is looked at; none where nobody looks, or where a clip would be alone."""
    settings = recipe.monitor
    if not (settings.every_steps or recipe.figure.every_steps):
        return np.empty(0, np.int64)
    rows = _one_a_clip(folder, held_out, settings.num_clips, settings.seed)
    return rows if len(rows) > 1 else rows[:0]


def _one_a_clip(folder: ShardFolder, rows: NDArray[np.int64], most: int, seed: int) -> NDArray[np.int64]:
    """The first row of each of `most` clips, drawn at random."""
    ids = np.asarray(folder.rows["clip_id"].take(rows).to_pylist(), object).astype(str)
    _, first = np.unique(ids, return_index=True)
    drawn = np.random.default_rng([seed, 2]).permutation(first)[:most]
    return np.sort(rows[drawn])
