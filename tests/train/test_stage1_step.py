"""The benchmark of a training step counts what the encoder multiplies."""

from __future__ import annotations

import argparse

from benchmarks import stage1_step

from vaemo_train.models import VAEmoConfig, VAEmoForPreTraining


def test_flops_of_the_lower_blocks_are_those_of_the_formula_on_a_cpu_too() -> None:
    """A block of width D over N tokens: 24 N D^2 in its matrices (MLP four times as wide), 4 N^2 D in attention."""
    config = VAEmoConfig.of_size("vaemo-tiny")
    options = argparse.Namespace(batch_size=1, device="cpu")
    found = stage1_step._flops(VAEmoForPreTraining(config), stage1_step._inputs(config, options), options)
    width, video, audio = config.hidden_size, 80, 26  # a tenth of 800 and a fifth of 128 are visible
    matrices = 24 * (video + audio) * width**2
    attention = 4 * (video**2 + audio**2) * width
    assert found["vaemo.lower"] == config.num_unimodal_layers * (matrices + attention)
