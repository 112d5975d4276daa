"""The head's moments after a training: those of whole training clips, of each modality alone and beside the other."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from tests.support.tiny_classifier import tiny_classifier
from tests.support.tiny_run import tiny_shards
from vaemo_train.data.augment import Augment
from vaemo_train.data.dataset import EvenWindows
from vaemo_train.finetune.calibration import calibrate
from vaemo_train.shards.folder import ShardFolder


def test_whole_training_clips_are_standardised_by_the_calibrated_head(tmp_path: Path) -> None:
    folder = ShardFolder.open(tiny_shards(tmp_path, 12, modality=["both", "both", "audio"]))
    model, rows = tiny_classifier(audio_drop_ratio=0.5), np.arange(9)
    calibrate(model, folder, rows, "any", batch_size=4, bf16=False)
    batch = EvenWindows(folder, rows, 1)[(0, 0)]
    for place in range(1, 9):
        more = EvenWindows(folder, rows, 1)[(0, place)]
        batch = {name: torch.cat([batch[name], more[name]]) if name in more and batch[name].ndim else batch[name]
                 for name in batch}  # fmt: skip
    assert len(batch["sound"]) == 9
    inputs = Augment(image_size=64)({name: batch[name] for name in ("sound", "num_samples")})
    layers, layout = model.read(None, inputs["input_features"], None, inputs.get("audio_padding_mask"), {})
    assert layout.num_video == 0
    sound = layers[-1][1]
    assert sound is not None
    norm = model.classifier.norms[1][0]  # type: ignore[index]
    normed = norm(sound, torch.ones(9, dtype=torch.bool), torch.zeros(9, dtype=torch.bool))
    assert torch.allclose(normed.mean(dim=0), torch.zeros(normed.shape[1]), atol=1e-3)
    varied = sound.var(dim=0) > 1e-3
    assert torch.allclose(normed.std(dim=0, unbiased=False)[varied], torch.ones(int(varied.sum())), atol=2e-2)
    assert not torch.equal(norm.mean[0], norm.mean[1])  # beside pictures the upper blocks say something else
    assert not model.training
