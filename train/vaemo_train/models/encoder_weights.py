"""The encoder of a saved model, whatever it was trained for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from vaemo_clips.errors import CheckpointError
from vaemo_train.models.config import SIZES, VAEmoConfig
from vaemo_train.models.encoder import VAEmoModel
from vaemo_train.models.stage1_weights import stage1_config

_PREFIX = f"{VAEmoModel.base_model_prefix}."


def encoder_config(source: str | Path, **overrides: Any) -> VAEmoConfig:
    """The configuration of a model's folder, or of a size by its name, with `overrides`. Raises CheckpointError."""
    if isinstance(source, str) and source in SIZES:
        return VAEmoConfig.of_size(source, **overrides)
    return VAEmoConfig.from_dict({**stage1_config(Path(source)).to_dict(), **overrides})


def encoder_weights(source: str | Path, config: VAEmoConfig) -> dict[str, Tensor] | None:
    """The encoder's weights by name, None for a size. Raises CheckpointError where they are damaged or do not fit."""
    if isinstance(source, str) and source in SIZES:
        return None
    path = Path(source) / "model.safetensors"
    try:
        found = load_file(path)
    except (OSError, ValueError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({' '.join(str(error).split())}); give another run or checkpoint"
        ) from error
    bare = not any(name.startswith(_PREFIX) for name in found)  # a VAEmoModel saved by itself
    weights = {name.removeprefix(_PREFIX): value for name, value in found.items() if bare or name.startswith(_PREFIX)}
    wanted = _check_shapes(path, config, {name: tuple(value.shape) for name, value in weights.items()})
    return {name: weights[name] for name in wanted}


def check_encoder(source: str | Path) -> None:
    """Look at the names and sizes in a model's file, and at none of its weights. Raises CheckpointError."""
    if isinstance(source, str) and source in SIZES:
        return
    path = Path(source) / "model.safetensors"
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({' '.join(str(error).split())}); give another run or checkpoint"
        ) from error
    bare = not any(name.startswith(_PREFIX) for name in shapes)
    own = {name.removeprefix(_PREFIX): shape for name, shape in shapes.items() if bare or name.startswith(_PREFIX)}
    _check_shapes(path, encoder_config(source), own)


def _check_shapes(path: Path, config: VAEmoConfig, shapes: Mapping[str, tuple[int, ...]]) -> list[str]:
    """The names of an encoder of this configuration. Raises CheckpointError for one that is missing or differs."""
    with torch.device("meta"):
        wanted = nn.Module.state_dict(VAEmoModel(config))
    missing = [name for name, value in wanted.items() if shapes.get(name) != tuple(value.shape)]
    if missing:
        raise CheckpointError(
            f"{path} has no encoder of this shape: {missing[0]} is missing or of another size, as are "
            f"{len(missing) - 1} more; give a run of `vaemo-train stage1`, `stage2` or `finetune`"
        )
    return list(wanted)
