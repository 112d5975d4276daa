"""DFEW: clips of films; its single-labelled set of 7 classes.

Reads the lists of the official release, EmoLabel_DataSplit/train(single-labeled)/set_1.csv and
test(single-labeled)/set_1.csv to set_5.csv, with the columns video_name and label (1 happy, 2 sad, 3 neutral, 4 angry,
5 surprise, 6 disgust, 7 fear), and the films' clips by their numbers: Clip/original/part_1/1.mp4, or zero-padded names
(00001.mp4), in whatever folder they lie, those below a folder `original` first. Clip/clip_224x224 holds
folders of pictures without sound, which are no clips. Nothing tells who is to be seen, so there is no column speaker.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pyarrow as pa

from vaemo_clips.corpora.fold_lists import SetLists, add_label, folds_of
from vaemo_clips.corpora.listing import Corpus, Findings
from vaemo_clips.corpora.tree import OfficialTree, best_first, read_columns, stem
from vaemo_clips.errors import ManifestError

_LABELS = ("happiness", "sadness", "neutral", "anger", "surprise", "disgust", "fear")
"""In the order of their official numbers, from 1."""
_NUM_SETS = 5


def _read(findings: Findings) -> None:
    listed = folds_of([_set(findings.tree, number) for number in range(1, _NUM_SETS + 1)])
    columns = {name: {"label": clip.label, "fold": clip.fold} for name, clip in listed.items()}
    findings.accept_listed(columns, _files(findings.tree))


def _files(tree: OfficialTree) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in tree.media:
        if stem(path).isdecimal():
            found.setdefault(_clip_name(stem(path)), []).append(path)
    return {name: sorted(best_first(paths), key=_is_derived) for name, paths in found.items()}


def _is_derived(path: str) -> bool:
    return "original" not in PurePosixPath(path).parts


def _clip_name(text: str) -> str:
    return f"{int(text):05d}"


def _set(tree: OfficialTree, number: int) -> SetLists:
    train, test = (
        tree.need(
            f"EmoLabel_DataSplit/{part}(single-labeled)/set_{number}.csv",
            f"EmoLabel_DataSplit/{part}(single-labeled)/{part}_set_{number}.csv",
            f"{part}(single-labeled)/set_{number}.csv",
        )
        for part in ("train", "test")
    )
    return SetLists(number, test, _labels(test), _labels(train))


def _labels(path: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for row in read_columns(path, "video_name", "label"):
        name, label = PurePosixPath(row["video_name"].strip()).stem, row["label"].strip()
        if not name.isdecimal() or label not in {str(n) for n in range(1, len(_LABELS) + 1)}:
            raise ManifestError(
                f"{path}: video_name {row['video_name']!r} with label {row['label']!r}; the official list has the "
                f"number of a clip and a label from 1 to {len(_LABELS)}"
            )
        add_label(found, _clip_name(name), _LABELS[int(label) - 1], path)
    return found


DFEW = Corpus(
    name="dfew",
    title="DFEW (single-labelled)",
    citation="Jiang et al. (2020), ACM Multimedia",
    licence="for research, on request of its authors",
    labels=_LABELS,
    folds="the five official sets; a clip's fold is the set that tests it; speakers are unknown",
    layout=(
        "Clip/original/part_1/1.mp4 and EmoLabel_DataSplit/train(single-labeled)/set_1.csv and "
        "test(single-labeled)/set_1.csv, to set_5.csv; Clip/clip_224x224 has pictures only"
    ),
    columns=pa.schema([("label", pa.string()), ("fold", pa.int64())]),
    reader=_read,
)
