"""What an evaluation came to, and the file that it is written to: evaluation.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Final
from urllib.parse import quote

from vaemo_clips.errors import FigureError
from vaemo_clips.file_facts import sha256_of
from vaemo_train.judging.tested import Judge, Tested
from vaemo_train.outcome.gathered_results import results_of
from vaemo_train.outcome.outcome import Outcome
from vaemo_train.outcome.results_file import Results
from vaemo_train.outcome.robustness_scores import CLEAN, RobustnessScores
from vaemo_train.text_space.answer import check_out
from vaemo_train.training import environment

FORMAT_VERSION: Final = 1
STEM: Final = "evaluation"
"""How a file of the default settings is called, without .json."""


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """Scores of models by their clips, and under noise where it was asked for; `seconds` is how long it took."""

    tested: Tested
    judge: Judge
    results: Results
    robustness: RobustnessScores | None

    @classmethod
    def of(cls, tested: Tested, judge: Judge, outcomes: Mapping[str, Outcome], seconds: float) -> Evaluation:
        """From what `Judge.outcomes` gives."""
        clean = outcomes[CLEAN]
        results = results_of(
            clean, folds=tested.folds, selection=tested.selection, recipe=tested.recipe,
            data={"shards": tested.folder.digest}, pretraining=tested.pretraining, past=tested.past,
            speaker_disjoint=tested.is_disjoint, versions=environment.versions(),
            machine=environment.machine(), command=environment.command_line(), seconds=round(seconds, 1),
        )  # fmt: skip
        robust = RobustnessScores.of(clean, outcomes, judge.corruptions) if judge.corruptions else None
        return cls(tested, judge, results, robust)

    def as_dict(self, **others: Any) -> dict[str, Any]:
        """For JSON, with what else is to be told; see results.json for `results`. What is not known is null."""
        return {
            "format_version": FORMAT_VERSION,
            "models": [
                {"run": str(one.run), "fold": one.fold, "seed": one.seed, "sha256": sha256_of(one.weights)}
                for one in self.tested.models
            ],
            "shards": str(self.tested.folder.path),
            "shards_digest": self.tested.folder.digest,
            "windows": self.judge.windows,
            "batch_size": self.judge.batch_size,
            "bf16": self.tested.bf16,
            "notes": list(self.tested.notes),
            **others,
            "results": self.results.model_dump(mode="json"),
            "noise": None if self.robustness is None else self.robustness.as_list(),
        }


def default_file(model: Path, tested: Tested, judge: Judge, holdout: str | None = None) -> Path:
    """Where the numbers go unless told otherwise: into the folder of the run, never beside the weights of one.

    Settings that are not those of the training are named: evaluation-windows5.json, evaluation-noise.json.
    """
    is_weights = model.resolve().name == "model" and (model.resolve().parent / "run.json").is_file()
    words = [STEM]
    words += [quote(holdout, safe=" ,=")] if holdout else []
    words += [f"windows{judge.windows}"] if judge.windows != tested.windows else []
    words += ["noise"] if judge.corruptions else []
    return (model.resolve().parent if is_weights else model) / f"{'-'.join(words)}.json"


def check_writable(out: Path) -> None:
    """Raise FigureError for a file of numbers that cannot be written, before anything is computed for it."""
    check_out(out)
    try:
        if out.exists():
            out.open("ab").close()
        with TemporaryFile(dir=out.parent):
            pass
    except OSError as error:
        raise FigureError(f"--out {out} cannot be written ({error.strerror}); give another file") from error
