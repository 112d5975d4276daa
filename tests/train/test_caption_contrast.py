"""InfoNCE between clips and descriptions: its value by hand and by a plain sum, who is a positive, two processes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.multiprocessing.spawn import spawn
from torch.nn.functional import normalize

from vaemo_train.contrastive import Contrast, _likeness, caption_info_nce, info_nce


def _unit(rows: int, seed: int, width: int = 8) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return normalize(torch.randn(rows, width, generator=chance, dtype=torch.float64), dim=1)


def _all(rows: int) -> Tensor:
    return torch.ones(rows, dtype=torch.bool)


def _contrast(clip: Tensor, text: Tensor, scale: float = 10.0, **given: Any) -> Contrast:
    plain = {"is_pair_B": _all(len(clip)), "text_id_B": torch.arange(len(clip))}
    return caption_info_nce(clip, text, torch.tensor(scale), **{**plain, **given})


def test_the_loss_of_two_orthogonal_pairs_is_known() -> None:
    contrast = _contrast(torch.eye(2), torch.eye(2), 2.0)
    assert contrast.loss.item() == pytest.approx(math.log(1 + math.exp(-2.0)))
    assert (contrast.top1.item(), contrast.chance.item(), contrast.pairs.item()) == (1.0, 0.5, 2)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(2, 9))
def test_texts_that_all_differ_give_plain_info_nce(seed: int, rows: int) -> None:
    clip, text = _unit(rows, seed), _unit(rows, seed + 1)
    is_pair = torch.rand(rows, generator=torch.Generator().manual_seed(seed)) < 0.7
    found, plain = _contrast(clip, text, 1 / 0.07, is_pair_B=is_pair), info_nce(clip, text, 0.07, is_pair_B=is_pair)
    torch.testing.assert_close(found.loss, plain.loss, check_dtype=False)
    torch.testing.assert_close(found.top1, plain.top1)
    torch.testing.assert_close(found.chance, plain.chance)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31), rows=st.integers(2, 9), soft_share=st.sampled_from([0.0, 0.3, 1.0]))
def test_the_order_of_clips_does_not_matter(seed: int, rows: int, soft_share: float) -> None:
    clip, text, likeness = _unit(rows, seed), _unit(rows, seed + 1), _unit(rows, seed + 2)
    chance = torch.Generator().manual_seed(seed)
    text_id, clip_number = (torch.randint(3, (rows,), generator=chance) for _ in range(2))
    is_pair, order = torch.rand(rows, generator=chance) < 0.7, torch.randperm(rows, generator=chance)
    losses = [
        _contrast(
            clip[rows], text[rows], is_pair_B=is_pair[rows], text_id_B=text_id[rows], clip_B=clip_number[rows],
            similarity_BE=likeness[rows], soft_share=soft_share,
        )
        for rows in (torch.arange(rows), order)
    ]  # fmt: skip
    for name in ("loss", "top1", "chance"):
        torch.testing.assert_close(getattr(losses[0], name), getattr(losses[1], name))


def _by_hand(clip: Tensor, text: Tensor, scale: float, texts: list[int], soft: Tensor | None, share: float) -> float:
    """Khosla et al. (2020), equation 2, with the soft share of its target, as sums over clips."""
    total = 0.0
    for queries, gallery in ((clip, text), (text, clip)):
        for i, query in enumerate(queries):
            logits = [scale * float(query @ other) for other in gallery]
            log_sum = math.log(sum(math.exp(value) for value in logits))
            positives = [j for j, other in enumerate(texts) if other == texts[i]]
            hard = sum(log_sum - logits[j] for j in positives) / len(positives)
            alike = [0.0] * len(texts) if soft is None else [math.exp(float(soft[i] @ other) / 0.1) for other in soft]
            softly = sum(w * (log_sum - v) for w, v in zip(alike, logits, strict=True)) / (sum(alike) or 1)
            total += (1 - share) * hard + share * softly
    return total / (2 * len(texts))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), share=st.sampled_from([0.0, 0.4, 1.0]))
def test_positives_and_the_soft_share_are_those_of_the_formula(seed: int, share: float) -> None:
    clip, text, soft = _unit(6, seed), _unit(6, seed + 1), _unit(6, seed + 2)
    texts = torch.randint(4, (6,), generator=torch.Generator().manual_seed(seed))
    found = _contrast(clip, text, 5.0, text_id_B=texts, similarity_BE=soft, soft_share=share).loss
    assert found.item() == pytest.approx(_by_hand(clip, text, 5.0, texts.tolist(), soft, share), rel=1e-5)


def test_windows_of_one_clip_are_positives_of_one_another() -> None:
    same = torch.ones(4, 4) / 2
    contrast = _contrast(same, same, clip_B=torch.tensor([7, 7, 7, 8]))
    assert contrast.loss.item() == pytest.approx(math.log(4)), "where all vectors are equal every target costs the same"
    assert contrast.chance.item() == pytest.approx((3 * 3 / 4 + 1 / 4) / 4)
    swapped = _contrast(torch.eye(4), torch.eye(4)[[1, 2, 0, 3]], clip_B=torch.tensor([7, 7, 7, 8]))
    assert swapped.top1.item() == 1.0


def test_a_clip_that_finds_an_equal_text_is_a_hit() -> None:
    texts = torch.eye(3)[[0, 0, 1]]
    assert _contrast(torch.eye(3)[[0, 0, 1]], texts, text_id_B=torch.tensor([4, 4, 9])).top1.item() == 1.0
    assert _contrast(torch.eye(3)[[0, 0, 1]], texts).top1.item() == pytest.approx(2 / 3)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_a_clip_without_a_description_changes_nothing_for_the_others(seed: int) -> None:
    clip, text, soft = _unit(6, seed), _unit(6, seed + 1), _unit(6, seed + 2)
    is_pair = torch.tensor([True, True, False, True, False, True])
    texts = torch.tensor([0, 1, 1, 1, 5, 6])  # the number of a clip without one may be anything
    more: dict[str, Any] = {"similarity_BE": soft, "soft_share": 0.3}
    mixed = _contrast(clip, text, is_pair_B=is_pair, text_id_B=texts, **more)
    alone = _contrast(
        clip[is_pair], text[is_pair], text_id_B=texts[is_pair], **{**more, "similarity_BE": soft[is_pair]}
    )
    for name in ("loss", "top1", "chance", "pairs"):
        torch.testing.assert_close(getattr(mixed, name), getattr(alone, name))


def test_a_batch_without_a_pair_costs_nothing_and_moves_nothing() -> None:
    clip, scale = _unit(3, 1).requires_grad_(), torch.tensor(10.0, requires_grad=True)
    contrast = caption_info_nce(
        clip, _unit(3, 2), scale, is_pair_B=~_all(3), text_id_B=torch.arange(3), similarity_BE=_unit(3, 3),
        soft_share=0.5,
    )  # fmt: skip
    contrast.loss.backward()
    assert (contrast.loss.item(), contrast.top1.item(), contrast.pairs.item()) == (0.0, 0.0, 0)
    assert clip.grad is not None
    assert scale.grad is not None
    assert (clip.grad == 0).all()
    assert scale.grad == 0


def test_equal_texts_are_equal_soft_targets() -> None:
    texts = _unit(3, 5)[[0, 1, 0, 2]]
    alike = _likeness(texts, torch.ones(4, 4, dtype=torch.bool), 0.1)
    torch.testing.assert_close(alike[0], alike[2])
    torch.testing.assert_close(alike[:, 0], alike[:, 2])
    torch.testing.assert_close(alike.sum(dim=1), torch.ones(4, dtype=torch.float64))


def test_soft_targets_need_the_texts() -> None:
    with pytest.raises(ValueError, match=r"soft_share=0.5 needs similarity_BE"):
        _contrast(torch.eye(2), torch.eye(2), soft_share=0.5)


def test_the_loss_is_in_float32_under_autocast() -> None:
    clip, text = _unit(5, 1).float(), _unit(5, 2).float()
    with torch.autocast("cpu", torch.bfloat16):
        cast = _contrast(clip, text)
    assert torch.equal(cast.loss, _contrast(clip, text).loss)


_NOBODY_IN_THE_SECOND_HALF = [True, True, False, True, False, False, False, False]
_SOME_OF_BOTH = [True, True, False, True, True, True, False, True]


def _joint(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    weight = torch.eye(8, dtype=torch.float64, requires_grad=True)
    log_scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    contrast = caption_info_nce(
        normalize(batch["clip"] @ weight, dim=1), normalize(batch["text"] @ weight.T, dim=1), 5 * log_scale.exp(),
        is_pair_B=batch["is_pair"], text_id_B=batch["text_id"], clip_B=batch["number"], similarity_BE=batch["soft"],
        soft_share=0.3,
    )  # fmt: skip
    contrast.loss.backward()
    assert weight.grad is not None
    assert log_scale.grad is not None
    return {
        "loss": contrast.loss.detach(),
        "weight": weight.grad,
        "scale": log_scale.grad,
        "top1": contrast.top1,
        "chance": contrast.chance,
    }


def _batch(is_pair: list[bool]) -> dict[str, Tensor]:
    return {
        "clip": _unit(8, 1),
        "text": _unit(8, 2),
        "soft": _unit(8, 3),
        "is_pair": torch.tensor(is_pair),
        "text_id": torch.tensor([0, 1, 1, 3, 1, 5, 6, 0]),  # texts 0 and 1 are in both processes
        "number": torch.tensor([0, 1, 2, 3, 0, 5, 6, 7]),  # so is clip 0
    }


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    half = slice(4 * rank, 4 * rank + 4)
    joint = []
    for is_pair in (_SOME_OF_BOTH, _NOBODY_IN_THE_SECOND_HALF):
        found = _joint({name: part[half] for name, part in _batch(is_pair).items()})
        for value in found.values():  # the mean over processes, as DistributedDataParallel takes it
            dist.all_reduce(value)
            value /= 2
        joint.append(found)
    if rank == 0:
        torch.save(joint, f"{folder}/joint.pt")
    dist.destroy_process_group()


def test_two_processes_give_the_loss_and_the_gradient_of_one_even_where_one_has_no_pair(tmp_path: Path) -> None:
    spawn(_process, args=(str(tmp_path),), nprocs=2)
    for found, is_pair in zip(
        torch.load(tmp_path / "joint.pt"), (_SOME_OF_BOTH, _NOBODY_IN_THE_SECOND_HALF), strict=True
    ):
        torch.testing.assert_close(found, _joint(_batch(is_pair)))
