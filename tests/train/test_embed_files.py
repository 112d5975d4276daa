"""From media files: the command on a folder and a manifest, and VAEmoModel.embed, say the same."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.support.shard_folders import Called, shards_of, vaemo_train_here, write_manifest
from tests.support.tiny_vaemo import tiny_config, tiny_model
from vaemo_clips.errors import UserError
from vaemo_clips.index import IndexSummary, index
from vaemo_train.embed import files, sources
from vaemo_train.embed.parts import parts_folder
from vaemo_train.models import VAEmoModel, VAEmoProcessor
from vaemo_train.shards.row import ShardSettings

FACE_PX = ShardSettings().size_px


@pytest.fixture(scope="module")
def media(demo_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips with a face and a voice, and one file that is none."""
    folder = tmp_path_factory.mktemp("media")
    for path in sorted(demo_clips.iterdir())[:2]:
        shutil.copy(path, folder)
    (folder / "broken.mp4").write_bytes(b"no film")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tiny_model().save_pretrained(folder)
    VAEmoProcessor.of(tiny_config(), FACE_PX).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def encoder(model: Path) -> VAEmoModel:
    return VAEmoModel.from_pretrained(model)


def embedded(source: Path, model: Path, out: Path, *options: str) -> Called:
    words = ["--model", str(model), "--out", str(out), "--precision", "float32", "--workers", "1"]
    return vaemo_train_here("embed", source, *words, *options)


@pytest.fixture(scope="module")
def file(media: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "embeddings.parquet"
    done = embedded(media, model, out)
    assert "2 clips embedded + 1 rejected = 3" in done.stdout, done.stderr
    return out


def test_a_file_that_cannot_be_read_is_a_reject_with_a_reason(file: Path) -> None:
    (reject,) = pq.read_table(file.with_name("embeddings.rejects.parquet")).to_pylist()
    assert (reject["path"], reject["reject_reason"]) == ("broken.mp4", "not_media")
    assert reject["reject_detail"]


def test_a_folder_embedded_again_has_nothing_left_to_do(
    media: Path, model: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, summaries = file.read_bytes(), []

    def indexed(*values: Any, **named: Any) -> IndexSummary:
        summaries.append(index(*values, **named))
        return summaries[-1]

    monkeypatch.setattr(sources, "index", indexed)
    assert "nothing was left to do" in embedded(media, model, file).stdout
    assert file.read_bytes() == before
    assert [one.reused for one in summaries] == [2], "no file is read again"
    kept = {path.name for path in parts_folder(file).iterdir()}
    assert kept == {".lock", "clips.parquet", "clips.rejects.parquet"}


def test_ctrl_c_while_indexing_says_so_and_keeps_what_was_indexed_before(
    media: Path, model: Path, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    out = tmp_path / "out.parquet"
    shutil.copytree(parts_folder(file), parts_folder(out))
    with monkeypatch.context() as patch:
        patch.setattr(sources, "index", interrupted)
        done = embedded(media, model, out)
    assert done.returncode == 130
    assert "interrupted while the files were indexed: no clip was embedded yet" in done.stderr
    assert (parts_folder(out) / "clips.parquet").exists()
    assert "2 clips embedded now" in embedded(media, model, out).stdout
    assert out.read_bytes() == file.read_bytes()


def test_a_disk_that_is_full_while_indexing_is_told_and_a_source_that_cannot_be_read_is_not_blamed_on_it(
    media: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = {errno.ENOSPC: "out.parquet cannot be written", errno.EIO: "media0: cannot be indexed"}
    for number, told in faults.items():

        def failing(*_: object, _number: int = number, **__: object) -> None:
            raise OSError(_number, "what the system says")

        monkeypatch.setattr(sources, "index", failing)
        assert told in embedded(media, model, tmp_path / "out.parquet").stderr


def test_media_give_what_their_shards_give(media: Path, model: Path, file: Path, tmp_path: Path) -> None:
    rows = [{"path": path.name, "label": path.stem} for path in sorted(media.glob("*.mp4")) if path.stem != "broken"]
    manifest = write_manifest(tmp_path / "clips.parquet", rows, media)
    shards_of(manifest, tmp_path / "shards")
    for source in (tmp_path / "shards", manifest):
        out = tmp_path / f"{source.name}.embeddings.parquet"
        assert embedded(source, model, out).returncode == 0
        table = pq.read_table(out)
        assert table.column("label").to_pylist() == [row["label"] for row in rows]
        for name in ("video", "audio", "both"):
            assert table.column(name).to_pylist() == pq.read_table(file).column(name).to_pylist()


def test_three_lines_of_python_give_the_commands_numbers(media: Path, encoder: VAEmoModel, file: Path) -> None:
    rows = pq.read_table(file).to_pylist()
    found = encoder.embed([media / row["path"] for row in rows], precision="float32")
    assert len(found) == len(rows)
    for row, one in zip(rows, found, strict=True):
        assert len(one.windows) == row["num_windows"]
        assert (one.reason_no_video, one.reason_no_audio) == (None, None)
        for name in ("video", "audio", "both"):
            np.testing.assert_allclose(getattr(one, name), row[name], atol=2e-5)
        assert one.windows[0].video is not None
        assert one.windows[0].begin_s < one.windows[0].end_s
    assert not encoder.training


def test_a_segment_and_one_modality_are_embedded_alone(media: Path, encoder: VAEmoModel) -> None:
    path = sorted(media.glob("*.mp4"))[0]
    found = encoder.embed(str(path), 0.2, 1.2, modality="audio", pooling="statistics")
    assert found.audio is not None
    assert found.audio.shape == (64,)
    assert found.video is None
    assert found.both is None
    assert [(window.begin_s, window.end_s) for window in found.windows] == [(0.0, 1.0)]
    whole = encoder.embed(path, modality="audio", pooling="statistics")
    assert whole.audio is not None
    assert np.abs(whole.audio - found.audio).max() > 1e-4


def test_a_clip_that_cannot_be_embedded_is_one_line(
    media: Path, encoder: VAEmoModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"nowhere\.mp4: cannot be embedded, not_found"):
        encoder.embed(tmp_path / "nowhere.mp4")
    with pytest.raises(UserError, match=r"broken\.mp4: cannot be embedded, not_media"):
        encoder.embed(media / "broken.mp4")
    path = sorted(media.glob("*.mp4"))[0]
    with monkeypatch.context() as patch:
        patch.delattr(files, "prepare_clip")  # not even begun
        with pytest.raises(UserError, match=r"nowhere\.mp4: cannot be embedded, not_found"):
            encoder.embed([sorted(media.glob("[!b]*.mp4"))[0], tmp_path / "nowhere.mp4"])
    with pytest.raises(UserError, match=r"bad_segment \(start_s=5, end_s=4: needs 0 <= start_s < end_s"):
        encoder.embed(path, 5, 4)
    with pytest.raises(UserError, match=r"too_short"):
        encoder.embed(path, 0, 0.3)
    with pytest.raises(UserError, match=r"--pooling max"):
        encoder.embed(path, pooling="max")


def test_a_clip_without_a_picture_says_why(encoder: VAEmoModel, media: Path, tmp_path: Path) -> None:
    import av

    sound = tmp_path / "hum.wav"
    with av.open(str(sound), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        hum = (8000 * np.sin(np.arange(16000) * 0.08)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(hum[None], format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    found = encoder.embed(sound)
    assert found.video is None
    assert found.audio is not None
    assert found.reason_no_video is not None
    assert found.reason_no_video.startswith("no_video: ")


def test_a_folder_without_a_face_or_sound_that_is_asked_for_is_refused(model: Path, tmp_path: Path) -> None:
    import av

    folder = tmp_path / "media"
    folder.mkdir()
    with av.open(str(folder / "hum.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.full((1, 16000), 3000, np.int16), format="s16", layout="mono")
        frame.sample_rate = 16000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    done = embedded(folder, model, tmp_path / "out.parquet", "--modality", "video")
    assert done.returncode == 2
    assert "none of its 1 clips can be embedded with --modality video (no_video 1; see" in done.stderr
    assert not (tmp_path / "out.parquet").exists()
    assert (tmp_path / "out.rejects.parquet").exists()
