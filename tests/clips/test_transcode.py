"""Cut segments: the right pictures and sounds, playable, whole or absent."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.support.media_files import Picture, Sound, click_times, number_of, steady, write_media
from vaemo_clips.audio import decode_audio
from vaemo_clips.errors import MediaError, MissingExtraError
from vaemo_clips.probe import probe
from vaemo_clips.transcode import cut
from vaemo_clips.video import decode_frames


@pytest.mark.parametrize("picture_begin_s", [0.0, 0.4])
def test_a_cut_holds_the_pictures_and_sounds_of_its_segment(tmp_path: Path, picture_begin_s: float) -> None:
    picture = Picture(steady(100, begin_s=picture_begin_s), 320, 192)
    source = write_media(tmp_path / "a.mkv", picture, Sound([picture_begin_s + 1.6], end_s=5.0))
    cut(source, tmp_path / "cut.mp4", 1.0, 2.0, short_side_px=96)
    info = probe(tmp_path / "cut.mp4")
    assert (info.width, info.height, info.n_frames, info.has_audio) == (160, 96, 50, True)
    images = decode_frames(tmp_path / "cut.mp4", [0.0, 0.6, 1.99]).images
    assert [number_of(image) for image in images] == [25, 40, 74]
    assert click_times(decode_audio(tmp_path / "cut.mp4", 0.0, 2.0), 16000) == pytest.approx([0.6], abs=0.025)


def test_a_rotated_picture_is_cut_upright(tmp_path: Path) -> None:
    source = write_media(tmp_path / "a.mp4", Picture(steady(20), 320, 192, quarter_turns=1))
    cut(source, tmp_path / "cut.mp4", 0.0, 0.5, short_side_px=96)
    assert (probe(tmp_path / "cut.mp4").width, probe(tmp_path / "cut.mp4").height) == (96, 160)


@pytest.mark.parametrize("name", ["cut.m4a", "cut.mp3", "cut.mp4"])
def test_sound_alone_is_cut_as_sound(tmp_path: Path, name: str) -> None:
    source = write_media(tmp_path / "a.wav", None, Sound([1.5], codec="pcm_s16le"))
    cut(source, tmp_path / name, 1.0, 1.0)
    assert probe(tmp_path / name).width is None
    assert click_times(decode_audio(tmp_path / name, 0.0, 1.0), 16000) == pytest.approx([0.5], abs=0.002)


def test_what_cannot_be_cut_is_a_media_error_and_leaves_nothing(tmp_path: Path) -> None:
    silent = write_media(tmp_path / "a.mp4", Picture(steady(5)))
    with pytest.raises(MediaError, match=r"no_audio: .*no sound to write to cut\.m4a"):
        cut(silent, tmp_path / "cut.m4a", 0.0, 0.1)
    with pytest.raises(MediaError, match=r"cut_failed: .*a\.mp4: .+"):
        cut(silent, tmp_path / "no folder" / "cut.mp4", 0.0, 0.1)
    with pytest.raises(ValueError, match=r"must end in one of \.m4a, \.mp4, \.mp3"):
        cut(silent, tmp_path / "cut.webm", 0.0, 0.1)
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_a_missing_extra_names_its_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = write_media(tmp_path / "a.mp4", Picture(steady(5)))
    monkeypatch.setitem(sys.modules, "ffmpeg", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'vaemo\[annotate\]'"):
        cut(source, tmp_path / "cut.mp4", 0.0, 0.1)
