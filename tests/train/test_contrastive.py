"""InfoNCE: its value by hand, who is a negative, and two processes that equal one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.multiprocessing.spawn import spawn
from torch.nn.functional import normalize

from vaemo_train.contrastive import info_nce, overlapping


def _unit(rows: int, seed: int, width: int = 8) -> Tensor:
    return normalize(
        torch.randn(rows, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64), dim=1
    )


def test_the_loss_of_two_orthogonal_pairs_is_known() -> None:
    contrast = info_nce(torch.eye(2), torch.eye(2), 0.5)
    assert contrast.loss.item() == pytest.approx(math.log(1 + math.exp(-2.0)))
    assert (contrast.top1.item(), contrast.chance.item(), contrast.pairs.item()) == (1.0, 0.5, 2)


def test_equal_vectors_cost_what_guessing_costs() -> None:
    same = torch.ones(5, 4) / 2
    assert info_nce(same, same, 0.07).loss.item() == pytest.approx(math.log(5))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(2, 9))
def test_the_order_of_clips_does_not_matter(seed: int, rows: int) -> None:
    video, audio = _unit(rows, seed), _unit(rows, seed + 1)
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(
        info_nce(video, audio, 0.1).loss, info_nce(video[order], audio[order], 0.1).loss, check_dtype=False
    )


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_clip_that_lacks_a_modality_changes_nothing_for_the_others(seed: int) -> None:
    video, audio = _unit(6, seed), _unit(6, seed + 1)
    is_pair = torch.tensor([True, True, False, True, False, True])
    mixed = info_nce(video, audio, 0.1, is_pair_B=is_pair)
    alone = info_nce(video[is_pair], audio[is_pair], 0.1)
    torch.testing.assert_close(mixed.loss, alone.loss)
    torch.testing.assert_close(mixed.chance, alone.chance)
    assert mixed.pairs == 4


def test_only_overlapping_windows_of_one_clip_are_excused() -> None:
    clip = torch.tensor([7, 7, 7, 8])
    begin_s = torch.tensor([0.0, 1.0, 2.56, 0.0], dtype=torch.float64)
    near = overlapping(clip, begin_s, clip, begin_s, 2.56)
    assert near.tolist() == [
        [True, True, False, False],
        [True, True, True, False],
        [False, True, True, False],
        [False, False, False, True],
    ]
    same = torch.ones(4, 4) / 2
    loss = info_nce(same, same, 0.07, clip_B=clip, begin_s_B=begin_s, window_s=2.56).loss
    # Window 0 sees itself, the disjoint window and the other clip; window 1 itself and the other clip; and so on.
    assert loss.item() == pytest.approx((math.log(3) + math.log(2) + math.log(3) + math.log(4)) / 4)


def _joint(video: Tensor, audio: Tensor, is_pair: Tensor, clip: Tensor, begin_s: Tensor) -> tuple[Tensor, Tensor]:
    weight = torch.eye(8, dtype=torch.float64, requires_grad=True)
    loss = info_nce(
        normalize(video @ weight, dim=1), normalize(audio @ weight, dim=1), 0.1,
        is_pair_B=is_pair, clip_B=clip, begin_s_B=begin_s, window_s=2.56,
    ).loss  # fmt: skip
    loss.backward()
    assert weight.grad is not None
    return loss.detach(), weight.grad


def _batch() -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    is_pair = torch.tensor([True, True, False, True, True, True, True, True])
    clip = torch.tensor([0, 1, 2, 3, 0, 5, 6, 7])  # one clip is in both processes, its windows overlap
    begin_s = torch.tensor([0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    return _unit(8, 1), _unit(8, 2), is_pair, clip, begin_s


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    half = slice(4 * rank, 4 * rank + 4)
    loss, gradient = _joint(*(part[half] for part in _batch()))
    for value in (loss, gradient):  # the mean over processes, as DistributedDataParallel takes it
        dist.all_reduce(value)
        value /= 2
    if rank == 0:
        torch.save((loss, gradient), f"{folder}/joint.pt")
    dist.destroy_process_group()


def test_two_processes_give_the_loss_and_the_gradient_of_one(tmp_path: Path) -> None:
    spawn(_process, args=(str(tmp_path),), nprocs=2)
    loss, gradient = torch.load(tmp_path / "joint.pt")
    whole_loss, whole_gradient = _joint(*_batch())
    torch.testing.assert_close(loss, whole_loss)
    torch.testing.assert_close(gradient, whole_gradient)
