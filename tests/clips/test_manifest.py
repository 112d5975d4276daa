"""Opening manifests: streaming, random access, and what is wrong with the ones that cannot be used."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vaemo_clips.errors import ManifestError
from vaemo_clips.manifest import Manifest, ParquetWriter, manifest_schema

ROW: dict[str, Any] = {
    "clip_id": "a",
    "path": "a.wav",
    "sha256": "0" * 64,
    "duration_s": 1.5,
    "has_audio": True,
    "audio_rate_hz": 16000,
    "audio_channels": 1,
    "file_bytes": 10,
    "file_mtime_ns": 20,
}


def write_manifest(path: Path, num_clips: int, root: Path | None = None) -> Path:
    schema = manifest_schema([pa.field("label", pa.string())], root or path.parent, path)
    with ParquetWriter(path, schema) as writer:
        for first in range(0, num_clips, 1000):
            rows = [
                ROW | {"clip_id": f"c{i}", "label": f"l{i % 3}"} for i in range(first, min(first + 1000, num_clips))
            ]
            writer.write(pa.Table.from_pylist(rows, schema=schema))
    return path


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> Path:
    pq.write_table(change(pq.read_table(path)), path)
    return path


def test_clips_stream_in_order_with_their_extra_columns(tmp_path: Path) -> None:
    manifest = Manifest.open(write_manifest(tmp_path / "m.parquet", 2500))
    clips = list(manifest.clips(batch_size=700))
    assert [c.clip_id for c in clips] == [f"c{i}" for i in range(2500)]
    assert clips[4].extra == {"label": "l1"}
    assert manifest.num_clips == 2500


def test_take_returns_rows_in_the_order_asked_for(tmp_path: Path) -> None:
    manifest = Manifest.open(write_manifest(tmp_path / "m.parquet", 20_000))
    assert [c.clip_id for c in manifest.take([19_999, 0, 8192, 0])] == ["c19999", "c0", "c8192", "c0"]
    with pytest.raises(IndexError, match=r"row numbers must lie in \[0, 20000\)"):
        manifest.take([20_000])


def test_streaming_needs_no_more_memory_for_more_clips(tmp_path: Path) -> None:
    def peak_bytes(num_clips: int) -> int:
        manifest = Manifest.open(write_manifest(tmp_path / f"{num_clips}.parquet", num_clips))
        tracemalloc.start()
        assert sum(1 for _ in manifest.clips(batch_size=256)) == num_clips
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert peak_bytes(30_000) < 1.5 * peak_bytes(3_000)


def test_a_manifest_moves_together_with_the_media_below_it(tmp_path: Path) -> None:
    (tmp_path / "old" / "media").mkdir(parents=True)
    write_manifest(tmp_path / "old" / "m.parquet", 3, root=tmp_path / "old" / "media")
    (tmp_path / "old").rename(tmp_path / "new")
    assert Manifest.open(tmp_path / "new" / "m.parquet").root == (tmp_path / "new" / "media").resolve()


def test_a_root_that_is_gone_is_named_and_can_be_replaced(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    path = tmp_path / "lists" / "m.parquet"
    write_manifest(path, 3, root=tmp_path / "media")
    (tmp_path / "media").rename(tmp_path / "moved")
    with pytest.raises(ManifestError, match=r"m\.parquet: its media folder .*media is not there; index again"):
        Manifest.open(path)
    assert Manifest.open(path, root=tmp_path / "moved").root == (tmp_path / "moved").resolve()


def test_a_table_that_index_did_not_write_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a.mp4"]}), tmp_path / "own.parquet")
    (tmp_path / "own.csv").write_text("path\na.mp4\n")
    with pytest.raises(ManifestError, match=r"own\.parquet: not a clip manifest; run `vaemo-annotate index .*own"):
        Manifest.open(tmp_path / "own.parquet")
    with pytest.raises(ManifestError, match=r"own\.csv: not a Parquet file.*run `vaemo-annotate index"):
        Manifest.open(tmp_path / "own.csv")
    with pytest.raises(ManifestError, match=r"none\.parquet: there is no such manifest; make one with"):
        Manifest.open(tmp_path / "none.parquet")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop_columns(["sha256"]), r"column sha256 is missing"),
        (
            lambda t: t.set_column(5, "duration_s", t["duration_s"].cast(pa.string())),
            r"column duration_s is string, it must be double",
        ),
        (lambda t: pa.concat_tables([t, t.slice(1, 1)]), r"clip_id 'c1' occurs 2 times, it must be unique \(1 ids"),
        (
            lambda t: t.set_column(1, "path", pa.nulls(len(t), pa.string())),
            r"column path has 4 nulls",
        ),
    ],
)
def test_a_changed_manifest_says_which_rule_it_breaks(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    path = rewrite(write_manifest(tmp_path / "m.parquet", 4), change)
    with pytest.raises(ManifestError, match=rf"m\.parquet: {message}.*; run `vaemo-annotate index"):
        Manifest.open(path)


def test_nothing_stands_under_the_name_until_the_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    schema = manifest_schema([], tmp_path, path)

    def write_and_stop() -> None:
        with ParquetWriter(path, schema):
            assert not path.exists()
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_and_stop()
    assert list(tmp_path.iterdir()) == []
