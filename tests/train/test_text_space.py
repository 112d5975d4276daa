"""A stage-2 model from disk with its text model, and clips' vectors that are computed once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.text_models import write_tiny_text_model
from tests.support.tiny_run import tiny_shards
from tests.support.tiny_text_space import TinySpace, tiny_alignment_model, write_space
from tests.support.tiny_vaemo import tiny_model
from vaemo_clips.errors import CheckpointError, TextModelError
from vaemo_train.evaluate.clip_vectors import ClipVectors, embed_clips
from vaemo_train.models.config import ALIGNMENT_PATHS
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.text_space import cached_clips
from vaemo_train.text_space.cached_clips import FOLDER, clip_vectors
from vaemo_train.text_space.space import TextSpace
from vaemo_train.texts.model import TextModel

TEXTS = ["She smiles.", "A trembling voice."]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> TinySpace:
    return write_space(tmp_path_factory.mktemp("space"))


@pytest.fixture
def run(written: TinySpace, tmp_path: Path) -> Path:
    """A run of its own for a test that changes it."""
    return shutil.copytree(written.run, tmp_path / "run", ignore=shutil.ignore_patterns(FOLDER))


@pytest.fixture(scope="module")
def folder(written: TinySpace) -> ShardFolder:
    return ShardFolder.open(written.shards)


def vectors(
    space: TextSpace, folder: ShardFolder, rows: list[int] | None = None, num_windows: int = 1, batch_size: int = 8
) -> tuple[ClipVectors, bool]:
    """The clips' vectors, of all rows unless some are given, and whether they were kept."""
    chosen = np.arange(folder.num_rows) if rows is None else np.asarray(rows, np.int64)
    return clip_vectors(space, folder, chosen, num_windows=num_windows, batch_size=batch_size)


@contextmanager
def nothing_is_computed() -> Iterator[None]:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the vectors were computed again")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cached_clips, "embed_clips", refuse)
        yield


def assert_equal(one: ClipVectors, other: ClipVectors) -> None:
    """To the bit, with what is said of the clips."""
    assert one.clip_ids.tolist() == other.clip_ids.tolist()
    assert {name: values.tolist() for name, values in one.columns.items()} == {
        name: values.tolist() for name, values in other.columns.items()
    }
    for modality, paths in one.vectors.items():
        for path, values in paths.items():
            np.testing.assert_array_equal(values, other.vectors[modality][path])
            assert values.dtype == other.vectors[modality][path].dtype == np.float32


@pytest.mark.parametrize("given", ["run", "run/model"])
def test_a_run_or_its_model_folder_is_opened_in_eval_mode(written: TinySpace, given: str) -> None:
    space = TextSpace.open(written.root / given)
    assert space.folder == written.run / "model"
    assert not space.model.training
    expected = tiny_alignment_model(text_model=space.text_model.name).state_dict()
    assert all(torch.equal(value.cpu(), expected[name]) for name, value in space.model.state_dict().items())


def test_nothing_is_printed_on_opening(written: TinySpace, capfd: pytest.CaptureFixture[str]) -> None:
    TextSpace.open(written.run)
    assert capfd.readouterr() == ("", "")


def test_texts_become_unit_vectors_the_same_from_the_captions_folder(written: TinySpace, tmp_path: Path) -> None:
    space = TextSpace.open(written.run)
    fresh = space.text_vectors(TEXTS)
    assert set(fresh) == set(ALIGNMENT_PATHS)
    expected = space.model.text_embeds(torch.from_numpy(space.text_model.encode(TEXTS)), "visual")
    np.testing.assert_allclose(fresh["visual"], expected.numpy(), atol=1e-6)
    for _ in range(2):
        stored, notes = space.stored_text_vectors(TEXTS, tmp_path)
        assert notes == []
        for path in ALIGNMENT_PATHS:
            np.testing.assert_array_equal(stored[path], fresh[path])
            np.testing.assert_allclose(np.linalg.norm(stored[path], axis=1), 1, atol=1e-5)


def test_another_text_model_is_refused(written: TinySpace, tmp_path: Path) -> None:
    other = write_tiny_text_model(tmp_path / "other", seed=1)
    pattern = r"^text model .*other is another one than .* was trained with \(.*words, .*…, not .*…\): its .* --text-mo"
    with pytest.raises(TextModelError, match=pattern):
        TextSpace.open(written.run, str(other))


def test_the_same_text_model_may_have_moved(written: TinySpace, run: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(written.text_model, tmp_path / "moved")
    change_config(run, text_model=str(tmp_path / "nowhere"))
    with pytest.raises(TextModelError, match=r"nowhere"):
        TextSpace.open(run)
    assert TextSpace.open(run, str(moved)).text_model.digest == TextModel.open(str(written.text_model)).digest


def test_a_model_of_stage_1_is_refused(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"^--model .*: knows no captions, it is a model of stage 1; give a run "):
        TextSpace.open(tmp_path)


@pytest.mark.parametrize("name", ["model", "model/config.json", "model/model.safetensors"])
def test_a_folder_without_a_whole_model_is_refused(run: Path, name: str) -> None:
    shutil.move(run / name, run / "elsewhere")
    with pytest.raises(CheckpointError, match=r"^--model .*: no model in it; give a finished run of `vaemo-train stag"):
        TextSpace.open(run)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_damaged_model_is_told_in_one_line(run: Path, name: str) -> None:
    path = run / "model" / name
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match=r"^.*/model cannot be read as a model \(.*\); give another run of `va"):
        TextSpace.open(run)


def test_weights_that_lack_are_never_drawn_at_random(run: Path) -> None:
    path = run / "model" / "model.safetensors"
    kept = {name: value for name, value in load_file(path).items() if not name.startswith("alignment.alone")}
    save_file(kept, path, {"format": "pt"})
    with pytest.raises(
        CheckpointError, match=r"lacks \d+ weights of a stage-2 model, alignment\.alone.* among them; it"
    ):
        TextSpace.open(run)


def test_vectors_are_computed_once_and_equal_fresh_ones(run: Path, folder: ShardFolder) -> None:
    space = TextSpace.open(run)
    first, was_kept = vectors(space, folder)
    assert not was_kept
    with nothing_is_computed():
        again, is_kept = vectors(TextSpace.open(run), folder, batch_size=3)
    assert is_kept
    assert_equal(again, first)
    assert_equal(first, embed_clips(space.model, folder, num_windows=1, batch_size=8))
    assert [path.suffix for path in (run / FOLDER).iterdir()] == [".safetensors"], "no drafts are left"


@pytest.mark.parametrize("damage", ["cut", "emptied", "altered", "text", "folder"])
def test_a_damaged_file_is_computed_again(run: Path, folder: ShardFolder, damage: str) -> None:
    space = TextSpace.open(run)
    first, _ = vectors(space, folder)
    (path,) = (run / FOLDER).iterdir()
    content = path.read_bytes()
    if damage == "folder":
        path.unlink()
        path.mkdir()
    else:
        altered = {"cut": content[:-7], "emptied": b"", "text": b"{}", "altered": content[:-6] + b"\x07" + content[-5:]}
        path.write_bytes(altered[damage])
    again, was_kept = vectors(space, folder)
    assert not was_kept
    assert_equal(again, first)
    assert vectors(space, folder)[1] == (damage != "folder"), "it is mended where it can be"


def test_other_weights_settings_rows_windows_or_shards_never_read_ours(
    run: Path, written: TinySpace, folder: ShardFolder, tmp_path: Path
) -> None:
    space = TextSpace.open(run)
    first, _ = vectors(space, folder)
    found = [vectors(space, folder, [0, 1])[0], vectors(space, folder, num_windows=2)[0]]
    assert len(found[0].clip_ids) == 2
    other_shards = ShardFolder.open(tiny_shards(tmp_path / "shards", 9, seed=5))
    assert not vectors(space, other_shards)[1]
    change_config(run, log_mel_mean=-3.0)
    louder, was_kept = vectors(TextSpace.open(run), folder)
    assert not was_kept
    assert np.nanmax(np.abs(louder.vectors["audio"]["acoustic"] - first.vectors["audio"]["acoustic"])) > 1e-3
    config = TextSpace.open(written.run).model.config
    tiny_alignment_model(1, text_model=config.text_model, text_model_digest=config.text_model_digest).save_pretrained(
        run / "model"
    )
    assert not vectors(TextSpace.open(run), folder)[1]
    assert len(list((run / FOLDER).iterdir())) == 6


@pytest.mark.parametrize("obstacle", ["no room", "a file in its place"])
def test_where_nothing_can_be_kept_the_vectors_are_the_same(
    run: Path, folder: ShardFolder, monkeypatch: pytest.MonkeyPatch, obstacle: str
) -> None:
    space = TextSpace.open(run)
    if obstacle == "no room":
        monkeypatch.setattr(Path, "write_bytes", fails)
    else:
        (run / FOLDER).write_text("in the way")
    told: list[str] = []
    for _ in range(2):
        found, was_kept = clip_vectors(
            space, folder, np.arange(folder.num_rows), num_windows=1, batch_size=8, tell=told.append
        )
        assert not was_kept
    assert len(told) == 2
    assert told[0].startswith(f"the vectors of clips are not kept, {run / FOLDER} cannot be written (")
    assert_equal(found, embed_clips(space.model, folder, num_windows=1, batch_size=8))
    assert not list(run.glob(f"{FOLDER}/*"))


def test_a_folder_that_may_only_be_read(run: Path, folder: ShardFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "mkdir", fails)
    assert not vectors(TextSpace.open(run), folder)[1]
    assert not (run / FOLDER).exists()


def fails(*_: Any, **__: Any) -> None:
    raise OSError(30, "Read-only file system")


def change_config(run: Path, **changes: Any) -> None:
    path = run / "model" / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
