"""A window of a row: which pictures and samples it holds, and that both lie on one clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from tests.support.synthetic_shards import grey, shard_row
from vaemo_clips.errors import ShardError
from vaemo_train.data.batch import read_batch
from vaemo_train.data.window import (
    NUM_FRAMES,
    NUM_SAMPLES,
    WINDOW_S,
    Window,
    begins,
    eval_windows,
    frame_slots,
    random_begin_s,
)
from vaemo_train.shards.row import FRAME_STRIDE_S, SAMPLE_RATE_HZ, ShardRow, ShardSettings

SIZE_PX = 16
DARK, LIGHT = grey(0), grey(255)
RATES = [6.25, 12.5, 18.75, 25.0, 31.25, 50.0]


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
@pytest.mark.parametrize("flash_slot", [5, 17, 40])
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
            assert samples.max() == 30000
            assert abs((frame + 0.5) * FRAME_STRIDE_S - click_s) <= 1e-4
    assert num_found


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("duration_s", [0.5, 1.0, 2.0, 2.56, 2.58])
def test_in_a_short_clip_too_flash_and_click_are_found_at_the_same_time(fps: float, duration_s: float) -> None:
    for flash_slot in range(round(duration_s * fps)):
        flash = round((flash_slot + 0.5) / fps * SAMPLE_RATE_HZ)
        sound = np.zeros(round(duration_s * SAMPLE_RATE_HZ), np.int16)
        sound[min(flash, len(sound) - 1)] = 30000
        jpegs = [LIGHT if slot == flash_slot else DARK for slot in range(round(duration_s * fps))]
        row = shard_row(duration_s, jpegs, sound, fps)
        (begin_s,) = begins(row)
        frames, _, samples, _ = read(row, float(begin_s))
        for frame in np.flatnonzero(frames.mean(axis=(1, 2, 3)) > 128):
            assert samples.max() == 30000
            assert abs((frame + 0.5) * FRAME_STRIDE_S - samples.argmax() / SAMPLE_RATE_HZ) <= 1e-4


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("has_picture", [True, False])
def test_a_clip_as_long_as_a_window_is_a_whole_one(fps: float, has_picture: bool) -> None:
    sound = noise(WINDOW_S)
    row = shard_row(WINDOW_S, [LIGHT] * round(WINDOW_S * fps) if has_picture else None, sound, fps)
    (begin_s,) = begins(row)
    batch = read_batch([Window(row, 0, 0, float(begin_s))], SIZE_PX, 0)
    assert batch["has_padding"].tolist() == [False, False]
    samples = batch["sound"][0].numpy()
    num_silent = round(-begin_s * SAMPLE_RATE_HZ)
    assert 0 <= num_silent <= 0.5 / fps * SAMPLE_RATE_HZ
    np.testing.assert_array_equal(samples[num_silent:], sound[: NUM_SAMPLES - num_silent])
    assert not samples[:num_silent].any()


@pytest.mark.parametrize("duration_s", [0.6, 1.5, 2.56])
def test_a_short_clip_is_seen_and_heard_from_its_first_picture_and_sample_on(duration_s: float) -> None:
    sound = noise(duration_s)
    row = shard_row(duration_s, [DARK] * round(duration_s * 12.5), sound)
    (begin_s,) = begins(row)
    assert begin_s == pytest.approx(-0.04)
    assert frame_slots(begin_s, 12.5).tolist() == list(range(0, 32, 2))
    _, is_padding, samples, num_samples = read(row, begin_s)
    assert not is_padding[: int(round(duration_s * 12.5) / 2 + 0.5)].any()
    assert num_samples == min(640 + len(sound), NUM_SAMPLES)
    assert not samples[:640].any()
    np.testing.assert_array_equal(samples[640:num_samples], sound[: num_samples - 640])


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
    silent = max(-round(begin_s * SAMPLE_RATE_HZ), 0)
    assert silent <= 0.5 / fps * SAMPLE_RATE_HZ
    assert not samples[:silent].any()
    assert (samples[silent:num_samples] != 0).all()
    assert (samples[num_samples:] == 0).all()
    begin = round(begin_s * SAMPLE_RATE_HZ)
    assert row.sound is not None
    np.testing.assert_array_equal(samples[silent:num_samples], row.sound[begin + silent : begin + NUM_SAMPLES])


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(RATES), st.floats(0.5, 10), st.integers(0, 2**32), st.booleans())
def test_a_window_lies_in_its_row_where_the_row_has_room(
    fps: float, duration_s: float, seed: int, has_picture: bool
) -> None:
    jpegs = [DARK] * round(duration_s * fps) if has_picture else None
    row = shard_row(duration_s, jpegs, noise(duration_s), fps)
    begin_s = random_begin_s(row, np.random.default_rng(seed))
    first_s = 0.5 / fps if has_picture and round(fps * FRAME_STRIDE_S) % 2 == 0 else 0.0
    if duration_s >= WINDOW_S + first_s:
        assert begin_s >= 0
        assert begin_s + WINDOW_S <= duration_s + 1e-6
    else:
        assert begin_s == pytest.approx(-first_s)
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


@pytest.mark.parametrize("count", [1, 2, 3])
def test_for_evaluation_too_windows_lie_where_the_face_is(count: int) -> None:
    """Ten seconds with the face from 0.4 to 2.4 s: the middle of the row shows nobody."""
    row = shard_row(10.0, [LIGHT if 5 <= slot < 30 else b"" for slot in range(125)], noise(10.0))
    chosen = eval_windows(row, count)
    assert len(set(chosen)) == count
    for begin_s in chosen:
        _, is_padding, _, _ = read(row, begin_s)
        assert not is_padding.all()


@pytest.mark.parametrize("seed", range(20))
def test_a_picture_alone_is_no_reason_for_a_window_where_others_have_a_tubelet(seed: int) -> None:
    """One slot at 0.4 s, and a second's worth at the end: whatever shows the first alone has no token of it."""
    row = shard_row(10.0, [LIGHT if slot == 5 or slot >= 112 else b"" for slot in range(125)], None)
    for begin_s in (random_begin_s(row, np.random.default_rng(seed)), *eval_windows(row, 3)):
        _, is_padding, _, _ = read(row, begin_s)
        assert (~is_padding).reshape(8, 2).all(axis=1).any()


def test_where_no_window_shows_a_tubelet_any_will_do() -> None:
    row = shard_row(10.0, [LIGHT if slot == 5 else b"" for slot in range(125)], noise(10.0))
    assert eval_windows(row, 1) == pytest.approx([3.72])


def test_rates_that_part_picture_and_sound_are_refused_with_the_nearest_that_fit() -> None:
    for fps in (6.25, 12.5, 18.75, 25.0, 50.0):
        assert ShardSettings(fps=fps).fps == fps
    for fps, nearest in ((10.0, "6.25, 12.5"), (30.0, "25, 31.25"), (5.0, "6.25"), (60.0, "56.25")):
        with pytest.raises(ValidationError, match=rf"whole number of slots apart .* the nearest that fit: {nearest} "):
            ShardSettings(fps=fps)


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
