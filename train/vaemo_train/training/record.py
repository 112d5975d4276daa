"""A run's folder: the resolved recipe, run.json, the numbers of every log, figures, checkpoints, the model."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from vaemo_clips.errors import RecipeError, RunFolderError
from vaemo_clips.whole_file import locked_folder, write_text
from vaemo_train.training.checkpoint import last_checkpoint, step_of
from vaemo_train.training.recipe import TrainingRecipe
from vaemo_train.training.recipe_file import recipe_text

FORMAT_VERSION: Final = 1
_FREE: Final = frozenset(
    {
        "data.folder",
        "captions",
        "init",
        "data.workers",
        "data.prefetch",
        "logging_steps",
        "save_steps",
        "keep_checkpoints",
        "monitor.every_steps",
        "text.model",
    }
)
"""Settings that do not touch what is learnt; so are all of `figure`. A resumed run may have others.

What lies in the folders is compared by its content (`identity`), not by where it lies.
"""


class RunFolder:
    """The places inside a run folder, and the rules for writing there."""

    def __init__(self, path: Path) -> None:
        """Name the places; nothing is touched."""
        self.path = path
        self.recipe = path / "recipe.yaml"
        self.record = path / "run.json"
        self.metrics = path / "metrics.jsonl"
        self.tensorboard = path / "tb"
        self.figures = path / "figures"
        self.curves = self.figures / "curves.png"
        self.checkpoints = path / "checkpoints"
        self.model = path / "model"

    def locked(self) -> AbstractContextManager[None]:
        """Hold the folder for one writer. Raises RunFolderError where another run holds it."""
        return locked_folder(self.path)

    @property
    def holds_run(self) -> bool:
        """Whether a run was begun here."""
        return self.record.exists() or self.checkpoints.exists()

    def read_record(self) -> dict[str, Any]:
        """Return run.json. Raises RunFolderError where it is absent or cannot be read."""
        try:
            record: dict[str, Any] = json.loads(self.record.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise RunFolderError(f"{self.path} holds no run (no run.json); leave --resume out to begin one") from error
        except (OSError, ValueError) as error:
            raise RunFolderError(f"{self.record} cannot be read ({error}); begin anew with another --out") from error
        return record

    def check_begin(self) -> None:
        """Raise RunFolderError where a run was begun here before."""
        if not self.holds_run:
            return
        last = last_checkpoint(self.checkpoints)
        state = f"with {step_of(last):,} steps done" if last else "without a checkpoint"
        raise RunFolderError(
            f"{self.path} holds a run {state}; add --resume to go on with it, or give another --out for a new one"
        )

    def check_resume(self, recipe: TrainingRecipe, facts: Mapping[str, Any]) -> Path | None:
        """Return the checkpoint to go on from, None where no step was saved yet.

        `facts` are those of run.json's `identity`. Raises RunFolderError where no run, or a finished one, is here,
        RecipeError that lists what differs from the run's own recipe, data, holdout and processes.
        """
        record = self.read_record()
        if record["state"] == "done":
            raise RunFolderError(f"{self.path}: this run is done; its model is {self.model}, begin another elsewhere")
        differences = list(_recipe_differences(type(recipe).load(self.recipe, num_processes=2), recipe))
        differences += [
            f"{name}: {_shown(facts[name])}, but the run has {_shown(value)}"
            for name, value in record["identity"].items()
            if facts[name] != value
        ]
        if differences:
            raise RecipeError(
                f"{self.path} was begun otherwise; resume it as it was, or begin anew with another --out\n"
                + "\n".join(f"  {difference}" for difference in differences)
            )
        return last_checkpoint(self.checkpoints)

    def begin(self, recipe: TrainingRecipe, record: dict[str, Any]) -> None:
        """Write the recipe and run.json of a run that begins; its state is "running". Raises RunFolderError."""
        try:
            write_text(self.recipe, "# The recipe of this run, as it was resolved.\n" + recipe_text(recipe))
            self.write_record({"format_version": FORMAT_VERSION, "state": "running", **record})
        except OSError as error:
            raise RunFolderError(
                f"--out {self.path} cannot be written ({error.strerror}); make room, or give another folder"
            ) from error

    def write_record(self, record: Mapping[str, Any]) -> None:
        """Write run.json whole."""
        write_text(self.record, json.dumps(record, indent=2, ensure_ascii=False) + "\n")

    def drop_metrics_after(self, step: int) -> None:
        """Drop the lines of steps that a resumed run does again, and a line that was cut short."""
        if not self.metrics.exists():
            return
        kept = [line for line in self.read_metrics() if line["step"] <= step]
        write_text(self.metrics, "".join(json.dumps(line) + "\n" for line in kept))

    def read_metrics(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, none where nothing was logged yet; one that was cut short is left out."""
        lines = []
        text = self.metrics.read_text(encoding="utf-8", errors="replace") if self.metrics.exists() else ""
        for line in text.splitlines():
            try:
                values = json.loads(line)
                values["step"] += 0
            except (ValueError, KeyError, TypeError):
                continue
            lines.append(values)
        return lines

    def add_metrics(self, step: int, values: Mapping[str, Any]) -> None:
        """Append a line to metrics.jsonl."""
        with self.metrics.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **values}) + "\n")


class Session:
    """One start of a run: when, from which step, to which, and how it ended; noted in run.json."""

    def __init__(self, folder: RunFolder, from_step: int) -> None:
        """Begin now."""
        self._folder = folder
        self._began = time.monotonic()
        self._facts: dict[str, Any] = {"began": now(), "from_step": from_step}

    def end(self, state: str, step: int, **facts: Any) -> float:
        """Note the end in run.json; `state` is done, interrupted or failed. Return the seconds of all sessions."""
        record = self._folder.read_record()
        sessions = [*record.get("sessions", []), {**self._facts, "to_step": step, "ended": now(), "state": state,
                    "wall_s": round(time.monotonic() - self._began, 1)}]  # fmt: skip
        wall_s = round(float(sum(session["wall_s"] for session in sessions)), 1)
        with suppress(OSError):  # a full disk must not hide why the run ended
            self._folder.write_record({**record, "state": state, "wall_s": wall_s, "sessions": sessions, **facts})
        return wall_s


def now() -> str:
    """Return the time in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _recipe_differences(old: TrainingRecipe, new: TrainingRecipe) -> Iterator[str]:
    before, after = (dict(_flat(recipe.model_dump(mode="json"))) for recipe in (old, new))
    for key in sorted(before.keys() | after.keys()):
        if key in _FREE or key.startswith("figure."):
            continue
        if before.get(key) != after.get(key):
            yield f"recipe {key}: {_shown(after.get(key))}, but the run has {_shown(before.get(key))}"


def _flat(content: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in content.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _shown(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:16]}…"
