"""The losses of stage 1: by hand, and as a curve that was written down."""

from __future__ import annotations

import json

import pytest
import torch

from tests.support.golden_loss import GOLDEN, curve
from tests.support.tiny_vaemo import tiny_config
from vaemo_train.reconstruction import normalised, token_errors, total_loss, video_targets, weighted_mean


def test_targets_are_normalised_token_by_token() -> None:
    target = normalised(torch.tensor([[[1.0, 3.0], [10.0, 30.0]]]), 0.1)
    torch.testing.assert_close(target, torch.tensor([[[-1.0, 1.0], [-1.0, 1.0]]]))


def test_a_flat_token_is_not_stretched_into_noise() -> None:
    target = normalised(torch.tensor([[[0.01, -0.01]]]), 0.1)
    torch.testing.assert_close(target, torch.tensor([[[0.1, -0.1]]]))


def test_motion_is_the_difference_of_the_pictures_of_a_tubelet() -> None:
    config = tiny_config(motion_std_floor=1.0)
    first = torch.rand(1, 1, 3 * 256)
    second = first.clone()
    second[..., 0] += 0.5
    target = video_targets(torch.cat([first, second], dim=2), config)
    motion = target[0, 0, config.num_pixels :]
    assert target.shape[2] == config.num_pixels + config.num_motion
    assert motion[0].item() == pytest.approx(0.5 * (1 - 1 / 768), rel=1e-4)
    assert motion[1:].abs().max() < 1e-3


def test_a_token_of_no_weight_may_hold_anything() -> None:
    error = token_errors(torch.tensor([[[1.0], [float("nan")]]]), torch.tensor([[[3.0], [0.0]]]))
    assert weighted_mean(error, torch.tensor([[1.0, 0.0]])).item() == 4.0


def test_the_total_is_the_weighted_sum_of_what_there_is() -> None:
    parts = {"audio": torch.tensor(2.0), "contrastive": torch.tensor(3.0)}
    assert total_loss(parts, {"audio": 1.0, "contrastive": 0.1, "video_pixels": 1.0}).item() == pytest.approx(2.3)


def test_twenty_steps_follow_the_curve_that_was_written_down() -> None:
    """If a change of the model is meant, write it anew: python -m tests.support.golden_loss."""
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    found = curve()
    assert found.keys() == golden.keys()
    for name, values in golden.items():
        assert found[name] == pytest.approx(values, rel=2e-3), name
        assert name == "contrastive" or values[-1] < 0.97 * values[0], "it learns"
