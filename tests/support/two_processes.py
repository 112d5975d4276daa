"""What two processes do in one test: started by torchrun, which is slow to start, they do all of it one after another.

torchrun --standalone --nproc-per-node 2 tests/support/two_processes.py FOLDER
"""

from __future__ import annotations

import errno
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.support.tiny_run import HookedConsole, same_mask_for_every_clip
from vaemo_clips.errors import UserError
from vaemo_train import cli
from vaemo_train.models import VAEmoForPreTraining
from vaemo_train.stage1 import run as run_module
from vaemo_train.stage1.recipe import Stage1Recipe
from vaemo_train.training.environment import rank

STEADY, MIXED, UNSAVED = "steady", "mixed", "unsaved"


def main(folder: Path) -> None:
    """Train alike, fail to save, find a folder taken, and train on mixed modalities by the command."""
    torch.set_num_threads(1)
    steady = Stage1Recipe.load(folder / "steady.yaml", num_processes=2)
    with pytest.MonkeyPatch.context() as patch, same_mask_for_every_clip():
        models = _kept_models(patch)
        run_module.train(steady, folder / "shards", folder / STEADY, console=HookedConsole())
        save_file(dict(models[0].named_parameters()), folder / f"weights-{rank()}.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        _fill_the_disk_of_process_1(patch)
        note(folder / f"unsaved-{rank()}.txt", lambda: run_module.train(steady, folder / "shards", folder / UNSAVED))
    note(folder / f"taken-{rank()}.txt", lambda: run_module.train(steady, folder / "shards", folder / STEADY))
    options = ["--data", folder / "mixed_shards", "--out", folder / MIXED, "--set", "length.max_steps=4"]
    sys.argv = ["vaemo-train", "stage1", "--recipe", *map(str, [folder / "mixed.yaml", *options])]
    cli.app(standalone_mode=False)


def _kept_models(patch: pytest.MonkeyPatch) -> list[VAEmoForPreTraining]:
    build, models = run_module.new_model, []

    def build_and_keep(recipe: Any) -> VAEmoForPreTraining:
        models.append(build(recipe))
        return models[-1]

    patch.setattr(run_module, "new_model", build_and_keep)
    return models


def _fill_the_disk_of_process_1(patch: pytest.MonkeyPatch) -> None:
    save = torch.save

    def full(content: Any, path: Any, *rest: Any) -> None:
        if str(path).endswith("rng_state_1.pth"):
            raise OSError(errno.ENOSPC, "No space left on device")
        save(content, path, *rest)

    patch.setattr(torch, "save", full)


def note(path: Path, act: Any) -> None:
    """Write down the error of `act`, which must have one."""
    try:
        act()
    except UserError as error:
        path.write_text(f"{type(error).__name__}: {error}")
    else:
        raise AssertionError("no error")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
