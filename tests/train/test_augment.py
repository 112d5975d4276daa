"""Augmentation in batch: the same for all frames of a clip, the same for the same seed, nothing without one."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from vaemo_train.data.augment import Augment, AugmentSettings, crop
from vaemo_train.data.batch import Batch
from vaemo_train.data.features import LOG_MEL_STD, log_mel
from vaemo_train.shards.row import FULL_SCALE

STILL = AugmentSettings(random_crop=False, flip_probability=0, brightness=0, contrast=0, saturation=0, gain_db=0)


def changed(**settings: float | bool) -> Augment:
    """An augmentation that does only what is named."""
    return Augment(STILL.model_copy(update=settings), image_size=40)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(num_clips: int = 6, size_px: int = 48) -> Batch:
    """Clips whose frames are all the same, so that whatever is not the same for all frames is seen."""
    generator = seeded(7)
    picture = torch.randint(60, 190, (num_clips, 1, size_px, size_px, 3), dtype=torch.uint8, generator=generator)
    sound = torch.randint(-3000, 3000, (num_clips, 40960), dtype=torch.int16, generator=generator)
    return {
        "frames": picture.repeat(1, 16, 1, 1, 1),
        "is_frame_padding": torch.zeros(num_clips, 16, dtype=torch.bool),
        "sound": sound,
        "num_samples": torch.full((num_clips,), 40960),
        "batch_seed": torch.tensor(5),
    }


def as_pixels(frames: Tensor) -> Tensor:
    """(B, T, H, W, C) bytes -> (B, T, C, H, W) in [-1, 1]."""
    return (frames.permute(0, 1, 4, 2, 3).float() / 255 - 0.5) / 0.5


def test_the_inputs_have_the_models_names_shapes_and_types() -> None:
    inputs = Augment(image_size=40)(batch_of(2), seeded())
    assert {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in inputs.items()} == {
        "pixel_values_videos": ((2, 16, 3, 40, 40), torch.float32),
        "video_padding_mask": ((2, 16), torch.bool),
        "input_features": ((2, 256, 128), torch.float32),
        "audio_padding_mask": ((2, 256), torch.bool),
    }
    assert inputs["pixel_values_videos"].abs().max() <= 1


def test_a_batch_that_says_it_has_no_padding_gets_no_masks() -> None:
    inputs = Augment(image_size=40)(batch_of(2) | {"has_padding": torch.tensor([False, True])}, seeded())
    assert set(inputs) == {"pixel_values_videos", "input_features", "audio_padding_mask"}


@pytest.mark.parametrize(("absent", "kept"), [("frames", "input_features"), ("sound", "pixel_values_videos")])
def test_what_a_batch_lacks_the_inputs_lack(absent: str, kept: str) -> None:
    batch = {name: tensor for name, tensor in batch_of(2).items() if absent not in name}
    whole, partial = Augment(image_size=40)(batch_of(2), seeded()), Augment(image_size=40)(batch, seeded())
    assert len(partial) == 2
    assert torch.equal(partial[kept], whole[kept])


def test_without_a_generator_it_is_the_centre_crop() -> None:
    batch = batch_of()
    inputs = Augment(image_size=40)(batch)
    torch.testing.assert_close(inputs["pixel_values_videos"], as_pixels(batch["frames"][:, :, 4:44, 4:44]))
    again = Augment(STILL, image_size=40)(batch, seeded())
    torch.testing.assert_close(inputs["pixel_values_videos"], again["pixel_values_videos"])
    torch.testing.assert_close(inputs["input_features"], again["input_features"])


def test_the_same_seed_gives_the_same_and_another_another() -> None:
    augment, batch = Augment(image_size=40), batch_of()
    one, same, other = (augment(batch, seeded(seed)) for seed in (1, 1, 2))
    for name in ("pixel_values_videos", "input_features"):
        assert torch.equal(one[name], same[name])
        assert not torch.equal(one[name], other[name])


def test_all_frames_of_a_clip_are_changed_alike_and_clips_differently() -> None:
    batch = batch_of()
    batch["frames"] = batch["frames"][:1].repeat(6, 1, 1, 1, 1)
    pixels = Augment(image_size=40)(batch, seeded())["pixel_values_videos"]
    assert torch.equal(pixels, pixels[:, :1].expand_as(pixels))
    means = pixels.mean(dim=(1, 2, 3, 4))
    assert len({round(float(mean), 4) for mean in means}) == 6


@pytest.mark.parametrize("size", [1, 40, 48])
def test_a_crop_is_a_slice_of_each_clip(size: int) -> None:
    frames = batch_of()["frames"] + torch.arange(16, dtype=torch.uint8)[:, None, None, None]
    top_left = torch.randint(0, 48 - size + 1, (6, 2), generator=seeded())
    top_left[0], top_left[-1] = 0, 48 - size
    expected = [frames[b, :, y : y + size, x : x + size] for b, (y, x) in enumerate(top_left.tolist())]
    assert torch.equal(crop(frames, top_left, size), torch.stack(expected))


def test_a_random_crop_reaches_every_place_and_nothing_else() -> None:
    batch = batch_of(64, size_px=42)
    pixels = changed(random_crop=True)(batch, seeded())["pixel_values_videos"]
    places = set()
    for clip, frames in enumerate(as_pixels(batch["frames"])):
        found = [
            (y, x)
            for y in range(3)
            for x in range(3)
            if torch.allclose(pixels[clip], frames[:, :, y : y + 40, x : x + 40], atol=1e-5)
        ]
        assert len(found) == 1
        places |= set(found)
    assert len(places) == 9


def test_flips_flip_about_half_of_the_clips_and_whole_ones() -> None:
    batch = batch_of(64)
    straight = as_pixels(batch["frames"][:, :, 4:44, 4:44])
    pixels = changed(flip_probability=0.5)(batch, seeded())["pixel_values_videos"]
    is_flipped = torch.tensor([torch.allclose(pixels[n], straight[n].flip(-1), atol=1e-5) for n in range(64)])
    is_straight = torch.tensor([torch.allclose(pixels[n], straight[n], atol=1e-5) for n in range(64)])
    assert (is_flipped ^ is_straight).all()
    assert 16 < is_flipped.sum() < 48
    always = changed(flip_probability=1)(batch, seeded())["pixel_values_videos"]
    torch.testing.assert_close(always, straight.flip(-1))


def test_brightness_scales_contrast_stretches_and_saturation_leaves_the_grey() -> None:
    batch = batch_of()
    straight = (changed()(batch, seeded())["pixel_values_videos"] + 1) / 2
    bright, stretched, coloured = (
        (changed(**{name: 0.2})(batch, seeded())["pixel_values_videos"] + 1) / 2
        for name in ("brightness", "contrast", "saturation")
    )
    factors = (bright / straight).flatten(1)
    assert (factors.std(dim=1) < 1e-4).all()
    assert ((factors.mean(dim=1) - 1).abs() <= 0.2).all()
    assert factors.mean(dim=1).std() > 0.02

    centre = straight.mean(dim=(1, 3, 4))
    spread = stretched.flatten(1).std(dim=1) / straight.flatten(1).std(dim=1)
    assert ((spread - 1).abs() <= 0.201).all()
    assert (stretched.mean(dim=(1, 3, 4)) - centre).abs().max() < 0.02

    luma = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
    torch.testing.assert_close((coloured * luma).sum(2), (straight * luma).sum(2), atol=1e-4, rtol=0)
    assert not torch.allclose(coloured, straight, atol=1e-2)


def test_gain_is_one_factor_for_a_clip_s_sound() -> None:
    batch = batch_of(32)
    difference = changed(gain_db=6)(batch, seeded())["input_features"] - changed()(batch)["input_features"]
    gain_db = 10 / math.log(10) * LOG_MEL_STD * difference
    assert (gain_db.flatten(1).std(dim=1) < 0.01).all()
    assert gain_db.abs().max() <= 6.01
    assert gain_db[:, 0, 0].min() < -3
    assert gain_db[:, 0, 0].max() > 3


def test_the_largest_stored_sample_is_full_scale() -> None:
    batch = batch_of(1)
    batch["sound"] = torch.full((1, 40960), FULL_SCALE, dtype=torch.int16)
    assert torch.equal(changed()(batch)["input_features"], log_mel(torch.ones(1, 40960)))


def test_padding_is_0_and_does_not_depend_on_what_lies_there() -> None:
    batch = batch_of(2)
    batch["is_frame_padding"][0, 9:] = True
    batch["frames"][0, 9:] = 0
    batch["num_samples"] = torch.tensor([1000, 0])
    inputs = Augment(image_size=40)(batch, seeded())
    assert not inputs["pixel_values_videos"][0, 9:].any()
    assert inputs["pixel_values_videos"][0, :9].abs().min() < inputs["pixel_values_videos"][0, :9].abs().max()
    assert torch.equal(inputs["video_padding_mask"], batch["is_frame_padding"])
    # 1000 samples are six whole frames of 160
    assert (~inputs["audio_padding_mask"]).sum(dim=1).tolist() == [6, 0]
    assert not inputs["input_features"][inputs["audio_padding_mask"]].any()
    assert inputs["input_features"][0, :6].all()


def test_padding_frames_do_not_darken_the_clip() -> None:
    """Contrast is stretched about the grey of real frames."""
    batch, padded = batch_of(), batch_of()
    padded["is_frame_padding"][:, 4:] = True
    padded["frames"][:, 4:] = 0
    whole = changed(contrast=0.5)(batch, seeded())["pixel_values_videos"]
    part = changed(contrast=0.5)(padded, seeded())["pixel_values_videos"]
    torch.testing.assert_close(part[:, :4], whole[:, :4])


def test_pictures_smaller_than_the_crop_are_refused() -> None:
    with pytest.raises(ValueError, match="pictures of 48 pixels cannot be cropped to 160; prepare larger ones"):
        Augment()(batch_of(), seeded())


def test_settings_are_checked() -> None:
    with pytest.raises(ValidationError, match="flip_probability"):
        AugmentSettings(flip_probability=1.5)
    with pytest.raises(ValidationError, match="blur"):
        AugmentSettings.model_validate({"blur": 1})
