"""The control of stage 2 on speech: the encoder predicts the measured cues themselves, not their words.

B clips, C cues, D width of the encoder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from datasets import load_from_disk
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers.optimization import get_cosine_with_min_lr_schedule_with_warmup

from vaemo_train.data.augment import Augment
from vaemo_train.data.dataset import WindowDataset
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.models import VAEmoModel
from vaemo_train.models.masking import random_mask
from vaemo_train.models.patches import audio_token_padding
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.stage2.recipe import Stage2Recipe
from vaemo_train.training.environment import resolve_bf16
from vaemo_train.training.optimizer import decay_groups
from vaemo_train.training.stream import BatchStream


class CueHead(nn.Module):
    """Cues from the mean of the sound's tokens; `cues` (C,) are standardised."""

    def __init__(self, encoder: VAEmoModel, num_cues: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.norm = nn.LayerNorm(encoder.config.hidden_size)
        self.head = nn.Linear(encoder.config.hidden_size, num_cues)

    def forward(self, features: dict[str, Tensor], audio_mask: float, generator: torch.Generator) -> Tensor:
        """(B, C) cues of clips whose sound is hidden to a share `audio_mask`, as in stage 2."""
        config, mel_BFM = self.encoder.config, features["input_features"]
        padding = features.get("audio_padding_mask")
        padding_BN = None if padding is None else audio_token_padding(padding, config)
        mask = random_mask(len(mel_BFM), config.num_audio_tokens, audio_mask, generator, padding_BN)
        encoded = self.encoder(
            input_features=mel_BFM, audio_visible=mask.visible_BV, audio_unused=mask.is_unused_BV, scope="within"
        )
        cues: Tensor = self.head(self.norm(encoded.audio_embeds.float()))
        return cues


def train_on_cues(
    recipe: Stage2Recipe, data: Path, captions: Path, model: Path, holdout: Holdout, seed: int
) -> VAEmoModel:
    """Train as long, as fast and on the same clips as stage 2 would; the squared error of the standardised cues."""
    folder = ShardFolder.open(data)
    rows = np.flatnonzero(~holdout.mask(folder.rows))
    cues_RC, is_known_RC = _cues(captions, folder, rows)
    torch.manual_seed(seed)
    net = CueHead(VAEmoModel.from_pretrained(model), cues_RC.shape[1]).train()
    augment = Augment(recipe.augment, net.encoder.config.image_size, net.encoder.config.log_mel_mean,
                      net.encoder.config.log_mel_std)  # fmt: skip
    stream = BatchStream(WindowDataset(folder, rows, seed=seed), recipe.batch.per_device, seed=seed)
    total = recipe.total_steps(stream.batches_per_epoch)
    optimizer, schedule = _optimizer(net, recipe, total, recipe.warmup_steps(stream.batches_per_epoch))
    bf16 = resolve_bf16(recipe)
    for step, batch in enumerate(stream):
        if step == total:
            break
        number = int(batch["batch_seed"])
        features = augment(batch, torch.Generator().manual_seed((number + 2) % 2**63))
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            predicted_BC = net(features, recipe.mask.audio, torch.Generator().manual_seed(number % 2**63))
        chosen = batch["row_number"].numpy()
        is_known_BC = torch.from_numpy(is_known_RC[chosen])
        error_BC = (predicted_BC - torch.from_numpy(cues_RC[chosen])).square() * is_known_BC
        (error_BC.sum() / is_known_BC.sum().clamp(min=1)).backward()
        nn.utils.clip_grad_norm_(net.parameters(), recipe.optim.grad_clip or float("inf"))
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    stream.close()
    encoder: VAEmoModel = net.encoder.eval()
    return encoder


def _optimizer(
    net: CueHead, recipe: Stage2Recipe, num_steps: int, num_warmup: int
) -> tuple[torch.optim.Optimizer, Any]:
    """As stage 2 has it: the encoder at its share of the rate."""
    settings, lr = recipe.optim, recipe.peak_lr(1)
    old = {id(weight) for weight in net.encoder.parameters()}
    groups = [
        {"params": [one for one in weights if (id(one) in old) == is_old], "weight_decay": decay, "lr": rate}
        for weights, decay in zip(decay_groups(net), (settings.weight_decay, 0.0), strict=True)
        for is_old, rate in ((True, lr * settings.encoder_lr_share), (False, lr))
    ]
    optimizer = torch.optim.AdamW(groups, lr=lr, betas=settings.betas, fused=True)
    return optimizer, get_cosine_with_min_lr_schedule_with_warmup(
        optimizer, num_warmup, num_steps, min_lr_rate=settings.final_lr_share
    )


def _cues(
    captions: Path, folder: ShardFolder, rows: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Cues of all rows (R, C), standardised over `rows`, 0 where unknown; and which are known.

    Each as it was measured, against people and against the speaker's other clips, as the captions have it.
    """
    dataset: Any = load_from_disk(str(captions / "dataset"))
    by_clip = {
        clip_id: {
            f"{cue['name']} {key}": cue[key]
            for cue in cues
            for key in ("value", "population_sd", "speaker_sd")
            if cue[key] is not None
        }
        for clip_id, cues in zip(dataset["clip_id"], dataset["cues"], strict=True)
    }
    names = sorted({name for cues in by_clip.values() for name in cues})
    ids = folder.rows["clip_id"].to_pylist()
    values = np.array([[by_clip.get(clip_id, {}).get(name, np.nan) for name in names] for clip_id in ids])
    mean, deviation = np.nanmean(values[rows], axis=0), np.nanstd(values[rows], axis=0)
    varies = deviation > 1e-9
    scaled = (values[:, varies] - mean[varies]) / deviation[varies]
    # A cue with a long tail would own the loss.
    return np.nan_to_num(scaled.clip(-4, 4)).astype(np.float32), ~np.isnan(scaled)
