"""Pictures at wanted times: golden files whose pictures carry their number."""

from __future__ import annotations

import bisect
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.support.media_files import Picture, Sound, click_times, number_of, numbered, steady, write_media
from tests.support.real_data import real_data
from vaemo_clips.audio import decode_audio
from vaemo_clips.errors import MediaError
from vaemo_clips.probe import probe
from vaemo_clips.timeline import frame_times
from vaemo_clips.video import decode_frames

UNEVEN_S = [0.0, 0.04, 0.1, 0.11, 0.3, 0.9, 0.92, 1.5, 1.52, 1.6, 2.4]


def shown_at(times_s: list[float], wanted_s: float) -> int:
    return max(bisect.bisect_right(times_s, wanted_s + 1e-9) - 1, 0)


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.mov", "a.ts"])
@pytest.mark.parametrize("times_s", [steady(60), UNEVEN_S], ids=["constant", "variable"])
def test_the_picture_on_screen_is_returned_for_any_time(tmp_path: Path, name: str, times_s: list[float]) -> None:
    path = write_media(tmp_path / name, Picture(times_s))
    wanted = [-1.0, 0.0, *(t + 0.006 for t in times_s), *(t - 0.004 for t in times_s[1:]), 99.0]
    frames = decode_frames(path, wanted)
    expected = [shown_at(times_s, t) for t in wanted]
    assert [number_of(image) for image in frames.images] == expected
    assert frames.times_s == pytest.approx([times_s[k] for k in expected], abs=0.0006)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.mp4", "libx264"), ("a.mkv", "libx264"), ("a.ts", "libx264"), ("a.avi", "mpeg4"), ("a.mpg", "mpeg1video")],
)
@pytest.mark.parametrize("gop", [12, 250])
def test_sparse_and_far_times_give_the_exact_picture(tmp_path: Path, name: str, codec: str, gop: int) -> None:
    times_s = steady(250)
    b_frames = 0 if codec == "mpeg4" else 2
    path = write_media(tmp_path / name, Picture(times_s, codec=codec, gop=gop, b_frames=b_frames))
    for wanted in ([9.3], [7.02, 7.06], [0.5, 8.5], frame_times(1.0, 8.5, 0.5, 8), [9.9, 0.1]):
        images = decode_frames(path, wanted).images
        assert [number_of(image) for image in images] == [shown_at(times_s, t) for t in wanted]


@pytest.mark.parametrize(("name", "codec"), [("a.mpg", "mpeg1video"), ("a.ts", "libx264"), ("a.mkv", "libx264")])
def test_a_segment_far_into_a_long_file_gives_the_exact_picture(tmp_path: Path, name: str, codec: str) -> None:
    times_s = steady(1500)
    path = write_media(tmp_path / name, Picture(times_s, 64, 48, codec=codec))
    for wanted in ([50.03, 50.5, 59.9], [1.02, 58.02]):
        images = decode_frames(path, wanted).images
        assert [number_of(image) for image in images] == [shown_at(times_s, t) % 256 for t in wanted]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_second_0_is_the_first_picture_wherever_the_file_starts(tmp_path: Path, name: str) -> None:
    late = steady(50, begin_s=1.5)
    path = write_media(tmp_path / name, Picture(late), Sound([0.2], end_s=3.0))
    frames = decode_frames(path, [0.0, 0.5, 1.9])
    assert [number_of(image) for image in frames.images] == [0, 12, 47]


def test_pictures_before_an_edit_lists_begin_are_not_part_of_the_clip() -> None:
    path = real_data("clips") / "tiny_66x50_60fps.mov"
    info = probe(path)
    assert info.n_frames == 82, "87 in the header, 5 of them cut away by the edit list"
    assert info.duration_s == pytest.approx(82 / 60)
    assert decode_frames(path, [0.0]).times_s == [0.0]


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_display_rotation_is_applied(tmp_path: Path, turns: int) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(5), quarter_turns=turns))
    upright = write_media(tmp_path / "b.mp4", Picture(steady(5)))
    (turned,) = decode_frames(path, [0.0]).images
    (plain,) = decode_frames(upright, [0.0]).images
    assert np.abs(turned.astype(int) - np.rot90(plain, turns).astype(int)).mean() < 2
    info = probe(path)
    assert (info.height, info.width) == turned.shape[:2]


@pytest.mark.parametrize(("mirrors_columns", "mirrors_rows"), [(True, False), (False, True), (True, True)])
def test_display_mirroring_is_applied(tmp_path: Path, mirrors_columns: bool, mirrors_rows: bool) -> None:
    picture = Picture(steady(3), mirrors_columns=mirrors_columns, mirrors_rows=mirrors_rows)
    (image,) = decode_frames(write_media(tmp_path / "a.mp4", picture), [0.04]).images
    shown = numbered(1)[:: -1 if mirrors_rows else 1, :: -1 if mirrors_columns else 1]
    assert np.abs(image.astype(int) - shown).mean() < 3


def test_the_short_side_is_scaled_down_after_rotation(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(3), 320, 180, quarter_turns=1))
    assert decode_frames(path, [0.0], short_side_px=90).images[0].shape == (160, 90, 3)


def test_small_pictures_are_not_scaled_up(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(3)))
    assert decode_frames(path, [0.0], short_side_px=480).images[0].shape == (96, 160, 3)


def test_non_square_pixels_become_square(tmp_path: Path) -> None:
    wide = write_media(tmp_path / "a.mp4", Picture(steady(3), pixel_aspect=Fraction(4, 3)))
    tall = write_media(tmp_path / "b.mp4", Picture(steady(3), pixel_aspect=Fraction(1, 2)))
    assert decode_frames(wide, [0.0]).images[0].shape == (96, 213, 3)
    assert decode_frames(wide, [0.0], short_side_px=48).images[0].shape == (48, 106, 3)
    assert decode_frames(tall, [0.0]).images[0].shape == (192, 160, 3)
    assert (probe(wide).width, probe(wide).height) == (160, 96)


@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p", "yuv420p10le", "yuvj420p"])
def test_colours_survive_every_pixel_format(tmp_path: Path, pix_fmt: str) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(3), pix_fmt=pix_fmt, options={"crf": "4"}))
    (image,) = decode_frames(path, [0.0]).images
    assert image[80, 10].tolist() == pytest.approx([230, 20, 20], abs=12)
    assert image[80, 120].tolist() == pytest.approx([20, 20, 230], abs=12)


def test_vp9_and_opus_in_webm(tmp_path: Path) -> None:
    picture = Picture(steady(50), codec="libvpx-vp9", b_frames=0)
    path = write_media(tmp_path / "a.webm", picture, Sound([1.0], end_s=2.0, codec="libopus", rate_hz=48000))
    assert [number_of(image) for image in decode_frames(path, [0.0, 1.01, 1.9]).images] == [0, 25, 47]
    assert click_times(decode_audio(path, 0.0, 2.0), 16000) == pytest.approx([1.0], abs=0.002)


def test_equal_times_share_one_array_and_keep_their_order(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(50)))
    frames = decode_frames(path, [1.0, 0.2, 1.0])
    assert [number_of(image) for image in frames.images] == [25, 5, 25]
    assert frames.images[0] is frames.images[2]


def test_a_damaged_stretch_keeps_the_picture_before_it(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.ts", Picture(steady(100), gop=10))
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(data)
    frames = decode_frames(path, frame_times(0.0, 4.0, 5, 50))
    numbers = [number_of(image) for image in frames.images]
    assert numbers[0] == 2
    assert numbers[-1] == 97


def test_a_file_without_picture_is_a_typed_error(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.wav", None, Sound([1.0], codec="pcm_s16le"))
    with pytest.raises(MediaError, match=r"no_video: .*has no picture"):
        decode_frames(path, [0.0])


def test_every_real_file_gives_its_pictures() -> None:
    folder = real_data("clips")
    for path in sorted(p for p in folder.iterdir() if p.suffix != ".csv"):
        info = probe(path)
        frames = decode_frames(path, frame_times(0.0, info.duration_s, 1.0, 4), short_side_px=64)
        assert all(min(image.shape[:2]) in (50, 64) for image in frames.images), path.name
        assert frames.times_s == sorted(frames.times_s), path.name
        assert 0 <= frames.times_s[0] <= frames.times_s[-1] < info.duration_s, path.name


def test_segments_of_real_files_equal_the_whole_decoded_in_order() -> None:
    folder = real_data("clips")
    for name in ("hevc_mov_face_then_none.mov", "silent_audio_20s.mp4", "av1_mkv_noaudio.mkv", "grid_swiz3n.mpg"):
        duration_s = probe(folder / name).duration_s
        times_s = frame_times(0.0, duration_s, 8, 400)
        whole = decode_frames(folder / name, times_s, short_side_px=32)
        for place in (len(times_s) // 2, len(times_s) - 2):
            one = decode_frames(folder / name, [times_s[place]], short_side_px=32)
            assert one.times_s == [whole.times_s[place]], name
            assert np.array_equal(one.images[0], whole.images[place]), name
