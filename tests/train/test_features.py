"""Frozen features of shards."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.synthetic_shards import write_shards
from tests.support.tiny_vaemo import tiny_model
from vaemo_clips.errors import TrainingError
from vaemo_train.data.augment import Augment
from vaemo_train.data.batch import read_batch
from vaemo_train.data.dataset import EvenWindows
from vaemo_train.data.sampler import DistinctWindows
from vaemo_train.data.window import Window, eval_windows
from vaemo_train.evaluate.features import Features, extract
from vaemo_train.models import VAEmoModel
from vaemo_train.shards.folder import ShardFolder

KINDS = ("both", "audio", "video")
SECONDS = (4.0, 1.0, 12.0, 2.0, 0.6)
WIDTH = 32


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ShardFolder:
    """Nine clips: with both, with sound only, with picture only; some in two rows, some shorter than a window."""
    path = write_shards(tmp_path_factory.mktemp("features") / "shards", 9, modality=KINDS, seconds=SECONDS)
    return ShardFolder.open(path)


@pytest.fixture(scope="module")
def model() -> VAEmoModel:
    return tiny_model().vaemo


@pytest.fixture(scope="module")
def features(model: VAEmoModel, folder: ShardFolder) -> Features:
    return extract(model, folder)


def test_every_clip_has_its_features_and_columns(features: Features) -> None:
    assert features.clip_ids.tolist() == [f"clip_{number:04d}" for number in range(9)]
    assert features.columns["speaker"].tolist()[:5] == [f"speaker_{number % 4:02d}" for number in range(5)]
    assert features.columns["label"][0] == "happiness"
    assert {name: vectors.shape for name, vectors in features.vectors.items()} == {
        "video": (9, WIDTH),
        "audio": (9, WIDTH),
        "both": (9, 2 * WIDTH),
    }
    assert all(vectors.dtype == np.float32 for vectors in features.vectors.values())


def test_what_a_clip_lacks_is_not_a_number_and_never_0(features: Features) -> None:
    assert features.has("video").tolist() == [True, False, True] * 3
    assert features.has("audio").tolist() == [True, True, False] * 3
    assert features.has("both").tolist() == [True, False, False] * 3
    assert np.isnan(features.vectors["video"][1]).all()
    seen = features.where(features.has("both"))
    assert seen.clip_ids.tolist() == ["clip_0000", "clip_0003", "clip_0006"]
    assert seen.columns["speaker"].tolist() == ["speaker_00", "speaker_03", "speaker_02"]
    assert np.isfinite(seen.vectors["both"]).all()


def test_features_are_means_over_the_windows_of_all_rows(
    model: VAEmoModel, folder: ShardFolder, features: Features
) -> None:
    ids = folder.rows.column("clip_id").to_pylist()
    numbers = [number for number, clip_id in enumerate(ids) if clip_id == "clip_0002"]
    assert len(numbers) == 2, "12 s are two rows"
    windows = [
        Window(folder.row(number), number, 0, begin_s)
        for number in numbers
        for begin_s in eval_windows(folder.row(number), 2)
    ]
    augment = Augment(image_size=64, log_mel_mean=model.config.log_mel_mean, log_mel_std=model.config.log_mel_std)
    inputs = augment(read_batch(windows, folder.settings.size_px, 0))
    with torch.inference_mode():
        embeds = model.eval()(**inputs, scope="within").video_embeds
    np.testing.assert_allclose(features.vectors["video"][2], embeds.mean(0).numpy(), atol=1e-5)


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_the_batch_size_does_not_matter(
    model: VAEmoModel, folder: ShardFolder, features: Features, batch_size: int
) -> None:
    again = extract(model, folder, batch_size=batch_size)
    for name, vectors in features.vectors.items():
        np.testing.assert_allclose(again.vectors[name], vectors, atol=1e-5)


def test_workers_do_not_matter(model: VAEmoModel, folder: ShardFolder, features: Features) -> None:
    again = extract(model, folder, workers=1, modalities=("audio",))
    np.testing.assert_allclose(again.vectors["audio"], features.vectors["audio"], atol=1e-5)


def test_lower_layers_stand_in_front(model: VAEmoModel, folder: ShardFolder, features: Features) -> None:
    rows = [0]
    found = extract(model, folder, rows, layers="lower+last").vectors
    assert {name: vectors.shape[1] for name, vectors in found.items()} == {
        "video": 2 * WIDTH,
        "audio": 2 * WIDTH,
        "both": 4 * WIDTH,
    }
    for name, vectors in found.items():
        width = features.vectors[name].shape[1]
        np.testing.assert_allclose(vectors[0, width:], features.vectors[name][0], atol=1e-5)
        assert np.abs(vectors[0, :width] - vectors[0, width:]).max() > 1e-3


def test_picture_and_sound_together_are_more_than_each_alone(features: Features) -> None:
    alone = np.concatenate([features.vectors["video"][0], features.vectors["audio"][0]])
    assert np.abs(features.vectors["both"][0] - alone).max() > 1e-4


def test_some_rows_only(model: VAEmoModel, folder: ShardFolder, features: Features) -> None:
    rows = [number for number, clip in enumerate(folder.rows.column("clip_id").to_pylist()) if clip >= "clip_0007"]
    some = extract(model, folder, rows)
    assert some.clip_ids.tolist() == ["clip_0007", "clip_0008"]
    np.testing.assert_allclose(some.vectors["audio"], features.vectors["audio"][7:], atol=1e-5)


def test_a_short_row_is_encoded_once(folder: ShardFolder) -> None:
    dataset = EvenWindows(folder, per_row=4)
    windows = [dataset.window(key) for batch in DistinctWindows(dataset, 3) for key in batch]
    places = [(window.row_number, window.begin_s) for window in windows]
    assert len(places) == len(set(places))
    assert [places.count(place) for place in places if place[0] == 1] == [1], "1 s has room for one window"
    with pytest.raises(ValueError, match=r"^batch_size=0 must be at least 1$"):
        DistinctWindows(dataset, 0)


def test_the_model_is_left_as_it_was(model: VAEmoModel, folder: ShardFolder) -> None:
    model.train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    extract(model, folder, [0])
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_broken_weights_are_told(folder: ShardFolder) -> None:
    broken = tiny_model().vaemo
    with torch.no_grad():
        next(broken.lower.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"^the encoder's video features hold values that are no numbers; its wei"):
        extract(broken, folder, [0])
