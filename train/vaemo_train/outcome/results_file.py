"""results.json: what a cross-validation came to, how it was reached, and with what.

A modality is called V, A, VA, or "any": all clips by what they have. What is not known is null.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from vaemo_clips.errors import RunFolderError
from vaemo_clips.whole_file import write_text
from vaemo_train.evaluate.interval import Interval
from vaemo_train.evaluate.scores import Estimate
from vaemo_train.shards.record import one_line

FORMAT_VERSION: Final = 1
CLASSIFICATION: Final = "single_label_classification"
REGRESSION: Final = "regression"
Known = Literal["no", "yes", "unknown"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EstimateEntry(_Strict):
    """A score: its mean over seeds, their standard deviation, the ends of its 95 % interval."""

    mean: float | None
    deviation: float | None
    low: float | None
    high: float | None

    @property
    def estimate(self) -> Estimate:
        """As a number that can be shown."""
        interval = None if self.low is None or self.high is None else Interval(self.low, self.high)
        return Estimate(_number(self.mean), _number(self.deviation), interval)


class ClassScores(_Strict):
    """Scores of the clips that have a modality, over seeds; `resampled` is what the intervals are over."""

    num_clips: int
    war: EstimateEntry
    uar: EstimateEntry
    wf1: EstimateEntry
    num_runs: int
    resampled: str


class TargetScores(_Strict):
    """Scores of one target, or means over all."""

    ccc: EstimateEntry
    pcc: EstimateEntry
    rmse: EstimateEntry


class RegressionScoresEntry(TargetScores):
    """Means over the targets, and the scores of each, of the clips that have a modality."""

    num_clips: int
    targets: dict[str, TargetScores]
    num_runs: int
    resampled: str


class StageEntry(_Strict):
    """A training that an encoder went through: stage1, stage2, …, and how many clips and rows it was of."""

    stage: str
    clips: int | None
    rows: int | None


class PastEntry(_Strict):
    """What a fold is trained on, and what it begins with: a model or a size.

    `num_speakers` is None where a clip names none; `stages`, the last first, are those that the model went through as
    far as records tell, None for random weights.
    """

    num_clips: int
    num_speakers: int | None
    init: str
    stages: list[StageEntry] | None


class FoldEntry(_Strict):
    """A fold: who is tested in it, classes without a clip there, means over seeds of the scores of each modality.

    `past` is what its models were trained on, None where that is not recorded.
    """

    name: str
    num_clips: int
    speakers: list[str] | None
    absent: list[str]
    pretraining_saw_test_speakers: Known
    past: PastEntry | None
    scores: dict[str, dict[str, float | None]]


class ChanceEntry(_Strict):
    """What a guess scores: always the class `named`, or in a regression (None) always the mean."""

    named: str | None
    scores: dict[str, float | None]

    @property
    def words(self) -> str:
        """What is guessed."""
        return "always the mean" if self.named is None else f"always {self.named}"


class Protocol(_Strict):
    """How the scores were reached. `folds` says in words how folds were made, `selection` which epoch was taken.

    `speaker_disjoint`: no fold trains on a speaker whom it tests; None where a clip names no speaker.
    """

    folds: str
    num_folds: int
    seeds: list[int]
    selection: str
    num_windows: int
    trained_on: Literal["V", "A", "VA", "any"]
    speaker_disjoint: bool | None
    intervals: str


class Results(_Strict):
    """The content of results.json."""

    format_version: int
    task: Literal["single_label_classification", "regression"]
    classes: list[str] | None
    targets: list[str] | None
    main: str
    protocol: Protocol
    scores: dict[str, ClassScores | RegressionScoresEntry]
    chance: dict[str, ChanceEntry]
    over_folds: dict[str, dict[str, EstimateEntry]]
    recalls: dict[str, dict[str, EstimateEntry]]
    confusion: dict[str, list[list[int]]]
    folds: list[FoldEntry]
    data: dict[str, Any]
    recipe: dict[str, Any]
    versions: dict[str, Any]
    machine: dict[str, Any]
    command: list[str]
    seconds: float | None

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        if (self.classes is None) == (self.targets is None) or self.is_regression != (self.classes is None):
            raise ValueError("a classification has classes, a regression targets")
        if self.main not in self.scores:
            raise ValueError(f"main is {self.main!r}, but there are scores of {', '.join(self.scores)}")
        size = len(self.names)
        for modality, confusion in self.confusion.items():
            if [len(row) for row in confusion] != [size] * size:
                raise ValueError(f"confusion of {modality} must be {size} by {size}, a row and a column a class")
        for modality, recalls in self.recalls.items():
            if list(recalls) != list(self.names):
                raise ValueError(f"recalls of {modality} must be those of the classes, in their order")
        return self

    @property
    def is_regression(self) -> bool:
        """Whether numbers were predicted, not classes."""
        return self.task == REGRESSION

    @property
    def names(self) -> list[str]:
        """Classes, or targets."""
        return (self.classes if self.classes is not None else self.targets) or []


def _number(value: float | None) -> float:
    return float("nan") if value is None else value


def write_results(path: Path, results: Results) -> None:
    """Write results.json whole or not at all. Raises RunFolderError where that fails."""
    text = json.dumps(results.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    try:
        write_text(path, text)
    except OSError as error:
        raise RunFolderError(f"{path}: results cannot be written ({one_line(error)}); make room") from error


def read_results(path: Path) -> Results:
    """Read results.json. Raises RunFolderError where it is missing, damaged, of a later version, or inconsistent."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["format_version"]
        if version > FORMAT_VERSION:
            raise RunFolderError(
                f"{path}: its format_version is {version}, this vaemo reads up to {FORMAT_VERSION}; update vaemo"
            )
        return Results.model_validate(content)
    except FileNotFoundError as error:
        raise RunFolderError(f"{path}: there is no such file; finish the training first") from error
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        raise RunFolderError(
            f"{path}: holds no results ({one_line(error)}); take it away and gather them again"
        ) from error
