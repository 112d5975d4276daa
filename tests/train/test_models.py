"""The unified encoder: shapes, round trips, and that padding and missing modalities never leak into a score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoConfig, AutoModel, AutoModelForPreTraining

from tests.support.tiny_vaemo import tiny_batch, tiny_config, tiny_model
from vaemo_train.models import VAEmoConfig, VAEmoForPreTraining, VAEmoModel
from vaemo_train.models.block import AUDIO, Layout
from vaemo_train.models.decoder import DecoderBlock
from vaemo_train.models.patches import mel_patches, tubelets
from vaemo_train.models.positions import audio_positions, video_positions
from vaemo_train.models.pretraining import _targets


@pytest.fixture(scope="module")
def model() -> VAEmoForPreTraining:
    model = tiny_model()
    model.eval()
    return model


@pytest.mark.parametrize(("size", "width", "millions"), [("tiny", 192, 6), ("small", 384, 22), ("base", 512, 39)])
def test_the_named_sizes(size: str, width: int, millions: int) -> None:
    config = VAEmoConfig.of_size(f"vaemo-{size}")
    with torch.device("meta"):
        encoder = VAEmoModel(config)
    assert config.hidden_size == width
    assert (config.num_unimodal_layers, config.num_cross_layers) == (8, 4)
    assert (config.num_video_tokens, config.num_audio_tokens, config.window_s) == (800, 128, 2.56)
    assert round(sum(p.numel() for p in encoder.parameters()) / 1e6) == millions


def test_an_unknown_size_or_shape_is_told() -> None:
    with pytest.raises(ValueError, match="size 'vaemo-huge' is none of vaemo-tiny, vaemo-small, vaemo-base"):
        VAEmoConfig.of_size("vaemo-huge")
    with pytest.raises(ValueError, match="image_size=150 must be a multiple of patch_size=16"):
        VAEmoConfig(image_size=150)
    with pytest.raises(ValueError, match="loss_weights names sound; its parts are video_pixels"):
        VAEmoConfig(loss_weights={"sound": 1.0})


def test_a_saved_model_comes_back_bit_for_bit(tmp_path: Path) -> None:
    model = tiny_model(seed=3).eval()
    model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    batch = tiny_batch()
    for again in (VAEmoForPreTraining.from_pretrained(tmp_path), AutoModelForPreTraining.from_pretrained(tmp_path)):
        again.eval()
        assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))
        assert torch.equal(model(**batch, batch_seed=1).loss, again(**batch, batch_seed=1).loss)
    encoder = AutoModel.from_pretrained(tmp_path).eval()
    assert isinstance(encoder, VAEmoModel)
    assert torch.equal(encoder(**batch).pooler_output, model.vaemo(**batch).pooler_output)
    again_config = AutoConfig.from_pretrained(tmp_path).to_dict()
    assert {**again_config, "_name_or_path": ""} == model.config.to_dict()


def test_tokens_are_in_the_order_of_their_positions() -> None:
    config = tiny_config()
    video = torch.zeros(1, 16, 3, 64, 64)
    video[0, 5, :, 16:32, 32:48] = 1.0  # picture 5 is in tubelet 2, patch row 1, patch column 2
    (token,) = tubelets(video, config)[0].abs().sum(dim=1).nonzero()
    assert token.item() == 2 * 16 + 1 * 4 + 2
    mel = torch.zeros(1, 256, 128)
    mel[0, 40, 100] = 1.0  # frame 40 is in step 2, bin 100 in band 6
    (patch,) = mel_patches(mel, config)[0].abs().sum(dim=1).nonzero()
    assert patch.item() == 2 * 8 + 6
    chosen = torch.tensor([[token.item(), 0]])
    assert torch.equal(tubelets(video, config, chosen), tubelets(video, config)[:, chosen[0]])


def test_a_tubelet_and_an_audio_patch_of_one_moment_agree_in_time() -> None:
    config = VAEmoConfig()
    video, audio = video_positions(config, 64), audio_positions(config, 64)
    # Tubelet 3 spans [0.96, 1.28) s, audio steps 6 and 7 span [0.96, 1.12) and [1.12, 1.28) s.
    when = video[3 * 100, :32]
    distance = torch.stack([(audio[step * 8, :32] - when).norm() for step in range(16)])
    assert set(distance.argsort()[:2].tolist()) == {6, 7}
    assert len(torch.unique(video, dim=0)) == 800
    assert len(torch.unique(audio, dim=0)) == 128


def _scores(model: VAEmoForPreTraining, **batch: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        out = model(**batch, batch_seed=5)
    return {**out.parts, "video": out.video_projection, "audio": out.audio_projection}


def test_what_stands_in_padding_changes_nothing(model: VAEmoForPreTraining) -> None:
    batch = tiny_batch()
    video_padding, audio_padding = torch.zeros(4, 16, dtype=torch.bool), torch.zeros(4, 256, dtype=torch.bool)
    video_padding[0], video_padding[1, 8:], video_padding[2, 5] = True, True, True
    audio_padding[1, 128:], audio_padding[3] = True, True
    masks = {"video_padding_mask": video_padding, "audio_padding_mask": audio_padding}
    other = {name: value.clone() for name, value in batch.items()}
    other["pixel_values_videos"][video_padding] = 9.0
    other["input_features"][audio_padding] = -7.0
    for call in (lambda b: model.vaemo(**b, **masks).pooler_output, lambda b: model(**b, **masks, batch_seed=2).loss):
        with torch.no_grad():
            torch.testing.assert_close(call(batch), call(other), rtol=0, atol=0)


@pytest.mark.parametrize("scope", ["cross", "within"])
def test_a_clip_that_lacks_a_modality_is_encoded_as_if_it_were_given_alone(
    model: VAEmoForPreTraining, scope: Any
) -> None:
    batch = tiny_batch()
    video_padding = torch.tensor([[True] * 16, [False] * 16, [False] * 16, [True] * 16])
    with torch.no_grad():
        mixed = model.vaemo(**batch, video_padding_mask=video_padding, scope=scope)
        alone = model.vaemo(input_features=batch["input_features"], scope=scope)
    torch.testing.assert_close(mixed.pooler_output[[0, 3]], alone.pooler_output[[0, 3]])
    assert not torch.allclose(mixed.pooler_output[1], alone.pooler_output[1])


def test_within_a_modality_nothing_crosses(model: VAEmoForPreTraining) -> None:
    batch = tiny_batch()
    with torch.no_grad():
        both = model.vaemo(**batch, scope="within")
        audio = model.vaemo(input_features=batch["input_features"], scope="within")
        crossed = model.vaemo(**batch, scope="cross")
    torch.testing.assert_close(both.audio_embeds, audio.audio_embeds)
    torch.testing.assert_close(both.lower_audio_embeds, crossed.lower_audio_embeds)
    assert not torch.allclose(both.audio_embeds, crossed.audio_embeds)


def test_a_hidden_token_asks_its_own_modality_only(model: VAEmoForPreTraining) -> None:
    decoder, layout = model.decoder, Layout(num_video=6, num_audio=5)
    chance = torch.Generator().manual_seed(0)
    seen = torch.randn(2, 11, model.config.hidden_size, generator=chance)
    other_audio = torch.cat([seen[:, :6], torch.randn(2, 5, model.config.hidden_size, generator=chance)], dim=1)
    other_video = torch.cat([torch.randn(2, 6, model.config.hidden_size, generator=chance), seen[:, 6:]], dim=1)
    seen_index = [torch.arange(6).expand(2, -1), torch.arange(5).expand(2, -1)]
    asked_index = [torch.arange(20, 24).expand(2, -1), torch.arange(30, 33).expand(2, -1)]
    with torch.no_grad():
        (video, audio), (video_2, audio_2), (video_3, audio_3) = (
            decoder(tokens, layout, seen_index, asked_index) for tokens in (seen, other_audio, other_video)
        )
    assert torch.equal(video, video_2)
    assert torch.equal(audio, audio_3)
    assert not torch.allclose(video, video_3)
    assert not torch.allclose(audio, audio_2)
    with pytest.raises(ValueError, match="asked for other modalities than were seen"):
        decoder(seen[:, 6:], Layout(0, 5), [None, seen_index[1]], [asked_index[0], None])


def test_a_decoder_that_an_encoder_alone_is_loaded_into_begins_anew(tmp_path: Path) -> None:
    tiny_model(seed=2).vaemo.save_pretrained(tmp_path)
    decoder = VAEmoForPreTraining.from_pretrained(tmp_path).decoder
    block = decoder.blocks[0]
    assert isinstance(block, DecoderBlock)
    assert decoder.video_head.weight.abs().max() == decoder.audio_head.weight.abs().max() == 0
    assert torch.equal(block.query.weight, block.key_value.weight[: len(block.query.weight)])


def test_a_new_model_predicts_the_mean_of_every_position() -> None:
    model = tiny_model(is_fresh=True).eval()
    model.target_means[AUDIO].mean_NP.copy_(torch.randn(model.target_means[AUDIO].mean_NP.shape))
    with torch.no_grad():
        found = model(**tiny_batch(), batch_seed=1, return_reconstruction=True).reconstruction
    assert found is not None
    hidden = found.audio_mask[..., None]
    torch.testing.assert_close(found.audio_prediction, model.target_means[AUDIO].mean_NP * hidden)
    assert found.video_prediction.abs().max() == 0


def test_the_heads_of_a_new_decoder_ask_by_turns_the_same_place_and_the_same_moment() -> None:
    decoder = tiny_model(is_fresh=True, decoder_hidden_size=64, decoder_num_heads=4).decoder
    position_NE = decoder.positions.audio_ND  # 16 moments x 8 bands
    block = decoder.blocks[0]
    assert isinstance(block, DecoderBlock)
    asked_NE = torch.nn.functional.layer_norm(position_NE, (64,))
    # (N, E) -> (H, N, E/H)
    q_HNE = (asked_NE @ block.query.weight.T).view(-1, 4, 16).transpose(0, 1)
    k_HNE = (asked_NE @ block.key_value.weight[:64].T).view(-1, 4, 16).transpose(0, 1)
    attention_HNN = (q_HNE @ k_HNE.transpose(1, 2) / 4).softmax(dim=-1)
    number_N = torch.arange(128)
    is_same_band_NN = number_N[:, None] % 8 == number_N[None] % 8
    is_same_moment_NN = number_N[:, None] // 8 == number_N[None] // 8
    by_band = (attention_HNN * is_same_band_NN).sum(dim=-1).mean(dim=-1)
    by_moment = (attention_HNN * is_same_moment_NN).sum(dim=-1).mean(dim=-1)
    assert (by_band[0::2] > 2 * by_band[1::2]).all()
    assert (by_moment[1::2] > 2 * by_moment[0::2]).all()


def test_a_batch_of_one_modality_trains_on_what_it_has(model: VAEmoForPreTraining) -> None:
    batch = tiny_batch()
    video = model(pixel_values_videos=batch["pixel_values_videos"], batch_seed=1)
    audio = model(input_features=batch["input_features"], batch_seed=1)
    assert set(video.parts) == {"video_pixels", "video_motion"}
    assert set(audio.parts) == {"audio"}
    assert set(model(**batch, batch_seed=1).parts) == {"video_pixels", "video_motion", "audio", "contrastive"}


def test_no_input_or_another_shape_is_told(model: VAEmoForPreTraining) -> None:
    with pytest.raises(ValueError, match="give pixel_values_videos, input_features, or both"):
        model.vaemo()
    with pytest.raises(ValueError, match=r"input_features is \(2, 100, 128\); it must be \(clips, \(256, 128\)\)"):
        model.vaemo(input_features=torch.zeros(2, 100, 128))


def test_the_same_seed_draws_the_same_masks_and_another_one_does_not(model: VAEmoForPreTraining) -> None:
    batch = tiny_batch()
    with torch.no_grad():
        first, again, other = (model(**batch, batch_seed=seed).loss for seed in (4, 4, 5))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_the_sampled_decoder_has_the_gradient_of_the_full_one_in_expectation() -> None:
    batch = tiny_batch()
    model = tiny_model(target_share=0.25, within_probability=0.0).double().eval()  # its running means stand still
    batch = {name: value.double() for name, value in batch.items()}

    def gradient(draw: int, share: float) -> Tensor:
        """The same masks in every draw; only the tokens that are decoded differ."""
        model.zero_grad()
        video, audio = model._views(
            batch["pixel_values_videos"], batch["input_features"], None, None, (1.0, 1.0), _chance(0)
        )
        assert video is not None
        assert audio is not None
        views = [_resampled(view, share, draw) for view in (video, audio)]
        encoded = model._encode(views, "cross")
        targets: list[Tensor | None] = [_targets(modality, view, model.config) for modality, view in enumerate(views)]
        parts = model._reconstruction_losses(views, model._decode(encoded, views), targets)
        sum(parts.values()).backward()
        return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])

    full = gradient(0, 1.0)
    draws = torch.stack([gradient(draw, 0.25) for draw in range(60)])
    error = (draws.mean(dim=0) - full).norm()
    spread = draws.std(dim=0).norm() / len(draws) ** 0.5  # what chance leaves of an unbiased estimate
    assert error < 1.3 * spread
    assert spread < 0.25 * full.norm(), "the estimate is sharp enough for the comparison to mean something"


def _chance(seed: int) -> tuple[torch.Generator, torch.Generator]:
    return torch.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


def _resampled(view: Any, share: float, seed: int) -> Any:
    from dataclasses import replace

    from vaemo_train.models.masking import sample_targets

    most = int(view.mask.is_masked_BN.sum(dim=1).max())
    chance = torch.Generator().manual_seed(1000 + seed)
    return replace(view, targets=sample_targets(view.mask.is_masked_BN, share, most, chance))


def test_reconstruction_covers_every_hidden_token_and_nothing_else(model: VAEmoForPreTraining) -> None:
    with torch.no_grad():
        out = model(**tiny_batch(), batch_seed=1, return_reconstruction=True)
    found = out.reconstruction
    assert found is not None
    for mask, target, prediction in (
        (found.video_mask, found.video_target, found.video_prediction),
        (found.audio_mask, found.audio_target, found.audio_prediction),
    ):
        assert torch.equal(target.abs().sum(dim=2) > 0, mask)
        assert (prediction[~mask] == 0).all()
    errors = (found.audio_prediction - found.audio_target).square().mean(dim=2)[found.audio_mask]
    torch.testing.assert_close(errors.mean(), out.parts["audio"])
