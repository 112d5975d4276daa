"""The figure shows what was hidden where it was hidden, and undoes the normalisation of the targets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.tiny_run import tiny_shards
from tests.support.tiny_vaemo import tiny_config, tiny_model
from vaemo_clips.errors import FigureError
from vaemo_train.models.patches import mel_patches, tubelets
from vaemo_train.reconstruction import normalised
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.stage1.figure import Panel, draw, reconstruct, stretched, unpatches, untubelets
from vaemo_train.training.picture import write_png


def test_tokens_go_back_to_where_they_came_from() -> None:
    config = tiny_config()
    video = torch.rand(2, 16, 3, 64, 64)
    assert torch.equal(untubelets(tubelets(video, config), config), video.permute(0, 1, 3, 4, 2))
    mel = torch.rand(2, 256, 128)
    assert torch.equal(unpatches(mel_patches(mel, config), config), mel)


def test_a_perfect_prediction_is_the_original_again() -> None:
    tokens = torch.randn(2, 5, 64) * torch.tensor([1.0, 0.001, 3.0, 0.5, 0.0])[None, :, None] + 0.3
    assert torch.allclose(stretched(normalised(tokens, 0.04), tokens, 0.04), tokens, atol=1e-5)


@pytest.fixture(scope="module")
def panels(tmp_path_factory: pytest.TempPathFactory) -> list[Panel]:
    data = tiny_shards(
        tmp_path_factory.mktemp("shards"), 3, modality=["both", "video", "audio"], seconds=[3.0, 1.6, 3.0]
    )
    return reconstruct(tiny_model(), ShardFolder.open(data), np.arange(3), seed=0)


def test_a_panel_hides_the_masked_and_keeps_the_visible(panels: list[Panel]) -> None:
    assert panels[0].title == "clip_0000"
    assert panels[0].pictures is not None
    assert panels[0].mels is not None
    original, masked, predicted = panels[0].pictures
    assert original.shape == (16, 64, 64, 3)
    is_hidden = (np.abs(masked - original) > 1e-6).any(-1)
    assert is_hidden.mean() == pytest.approx(14 / 16, abs=0.02)  # of 16 places, 0.9 rounds to 14
    assert np.array_equal(is_hidden[0, ::16, ::16], is_hidden[-1, ::16, ::16])  # tubes
    assert np.allclose(predicted[~is_hidden], original[~is_hidden])
    assert np.isnan(panels[0].mels[1]).mean() == pytest.approx(0.8, abs=0.01)
    assert np.isfinite(panels[0].mels[2]).all()


def test_what_a_clip_does_not_have_is_left_out(panels: list[Panel]) -> None:
    assert panels[1].mels is None
    assert panels[1].pictures is not None
    assert (panels[1].pictures[:, 11:] == 1.0).all()  # the clip ends after 1.6 s
    assert panels[2].pictures is None


def test_masks_are_the_same_every_time(panels: list[Panel], tmp_path: Path) -> None:
    folder = ShardFolder.open(tiny_shards(tmp_path, 1, seconds=3.0))
    again = reconstruct(tiny_model(seed=5), folder, np.arange(1), seed=0)
    assert again[0].pictures is not None
    assert panels[0].pictures is not None
    assert np.array_equal(again[0].pictures[1], panels[0].pictures[1])


def test_the_figure_is_a_picture_of_all_panels(panels: list[Panel], tmp_path: Path) -> None:
    picture = draw(panels, "step 5")
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[0] > draw(panels[:1], "step 5").shape[0]
    sound_alone, pictures_alone = draw(panels[2:], "step 5"), draw(panels[1:2], "step 5")
    assert sound_alone.shape[1] < pictures_alone.shape[1] < picture.shape[1], "no column without anything in it"
    write_png(picture, tmp_path / "figures" / "step.png")
    assert (tmp_path / "figures" / "step.png").read_bytes()[:4] == b"\x89PNG"
    (tmp_path / "file").write_text("")
    with pytest.raises(FigureError, match="the figure cannot be written"):
        write_png(picture, tmp_path / "file" / "step.png")
