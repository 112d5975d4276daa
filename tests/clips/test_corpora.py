"""Known corpora as sources: names, columns, roots, and the manifest that comes of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.corpus_trees import rows, touch
from tests.support.media_files import Picture, steady, write_media
from vaemo_clips.caption import RESERVED_NAMES
from vaemo_clips.corpora.listing import CorpusListing
from vaemo_clips.corpora.names import CORPUS_NAMES
from vaemo_clips.corpora.registry import corpus_named, read_corpus
from vaemo_clips.errors import ManifestError
from vaemo_clips.index import index
from vaemo_clips.manifest import Manifest
from vaemo_clips.sources import INPUT_NAMES, REJECT_NAMES


@pytest.mark.parametrize("name", CORPUS_NAMES)
def test_every_name_has_a_reader_whose_columns_a_manifest_may_have(name: str) -> None:
    corpus = corpus_named(name)
    assert corpus.name == name
    assert corpus.columns.names[0] == "label"
    assert not {*corpus.columns.names} & {*RESERVED_NAMES, *INPUT_NAMES, *REJECT_NAMES}
    assert {"fold", "split", "speaker"} & {*corpus.columns.names}
    assert all(label == label.lower() and label for label in corpus.labels)
    assert len(set(corpus.labels)) == len(corpus.labels)


@pytest.mark.parametrize("name", CORPUS_NAMES)
def test_a_folder_that_is_empty_or_not_there_says_how_it_should_look(tmp_path: Path, name: str) -> None:
    with pytest.raises(
        ManifestError, match=r"no video or audio files below it \(seen: no files at all\).* looks like "
    ):
        corpus_named(name).read(tmp_path)
    with pytest.raises(ManifestError, match=r"nowhere: there is no such folder; name the folder of "):
        corpus_named(name).read(tmp_path / "nowhere")


def test_a_reader_that_loses_a_file_is_told() -> None:
    listed = pa.table({"path": ["a.wav", "b.wav", "b.wav"]})
    assert CorpusListing(listed, 3, {"no label": 1}).found == 3
    with pytest.raises(ManifestError, match=r"4 media files were found, but 2 are listed and 1 left out"):
        CorpusListing(listed, 4, {"no label": 1})


def test_an_unknown_corpus_is_told_with_the_known_ones() -> None:
    with pytest.raises(
        ManifestError, match=r"corpus 'cremad' is not known; known are crema-d, dfew, emodb, iemocap, m"
    ):
        corpus_named("cremad")
    assert corpus_named(" RAVDESS ").name == "ravdess"


def test_paths_are_relative_to_a_root_above_the_corpus(tmp_path: Path) -> None:
    touch(tmp_path, "corpora/emodb/wav/03a01Fa.wav")
    source = read_corpus("emodb", tmp_path / "corpora/emodb", tmp_path)
    assert source.rows.column("path").to_pylist() == ["corpora/emodb/wav/03a01Fa.wav"]
    assert source.root == tmp_path.resolve()
    assert [field.name for field in source.extra_fields] == ["label", "speaker", "text_code", "version"]
    with pytest.raises(ManifestError, match=r"the folder must lie in its root"):
        read_corpus("emodb", tmp_path, tmp_path / "corpora")


def test_linked_folders_of_a_corpus_are_followed(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "03-01-01-01-01-01-01.wav")
    (tmp_path / "ravdess").mkdir()
    (tmp_path / "ravdess" / "Actor_01").symlink_to(tmp_path / "elsewhere")
    listing = corpus_named("ravdess").read(tmp_path / "ravdess")
    assert rows(listing, "path") == {"03-01-01-01-01-01-01": "Actor_01/03-01-01-01-01-01-01.wav"}


def test_a_manifest_of_a_corpus_has_its_ids_and_columns_and_counts_what_was_left_out(tmp_path: Path) -> None:
    clip = write_media(tmp_path / "a.mp4", Picture(steady(10), 64, 48))
    for name in ("01-01-03-01-01-01-04", "02-01-03-01-01-01-04", "01-01-05-02-01-01-24"):
        target = tmp_path / "ravdess" / f"Actor_{name[-2:]}" / f"{name}.mp4"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(clip, target)
    touch(tmp_path / "ravdess", "Actor_04/01-01-04-01-01-01-04.mp4")
    out = tmp_path / "clips.parquet"
    summary = index(tmp_path / "ravdess", out, corpus="ravdess", workers=1)
    assert (summary.found, summary.accepted, dict(summary.left_out)) == (
        3,
        2,
        {"another modality of a listed performance": 1},
    )
    assert summary.rejected == {"empty_file": 1}
    assert any(note.startswith("folds: six by actor") for note in summary.notes)
    clips = list(Manifest.open(out).clips())
    assert [(c.clip_id, c.extra["label"], c.extra["speaker"], c.extra["fold"]) for c in clips] == [
        ("01-01-03-01-01-01-04", "happy", "actor_04", 1),
        ("01-01-05-02-01-01-24", "angry", "actor_24", 6),
    ]
    again = index(tmp_path / "ravdess", out, corpus="ravdess", workers=1)
    assert again.reused == 2


def test_turns_of_a_dialogue_are_segments_in_the_manifest(tmp_path: Path) -> None:
    session = tmp_path / "Session1"
    video = session / "dialog/avi/DivX/Ses01F_impro01.avi"
    video.parent.mkdir(parents=True)
    write_media(tmp_path / "a.mp4", Picture(steady(50), 64, 48)).rename(video)
    ratings = session / "dialog/EmoEvaluation/Ses01F_impro01.txt"
    ratings.parent.mkdir(parents=True)
    line = "[0.5000 - 1.2000]\tSes01F_impro01_F000\tang\t[1.5000, 4.0000, 4.0000]\n"
    ratings.write_text(line + line.replace("[0.5000 - 1.2000]", "[9.0000 - 9.5000]").replace("F000", "F001"))
    index(tmp_path, tmp_path / "clips.parquet", corpus="iemocap", workers=1)
    table = pq.read_table(tmp_path / "clips.parquet").to_pylist()
    assert [(row["clip_id"], row["start_s"], row["end_s"], row["label"]) for row in table] == [
        ("Ses01F_impro01_F000", 0.5, 1.2, "anger")
    ]
    assert table[0]["duration_s"] == pytest.approx(0.7)
    rejected = pq.read_table(tmp_path / "clips.rejects.parquet").to_pylist()
    assert [(row["clip_id"], row["reason"]) for row in rejected] == [("Ses01F_impro01_F001", "bad_segment")]
