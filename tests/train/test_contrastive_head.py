"""The contrastive head: centred, in float32, blind to padding; wholes and courses."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.support.tiny_vaemo import tiny_batch, tiny_model
from vaemo_train.models import VAEmoForPreTraining, VAEmoModel
from vaemo_train.models.contrastive_head import Centring, token_means


def _projected(model: VAEmoForPreTraining, batch: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    with torch.no_grad():
        video, audio, is_there = model.project(model.vaemo(**batch))
    assert video is not None
    assert audio is not None
    assert is_there.all()
    return video, audio


def test_the_mean_of_each_step_leaves_out_what_is_not_of_it() -> None:
    hidden = torch.tensor([[[1.0], [3.0], [10.0], [99.0]]])
    is_of = torch.tensor([[[True, False, False], [True, False, False], [False, True, False], [False, False, False]]])
    assert token_means(hidden, is_of).flatten().tolist() == [2.0, 10.0, 0.0]


def test_centring_takes_the_mean_of_the_clips_that_are_there() -> None:
    centring = Centring(1)
    rows, is_there = torch.tensor([[1.0], [3.0], [100.0]]), torch.tensor([True, True, False])
    assert centring(rows, is_there)[:2].flatten().tolist() == [-1.0, 1.0]
    assert centring.mean.item() == pytest.approx(0.2)
    centring.eval()
    assert centring(rows, is_there)[0].item() == pytest.approx(0.8)
    centring.train()
    centring(rows, torch.zeros(3, dtype=torch.bool))
    assert centring.mean.item() == pytest.approx(0.2), "a batch without clips says nothing"


def test_running_means_begin_at_zero_where_a_checkpoint_has_none(tmp_path: Path) -> None:
    encoder: VAEmoModel = tiny_model().vaemo
    encoder.save_pretrained(tmp_path)
    model = VAEmoForPreTraining.from_pretrained(tmp_path)
    means = [module.mean for module in model.modules() if isinstance(module, Centring)]
    assert len(means) == 2
    assert all((mean == 0).all() for mean in means)


def test_vectors_are_in_float32_under_autocast() -> None:
    model, batch = tiny_model().eval(), tiny_batch()
    with torch.no_grad():
        encoded = model.vaemo(**batch)
        plain, _, _ = model.project(encoded)
        with torch.autocast("cpu", torch.bfloat16):
            cast, _, _ = model.project(encoded)
    assert plain is not None
    assert cast is not None
    assert cast.dtype == torch.float32
    assert torch.equal(plain, cast)


@pytest.mark.parametrize("steps", [1, 4])
def test_vectors_have_unit_length_and_see_both_modalities(steps: int) -> None:
    video, audio = _projected(tiny_model(contrastive_steps=steps).eval(), tiny_batch())
    for vectors in (video, audio):
        assert vectors.shape == (4, 16)
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))


def test_a_course_does_not_see_what_stays_and_a_whole_does() -> None:
    """A still picture has no course beyond what time itself adds, whichever picture it is."""
    frame = torch.rand(4, 1, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    still = {**tiny_batch(), "pixel_values_videos": frame.expand(-1, 16, -1, -1, -1)}
    spread = {}
    for steps in (1, 8):
        model = tiny_model(contrastive_steps=steps, num_unimodal_layers=0).eval()
        hidden = model.vaemo(**still)
        projected = model.contrastive.projections[0](hidden.lower_hidden_state[:, :128])
        spread[steps] = projected.std(dim=0).mean()
        video, _ = _projected(model, still)
        if steps == 8:
            assert (video @ video.T).min() > 0.9, "the courses of still pictures are alike"
        else:
            assert (video @ video.T).min() < 0.9


def test_a_clip_without_tokens_of_a_modality_is_told() -> None:
    batch = tiny_batch()
    padding = torch.zeros(4, 16, dtype=torch.bool)
    padding[2] = True
    padding[3, ::2] = True  # a picture of every tubelet is missing
    model = tiny_model().eval()
    with torch.no_grad():
        _, _, is_there = model.project(model.vaemo(**batch, video_padding_mask=padding))
    assert is_there.tolist() == [True, True, False, False]
