"""Fine-tunings side by side: scores over folds and seeds, and how two of them differ speaker by speaker.

    python -m benchmarks.finetune_table scratch=RUNS/scratch stage1=RUNS/stage1 stage2=RUNS/stage2

Each is NAME=FOLDER of a finished `vaemo-train finetune` of the same clips in the same folds; the first is what the
others are compared with, on the clips that both were given: the mean difference of the seeds' mean WAR, its 95 %
interval over speakers (over clips, where not every clip's speaker is known), and in how many folds it is above 0.
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
from vaemo_train.outcome.predictions_file import read_predictions
from vaemo_train.outcome.results_file import Results, read_results


def main(runs: Annotated[list[str], typer.Argument(metavar="NAME=FOLDER...")]) -> None:
    """Print the table."""
    print(describe_machine("finetune_table", ["torch", "transformers", "scikit-learn"], 0))
    heads = ("begun with", "WAR", "UAR", "WF1", "WAR against the first", "folds better", "seeds")
    print(f"| {' | '.join(heads)} | minutes of training, added up |")
    print("| --- |" + " ---: |" * len(heads))
    first: Outcome | None = None
    for name, folder in map(_named, runs):
        results = read_results(folder / "results.json")
        outcome = read_outcome(folder, results)
        summary = outcome.summary(outcome.main)
        cells = [f"{name} ({outcome.main})", *(str(getattr(summary, score)) for score in ("war", "uar", "wf1"))]
        cells += ["", ""] if first is None else compared(outcome, first)
        print(" | ".join(["", *cells, str(len(outcome.seeds)), f"{(results.seconds or 0) / 60:.0f}", ""]).strip())
        first = first or outcome


def _named(given: str) -> tuple[str, Path]:
    name, equals, folder = given.partition("=")
    if not equals:
        raise UserError(f"{given}: it must read NAME=FOLDER, as stage1=runs/finetune")
    return name, Path(folder)


def read_outcome(folder: Path, results: Results) -> Outcome:
    """What the seeds of the results say; others, of a start that has not ended yet, are left out."""
    parts = map(read_predictions, sorted(folder.glob("fold-*/seed-*/predictions.parquet")))
    return Outcome.of([part for part in parts if part.seed in results.protocol.seeds])


def hits(outcome: Outcome) -> NDArray[np.float64]:
    """How often each clip was named rightly, the mean over seeds, (n,); NaN for a clip that lacks the modality."""
    has = outcome.has(outcome.main)
    found = np.full(len(has), np.nan)
    found[has] = np.mean([run == outcome.truth[has] for run in outcome.labels(outcome.main)], axis=0)
    return found


def compared(outcome: Outcome, first: Outcome) -> list[str]:
    """The difference to the first with its interval, and the folds in which it is above 0.

    Raises SplitError where the two were not tested on the same clips with the same labels in the same folds.
    """
    for what in ("clip_ids", "truth", "folds"):
        if not np.array_equal(getattr(outcome, what), getattr(first, what)):
            told = {"clip_ids": "clips", "truth": "labels", "folds": "folds"}[what]
            raise SplitError(f"the fine-tunings were tested with different {told}; compare those of the same ones")
    gain = hits(outcome) - hits(first)
    both, speakers = np.isfinite(gain), outcome.known_speakers
    if not both.any():
        raise SplitError(f"no clip has both {outcome.main} and {first.main}; compare fine-tunings of the same modality")
    parts = np.stack([gain[both], np.ones(both.sum())], axis=1)
    sums = cluster_sums(parts, None if speakers is None else speakers[both])
    over = f"{len(sums):,} {'clips' if speakers is None else 'speakers'}"
    folds = [gain[both & (outcome.folds == fold)] for fold in outcome.fold_names]
    better = sum(own.mean() > 0 for own in folds if len(own))
    return [
        f"{100 * gain[both].mean():+.1f} {bootstrap_interval(sums, ratio)} over {over}",
        f"{better} of {sum(len(own) > 0 for own in folds)}",
    ]


if __name__ == "__main__":
    typer.run(main)
