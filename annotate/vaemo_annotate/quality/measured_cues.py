"""Cues for captions that carry none: `check --measure` measures their clips and keeps the cues in OUT/check.sqlite.

The dataset is not changed. A clip whose file or segment is another one than the caption's has no cues here.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import orjson

from vaemo_annotate.cue_book import CueBook, check_face_models
from vaemo_annotate.ledger import Ledger
from vaemo_annotate.quality.caption_rows import read_tables
from vaemo_annotate.references import reference_clips, speaker_of
from vaemo_annotate.run_folder import RunFolder
from vaemo_annotate.sqlite_reading import open_to_read
from vaemo_clips.clip import Clip
from vaemo_clips.errors import ManifestError, MediaError, RunFolderError
from vaemo_clips.manifest import Manifest
from vaemo_clips.workers import decoding_pool, first_cause

CHECK_LEDGER: Final = "check.sqlite"
Progress = Callable[[str, int, int], None]
"""Is told what is being done, how much of it, and of how much."""
CuesOf = Callable[[Mapping[str, Any]], list[dict[str, Any]]]


@dataclass(slots=True)
class Measuring:
    """What `--measure` did: clips whose captions carry no cues, of these measured, and why the others are not."""

    clips: int = 0
    measured: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    note: str = ""


def cues_of(out: Path) -> CuesOf:
    """Return what gives a caption's cues: the dataset's, else those measured by `check`, else none."""
    measured = _Measured(out / CHECK_LEDGER)
    return lambda row: row["cues"] or measured.of(row)


class _Measured:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None

    def of(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        if self._connection is None and not self._path.exists():  # it can come into being later
            return []
        key = _key(row["clip_id"], row["sha256"], row["start_s"], row["end_s"])
        try:
            self._connection = self._connection or open_to_read(self._path)
            found = self._connection.execute("SELECT facts FROM media WHERE key = ?", (key,)).fetchone()
            cues: list[dict[str, Any]] = orjson.loads(found[0])["cues"] if found else []
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise RunFolderError(
                f"{self._path} cannot be read ({error}); let it be read, or copy the run to a folder that can be "
                "written; if it is damaged, move it away and check again with --measure"
            ) from error
        return cues


def measure_missing(out: Path, record: Mapping[str, Any], workers: int, on_progress: Progress) -> Measuring:
    """Measure the clips whose captions carry no cues; what was measured before is not measured again.

    Media that are gone are counted. Raises UserError where faces cannot be measured here at all.
    """
    folder = RunFolder(out)
    wanted = {key for key, has_cues in _clips_of(folder.dataset) if not has_cues}
    done = Measuring(clips=len(wanted))
    if not wanted:
        return done
    try:
        manifest = Manifest.open(folder.manifest, root=Path(record["manifest"]["root"]))
    except (ManifestError, KeyError, TypeError) as error:
        done.failed["no_media"] = len(wanted)
        done.note = str(error) if isinstance(error, ManifestError) else "run.json does not say where the media are"
        return done
    if any(clip.has_video for clip in _chosen(manifest, wanted)):
        check_face_models()
    with decoding_pool(workers, preload="vaemo_annotate.cue_book") as pool:
        asyncio.run(_measure(out / CHECK_LEDGER, manifest, wanted, pool, 2 * workers, done, on_progress))
    done.failed["not_in_manifest"] += len(wanted) - done.measured - done.failed.total()
    done.failed += Counter()
    return done


async def _measure(
    path: Path, manifest: Manifest, wanted: set[bytes], pool: Any, at_once: int, done: Measuring, on_progress: Progress
) -> None:
    with Ledger(path) as ledger:
        book = CueBook(manifest.root, pool, ledger)
        speakers = frozenset(name for clip in _chosen(manifest, wanted) if (name := speaker_of(clip)))
        references = reference_clips(manifest.clips(), speakers)
        await book.meet_speakers(references, at_once, lambda now, of: on_progress("measuring speakers", now, of))
        clips = _chosen(manifest, wanted)

        async def take_clips() -> None:
            for clip in clips:
                try:
                    cues = (await book.cues_of(clip)).cues
                except MediaError as error:
                    done.failed[error.reason] += 1
                else:
                    ledger.note_media_facts(_key_of(clip), {"cues": [cue.to_dict() for cue in cues]})
                    done.measured += 1
                on_progress("measuring clips", done.measured + done.failed.total(), len(wanted))

        try:
            async with asyncio.TaskGroup() as tasks:
                for _ in range(at_once):
                    tasks.create_task(take_clips())
        except BaseExceptionGroup as group:
            raise first_cause(group) from group


def _chosen(manifest: Manifest, wanted: set[bytes]) -> Iterator[Clip]:
    return (clip for clip in manifest.clips() if _key_of(clip) in wanted)


def _clips_of(dataset: Path) -> Iterable[tuple[bytes, bool]]:
    """Yield the key of each caption's clip, and whether the caption carries cues."""
    for table in read_tables(dataset):
        names = ("clip_id", "sha256", "start_s", "end_s")
        keys = zip(*(table[name].to_pylist() for name in names), strict=True)
        for key, num_cues in zip(keys, _lengths(table["cues"]), strict=True):
            yield _key(*key), bool(num_cues)


def _lengths(lists: Any) -> list[int | None]:
    import pyarrow.compute as pc

    lengths: list[int | None] = pc.list_value_length(lists).to_pylist()
    return lengths


def _key_of(clip: Clip) -> bytes:
    return _key(clip.clip_id, clip.sha256, clip.start_s, clip.end_s)


def _key(clip_id: str, sha256: str, start_s: float | None, end_s: float | None) -> bytes:
    return hashlib.sha256(orjson.dumps(["cues of", clip_id, sha256, start_s, end_s])).digest()
