"""Seconds, samples and frames."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaemo_clips.timeline import frame_times, seconds_to_frames, seconds_to_samples

positive = st.floats(0.05, 600)


@settings(max_examples=60, deadline=None)
@given(begin_s=st.floats(0, 1e4), duration_s=positive, fps=st.floats(0.1, 60), max_frames=st.integers(1, 500))
def test_frame_times_are_the_centres_of_equal_intervals(
    begin_s: float, duration_s: float, fps: float, max_frames: int
) -> None:
    times = frame_times(begin_s, duration_s, fps, max_frames)
    assert len(times) == min(max(round(duration_s * fps), 1), max_frames)
    step = duration_s / len(times)
    assert times[0] == pytest.approx(begin_s + step / 2)
    assert times[-1] == pytest.approx(begin_s + duration_s - step / 2)
    assert all(begin_s < t < begin_s + duration_s for t in times)


def test_a_clip_shorter_than_one_frame_still_gives_one() -> None:
    assert frame_times(1.0, 0.2, 1.0, 8) == [1.1]


def test_frame_times_refuse_an_empty_clip() -> None:
    with pytest.raises(ValueError, match=r"duration_s=0.* above 0"):
        frame_times(0.0, 0.0, 2.0, 8)


def test_samples_and_frames_are_rounded_to_the_nearest() -> None:
    assert seconds_to_samples(0.1, 44100) == 4410
    assert seconds_to_frames(1.99, 25) == 50
