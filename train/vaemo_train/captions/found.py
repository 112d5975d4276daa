"""The caption datasets below a folder: those of finished runs; no rejects, drafts or pilots."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from vaemo_clips.caption import REJECT_SCHEMA, caption_schema
from vaemo_clips.errors import CaptionError
from vaemo_train.captions.arrow_rows import ANEW, INFO, STATE, conform, read_saved
from vaemo_train.captions.run_marker import LEDGER, RECORD, VERDICTS, read_marker

_NAMES = (
    "clip_id", "sha256", "start_s", "end_s", "sample_index", "engine", "model", "model_revision", "prompt_name",
    "prompt_version", "prompt_sha256", "request_sha256", "seed", "visual_description", "acoustic_description",
    "affect_description", "emotions", "valence", "arousal", "confidence",
)  # fmt: skip
CAPTION_ROWS = pa.schema([caption_schema([]).field(name) for name in _NAMES])
"""The columns of a caption dataset that are read: the clip, the descriptions, and what identifies the caption."""

_SHARD_FOLDER = re.compile(r"shard-\d+-of-\d+")
_DATASET, _REJECTS, _PILOT = "dataset", "rejects", "pilot"


@dataclass(frozen=True, slots=True, eq=False)
class CaptionDataset:
    """The captions (CAPTION_ROWS) of the dataset saved at `path`; `run` is the folder that it lies in."""

    path: Path
    run: Path
    rows: pa.Table


@dataclass(frozen=True, slots=True, eq=False)
class CaptionSearch:
    """What lies below `folder`, by path; `skipped` says of everything that is passed over what it is."""

    folder: Path
    datasets: tuple[CaptionDataset, ...]
    skipped: tuple[str, ...]


def find_caption_datasets(folder: Path) -> list[CaptionDataset]:
    """All caption datasets at or below `folder`, by path. Raises CaptionError as `search_captions` does."""
    return list(search_captions(folder).datasets)


def search_captions(folder: Path) -> CaptionSearch:
    """Read all caption datasets at or below `folder`, and say what was passed over.

    A dataset is a folder that `datasets` saved; run.json beside it, if there is one, must be of a complete run of a
    known schema. Pilots are passed over (unless `folder` is one), so are shards that were merged and runs that have
    written no captions yet. Links are followed. Raises CaptionError for no folder, nothing found, verdicts beside a
    shard that was merged, or a dataset that is damaged, unfinished, of a later schema, or lacks a column.
    """
    if not folder.is_dir():
        raise CaptionError(
            f"{folder}: there is no such folder; give the folder of the captions, or make them with "
            f"`vaemo-annotate run --out {folder}`"
        )
    walk = _Walk(folder)
    found = [dataset for path in walk.places() if (dataset := walk.read(path)) is not None]
    if not found:
        skipped = f" (passed over: {'; '.join(walk.skipped[:3])})" if walk.skipped else ""
        raise CaptionError(
            f"{folder}: no captions in it or in the {walk.num_folders:,} folders below it{skipped}; looked for "
            f"datasets with {STATE} and {INFO}, as `vaemo-annotate run --out {folder}` makes them"
        )
    return CaptionSearch(folder, tuple(sorted(found, key=lambda one: one.path)), tuple(walk.skipped))


@dataclass(slots=True)
class _Walk:
    """One way through the folders, and what was met."""

    top: Path
    num_folders: int = 0
    skipped: list[str] = field(default_factory=list)
    _seen: set[tuple[int, int]] = field(default_factory=set)

    def places(self) -> Iterator[Path]:
        """The folders that `datasets` saved, without those called rejects; none is looked into."""
        for name, folders, files in os.walk(self.top, followlinks=True, onerror=_refuse):
            place = Path(name)
            self.num_folders += place != self.top
            if {STATE, INFO} <= set(files):
                folders.clear()
                yield place
                continue
            self._note_unfinished(place, folders, files)
            folders[:] = sorted(self._worth_a_look(place, folders))

    def read(self, path: Path) -> CaptionDataset | None:
        """The dataset at `path`; None for a pilot's, or for rejects that are called something else."""
        run = path.parent
        marker = read_marker(run)
        is_pilot = marker.pilot if marker else run.name == _PILOT
        if is_pilot and self.top not in (run, path):
            self.skipped.append(f"{run} is a pilot")
            return None
        if marker is None and (run / LEDGER).exists():
            raise CaptionError(
                f"{path}: its run is not finished (no {RECORD}); run the same `vaemo-annotate run` command again, "
                "or give a folder without it"
            )
        table = read_saved(path)
        if table is not None and set(REJECT_SCHEMA.names) <= set(table.column_names):
            self.skipped.append(f"{path} holds rejects")
            return None
        rows = CAPTION_ROWS.empty_table() if table is None else _caption_rows(table, path)
        if marker and marker.counts.accepted not in (None, rows.num_rows):
            raise CaptionError(
                f"{path}: {rows.num_rows:,} captions, {run / RECORD} says {marker.counts.accepted:,}; {ANEW}"
            )
        return CaptionDataset(path, run, rows)

    def _note_unfinished(self, place: Path, folders: list[str], files: list[str]) -> None:
        if LEDGER in files and _DATASET not in folders:
            self.skipped.append(f"{place} has no captions yet: its run is not finished")

    def _worth_a_look(self, place: Path, folders: list[str]) -> Iterator[str]:
        """Names of folders that are neither hidden, nor rejects, nor shards that were merged, nor seen already."""
        is_shard = {name for name in folders if _SHARD_FOLDER.fullmatch(name)}
        if is_shard and _DATASET in folders and (marker := read_marker(place)) and marker.merged_from:
            _refuse_verdicts(place, is_shard)
            self.skipped.append(f"{place} has its {len(is_shard)} shards merged, they are not read again")
            folders = [name for name in folders if name not in is_shard]
        for name in folders:
            if name.startswith(".") or name == _REJECTS:
                continue
            status = (place / name).stat()
            if (status.st_dev, status.st_ino) not in self._seen:
                self._seen.add((status.st_dev, status.st_ino))
                yield name


def _caption_rows(table: pa.Table, path: Path) -> pa.Table:
    remedy = "not a caption dataset of this vaemo: take it out of the folder, or caption the clips again"
    rows = conform(table, CAPTION_ROWS.remove_metadata(), path, remedy)
    for name in ("clip_id", "sample_index"):
        if rows[name].null_count:
            raise CaptionError(f"{path}: {rows[name].null_count:,} rows have no {name}; {ANEW}")
    return rows


def _refuse_verdicts(run: Path, shards: Iterable[str]) -> None:
    """Verdicts on captions that are read from elsewhere would count for nothing."""
    judged = [path for name in sorted(shards) if (path := run / name / VERDICTS).exists()]
    if judged:
        raise CaptionError(
            f"{judged[0]}: {run} has its shards merged, and verdicts on a shard's captions are not read there; judge "
            f"the merged run: move the verdicts beside its dataset, to {run / VERDICTS}"
        )


def _refuse(error: OSError) -> None:
    raise CaptionError(f"{error.filename}: cannot be read ({error.strerror}); let it be read, or give another folder")
