"""Fine-tunings side by side: scores over folds and seeds, and how two of them differ speaker by speaker.

    python -m benchmarks.finetune_table scratch=RUNS/scratch stage1=RUNS/stage1 stage2=RUNS/stage2

Each is NAME=FOLDER of a finished `vaemo-train finetune` of the same clips; the first is what the others are compared
with: the mean difference of the seeds' mean WAR over speakers, its 95 % interval, and in how many folds it is above 0.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from benchmarks.machine import describe_machine
from vaemo_clips.errors import SplitError, UserError
from vaemo_train.evaluate.interval import bootstrap_interval, cluster_sums, ratio
from vaemo_train.outcome.outcome import Outcome
from vaemo_train.outcome.results_file import read_results


def main(runs: Annotated[list[str], typer.Argument(metavar="NAME=FOLDER...")]) -> None:
    """Print the table."""
    print(describe_machine("finetune_table", ["torch", "transformers", "scikit-learn"], 0))
    print("| begun with | WAR | UAR | WF1 | WAR against the first | folds better | seeds | minutes |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    first: Outcome | None = None
    for name, folder in map(_named, runs):
        results, outcome = read_results(folder / "results.json"), _outcome(folder)
        summary = outcome.summary(outcome.main)
        cells = [f"{name} ({outcome.main})", *(str(getattr(summary, score)) for score in ("war", "uar", "wf1"))]
        cells += ["", ""] if first is None else _compared(outcome, first)
        print(" | ".join(["", *cells, str(len(outcome.seeds)), f"{(results.seconds or 0) / 60:.0f}", ""]).strip())
        first = first or outcome


def _named(given: str) -> tuple[str, Path]:
    name, equals, folder = given.partition("=")
    if not equals:
        raise UserError(f"{given}: it must read NAME=FOLDER, as stage1=runs/finetune")
    return name, Path(folder)


def _outcome(folder: Path) -> Outcome:
    return Outcome.read(sorted(folder.glob("fold-*/seed-*/predictions.parquet")))


def hits(outcome: Outcome) -> NDArray[np.float64]:
    """How often each clip was named rightly, the mean over seeds, (n,)."""
    return np.asarray(np.mean([run == outcome.truth for run in outcome.labels(outcome.main)], axis=0))


def _compared(outcome: Outcome, first: Outcome) -> list[str]:
    if not np.array_equal(outcome.clip_ids, first.clip_ids):
        raise SplitError("the fine-tunings were tested on different clips; compare those of the same ones")
    gain = hits(outcome) - hits(first)
    parts = cluster_sums(np.stack([gain, np.ones(len(gain))], axis=1), outcome.known_speakers)
    interval = bootstrap_interval(parts, ratio)
    better = sum(gain[outcome.folds == fold].mean() > 0 for fold in outcome.fold_names)
    return [f"{100 * gain.mean():+.1f} {interval}", f"{better} of {len(outcome.fold_names)}"]


if __name__ == "__main__":
    typer.run(main)
