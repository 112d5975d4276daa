"""MAFW: clips of films, television and short videos; its single-expression set of 11 classes.

Reads the lists of the official release, Train & Test Set/single/no_caption/set_1/train.txt and test.txt to set_5, whose
lines read `00025.mp4 anger`, and the clips 00001.mp4 to 10045.mp4 in whatever folder they lie (data/clips). The
lists may also lie in single/no_caption, in single, or in the folder itself. Clips without a single expression are left
out. Nothing tells who is to be seen, so there is no column speaker.
"""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa

from vaemo_clips.corpora.fold_lists import SetLists, add_label, folds_of
from vaemo_clips.corpora.listing import Corpus, Findings
from vaemo_clips.corpora.tree import OfficialTree, read_lines
from vaemo_clips.errors import ManifestError

_NAME = re.compile(r"\d{5}")
_LABELS = (
    "anger",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
    "contempt",
    "anxiety",
    "helplessness",
    "disappointment",
)
_NUM_SETS = 5
_LIST_FOLDERS = (
    "Train & Test Set/single/no_caption",
    "Train & Test Set/single",
    "single/no_caption",
    "single",
    ".",
)


def _read(findings: Findings) -> None:
    listed = folds_of(_sets(findings.tree))
    files = {name: paths for name, paths in findings.tree.by_stem().items() if _NAME.fullmatch(name)}
    findings.accept_listed({name: {"label": clip.label, "fold": clip.fold} for name, clip in listed.items()}, files)


def _sets(tree: OfficialTree) -> list[SetLists]:
    first = tree.need(*(f"{folder}/set_1/test.txt" for folder in _LIST_FOLDERS))
    top = first.parents[1].relative_to(tree.folder).as_posix()
    paths = [(tree.need(f"{top}/set_{n}/test.txt"), tree.need(f"{top}/set_{n}/train.txt")) for n in _numbers()]
    return [
        SetLists(n, test, _labels(test), _labels(train)) for n, (test, train) in zip(_numbers(), paths, strict=True)
    ]


def _numbers() -> range:
    return range(1, _NUM_SETS + 1)


def _labels(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in read_lines(path):
        name, _, rest = line.partition(" ")
        label = (rest.split() or [""])[0].lower()
        if label not in _LABELS or not _NAME.fullmatch(Path(name).stem):
            raise ManifestError(f"{path}: {line[:60]!r} is not CLIP LABEL, as 00025.mp4 anger, of {', '.join(_LABELS)}")
        add_label(found, Path(name).stem, label, path)
    return found


MAFW = Corpus(
    name="mafw",
    title="MAFW (single expressions)",
    citation="Liu et al. (2022), ACM Multimedia",
    licence="for non-commercial research, on request of its authors",
    labels=_LABELS,
    folds="the five official sets; a clip's fold is the set that tests it; speakers are unknown",
    layout="data/clips/00001.mp4 and Train & Test Set/single/no_caption/set_1/train.txt and test.txt, to set_5",
    columns=pa.schema([("label", pa.string()), ("fold", pa.int64())]),
    reader=_read,
)
