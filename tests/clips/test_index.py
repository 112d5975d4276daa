"""Indexing: every row ends as a clip or as a typed reject, every file is read once."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.bad_probes import probe_that_counts, probe_that_dies, probe_that_hangs, probe_that_must_not_run
from tests.support.media_files import Picture, Sound, steady, write_media
from tests.support.real_data import real_data
from vaemo_clips.errors import ManifestError
from vaemo_clips.index import IndexSummary, index, rejects_path
from vaemo_clips.manifest import Manifest


@pytest.fixture(scope="session")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_media(tmp_path_factory.mktemp("golden") / "a.mp4", Picture(steady(50), 64, 48))


@pytest.fixture
def folder(tmp_path: Path, golden: Path) -> Path:
    media = tmp_path / "media"
    (media / "sub").mkdir(parents=True)
    for name in ("a.mp4", "b.mp4", "sub/a.mp4"):
        shutil.copy2(golden, media / name)
    return media


def run(source: Path, out: Path, **options: Any) -> IndexSummary:
    return index(source, out, workers=options.pop("workers", 1), **options)


def rejects(out: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(rejects_path(out)).to_pylist()
    return rows


def reasons(out: Path) -> dict[str, str]:
    return {row["path"]: row["reason"] for row in rejects(out)}


def write_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_all_real_clips_are_accepted_in_sorted_order(tmp_path: Path) -> None:
    source = real_data("clips")
    progress: list[tuple[int, int, int]] = []
    summary = index(source, tmp_path / "clips.parquet", on_progress=lambda *counts: progress.append(counts))
    assert summary == IndexSummary(31, 31, {}, 0, {".csv": 1})
    assert progress[-1] == (31, 31, 0)
    clips = list(Manifest.open(tmp_path / "clips.parquet").clips())
    assert [c.path for c in clips] == sorted(p.name for p in source.iterdir() if p.suffix != ".csv")
    assert clips[0].sha256 == hashlib.sha256((source / clips[0].path).read_bytes()).hexdigest()
    assert rejects(tmp_path / "clips.parquet") == []


def test_a_labelled_list_keeps_its_columns_and_their_text(tmp_path: Path) -> None:
    source = real_data("emodb") / "manifest.csv"
    summary = index(source, tmp_path / "clips.parquet")
    assert (summary.found, summary.accepted) == (535, 535)
    first = next(Manifest.open(tmp_path / "clips.parquet").clips())
    assert first.extra == {"label": "happiness", "speaker": "03", "text_code": "a01", "version": "a"}
    assert first.duration_s == 2.0, "measured, not carried"


def test_bad_files_become_typed_rejects_and_the_rest_is_kept(tmp_path: Path, folder: Path) -> None:
    (folder / "empty.mp4").touch()
    (folder / "gone.mp4").symlink_to(folder / "nowhere.mp4")
    (folder / "text.mp4").write_text("hello " * 1000)
    os.mkfifo(folder / "pipe.mp4")
    (folder / "notes.txt").write_text("hello")
    (folder / ".hidden.mp4").touch()
    summary = run(folder, tmp_path / "clips.parquet")
    assert (summary.found, summary.accepted, summary.ignored_by_extension) == (7, 3, {".txt": 1})
    assert reasons(tmp_path / "clips.parquet") == {
        "empty.mp4": "empty_file",
        "gone.mp4": "not_found",
        "text.mp4": "not_media",
        "pipe.mp4": "unreadable",
    }
    assert summary.rejected == {"empty_file": 1, "not_found": 1, "not_media": 1, "unreadable": 1}


def test_a_name_that_is_not_utf8_is_a_typed_reject(tmp_path: Path, folder: Path, golden: Path) -> None:
    shutil.copy2(golden, folder / os.fsdecode(b"caf\xe9.mp4"))
    summary = run(folder, tmp_path / "clips.parquet")
    assert (summary.accepted, summary.rejected) == (3, {"path_not_utf8": 1})


@pytest.mark.parametrize("name", ["with space.mp4", "é 漢字.mp4", "hash#1.mp4", "a__b.mp4", "_x.mp4", "100%d.mp4"])
def test_awkward_names_are_indexed_under_safe_ids(tmp_path: Path, golden: Path, name: str) -> None:
    (tmp_path / "media").mkdir()
    shutil.copy2(golden, tmp_path / "media" / name)
    run(tmp_path / "media", tmp_path / "clips.parquet")
    manifest = Manifest.open(tmp_path / "clips.parquet")
    (clip,) = manifest.clips()
    assert clip.path == name
    assert manifest.file_of(clip).is_file()


def test_rows_that_cannot_be_meant_are_typed_rejects(tmp_path: Path, folder: Path) -> None:
    source = write_csv(
        folder / "list.csv",
        "path,clip_id,start_s,end_s,label",
        "a.mp4,ok,,,joy",
        "a.mp4,ok,0.5,1.0,again",
        "../up.mp4,,,,outside",
        "/etc/hosts.mp4,,,,outside",
        ",no-path,,,nothing",
        "a.mp4,bad id,,,space",
        "a.mp4,n,-1,1,negative",
        "a.mp4,e,1,1,empty",
        "a.mp4,l,2.0,3,after the end",
        "a.mp4,x,soon,2,no number",
        "a.mp4,y,nan,2,no number",
    )
    summary = run(source, tmp_path / "clips.parquet")
    found = rejects(tmp_path / "clips.parquet")
    assert [row["reason"] for row in found] == [
        "duplicate_clip_id",
        "path_outside_root",
        "path_outside_root",
        "missing_path",
        "bad_clip_id",
        *["bad_segment"] * 5,
    ]
    assert [row["label"] for row in found][:2] == ["again", "outside"]
    assert (summary.found, summary.accepted) == (11, 1)


def test_segments_are_clipped_to_the_file_and_measured_once(tmp_path: Path, folder: Path) -> None:
    source = write_csv(
        folder / "list.csv", "path,start_s,end_s", "a.mp4,0.5,1.5", "b.mp4,,", "a.mp4,1.5,99", "a.mp4,,1"
    )
    run(source, tmp_path / "clips.parquet", probe_file=probe_that_counts)
    assert (folder / "a.mp4.count").read_bytes() == b"."
    clips = list(Manifest.open(tmp_path / "clips.parquet").clips())
    assert [c.clip_id for c in clips] == ["a.0.500-1.500", "b", "a.1.500-99.000", "a.0.000-1.000"]
    assert [c.duration_s for c in clips] == [1.0, 2.0, 0.5, 1.0]
    assert [c.n_frames for c in clips] == [25, 50, 12, 25]
    assert clips[2].finish_s == 2.0


def test_picture_and_sound_of_one_name_keep_the_picture(tmp_path: Path, folder: Path) -> None:
    write_media(folder / "a.aac", None, Sound([0.5]))
    write_media(folder / "a.wav", None, Sound([0.5], codec="pcm_s16le"))
    run(folder, tmp_path / "clips.parquet")
    assert reasons(tmp_path / "clips.parquet") == {"a.aac": "duplicate_clip_id", "a.wav": "duplicate_clip_id"}
    assert "already the id of a.mp4" in rejects(tmp_path / "clips.parquet")[0]["detail"]


def test_a_second_run_reads_no_unchanged_file(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "clips.parquet"
    run(folder, out)
    before = {c.path: c.sha256 for c in Manifest.open(out).clips()}
    with (folder / "a.mp4").open("r+b") as file:
        facts = os.fstat(file.fileno())
        file.seek(-1, os.SEEK_END)
        file.write(b"\x00")
    os.utime(folder / "a.mp4", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    summary = run(folder, out, probe_file=probe_that_must_not_run)
    assert summary.reused == 3
    assert {c.path: c.sha256 for c in Manifest.open(out).clips()} == before, "same size and time: not read"
    os.utime(folder / "a.mp4")
    assert run(folder, out).reused == 2
    after = {c.path: c.sha256 for c in Manifest.open(out).clips()}
    assert {path for path in after if after[path] != before[path]} == {"a.mp4"}


def test_new_and_gone_files_are_noticed_by_a_second_run(tmp_path: Path, folder: Path, golden: Path) -> None:
    out = tmp_path / "clips.parquet"
    run(folder, out)
    (folder / "b.mp4").unlink()
    shutil.copy2(golden, folder / "c.mp4")
    summary = run(folder, out)
    assert (summary.accepted, summary.reused) == (3, 2)
    assert [c.path for c in Manifest.open(out).clips()] == ["a.mp4", "c.mp4", "sub/a.mp4"]


def test_segments_are_reused_too(tmp_path: Path, folder: Path) -> None:
    source = write_csv(folder / "list.csv", "path,start_s,end_s,label", "a.mp4,0,1,x", "a.mp4,1,2,y")
    run(source, tmp_path / "clips.parquet")
    write_csv(source, "path,start_s,end_s,label", "a.mp4,0,1,z", "a.mp4,1,2,y", "a.mp4,0.5,1,w")
    assert run(source, tmp_path / "clips.parquet").reused == 2
    assert [c.extra["label"] for c in Manifest.open(tmp_path / "clips.parquet").clips()] == ["z", "y", "w"]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_that_kills_its_worker_is_the_only_one_lost(tmp_path: Path, folder: Path, workers: int) -> None:
    (folder / "killer.mp4").write_bytes(b"x")
    summary = run(folder, tmp_path / "clips.parquet", probe_file=probe_that_dies, workers=workers)
    assert (summary.accepted, reasons(tmp_path / "clips.parquet")) == (3, {"killer.mp4": "decoder_crashed"})


def test_a_file_that_hangs_is_given_up(tmp_path: Path, folder: Path) -> None:
    (folder / "stuck.mp4").write_bytes(b"x")
    summary = run(folder, tmp_path / "clips.parquet", probe_file=probe_that_hangs, timeout_s=1.5)
    assert (summary.accepted, reasons(tmp_path / "clips.parquet")) == (3, {"stuck.mp4": "decoder_timeout"})


def test_an_unforeseen_error_is_a_reject_not_a_crash(tmp_path: Path, folder: Path) -> None:
    summary = run(folder, tmp_path / "clips.parquet", probe_file=probe_that_must_not_run)
    assert summary.rejected == {"decoder_failed": 3}
    assert Manifest.open(tmp_path / "clips.parquet").num_clips == 0


def test_a_failed_run_leaves_the_old_manifest_and_no_litter(tmp_path: Path, folder: Path) -> None:
    out = tmp_path / "out" / "clips.parquet"
    run(folder, out)
    before = out.read_bytes()

    def stop(done: int, total: int, num_rejects: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(folder, out, on_progress=stop)
    assert out.read_bytes() == before
    assert sorted(p.name for p in out.parent.iterdir()) == ["clips.parquet", "clips.rejects.parquet"]


def test_a_manifest_can_be_indexed_again_as_a_source(tmp_path: Path, folder: Path) -> None:
    first, second = tmp_path / "one" / "clips.parquet", tmp_path / "two" / "clips.parquet"
    run(write_csv(folder / "list.csv", "path,label,start_s", "a.mp4,joy,0.5", "b.mp4,fear,"), first)
    run(first, second)
    assert list(Manifest.open(second).clips()) == list(Manifest.open(first).clips())
    assert Manifest.open(second).root == folder.resolve()


def test_an_absolute_path_below_the_root_becomes_relative(tmp_path: Path, folder: Path) -> None:
    source = write_csv(tmp_path / "list.csv", "path", str(folder / "sub" / "a.mp4"), "b.mp4")
    run(source, tmp_path / "clips.parquet", root=folder)
    assert [c.path for c in Manifest.open(tmp_path / "clips.parquet").clips()] == ["sub/a.mp4", "b.mp4"]


def test_typed_columns_of_a_parquet_source_are_carried_through(tmp_path: Path, folder: Path) -> None:
    table = pa.table(
        {
            "path": ["a.mp4", "nothing.mp4"],
            "scores": pa.array([[1.0, 2.0], None], pa.list_(pa.float32())),
            "fold": pa.array([3, 4], pa.int8()),
        }
    )
    pq.write_table(table, folder / "list.parquet")
    run(folder / "list.parquet", tmp_path / "clips.parquet")
    manifest = Manifest.open(tmp_path / "clips.parquet")
    assert manifest.extra_fields == [pa.field("scores", pa.list_(pa.float32())), pa.field("fold", pa.int8())]
    assert next(manifest.clips()).extra == {"scores": [1.0, 2.0], "fold": 3}
    assert rejects(tmp_path / "clips.parquet")[0]["fold"] == 4


def test_the_manifest_must_be_named_parquet(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(ManifestError, match=r"clips\.csv: a manifest is a Parquet file"):
        run(folder, tmp_path / "clips.csv")
