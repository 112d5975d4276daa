"""Keep the captions of a random share of the clips, and those of all clips that are held out.

    python -m benchmarks.caption_subset RUN OUT --share 0.3 --holdout speaker=s03,s22

RUN is a run of `vaemo-annotate run`. The held-out clips' captions are there to be looked for, not learned from.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from datasets import load_from_disk

from vaemo_train.evaluate.folds import Holdout


def main(
    run: Annotated[Path, typer.Argument(help="Folder that holds `dataset`.")],
    out: Annotated[Path, typer.Argument(help="Folder to write `dataset` into.")],
    share: Annotated[float, typer.Option(min=0, max=1, help="Of the clips that are not held out.")] = 0.3,
    holdout: Annotated[str, typer.Option(help="COLUMN=VALUE[,VALUE...]")] = "fold=1",
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
) -> None:
    """Write the subset and say how many captions it has."""
    captions: Any = load_from_disk(str(run / "dataset"))
    is_out = Holdout.parse(holdout).mask(captions.data.table)
    clip_ids = np.asarray(captions["clip_id"])
    training = np.unique(clip_ids[~is_out])
    drawn = np.random.default_rng(seed).choice(training, round(share * len(training)), replace=False)
    kept = np.flatnonzero(np.isin(clip_ids, drawn) | is_out)
    captions.select(kept).save_to_disk(str(out / "dataset"))
    num_out = len(set(clip_ids[is_out]))
    print(f"captions of {len(drawn):,} of {len(training):,} training clips and all {num_out:,} held-out ones: {out}")


if __name__ == "__main__":
    typer.run(main)
