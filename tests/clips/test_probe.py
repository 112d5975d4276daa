"""Facts of media files and typed reasons for the ones that cannot be used."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import av
import numpy as np
import pytest
from av.stream import Disposition
from av.video.frame import VideoFrame
from PIL import Image

from tests.support.media_files import Picture, Sound, steady, write_media
from tests.support.real_data import real_data
from vaemo_clips.errors import MediaError
from vaemo_clips.probe import probe


def reason_of(path: Path) -> str:
    with pytest.raises(MediaError, match=r"^\w+: [^\n]+$") as caught:
        probe(path)
    return caught.value.reason


def test_real_files_have_the_facts_that_clips_csv_states() -> None:
    folder = real_data("clips")
    with (folder / "clips.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        info = probe(folder / row["file"])
        if row["file"] == "multi_stream_8k_audio.mp4":
            continue  # the list names its first streams, the best ones come second
        assert f"{info.width}x{info.height}" == row["video"].split()[1], row["file"]
        sound = f"{info.audio_rate_hz} Hz {info.audio_channels}ch" if info.has_audio else "none"
        assert sound == row["audio"].removeprefix("aac ").removeprefix("mp3float ").removeprefix("mp2 "), row["file"]
        assert info.duration_s == pytest.approx((info.n_frames or 0) / (info.fps or 1), rel=0.02), row["file"]


def test_the_best_streams_are_chosen_not_the_first() -> None:
    info = probe(real_data("clips") / "multi_stream_8k_audio.mp4")
    assert (info.width, info.height, info.n_frames, info.audio_rate_hz) == (480, 270, 390, 16000)


@pytest.mark.parametrize("name", ["grid_bbaf2n.mpg", "av1_mkv_noaudio.mkv"])
def test_pictures_are_counted_where_the_header_does_not_say(name: str) -> None:
    info = probe(real_data("clips") / name)
    assert (info.n_frames, info.duration_s, info.fps) in [(75, 3.0, 25.0), (125, 5.0, 25.0)]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts", "a.mov"])
def test_duration_is_the_pictures_not_the_sounds(tmp_path: Path, name: str) -> None:
    path = write_media(tmp_path / name, Picture(steady(50)), Sound([1.0], end_s=3.0))
    info = probe(path)
    assert info.duration_s == pytest.approx(2.0, abs=0.001)
    assert info.n_frames == 50
    assert info.has_audio


@pytest.mark.parametrize(
    ("name", "codec"), [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.m4a", "aac"), ("a.mp3", "libmp3lame")]
)
def test_sound_alone_is_a_clip(tmp_path: Path, name: str, codec: str) -> None:
    info = probe(write_media(tmp_path / name, None, Sound([1.0], codec=codec)))
    assert info.duration_s == pytest.approx(3.0, abs=0.1)
    assert (info.width, info.height, info.fps, info.n_frames) == (None, None, None, None)
    assert (info.audio_rate_hz, info.audio_channels) == (44100, 2)


def test_cover_art_is_not_a_picture(tmp_path: Path) -> None:
    plain = write_media(tmp_path / "plain.m4a", None, Sound([1.0]))
    path = tmp_path / "cover.m4a"
    with av.open(str(plain)) as source, av.open(str(path), "w", format="mp4") as target:
        sound = target.add_stream_from_template(source.streams.audio[0])
        cover = target.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 64, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        for packet in source.demux(source.streams.audio[0]):
            if packet.dts is not None:
                packet.stream = sound
                target.mux(packet)
        art = VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24").reformat(format="yuvj420p")
        target.mux([*cover.encode(art), *cover.encode(None)])
    info = probe(path)
    assert info.width is None
    assert info.duration_s == pytest.approx(3.0, abs=0.05)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "dangling.mp4").symlink_to(tmp_path / "gone.mp4")
    assert reason_of(tmp_path / "missing.mp4") == "not_found"
    assert reason_of(tmp_path / "dangling.mp4") == "not_found"


def test_a_file_of_no_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").touch()
    assert reason_of(tmp_path / "a.mp4") == "empty_file"


def test_a_folder_or_a_pipe_in_place_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").mkdir()
    os.mkfifo(tmp_path / "b.mp4")
    assert reason_of(tmp_path / "a.mp4") == "unreadable"
    assert reason_of(tmp_path / "b.mp4") == "unreadable"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(3)))
    path.chmod(0)
    assert reason_of(path) == "unreadable"


def test_text_images_and_noise_are_not_media(tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("not a film\n" * 500)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(50_000))
    Image.new("RGB", (32, 32)).save(tmp_path / "image.png")
    (tmp_path / "image.png").rename(tmp_path / "image.mp4")
    (tmp_path / "list.m3u8").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:3\n#EXTINF:3,\nhttp://localhost/a.ts\n")
    for name in ("text.mp4", "noise.mp4", "image.mp4", "list.m3u8"):
        assert reason_of(tmp_path / name) == "not_media", name


def test_subtitles_alone_are_no_clip(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_text("1\n00:00:01,000 --> 00:00:02,000\nhello\n")
    assert reason_of(tmp_path / "a.mp4") == "no_streams"


def test_a_file_cut_off_in_a_download_is_corrupt(tmp_path: Path) -> None:
    whole = write_media(tmp_path / "a.mp4", Picture(steady(100)), options={"movflags": "+faststart"})
    data = whole.read_bytes()
    whole.write_bytes(data[: len(data) // 2])
    with pytest.raises(MediaError, match=r"corrupt: .*cut off.* of \d+"):
        probe(whole)


def test_pictures_that_do_not_decode_are_corrupt(tmp_path: Path) -> None:
    path = write_media(tmp_path / "a.mp4", Picture(steady(20)))
    data = bytearray(path.read_bytes())
    begin = data.index(b"mdat") + 4
    data[begin : data.index(b"moov") - 4] = b"\xff" * (data.index(b"moov") - 4 - begin)
    path.write_bytes(data)
    assert reason_of(path) == "corrupt"


@pytest.mark.parametrize("name", ["with space.mp4", "é ü 漢字.mp4", "hash#1.mp4", "a:b.mp4", "100%d.mp4", "http:x.mp4"])
def test_any_file_name_can_be_read(tmp_path: Path, name: str) -> None:
    assert probe(write_media(tmp_path / "a.mp4", Picture(steady(3))).rename(tmp_path / name)).n_frames == 3
