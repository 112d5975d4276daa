"""What a fine-tuned model says of shards."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.support.synthetic_shards import write_shards
from tests.support.tiny_vaemo import tiny_config
from vaemo_clips.errors import TrainingError
from vaemo_train.data.augment import Augment
from vaemo_train.data.batch import Batch, read_batch
from vaemo_train.data.corruption import Corruption
from vaemo_train.data.window import Window, eval_windows
from vaemo_train.evaluate.features import MODALITIES
from vaemo_train.evaluate.predict import Predictions, predict
from vaemo_train.judging.robustness import robustness
from vaemo_train.models.classification import CLASSIFICATION, REGRESSION, VAEmoForClassification
from vaemo_train.shards.folder import ShardFolder

KINDS = ("both", "audio", "video")
SECONDS = (4.0, 1.0, 12.0, 2.0, 0.6)
CLASSES = ("anger", "happiness", "sadness")
TARGETS = ("valence", "arousal")


def tiny_classifier(names: tuple[str, ...] = CLASSES, task: str = CLASSIFICATION) -> VAEmoForClassification:
    """A model whose head is no longer at its beginning: what it says differs from clip to clip."""
    torch.manual_seed(0)
    model = VAEmoForClassification(tiny_config(problem_type=task, id2label=dict(enumerate(names))))
    for linear in model.classifier.linear:
        assert isinstance(linear, torch.nn.Linear)
        torch.nn.init.normal_(linear.weight, std=0.3)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ShardFolder:
    """Nine clips: with both, with sound only, with picture only; some in two rows, some shorter than a window."""
    path = write_shards(tmp_path_factory.mktemp("predict") / "shards", 9, modality=KINDS, seconds=SECONDS)
    return ShardFolder.open(path)


@pytest.fixture(scope="module")
def model() -> VAEmoForClassification:
    return tiny_classifier()


@pytest.fixture(scope="module")
def predictions(model: VAEmoForClassification, folder: ShardFolder) -> Predictions:
    return predict(model, folder)


def inputs_of(model: VAEmoForClassification, folder: ShardFolder, clip_id: str, num_windows: int) -> Batch:
    """All windows of a clip."""
    ids = folder.rows.column("clip_id").to_pylist()
    numbers = [number for number, name in enumerate(ids) if name == clip_id]
    windows = [
        Window(folder.row(number), number, 0, begin_s)
        for number in numbers
        for begin_s in eval_windows(folder.row(number), num_windows)
    ]
    config = model.config
    augment = Augment(image_size=64, log_mel_mean=config.log_mel_mean, log_mel_std=config.log_mel_std)
    return augment(read_batch(windows, folder.settings.size_px, 0))


def test_every_clip_has_probabilities_of_what_it_has(predictions: Predictions) -> None:
    assert predictions.clip_ids.tolist() == [f"clip_{number:04d}" for number in range(9)]
    assert predictions.names == CLASSES
    assert not predictions.is_regression
    assert predictions.has("video").tolist() == [True, False, True] * 3
    assert predictions.has("audio").tolist() == [True, True, False] * 3
    assert predictions.has("both").tolist() == [True, False, False] * 3
    for name in MODALITIES:
        values = predictions.values[name]
        assert values.shape == (9, 3)
        assert values.dtype == np.float32
        assert np.isnan(values[~predictions.has(name)]).all()
        np.testing.assert_allclose(values[predictions.has(name)].sum(axis=1), 1, atol=1e-6)
        assert (values[predictions.has(name)] > 0).all()
    assert np.ptp(predictions.values["audio"][predictions.has("audio")], axis=0).min() > 0.01, "clips differ"


def test_the_likeliest_class_is_named(predictions: Predictions) -> None:
    for name in MODALITIES:
        has, named = predictions.has(name), predictions.named(name)
        assert all(label is None for label in named[~has])
        likeliest = [CLASSES[int(place)] for place in predictions.values[name][has].argmax(axis=1)]
        assert named[has].tolist() == likeliest


def test_windows_are_counted(model: VAEmoForClassification, folder: ShardFolder, predictions: Predictions) -> None:
    assert predictions.num_windows == 2
    # Of 4, 1, 12 (two rows), 2, 0.6, ... seconds; below 2.56 s a row has room for one.
    assert predictions.windows_used.tolist() == [2, 1, 4, 1, 1, 2, 1, 4, 1]
    seen: list[int] = []
    more = predict(model, folder, modalities=("audio",), num_windows=3, batch_size=5, on_batch=seen.append)
    assert more.windows_used.tolist() == [3, 1, 6, 1, 1, 3, 1, 6, 1]
    assert sum(seen) == more.windows_used.sum()
    assert max(seen) == 5


@pytest.mark.parametrize("task", [CLASSIFICATION, REGRESSION])
def test_a_clip_is_the_mean_over_the_windows_of_all_its_rows(folder: ShardFolder, task: str) -> None:
    model = tiny_classifier(TARGETS, task).eval()
    found = predict(model, folder)
    inputs = inputs_of(model, folder, "clip_0002", 2)
    with torch.inference_mode():
        logits = model(inputs["pixel_values_videos"], video_padding_mask=inputs.get("video_padding_mask")).logits
    assert len(logits) == 4
    values = logits if task == REGRESSION else logits.softmax(1)
    np.testing.assert_allclose(found.values["video"][2], values.mean(0).numpy(), atol=1e-5)
    inputs = inputs_of(model, folder, "clip_0000", 2)
    with torch.inference_mode():
        logits = model(**inputs).logits
    values = logits if task == REGRESSION else logits.softmax(1)
    np.testing.assert_allclose(found.values["both"][0], values.mean(0).numpy(), atol=1e-5)


def test_a_regression_names_no_class(folder: ShardFolder) -> None:
    found = predict(tiny_classifier(TARGETS, REGRESSION), folder, [0], modalities=("both",))
    assert found.is_regression
    assert found.names == TARGETS
    assert found.values["both"].shape == (1, 2)
    with pytest.raises(ValueError, match=r"^the values of valence, arousal are no classes; a regression names none$"):
        found.named("both")


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_the_batch_size_does_not_matter(
    model: VAEmoForClassification, folder: ShardFolder, predictions: Predictions, batch_size: int
) -> None:
    again = predict(model, folder, batch_size=batch_size)
    for name in MODALITIES:
        np.testing.assert_allclose(again.values[name], predictions.values[name], atol=1e-5)


def test_workers_do_not_matter(model: VAEmoForClassification, folder: ShardFolder, predictions: Predictions) -> None:
    again = predict(model, folder, workers=1, modalities=("audio",))
    np.testing.assert_allclose(again.values["audio"], predictions.values["audio"], atol=1e-5)


def test_some_rows_only(model: VAEmoForClassification, folder: ShardFolder, predictions: Predictions) -> None:
    rows = [number for number, clip in enumerate(folder.rows.column("clip_id").to_pylist()) if clip >= "clip_0007"]
    some = predict(model, folder, rows)
    assert some.clip_ids.tolist() == ["clip_0007", "clip_0008"]
    np.testing.assert_allclose(some.values["audio"], predictions.values["audio"][7:], atol=1e-5)


def test_half_precision_says_nearly_the_same(
    model: VAEmoForClassification, folder: ShardFolder, predictions: Predictions
) -> None:
    half = predict(model, folder, [0], bf16=True)
    for name in MODALITIES:
        np.testing.assert_allclose(half.values[name][0], predictions.values[name][0], atol=0.02)
        assert not np.array_equal(half.values[name][0], predictions.values[name][0])


def test_a_corruption_changes_what_it_touches_whatever_the_batch(
    model: VAEmoForClassification, folder: ShardFolder, predictions: Predictions
) -> None:
    for text, touched in (("snr=0", "audio"), ("blur=4,drop=0.75", "video")):
        worse, again = (predict(model, folder, corruption=Corruption.parse(text), batch_size=size) for size in (16, 3))
        for name in MODALITIES:
            np.testing.assert_allclose(worse.values[name], again.values[name], atol=1e-5)
            assert worse.has(name).tolist() == predictions.has(name).tolist()
            change = np.nanmax(np.abs(worse.values[name] - predictions.values[name]))
            assert change > 1e-3 if name in (touched, "both") else change < 1e-5, (text, name)


def test_robustness_leaves_alone_what_a_corruption_does_not_touch(
    model: VAEmoForClassification, folder: ShardFolder, predictions: Predictions
) -> None:
    noise = Corruption.parse("snr=0")
    seen: list[int] = []
    found = robustness(model, folder, None, predictions, [noise], on_batch=seen.append)
    assert list(found) == ["snr=0"]
    assert sum(seen) == predictions.windows_used.sum()
    whole = predict(model, folder, corruption=noise)
    assert found["snr=0"].values["video"] is predictions.values["video"]
    for name in MODALITIES:
        np.testing.assert_allclose(found["snr=0"].values[name], whole.values[name], atol=1e-5)
    video = predict(model, folder, modalities=("video",), num_windows=1)
    assert robustness(model, folder, None, video, [noise])["snr=0"] is video, "nothing to do"
    with pytest.raises(ValueError, match=r"^1 clips, but 9 clean ones, not the same clips$"):
        robustness(model, folder, [0], predictions, [noise])


def test_the_model_is_left_as_it_was(folder: ShardFolder) -> None:
    model = tiny_classifier().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    chance = torch.get_rng_state()
    predict(model, folder, [0])
    assert model.training
    assert torch.equal(torch.get_rng_state(), chance)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_broken_weights_are_told(folder: ShardFolder) -> None:
    broken = tiny_classifier()
    with torch.no_grad():
        next(broken.vaemo.lower.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"^what the model says from video holds values that are no numbers; its"):
        predict(broken, folder, [0])


def test_no_rows_are_told(model: VAEmoForClassification, folder: ShardFolder) -> None:
    with pytest.raises(TrainingError, match=r": no rows are selected of \d+; hold fewer clips out$"):
        predict(model, folder, [])
