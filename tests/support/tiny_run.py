"""Trainings that are small enough for tests: a recipe, shards of moving blobs, and what a run left behind."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.support.synthetic_shards import write_shards
from vaemo_train.models import pretraining
from vaemo_train.models.masking import Mask
from vaemo_train.models.position_means import PositionMeans
from vaemo_train.shards.row import ShardSettings
from vaemo_train.training.checkpoint import checkpoint_path
from vaemo_train.training.console import TrainingConsole
from vaemo_train.training.record import RunFolder

TINY_RECIPE: dict[str, Any] = {
    "model": {
        "size": "vaemo-tiny",
        "decoder_hidden_size": 16,
        "decoder_num_layers": 1,
        "overrides": {
            "hidden_size": 32,
            "num_attention_heads": 2,
            "num_unimodal_layers": 1,
            "num_cross_layers": 1,
            "decoder_num_heads": 2,
            "projection_size": 8,
            "image_size": 64,
        },
    },
    "data": {"workers": 0},
    "batch": {"per_device": 3, "accumulate": 2},
    "length": {"max_steps": 6},
    "optim": {"base_lr": 0.02, "warmup_share": 0.2, "grad_clip": 1.0},
    "logging_steps": 2,
    "save_steps": 2,
    "monitor": {"every_steps": 3, "num_clips": 4},
    "figure": {"every_steps": 0},
    "precision": {"bf16": False},  # the same on every processor
}


STEADY: dict[str, Any] = {
    "model": {**TINY_RECIPE["model"], "target_share": 1.0, "within_probability": 0.0},
    "augment": {
        "random_crop": False,
        "flip_probability": 0.0,
        "brightness": 0.0,
        "contrast": 0.0,
        "saturation": 0.0,
        "gain_db": 0.0,
    },
    "optim": {"base_lr": 0.02, "warmup_share": 0.0, "grad_clip": 1.0},
    "loss": {"contrastive": 1.0},
    "length": {"max_steps": 4},
    "logging_steps": 1,
    "save_steps": 4,
    "monitor": {"every_steps": 0},
}
"""Nothing is left to chance but weights, windows and masks; for those see `same_mask_for_every_clip`."""


@contextmanager
def same_mask_for_every_clip() -> Iterator[None]:
    """Let a batch be cut in two: a clip is masked alike whatever batch it is in, the targets' means stay at 0."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("tube_mask", "random_mask"):
            patch.setattr(pretraining, name, partial(_one_mask, getattr(pretraining, name)))
        patch.setattr(PositionMeans, "update", lambda *_: None)
        patch.setattr(PositionMeans, "_take_variance", lambda *_: None)
        yield


def _one_mask(real: Callable[..., Mask], batch_size: int, *rest: Any) -> Mask:
    *shape, _, padding = rest
    assert padding is None
    one = real(1, *shape, torch.Generator().manual_seed(0), None)
    return Mask(one.visible_BV.expand(batch_size, -1), None, one.is_masked_BN.expand(batch_size, -1))


@torch.no_grad()
def trained_apart(
    first: Mapping[str, torch.Tensor], second: Mapping[str, torch.Tensor], begin: Mapping[str, torch.Tensor]
) -> float:
    """How far two trainings from the same weights came apart, as a share of how far the second went."""
    apart = sum(float((first[name] - second[name]).square().sum()) for name in begin)
    gone = sum(float((second[name] - begin[name]).square().sum()) for name in begin)
    return float((apart / gone) ** 0.5)


def write_recipe(path: Path, **sections: Any) -> Path:
    """Write the tiny recipe, with whole sections in place of its own."""
    path.write_text(yaml.safe_dump({**TINY_RECIPE, **sections}), encoding="utf-8")
    return path


def tiny_shards(folder: Path, num_clips: int = 20, **options: Any) -> Path:
    """Write shards of short clips of 64 px."""
    return write_shards(folder, num_clips, settings=ShardSettings(size_px=64), **{"seconds": 2.7, **options})


class HookedConsole(TrainingConsole):
    """Silent; keeps its lines, and calls `on_step` after each step."""

    def __init__(self, on_step: Callable[[int], None] | None = None) -> None:
        super().__init__(silent=True)
        self.lines: list[str] = []
        self._on_step = on_step

    def announce(self, *lines: str) -> None:
        """Keep the lines."""
        self.lines += lines

    def show_step(self, step: int) -> None:
        """Call the hook."""
        if self._on_step is not None:
            self._on_step(step)


def logged(out: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl, without the speed."""
    lines = RunFolder(out).metrics.read_text(encoding="utf-8").splitlines()
    return [{name: value for name, value in json.loads(line).items() if name != "clips_per_s"} for line in lines]


def state_of(out: Path, step: int) -> dict[str, torch.Tensor]:
    """Weights and optimizer state of a checkpoint, by name."""
    folder = checkpoint_path(RunFolder(out).checkpoints, step)
    optimizer = torch.load(folder / "optimizer.pt", weights_only=True)["state"]
    moments = {f"{key}.{name}": value for key, state in optimizer.items() for name, value in state.items()}
    return load_file(folder / "model.safetensors") | moments


def same_state(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Whether all tensors are equal to the bit."""
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
