"""Mixup: picture, sound and label of a clip are mixed with those of the same other clip, by the same share."""

from __future__ import annotations

import torch

from vaemo_train.finetune.mixup import Mixup
from vaemo_train.finetune.recipe import MixupSettings


def _drawn(seed: int = 0, alpha: float = 0.4, num_clips: int = 6, probability: float = 1.0) -> Mixup | None:
    chance = torch.Generator().manual_seed(seed)
    return Mixup.draw(MixupSettings(alpha=alpha, probability=probability), num_clips, chance)


def test_picture_sound_and_label_are_mixed_alike() -> None:
    mixup = _drawn()
    assert mixup is not None
    mark = torch.arange(6.0)
    features = {
        "pixel_values_videos": mark.view(-1, 1, 1, 1, 1).expand(6, 2, 3, 4, 4).clone(),
        "input_features": mark.view(-1, 1, 1).expand(6, 5, 7).clone(),
    }
    mixed = mixup.of_features(features)
    labels = mixup.of_targets(torch.eye(6))
    expected = mixup.share_B * mark + (1 - mixup.share_B) * mark[mixup.partner_B]
    assert torch.allclose(mixed["pixel_values_videos"].mean(dim=(1, 2, 3, 4)), expected)
    assert torch.allclose(mixed["input_features"].mean(dim=(1, 2)), expected)
    assert torch.allclose(labels @ mark, expected)
    assert torch.allclose(labels.sum(1), torch.ones(6))


def test_a_clip_keeps_half_of_itself_or_more() -> None:
    shares = torch.cat([mixup.share_B for seed in range(50) if (mixup := _drawn(seed)) is not None])
    assert len(shares) == 300
    assert shares.min() >= 0.5
    assert shares.max() <= 1.0
    assert shares.std() > 0.05


def test_a_frame_is_padding_where_both_clips_have_none() -> None:
    mixup = Mixup(torch.tensor([1, 0]), torch.tensor([0.6, 0.6]))
    masks = {"audio_padding_mask": torch.tensor([[False, True, True], [False, False, True]])}
    assert mixup.of_features(masks)["audio_padding_mask"].tolist() == [[False, False, True], [False, False, True]]


def test_nothing_is_mixed_without_alpha_or_chance_or_another_clip() -> None:
    assert _drawn(alpha=0.0) is None
    assert _drawn(probability=0.0) is None
    assert _drawn(num_clips=1) is None
    assert sum(_drawn(seed, probability=0.5) is not None for seed in range(200)) in range(70, 131)
