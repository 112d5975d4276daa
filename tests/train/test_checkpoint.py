"""Checkpoints are whole or not there, and a full disk leaves the last good one."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from vaemo_clips.errors import CheckpointError
from vaemo_train.training import checkpoint


def save(folder: Path, step: int, keep: int = 10) -> Path:
    draft = checkpoint.new_draft(folder, step)
    (draft / "model.safetensors").write_bytes(bytes(step) * 10)
    (draft / "trainer_state.json").write_text(f'{{"step": {step}}}')
    return checkpoint.finish(draft, folder, step, keep)


def test_the_newest_finished_checkpoint_is_the_last(tmp_path: Path) -> None:
    assert checkpoint.last_checkpoint(tmp_path / "none") is None
    assert checkpoint.last_checkpoint(tmp_path) is None
    save(tmp_path, 5)
    newest = save(tmp_path, 12)
    checkpoint.new_draft(tmp_path, 20)  # a run was killed while it wrote
    assert checkpoint.last_checkpoint(tmp_path) == newest
    assert checkpoint.step_of(newest) == 12


def test_a_draft_that_was_left_behind_goes_with_the_next(tmp_path: Path) -> None:
    left = checkpoint.new_draft(tmp_path, 5)
    save(tmp_path, 6)
    assert not left.exists()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: (path / checkpoint.MARKER).unlink(), "checkpoint.json is missing"),
        (lambda path: (path / checkpoint.MARKER).write_text("{"), "checkpoint.json cannot be read"),
        (lambda path: (path / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda path: os.truncate(path / "model.safetensors", 7), "model.safetensors has 7 bytes, not 20"),
        (lambda path: (path / "trainer_state.json").write_text('{"step": 3}'), "trainer_state.json was changed"),
        (lambda path: (path / checkpoint.MARKER).write_text('{"format_version": 9, "files": {}}'), "is of format 9"),
    ],
)
def test_a_damaged_checkpoint_is_passed_over_and_told(tmp_path: Path, harm: object, words: str) -> None:
    good, bad = save(tmp_path, 1), save(tmp_path, 2)
    assert callable(harm)
    harm(bad)
    assert checkpoint.last_checkpoint(tmp_path) == good
    assert [words in line for line in checkpoint.damaged_checkpoints(tmp_path)] == [True]


def test_without_any_whole_checkpoint_it_is_an_error(tmp_path: Path) -> None:
    (save(tmp_path, 1) / checkpoint.MARKER).unlink()
    with pytest.raises(CheckpointError, match=r"no checkpoint is whole \(step-0000001: checkpoint.json is missing\)"):
        checkpoint.last_checkpoint(tmp_path)


def test_old_checkpoints_go_only_when_the_new_one_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (1, 2, 3):
        save(tmp_path, step, keep=2)
    assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["step-0000002", "step-0000003"]

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert checkpoint.fault_of(lambda: save(tmp_path, 4, keep=2), tmp_path, 4) is not None
    assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["step-0000002", "step-0000003"]
    checkpoint.drop_drafts(tmp_path)
    assert not checkpoint.draft_path(tmp_path, 4).exists()


def failing(error: Exception) -> Callable[[], None]:
    def write() -> None:
        raise error

    return write


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_names_the_last_good_checkpoint(tmp_path: Path, number: int) -> None:
    good = save(tmp_path, 3)
    message = checkpoint.fault_of(failing(OSError(number, os.strerror(number))), tmp_path, 6)
    assert message is not None
    assert "step-0000006 cannot be saved: the disk is full or a quota is used up" in message
    assert f"the last good checkpoint is {good}" in message
    assert "--resume" in message
    assert "\n" not in message


def test_of_several_processes_the_one_that_could_not_write_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("RANK", "5")
    message = checkpoint.fault_of(failing(OSError(errno.EACCES, "denied")), tmp_path, 6)
    assert "step-0000006 cannot be saved by process 5: Permission denied; no step was saved before" in str(message)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_torch_writing_to_a_full_device_is_told_in_one_line(tmp_path: Path) -> None:
    draft = checkpoint.new_draft(tmp_path, 6)
    (draft / "optimizer.pt").symlink_to("/dev/full")
    content = {"state": torch.zeros(1_000_000)}
    message = checkpoint.fault_of(lambda: torch.save(content, draft / "optimizer.pt"), tmp_path, 6)
    assert re.search(r"cannot be saved: .*no step was saved before", str(message))


LIMITED = """
import resource, signal, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from vaemo_train.training import checkpoint
folder = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
values = torch.zeros(100_000)
for write in (lambda path: save_file({"a": values}, path), lambda path: torch.save(values, path)):
    draft = checkpoint.new_draft(folder, 6)
    print(checkpoint.fault_of(lambda: write(draft / "file"), folder, 6))
"""


def test_files_that_may_not_grow_are_told_in_one_line_by_both_writers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=120, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all("step-0000006 cannot be saved: " in line for line in lines)


def test_a_fault_of_the_program_is_no_full_disk(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="shapes differ"):
        checkpoint.fault_of(failing(RuntimeError("shapes differ")), tmp_path, 6)
