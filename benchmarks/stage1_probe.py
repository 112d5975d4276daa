"""What frozen features are worth: a linear probe on clips of speakers that the encoder never met.

    python -m benchmarks.stage1_probe --data SHARDS --holdout fold=1 --model RUN/model --untrained vaemo-tiny

Trains on the clips outside the holdout and tests on those in it; give a model that was trained with the same --holdout,
or its features have seen the test clips, if without labels. Every modality that the clips have is probed alone and
together; `--untrained` adds an encoder of that size with random weights, and one with random weights that standardises
its tokens as the first model does: what the statistics of the training clips are worth without any learning.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console

from benchmarks.machine import describe_machine
from vaemo_train.evaluate.features import MODALITIES, extract
from vaemo_train.evaluate.folds import Fold, Holdout
from vaemo_train.evaluate.probe import ProbeResult, linear_probe
from vaemo_train.evaluate.report import probe_report
from vaemo_train.models import VAEmoConfig, VAEmoModel
from vaemo_train.shards.folder import ShardFolder


def main(
    data: Annotated[Path, typer.Option(help="Folder of shards with columns label and speaker.")],
    holdout: Annotated[str, typer.Option(help="The clips to test on, as fold=1.")],
    model: Annotated[list[Path], typer.Option(help="Folders that save_pretrained wrote.")] = [],  # noqa: B006 (typer)
    untrained: Annotated[str, typer.Option(help="Also an untrained encoder of this size.")] = "",
    windows: Annotated[int, typer.Option(help="Windows of a row that are averaged.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the untrained weights.")] = 0,
) -> None:
    """Print one table: a row for each encoder and modality."""
    folder = ShardFolder.open(data)
    print(describe_machine("stage1_probe", ["torch", "transformers", "scikit-learn"], seed))
    encoders: dict[str, VAEmoModel] = {}
    if untrained:
        torch.manual_seed(seed)
        encoders[f"untrained {untrained}"] = VAEmoModel(VAEmoConfig.of_size(untrained))
    for path in model:
        encoders[path.parent.name] = VAEmoModel.from_pretrained(path)
    if untrained and model:
        torch.manual_seed(seed)
        encoders[f"untrained, means of {model[0].parent.name}"] = _with_means(
            VAEmoModel(VAEmoConfig.of_size(untrained)), encoders[model[0].parent.name]
        )
    results: dict[str, ProbeResult] = {}
    for name, encoder in encoders.items():
        results |= _probes(name, encoder, folder, Holdout.parse(holdout), windows)
    test = Holdout.parse(holdout).summary(folder.rows)
    Console(width=110).print(probe_report(results, f"{test}; {windows} windows a row; penalty by inner folds, 3 seeds"))


def _with_means(encoder: VAEmoModel, trained: VAEmoModel) -> VAEmoModel:
    """Give an encoder the running means and deviations of another, which are buffers; no weight is touched."""
    buffers = dict(trained.named_buffers())
    for name, buffer in encoder.named_buffers():
        buffer.copy_(buffers[name])
    return encoder


def _probes(
    name: str, encoder: VAEmoModel, folder: ShardFolder, holdout: Holdout, windows: int
) -> dict[str, ProbeResult]:
    has_picture, has_sound = (np.asarray(folder.rows[column].to_numpy()) for column in ("has_picture", "has_sound"))
    there = {"video": has_picture.any(), "audio": has_sound.any(), "both": (has_picture & has_sound).any()}
    modalities = [modality for modality in MODALITIES if there[modality]]
    features = extract(encoder, folder, modalities=modalities, num_windows=windows)
    tested = dict(zip(folder.rows["clip_id"].to_pylist(), holdout.mask(folder.rows), strict=True))
    is_test = np.asarray([tested[clip] for clip in features.clip_ids])
    found = {}
    for modality in modalities:
        has = features.has(modality)
        chosen, is_test_there = features.where(has), is_test[has]
        fold = Fold(str(holdout), np.flatnonzero(~is_test_there), np.flatnonzero(is_test_there))
        labels, speakers = chosen.columns["label"], chosen.columns["speaker"]
        found[f"{name}, {modality}"] = linear_probe(chosen.vectors[modality], labels, speakers, [fold])
    return found


if __name__ == "__main__":
    typer.run(main)
