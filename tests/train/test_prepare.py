"""`prepare` decides on every clip: rows of what was asked for, or a typed reject."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.media_files import Picture, Sound, steady, write_media
from tests.support.shard_folders import dies_or_hangs, rejects_of, shards_of, vaemo_train_here, write_manifest
from vaemo_clips.errors import ManifestError, RunFolderError, ShardError
from vaemo_clips.whole_file import locked_folder
from vaemo_train.prepare_command import summary_lines
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.prepare import PrepareOptions, PrepareSummary, prepare
from vaemo_train.shards.record import ShardRecord
from vaemo_train.shards.row import ShardSettings


@pytest.fixture(scope="module")
def odd_clips(demo_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of short pieces of everything: with both, without face, sound or picture, silent, too short."""
    folder = tmp_path_factory.mktemp("odd")
    both, no_sound = (next(demo_clips.glob(f"{number}_*.mp4")) for number in ("000", "004"))
    shutil.copy(both, folder / "both.mp4")
    shutil.copy(no_sound, folder / "no_sound.mp4")
    write_media(folder / "no_face.mp4", Picture(steady(30)), Sound([0.5], end_s=1.2))
    write_media(folder / "nothing.mp4", Picture(steady(30)), Sound([], end_s=1.2))
    write_media(folder / "bars.mp4", Picture(steady(30)))
    write_media(folder / "voice.wav", None, Sound([0.3], end_s=1.0, codec="pcm_s16le"))
    write_media(folder / "silent.wav", None, Sound([], end_s=1.0, codec="pcm_s16le"))
    names = ["both.mp4", "no_sound.mp4", "no_face.mp4", "nothing.mp4", "bars.mp4", "voice.wav", "silent.wav"]
    rows = [{"clip_id": name.split(".")[0], "path": name, "start_s": 0.0, "end_s": 1.0} for name in names]
    rows.append({"clip_id": "short", "path": "both.mp4", "start_s": 0.0, "end_s": 0.48})
    return write_manifest(folder / "clips.parquet", rows, folder)


EXPECTED = {
    "any": (
        {"both": (True, True), "no_sound": (True, False), "no_face": (False, True), "voice": (False, True)},
        {"nothing": "no_face", "bars": "no_face", "silent": "no_video", "short": "too_short"},
    ),
    "both": (
        {"both": (True, True)},
        {"no_sound": "no_audio", "no_face": "no_face", "nothing": "no_face", "bars": "no_audio", "voice": "no_video",
         "silent": "no_video", "short": "too_short"},
    ),
    "audio": (
        {"both": (False, True), "no_face": (False, True), "voice": (False, True)},
        {"no_sound": "no_audio", "nothing": "silent", "bars": "no_audio", "silent": "silent", "short": "too_short"},
    ),
    "video": (
        {"both": (True, False), "no_sound": (True, False)},
        {"no_face": "no_face", "nothing": "no_face", "bars": "no_face", "voice": "no_video", "silent": "no_video",
         "short": "too_short"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def whole(odd_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> PrepareSummary:
    """What is kept of anything."""
    return shards_of(odd_clips, tmp_path_factory.mktemp("whole") / "out", workers=2)


@pytest.mark.parametrize("modality", list(EXPECTED))
def test_a_modality_keeps_what_it_asks_for_and_rejects_the_rest(
    odd_clips: Path, whole: PrepareSummary, tmp_path: Path, modality: str
) -> None:
    summary = whole if modality == "any" else shards_of(odd_clips, tmp_path / "out", modality, workers=2)
    rows = pq.read_table(summary.folder / "rows.parquet").to_pylist()
    accepted, rejected = EXPECTED[modality]
    assert {row["clip_id"]: (row["has_picture"], row["has_sound"]) for row in rows} == accepted
    assert rejects_of(summary.folder) == rejected
    marker = summary.marker
    assert (marker.clips, marker.accepted, marker.rejected) == (8, len(accepted), len(rejected))
    assert ShardFolder.open(summary.folder).num_rows == len(accepted)


def test_a_reject_carries_its_clip_and_names_all_that_is_missing(odd_clips: Path, whole: PrepareSummary) -> None:
    rows = {row["clip_id"]: row for row in pq.read_table(whole.folder / "rejects.parquet").to_pylist()}
    assert rows["nothing"]["path"] == "nothing.mp4"
    assert rows["nothing"]["duration_s"] == 1.0
    detail = rows["nothing"]["reject_detail"]
    assert detail.startswith("nothing.mp4: no face was found in ")
    assert "; its sound never rises above 0.0001 of full scale" in detail
    assert str(odd_clips.parent) not in detail
    assert rows["short"]["reject_detail"] == "both.mp4: 0.480 s, a clip has at least 0.5 s"


def test_the_summary_counts_everything(whole: PrepareSummary) -> None:
    lines = "\n".join(summary_lines(whole))
    for words in (
        "4 clips accepted + 4 rejected = 8; 1 shards in",
        "rejected, no_face: 2 (see",
        "4 rows: 1 with picture and sound, 1 picture only, 2 sound only",
        "clips without picture: no_face 1, no_video 1",
        "clips without sound: no_audio 1",
        "8 clips prepared now in",
        f"next: vaemo-train stage1 --data {whole.folder}",
    ):
        assert words in lines
    assert "--retry-rejects" not in lines


def test_a_decoder_that_dies_hangs_or_fails_costs_one_clip(demo_clips: Path, tmp_path: Path) -> None:
    name = next(demo_clips.glob("*.wav")).name
    labels = ["dies", "fine", "hangs", "fails", "fine"]
    rows = [
        {"clip_id": f"{k}-{label}", "path": name, "start_s": 0, "end_s": 0.5, "label": label}
        for k, label in enumerate(labels)
    ]
    manifest = write_manifest(tmp_path / "clips.parquet", rows, demo_clips)
    settings = ShardSettings(modality="audio")
    options = PrepareOptions(manifest, tmp_path / "out", settings, workers=2, timeout_s=0.5)
    summary = prepare(options, prepare_one=dies_or_hangs)
    assert rejects_of(tmp_path / "out") == {
        "0-dies": "decoder_crashed", "2-hangs": "decoder_timeout", "3-fails": "decoder_failed"
    }  # fmt: skip
    assert summary.marker.accepted == 2
    assert "  3 of these may end otherwise; --retry-rejects tries them again" in summary_lines(summary)


def test_files_that_change_or_go_after_indexing_are_rejects(odd_clips: Path, tmp_path: Path) -> None:
    folder = tmp_path / "clips"
    shutil.copytree(odd_clips.parent, folder)
    manifest = write_manifest(
        folder / "new.parquet", [{"path": name} for name in ("voice.wav", "no_face.mp4", "both.mp4")], folder
    )
    (folder / "voice.wav").write_bytes((folder / "voice.wav").read_bytes()[:-2])
    (folder / "no_face.mp4").unlink()
    (folder / "both.mp4").touch()
    shards_of(manifest, tmp_path / "out", "audio")
    assert rejects_of(tmp_path / "out") == {"voice": "file_changed", "no_face": "not_found"}


def test_sound_that_cannot_be_decoded_does_not_cost_the_picture(
    odd_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vaemo_clips.errors import MediaError
    from vaemo_clips.manifest import Manifest
    from vaemo_train.shards import prepared

    def broken(path: Path, *_: object) -> None:
        raise MediaError("corrupt", f"{path}: what ffmpeg says")

    monkeypatch.setattr(prepared, "clip_sound", broken)
    manifest = Manifest.open(odd_clips)
    clip = next(manifest.clips())
    made = prepared.prepare_clip(manifest.file_of(clip), clip, ShardSettings())
    assert made.sound == prepared.Missing("corrupt", "both.mp4: what ffmpeg says")
    assert made.rows[0].jpegs is not None


def test_parts_without_anything_are_left_out_and_counted(tmp_path: Path) -> None:
    clicks = [0.5, 21.0]  # nothing in the middle of three parts
    write_media(tmp_path / "gap.wav", None, Sound(clicks, end_s=24.0, codec="pcm_s16le"))
    manifest = write_manifest(tmp_path / "clips.parquet", [{"path": "gap.wav"}], tmp_path)
    summary = shards_of(manifest, tmp_path / "out")
    rows = pq.read_table(tmp_path / "out" / "rows.parquet").to_pylist()
    assert [(row["row"], row["row_begin_s"]) for row in rows] == [(0, 0.0), (2, 16.0)]
    assert summary.marker.counts.left_out == 1
    assert any("left out" in line for line in summary_lines(summary))


def test_a_column_with_a_name_of_the_shards_own(odd_clips: Path, tmp_path: Path) -> None:
    rows = [{"path": "voice.wav", "sound": "loud"}]
    manifest = write_manifest(tmp_path / "clips.parquet", rows, odd_clips.parent)
    with pytest.raises(ShardError, match="column sound has the name of a shard's own column; rename it"):
        shards_of(manifest, tmp_path / "out")


def test_folders_that_cannot_be_used(odd_clips: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="no such manifest"):
        shards_of(tmp_path / "none.parquet", tmp_path / "out")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.tex").touch()
    with pytest.raises(ShardError, match=r"holds other files \(thesis.tex\); give a folder of its own"):
        shards_of(odd_clips, tmp_path / "taken")
    with (
        locked_folder(tmp_path / "busy"),
        pytest.raises(RunFolderError, match="in use by another run"),
    ):
        shards_of(odd_clips, tmp_path / "busy")


def test_a_full_disk_is_told_and_the_same_command_goes_on(
    odd_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vaemo_train.shards.writer import ShardWriter

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    out = tmp_path / "out"
    for owner, name in ((ShardWriter, "_close"), (ShardWriter, "accept"), (os, "fsync")):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, full)
            with pytest.raises(ShardError, match=r"No space left on device.*make room, run the same command again"):
                shards_of(odd_clips, out, "audio")
        assert {path.name for path in out.iterdir()} <= {".lock", "prepare.json", "done"}
    assert shards_of(odd_clips, out, "audio").marker.accepted == 3


@pytest.mark.parametrize(
    "change", [lambda record: record.clips.pop("both"), lambda record: record.rejects.pop("short")]
)
def test_rows_that_are_not_those_of_the_record_are_told(
    odd_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[ShardRecord], object]
) -> None:
    from vaemo_train.shards.writer import ShardWriter

    def wrong(writer: ShardWriter) -> ShardRecord:
        record = finish(writer)
        change(record)
        return record

    finish = ShardWriter.finish
    monkeypatch.setattr(ShardWriter, "finish", wrong)
    message = (
        r"shard-00000.arrow: it holds rows of 3 clips, its record accepts [24] .*; delete .*done/shard-00000.json and"
    )
    with pytest.raises(ShardError, match=message):
        shards_of(odd_clips, tmp_path / "out", "audio")
    assert not (tmp_path / "out" / "shards.json").exists()


def test_a_manifest_without_clips_gives_a_folder_without_rows(odd_clips: Path, tmp_path: Path) -> None:
    empty = tmp_path / "clips.parquet"
    pq.write_table(pq.read_table(odd_clips).slice(0, 0), empty)
    done = vaemo_train_here("prepare", "--clips", empty, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("0 clips accepted + 0 rejected = 0; 0 shards in ")
    assert ShardFolder.open(tmp_path / "out").num_rows == 0
