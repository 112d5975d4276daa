"""Whatever interrupts `embed`, the same command goes on and the same file comes out; memory does not grow."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tests.support.servers import REPOSITORY
from tests.support.shard_folders import Called, vaemo_train_here
from tests.support.synthetic_shards import write_shards
from tests.support.tiny_vaemo import tiny_config, tiny_model
from vaemo_clips.errors import RunFolderError
from vaemo_train.embed import part, parts
from vaemo_train.embed.rejects import rejects_path
from vaemo_train.embed.source import ShardSource
from vaemo_train.models import VAEmoProcessor
from vaemo_train.shards.row import ShardSettings

FACE_PX = 64
KILLED = """
import os, signal, sys
from vaemo_train.cli import main
from vaemo_train.embed import part, parts
part.CLIPS_PER_PART = 4
plain, left = parts._write_table, [3]
def write_table(*values):
    plain(*values)
    left[0] -= 1
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
parts._write_table = write_table
sys.argv = ["vaemo-train", *sys.argv[1:]]
main()
"""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "CLIPS_PER_PART", 4)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eighteen short clips, some without what is asked for: five parts, of which the last is small."""
    path = tmp_path_factory.mktemp("embed") / "shards"
    kinds = ("both", "audio", "both", "video")
    return write_shards(path, 18, modality=kinds, seconds=(0.6, 3.0), settings=ShardSettings(size_px=FACE_PX))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_model().save_pretrained(folder)
    VAEmoProcessor.of(tiny_config(), FACE_PX).save_pretrained(folder)
    return folder


def command(shards: Path, model: Path, out: Path, *options: str) -> list[str]:
    words = ["embed", shards, "--model", model, "--out", out, "--precision", "float32", "--modality", "audio"]
    return [*map(str, words), *options]


def embedded(shards: Path, model: Path, out: Path, *options: str) -> Called:
    return vaemo_train_here(*command(shards, model, out, *options))


@pytest.fixture(scope="module")
def whole(shards: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """The file and its rejects, of an undisturbed command."""
    out = tmp_path_factory.mktemp("whole") / "out.parquet"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(part, "CLIPS_PER_PART", 4)
        done = embedded(shards, model, out)
    assert "14 clips embedded + 4 rejected = 18" in done.stdout, done.stderr
    return files(out)


def files(out: Path) -> tuple[bytes, bytes]:
    return out.read_bytes(), rejects_path(out).read_bytes()


def test_a_killed_command_goes_on_and_ends_with_the_same_files(
    shards: Path, model: Path, whole: tuple[bytes, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    words = [sys.executable, "-c", KILLED, *command(shards, model, out)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert not out.exists(), "the second part has its rows, but is not written down"
    assert "11 clips embedded now" in embedded(shards, model, out).stdout
    assert files(out) == whole
    assert [path.name for path in parts.parts_folder(out).iterdir()] == [".lock"]


@pytest.mark.parametrize("moment", ["_write_tables", "_write_rejects"])
def test_a_command_that_ends_while_parts_are_joined_joins_them_again(
    shards: Path, model: Path, whole: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def interrupted(*_: object) -> None:
        if len(list(parts.parts_folder(out).glob("part-*.json"))) == 5:
            raise KeyboardInterrupt
        plain(*_)

    out = tmp_path / "out.parquet"
    plain = vars(parts)[moment]
    with monkeypatch.context() as patch:
        patch.setattr(parts, moment, interrupted)
        assert embedded(shards, model, out).returncode == 130
    assert not out.exists()
    assert embedded(shards, model, out).returncode == 0
    assert files(out) == whole


def test_parts_that_were_left_beside_the_whole_file_go_away(
    shards: Path, model: Path, whole: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(parts.Parts, "remove", lambda _: None)
        embedded(shards, model, out)
    assert (parts.parts_folder(out) / "embed.json").exists()
    assert "nothing was left to do" in embedded(shards, model, out).stdout
    assert files(out) == whole
    assert [path.name for path in parts.parts_folder(out).iterdir()] == [".lock"]


def test_ctrl_c_is_told_and_what_is_finished_stays(
    shards: Path, model: Path, whole: tuple[bytes, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.parquet"
    interrupt_after(2, monkeypatch)
    done = embedded(shards, model, out)
    assert done.returncode == 130
    assert "the same command goes on" in done.stderr
    monkeypatch.undo()
    monkeypatch.setattr(part, "CLIPS_PER_PART", 4)
    assert "\n8 clips embedded now" in embedded(shards, model, out).stdout, "of ten, two are rejected"
    assert files(out) == whole


def interrupt_after(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C when so many parts are finished."""
    plain, left = parts.Parts.add, [count]

    def add(*values: object) -> parts.PartRecord:
        found = plain(*values)  # type: ignore[arg-type]
        left[0] -= 1
        if not left[0]:
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(parts.Parts, "add", add)


def test_unfinished_parts_of_another_command_or_damaged_ones_are_not_used(
    shards: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.parquet"
    with monkeypatch.context() as patch:
        interrupt_after(2, patch)
        embedded(shards, model, out)
    told = embedded(shards, model, out, "--pooling", "statistics").stderr
    assert "an unfinished command with pooling mean, not statistics; run that one to its end" in told
    other = tmp_path / "other"
    tiny_model(seed=1).save_pretrained(other)
    VAEmoProcessor.of(tiny_config(), FACE_PX).save_pretrained(other)
    assert "an unfinished command with another model; run that one" in embedded(shards, other, out).stderr
    cut = parts.parts_folder(out) / "part-00001.parquet"
    cut.write_bytes(cut.read_bytes()[:-8])
    assert "part-00001.parquet: missing or cut short; delete" in embedded(shards, model, out).stderr


def test_two_commands_do_not_share_a_file(shards: Path, model: Path, tmp_path: Path) -> None:
    from vaemo_clips.whole_file import locked_folder

    out = tmp_path / "out.parquet"
    with locked_folder(parts.parts_folder(out)):
        told = embedded(shards, model, out).stderr
    assert "is in use by another run" in told


def test_the_lock_of_a_command_that_ends_stays_where_another_has_opened_it(
    shards: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.parquet"
    lock = parts.parts_folder(out) / ".lock"
    lock.parent.mkdir()
    with lock.open("w", encoding="utf-8") as opened_by_another:
        assert embedded(shards, model, out).returncode == 0
        assert os.fstat(opened_by_another.fileno()).st_ino == lock.stat().st_ino


def test_only_what_is_written_is_blamed_on_the_disk(
    shards: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    out = tmp_path / "out.parquet"
    with monkeypatch.context() as patch:
        patch.setattr(parts, "_write_table", full)
        told = embedded(shards, model, out)
    assert (told.returncode, told.stderr.count("\n")) == (2, 1)
    assert "out.parquet cannot be written (No space left on device); make room" in told.stderr
    with monkeypatch.context() as patch:
        patch.setattr(ShardSource, "clips_from", full)
        with pytest.raises(OSError, match="No space left"):
            embedded(shards, model, out)


def test_rejects_wait_on_disk_and_only_their_counts_in_memory(
    shards: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out.parquet"
    with monkeypatch.context() as patch:
        interrupt_after(2, patch)
        embedded(shards, model, out)
    folder = parts.parts_folder(out)
    record = parts.PartRecord.model_validate_json((folder / "part-00001.json").read_text(encoding="utf-8"))
    assert (record.clips, record.accepted, record.rejects) == (4, 3, {"no_audio": 1})
    assert pq.read_table(folder / "part-00001.rejects.parquet").column("clip_id").to_pylist() == ["clip_0007"]
    (folder / "part-00001.rejects.parquet").unlink()
    assert "part-00001.rejects.parquet: damaged" in embedded(shards, model, out).stderr


def test_a_part_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    own = parts.Parts(out, {"model": "1"})
    own.folder.mkdir()
    assert own.begin() == []
    with pytest.raises(RunFolderError, match="another model"):
        parts.Parts(out, {"model": "2"}).begin()


def test_memory_does_not_grow_from_part_to_part(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = ShardSettings(size_px=FACE_PX)
    shards = write_shards(tmp_path / "shards", 240, modality="audio", seconds=0.5, settings=settings)
    plain, resident = parts.Parts.add, []

    def add(*values: object) -> parts.PartRecord:
        resident.append(psutil.Process().memory_info().rss / 2**20)
        return plain(*values)  # type: ignore[arg-type]

    monkeypatch.setattr(parts.Parts, "add", add)
    assert embedded(shards, model, tmp_path / "out.parquet", "--workers", "1").returncode == 0
    assert len(resident) == 60
    assert resident[-1] - resident[10] < 20, f"{resident} MB"
