"""What stage 2 begins with, and what is told where stage 1 may have seen the clips that are held out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from vaemo_clips.errors import CheckpointError
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.stage2.beginning import find_init, init_notes


def run_of(folder: Path, **identity: str | None) -> Path:
    """A run of stage 1 as far as this goes; returns its model."""
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "config.json").write_text("{}")
    if identity:
        (folder / "run.json").write_text(json.dumps({"identity": {"data": "0" * 64, **identity}}))
    return folder / "model"


def notes(init: Path | str, holdout: str | None) -> list[str]:
    return list(init_notes(init, None if holdout is None else Holdout.parse(holdout)))


def test_a_run_and_its_model_are_the_same_beginning(tmp_path: Path) -> None:
    model = run_of(tmp_path / "run", holdout="fold=1")
    assert find_init(str(tmp_path / "run")) == find_init(str(model)) == model
    assert find_init("vaemo-tiny") == "vaemo-tiny"
    with pytest.raises(CheckpointError, match="no model in it; give a run of an earlier stage or its model folder"):
        find_init(str(tmp_path))


@pytest.mark.parametrize(
    ("theirs", "ours", "told"),
    [
        ("fold=1", "fold=1", None),
        (None, None, None),
        ("fold=2", "fold=1", "with --holdout fold=2"),
        ("fold=2", None, "with --holdout fold=2"),
        (None, "fold=1", "without --holdout"),
    ],
)
def test_another_holdout_than_stage_1_had_is_told(
    tmp_path: Path, theirs: str | None, ours: str | None, told: str | None
) -> None:
    found = notes(run_of(tmp_path, holdout=theirs), ours)
    assert found == ([] if told is None else [
        f"note: stage 1 was trained {told}; clips that are held out here may have been seen there, without captions"
    ])  # fmt: skip


@pytest.mark.parametrize("record", [None, "{", "[]", '{"identity": {}}'])
def test_a_model_without_a_record_is_told_and_random_weights_have_seen_nothing(
    tmp_path: Path, record: str | None
) -> None:
    model = run_of(tmp_path)
    if record is not None:
        (tmp_path / "run.json").write_text(record)
    [note] = notes(model, "fold=1")
    assert note.startswith(f"note: no run.json beside {model} says what stage 1 held out")
    assert notes("vaemo-tiny", "fold=1") == []
