"""What is told of the splits of a fine-tuning, by the training itself and by whoever judges its models again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from vaemo_train.finetune.run import usable
from vaemo_train.finetune.selection import modalities_of
from vaemo_train.outcome.disjoint import speakers_disjoint
from vaemo_train.outcome.past import past_of
from vaemo_train.outcome.results_file import PastEntry
from vaemo_train.protocol.splits import Split
from vaemo_train.protocol.targets import Targets
from vaemo_train.shards.folder import ShardFolder

if TYPE_CHECKING:
    from vaemo_train.data.dataset import Modality as TrainedOn


def fold_folder(name: str) -> str:
    """What the folder of a fold is called, whatever its speaker or value is."""
    return f"fold-{quote(name, safe=' ,=')}"


def trained_on(folder: ShardFolder, rows: NDArray[np.int64], wanted: str) -> TrainedOn:
    """What a training of these rows is of: "audio" or "video" where they have no more, or no more is `wanted`."""
    found = modalities_of(folder, rows, wanted)
    return "both" if len(found) > 1 else found[0]


def rows_trained_on(splits: Iterable[Split]) -> NDArray[np.int64]:
    """The rows that any of the splits trains on."""
    return np.unique(np.concatenate([split.train for split in splits]))


def is_disjoint(splits: Iterable[Split], targets: Targets) -> bool | None:
    """Whether nobody who is tested was trained on or chose a checkpoint; see `speakers_disjoint`."""
    speakers = targets.speakers
    if speakers is None:
        return None
    return speakers_disjoint(
        (speakers[np.concatenate([split.train, split.validation])], speakers[split.test])
        for split in splits
        if len(split.test)
    )


def pasts(
    folder: ShardFolder, targets: Targets, splits: Sequence[Split], inits: Mapping[str, Path | str], modality: str
) -> dict[str, PastEntry]:
    """What each fold that tests something is trained on, of rows that have the recipe's `modality`, and begins with."""
    found = {}
    for split in splits:
        if len(split.test) and split.name in inits:
            rows = usable(folder, split.train, modality)
            speakers = None if targets.speakers is None else targets.speakers[rows]
            found[split.name] = past_of(targets.clip_ids[rows], speakers, inits[split.name])
    return found
