"""Validation clips of the training part's speakers: how well they are judged while the model trains, and when best."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from vaemo_clips.errors import CheckpointError
from vaemo_train.evaluate.features import Modality
from vaemo_train.evaluate.predict import Predictions, predict
from vaemo_train.evaluate.regression import RegressionScores
from vaemo_train.evaluate.scores import Scores
from vaemo_train.finetune.recipe import FinetuneRecipe
from vaemo_train.models.classification import VAEmoForClassification
from vaemo_train.protocol.targets import Targets
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.training import environment
from vaemo_train.training.joint import from_first
from vaemo_train.training.watching import Pictures

BEST = "best.safetensors"


@dataclass(frozen=True, slots=True)
class ValidationDiagnostics:
    """Scores of the validation clips at one step, by name."""

    scores: dict[str, float]
    num_clips: int
    is_best: bool

    def as_dict(self) -> dict[str, float]:
        """Flat, for logs: monitor/validation_uar, …"""
        return {f"monitor/validation_{name}": value for name, value in self.scores.items()}

    def lines(self, step: int) -> Iterator[str]:
        """As people read it."""
        words = "  ".join(f"{name.upper()} {value:.3f}" for name, value in self.scores.items())
        yield f"validation at step {step:,}: {words}  ({self.num_clips:,} clips{', the best' if self.is_best else ''})"


class Validation:
    """Judges the validation rows, and keeps the weights of the best look beside the run's checkpoints."""

    def __init__(
        self, folder: ShardFolder, rows: NDArray[np.int64], targets: Targets, recipe: FinetuneRecipe, run: Path,
        bf16: bool,
    ) -> None:  # fmt: skip
        """`rows` of the shards; weights are kept in `run` where the recipe chooses by validation."""
        self._folder, self._rows, self._targets, self._recipe, self._bf16 = folder, rows, targets, recipe, bf16
        self._run = run
        self._chooses = recipe.select.checkpoint == "validation"

    def measure(self, step: int, model: VAEmoForClassification) -> ValidationDiagnostics:
        """Score all validation clips by what they have, on process 0 for all; nothing of the training moves."""
        found: ValidationDiagnostics = from_first(lambda: self._measure(step, model), environment.num_processes())
        return found

    def _measure(self, step: int, model: VAEmoForClassification) -> ValidationDiagnostics:
        recipe = self._recipe
        found = predict(
            model, self._folder, self._rows, modalities=modalities_of(self._folder, self._rows, recipe.modality),
            num_windows=1, batch_size=recipe.evaluation.batch_size, bf16=self._bf16,
        )  # fmt: skip
        values_nC = whole(found)
        has = np.logical_not(np.isnan(values_nC).any(axis=1))
        truth = truth_of(self._targets, found.clip_ids)[has]
        scores = _scores(found, values_nC[has], truth)
        metric = recipe.select.metric or ("ccc" if found.is_regression else "uar")
        is_best = self._chooses and self._keep(step, model, scores[metric])
        return ValidationDiagnostics(scores, int(has.sum()), is_best)

    def draw(self, step: int, model: Any, wanted: bool) -> Pictures:
        """Nothing but the curves, which the loop draws."""
        return {}

    def _keep(self, step: int, model: VAEmoForClassification, score: float) -> bool:
        """Write the weights, whole, where they are better than the best so far; of equals the first stays.

        Looks of steps that a resumed run does again do not count. Raises CheckpointError where the disk is full.
        """
        facts = self._read_facts()
        if facts is not None and facts[0] < step and not score > facts[1]:
            return False
        draft = self._run / f".{BEST}"
        weights = {name: value.contiguous() for name, value in nn.Module.state_dict(model).items()}
        try:
            save_file(weights, draft, {"step": str(step), "score": repr(score if score == score else -np.inf)})
            draft.replace(self._run / BEST)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{self._run / BEST} cannot be saved ({' '.join(str(error).split())}); make room, and the same command "
                "with --resume goes on"
            ) from error
        return True

    def _read_facts(self) -> tuple[int, float] | None:
        """Step and score of the best look, None before the first; one that is damaged is looked for again."""
        try:
            with safe_open(self._run / BEST, "pt") as file:
                noted = file.metadata()
            return int(noted["step"]), float(noted["score"])
        except (OSError, SafetensorError, KeyError, ValueError, TypeError):
            return None

    def take_best(self, model: VAEmoForClassification) -> dict[str, Any]:
        """Give the model the weights of the best look; return its step and score. Raises CheckpointError."""
        facts = self._read_facts()
        try:
            nn.Module.load_state_dict(model, load_file(self._run / BEST))
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise CheckpointError(
                f"{self._run / BEST}: the weights that validation chose cannot be read ({error}); delete {self._run} "
                "and train this run again"
            ) from error
        return {"chosen_step": facts[0], "validation_score": facts[1]} if facts else {}


def modalities_of(folder: ShardFolder, rows: NDArray[np.int64], wanted: str = "any") -> tuple[Modality, ...]:
    """What the rows can be judged by: both, and each alone, as far as any row has it and `wanted` allows it."""
    has_video = wanted != "audio" and bool(folder.rows["has_picture"].to_numpy()[rows].any())
    has_audio = wanted != "video" and bool(folder.rows["has_sound"].to_numpy()[rows].any())
    if has_video and has_audio:
        return ("video", "audio", "both")
    return ("video",) if has_video else ("audio",)


def whole(found: Predictions) -> NDArray[np.float32]:
    """(n, C) what is said of clips by all that they have: both, else the one that is there; NaN without any."""
    values: NDArray[np.float32] | None = None
    for name in ("both", "video", "audio"):
        of_one = found.values.get(name)
        if of_one is not None:
            values = of_one if values is None else np.where(np.isnan(values), of_one, values)
    assert values is not None
    return values


def truth_of(targets: Targets, clip_ids: NDArray[np.object_]) -> NDArray[Any]:
    """The class numbers (n,), or values (n, K), of clips."""
    row_of = {clip_id: row for row, clip_id in enumerate(targets.clip_ids.tolist())}
    return np.asarray(targets.values[[row_of[clip_id] for clip_id in clip_ids.tolist()]])


def _scores(found: Predictions, values_nC: NDArray[np.float32], truth: NDArray[Any]) -> dict[str, float]:
    if found.is_regression:
        of_targets = [RegressionScores.of(truth[:, k], values_nC[:, k]) for k in range(truth.shape[1])]
        return {name: float(np.mean([getattr(one, name) for one in of_targets])) for name in ("ccc", "rmse")}
    names = np.array(found.names, object)
    scores = Scores.of(names[truth], names[values_nC.argmax(axis=1)], found.names)
    return {"war": scores.war, "uar": scores.uar, "wf1": scores.wf1}
