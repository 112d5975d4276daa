"""MELD: utterances of the series Friends, 7 emotions.

Reads the official release MELD.Raw: train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv, beside the folders or
in train, dev and test, and the clips dia0_utt0.mp4 below train_splits, dev_splits_complete and
output_repeated_splits_test (or train, dev, test). Its word joy is called happiness here, as elsewhere.

The official split is by dialogue: the same six friends speak in all parts, so that it says nothing about new speakers.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from vaemo_clips.corpora.listing import Corpus, Findings
from vaemo_clips.corpora.tree import OfficialTree, best_first, read_columns, stem
from vaemo_clips.errors import ManifestError

_NAME = re.compile(r"dia\d+_utt\d+")
_EMOTIONS = {
    "anger": "anger",
    "disgust": "disgust",
    "fear": "fear",
    "joy": "happiness",
    "neutral": "neutral",
    "sadness": "sadness",
    "surprise": "surprise",
}
_FOLDERS = {
    "train_splits": "train",
    "dev_splits_complete": "dev",
    "output_repeated_splits_test": "test",
    "train": "train",
    "dev": "dev",
    "test": "test",
}
_SPLITS = ("train", "dev", "test")
_COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")


def _read(findings: Findings) -> None:
    listed: dict[str, dict[str, Any]] = {}
    for split in _SPLITS:
        file = f"{split}_sent_emo.csv"
        listed |= _utterances(findings.tree.need(file, f"{split}/{file}"), split)
    findings.accept_listed(listed, _files(findings.tree))
    findings.notes.append(
        "the parts of the split share speakers, which finetune refuses: deal whole speakers (--folds 5), or leave the "
        "column speaker out to follow the official split, whose scores are not on unseen speakers"
    )


def _files(tree: OfficialTree) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in tree.media:
        split = next((_FOLDERS[part] for part in PurePosixPath(path).parts[-2::-1] if part in _FOLDERS), None)
        if split is not None and _NAME.fullmatch(stem(path)):
            found.setdefault(f"{split}_{stem(path)}", []).append(path)
    return {name: best_first(paths) for name, paths in found.items()}


def _utterances(path: Path, split: str) -> dict[str, dict[str, Any]]:
    found = {}
    for row in read_columns(path, *_COLUMNS):
        emotion = row["Emotion"].strip().lower()
        name = f"dia{row['Dialogue_ID'].strip()}_utt{row['Utterance_ID'].strip()}"
        if emotion not in _EMOTIONS or not _NAME.fullmatch(name):
            raise ManifestError(
                f"{path}: {name} is {row['Emotion']!r}; the official classes are {', '.join(_EMOTIONS)}"
            )
        found[f"{split}_{name}"] = {
            "label": _EMOTIONS[emotion],
            "speaker": row["Speaker"].strip() or None,
            "split": split,
            "text": row["Utterance"],
            "sentiment": row.get("Sentiment", "").strip().lower() or None,
            "dialogue": f"{split}_dia{row['Dialogue_ID'].strip()}",
        }
    return found


MELD = Corpus(
    name="meld",
    title="MELD",
    citation="Poria et al. (2019), ACL; arXiv 1810.02508",
    licence="GPL-3.0; the pictures and sounds belong to the makers of the series",
    labels=tuple(_EMOTIONS.values()),
    folds="the official split train, dev, test",
    layout=(
        "train_sent_emo.csv, train_splits/dia0_utt0.mp4, dev_sent_emo.csv, dev_splits_complete/, test_sent_emo.csv, "
        "output_repeated_splits_test/"
    ),
    columns=pa.schema([(name, pa.string()) for name in ("label", "speaker", "split", "text", "sentiment", "dialogue")]),
    reader=_read,
)
