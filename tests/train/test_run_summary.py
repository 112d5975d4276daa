"""The words at the end of a training: what to do next with what came of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.tiny_alignment import QUIET, Site
from tests.support.tiny_run import HookedConsole, tiny_shards, write_recipe
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.stage1.recipe import Stage1Recipe
from vaemo_train.stage1.run import train
from vaemo_train.training.record import RunFolder
from vaemo_train.training.run import RunSummary
from vaemo_train.training.run_command import summary_lines
from vaemo_train.training.stage import command_line


def test_the_next_commands_stand_beside_tensorboard(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    summary = RunSummary(folder, "done", 3, 3, 1.0, {}, None, None, ("vaemo-train this", "vaemo-train that"))
    assert list(summary_lines(summary))[-3:] == [
        f"next: tensorboard --logdir {folder.tensorboard}",
        "next: vaemo-train this",
        "next: vaemo-train that",
    ]


def test_a_command_can_be_typed_as_it_is_told() -> None:
    told = command_line("retrieve", model=Path("my runs/a"), data=Path("shards"), holdout=None)
    assert told == "vaemo-train retrieve --model 'my runs/a' --data shards"


@pytest.mark.parametrize("holdout", [None, "speaker=speaker_01"])
def test_after_stage_2_the_held_out_clips_are_looked_at(tmp_path: Path, holdout: str | None) -> None:
    site = Site.make(tmp_path / "site")
    out = tmp_path / "run"
    console = HookedConsole()
    changes = (*QUIET, "length.max_steps=1", "optim.warmup_share=0")
    summary = site.train(out, *changes, holdout=holdout, console=console)
    noted = any("says what stage 1 held out" in line for line in console.lines)
    assert noted is (holdout is not None), "the tiny encoder has no run; without a holdout nothing is looked at"
    only = "" if holdout is None else f" --holdout {holdout}"
    assert summary.next_commands == (
        f"vaemo-train retrieve --model {out} --data {site.shards} --captions {site.captions}{only}",
        f"vaemo-train zero-shot --model {out} --data {site.shards}{only}",
    )


def test_after_stage_1_comes_stage_2_with_the_same_clips_held_out(tmp_path: Path) -> None:
    shards = tiny_shards(tmp_path / "shards")
    recipe = Stage1Recipe.load(write_recipe(tmp_path / "r.yaml"), [*QUIET, "length.max_steps=1"])
    holdout = Holdout.parse("speaker=speaker_01,speaker_02")
    summary = train(recipe, shards, tmp_path / "run", holdout=holdout, console=HookedConsole())
    only = "--holdout speaker=speaker_01,speaker_02"
    assert summary.next_commands == (
        f"vaemo-train stage2 --init {tmp_path / 'run'} --data {shards} --captions CAPTIONS {only}",
    )
