"""Shot changes: cuts are found, motion, pans and changing light are none."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from tests.support.faces import Picture
from vaemo_clips.faces.shots import CutFinder

RNG = np.random.default_rng(5)


def place(seed: int, width: int = 640, height: int = 180) -> Picture:
    """A smooth picture of a few colours."""
    blobs = np.random.default_rng(seed).integers(0, 255, (6, 16, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(blobs).resize((width, height), Image.Resampling.BICUBIC))


def cuts(pictures: Iterable[Picture]) -> list[int]:
    finder = CutFinder()
    return [index for index, picture in enumerate(pictures) if finder.is_cut(Image.fromarray(picture))]


def noisy(picture: Picture) -> Picture:
    return np.clip(picture + RNG.normal(0, 12, picture.shape), 0, 255).astype(np.uint8)


def test_cuts_between_places_are_found_where_they_are() -> None:
    shots = [place(seed)[:, :320] for seed in (1, 2, 3)]
    assert cuts([noisy(shot) for shot in shots for _ in range(10)]) == [10, 20]


def test_a_pan_is_no_cut() -> None:
    wide = place(1)
    assert cuts([wide[:, 8 * k : 8 * k + 320] for k in range(40)]) == []


def test_light_that_fades_is_no_cut() -> None:
    shot = place(1)[:, :320]
    assert cuts([(shot * (1 - 0.03 * k)).astype(np.uint8) for k in range(30)]) == []


def test_noise_that_never_repeats_is_no_cut() -> None:
    assert cuts(RNG.integers(0, 255, (30, 90, 160, 3)).astype(np.uint8)) == []


def test_one_picture_is_no_cut() -> None:
    assert cuts([place(1)]) == []


def test_brightness_tells_a_dark_clip_from_a_dark_background() -> None:
    finder = CutFinder()
    dark = np.full((90, 160, 3), 8, dtype=np.uint8)
    finder.is_cut(Image.fromarray(dark))
    assert finder.brightness < 10
    dark[:40, :40] = 180
    finder.is_cut(Image.fromarray(dark))
    assert finder.brightness > 150
