"""Masks hide exactly what was asked for, and never count padding."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaemo_train.models.masking import moment_mask, num_hidden, random_mask, sample_targets, tube_mask


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


_seeds = st.integers(0, 2**31)
_ratios = st.floats(0.0, 0.99)


@settings(max_examples=60, deadline=None)
@given(seed=_seeds, ratio=_ratios, steps=st.integers(1, 8), places=st.integers(2, 100), clips=st.integers(1, 4))
def test_a_tube_mask_hides_the_asked_number_of_places_and_the_same_ones_at_every_step(
    seed: int, ratio: float, steps: int, places: int, clips: int
) -> None:
    mask = tube_mask(clips, steps, places, ratio, _generator(seed))
    is_masked = mask.is_masked_BN.view(clips, steps, places)
    assert (is_masked.sum(dim=2) == num_hidden(places, ratio)).all()
    assert (is_masked == is_masked[:, :1]).all(), "a tube is hidden for the whole window"


@settings(max_examples=60, deadline=None)
@given(seed=_seeds, ratio=_ratios, tokens=st.integers(2, 128), clips=st.integers(1, 4))
def test_a_random_mask_hides_the_asked_number_of_tokens(seed: int, ratio: float, tokens: int, clips: int) -> None:
    mask = random_mask(clips, tokens, ratio, _generator(seed))
    assert (mask.is_masked_BN.sum(dim=1) == num_hidden(tokens, ratio)).all()


@settings(max_examples=60, deadline=None)
@given(seed=_seeds, ratio=_ratios, data=st.data())
def test_visible_and_hidden_tokens_are_all_that_is_no_padding_and_each_once(
    seed: int, ratio: float, data: st.DataObject
) -> None:
    steps, places, clips = 4, 6, 3
    rows = data.draw(st.lists(st.lists(st.booleans(), min_size=24, max_size=24), min_size=clips, max_size=clips))
    is_padding = torch.tensor(rows)
    for mask in (
        tube_mask(clips, steps, places, ratio, _generator(seed), is_padding),
        random_mask(clips, steps * places, ratio, _generator(seed), is_padding),
    ):
        assert mask.is_unused_BV is not None
        assert not (mask.is_masked_BN & is_padding).any(), "padding is never asked for"
        for clip in range(clips):
            seen = mask.visible_BV[clip][~mask.is_unused_BV[clip]].tolist()
            assert len(set(seen)) == len(seen)
            hidden = mask.is_masked_BN[clip].nonzero().flatten().tolist()
            assert sorted(seen + hidden) == (~is_padding[clip]).nonzero().flatten().tolist()


@settings(max_examples=40, deadline=None)
@given(seed=_seeds, ratio=st.floats(0.1, 0.9), real=st.integers(0, 24))
def test_a_short_clip_keeps_the_share_of_its_own_tokens(seed: int, ratio: float, real: int) -> None:
    is_padding = torch.arange(24)[None] >= torch.tensor([[real], [24]])
    mask = random_mask(2, 24, ratio, _generator(seed), is_padding)
    asked = min(round(torch.tensor(real * ratio).item()), max(real - 1, 0))
    assert abs(int(mask.is_masked_BN[0].sum()) - asked) <= 1, "rounding apart"
    assert real == 0 or int(mask.is_masked_BN[0].sum()) < real, "something stays visible"
    assert int(mask.is_masked_BN[1].sum()) == num_hidden(24, ratio)


@settings(max_examples=40, deadline=None)
@given(seed=_seeds, share=st.floats(0.05, 1.0))
def test_targets_are_hidden_tokens_drawn_once_and_their_weights_are_a_mean(seed: int, share: float) -> None:
    mask = random_mask(3, 40, 0.8, _generator(seed))
    targets = sample_targets(mask.is_masked_BN, share, 32, _generator(seed + 1))
    assert targets.index_BK.shape == (3, max(1, round(share * 32)))
    assert mask.is_masked_BN.gather(1, targets.index_BK)[targets.weight_BK > 0].all()
    for row in targets.index_BK.tolist():
        assert len(set(row)) == len(row)
    torch.testing.assert_close(targets.weight_BK.sum(), torch.tensor(1.0))


def test_the_weights_of_a_clip_follow_how_much_of_it_is_hidden() -> None:
    is_masked = torch.zeros(3, 40, dtype=torch.bool)
    is_masked[0, :30], is_masked[1, :10] = True, True
    targets = sample_targets(is_masked, 0.5, 30, _generator(0))
    torch.testing.assert_close(targets.weight_BK.sum(dim=1), torch.tensor([0.75, 0.25, 0.0]))


def test_a_batch_without_hidden_tokens_has_no_weight() -> None:
    targets = sample_targets(torch.zeros(2, 8, dtype=torch.bool), 0.5, 6, _generator(0))
    assert targets.weight_BK.abs().sum() == 0


def test_whole_moments_are_hidden_and_padding_is_none_of_them() -> None:
    chance = torch.Generator().manual_seed(0)
    is_padding = torch.zeros(3, 16 * 8, dtype=torch.bool)
    is_padding[1, 80:] = True  # ten moments are real
    is_padding[2] = True
    mask = moment_mask(3, 16, 8, 0.5, chance, is_padding)
    assert mask.visible_BV.shape == (3, 64)
    assert mask.is_unused_BV is not None
    seen = [set(mask.visible_BV[clip][~mask.is_unused_BV[clip]].tolist()) for clip in range(3)]
    assert [len(tokens) for tokens in seen] == [64, 40, 0]
    for tokens in seen:
        assert all({token // 8 * 8 + place for place in range(8)} <= tokens for token in tokens)
    assert max(seen[1]) < 80
    assert mask.is_masked_BN.sum(dim=1).tolist() == [64, 40, 0]
