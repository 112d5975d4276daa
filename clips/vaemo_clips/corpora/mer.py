"""MER2023 and MER2024: clips of Chinese films and television with a class and a valence.

MER2023, of the official release: the folders train, test1 (MER-MULTI), test2 (MER-NOISE) and test3 (MER-SEMI), each
beside its list train-label.csv, test1-label.csv, ... with the columns name, discrete and valence. Lists other than
train's may be missing, since they came out after the challenge. The column split has train and, for MER-MULTI, test;
clips of test2 and test3 have none, and are told by the column track (noise, semi).
MER2024: the folder video-labeled, its list label-disdim.csv with the same columns, and label-transcription.csv with
name, chinese and english where it is there. Its test clips (video-unlabeled...) have no labels in the release.

Clips are found by their names, in whatever folder they lie. Nothing tells who speaks, so there is no column speaker.
The valence of the lists, in about -5 to 5, is in label_valence, for `valence` is a column of captions.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from vaemo_clips.corpora.listing import Corpus, Findings
from vaemo_clips.corpora.tree import number, read_columns
from vaemo_clips.errors import ManifestError

_EMOTIONS = {
    "neutral": "neutral",
    "angry": "anger",
    "happy": "happiness",
    "sad": "sadness",
    "worried": "worry",
    "surprise": "surprise",
}
_PARTS_2023 = {
    "train": ("train", None),
    "test1": ("test", "multi"),
    "test2": (None, "noise"),
    "test3": (None, "semi"),
}
"""The official name of a part: its word in the column split, and the challenge's track, in the column track."""


def _read_2023(findings: Findings) -> None:
    findings.tree.need("train-label.csv")
    listed: dict[str, dict[str, Any]] = {}
    for part, (split, track) in _PARTS_2023.items():
        if findings.tree.find(f"{part}-label.csv"):
            rows = _labels(findings, f"{part}-label.csv", split=split, track=track)
            twice = next((name for name in rows if name in listed), None)
            if twice is not None:
                raise ManifestError(
                    f"{findings.tree.folder}/{part}-label.csv: clip {twice} is in another part's list too; a clip has "
                    f"one part: mend the lists"
                )
            listed |= rows
        else:
            findings.notes.append(f"there is no {part}-label.csv, so no clip of {part}")
    findings.accept_listed(listed, findings.tree.by_stem())


def _read_2024(findings: Findings) -> None:
    listed = _labels(findings, "label-disdim.csv", split="train")
    texts = findings.tree.find("label-transcription.csv")
    for row in read_columns(texts, "name") if texts else ():
        if row["name"].strip() in listed:
            listed[row["name"].strip()]["text"] = row.get("chinese") or row.get("english") or None
    findings.accept_listed(listed, findings.tree.by_stem())


def _labels(findings: Findings, file: str, **columns: Any) -> dict[str, dict[str, Any]]:
    path = findings.tree.need(file)
    return {
        row["name"].strip(): {"label": _label(path, row), "label_valence": number(row.get("valence", "")), **columns}
        for row in read_columns(path, "name", "discrete")
    }


def _label(path: Path, row: Mapping[str, str]) -> str:
    word = row["discrete"].strip().lower()
    if word not in _EMOTIONS:
        raise ManifestError(
            f"{path}: clip {row['name']} is {row['discrete']!r}; the official classes are {', '.join(_EMOTIONS)}"
        )
    return _EMOTIONS[word]


MER2023 = Corpus(
    name="mer2023",
    title="MER2023",
    citation="Lian et al. (2023), arXiv 2304.08981",
    licence="for academic research, under its licence agreement",
    labels=tuple(_EMOTIONS.values()),
    folds="split is train or test (test1, MER-MULTI), none for test2 and test3 (column track); speakers are unknown",
    layout="train/sample_00000000.mp4, test1/, test2/, test3/ and train-label.csv, test1-label.csv, ...",
    columns=pa.schema(
        [("label", pa.string()), ("split", pa.string()), ("track", pa.string()), ("label_valence", pa.float64())]
    ),
    reader=_read_2023,
)
MER2024 = Corpus(
    name="mer2024",
    title="MER2024",
    citation="Lian et al. (2024), arXiv 2404.17113",
    licence="for academic research, under its licence agreement",
    labels=tuple(_EMOTIONS.values()),
    folds="split is train throughout, for the release labels no other part; speakers are unknown",
    layout="video-labeled/samplenew_00000000.mp4 and label-disdim.csv (label-transcription.csv)",
    columns=pa.schema(
        [("label", pa.string()), ("split", pa.string()), ("text", pa.string()), ("label_valence", pa.float64())]
    ),
    reader=_read_2024,
)
