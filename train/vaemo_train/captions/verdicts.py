"""Verdicts on captions, of quality control and of people: verdicts.parquet beside a dataset (`VERDICT_SCHEMA`)."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Sequence
from typing import Final

from vaemo_clips.caption import DESCRIPTION_SCHEMA, caption_digest
from vaemo_clips.errors import CaptionError
from vaemo_clips.verdict import VERDICTS_FILE, CaptionKey, Verdict, current, iter_verdicts
from vaemo_train.captions.found import CaptionDataset

_ROWS_AT_ONCE: Final = 1000


def read_verdicts(dataset: CaptionDataset) -> dict[CaptionKey, tuple[Verdict, ...]]:
    """The verdicts on a dataset's captions that are of their present words. None: every caption counts.

    Raises CaptionError for a file that cannot be read or holds what is no verdict, for a verdict on a caption that the
    dataset does not have, and where all that was said of a caption was said of other words than it has now.
    """
    verdicts: dict[CaptionKey, list[Verdict]] = {}
    for verdict in iter_verdicts(dataset.run / VERDICTS_FILE):
        verdicts.setdefault(verdict.key, []).append(verdict)
    if not verdicts:
        return {}
    digests = _digests(dataset, verdicts.keys())
    _check_captions(verdicts, digests, dataset)
    return {key: _current(found, digests[key], dataset) for key, found in verdicts.items()}


def _digests(dataset: CaptionDataset, keys: Collection[CaptionKey]) -> dict[CaptionKey, str]:
    """The digest of the words of each of the captions `keys` that the dataset has."""
    names = ["clip_id", "sample_index", *DESCRIPTION_SCHEMA.names]
    digests: dict[CaptionKey, str] = {}
    for batch in dataset.rows.select(names).to_batches(_ROWS_AT_ONCE):
        for row in batch.to_pylist():
            if (key := (row["clip_id"], row["sample_index"])) in keys:
                digests[key] = caption_digest(row)
    return digests


def _check_captions(verdicts: Collection[CaptionKey], there: Collection[CaptionKey], dataset: CaptionDataset) -> None:
    if missing := [key for key in verdicts if key not in there]:
        clip_id, sample = missing[0]
        raise CaptionError(
            f"{dataset.run / VERDICTS_FILE}: of the captions judged, {dataset.path} does not have {len(missing):,} "
            f"(the first: clip {clip_id!r}, sample {sample}); they are of another run: "
            f"run `vaemo-annotate check {shlex.quote(str(dataset.run))}` again"
        )


def _current(verdicts: Sequence[Verdict], digest: str, dataset: CaptionDataset) -> tuple[Verdict, ...]:
    """The verdicts on a caption as it is now, by the rule of `vaemo_clips.verdict.current`."""
    if found := current(verdicts, digest):
        return tuple(found)
    software = next((verdict for verdict in verdicts if verdict.is_by_software), None)
    stale = software or verdicts[0]
    raise CaptionError(
        f"{dataset.run / VERDICTS_FILE}: the verdict on clip {stale.clip_id!r}, sample {stale.sample_index}, by "
        f"{stale.by!r}, is on other words than {dataset.path} holds now; "
        f"run `vaemo-annotate {'check' if software else 'review'} {shlex.quote(str(dataset.run))}` again"
    )
