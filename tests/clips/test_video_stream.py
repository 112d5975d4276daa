"""Pictures one after the other: each once, in order, thinned and scaled as asked."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from tests.support.media_files import Picture, Sound, number_of, steady, write_media
from tests.support.real_data import real_data
from vaemo_clips.errors import MediaError
from vaemo_clips.probe import probe
from vaemo_clips.video import decode_frames, iterate_frames

UNEVEN_S = [0.0, 0.04, 0.1, 0.14, 0.3, 0.9, 0.94, 1.5, 1.54, 1.6, 2.4]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize("times_s", [steady(60), UNEVEN_S], ids=["constant", "variable"])
def test_every_picture_comes_once_with_its_time(tmp_path: Path, name: str, times_s: list[float]) -> None:
    frames = list(iterate_frames(write_media(tmp_path / name, Picture(times_s))))
    assert [number_of(image) for _, image in frames] == list(range(len(times_s)))
    assert [time_s for time_s, _ in frames] == pytest.approx(times_s, abs=0.0006)


@pytest.mark.parametrize(
    ("begin_s", "end_s"), [(0.0, 0.4), (1.0, 2.0), (7.02, 7.5), (9.9, None), (3.99, 4.0), (11.0, 12.0)]
)
@pytest.mark.parametrize(("name", "codec"), [("a.mp4", "libx264"), ("a.ts", "libx264"), ("a.mpg", "mpeg1video")])
def test_a_range_holds_the_pictures_that_come_in_it(
    tmp_path: Path, name: str, codec: str, begin_s: float, end_s: float | None
) -> None:
    path = write_media(tmp_path / name, Picture(steady(250), codec=codec))
    numbers = [number_of(image) for _, image in iterate_frames(path, begin_s, end_s)]
    assert numbers == [k for k in range(250) if begin_s - 1e-6 <= k / 25 < (end_s or 99) - 1e-6]


def test_neighbouring_ranges_share_no_picture_and_lose_none(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(100)))
    edges = [0.0, 0.5, 1.33, 2.0, 4.0]
    parts = [iterate_frames(path, begin, end) for begin, end in pairwise(edges)]
    assert [number_of(image) for part in parts for _, image in part] == list(range(100))


@pytest.mark.parametrize(
    ("fps", "max_fps", "share"), [(60, 30, 1 / 2), (50, 30, 3 / 5), (25, 30, 1), (30, 30, 1), (25, 5, 1 / 5)]
)
@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_faster_pictures_are_thinned_evenly(
    tmp_path: Path, name: str, fps: float, max_fps: float, share: float
) -> None:
    path = write_media(tmp_path / name, Picture(steady(120, fps=fps)))
    times_s = [time_s for time_s, _ in iterate_frames(path, max_fps=max_fps)]
    assert len(times_s) == pytest.approx(120 * share, abs=1)
    steps = [after - before for before, after in pairwise(times_s)]
    assert max(steps) - min(steps) < 1 / fps + 0.002


def test_large_pictures_come_scaled_and_small_ones_as_they_are(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(3), 320, 180, quarter_turns=1))
    shapes = [{image.shape[:2] for _, image in iterate_frames(path, long_side_px=side)} for side in (960, 160, None)]
    assert shapes == [{(320, 180)}, {(160, 90)}, {(320, 180)}]
    both = next(iterate_frames(path, short_side_px=60, long_side_px=160))[1]
    assert both.shape == (106, 60, 3)


def test_non_square_pixels_become_square_before_the_long_side_is_scaled(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(3), pixel_aspect=Fraction(4, 3)))
    assert next(iterate_frames(path, long_side_px=106))[1].shape == (48, 106, 3)


def test_a_file_without_picture_and_a_rate_of_nothing_are_errors(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.wav", None, Sound([1.0], codec="pcm_s16le"))
    with pytest.raises(MediaError, match=r"no_video: .*has no picture"):
        next(iterate_frames(path))
    with pytest.raises(ValueError, match="max_fps=0 must be above 0"):
        next(iterate_frames(path, max_fps=0))


def test_real_files_stream_the_pictures_that_are_decoded_by_time() -> None:
    folder = real_data("clips")
    for name in ("hevc_mov_face_then_none.mov", "grid_swiz3n.mpg", "av1_mkv_noaudio.mkv"):
        streamed = list(iterate_frames(folder / name, max_fps=1000, short_side_px=32))
        assert len(streamed) == pytest.approx(probe(folder / name).n_frames, abs=1)
        places = [0, len(streamed) // 2, len(streamed) - 1]
        whole = decode_frames(folder / name, [streamed[place][0] for place in places], short_side_px=32)
        for place, image in zip(places, whole.images, strict=True):
            assert (streamed[place][1] == image).all()
