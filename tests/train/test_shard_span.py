"""Where rows begin and end, and which picture a slot shows."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaemo_train.shards.looks import Looks
from vaemo_train.shards.row import MAX_ROW_S
from vaemo_train.shards.span import num_slots, spans

durations = st.floats(0.5, 200.0)
rates = st.one_of(st.sampled_from([5.0, 12.5, 25.0]), st.floats(1.0, 60.0))


@given(durations, rates)
def test_rows_partition_the_clip_its_slots_and_its_samples(duration_s: float, fps: float) -> None:
    parts = spans(duration_s, fps)
    assert [part.row for part in parts] == list(range(len(parts)))
    assert (parts[0].begin_s, parts[0].first_slot) == (0.0, 0)
    for one, other in pairwise(parts):
        assert one.begin_s + one.duration_s == pytest.approx(other.begin_s)
        assert one.end_slot == other.first_slot
        assert one.samples(16_000).stop == other.samples(16_000).start
    assert parts[-1].begin_s + parts[-1].duration_s == pytest.approx(duration_s)
    assert parts[-1].end_slot == num_slots(duration_s, fps)
    assert parts[-1].samples(16_000).stop == round(duration_s * 16_000)


@given(durations, rates)
def test_rows_are_of_at_most_ten_seconds_nearly_equal_and_on_the_slot_grid(duration_s: float, fps: float) -> None:
    parts = spans(duration_s, fps)
    assert all(0 < part.duration_s <= MAX_ROW_S + 1e-9 for part in parts)
    assert all(part.begin_s == part.first_slot / fps for part in parts)
    lengths = [part.end_slot - part.first_slot for part in parts]
    assert max(lengths) - min(lengths) <= 1
    if fps in (5.0, 12.5, 25.0):
        assert len(parts) == np.ceil(duration_s / MAX_ROW_S)


@pytest.mark.parametrize(("duration_s", "fps"), [(0.0, 12.5), (-1.0, 12.5), (1.0, 0.0)])
def test_a_span_of_nothing_is_refused(duration_s: float, fps: float) -> None:
    with pytest.raises(ValueError, match="must be above 0"):
        spans(duration_s, fps)


def shown(fps: float, duration_s: float, times_s: list[float]) -> dict[int, float]:
    """The time of the picture that each slot shows."""
    pictures = ((time_s, np.zeros((1, 1, 3), np.uint8)) for time_s in times_s)
    found = Looks.of(fps, duration_s).on_screen(pictures)
    return {slot: picture[0] for picture, slots in found for slot in slots}


def test_slots_of_even_pictures_show_the_one_of_their_middle() -> None:
    assert shown(12.5, 0.4, [k / 25 for k in range(10)]) == {k: (2 * k + 1) / 25 for k in range(5)}


def test_a_picture_stands_for_half_a_second_and_no_longer() -> None:
    assert shown(10.0, 2.0, [0.0, 0.1, 1.6]) == {
        0: 0.0, **dict.fromkeys(range(1, 6), 0.1), 16: 1.6, 17: 1.6, 18: 1.6, 19: 1.6
    }  # fmt: skip


def test_slots_before_the_first_picture_show_it() -> None:
    assert shown(10.0, 0.5, [0.2]) == dict.fromkeys(range(5), 0.2)
    assert shown(10.0, 1.0, []) == {}


def test_long_slots_are_looked_at_more_often() -> None:
    looks = Looks.of(5.0, 1.0)
    assert looks.rate_hz == 15.0
    pictures = [(k / 30, np.zeros((1, 1, 3), np.uint8)) for k in range(30)]
    found = list(looks.on_screen(pictures))
    assert len(found) == 15
    assert [len(slots) for _, slots in found] == [0, 1, 0] * 5


@given(
    st.lists(st.floats(0.0, 4.0), max_size=40),
    st.sampled_from([4.0, 5.0, 8.0, 12.5, 25.0, 30.0]),
    st.floats(0.5, 4.0),
)
def test_every_slot_shows_the_last_picture_that_has_come(times: list[float], fps: float, duration_s: float) -> None:
    times_s = sorted(set(times))
    found = shown(fps, duration_s, times_s)
    for slot in range(num_slots(duration_s, fps)):
        middle_s = (slot + 0.5) / fps
        if any(abs(abs(time_s - middle_s) - edge) < 2e-3 for time_s in times_s for edge in (0.0, 0.5)):
            continue  # rounding decides
        before = [time_s for time_s in times_s if time_s <= middle_s] or times_s[:1]
        expected = before[-1] if before and abs(before[-1] - middle_s) <= 0.5 else None
        assert found.get(slot) == expected
