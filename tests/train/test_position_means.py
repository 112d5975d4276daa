"""Running means of the values at each position."""

from __future__ import annotations

import torch

from vaemo_train.models.position_means import PositionMeans


def test_the_mean_is_over_the_real_tokens_of_each_position() -> None:
    means = PositionMeans(3, 1)
    index = torch.tensor([[0, 1], [0, 2]])
    means.update(index, torch.tensor([[[1.0], [5.0]], [[3.0], [9.0]]]), torch.tensor([[True, True], [True, False]]))
    assert means.mean_NP.flatten().tolist() == [2.0, 5.0, 0.0]
    means.update(torch.tensor([[0]]), torch.tensor([[[8.0]]]), torch.tensor([[True]]))
    assert means(torch.tensor([[0, 1]])).flatten().tolist() == [4.0, 5.0]


def test_an_old_mean_goes_on_moving() -> None:
    means = PositionMeans(1, 1)
    index = torch.zeros(1, 64, dtype=torch.long)
    for value in (0.0, 1.0):
        for _ in range(200):
            means.update(index, torch.full((1, 64, 1), value), torch.ones(1, 64, dtype=torch.bool))
    assert means.mean_NP.item() > 0.9


def test_tokens_are_brought_to_unit_variance_once_the_statistics_stand() -> None:
    chance = torch.Generator().manual_seed(0)
    means = PositionMeans(4, 8)
    offset = torch.arange(4.0)[None, :, None]
    for _ in range(300):
        means.standardised(0.2 * torch.randn(16, 4, 8, generator=chance) + offset, None, None)
    means.eval()
    found = means.standardised(0.2 * torch.randn(64, 4, 8, generator=chance) + offset, None, None)
    torch.testing.assert_close(found.std(), torch.tensor(1.0), atol=0.05, rtol=0)
    torch.testing.assert_close(found.mean(dim=(0, 2)), torch.zeros(4), atol=0.15, rtol=0)
    before = means.mean_NP.clone()
    means.standardised(torch.full((1, 4, 8), 9.0), None, None)
    assert torch.equal(means.mean_NP, before), "evaluation changes nothing"


def test_padding_takes_no_part() -> None:
    means = PositionMeans(2, 1)
    means.standardised(torch.tensor([[[3.0], [99.0]]]), None, torch.tensor([[False, True]]))
    assert means.mean_NP.flatten().tolist() == [3.0, 0.0]
    assert means.variance.item() == 9.0
