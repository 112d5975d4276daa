"""What looks on while a training runs: the log, the monitor, the figures. All of it is written by process 0."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from transformers import TrainerCallback

from vaemo_clips.errors import FigureError
from vaemo_train.models.encoder import VAEmoPreTrainedModel
from vaemo_train.training.console import TrainingConsole
from vaemo_train.training.curves import draw_curves
from vaemo_train.training.log_window import LogWindow
from vaemo_train.training.picture import write_png
from vaemo_train.training.record import RunFolder

Pictures = Mapping[str, NDArray[np.uint8]]
"""Figures (H, W, 3) by what they show."""


class Diagnostics(Protocol):
    """What held-out clips say at one step."""

    def as_dict(self) -> dict[str, float]:
        """Flat, for logs."""

    def lines(self, step: int) -> Iterable[str]:
        """As people read it."""


class Writer:
    """Writes numbers to metrics.jsonl and TensorBoard, pictures to `figures` and TensorBoard."""

    def __init__(self, folder: RunFolder, from_step: int) -> None:
        """Lines after `from_step`, which is done again, are dropped."""
        from torch.utils.tensorboard import SummaryWriter

        folder.drop_metrics_after(from_step)
        self._folder = folder
        self._board = SummaryWriter(str(folder.tensorboard), purge_step=from_step + 1 if from_step else None)

    def add_values(self, step: int, values: dict[str, Any]) -> str | None:
        """Add the numbers of one step; return why they could not be written. A log does not end a training."""
        try:
            self._folder.add_metrics(step, values)
            for name, value in values.items():
                self._board.add_scalar(name if "/" in name else f"train/{name}", value, step)
            self._board.flush()
        except OSError as error:
            return f"note: the numbers of step {step:,} could not be written ({error.strerror}); make room"
        return None

    def add_figure(self, step: int, name: str, picture: NDArray[np.uint8]) -> str:
        """Add a figure of one step; return its file, or why it could not be written."""
        path = self._folder.figures / f"{name}-{step:07d}.png"
        try:
            write_png(picture, path)
            self._board.add_image(name, picture, step, dataformats="HWC")
        except (FigureError, OSError) as error:
            return f"note: {error}"
        return f"figure: {path}"

    def add_curves(self) -> str | None:
        """Draw the run so far from metrics.jsonl; return why that could not be done."""
        try:
            metrics = self._folder.read_metrics()
            if metrics:
                write_png(draw_curves(metrics, self._folder.path.resolve().name), self._folder.curves)
        except (FigureError, OSError) as error:
            return f"note: {error}"
        return None

    def close(self) -> None:
        """End TensorBoard's thread."""
        self._board.close()


class Watching(TrainerCallback):
    """Follows the trainer's events: each log, and what is due every so many steps."""

    window: LogWindow
    """The trainer's; its seconds do not count what is done here."""

    def __init__(self, console: TrainingConsole, writer: Writer | None) -> None:
        """`writer` is None but on process 0."""
        self.console, self._writer = console, writer
        self.last_losses: dict[str, Any] = {}
        self.last_diagnostics: Diagnostics | None = None
        self._has_figures = False
        self._due: list[tuple[int, Callable[[int, Any], None]]] = []

    def watch_with(self, look: Callable[[int, Any], Diagnostics], every_steps: int) -> None:
        """Look at held-out clips every so many steps and after the last; `look` gets the step and the model."""

        def measure(step: int, model: VAEmoPreTrainedModel) -> None:
            found = look(step, model)
            self.last_diagnostics = found
            self._write(step, found.as_dict())
            self.console.announce(*found.lines(step))

        self._due.append((every_steps, measure))

    def draw_with(self, draw: Callable[[int, Any, bool], Pictures], every_steps: int) -> None:
        """Draw every so many steps and after the last.

        `draw` gets the step, the model, and whether pictures are wanted of this process; it is asked on all of them.
        """

        def draw_step(step: int, model: VAEmoPreTrainedModel) -> None:
            pictures = draw(step, model, self._writer is not None)
            if self._writer is not None:
                for name, picture in pictures.items():
                    self.console.announce(self._writer.add_figure(step, name, picture))
                self._draw_curves()

        self._has_figures = True
        self._due.append((every_steps, draw_step))

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Show where the training begins."""
        self.console.begin(state.global_step, state.max_steps)

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Do what is due at this step; the same on every process, for they meet in the model's gathering."""
        self.console.show_step(state.global_step)
        with self.window.paused():
            for every_steps, action in self._due:
                if state.global_step % every_steps == 0 or state.global_step == state.max_steps:
                    action(state.global_step, model)

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Note the losses; the Trainer's own summary at the end is left out."""
        if not logs or "loss" not in logs:
            return
        self.last_losses = dict(logs)
        self._write(state.global_step, logs)
        self.console.show_losses(state.global_step, logs)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Draw the curves of the whole run, the last log included."""
        if self._has_figures:
            self._draw_curves()

    def _draw_curves(self) -> None:
        fault = self._writer.add_curves() if self._writer is not None else None
        if fault is not None:
            self.console.announce(fault)

    def _write(self, step: int, values: dict[str, Any]) -> None:
        fault = self._writer.add_values(step, values) if self._writer is not None else None
        if fault is not None:
            self.console.announce(fault)
