"""A stage-2 training: what captions say of clips, injected into the encoder by dual-path contrastive learning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import TrainingArguments

from vaemo_clips.errors import RecipeError
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.models import VAEmoForPreTraining
from vaemo_train.models.alignment import VAEmoForCaptionAlignment
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.stage1_weights import stage1_config
from vaemo_train.stage2.alignment_data import AlignmentData, open_alignment_data, speaker_numbers
from vaemo_train.stage2.beginning import find_init, init_identity, init_notes
from vaemo_train.stage2.caption_table import CaptionTable
from vaemo_train.stage2.monitor import AlignmentMonitor
from vaemo_train.stage2.recipe import Stage2Recipe
from vaemo_train.stage2.trainer import Stage2Trainer
from vaemo_train.texts.cache import EmbeddingCache
from vaemo_train.texts.model import TextModel
from vaemo_train.training import environment
from vaemo_train.training.compiled import compile_blocks
from vaemo_train.training.console import TrainingConsole
from vaemo_train.training.joint import from_first
from vaemo_train.training.opening import data_line, length_line
from vaemo_train.training.run import RunSummary, run_stage
from vaemo_train.training.stage import Stage, command_line
from vaemo_train.training.trainer import StageTrainer
from vaemo_train.training.watching import Watching


class Stage2(Stage):
    """Stage 2 as the loop sees it."""

    recipe: Stage2Recipe

    def __init__(
        self, recipe: Stage2Recipe, found: AlignmentData, holdout: Holdout | None, init: Path | str, text: TextModel
    ) -> None:
        """`init` is the folder of a stage-1 model, or the name of a size for random weights."""
        self.recipe, self.data, self.holdout = recipe, found.training, holdout
        self._found, self._init, self._text = found, init, text
        self._embeddings: NDArray[np.float32] | None = None
        self._notes: list[str] = [*text.notes]

    @property
    def embeddings(self) -> NDArray[np.float32]:
        """Of all texts of the captions, (K, E)."""
        assert self._embeddings is not None, "prepare() comes first"
        return self._embeddings

    def identity(self) -> dict[str, Any]:
        """The captions, the text model and the encoder that it began with."""
        return {
            "captions": self._found.captions.digest,
            "text_model": self._text.digest,
            "init": init_identity(self._init),
        }

    def facts(self) -> dict[str, Any]:
        """Counts of the captions, and the models that this one rests on."""
        return {
            "captions": self._found.captions.counts.as_dict(),
            "init": str(self._init),
            "text_model": {"name": self._text.name, "digest": self._text.digest, "max_tokens": self._text.max_tokens},
        }

    def prepare(self, console: TrainingConsole) -> None:
        """Embed the texts, on process 0 for all: those that are not cached beside the captions are computed."""
        self._embeddings = from_first(lambda: self._embed(console), environment.num_processes())

    def _embed(self, console: TrainingConsole) -> NDArray[np.float32]:
        texts = self._found.captions.texts
        cache = EmbeddingCache(self._found.captions.counts.folder, self._text)
        missing = cache.num_missing(texts)
        if missing:
            console.announce(f"embedding {missing:,} of {len(texts):,} texts with {self._text.name}")
        with console.counting("embedding", missing) as advance:
            embeddings = cache.embeddings(texts, on_batch=advance)
        num_cut = self._text.num_cut(texts)
        if num_cut:
            self._notes.append(
                f"note: {num_cut:,} of {len(texts):,} texts are longer than the {self._text.max_tokens} tokens "
                "that the text model reads; their ends are not read"
            )
        self._notes += [f"note: {note}" for note in cache.notes]
        return embeddings

    def make_model(self) -> VAEmoForCaptionAlignment:
        """The encoder of stage 1 with new heads; what no loss reaches is frozen."""
        fields = {
            **self.recipe.config_fields(),
            "text_model": self._text.name,
            "text_model_digest": self._text.digest,
            "text_size": self._text.width,
        }
        torch.manual_seed(self.recipe.seed)
        source = self._init if isinstance(self._init, Path) else VAEmoForPreTraining(VAEmoConfig.of_size(self._init))
        model = VAEmoForCaptionAlignment.from_stage1(source, **fields)
        model.set_text_means(self._table().means())
        _freeze(model, self.recipe)
        if self.recipe.compile:
            compile_blocks(model)
        return model

    def make_trainer(self, model: Any, arguments: TrainingArguments, **services: Any) -> StageTrainer:
        """The loop, with descriptions; a batch need not reach all heads."""
        arguments.ddp_find_unused_parameters = True
        return Stage2Trainer(
            model, arguments, recipe=self.recipe, table=self._table(), stream=self.data.stream, **services
        )

    def opening_lines(self, model: Any, arguments: TrainingArguments, num_processes: int) -> Iterator[str]:
        """The encoder, the captions, what is held out, how long."""
        yield f"encoder: {self._init}{'' if isinstance(self._init, Path) else ', random weights: no stage 1'}"
        yield data_line(model.config.size, self.data, model)
        yield self.data.rows.reason
        if self.holdout is not None or len(self.data.rows.monitor):
            yield from init_notes(self._init, self.holdout)
        yield from self._found.lines()
        yield f"texts: {len(self.embeddings):,}, embedded by {self._text.name} ({self._text.width} values)"
        yield from self._notes
        yield length_line(self.recipe, self.data, arguments, num_processes)
        if (self.recipe.monitor.every_steps or self.recipe.figure.every_steps) and len(self.data.rows.monitor) < 2:
            yield "note: fewer than two clips with captions are held out: nothing is monitored"

    def watch(self, watching: Watching, model: Any, bf16: bool) -> None:
        """Measure retrieval on held-out clips that have captions, and draw them."""
        monitor, figure, rows = self.recipe.monitor, self.recipe.figure, self.data.rows.monitor
        if len(rows) < 2:
            return
        held_out = AlignmentMonitor(
            self.data.folder, rows, self._found.captions, self.embeddings,
            seed=monitor.seed, batch_size=self.recipe.batch.per_device, bf16=bf16,
        )  # fmt: skip
        if monitor.every_steps:
            watching.watch_with(held_out.measure, monitor.every_steps)
        if figure.every_steps:
            watching.draw_with(held_out.draw, figure.every_steps)

    def next_commands(self, run: Path) -> Iterator[str]:
        """Look at what was learnt, on the clips that were held out."""
        shards, captions = self.data.folder, self._found.captions.counts.folder
        yield command_line("retrieve", model=run, data=shards.path, captions=captions, holdout=self.holdout)
        if "label" in shards.rows.column_names:
            yield command_line("zero-shot", model=run, data=shards.path, holdout=self.holdout)

    def _table(self) -> CaptionTable:
        by_speaker = self.recipe.heads.centring == "speakers"
        speakers = speaker_numbers(self.data.folder) if by_speaker else None
        return CaptionTable(self._found.train, self.embeddings, speakers)


def train(
    recipe: Stage2Recipe,
    data: Path,
    captions: Path,
    init: str,
    out: Path,
    *,
    holdout: Holdout | None = None,
    resume: bool = False,
    allow_unknown: bool = False,
    console: TrainingConsole | None = None,
    opening: str | None = None,
) -> RunSummary:
    """Train as the recipe says on the shards in `data` and the captions below `captions`; see `run_stage`.

    `init` is a run or model folder of stage 1, or the name of a size for random weights. Captions of clips that the
    shards lack are an error unless `allow_unknown`. Raises the UserErrors of shards, captions, text model, recipe, run
    folder, holdout, checkpoint and training.
    """
    source = find_init(init)
    config = VAEmoConfig.of_size(source) if isinstance(source, str) else stage1_config(source)
    faults = [fault.text for fault in recipe.mask_faults(config)]
    if faults:
        raise RecipeError(f"--init {init}: {'; '.join(faults)}")
    num_processes = environment.num_processes()
    found = open_alignment_data(
        recipe, data, captions, holdout, num_processes, config.image_size, allow_unknown=allow_unknown, init=init
    )
    stage = Stage2(recipe, found, holdout, source, TextModel.open(recipe.text.model))
    return run_stage(stage, out, resume=resume, console=console, opening=opening)


def _freeze(model: VAEmoForCaptionAlignment, recipe: Stage2Recipe) -> None:
    """Freeze the encoder where its rate is 0, and the heads of stage 1 whose losses have no weight."""
    weights = recipe.loss.stage1
    model.vaemo.requires_grad_(recipe.optim.encoder_lr_share > 0)
    model.decoder.requires_grad_(bool(weights.video_pixels or weights.video_motion or weights.audio))
    model.contrastive.requires_grad_(bool(weights.contrastive))
