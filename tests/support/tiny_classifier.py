"""A classifier that is small enough for tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from tests.support.tiny_vaemo import tiny_config, tiny_model
from vaemo_train.models.classification import CLASSIFICATION, VAEmoForClassification


def tiny_classifier(
    names: tuple[str, ...] = ("anger", "joy", "rest"), seed: int = 0, **overrides: Any
) -> VAEmoForClassification:
    """The tiny encoder with a head of random weights (a new one says nothing of any clip), in eval mode."""
    torch.manual_seed(seed)
    labels = {"id2label": dict(enumerate(names)), "label2id": {name: place for place, name in enumerate(names)}}
    model = VAEmoForClassification(tiny_config(**{"problem_type": CLASSIFICATION, **labels, **overrides}))
    for linear in model.classifier.linear:
        assert isinstance(linear, torch.nn.Linear)
        torch.nn.init.normal_(linear.weight, std=0.1)
    model.eval()
    return model


def tiny_encoder_folder(folder: Path, seed: int = 0, **overrides: Any) -> Path:
    """Save a model of stage 1 that has learned nothing; return its folder."""
    tiny_model(seed, **overrides).save_pretrained(folder)
    return folder
