"""The weights and the configuration of a stage-1 model, for a model that goes on from them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vaemo_clips.errors import CheckpointError
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.pretraining import VAEmoForPreTraining

_FILES = ("config.json", "model.safetensors")


def stage1_weights(
    source: VAEmoForPreTraining | str | Path, overrides: dict[str, Any]
) -> tuple[VAEmoConfig, dict[str, Tensor]]:
    """The configuration with `overrides`, and the weights by name, of a stage-1 model or of its folder.

    Weights of a loss that `overrides` do not name stay as they were; what only stage 2 has is left out. Raises
    CheckpointError for a folder without a model, a damaged file, or one that lacks weights of a stage-1 model or has
    them in other shapes.
    """
    if isinstance(source, VAEmoForPreTraining):
        config, weights = source.config, source.state_dict()
    else:
        config, weights = _read(Path(source))
    changed = dict(overrides)
    if "loss_weights" in changed:
        changed["loss_weights"] = {**(config.loss_weights or {}), **(changed["loss_weights"] or {})}
    config = VAEmoConfig.from_dict({**config.to_dict(), **changed})
    if not isinstance(source, VAEmoForPreTraining):
        _check(Path(source), config, weights)
    return config, {name: value for name, value in weights.items() if not name.startswith("alignment.")}


def _read(folder: Path) -> tuple[VAEmoConfig, dict[str, Tensor]]:
    missing = [name for name in _FILES if not (folder / name).is_file()]
    if missing:
        raise CheckpointError(
            f"{folder} has no {' and no '.join(missing)}; give the folder `model` of a stage-1 run, or a checkpoint"
        )
    config = stage1_config(folder)
    try:
        return config, load_file(folder / "model.safetensors")
    except (OSError, ValueError, SafetensorError) as error:
        raise _unreadable(folder, error) from error


def stage1_config(folder: Path) -> VAEmoConfig:
    """The configuration of a model in its folder. Raises CheckpointError for a damaged one, or another kind's."""
    try:
        content = json.loads((folder / _FILES[0]).read_text(encoding="utf-8"))
        kind = content.get("model_type") if isinstance(content, dict) else None
        if kind != VAEmoConfig.model_type:
            raise ValueError(f"config.json is of model_type {kind}, not {VAEmoConfig.model_type}")
        return VAEmoConfig.from_pretrained(folder)
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(folder, error) from error


def _unreadable(folder: Path, error: Exception) -> CheckpointError:
    return CheckpointError(
        f"{folder} cannot be read as a model ({' '.join(str(error).split())}); give another checkpoint"
    )


def _check(folder: Path, config: VAEmoConfig, weights: dict[str, Tensor]) -> None:
    """Compare the names and shapes of weights with those of a stage-1 model of this configuration."""
    with torch.device("meta"):
        wanted = nn.Module.state_dict(VAEmoForPreTraining(config))
    missing = [name for name in wanted if name not in weights]
    if missing:
        raise CheckpointError(
            f"{folder} lacks {len(missing)} weights of a stage-1 model, {missing[0]} among them; give the folder "
            "`model` of a stage-1 run, or a checkpoint"
        )
    for name, value in wanted.items():
        if value.shape != weights[name].shape:
            raise CheckpointError(
                f"{folder}: {name} is {tuple(weights[name].shape)}, and the settings make it {tuple(value.shape)}; "
                "leave the shapes of the model as stage 1 had them"
            )
