"""What the commands search: a model, some clips of the shards, and their captions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer
from numpy.typing import NDArray

from vaemo_clips.errors import UserError
from vaemo_train.captions.joined import Captions, join_captions
from vaemo_train.evaluate.clip_vectors import ClipVectors
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.stage2.alignment_data import rejected_clips
from vaemo_train.text_space.cached_clips import clip_vectors
from vaemo_train.text_space.space import TextSpace
from vaemo_train.training.console import TrainingConsole
from vaemo_train.training.trained_on import TrainedOn, note_on


@dataclass(frozen=True, slots=True, eq=False)
class Gallery:
    """A model, the shards, and the `rows` (R,) of the clips that are searched; how their vectors are computed.

    `holdout` (COLUMN=VALUE) is what chose the rows, if anything. `options` are those of the command line that name all
    this, for the next command.
    """

    space: TextSpace
    folder: ShardFolder
    rows: NDArray[np.int64]
    windows: int
    batch_size: int
    holdout: str | None
    options: str

    @classmethod
    def open(
        cls, model: Path, data: Path, text_model: str | None, holdout: str | None, windows: int, batch_size: int
    ) -> Gallery:
        """Open all of it; with `holdout` (COLUMN=VALUE) only the clips that it names. Raises UserErrors."""
        folder = ShardFolder.open(data)
        rows = np.arange(folder.num_rows)
        if holdout is not None:
            rows = np.flatnonzero(Holdout.parse(holdout).matches(folder.rows))
        given = {"--model": model, "--data": data, "--text-model": text_model, "--holdout": holdout}
        words = [word for name, value in given.items() if value is not None for word in (name, str(value))]
        return cls(TextSpace.open(model, text_model), folder, rows, windows, batch_size, holdout, shlex.join(words))

    def clips(self) -> ClipVectors:
        """The clips' vectors, with a bar where they have to be computed."""
        with TrainingConsole().counting("windows of clips", len(self.rows) * self.windows) as advance:
            found, _ = clip_vectors(
                self.space, self.folder, self.rows, num_windows=self.windows, batch_size=self.batch_size,
                on_batch=advance, tell=lambda note: typer.echo(f"note: {note}", err=True),
            )  # fmt: skip
        return found

    def note(self) -> str | None:
        """What must be told beside a score: that the model was trained on some of the clips, or may have been."""
        return note_on(TrainedOn.read(self.space.folder), self.folder, self.rows)

    def facts(self, clips: ClipVectors, **others: Any) -> dict[str, Any]:
        """What numbers are of, for a record in JSON; with what else they are of."""
        return {
            "model": str(self.space.folder), "model_sha256": self.space.weights_digest,
            "shards": str(self.folder.path), "shards_digest": self.folder.digest, "holdout": self.holdout,
            "num_clips": len(clips.clip_ids), "windows": self.windows, "note": self.note(), **others,
        }  # fmt: skip

    def captions(self, folder: Path) -> Captions:
        """The captions below `folder` of the shards' clips. Raises CaptionError."""
        return join_captions(
            folder, self.folder.rows, self.rows, allow_unknown=True, rejected_clips=rejected_clips(self.folder)
        )

    def caption_vectors(self, captions: Captions, folder: Path) -> Mapping[str, NDArray[np.float32]]:
        """Unit vectors (K, P) of the captions' texts by path, with a bar; what they are kept in is told of."""
        with TrainingConsole().counting("texts", len(captions.texts)) as advance:
            vectors, notes = self.space.stored_text_vectors(captions.texts, folder, advance)
        for note in notes:
            typer.echo(f"note: {note}", err=True)
        return vectors


def choose_captions(folder: Path | None, why: str) -> Path:
    """The folder of --captions. Raises UserError where none is given."""
    if folder is None:
        raise UserError(f"{why} needs captions; give --captions FOLDER, below which `vaemo-annotate run` wrote them")
    return folder
