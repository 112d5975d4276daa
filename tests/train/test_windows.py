"""A window of a row: which pictures and samples it holds, and that both lie on one clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.synthetic_shards import grey, shard_row
from vaemo_clips.errors import ShardError
from vaemo_train.data.window import (
    FRAME_STRIDE_S,
    NUM_FRAMES,
    NUM_SAMPLES,
    SAMPLE_RATE_HZ,
    WINDOW_S,
    Window,
    begins,
    eval_windows,
    frame_slots,
    random_begin_s,
)
from vaemo_train.shards.row import ShardRow

SIZE_PX = 16
DARK, LIGHT = grey(0), grey(255)
RATES = [5.0, 6.25, 10.0, 12.5, 25.0, 30.0]


def read(row: ShardRow, begin_s: float) -> tuple[NDArray[np.uint8], NDArray[np.bool_], NDArray[np.int16], int]:
    """Frames, their padding, sound and its real length; the room for them is dirty, as a reused one would be."""
    frames = np.full((NUM_FRAMES, SIZE_PX, SIZE_PX, 3), 77, np.uint8)
    is_padding = np.zeros(NUM_FRAMES, bool)
    sound = np.full(NUM_SAMPLES, 777, np.int16)
    window = Window(row, 0, 0, begin_s)
    window.read_frames(frames, is_padding)
    return frames, is_padding, sound, window.read_sound(sound)


def noise(duration_s: float) -> NDArray[np.int16]:
    """Samples none of which is 0."""
    return np.random.default_rng(0).integers(1, 1000, round(duration_s * SAMPLE_RATE_HZ)).astype(np.int16)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("flash_slot", [3, 17, 40])
def test_a_flash_and_a_click_at_the_same_time_are_found_at_the_same_time(fps: float, flash_slot: int) -> None:
    num_slots = round(10 * fps)
    flash_s = (flash_slot + 0.5) / fps
    jpegs = [LIGHT if slot == flash_slot else DARK for slot in range(num_slots)]
    sound = np.zeros(10 * SAMPLE_RATE_HZ, np.int16)
    sound[round(flash_s * SAMPLE_RATE_HZ)] = 30000
    row = shard_row(10.0, jpegs, sound, fps)
    num_found = 0
    for begin_s in begins(row):
        frames, is_padding, samples, _ = read(row, float(begin_s))
        assert not is_padding.any()
        for frame in np.flatnonzero(frames.mean(axis=(1, 2, 3)) > 128):
            num_found += 1
            click_s = samples.argmax() / SAMPLE_RATE_HZ
            half_slot_s = 0.5 / fps
            on_the_middle = (FRAME_STRIDE_S * fps) % 1 == 0
            assert samples.max() == 30000
            assert abs((frame + 0.5) * FRAME_STRIDE_S - click_s) <= (1e-4 if on_the_middle else half_slot_s + 1e-4)
    assert num_found


def test_at_12_5_fps_every_frame_is_the_middle_of_its_slot() -> None:
    row = shard_row(10.0, [DARK] * 125, None)
    possible = begins(row)
    assert possible[:3] == pytest.approx([0.04, 0.12, 0.20])
    assert possible[-1] + WINDOW_S <= 10.0
    assert frame_slots(0.04, 12.5).tolist() == list(range(1, 32, 2))
    assert frame_slots(0.12, 12.5).tolist() == list(range(2, 33, 2))


def test_sound_alone_begins_at_the_row_s_begin() -> None:
    assert begins(shard_row(2.6, None, noise(2.6))).tolist() == [0.0]
    assert begins(shard_row(2.72, None, noise(2.72))) == pytest.approx([0.0, 0.08, 0.16])


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(RATES), st.floats(0.5, 10), st.integers(0, 2**32), st.floats(0, 1))
def test_padding_holds_no_data_and_data_are_never_padding(
    fps: float, duration_s: float, seed: int, share_seen: float
) -> None:
    rng = np.random.default_rng(seed)
    num_slots = round(duration_s * fps)
    seen = rng.random(num_slots) < share_seen
    row = shard_row(duration_s, [LIGHT if is_seen else b"" for is_seen in seen], noise(duration_s), fps)
    begin_s = random_begin_s(row, rng)
    frames, is_padding, samples, num_samples = read(row, begin_s)
    slots = frame_slots(begin_s, fps)
    expected = [not (slot < num_slots and seen[slot]) for slot in slots]
    assert is_padding.tolist() == expected
    assert (frames[is_padding] == 0).all()
    assert (frames[~is_padding] > 200).all()
    assert (samples[:num_samples] != 0).all()
    assert (samples[num_samples:] == 0).all()
    begin = round(begin_s * SAMPLE_RATE_HZ)
    assert row.sound is not None
    np.testing.assert_array_equal(samples[:num_samples], row.sound[begin : begin + NUM_SAMPLES])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(RATES), st.floats(0.5, 10), st.integers(0, 2**32), st.booleans())
def test_a_window_lies_in_its_row_where_the_row_has_room(
    fps: float, duration_s: float, seed: int, has_picture: bool
) -> None:
    jpegs = [DARK] * round(duration_s * fps) if has_picture else None
    row = shard_row(duration_s, jpegs, noise(duration_s), fps)
    begin_s = random_begin_s(row, np.random.default_rng(seed))
    assert 0 <= begin_s < 1 / fps + 1e-9 or begin_s + WINDOW_S <= duration_s + 1e-6
    assert begin_s in begins(row)


def test_all_begins_are_equally_likely() -> None:
    row = shard_row(3.0, [DARK] * 38, None)
    rng = np.random.default_rng(0)
    values, counts = np.unique([random_begin_s(row, rng) for _ in range(3000)], return_counts=True)
    assert values == pytest.approx(begins(row))
    assert counts == pytest.approx(np.full(len(values), 3000 / len(values)), rel=0.15)


def test_a_window_without_any_picture_is_not_drawn_where_others_have_some() -> None:
    jpegs = [b""] * 100 + [DARK] * 25
    row = shard_row(10.0, jpegs, None)
    for seed in range(50):
        _, is_padding, _, _ = read(row, random_begin_s(row, np.random.default_rng(seed)))
        assert not is_padding.all()


@settings(max_examples=60, deadline=None)
@given(st.floats(0.5, 10), st.integers(1, 12))
def test_evaluation_windows_are_evenly_spaced_and_never_the_same(duration_s: float, count: int) -> None:
    row = shard_row(duration_s, [DARK] * round(duration_s * 12.5), None)
    possible, chosen = begins(row), eval_windows(row, count)
    assert len(chosen) == len(set(chosen)) == min(count, len(possible))
    assert set(chosen) <= set(possible)
    if len(chosen) > 1:
        assert (chosen[0], chosen[-1]) == (possible[0], possible[-1])
        assert np.ptp(np.diff(chosen)) <= 0.08 + 1e-9


def test_one_evaluation_window_lies_in_the_middle() -> None:
    assert eval_windows(shard_row(10.0, [DARK] * 125, None), 1) == pytest.approx([3.72])
    with pytest.raises(ValueError, match="count=0 must be at least 1"):
        eval_windows(shard_row(10.0, [DARK] * 125, None), 0)


def test_only_the_pictures_shown_are_decoded() -> None:
    """Slots between the frames hold no JPEG at all here, and nobody notices."""
    shown = set(frame_slots(0.04, 12.5).tolist())
    row = shard_row(10.0, [DARK if slot in shown else b"no JPEG" for slot in range(125)], None)
    _, is_padding, _, _ = read(row, 0.04)
    assert not is_padding.any()


@pytest.mark.parametrize("damaged", [b"no JPEG", DARK[: len(DARK) // 2], grey(0, size_px=8), grey(0, size_px=32)])
def test_a_picture_that_is_damaged_or_of_another_size_is_named(damaged: bytes) -> None:
    row = shard_row(4.0, [damaged if slot == 3 else DARK for slot in range(50)], None)
    with pytest.raises(ShardError, match=r"clip clip, row 0, picture 3: .*; prepare the shards again"):
        read(row, 0.04)
