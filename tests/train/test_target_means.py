"""Running means of the targets at each position."""

from __future__ import annotations

import torch

from vaemo_train.models.target_means import TargetMeans


def test_the_mean_is_over_the_real_tokens_of_each_position() -> None:
    means = TargetMeans(3, 1)
    index = torch.tensor([[0, 1], [0, 2]])
    means.update(index, torch.tensor([[[1.0], [5.0]], [[3.0], [9.0]]]), torch.tensor([[True, True], [True, False]]))
    assert means.mean_NP.flatten().tolist() == [2.0, 5.0, 0.0]
    means.update(torch.tensor([[0]]), torch.tensor([[[8.0]]]), torch.tensor([[True]]))
    assert means(torch.tensor([[0, 1]])).flatten().tolist() == [4.0, 5.0]


def test_an_old_mean_goes_on_moving() -> None:
    means = TargetMeans(1, 1)
    index = torch.zeros(1, 64, dtype=torch.long)
    for value in (0.0, 1.0):
        for _ in range(200):
            means.update(index, torch.full((1, 64, 1), value), torch.ones(1, 64, dtype=torch.bool))
    assert means.mean_NP.item() > 0.9
