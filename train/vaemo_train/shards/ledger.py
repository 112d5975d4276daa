"""Which clips of a manifest are in a folder's shards: what a repeated command need not do again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vaemo_clips.errors import ShardError
from vaemo_clips.manifest import Manifest
from vaemo_clips.whole_file import write_text
from vaemo_train.shards.layout import ANEW, DONE, PREPARE, done_path, remedy_of, shard_name
from vaemo_train.shards.record import Job, ShardRecord, clip_digest, read_record


class Ledger:
    """The finished shards of a folder, by number, and the clips in them.

    A reject that was tried again stands in two records on the disk. The one that accepts it counts, else the later
    one; the other's mention is dropped here, so that every clip is in one of `records`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: dict[int, ShardRecord] = {}
        self._digests: dict[str, str] = {}
        self._rejected_in: dict[str, int] = {}

    @classmethod
    def open(cls, folder: Path, job: Job) -> Ledger:
        """Read what earlier commands did in `folder`; a new one is given to `job`.

        Raises ShardError where it is another job's, or damaged.
        """
        ledger = cls(folder)
        path = folder / PREPARE
        if path.exists():
            _check_job(path, job)
        else:
            _check_empty(folder)
            write_text(path, job.model_dump_json(indent=1))
        (folder / DONE).mkdir(exist_ok=True)
        for done in sorted((folder / DONE).glob("shard-*.json")):
            record = read_record(done, ShardRecord, ANEW, remedy_of(folder / f"{done.stem}.arrow"))
            ledger._check_file(record)
            ledger._take(record)
        for draft in folder.glob(".*.tmp"):  # of a command that was killed; the folder is locked
            draft.unlink()
        return ledger

    @property
    def clip_ids(self) -> Iterable[str]:
        """The clips that have been decided on."""
        return self._digests.keys()

    @property
    def num_clips(self) -> int:
        """How many they are."""
        return len(self._digests)

    @property
    def num_rejects(self) -> int:
        """Those of them that gave no row."""
        return len(self._rejected_in)

    def rejected_for(self, reasons: Iterable[str]) -> set[str]:
        """The clips that were rejected for one of these reasons."""
        wanted = frozenset(reasons)
        return {
            clip_id
            for clip_id, number in self._rejected_in.items()
            if self.records[number].rejects[clip_id].reason in wanted
        }

    def forget_rejects(self, clip_ids: Iterable[str]) -> None:
        """Let these rejects be tried again: what comes of them takes the place of what is on the disk.

        A shard of nothing else is deleted, its record first.
        """
        for clip_id in clip_ids:
            number = self._rejected_in[clip_id]
            self._drop_reject(clip_id)
            if not self.records[number].clips:
                del self.records[number]
                done_path(self.folder, number).unlink()
                (self.folder / shard_name(number)).unlink()

    def next_number(self) -> int:
        """The first number that no shard has."""
        return next(number for number in range(len(self.records) + 1) if number not in self.records)

    def add(self, record: ShardRecord) -> None:
        """Write down that a shard is finished."""
        write_text(done_path(self.folder, record.number), record.model_dump_json())
        self._take(record)

    def check(self, manifest: Manifest) -> None:
        """Raise ShardError where a clip of the shards has changed in the manifest, or is no longer there."""
        if not self._digests:
            return
        left = dict(self._digests)
        for clip in manifest.clips():
            was = left.pop(clip.clip_id, None)
            if was is not None and was != clip_digest(clip):
                raise ShardError(
                    f"{self.folder}: clip {clip.clip_id} has changed in {manifest.path} since its shard; {ANEW}"
                )
        if left:
            raise ShardError(
                f"{self.folder}: {len(left):,} clips of its shards are no longer in {manifest.path} "
                f"(the first: {next(iter(left))}); {ANEW}"
            )

    def _take(self, record: ShardRecord) -> None:
        for clip_id in record.clips.keys() & self._digests.keys():
            if clip_id in record.rejects and self._rejected_in.get(clip_id, record.number) >= record.number:
                del record.rejects[clip_id], record.clips[clip_id]
            elif clip_id in self._rejected_in:
                self._drop_reject(clip_id)
            else:
                raise ShardError(f"{self.folder}: two of its shards hold rows of clip {clip_id}; {ANEW}")
        self.records[record.number] = record
        self._digests.update(record.clips)
        self._rejected_in.update(dict.fromkeys(record.rejects, record.number))

    def _drop_reject(self, clip_id: str) -> None:
        record = self.records[self._rejected_in.pop(clip_id)]
        del record.rejects[clip_id], record.clips[clip_id], self._digests[clip_id]

    def _check_file(self, record: ShardRecord) -> None:
        path = self.folder / shard_name(record.number)
        size = path.stat().st_size if path.exists() else None
        if size != record.counts.num_bytes:
            found = "is missing" if size is None else f"has {size:,} bytes, it should have {record.counts.num_bytes:,}"
            raise ShardError(f"{path} {found}; {remedy_of(path)}")


def _check_job(path: Path, job: Job) -> None:
    was = read_record(path, Job, ANEW)
    old, new = was.settings.model_dump(), job.settings.model_dump()
    for name in new:
        if old[name] != new[name]:
            option = {"size_px": "size", "sample_rate_hz": "sample rate"}.get(name, f"--{name.replace('_', '-')}")
            raise ShardError(f"{path.parent}: its shards were made with {option} {old[name]}, not {new[name]}; {ANEW}")
    if was.columns != job.columns:
        changed = sorted(set(was.columns) ^ set(job.columns)) or ["their order"]
        raise ShardError(
            f"{path.parent}: the manifest has other columns than its shards ({', '.join(changed)}); {ANEW}"
        )


def _check_empty(folder: Path) -> None:
    strange = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    if strange:
        raise ShardError(f"--out {folder} holds other files ({strange[0]}); give a folder of its own to the shards")
