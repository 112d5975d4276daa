"""What a row holds: the clip's own sound, and its face at the time of each slot."""

from __future__ import annotations

import gc
import json
import pickle
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import simplejpeg
from numpy.typing import NDArray

from tests.support.media_files import Sound, write_media
from tests.support.real_data import real_data
from tests.support.shard_folders import shards_of, write_manifest
from tests.support.synthetic_shards import write_shards
from vaemo_clips.audio import decode_audio
from vaemo_clips.errors import MediaError, ShardError
from vaemo_clips.faces.alignment import aligned_crops
from vaemo_clips.faces.models import FaceModels
from vaemo_clips.faces.target import TargetFace, choose_target
from vaemo_clips.faces.tracking import track_faces
from vaemo_clips.index import index
from vaemo_clips.manifest import Manifest
from vaemo_clips.video import iterate_frames
from vaemo_train.shards import picture
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.prepared import Missing, PreparedClip, RowMedia, _why_no_picture, prepare_clip
from vaemo_train.shards.row import FORMAT_VERSION, ShardRow, ShardSettings
from vaemo_train.shards.span import spans


@pytest.fixture(scope="module")
def manifest(demo_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    rows = [{"path": path.name, "label": path.stem[8:]} for path in sorted(demo_clips.iterdir())]
    return Manifest.open(write_manifest(tmp_path_factory.mktemp("manifest") / "clips.parquet", rows, demo_clips))


@pytest.fixture(scope="module")
def made(manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("shards") / "out"
    shards_of(manifest.path, out, clips_per_shard=4, workers=2)
    return out


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(made, tmp_path / "shards"))


def rows_of(folder: Path) -> list[ShardRow]:
    shards = ShardFolder.open(folder)
    return [shards.row(number) for number in range(shards.num_rows)]


def faces(row: ShardRow) -> list[NDArray[np.uint8] | None]:
    jpegs = [row.jpeg(slot) for slot in range(len(row.jpeg_ends))]
    return [None if jpeg is None else simplejpeg.decode_jpeg(jpeg) for jpeg in jpegs]


def test_rows_come_in_the_manifests_order_with_the_clips_columns(made: Path, manifest: Manifest) -> None:
    clips = list(manifest.clips())
    for row, clip in zip(rows_of(made), clips, strict=True):
        assert (row.clip_id, row.row, row.begin_s, row.fps) == (clip.clip_id, 0, 0.0, 12.5)
        assert row.duration_s == clip.duration_s
        assert row.columns["label"] == clip.extra["label"]
        assert row.columns["sha256"] == clip.sha256
        assert "file_mtime_ns" not in row.columns


def test_sound_is_the_clips_own_to_the_sample(made: Path, manifest: Manifest) -> None:
    for row, clip in zip(rows_of(made), manifest.clips(), strict=True):
        if not clip.has_audio:
            assert row.sound is None
            continue
        expected = decode_audio(manifest.file_of(clip), 0.0, clip.duration_s)
        assert row.sound is not None
        assert row.sound.dtype == np.int16
        assert np.abs(row.sound / 32767 - expected).max() <= 0.5 / 32767 + 1e-6


def test_a_slot_shows_the_face_of_its_middle(made: Path, manifest: Manifest) -> None:
    clip, row = next(manifest.clips()), rows_of(made)[0]
    pictures = list(iterate_frames(manifest.file_of(clip)))
    tracks = track_faces(pictures, FaceModels.load())
    face = choose_target(tracks)
    assert isinstance(face, TargetFace)
    crops = dict(aligned_crops(pictures, face.track, tracks.times_s))
    times_s = np.array(list(crops))
    shown = faces(row)
    assert len(shown) == 38
    for slot, image in enumerate(shown[1:-1], start=1):
        assert image is not None
        assert image.shape == (192, 192, 3)
        differences = [np.abs(image.astype(int) - crop).mean() for crop in crops.values()]
        assert differences[int(np.abs(times_s - (slot + 0.5) / 12.5).argmin())] < min(differences) + 0.3
        assert min(differences) < 3


def test_a_clip_of_one_modality_has_that_one(made: Path, manifest: Manifest) -> None:
    for row, clip in zip(rows_of(made), manifest.clips(), strict=True):
        assert (row.sound is not None) == clip.has_audio
        assert (len(row.jpeg_ends) > 0) == clip.has_video
    table = ShardFolder.open(made).rows
    assert table.column("has_picture").to_pylist() == [True] * 5 + [False]
    assert table.column("has_sound").to_pylist() == [True] * 4 + [False, True]
    assert table.column("num_slots").to_pylist() == [38] * 5 + [0]
    assert table.column("num_samples").to_pylist() == [48_000] * 4 + [0, 48_000]
    assert table.column("shard").to_pylist() == [0] * 4 + [1] * 2
    assert table.column("batch").to_pylist() == [0, 1, 2, 3, 0, 1]


def test_a_row_is_a_view_on_the_file(made: Path) -> None:
    shards = ShardFolder.open(made)
    shards.row(0)
    before = pa.total_allocated_bytes()
    rows = [shards.row(number) for number in range(4)]
    assert pa.total_allocated_bytes() - before < 10_000
    assert sum(len(row.jpegs) for row in rows) > 500_000
    assert all(row.jpegs.readonly and row.sound is not None and not row.sound.flags.writeable for row in rows)


def test_a_slot_outside_the_row_has_no_picture(made: Path) -> None:
    row = rows_of(made)[0]
    assert row.jpeg(-1) is None
    assert row.jpeg(38) is None


def test_a_folder_can_be_pickled_and_names_its_content(made: Path) -> None:
    shards = ShardFolder.open(made)
    shards.row(0)
    again = pickle.loads(pickle.dumps(shards))
    assert len(pickle.dumps(shards)) < 1000
    assert again.digest == shards.digest
    assert bytes(again.row(0).jpegs) == bytes(shards.row(0).jpegs)
    assert shards.settings == ShardSettings()
    for number in (-1, 6):
        with pytest.raises(IndexError, match=r"not in \[0, 6\)"):
            shards.row(number)


def test_more_shards_than_may_be_open_at_once(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vaemo_train.shards.folder._MOST_OPEN", 1)
    shards = ShardFolder.open(made)
    kept = [shards.row(number) for number in (0, 5, 1, 4)]
    assert len(shards._maps) == 1
    assert [row.clip_id for row in kept] == [shards.rows.column("clip_id")[n].as_py() for n in (0, 5, 1, 4)]
    assert kept[0].jpeg(0) is not None


def test_a_folder_that_is_none_or_unfinished(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="there are no shards; make them with `vaemo-train prepare"):
        ShardFolder.open(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ShardError, match="not a folder of shards"):
        ShardFolder.open(tmp_path / "empty")
    (folder / "shards.json").unlink()
    with pytest.raises(ShardError, match="not finished; run the same prepare command again"):
        ShardFolder.open(folder)


def test_a_shard_that_is_missing_or_cut_short(folder: Path) -> None:
    shard = folder / "shard-00001.arrow"
    content = shard.read_bytes()
    shard.write_bytes(content[:-1000])
    message = rf"shard-00001.arrow: .* bytes, it should have {len(content):,}; delete .*done/shard-00001.json and run"
    with pytest.raises(ShardError, match=message):
        ShardFolder.open(folder)
    shard.unlink()
    with pytest.raises(ShardError, match=r"shard-00001.arrow: the shard is missing"):
        ShardFolder.open(folder)


def test_a_shard_of_the_right_size_that_is_damaged(folder: Path) -> None:
    shard = folder / "shard-00001.arrow"
    shard.write_bytes(bytes(shard.stat().st_size))
    shards = ShardFolder.open(folder)
    shards.row(3)
    with pytest.raises(ShardError, match=r"shard-00001.arrow: damaged, "):
        shards.row(4)


def test_another_version_is_refused(folder: Path) -> None:
    marker = folder / "shards.json"
    content = json.loads(marker.read_text())
    marker.write_text(json.dumps(content | {"format_version": FORMAT_VERSION + 1, "new": 1}))
    with pytest.raises(ShardError, match=f"format {FORMAT_VERSION + 1}, .* reads format {FORMAT_VERSION}; upgrade"):
        ShardFolder.open(folder)
    marker.write_text(json.dumps(content | {"format_version": 0}))
    with pytest.raises(ShardError, match=r"format 0, .* delete it to make it anew"):
        ShardFolder.open(folder)
    marker.write_text("{")
    with pytest.raises(ShardError, match="cannot be read as Marker"):
        ShardFolder.open(folder)


def test_a_list_of_rows_that_is_older_than_the_marker(folder: Path) -> None:
    marker = folder / "shards.json"
    marker.write_text(marker.read_text().replace('"both": 4', '"both": 5'))
    with pytest.raises(ShardError, match=r"6 rows, shards.json says 7; run the same prepare command again"):
        ShardFolder.open(folder)


def test_a_long_clip_becomes_rows_that_join_without_a_seam(tmp_path: Path) -> None:
    write_media(tmp_path / "long.wav", None, Sound([k + 0.5 for k in range(25)], end_s=25.0, codec="pcm_s16le"))
    manifest = write_manifest(tmp_path / "clips.parquet", [{"path": "long.wav"}], tmp_path)
    shards_of(manifest, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert [row.row for row in rows] == [0, 1, 2]
    # 312.5 slots, rounded to 312, in three equal parts; the sound goes on for the rest of one.
    assert [row.begin_s for row in rows] == pytest.approx([0.0, 8.32, 16.64])
    assert [row.duration_s for row in rows] == pytest.approx([8.32, 8.32, 8.36])
    whole = decode_audio(tmp_path / "long.wav", 0.0, 25.0)
    joined = np.concatenate([row.sound for row in rows if row.sound is not None])
    assert np.abs(joined / 32767 - whole).max() < 1e-4


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    source = real_data("clips")
    ends_s = {"animation_5_1_audio.mp4": 5.0, "hevc_mov_face_then_none.mov": 6.0, "hevc_portrait_1080x1920_a.mp4": 0.8,
              "silent_audio_20s.mp4": 10.4, "tiny_66x50_60fps.mov": 1.0}  # fmt: skip
    rows = [{"path": name, "start_s": 0.0, "end_s": end_s} for name, end_s in ends_s.items()]
    return Manifest.open(write_manifest(tmp_path_factory.mktemp("hard") / "clips.parquet", rows, source))


def of_hard(hard: Manifest, name: str, settings: ShardSettings | None = None) -> PreparedClip:
    clip = next(clip for clip in hard.clips() if clip.path.startswith(name))
    return prepare_clip(hard.file_of(clip), clip, settings or ShardSettings())


def test_slots_after_the_face_has_gone_are_empty(hard: Manifest) -> None:
    (row,) = of_hard(hard, "hevc_mov").rows
    assert row.jpegs is not None
    seen = [bool(jpeg) for jpeg in row.jpegs]
    assert seen == [True] * sum(seen) + [False] * (len(seen) - sum(seen))
    assert 25 < sum(seen) < 40


def test_a_face_seen_for_a_moment_is_no_picture(hard: Manifest) -> None:
    clip = of_hard(hard, "animation")
    assert clip.picture is not None
    assert clip.picture.reason in ("too_few_frames", "no_face")
    assert [row.jpegs for row in clip.rows] == [None]
    assert clip.sound is None


def test_too_few_pictures_are_told_by_how_many_a_part_needs() -> None:
    """They need not be consecutive, and pictures of one part are no help to another."""
    seen = [b"jpeg" if slot in (0, 2, 4, 6, 8, 200) else b"" for slot in range(250)]
    parts = [RowMedia(span, None, None) for span in spans(20.0, 12.5)]
    why = _why_no_picture(seen, parts, ShardSettings())
    assert why == Missing(
        "too_few_frames",
        "the face was seen in 6 of 250 slots; a part of the clip, of at most 10 s, needs it in 6 of its own",
    )


def test_digital_silence_is_no_sound(hard: Manifest) -> None:
    clip = of_hard(hard, "silent_audio", ShardSettings(fps=6.25))
    assert [(row.jpegs is not None, row.sound) for row in clip.rows] == [(True, None)] * 2
    assert [len(row.jpegs or ()) for row in clip.rows] == [33, 32]
    assert clip.sound is not None
    assert clip.sound.reason == "silent"


@pytest.mark.parametrize("limit", [1_000_000, 10**9])
def test_small_faces_are_cut_from_the_file_at_its_own_size(
    hard: Manifest, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture, "_MAX_KEPT_BYTES", limit)
    plain = of_hard(hard, "hevc_portrait", ShardSettings(size_px=64)).rows[0].jpegs
    sizes = []
    decode = iterate_frames

    def watched(*values: Any, **options: Any) -> Iterator[Any]:
        sizes.append(options["long_side_px"])
        return decode(*values, **options)

    monkeypatch.setattr(picture, "iterate_frames", watched)
    sharp = of_hard(hard, "hevc_portrait").rows[0].jpegs
    assert sizes == [960, None]
    assert of_hard(hard, "hevc_portrait", ShardSettings(size_px=64)).rows[0].jpegs == plain
    assert sizes[2:] == ([960, 960] if limit == 1_000_000 else [960])
    assert sharp is not None
    assert plain is not None
    assert len(plain) == len(sharp) == 10
    for large, small in zip(sharp, plain, strict=True):
        shrunk = simplejpeg.decode_jpeg(large).reshape(64, 3, 64, 3, 3).mean(axis=(1, 3))
        assert np.abs(shrunk - simplejpeg.decode_jpeg(small)).mean() < 6


def test_neither_face_nor_sound_is_a_reject_that_names_both(hard: Manifest) -> None:
    with pytest.raises(MediaError, match=r"too_dark: tiny_66x50_60fps.mov: no face was found in .*; the file has no s"):
        of_hard(hard, "tiny")


def test_speech_alone_is_kept(tmp_path: Path) -> None:
    source = sorted(real_data("ravdess_speech").rglob("*.flac"))[:2]
    assert source
    rows = [{"path": path.relative_to(real_data("ravdess_speech")).as_posix()} for path in source]
    manifest = write_manifest(tmp_path / "clips.parquet", rows, real_data("ravdess_speech"))
    summary = shards_of(manifest, tmp_path / "out")
    assert summary.marker.counts.sound_only == summary.marker.accepted == 2
    assert summary.marker.without_picture == {"no_video": 2}
    assert all(row.sound is not None and len(row.sound) > 32_000 for row in rows_of(tmp_path / "out"))


def test_a_folder_of_plain_files_can_be_prepared(demo_clips: Path, tmp_path: Path) -> None:
    index(demo_clips, tmp_path / "clips.parquet", workers=1)
    summary = shards_of(tmp_path / "clips.parquet", tmp_path / "out", modality="audio", limit=2)
    assert summary.marker.accepted == 2


def test_a_rows_media_are_views_on_the_map_and_copy_nothing(tmp_path: Path) -> None:
    write_shards(tmp_path / "shards", 2, settings=ShardSettings(size_px=64))
    folder = ShardFolder.open(tmp_path / "shards")
    gc.collect()  # what earlier tests left in cycles is not freed in between
    before = pa.total_allocated_bytes()
    row = folder.row(1)
    assert len(row.jpegs) > 10_000
    assert pa.total_allocated_bytes() == before
