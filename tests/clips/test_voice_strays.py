"""Pitch that cannot be the speaker's is dropped; a lively voice is kept."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.voice.strays import without_strays


def contour(*stretches: tuple[int, float]) -> NDArray[np.float32]:
    """F0 of (values, Hz) stretches, 0 Hz for no voice."""
    values = np.concatenate([np.full(count, hz) for count, hz in stretches]).astype(np.float32)
    values[values == 0] = np.nan
    return values


def test_a_short_burst_far_above_the_voice_is_dropped() -> None:
    found = without_strays(contour((40, 120.0), (5, 0), (6, 560.0), (5, 0), (40, 118.0)))
    assert np.isnan(found[45:51]).all()
    assert (~np.isnan(found)).sum() == 80


def test_a_burst_that_joins_the_voice_is_dropped_at_the_jump() -> None:
    found = without_strays(contour((40, 120.0), (4, 500.0), (40, 118.0)))
    assert np.isnan(found[40:44]).all()
    assert not np.isnan(np.delete(found, range(40, 44))).any()


def test_a_long_high_stretch_and_a_short_near_one_are_kept() -> None:
    lively = contour((40, 120.0), (5, 0), (15, 400.0), (5, 0), (6, 200.0), (5, 0), (40, 118.0))
    assert np.array_equal(without_strays(lively), lively, equal_nan=True)


def test_a_glide_over_two_octaves_is_kept() -> None:
    glide = np.geomspace(100, 420, 60).astype(np.float32)
    assert np.array_equal(without_strays(glide), glide)


def test_no_voice_stays_no_voice() -> None:
    nothing = np.full(10, np.nan, np.float32)
    assert np.isnan(without_strays(nothing)).all()
    assert len(without_strays(nothing[:0])) == 0
