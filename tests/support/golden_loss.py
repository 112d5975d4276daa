"""The loss of 20 steps of a tiny model on structured clips: a curve that a change of the model must explain.

`python -m tests.support.golden_loss` writes it anew.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from torch import Tensor

from tests.support.tiny_vaemo import tiny_model

GOLDEN = Path(__file__).parents[1] / "train" / "golden" / "stage1_loss.json"
_STEPS = 20


def structured_batch(num_clips: int, seed: int) -> dict[str, Tensor]:
    """Clips in which a disc grows with the loudness of a chirp; nothing in them comes from a random generator."""
    clip = torch.arange(num_clips, dtype=torch.float64)[:, None] + 3.0 * seed
    time = torch.arange(256, dtype=torch.float64)[None] / 100
    loud = 0.5 + 0.5 * torch.sin(2 * math.pi * (1.0 + 0.37 * clip) * time + clip)  # (B, 256)
    band = torch.arange(128, dtype=torch.float64)
    pitch = 30 + 8 * torch.sin(clip) + 10 * time
    mel = loud[..., None] * torch.exp(-0.5 * ((band - pitch[..., None]) / 6) ** 2) * 4 - 1
    size = 6 + 20 * loud[:, 8::16]  # (B, 16)
    row, column = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    distance = torch.hypot(row - 32, column - 32).double()
    disc = torch.sigmoid((size[..., None, None] - distance) / 2) * 2 - 1
    # (B, 16, 64, 64) -> (B, 16, 3, 64, 64)
    colour = torch.tensor([1.0, 0.6, 0.3], dtype=torch.float64)
    video = disc[:, :, None] * colour[None, None, :, None, None]
    return {"pixel_values_videos": video.float(), "input_features": mel.float()}


def curve() -> dict[str, list[float]]:
    """Every part of the loss, step by step."""
    model = tiny_model(seed=0, is_fresh=True, loss_weights={"contrastive": 0.1})
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.95))
    values: dict[str, list[float]] = {}
    for step in range(_STEPS):
        out = model(**structured_batch(6, step % 4), batch_seed=step)
        out.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        for name, part in out.parts.items():
            values.setdefault(name, []).append(part.item())
    return values


if __name__ == "__main__":
    torch.set_num_threads(1)
    GOLDEN.parent.mkdir(exist_ok=True)
    rounded = {name: [round(value, 6) for value in part] for name, part in curve().items()}
    GOLDEN.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
    print(f"{GOLDEN}: {', '.join(f'{name} {part[0]:.3f} -> {part[-1]:.3f}' for name, part in rounded.items())}")
