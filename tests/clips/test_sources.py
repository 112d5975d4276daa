"""Reading lists of clips: what is carried, what is refused, and with which words."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vaemo_clips.errors import ManifestError
from vaemo_clips.sources import read_source


def csv_of(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "list.csv"
    path.write_text(text, encoding=encoding)
    return path


def test_csv_numbers_are_numbers_only_where_nothing_is_lost(tmp_path: Path) -> None:
    text = "path,fold,take,score,mark,label,blank\na.mp4,1,01,0.5,1.50,1,\nb.mp4,2,02,2.0,2.50,2,\n"
    rows = read_source(csv_of(tmp_path, text)).rows
    kinds = {f.name: f.type for f in rows.schema if f.name not in ("path", "clip_id", "start_s", "end_s")}
    assert kinds == {
        "fold": pa.int64(),
        "take": pa.string(),
        "score": pa.float64(),
        "mark": pa.string(),
        "label": pa.string(),
        "blank": pa.string(),
    }
    assert rows.column("take").to_pylist() == ["01", "02"]
    assert rows.column("blank").to_pylist() == [None, None]


def test_csv_with_a_byte_order_mark_and_quoted_lines(tmp_path: Path) -> None:
    rows = read_source(csv_of(tmp_path, 'path,text\n"a, b.mp4","two\nlines"\n', "utf-8-sig")).rows
    assert rows.column("path").to_pylist() == ["a, b.mp4"]
    assert rows.column("text").to_pylist() == ["two\nlines"]


def test_jsonl_keeps_types_and_fills_absent_values_with_null(tmp_path: Path) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text('{"path": "a.mp4", "speaker": "01", "tags": ["x"]}\n\n{"path": "b.mp4", "score": 2.5}\n')
    rows = read_source(path).rows
    assert rows.select(["speaker", "tags", "score"]).to_pylist() == [
        {"speaker": "01", "tags": ["x"], "score": None},
        {"speaker": None, "tags": None, "score": 2.5},
    ]


def test_measured_columns_of_an_earlier_manifest_are_not_carried(tmp_path: Path) -> None:
    source = read_source(csv_of(tmp_path, "path,sha256,duration_s,width,file_bytes,label\na.mp4,x,1,2,3,joy\n"))
    assert [f.name for f in source.extra_fields] == ["label"]


@pytest.mark.parametrize("name", ["valence", "confidence", "model", "reject_reason", "reason", "detail"])
def test_names_that_captions_use_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ManifestError, match=rf"list\.csv: column {name} is a name that vaemo writes.*rename it"):
        read_source(csv_of(tmp_path, f"path,{name}\na.mp4,1\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"it is empty; it needs a header line"),
        ("path\n", r"it lists no clips"),
        ("file,label\na.mp4,joy\n", r"it has no column `path`; its columns are file, label"),
        ("path,label,label\na.mp4,1,2\n", r"column label occurs 2 times"),
        ("path,label\na.mp4\n", r"not a proper CSV file"),
    ],
)
def test_a_csv_that_cannot_be_used_says_why(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ManifestError, match=rf"list\.csv: .*{message}|list\.csv: {message}"):
        read_source(csv_of(tmp_path, text))


def test_a_csv_in_another_encoding_says_so(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"list\.csv: not UTF-8 text; save it as UTF-8"):
        read_source(csv_of(tmp_path, "path,text\na.mp4,é\n" * 3, "latin-1"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"path": "a.mp4"}\n{path}\n', r"list\.jsonl:2: not JSON"),
        ('{"path": "a.mp4"}\n["b.mp4"]\n', r"list\.jsonl:2: a list; each line must be a JSON object"),
        ('{"path": "a.mp4", "x": 1}\n{"path": "b.mp4", "x": "y"}\n', r"column x mixes types"),
        ("\n", r"it lists no clips"),
        ('{"path": 7}\n', r"column path is int64, it must be text"),
    ],
)
def test_a_jsonl_that_cannot_be_used_says_where(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "list.jsonl"
    path.write_text(text)
    with pytest.raises(ManifestError, match=message):
        read_source(path)


def test_sources_that_are_not_there_or_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "list.xlsx").touch()
    (tmp_path / "bad.parquet").write_text("no")
    with pytest.raises(ManifestError, match=r"nowhere: there is no such file or folder"):
        read_source(tmp_path / "nowhere")
    with pytest.raises(ManifestError, match=r"a source is a folder or a \.csv, \.jsonl, \.parquet file.*'\.xlsx'"):
        read_source(tmp_path / "list.xlsx")
    with pytest.raises(ManifestError, match=r"bad\.parquet: not a Parquet file"):
        read_source(tmp_path / "bad.parquet")


def test_a_folder_without_media_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"no video or audio files below it \(seen: no files at all\)"):
        read_source(tmp_path)
    for name in ("a.txt", "b.txt", "README"):
        (tmp_path / name).touch()
    with pytest.raises(ManifestError, match=r"\(seen: 2 \.txt, 1 \(no extension\)\)"):
        read_source(tmp_path)


def test_linked_files_and_folders_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "b.mp4").touch()
    (tmp_path / "media" / "a.mp4").symlink_to(tmp_path / "elsewhere" / "b.mp4")
    (tmp_path / "media" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "media" / "loop").symlink_to(tmp_path / "media")
    source = read_source(tmp_path / "media")
    assert source.rows.column("path").to_pylist() == ["a.mp4", "linked/b.mp4"]


def test_a_folder_may_be_read_from_a_root_above_it(tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    (tmp_path / "media" / "a.MP4").touch()
    assert read_source(tmp_path / "media", root=tmp_path).rows.column("path").to_pylist() == ["media/a.MP4"]
    with pytest.raises(ManifestError, match=r"the folder must lie in its root"):
        read_source(tmp_path, root=tmp_path / "media")


def test_a_list_with_a_root_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"its root folder .*gone is not there"):
        read_source(csv_of(tmp_path, "path\na.mp4\n"), root=tmp_path / "gone")


def test_dictionary_text_of_a_parquet_source_is_text(tmp_path: Path) -> None:
    table = pa.table({"path": pa.array(["a.mp4"]).dictionary_encode(), "label": pa.array(["x"]).dictionary_encode()})
    pq.write_table(table, tmp_path / "list.parquet")
    rows = read_source(tmp_path / "list.parquet").rows
    assert rows.schema.field("path").type == pa.string()
    assert rows.column("label").to_pylist() == ["x"]
