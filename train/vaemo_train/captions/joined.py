"""Captions joined with the clips of the shards: unique texts, and which clip each is a description of.

K captions of a path, after equal texts of a clip are taken together.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import CaptionError
from vaemo_train.captions.caption import Caption, read_captions, without_copies
from vaemo_train.captions.content import Content, contents
from vaemo_train.captions.counts import CaptionCounts, left_out_reasons
from vaemo_train.captions.found import CaptionSearch, search_captions
from vaemo_train.captions.paths import PATHS
from vaemo_train.captions.row_captions import RowCaptions, row_captions

_SHOWN = 3
_REMEDIES = {
    "empty": "look at them with `vaemo-annotate show`, and caption the clips again",
    "dropped": "look at the verdicts beside the datasets, and caption the clips again with another prompt or model",
    "of_rejected": "rejects.parquet in the folder of shards says why `vaemo-train prepare` took none of their clips",
    "of_unknown": "give the shards that were made from the same manifest",
}
"""What to do where nothing is left, by the reason of most captions."""
_Described = tuple[Caption, dict[str, str]]
"""A caption that is used, and its texts by path."""


@dataclass(frozen=True, slots=True, eq=False)
class Captions:
    """The texts of clips, the same for whatever order of datasets and rows.

    `texts`: every text once, sorted; a text's number is its place. By path: `text_of` (K,) text numbers and `clip_of`
    (K,) clip_ids, sorted by clip_id and then text. `emotions`: by clip_id, those its captions name, sorted.
    """

    texts: tuple[str, ...]
    text_of: Mapping[str, NDArray[np.int64]]
    clip_of: Mapping[str, NDArray[np.object_]]
    emotions: Mapping[str, tuple[str, ...]]
    counts: CaptionCounts

    @property
    def digest(self) -> str:
        """Identifies which text describes which clip."""
        pairs = [[self.clip_of[path].tolist(), self.text_of[path].tolist()] for path in PATHS]
        return hashlib.sha256(json.dumps([self.texts, pairs]).encode()).hexdigest()

    def of_rows(self, shard_rows: pa.Table, rows: NDArray[np.int64]) -> RowCaptions:
        """The captions of `rows` (any order) of a folder of shards, and of no other clip's.

        Every row of a clip has all of the clip's captions, as far as it has the tokens that they describe. Raises
        IndexError for a row that is not there.
        """
        return row_captions(shard_rows, rows, self.text_of, self.clip_of)


def join_captions(
    folder: Path,
    shard_rows: pa.Table,
    train_rows: NDArray[np.int64],
    *,
    allow_unknown: bool = False,
    rejected_clips: Collection[str] = (),
) -> Captions:
    """Join the captions at or below `folder` with the clips of `shard_rows`, the list of all rows of the shards.

    `train_rows` are counted, nothing else. Captions of `rejected_clips`, those that `prepare` gave no row, are left
    out; so are, if `allow_unknown`, those of clips that the shards do not have. Raises CaptionError where captions
    cannot be read, differ for the same sample, are of unknown clips, or leave no text.
    """
    search = search_captions(folder)
    found = [caption for dataset in search.datasets for caption in read_captions(dataset)]
    single, copies = without_copies(found)
    counted = [caption for caption in single if not caption.is_dropped]
    content_of = dict(zip(shard_rows["clip_id"].to_pylist(), contents(shard_rows), strict=True))
    tally = Counter(found=len(found), copies=copies, dropped=len(single) - len(counted))
    known = _known(folder, counted, content_of, frozenset(rejected_clips), allow_unknown, tally)
    described = [(caption, own) for caption in known if (own := caption.texts())]
    tally["empty"] = len(known) - len(described)
    if not described:
        raise CaptionError(_nothing_left(folder, tally))
    trained = set(shard_rows["clip_id"].take(pa.array(train_rows, pa.int64())).to_pylist())
    texts = tuple(sorted({text for _, own in described for text in own.values()}))
    pairs = _pairs(described, texts)
    return Captions(
        texts,
        {path: np.asarray([text for _, text in pairs[path]], np.int64) for path in PATHS},
        {path: np.asarray([clip for clip, _ in pairs[path]], object) for path in PATHS},
        _emotions(described),
        _counts(search, described, pairs, tally, content_of, trained, len(texts)),
    )


def _pairs(described: Iterable[_Described], texts: Sequence[str]) -> dict[str, list[tuple[str, int]]]:
    """By path, each clip and the number of a text of it, in order."""
    number_of = {text: number for number, text in enumerate(texts)}
    pairs: dict[str, set[tuple[str, int]]] = {path: set() for path in PATHS}
    for caption, own in described:
        for path, text in own.items():
            pairs[path].add((caption.clip_id, number_of[text]))
    return {path: sorted(pairs[path]) for path in PATHS}


def _counts(
    search: CaptionSearch,
    described: Sequence[_Described],
    pairs: Mapping[str, Sequence[tuple[str, int]]],
    tally: Counter[str],
    content_of: Mapping[str, Content],
    trained: Collection[str],
    num_texts: int,
) -> CaptionCounts:
    used = [caption for caption, _ in described]
    given = Counter(path for _, own in described for path in own)
    clips = {caption.clip_id for caption in used}
    return CaptionCounts(
        folder=search.folder,
        datasets=len(search.datasets),
        **{name: tally[name] for name in ("found", "copies", "dropped", "of_rejected", "of_unknown", "empty")},
        used=len(used),
        fixed=sum(caption.is_fixed for caption in used),
        texts=num_texts,
        clips=len(content_of),
        clips_with_captions=len(clips),
        training_clips=len(trained),
        training_clips_with_captions=len(clips.intersection(trained)),
        clips_of_other_content=len({one.clip_id for one in used if one.content.differs(content_of[one.clip_id])}),
        blank={path: len(used) + tally["empty"] - given[path] for path in PATHS},
        repeated={path: given[path] - len(pairs[path]) for path in PATHS},
        skipped=search.skipped,
    )


def _known(
    folder: Path,
    captions: Sequence[Caption],
    clips: Collection[str],
    rejected: Collection[str],
    allow_unknown: bool,
    tally: Counter[str],
) -> list[Caption]:
    """The captions of `clips`; the others are counted. Raises CaptionError for those that are not allowed."""
    known = [caption for caption in captions if caption.clip_id in clips]
    unknown = [one for one in captions if one.clip_id not in clips and one.clip_id not in rejected]
    tally["of_unknown"] = len(unknown)
    tally["of_rejected"] = len(captions) - len(known) - len(unknown)
    names = sorted({caption.clip_id for caption in unknown})
    if names and not known:
        raise CaptionError(
            f"{folder}: none of its captions is of a clip in the shards (captions of {_shown(names)}; shards of "
            f"{_shown(sorted(clips))}); give the shards and the captions that were made from the same manifest"
        )
    if names and not allow_unknown:
        raise CaptionError(
            f"{folder}: captions of {len(names):,} clips that the shards do not have ({_shown(names)}); give the "
            "shards made from the same manifest, or leave these captions out with --allow-unknown-clips"
        )
    return known


def _nothing_left(folder: Path, tally: Counter[str]) -> str:
    reasons = left_out_reasons(tally)
    most = max(_REMEDIES, key=lambda name: tally[name])
    return (
        f"{folder}: none of its {tally['found']:,} captions can be used{f' ({reasons})' if reasons else ''}; "
        f"{_REMEDIES[most]}"
    )


def _emotions(described: Iterable[_Described]) -> dict[str, tuple[str, ...]]:
    named: dict[str, set[str]] = {}
    for caption, _ in described:
        named.setdefault(caption.clip_id, set()).update(caption.emotions)
    return {clip_id: tuple(sorted(named[clip_id])) for clip_id in sorted(named)}


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
