"""Embeddings are computed once: what is kept equals what was computed, and nothing else is ever read."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.text_models import REAL, TINY_WIDTH, write_tiny_text_model
from vaemo_clips.errors import TextModelError
from vaemo_train.texts import cache as cache_module
from vaemo_train.texts.cache import EmbeddingCache
from vaemo_train.texts.model import TextModel
from vaemo_train.texts.part import Part

TEXTS = ["calm", "a loud voice", "she smiles", "his brows are drawn together", "ein ruhiger Blick – 穏やか"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TextModel:
    return TextModel.open(str(write_tiny_text_model(tmp_path_factory.mktemp("models") / "tiny")))


@pytest.fixture(scope="module")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> TextModel:
    return TextModel.open(str(write_tiny_text_model(tmp_path_factory.mktemp("models") / "other", seed=1)))


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text that a model is asked to embed."""
    asked: list[str] = []
    encode = TextModel.encode

    def counted(
        self: TextModel, texts: Sequence[str], *, batch_size: int = 64, on_batch: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        asked.extend(texts)
        return encode(self, texts, batch_size=batch_size, on_batch=on_batch)

    monkeypatch.setattr(TextModel, "encode", counted)
    return asked


def parts_of(cache: EmbeddingCache) -> list[Path]:
    return sorted(cache.path.glob("*.safetensors"))


def test_kept_embeddings_are_the_computed_ones_to_the_bit(tmp_path: Path) -> None:
    model = TextModel.open(REAL, device="cpu")
    fresh = EmbeddingCache(tmp_path, model).embeddings(TEXTS)
    np.testing.assert_array_equal(fresh, model.encode(TEXTS))
    np.testing.assert_array_equal(EmbeddingCache(tmp_path, model).embeddings(TEXTS), fresh)


def test_the_order_and_repetition_of_texts_do_not_matter(tmp_path: Path, model: TextModel) -> None:
    fresh = EmbeddingCache(tmp_path / "a", model).embeddings(TEXTS)
    mixed = EmbeddingCache(tmp_path / "b", model).embeddings([*TEXTS[::-1], "calm"])
    np.testing.assert_array_equal(mixed[:5][::-1], fresh)
    np.testing.assert_array_equal(mixed[5], fresh[0])
    names = [[path.name for path in (tmp_path / name).rglob("*.safetensors")] for name in "ab"]
    assert names[0] == names[1]


def test_only_missing_texts_are_computed(tmp_path: Path, model: TextModel, computed: list[str]) -> None:
    EmbeddingCache(tmp_path, model).embeddings(TEXTS[:2])
    assert sorted(computed) == sorted(TEXTS[:2])
    computed.clear()
    told: list[int] = []
    cache = EmbeddingCache(tmp_path, model)
    assert cache.num_missing([*TEXTS, *TEXTS]) == 3
    cache.embeddings([*TEXTS, *TEXTS], on_batch=told.append)
    assert (sorted(computed), told) == (sorted(TEXTS[2:]), [3])
    computed.clear()
    assert EmbeddingCache(tmp_path, model).embeddings(TEXTS).shape == cache.embeddings(TEXTS).shape == (5, TINY_WIDTH)
    assert computed == []
    assert cache.notes == []


def test_no_text_makes_no_file(tmp_path: Path, model: TextModel) -> None:
    assert EmbeddingCache(tmp_path, model).embeddings([]).shape == (0, TINY_WIDTH)
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_loses_only_what_was_not_stored_yet(
    tmp_path: Path, model: TextModel, computed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "PART_TEXTS", 2)

    def interrupt(_: int) -> None:
        if len(computed) > 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        EmbeddingCache(tmp_path, model).embeddings(TEXTS, on_batch=interrupt)
    cache = EmbeddingCache(tmp_path, model)
    assert cache.num_missing(TEXTS) == 3
    np.testing.assert_allclose(cache.embeddings(TEXTS), model.encode(TEXTS), atol=1e-6)


def test_two_writers_at_once_lose_nothing(tmp_path: Path, model: TextModel) -> None:
    other = EmbeddingCache(tmp_path, model)
    first = EmbeddingCache(tmp_path, model)

    def meanwhile(_: int) -> None:
        other.embeddings(TEXTS[1:])

    first.embeddings(TEXTS[:4], on_batch=meanwhile)
    assert EmbeddingCache(tmp_path, model).num_missing(TEXTS) == 0
    assert not list(tmp_path.rglob("*.tmp"))


def test_another_model_never_reads_ours(
    tmp_path: Path, model: TextModel, other_model: TextModel, computed: list[str]
) -> None:
    ours = EmbeddingCache(tmp_path, model)
    theirs = EmbeddingCache(tmp_path, other_model)
    ours.embeddings(TEXTS)
    computed.clear()
    assert np.abs(theirs.embeddings(TEXTS) - ours.embeddings(TEXTS)).max() > 0.1
    assert sorted(computed) == sorted(TEXTS)
    assert sorted(path.name for path in (tmp_path / ".embeddings").iterdir()) == sorted(
        opened.digest[:16] for opened in (model, other_model)
    )


def test_embeddings_of_another_model_are_refused(tmp_path: Path, model: TextModel, other_model: TextModel) -> None:
    theirs = EmbeddingCache(tmp_path, other_model)
    theirs.embeddings(TEXTS)
    ours = EmbeddingCache(tmp_path, model)
    theirs.path.rename(ours.path)
    digests = rf"\(digest {other_model.digest[:16]}, not {model.digest[:16]}\)"
    words = f"embeddings of another model {digests}; delete the folder"
    with pytest.raises(TextModelError, match=f"model.json: {words}"):
        ours.embeddings(TEXTS)
    (ours.path / "model.json").unlink()
    with pytest.raises(TextModelError, match=f"safetensors: {words} {re.escape(str(ours.path))}: they are computed"):
        ours.num_missing(TEXTS)


def test_a_later_format_is_refused(tmp_path: Path, model: TextModel) -> None:
    cache = EmbeddingCache(tmp_path, model)
    cache.embeddings(TEXTS)
    facts = json.loads((cache.path / "model.json").read_text())
    assert (facts["name"], facts["digest"], facts["width"]) == (model.name, model.digest, TINY_WIDTH)
    assert set(facts["versions"]) >= {"sentence-transformers", "transformers", "torch"}
    (cache.path / "model.json").write_text(json.dumps({**facts, "format_version": 2}))
    with pytest.raises(TextModelError, match=r"model.json is of format 2, this version reads format 1; update"):
        EmbeddingCache(tmp_path, model).embeddings(TEXTS)


def flip_last_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda path: os.truncate(path, path.stat().st_size - 40), "is damaged .*: its embeddings are computed again"),
        (lambda path: os.truncate(path, 0), "is damaged .*: its embeddings are computed again"),
        (flip_last_byte, r"is damaged \(its numbers are not those that were written\)"),
    ],
)
def test_a_damaged_file_is_told_and_computed_again(
    tmp_path: Path, model: TextModel, computed: list[str], harm: Callable[[Path], object], words: str
) -> None:
    fresh = EmbeddingCache(tmp_path, model).embeddings(TEXTS)
    cache = EmbeddingCache(tmp_path, model)
    harm(parts_of(cache)[0])
    computed.clear()
    np.testing.assert_array_equal(cache.embeddings(TEXTS), fresh)
    assert [re.search(words, note) is not None for note in cache.notes] == [True]
    assert sorted(computed) == sorted(TEXTS)
    mended = EmbeddingCache(tmp_path, model)
    assert (mended.num_missing(TEXTS), mended.notes) == (0, [])


def test_a_damaged_model_record_is_told_and_written_anew(tmp_path: Path, model: TextModel) -> None:
    cache = EmbeddingCache(tmp_path, model)
    cache.embeddings(TEXTS)
    (cache.path / "model.json").write_text("{")
    again = EmbeddingCache(tmp_path, model)
    again.embeddings([*TEXTS, "one more"])
    assert ["model.json is damaged: it is written anew" in note for note in again.notes] == [True]
    assert json.loads((cache.path / "model.json").read_text())["digest"] == model.digest


def test_what_a_killed_writer_left_behind_is_not_read(tmp_path: Path, model: TextModel) -> None:
    cache = EmbeddingCache(tmp_path, model)
    cache.path.mkdir(parents=True)
    (cache.path / ".0123456789abcdef.safetensors.1.tmp").write_bytes(b"half")
    assert (cache.num_missing(TEXTS), cache.notes) == (5, [])


def test_a_folder_that_cannot_be_written_is_told_once_and_the_embeddings_are_right(
    tmp_path: Path, model: TextModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "PART_TEXTS", 2)
    (tmp_path / ".embeddings").write_text("a file stands where the folder would be made")
    cache = EmbeddingCache(tmp_path, model)
    np.testing.assert_allclose(cache.embeddings(TEXTS), model.encode(TEXTS), atol=1e-6)
    assert ["cannot be written (Not a directory): the embeddings are not kept" in note for note in cache.notes] == [
        True
    ]


def test_a_full_disk_leaves_no_draft(tmp_path: Path, model: TextModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    cache = EmbeddingCache(tmp_path, model)
    assert cache.embeddings(TEXTS).shape == (5, TINY_WIDTH)
    assert ["cannot be written (No space left on device)" in note for note in cache.notes] == [True]
    assert list(cache.path.iterdir()) == []


def test_a_part_holds_what_it_was_given(tmp_path: Path) -> None:
    embeddings = np.arange(12, dtype=np.float32).reshape(3, 4)
    part = Part.of_texts(["a", "b", "ä"], embeddings)
    read = Part.read(part.write(tmp_path, "digest"), "digest")
    np.testing.assert_array_equal(read.embeddings, embeddings)
    assert read.keys() == part.keys()
    assert read.digests.shape == (3, 32)
    assert read.digests.dtype == np.uint8
