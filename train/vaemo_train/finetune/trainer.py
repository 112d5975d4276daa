"""The loop of fine-tuning: batches with labels, mixed, and slower rates further down."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vaemo_train.data.batch import Batch
from vaemo_train.finetune.mixup import Mixup
from vaemo_train.finetune.recipe import DownstreamOptimSettings, FinetuneRecipe
from vaemo_train.models.classification import VAEmoForClassification
from vaemo_train.models.downstream_loss import class_targets
from vaemo_train.protocol.targets import Targets
from vaemo_train.training.optimizer import decay_groups
from vaemo_train.training.trainer import StageTrainer


class FinetuneTrainer(StageTrainer):
    """Gives each row of a batch its label; what is random besides is drawn by the batch's seed too."""

    _recipe: FinetuneRecipe

    def __init__(self, *args: Any, recipe: FinetuneRecipe, targets: Targets, **services: Any) -> None:
        self._labels = torch.from_numpy(targets.values)
        self._num_names = len(targets.names)
        super().__init__(*args, recipe=recipe, **services)

    def change_features(self, features: Batch, inputs: Batch, seed: int) -> Batch:
        """Mix the clips of a batch; the model draws from seed and seed + 1, the augmentation from seed + 2."""
        torch.manual_seed((seed + 4) % 2**63)  # for blocks that are skipped and the head's dropout
        mixup = self._mixup(inputs, seed)
        return features if mixup is None else mixup.of_features(features)

    def more_inputs(self, inputs: Batch, seed: int) -> dict[str, Any]:
        """The labels of the rows, mixed as the clips are."""
        labels = self._labels[inputs["row_number"]].to(self.args.device, non_blocking=True)
        target_BC: Tensor = class_targets(labels, self._num_names)
        mixup = self._mixup(inputs, seed)
        return {"labels": target_BC if mixup is None else mixup.of_targets(target_BC)}

    def _mixup(self, inputs: Batch, seed: int) -> Mixup | None:
        generator = torch.Generator().manual_seed((seed + 3) % 2**63)
        return Mixup.draw(self._recipe.mixup, len(inputs["row_number"]), generator)

    def make_optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """AdamW with a rate for each depth; matrices alone shrink."""
        assert isinstance(model, VAEmoForClassification)
        settings, lr = self._recipe.optim, self.args.learning_rate
        return torch.optim.AdamW(layer_groups(model, settings, lr), lr=lr, betas=settings.betas, fused=True)


def layer_groups(
    model: VAEmoForClassification, settings: DownstreamOptimSettings, peak_lr: float
) -> list[dict[str, Any]]:
    """The parameters that are trained, by rate and weight decay, as an optimizer takes them."""
    depths, top = depth_of(model)
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameters, decay in zip(decay_groups(model), (settings.weight_decay, 0.0), strict=True):
        for parameter in parameters:
            depth = depths[id(parameter)]
            rate = settings.head_lr if depth > top else settings.layer_decay ** (top - depth)
            groups.setdefault((peak_lr * rate, decay), []).append(parameter)
    return [{"params": found, "lr": rate, "weight_decay": decay} for (rate, decay), found in groups.items()]


def depth_of(model: VAEmoForClassification) -> tuple[dict[int, int], int]:
    """How deep each parameter lies, by its id, and the depth of the encoder's top.

    0 is the embedding, 1 the first block (Bao et al. 2022, BEiT, appendix: layer-wise decay); the last norm is as deep
    as the last block's output, the top, and the head lies above it.
    """
    encoder = model.vaemo
    blocks = [*encoder.lower, *encoder.upper]
    top = len(blocks)
    depths = {id(parameter): 0 for parameter in encoder.embedding.parameters()}
    for depth, block in enumerate(blocks, 1):
        depths |= {id(parameter): depth for parameter in block.parameters()}
    depths |= {id(parameter): top for parameter in encoder.norm.parameters()}
    depths |= {id(parameter): top + 1 for parameter in model.classifier.parameters()}
    return depths, top


def freeze(model: VAEmoForClassification, what: str) -> None:
    """Leave "nothing", "lower" (embedding and blocks within a modality) or the whole "encoder" as it is."""
    encoder = model.vaemo
    frozen: dict[str, tuple[nn.Module, ...]] = {
        "nothing": (),
        "lower": (encoder.embedding, encoder.lower),
        "encoder": (encoder,),
    }
    for part in frozen[what]:
        part.requires_grad_(False)
