"""What frozen features are worth: a linear probe on clips of speakers that the encoder never met.

    python -m benchmarks.stage1_probe --data SHARDS --holdout fold=1 --model RUN/model --untrained vaemo-tiny

Trains on the clips outside the holdout and tests on those in it; give a model that was trained with the same --holdout,
or its features have seen the test clips, if without labels. For clips of another corpus than the model's, `--folds 5`
instead lets each speaker be tested once. Every modality that the clips have is probed alone and
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
from vaemo_train.evaluate.features import MODALITIES, Features, extract
from vaemo_train.evaluate.folds import Fold, Holdout, speaker_folds
from vaemo_train.evaluate.probe import ProbeResult, linear_probe
from vaemo_train.evaluate.report import probe_report
from vaemo_train.models import VAEmoConfig, VAEmoModel
from vaemo_train.shards.folder import ShardFolder


def main(
    data: Annotated[Path, typer.Option(help="Folder of shards with columns label and speaker.")],
    holdout: Annotated[str, typer.Option(help="The clips to test on, as fold=1.")] = "",
    folds: Annotated[int, typer.Option(help="Instead of a holdout: so many folds of speakers, each tested.")] = 0,
    model: Annotated[list[Path], typer.Option(help="Folders that save_pretrained wrote.")] = [],  # noqa: B006 (typer)
    untrained: Annotated[str, typer.Option(help="Also an untrained encoder of this size.")] = "",
    windows: Annotated[int, typer.Option(help="Windows of a row that are averaged.")] = 2,
    seed: Annotated[int, typer.Option(help="Of the untrained weights.")] = 0,
) -> None:
    """Print one table: a row for each encoder and modality."""
    if bool(holdout) == bool(folds):
        raise typer.BadParameter("give --holdout or --folds, one of them")
    held_out = Holdout.parse(holdout) if holdout else None
    folder = ShardFolder.open(data)
    print(describe_machine("stage1_probe", ["torch", "transformers", "scikit-learn"], seed))
    encoders: dict[str, VAEmoModel] = {}
    if untrained:
        encoders[f"untrained {untrained}"] = _untrained(untrained, seed)
    for path in model:
        encoders[path.parent.name] = VAEmoModel.from_pretrained(path)
    if untrained and model:
        first = model[0].parent.name
        encoders[f"untrained, means of {first}"] = _with_means(_untrained(untrained, seed), encoders[first])
    results: dict[str, ProbeResult] = {}
    for name, encoder in encoders.items():
        results |= _probes(name, encoder, folder, held_out, folds, windows)
    test = held_out.summary(folder.rows) if held_out else f"{folds} folds of speakers"
    Console(width=110).print(probe_report(results, f"{test}; {windows} windows a row; penalty by inner folds, 3 seeds"))


def _untrained(size: str, seed: int) -> VAEmoModel:
    torch.manual_seed(seed)
    return VAEmoModel(VAEmoConfig.of_size(size))


def _with_means(encoder: VAEmoModel, trained: VAEmoModel) -> VAEmoModel:
    """Give an encoder the running means and deviations of another's tokens, which are buffers; no weight is touched."""
    encoder.embedding.video_means.load_state_dict(trained.embedding.video_means.state_dict())
    encoder.embedding.audio_means.load_state_dict(trained.embedding.audio_means.state_dict())
    return encoder


def _probes(
    name: str, encoder: VAEmoModel, folder: ShardFolder, held_out: Holdout | None, num_folds: int, windows: int
) -> dict[str, ProbeResult]:
    has_picture, has_sound = (np.asarray(folder.rows[column].to_numpy()) for column in ("has_picture", "has_sound"))
    there = {"video": has_picture.any(), "audio": has_sound.any(), "both": (has_picture & has_sound).any()}
    modalities = [modality for modality in MODALITIES if there[modality]]
    features = extract(encoder, folder, modalities=modalities, num_windows=windows)
    found = {}
    for modality in modalities:
        chosen = features.where(features.has(modality))
        labels, speakers = chosen.columns["label"], chosen.columns["speaker"]
        parts = (
            [_fold(chosen, folder, held_out)]
            if held_out
            else speaker_folds(speakers, labels=labels, num_folds=num_folds)
        )
        found[f"{name}, {modality}"] = linear_probe(chosen.vectors[modality], labels, speakers, parts)
    return found


def _fold(features: Features, folder: ShardFolder, held_out: Holdout) -> Fold:
    """Test on the clips of the holdout, train on the others."""
    tested = dict(zip(folder.rows["clip_id"].to_pylist(), held_out.mask(folder.rows), strict=True))
    is_test = np.asarray([tested[clip] for clip in features.clip_ids])
    return Fold(str(held_out), np.flatnonzero(~is_test), np.flatnonzero(is_test))


if __name__ == "__main__":
    typer.run(main)
