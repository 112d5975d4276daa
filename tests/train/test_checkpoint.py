"""Checkpoints are whole or not there, and a full disk leaves the last good one."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from vaemo_clips.errors import CheckpointError
from vaemo_train.stage1 import checkpoint


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
    draft = checkpoint.draft_path(tmp_path, 4)
    with pytest.raises(CheckpointError), checkpoint.one_line_errors(tmp_path, draft):
        save(tmp_path, 4, keep=2)
    assert [path.name for path in checkpoint.checkpoints(tmp_path)] == ["step-0000002", "step-0000003"]
    assert not draft.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_names_the_last_good_checkpoint(tmp_path: Path, number: int) -> None:
    good = save(tmp_path, 3)
    draft = checkpoint.new_draft(tmp_path, 6)
    with pytest.raises(CheckpointError) as caught, checkpoint.one_line_errors(tmp_path, draft):
        raise OSError(number, os.strerror(number))
    message = str(caught.value)
    assert "step-0000006 cannot be saved: the disk is full or a quota is used up" in message
    assert f"the last good checkpoint is {good}" in message
    assert "--resume" in message
    assert "\n" not in message
    assert not draft.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_torch_writing_to_a_full_device_is_told_in_one_line(tmp_path: Path) -> None:
    draft = checkpoint.new_draft(tmp_path, 6)
    (draft / "optimizer.pt").symlink_to("/dev/full")
    with pytest.raises(CheckpointError, match=r"cannot be saved: .*no step was saved before"):  # noqa: SIM117
        with checkpoint.one_line_errors(tmp_path, draft):
            torch.save({"state": torch.zeros(1_000_000)}, draft / "optimizer.pt")
    assert not draft.exists()


LIMITED = """
import resource, signal, sys
from pathlib import Path
import torch
from safetensors.torch import save_file
from vaemo_clips.errors import CheckpointError
from vaemo_train.stage1 import checkpoint
folder = Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
values = torch.zeros(100_000)
for write in (lambda path: save_file({"a": values}, path), lambda path: torch.save(values, path)):
    draft = checkpoint.new_draft(folder, 6)
    try:
        with checkpoint.one_line_errors(folder, draft):
            write(draft / "file")
    except CheckpointError as error:
        print(draft.exists(), error)
"""


def test_files_that_may_not_grow_are_told_in_one_line_by_both_writers(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, timeout=120, check=True
    )
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    assert all(line.startswith("False ") and "cannot be saved" in line for line in lines)


def test_a_fault_of_the_program_is_no_full_disk(tmp_path: Path) -> None:
    draft = checkpoint.new_draft(tmp_path, 6)
    with pytest.raises(RuntimeError, match="shapes differ"), checkpoint.one_line_errors(tmp_path, draft):
        raise RuntimeError("shapes differ")
