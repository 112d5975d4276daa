"""The loop of stage 2: batches with descriptions, and a slower rate for the encoder."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from vaemo_train.data.batch import Batch
from vaemo_train.models.alignment import VAEmoForCaptionAlignment
from vaemo_train.stage2.caption_table import CaptionTable
from vaemo_train.stage2.recipe import Stage2Recipe
from vaemo_train.training.optimizer import decay_groups
from vaemo_train.training.trainer import StageTrainer


class Stage2Trainer(StageTrainer):
    """Gives each row of a batch one of its descriptions a path."""

    _recipe: Stage2Recipe

    def __init__(self, *args: Any, recipe: Stage2Recipe, table: CaptionTable, **services: Any) -> None:
        self._table = table
        super().__init__(*args, recipe=recipe, **services)

    def more_inputs(self, inputs: Batch, seed: int) -> dict[str, Any]:
        """Descriptions, drawn from seed + 3 (the model and the augmentation draw from those below), and speakers."""
        generator = torch.Generator().manual_seed((seed + 3) % 2**63)
        described = self._table.of_rows(inputs["row_number"], generator).as_inputs()
        device = self.args.device
        inputs_of_text: dict[str, Any] = {
            name: {path: value.to(device, non_blocking=True) for path, value in values.items()}
            for name, values in described.items()
        }
        speakers_B = self._table.speakers_of(inputs["row_number"])
        if speakers_B is None:
            return inputs_of_text
        return inputs_of_text | {"speaker_number": speakers_B.to(device, non_blocking=True)}

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """AdamW with `encoder_lr_share` of the rate for all that stage 1 has trained; at 0 that is frozen."""
        assert isinstance(model, VAEmoForCaptionAlignment)
        settings, lr = self._recipe.optim, self.args.learning_rate
        new = {id(parameter) for parameter in model.alignment.parameters()}
        groups = []
        for parameters, decay in zip(decay_groups(model), (settings.weight_decay, 0.0), strict=True):
            for is_new, rate in ((True, lr), (False, lr * settings.encoder_lr_share)):
                chosen = [parameter for parameter in parameters if (id(parameter) in new) == is_new]
                if chosen:
                    groups.append({"params": chosen, "weight_decay": decay, "lr": rate})
        return torch.optim.AdamW(groups, lr=lr, betas=settings.betas, fused=True)
