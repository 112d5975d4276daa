"""A file is written whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from vaemo_clips.whole_file import write_text


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target, synced = tmp_path / "done.json", []
    plain_fsync, plain_replace = os.fsync, Path.replace

    def fsync(file: int) -> None:
        plain_fsync(file)
        synced.append((os.fstat(file).st_ino, os.fstat(file).st_size, target.exists()))

    def replace(draft: Path, path: Path) -> Path:
        assert synced == [(draft.stat().st_ino, 5, False)]
        return plain_replace(draft, path)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_text(target, "whole")
    assert len(synced) == 1
    assert target.read_text() == "whole"


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_a_full_disk_leaves_the_older_file_and_no_draft(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    target = tmp_path / "done.json"
    write_text(target, "old")
    monkeypatch.setattr(*((os, "fsync", full) if moment == "fsync" else (Path, "replace", full)))
    with pytest.raises(OSError, match="No space left"):
        write_text(target, "new")
    assert [path.name for path in tmp_path.iterdir()] == ["done.json"]
    assert target.read_text() == "old"
