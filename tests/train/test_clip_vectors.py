"""Clips in the space of descriptions: what the model says of their windows, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from tests.support.synthetic_shards import write_shards
from tests.support.tiny_text_space import tiny_alignment_model
from vaemo_clips.errors import TrainingError
from vaemo_train.data.augment import Augment
from vaemo_train.data.batch import read_batch
from vaemo_train.data.window import Window, eval_windows
from vaemo_train.evaluate.clip_vectors import PATHS_OF, ClipVectors, embed_clips, joined
from vaemo_train.evaluate.features import MODALITIES, Modality
from vaemo_train.models import VAEmoForCaptionAlignment
from vaemo_train.models.alignment_output import ClipEmbeds
from vaemo_train.shards.folder import ShardFolder

KINDS = ("both", "audio", "video")
SECONDS = (4.0, 1.0, 12.0, 2.0, 0.6)
HAS = {"video": [True, False, True] * 3, "audio": [True, True, False] * 3, "both": [True, False, False] * 3}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ShardFolder:
    """Nine clips: with both, with sound only, with picture only; some in two rows, some shorter than a window."""
    path = write_shards(tmp_path_factory.mktemp("vectors") / "shards", 9, modality=KINDS, seconds=SECONDS)
    return ShardFolder.open(path)


@pytest.fixture(scope="module")
def model() -> VAEmoForCaptionAlignment:
    return tiny_alignment_model()


@pytest.fixture(scope="module")
def vectors(model: VAEmoForCaptionAlignment, folder: ShardFolder) -> ClipVectors:
    return embed_clips(model, folder)


def rows_of(folder: ShardFolder, clip_id: str) -> list[int]:
    return [number for number, one in enumerate(folder.rows["clip_id"].to_pylist()) if one == clip_id]


def own_embeds(
    model: VAEmoForCaptionAlignment, folder: ShardFolder, clip_id: str, modality: Modality, num_windows: int = 2
) -> ClipEmbeds:
    """What the model itself says of the windows of one clip, by themselves."""
    windows = [
        Window(folder.row(number), number, 0, begin_s)
        for number in rows_of(folder, clip_id)
        for begin_s in eval_windows(folder.row(number), num_windows)
    ]
    config = model.config
    augment = Augment(image_size=64, log_mel_mean=config.log_mel_mean, log_mel_std=config.log_mel_std)
    inputs: dict[str, Any] = augment(read_batch(windows, folder.settings.size_px, 0))
    return model.clip_embeds(**inputs, modality=modality)


def assert_same(one: ClipVectors, other: ClipVectors) -> None:
    assert one.clip_ids.tolist() == other.clip_ids.tolist()
    for modality, paths in one.vectors.items():
        for path, values in paths.items():
            np.testing.assert_allclose(values, other.vectors[modality][path], atol=1e-5)


@pytest.mark.parametrize(("clip", "modality"), [(0, "both"), (0, "video"), (0, "audio"), (1, "audio"), (5, "video")])
def test_one_window_is_what_the_model_itself_says(
    model: VAEmoForCaptionAlignment, folder: ShardFolder, clip: int, modality: Modality
) -> None:
    found = embed_clips(model, folder, num_windows=1)
    own = own_embeds(model, folder, f"clip_{clip:04d}", modality, num_windows=1)
    assert set(own.vectors) == set(PATHS_OF[modality])
    for path, value in own.vectors.items():
        assert bool(own.is_there[path].all())
        np.testing.assert_allclose(found.vectors[modality][path][clip], value[0].numpy(), atol=1e-5)


def test_windows_of_all_rows_are_averaged_and_brought_back_to_length_1(
    model: VAEmoForCaptionAlignment, folder: ShardFolder, vectors: ClipVectors
) -> None:
    assert len(rows_of(folder, "clip_0002")) == 2, "12 s are two rows"
    for path, windows in own_embeds(model, folder, "clip_0002", "video").vectors.items():
        mean = windows.double().mean(0)
        assert len(windows) > 2
        assert mean.norm() < 1 - 1e-5, "the windows differ"
        np.testing.assert_allclose(vectors.vectors["video"][path][2], (mean / mean.norm()).numpy(), atol=1e-5)


def test_all_vectors_are_float32_and_of_unit_length_or_not_a_number(vectors: ClipVectors) -> None:
    for modality in MODALITIES:
        assert set(vectors.vectors[modality]) == set(PATHS_OF[modality])
        for path, values in vectors.vectors[modality].items():
            assert values.shape == (9, 16)
            assert values.dtype == np.float32
            assert vectors.has(modality, path).tolist() == HAS[modality]
            there = vectors.has(modality, path)
            np.testing.assert_allclose(np.linalg.norm(values[there], axis=1), 1, atol=1e-5)
            assert np.isnan(values[~there]).all(), "never 0, and not in part"


def test_both_sees_one_modality_alone_where_a_path_is_of_one(vectors: ClipVectors) -> None:
    there = vectors.has("both", "affect")
    for modality, path in (("video", "visual"), ("audio", "acoustic")):
        both, alone = vectors.vectors["both"][path], vectors.vectors[modality][path]  # type: ignore[index]
        np.testing.assert_allclose(both[there], alone[there], atol=1e-5)
        assert np.abs(vectors.vectors["both"]["affect"][there] - alone[there]).max() > 1e-2


@pytest.mark.parametrize("batch_size", [1, 5, 64])
def test_the_batch_size_does_not_matter(
    model: VAEmoForCaptionAlignment, folder: ShardFolder, vectors: ClipVectors, batch_size: int
) -> None:
    done: list[int] = []
    assert_same(embed_clips(model, folder, batch_size=batch_size, on_batch=done.append), vectors)
    assert max(done) == min(batch_size, sum(done))


def test_workers_do_not_matter(model: VAEmoForCaptionAlignment, folder: ShardFolder, vectors: ClipVectors) -> None:
    assert_same(embed_clips(model, folder, workers=1, modalities=("audio",)), vectors)


def test_the_order_of_rows_does_not_matter_and_others_are_left_out(
    model: VAEmoForCaptionAlignment, folder: ShardFolder, vectors: ClipVectors
) -> None:
    rows = [*rows_of(folder, "clip_0007"), *rows_of(folder, "clip_0002")[::-1]]
    some = embed_clips(model, folder, rows)
    assert some.clip_ids.tolist() == ["clip_0002", "clip_0007"]
    assert some.columns["speaker"].tolist() == ["speaker_02", "speaker_03"]
    np.testing.assert_allclose(some.vectors["video"]["visual"][0], vectors.vectors["video"]["visual"][2], atol=1e-5)
    np.testing.assert_allclose(some.vectors["audio"]["affect"][1], vectors.vectors["audio"]["affect"][7], atol=1e-5)


def test_shards_without_any_picture(model: VAEmoForCaptionAlignment, folder: ShardFolder) -> None:
    found = embed_clips(model, folder, rows_of(folder, "clip_0001"))
    assert found.has("audio", "affect").tolist() == [True]
    assert not found.has("video", "visual").any()
    assert not found.has("both", "affect").any()


def test_the_model_is_left_as_it_was(folder: ShardFolder) -> None:
    model = tiny_alignment_model().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    embed_clips(model, folder, [0])
    assert torch.equal(torch.rand(1), expected), "nor are torch's random numbers used"
    assert model.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_broken_weights_are_told(folder: ShardFolder) -> None:
    broken = tiny_alignment_model()
    with torch.no_grad():
        next(broken.vaemo.lower.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"^the model's vectors hold values that are no numbers; its weights are b"):
        embed_clips(broken, folder, [0])


def test_no_rows_are_told(model: VAEmoForCaptionAlignment, folder: ShardFolder) -> None:
    with pytest.raises(TrainingError, match=r": no rows are selected of "):
        embed_clips(model, folder, [])


def test_the_cosine_of_joined_vectors_is_the_mean_of_the_paths_cosines(vectors: ClipVectors) -> None:
    of_clip = {path: values[[0, 3]] for path, values in vectors.vectors["both"].items()}
    whole = joined(of_clip)
    np.testing.assert_allclose(np.linalg.norm(whole, axis=1), 1, atol=1e-5)
    cosines = [float(values[0] @ values[1]) for values in of_clip.values()]
    assert float(whole[0] @ whole[1]) == pytest.approx(np.mean(cosines), abs=1e-5)
