"""Weights of stage 2 that come and go: saved, loaded, taken over from stage 1."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.described_clips import (
    SMALL,
    TEXT_WEIGHT,
    described_model,
)
from tests.support.tiny_vaemo import tiny_batch, tiny_model
from vaemo_clips.errors import CheckpointError
from vaemo_train.models import VAEmoForCaptionAlignment, VAEmoForPreTraining, VAEmoModel


def _loaded(kind: Any, folder: Path) -> Any:
    return kind.from_pretrained(folder, output_loading_info=True)


def test_a_saved_model_comes_back_and_serves_as_encoder_and_as_stage_1(tmp_path: Path) -> None:
    model = described_model(seed=3, text_model="some/model", text_model_digest="ab", soft_share=0.2).eval()
    model.set_text_means({"visual": torch.randn(12)})
    model.alignment.clip["visual"]["video"].centring.mean.copy_(torch.randn(16))
    model.save_pretrained(tmp_path)
    again, told = _loaded(VAEmoForCaptionAlignment, tmp_path)
    assert not told["missing_keys"]
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values(), strict=True))
    assert {**again.config.to_dict(), "_name_or_path": ""} == model.config.to_dict()
    batch = tiny_batch()
    for kind, encoder in ((VAEmoModel, lambda m: m), (VAEmoForPreTraining, lambda m: m.vaemo)):
        lesser, told = _loaded(kind, tmp_path)
        assert not told["missing_keys"]
        assert not told["unexpected_keys"]
        assert torch.equal(encoder(lesser.eval())(**batch).pooler_output, model.vaemo(**batch).pooler_output)


def test_new_heads_of_a_stage_1_checkpoint_begin_as_in_a_new_model(tmp_path: Path) -> None:
    tiny_model().save_pretrained(tmp_path)
    heads = VAEmoForCaptionAlignment.from_pretrained(tmp_path).alignment
    torch.testing.assert_close(heads.temperatures, torch.full((3,), 0.07))
    values = heads.state_dict()
    assert all((value == 0).all() for name, value in values.items() if name.endswith("mean"))
    norms = [value for name, value in values.items() if name.endswith("norm.weight")]
    assert len(norms) == 6
    assert all((value == 1).all() for value in norms)


def test_stage_1_goes_on_from_a_model_or_its_folder(tmp_path: Path) -> None:
    first = tiny_model(seed=3, loss_weights={"contrastive": 0.1})
    first.save_pretrained(tmp_path)
    models = []
    for source in (first, tmp_path, str(tmp_path)):
        torch.manual_seed(8)
        models.append(VAEmoForCaptionAlignment.from_stage1(source, **SMALL, loss_weights={"audio": 0.5}))
    for model in models:
        weights = model.state_dict()
        assert all(torch.equal(weights[name], value) for name, value in first.state_dict().items())
        assert torch.equal(weights[TEXT_WEIGHT], models[0].state_dict()[TEXT_WEIGHT])
        assert model.config.loss_weights == {**(first.config.loss_weights or {}), "audio": 0.5}
    torch.manual_seed(9)
    other = VAEmoForCaptionAlignment.from_stage1(models[0], text_size=7)
    assert other.config.alignment_size == 16
    assert other.state_dict()[TEXT_WEIGHT].shape == (16, 7)


def test_a_folder_without_a_whole_model_of_stage_1_is_told(tmp_path: Path) -> None:
    with pytest.raises(
        CheckpointError, match=r"has no config\.json and no model\.safetensors; give the folder `model`"
    ):
        VAEmoForCaptionAlignment.from_stage1(tmp_path)
    tiny_model().vaemo.save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"lacks \d+ weights of a stage-1 model, vaemo\.\S+ among them"):
        VAEmoForCaptionAlignment.from_stage1(tmp_path)
    tiny_model().save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"is \(2, 32\), and the settings make it \(2, 64\)"):
        VAEmoForCaptionAlignment.from_stage1(tmp_path, hidden_size=64)
    weights = load_file(tmp_path / "model.safetensors")
    save_file(
        {name: value for name, value in weights.items() if "mask_token" not in name}, tmp_path / "model.safetensors"
    )
    with pytest.raises(CheckpointError, match=r"lacks 1 weights of a stage-1 model, decoder\.mask_token"):
        VAEmoForCaptionAlignment.from_stage1(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read as a model"):
        VAEmoForCaptionAlignment.from_stage1(tmp_path)
