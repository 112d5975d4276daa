"""`vaemo-train embed` on shards: what stands in the file, and what a user is told."""

from __future__ import annotations

import importlib
import json
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from numpy.typing import NDArray

from tests.support.shard_folders import Called, vaemo_train_here
from tests.support.synthetic_shards import grey, write_rows, write_shards
from tests.support.tiny_vaemo import tiny_config, tiny_model
from vaemo_train.data.augment import Augment
from vaemo_train.data.batch import read_batch
from vaemo_train.data.window import WINDOW_S, Window, eval_windows
from vaemo_train.embed import opened, run
from vaemo_train.evaluate.features import extract
from vaemo_train.models import VAEmoForCaptionAlignment, VAEmoModel, VAEmoProcessor
from vaemo_train.models.band_pooling import band_statistics, num_bands
from vaemo_train.models.block import AUDIO, VIDEO
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.row import ShardSettings

KINDS = ("both", "audio", "video")
SECONDS = (4.0, 1.0, 12.0, 2.0, 0.6)
WIDTH = 32
FACE_PX = 64


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine clips: with both, with sound only, with picture only; some in two rows, some shorter than a window."""
    settings = ShardSettings(size_px=FACE_PX)
    path = tmp_path_factory.mktemp("embed") / "shards"
    return write_shards(path, 9, modality=KINDS, seconds=SECONDS, settings=settings)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of stage 1."""
    run = tmp_path_factory.mktemp("run")
    tiny_model().save_pretrained(run / "model")
    VAEmoProcessor.of(tiny_config(), FACE_PX).save_pretrained(run / "model")
    return run


def embedded(shards: Path, model: Path | str, out: Path, *options: str | int) -> Called:
    words = [str(option) for option in options]
    return vaemo_train_here("embed", shards, "--model", model, "--out", out, "--precision", "float32", *words)


def vectors(out: Path, column: str) -> NDArray[np.float32]:
    """(rows, F), NaN where there is none."""
    values = pq.read_table(out).column(column)
    nothing = [np.nan] * values.type.list_size
    return np.array([nothing if one is None else one for one in values.to_pylist()], np.float32)


@pytest.fixture(scope="module")
def file(shards: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("out") / "embeddings.parquet"
    done = embedded(shards, model, out)
    assert done.returncode == 0, done.stderr
    return out


@pytest.mark.parametrize("modality", ["video", "audio", "both"])
def test_vectors_are_the_features_that_a_probe_sees(shards: Path, model: Path, file: Path, modality: str) -> None:
    encoder = VAEmoModel.from_pretrained(model / "model")
    features = extract(encoder, ShardFolder.open(shards))
    found = vectors(file, modality)
    np.testing.assert_allclose(found, features.vectors[modality], atol=2e-5)
    assert np.isnan(found[:, 0]).any(), "some clips lack it"


def test_a_row_has_the_clips_own_columns_and_the_file_says_what_it_is_of(shards: Path, model: Path, file: Path) -> None:
    table = pq.read_table(file)
    rows = ShardFolder.open(shards).rows
    assert table.column("clip_id").to_pylist() == list(dict.fromkeys(rows.column("clip_id").to_pylist()))
    assert table.column("label").to_pylist()[:5] == ["happiness"] * 4 + ["sadness"]
    assert table.column("path")[0].as_py() == "clip_0000.mp4"
    assert table.column("num_windows").to_pylist() == [2, 1, 4, 1, 1, 2, 1, 4, 1]
    facts = json.loads(table.schema.metadata[b"vaemo.embeddings"])
    assert facts["of"]["pooling"] == "mean"
    assert facts["model_size"] == tiny_config().size
    assert "2 windows of 2.56 s evenly spaced" in facts["vectors"]
    assert len(facts["model_sha256"]) == 64
    assert {"vaemo", "model", "model_config", "preprocessor", "source"} < facts["of"].keys()


def test_a_model_that_was_moved_makes_the_same_file(shards: Path, model: Path, file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.copytree(model / "model", moved)
    out = tmp_path / "out.parquet"
    embedded(shards, moved, out)
    assert out.read_bytes() == file.read_bytes()
    assert "nothing was left to do" in embedded(shards, model, out).stdout


@pytest.mark.parametrize(
    ("name", "key", "value", "told"),
    [
        ("config.json", "log_mel_mean", -1.0, "was made with another model config"),
        ("preprocessor_config.json", "note", "x", "was made with another preprocessor"),
    ],
)
def test_the_same_weights_with_another_configuration_are_another_model(
    shards: Path, model: Path, file: Path, tmp_path: Path, name: str, key: str, value: object, told: str
) -> None:
    other = tmp_path / "other"
    shutil.copytree(model / "model", other)
    values = json.loads((other / name).read_text(encoding="utf-8"))
    (other / name).write_text(json.dumps(values | {key: value}), encoding="utf-8")
    assert told in refused(embedded(shards, other, file))


def test_a_file_of_another_version_of_vaemo_is_not_gone_on_with(
    shards: Path, model: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "version", lambda _: "99.0")
    assert f"was made with vaemo {version('vaemo')}, not 99.0" in refused(embedded(shards, model, file))


def test_bands_are_the_statistics_of_each_mel_band_and_row_of_the_face(
    shards: Path, model: Path, tmp_path: Path
) -> None:
    out = tmp_path / "bands.parquet"
    assert embedded(shards, model, out, "--pooling", "bands", "--per-window", "--windows", 1).returncode == 0
    config = tiny_config()
    rows, mels = num_bands(VIDEO, config), num_bands(AUDIO, config)
    schema = pq.read_schema(out)
    widths = {name: schema.field(name).type.list_size for name in KINDS}
    assert widths == {"video": rows * 2 * WIDTH, "audio": mels * 2 * WIDTH, "both": (rows + mels) * 2 * WIDTH}
    folder = ShardFolder.open(shards)
    row = folder.row(1)  # of sound alone, and shorter than a window
    window = Window(row, 0, 0, eval_windows(row, 1)[0])
    encoder = VAEmoModel.from_pretrained(model / "model").eval()
    augment = Augment(image_size=config.image_size, log_mel_mean=config.log_mel_mean, log_mel_std=config.log_mel_std)
    inputs = augment(read_batch([window], FACE_PX, 0))
    mel_BMT, padding = inputs["input_features"], inputs["audio_padding_mask"]
    with torch.no_grad():
        hidden, layout = encoder.run_lower(None, mel_BMT, None, padding)
        expected = band_statistics(encoder.run_upper(hidden, layout, "within"), layout, (None, None), config)[1]
    assert expected is not None
    np.testing.assert_allclose(vectors(out, "audio")[1], expected[0].numpy(), atol=2e-5)


def test_a_picture_that_cannot_be_decoded_rejects_its_clip_and_no_other(model: Path, tmp_path: Path) -> None:
    settings = ShardSettings(size_px=FACE_PX)
    sound = np.zeros(16000, np.int16)
    jpegs = [grey(level, FACE_PX) for level in range(60, 190, 10)]
    broken = [*jpegs[:6], b"no picture", *jpegs[7:]]
    clips = [("one", 1.0, jpegs, sound), ("two", 1.0, broken, sound), ("three", 1.0, jpegs, None)]
    shards = write_rows(tmp_path / "shards", clips, settings)
    out = tmp_path / "out.parquet"
    for options in ((), ("--per-window",)):
        done = embedded(shards, model, out, *options)
        assert "2 clips embedded + 1 rejected = 3" in done.stdout, done.stderr
        assert list(dict.fromkeys(pq.read_table(out).column("clip_id").to_pylist())) == ["one", "three"]
        (reject,) = pq.read_table(tmp_path / "out.rejects.parquet").to_pylist()
        assert (reject["clip_id"], reject["reject_reason"]) == ("two", "damaged_shard_row")
        assert "prepare the shards again" in reject["reject_detail"]
        out.unlink()
    assert "2 clips embedded + 1 rejected = 3" in embedded(shards, model, out, "--modality", "audio").stdout
    assert set(pq.read_table(out).column("clip_id").to_pylist()) == {"one", "two"}, "its sound is whole"


def test_rejects_of_another_tool_are_not_overwritten(shards: Path, model: Path, tmp_path: Path) -> None:
    foreign = tmp_path / "out.rejects.parquet"
    pq.write_table(pq.read_table(shards / "rejects.parquet"), foreign)
    before = foreign.read_bytes()
    told = refused(embedded(shards, model, tmp_path / "out.parquet"))
    assert "out.rejects.parquet is there and holds no rejects of `embed`, whose place it is; move it" in told
    assert foreign.read_bytes() == before
    foreign.unlink()
    assert embedded(shards, model, tmp_path / "out.parquet").returncode == 0
    (tmp_path / "out.parquet").unlink()
    assert embedded(shards, model, tmp_path / "out.parquet").returncode == 0, "its own may be made anew"


def test_the_file_is_read_by_datasets_and_by_pandas(file: Path, tmp_path: Path) -> None:
    found = datasets.load_dataset("parquet", data_files=str(file), split="train", cache_dir=str(tmp_path))
    assert found.num_rows == 9
    np.testing.assert_array_equal(np.array(found[0]["both"], np.float32), vectors(file, "both")[0])
    assert found[1]["video"] is None
    pandas: Any = importlib.import_module("pandas")
    table = pandas.read_parquet(file).dropna(subset="both")
    assert np.stack(list(table["both"])).shape == (3, 2 * WIDTH)


@pytest.mark.parametrize(
    ("options", "widths"),
    [
        (("--pooling", "statistics"), (2, 2, 4)),
        (("--layers", "lower+last"), (2, 2, 4)),
        (("--pooling", "statistics", "--layers", "lower+last"), (4, 4, 8)),
    ],
)
def test_pooling_and_layers_widen_the_vectors(
    shards: Path, model: Path, tmp_path: Path, file: Path, options: tuple[str, ...], widths: tuple[int, ...]
) -> None:
    out = tmp_path / "wide.parquet"
    assert embedded(shards, model, out, *options).returncode == 0
    schema = pq.read_schema(out)
    assert tuple(schema.field(name).type.list_size // WIDTH for name in ("video", "audio", "both")) == widths
    wide, plain = vectors(out, "audio"), vectors(file, "audio")
    last = WIDTH * (2 if "lower+last" in options and "statistics" in options else widths[1] - 1)
    begin = 0 if "lower+last" not in options else last
    np.testing.assert_allclose(wide[:, begin : begin + WIDTH], plain, atol=2e-5)


def test_lower_and_last_are_those_of_the_features(shards: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "lower.parquet"
    embedded(shards, model, out, "--layers", "lower+last", "--windows", 3)
    encoder = VAEmoModel.from_pretrained(model / "model")
    features = extract(encoder, ShardFolder.open(shards), layers="lower+last", num_windows=3)
    np.testing.assert_allclose(vectors(out, "both"), features.vectors["both"], atol=2e-5)


@pytest.mark.parametrize(("modality", "count"), [("video", 6), ("audio", 6), ("both", 3)])
def test_one_modality_is_the_same_alone_and_what_lacks_it_is_a_reject(
    shards: Path, model: Path, tmp_path: Path, file: Path, modality: str, count: int
) -> None:
    out = tmp_path / "one.parquet"
    done = embedded(shards, model, out, "--modality", modality)
    assert f"{count} clips embedded + {9 - count} rejected = 9" in done.stdout
    assert {"video", "audio", "both"} & set(pq.read_schema(out).names) == {modality}
    whole = vectors(file, modality)
    np.testing.assert_allclose(vectors(out, modality), whole[~np.isnan(whole[:, 0])], atol=2e-5)
    rejects = pq.read_table(tmp_path / "one.rejects.parquet").to_pylist()
    assert len(rejects) == 9 - count
    assert {row["reject_reason"] for row in rejects} <= {"no_video", "no_audio"}


def test_windows_of_a_clip_have_their_seconds_and_their_mean_is_the_clips(
    shards: Path, model: Path, tmp_path: Path, file: Path
) -> None:
    out = tmp_path / "windows.parquet"
    assert embedded(shards, model, out, "--per-window").returncode == 0
    table = pq.read_table(out)
    assert table.num_rows == 17
    begins, ends = (table.column(name).to_numpy() for name in ("window_begin_s", "window_end_s"))
    ids = np.array(table.column("clip_id").to_pylist())
    durations = dict(zip(ids, table.column("duration_s").to_numpy(), strict=True))
    assert (begins >= 0).all()
    assert all(end <= durations[clip_id] + 1e-9 for clip_id, end in zip(ids, ends, strict=True))
    assert ((ends - begins) <= WINDOW_S + 1e-9).all()
    of_clip = begins[ids == "clip_0002"]
    assert of_clip.tolist() == sorted(of_clip.tolist())
    np.testing.assert_allclose(
        np.nanmean(vectors(out, "video")[ids == "clip_0002"], axis=0), vectors(file, "video")[2], atol=2e-5
    )


def test_windows_a_step_apart_reach_the_end_of_every_row(shards: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "steps.parquet"
    assert embedded(shards, model, out, "--per-window", "--window-step", "0.4").returncode == 0
    table = pq.read_table(out).to_pandas()
    of_clip = table[table.clip_id == "clip_0000"]
    steps = np.diff(of_clip.window_begin_s)
    np.testing.assert_allclose(steps[:-1], 0.4)
    assert 4.0 - of_clip.window_end_s.iloc[-1] < 0.081


def test_threads_change_nothing_and_batches_only_the_rounding(
    shards: Path, model: Path, tmp_path: Path, file: Path
) -> None:
    one, two, large = (tmp_path / name for name in ("one.parquet", "two.parquet", "large.parquet"))
    embedded(shards, model, one, "--workers", 1)
    embedded(shards, model, two, "--workers", 3)
    embedded(shards, model, large, "--batch-size", 16)
    assert one.read_bytes() == two.read_bytes() == file.read_bytes()
    np.testing.assert_allclose(vectors(large, "both"), vectors(one, "both"), atol=2e-5)


def test_a_model_of_captions_and_a_bare_encoder_are_models_too(
    shards: Path, model: Path, file: Path, tmp_path: Path
) -> None:
    encoder = VAEmoModel.from_pretrained(model / "model")
    encoder.save_pretrained(tmp_path / "bare")
    torch.manual_seed(1)
    aligned = VAEmoForCaptionAlignment(tiny_config(text_size=8, alignment_size=8))
    aligned.vaemo.load_state_dict(encoder.state_dict())
    aligned.save_pretrained(tmp_path / "aligned")
    for name in ("bare", "aligned"):
        VAEmoProcessor.of(tiny_config(), FACE_PX).save_pretrained(tmp_path / name)
        assert embedded(shards, tmp_path / name, tmp_path / f"{name}.parquet").returncode == 0
        np.testing.assert_array_equal(vectors(tmp_path / f"{name}.parquet", "both"), vectors(file, "both"))


def test_the_last_lines_are_python_that_loads_the_vectors(shards: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "embeddings.parquet"
    told = embedded(shards, model, out).stdout.splitlines()
    begin = told.index("next:")
    names: dict[str, Any] = {}
    exec("\n".join(line.strip() for line in told[begin + 1 :]), names)
    assert names["vectors"].shape == (6, WIDTH)


def test_a_finished_command_has_nothing_left_to_do(shards: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "embeddings.parquet"
    embedded(shards, model, out)
    before = out.stat().st_mtime_ns
    again = embedded(shards, model, out)
    assert "nothing was left to do" in again.stdout
    assert "9 clips embedded + 0 rejected = 9" in again.stdout
    assert out.stat().st_mtime_ns == before
    hidden = ".embeddings.parquet.parts"
    assert {path.name for path in tmp_path.iterdir()} == {hidden, "embeddings.parquet", "embeddings.rejects.parquet"}
    assert [path.name for path in (tmp_path / hidden).iterdir()] == [".lock"]


def refused(done: Called) -> str:
    """What a refused command says, which is one line."""
    assert done.returncode == 2, done.stdout
    assert done.stderr.count("\n") == 1
    return done.stderr


def test_a_file_of_other_settings_or_of_no_embeddings_stays(shards: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "embeddings.parquet"
    embedded(shards, model, out)
    before = out.read_bytes()
    told = refused(embedded(shards, model, out, "--windows", 3))
    assert "was made with windows 2, not 3; give another --out, or delete it" in told
    assert out.read_bytes() == before
    strange = tmp_path / "strange.parquet"
    strange.write_bytes((shards / "rows.parquet").read_bytes())
    assert "is there and holds no embeddings" in refused(embedded(shards, model, strange))
    assert "ends in .parquet" in refused(embedded(shards, model, tmp_path / "embeddings.csv"))


def test_a_model_that_is_none_is_refused(shards: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no config.json with model.safetensors in it" in refused(embedded(shards, empty, out))
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    (other / "model.safetensors").write_bytes((model / "model" / "model.safetensors").read_bytes())
    assert "config.json is of model_type bert, not vaemo" in refused(embedded(shards, other, out))
    (other / "config.json").write_bytes((model / "model" / "config.json").read_bytes())
    (other / "model.safetensors").write_bytes(b"\x08" + bytes(7) + b"{}      ")
    assert "weights of the encoder" in refused(embedded(shards, other, out))
    assert list(tmp_path.glob(".*.parts")) == []


def test_only_a_name_with_hf_is_looked_up_on_the_hub(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def nothing(name: str, **_: object) -> str:
        asked.append(name)
        raise LocalEntryNotFoundError("no such model")

    monkeypatch.setattr(opened, "snapshot_download", nothing)
    out = tmp_path / "out.parquet"
    told = refused(embedded(shards, "runs/stage1-is-not-here", out))
    assert "there is no run runs/stage1-is-not-here; train it first with `vaemo-train stage1`, or give" in told
    assert "hf://nobody: a model of the Hub is hf://USER/NAME" in refused(embedded(shards, "hf://nobody", out))
    assert asked == []
    assert "the Hub gives no such model" in refused(embedded(shards, "hf://nobody/nothing", out))
    assert asked == ["nobody/nothing"]


def test_shards_without_the_modality_or_of_other_faces_are_refused(model: Path, tmp_path: Path) -> None:
    silent = write_shards(
        tmp_path / "silent", 2, modality="video", seconds=1.0, settings=ShardSettings(size_px=FACE_PX)
    )
    told = refused(embedded(silent, model, tmp_path / "out.parquet", "--modality", "audio"))
    assert "none of its 2 clips has sound; choose another --modality" in told
    large = write_shards(tmp_path / "large", 1, modality="video", seconds=1.0, settings=ShardSettings(size_px=96))
    assert "its faces are 96 px" in refused(embedded(large, model, tmp_path / "out.parquet"))


def test_options_that_cannot_be_are_refused_by_name(shards: Path, model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    assert "--pooling max: Input should be 'mean', 'statistics' or 'bands'" in refused(
        embedded(shards, model, out, "--pooling", "max")
    )
    told = refused(embedded(shards, model, out, "--window-step", "0.001"))
    assert "--window-step 0.001: Input should be greater than or equal to 0.08" in told
    assert "exclude one another" in refused(embedded(shards, model, out, "--window-step", "1", "--windows", "2"))
    assert "there is no such folder or manifest" in refused(embedded(tmp_path / "nowhere", model, out))
    (tmp_path / "nothing").mkdir()
    assert "no video or audio files below it" in refused(embedded(tmp_path / "nothing", model, out))
