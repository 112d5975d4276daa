"""Rejects that may end otherwise are tried again when that is asked for, and every clip still counts once."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.support.media_files import Sound, write_media
from tests.support.shard_folders import contents, rejects_as_told, rejects_of, segments, write_manifest
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.ledger import Ledger
from vaemo_train.shards.prepare import PrepareOptions, PrepareSummary, prepare
from vaemo_train.shards.record import PASSING_REASONS, ShardRecord
from vaemo_train.shards.row import ShardSettings

NUM_CLIPS = 6


class Workplace:
    """Six clips of sound, some of which are rejected as it is told, and a folder for their shards."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "clips"
        self.root.mkdir()
        clicks = [0.25 + 0.5 * number for number in range(NUM_CLIPS)]
        write_media(self.root / "clicks.wav", None, Sound(clicks, codec="pcm_s16le"))
        rows = segments(self.root, 0.5, ["clicks.wav"], NUM_CLIPS)
        self.ids = [str(row["clip_id"]) for row in rows]
        self.manifest = write_manifest(folder / "clips.parquet", rows, self.root)
        self.out = folder / "out"

    def tell(self, reasons: dict[int, str]) -> None:
        """Let these clips be rejected, and no others."""
        for told in self.root.glob("*.reason"):
            told.unlink()
        for number, reason in reasons.items():
            (self.root / f"{self.ids[number]}.reason").write_text(reason, encoding="utf-8")

    def prepare(self, retry: bool = True, **options: Any) -> PrepareSummary:
        """Prepare, two clips in a shard."""
        settings = ShardSettings(modality="audio")
        options = {"clips_per_shard": 2, "workers": 1, "retry_rejects": retry, **options}
        summary = prepare(PrepareOptions(self.manifest, self.out, settings, **options), prepare_one=rejects_as_told)
        self.check(summary)
        return summary

    def check(self, summary: PrepareSummary) -> None:
        """Every clip is accepted or rejected, and in the lists once."""
        shards = ShardFolder.open(self.out)
        accepted = [shards.row(number).clip_id for number in range(shards.num_rows)]
        rejected = pq.read_table(self.out / "rejects.parquet").column("clip_id").to_pylist()
        assert len(accepted) + len(rejected) == summary.marker.clips
        assert set(accepted) | set(rejected) == set(self.ids[: summary.marker.clips])
        assert (len(accepted), len(rejected)) == (summary.marker.accepted, summary.marker.rejected)
        assert sum(entry.clips for entry in summary.marker.shards) == summary.marker.clips
        assert sum(entry.rows for entry in summary.marker.shards) == len(accepted)


@pytest.fixture
def work(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def test_rejects_are_tried_again_in_new_shards_and_only_when_asked(work: Workplace) -> None:
    work.tell({0: "decoder_timeout", 3: "too_dark", 5: "not_found"})
    assert work.prepare(retry=False).marker.rejected == 3
    before = contents(work.out)
    work.tell({})
    assert work.prepare(retry=False).new_clips == 0
    assert contents(work.out) == before
    told: list[tuple[int, int, int]] = []
    options = PrepareOptions(work.manifest, work.out, ShardSettings(modality="audio"), 2, 1, retry_rejects=True)
    summary = prepare(options, lambda *numbers: told.append(numbers), rejects_as_told)
    work.check(summary)
    assert (summary.new_clips, told[0], told[-1]) == (2, (4, 6, 1), (6, 6, 1))
    assert rejects_of(work.out) == {work.ids[3]: "too_dark"}, "what no other try mends is left as it is"
    after = contents(work.out)
    assert set(after) - set(before) == {"shard-00003.arrow", "done/shard-00003.json"}
    kept = [name for name in before if name.startswith(("shard-", "done"))]
    assert [after[name] for name in kept] == [before[name] for name in kept]
    for retry in (False, True):
        assert work.prepare(retry).new_clips == 0
        assert contents(work.out) == after


def test_what_fails_again_is_one_reject_with_its_new_reason_however_often(work: Workplace) -> None:
    work.tell({1: "decoder_timeout", 2: "decoder_crashed"})
    work.prepare(retry=False)
    work.tell({1: "decoder_failed", 2: "no_audio"})
    for new in (2, 1, 1):
        summary = work.prepare()
        assert summary.new_clips == new
        assert rejects_of(work.out) == {work.ids[1]: "decoder_failed", work.ids[2]: "no_audio"}
        assert len(summary.marker.shards) <= 5
    work.tell({})
    assert work.prepare().marker.accepted == 5
    assert rejects_of(work.out) == {work.ids[2]: "no_audio"}


def test_a_shard_of_nothing_but_such_rejects_is_made_anew(work: Workplace) -> None:
    work.tell(dict.fromkeys(range(NUM_CLIPS), "not_found"))
    work.prepare(retry=False)
    assert len(work.prepare().marker.shards) == 3
    work.tell({})
    work.prepare()
    unbroken = contents(work.out)
    shutil.rmtree(work.out)
    work.prepare(retry=False)
    assert contents(work.out) == unbroken


@pytest.mark.parametrize("num_records", [1, 2])
def test_a_retry_that_is_interrupted_goes_on(
    work: Workplace, monkeypatch: pytest.MonkeyPatch, num_records: int
) -> None:
    work.tell({0: "not_found", 2: "not_found", 4: "not_found"})
    work.prepare(retry=False)
    work.tell({})
    add = Ledger.add
    left = [num_records]

    def stops(ledger: Ledger, record: ShardRecord) -> None:
        add(ledger, record)
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, "add", stops)
        with pytest.raises(KeyboardInterrupt):
            work.prepare(clips_per_shard=1)
    assert work.prepare(retry=False).marker.rejected == 3 - num_records
    summary = work.prepare()
    assert (summary.new_clips, summary.marker.rejected) == (3 - num_records, 0)


def test_a_limit_holds_for_what_is_tried_again(work: Workplace) -> None:
    work.tell({0: "not_found", 5: "not_found"})
    work.prepare(retry=False)
    work.tell({})
    assert work.prepare(limit=3).new_clips == 1
    assert rejects_of(work.out) == {work.ids[5]: "not_found"}


def test_a_shard_with_a_reject_that_was_tried_again_can_be_made_anew(work: Workplace) -> None:
    """Its number may then be lower or higher than that of the shard with the other try."""
    work.tell({0: "not_found"})
    work.prepare(retry=False)
    work.tell({})
    work.prepare()
    for number in (0, 3):
        (work.out / "done" / f"shard-{number:05d}.json").unlink()
        summary = work.prepare(retry=False)
        assert summary.marker.clips == NUM_CLIPS
    assert work.prepare().marker.rejected == 0


def test_the_reasons_that_may_pass_are_those_of_a_machine_not_of_a_clip() -> None:
    assert {"not_found", "decoder_timeout", "decoder_crashed", "decoder_failed"} <= PASSING_REASONS
    assert not PASSING_REASONS & {"no_face", "too_short", "silent", "no_audio", "corrupt", "file_changed"}
