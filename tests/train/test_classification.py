"""The classifier: what it reads, what is left out in training, and what it is loaded from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.support.tiny_classifier import tiny_classifier, tiny_encoder_folder
from tests.support.tiny_vaemo import tiny_batch, tiny_config
from vaemo_clips.errors import CheckpointError
from vaemo_train.models import VAEmoModel
from vaemo_train.models.band_pooling import band_of, band_statistics
from vaemo_train.models.block import AUDIO, VIDEO, Layout
from vaemo_train.models.classification import REGRESSION, VAEmoForClassification, load_classifier
from vaemo_train.models.classifier_head import ClipNorm
from vaemo_train.models.downstream_loss import cross_entropy, one_minus_ccc


def test_begins_with_the_encoder_of_another_stage_and_a_new_head(tmp_path: Path) -> None:
    folder = tiny_encoder_folder(tmp_path / "stage1", seed=3)
    model = VAEmoForClassification.from_encoder(folder, ("a", "b"), head_pooling="mean")
    encoder = VAEmoModel.from_pretrained(folder)
    assert model.names == ("a", "b")
    assert model.config.num_labels == 2
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, model.vaemo.state_dict()[name]), name


def test_a_saved_classifier_says_the_same_when_it_is_loaded(tmp_path: Path) -> None:
    model, batch = tiny_classifier(), tiny_batch()
    model.train()
    model(**batch, labels=torch.tensor([0, 1, 2, 0]), batch_seed=1)  # running means move
    model.eval()
    model.save_pretrained(tmp_path)
    loaded = load_classifier(tmp_path)
    assert loaded.names == model.names
    assert torch.equal(loaded(**batch).logits, model(**batch).logits)
    assert torch.equal(VAEmoModel.from_pretrained(tmp_path).norm.weight, model.vaemo.norm.weight)


def test_a_model_of_pretraining_is_no_classifier(tmp_path: Path) -> None:
    folder = tiny_encoder_folder(tmp_path / "model")
    with pytest.raises(CheckpointError, match=r"knows no classes: it is a model of pre-training; fine-tune it first"):
        load_classifier(tmp_path)
    with pytest.raises(CheckpointError, match="no model in it; give a run of `vaemo-train finetune`"):
        load_classifier(folder / "nothing")


def test_an_encoder_of_other_shapes_is_refused(tmp_path: Path) -> None:
    folder = tiny_encoder_folder(tmp_path)
    with pytest.raises(CheckpointError, match=r"has no encoder of this shape: .* is missing or of another size"):
        VAEmoForClassification.from_encoder(folder, ("a", "b"), hidden_size=64)


def test_a_clip_without_sound_is_judged_by_its_pictures_alone() -> None:
    model, batch = tiny_classifier(), tiny_batch(2)
    masks = {
        "video_padding_mask": torch.zeros(2, 16, dtype=torch.bool),
        "audio_padding_mask": torch.tensor([[True], [False]]).expand(2, 256),
    }
    both = model(**batch, **masks)
    alone = model(pixel_values_videos=batch["pixel_values_videos"][:1])
    assert torch.allclose(both.logits[0], alone.logits[0], atol=1e-5)
    assert both.has_input.tolist() == [True, True]
    none = model(input_features=batch["input_features"], audio_padding_mask=masks["audio_padding_mask"])
    assert none.has_input.tolist() == [False, True]


def test_what_is_left_out_in_training_hangs_on_the_seed_alone() -> None:
    dropped: dict[str, Any] = {"video_drop_ratio": 0.5, "audio_drop_ratio": 0.5, "one_modality_probability": 0.5}
    logits = []
    for seed in (1, 1, 2):
        model = tiny_classifier(**dropped)
        model.train()
        logits.append(model(**tiny_batch(), batch_seed=seed).logits)
    assert torch.equal(logits[0], logits[1])
    assert not torch.equal(logits[0], logits[2])


@pytest.mark.parametrize("layers", ["last", "all"])
@pytest.mark.parametrize("pooling", ["mean", "statistics", "bands"])
def test_every_weight_of_the_head_learns(layers: str, pooling: str) -> None:
    model, batch = tiny_classifier(head_layers=layers, head_pooling=pooling), tiny_batch()
    model.train()
    output = model(**batch, labels=torch.tensor([0, 1, 2, 0]), batch_seed=0)
    output.loss.backward()
    for name, parameter in model.classifier.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name
    assert model.classifier.layer_weights.requires_grad == (layers == "all")


def test_a_regression_gives_values_and_weighs_its_losses() -> None:
    model = tiny_classifier(
        ("valence", "arousal"), problem_type=REGRESSION, regression_weights={"ccc": 2.0, "mse": 0.5}
    )
    target = torch.tensor([[0.1, -0.5], [0.9, 0.5], [-0.3, 0.0], [0.4, 0.4]])
    output = model(**tiny_batch(), labels=target)
    assert set(output.parts) == {"ccc", "mse"}
    assert output.loss.item() == pytest.approx(2 * output.parts["ccc"].item() + 0.5 * output.parts["mse"].item())


def test_clip_norm_standardises_over_the_clips_that_are_there() -> None:
    norm, values = ClipNorm(3), torch.randn(6, 3) * 4 + 10
    is_there, alone = torch.tensor([True, True, True, True, False, False]), torch.zeros(6, dtype=torch.bool)
    normed = norm(values, is_there, alone)[:4]
    assert torch.allclose(normed.mean(0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(normed.std(0, unbiased=False), torch.ones(3), atol=1e-3)
    before = norm.mean.clone()
    expected = (values[:1] - before[0]) * (norm.variance[0] + 1e-5).rsqrt()
    assert torch.equal(norm(values[:1], is_there[:1], alone[:1]), expected)  # one clip has no deviation
    assert torch.equal(norm.mean, before)
    assert torch.equal(norm.mean[1], torch.zeros(3))  # none was beside the other modality
    norm.set_moments(True, values)
    norm.eval()
    beside = norm(values, torch.ones(6, dtype=torch.bool), ~alone)
    assert torch.allclose(beside.mean(0), torch.zeros(3), atol=1e-5)


def test_cross_entropy_is_torchs_own_and_leaves_out_what_has_no_weight() -> None:
    logits, labels = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
    weights = torch.tensor([1.0, 2.0, 0.5])
    expected = torch.nn.functional.cross_entropy(logits[:4], labels[:4], label_smoothing=0.0, weight=weights)
    target = torch.nn.functional.one_hot(labels, 3).float()
    counts = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0])
    assert cross_entropy(logits, target, counts, weights, 0.0).item() == pytest.approx(expected.item(), abs=1e-6)
    smooth = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.1)
    assert cross_entropy(logits, target, torch.ones(5), None, 0.1).item() == pytest.approx(smooth.item(), abs=1e-6)


def test_one_minus_ccc_is_0_for_equal_values_and_1_for_a_constant() -> None:
    target = torch.tensor([[0.0], [1.0], [2.0]])
    assert one_minus_ccc(target, target, torch.ones(3)).item() == pytest.approx(0.0, abs=1e-6)
    assert one_minus_ccc(torch.ones(3, 1), target, torch.ones(3)).item() == pytest.approx(1.0)
    # Lin 1989: 2 cov / (var x + var y + (mean difference)^2) with population moments
    assert one_minus_ccc(target + 1, target, torch.ones(3)).item() == pytest.approx(1 - 2 * (2 / 3) / (4 / 3 + 1))


def test_drop_path_skips_blocks_in_training_only() -> None:
    torch.manual_seed(0)
    model = VAEmoModel(tiny_config(drop_path_rate=0.9))
    batch = tiny_batch(2)
    model.eval()
    assert torch.equal(model(**batch).last_hidden_state, model(**batch).last_hidden_state)
    assert [block.drop_path.rate for block in [*model.lower, *model.upper]] == pytest.approx([0.0, 0.45, 0.9])
    model.train()
    assert not torch.equal(model(**batch).last_hidden_state, model(**batch).last_hidden_state)


def test_bands_are_rows_of_the_face_and_mel_patches() -> None:
    config = tiny_config()  # 64 px: 4 x 4 places; 128 mel bins: 8 patches
    video = band_of(torch.arange(config.num_video_tokens), VIDEO, config)
    assert video[:16].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert torch.equal(video[16:32], video[:16])  # the next moment
    assert band_of(torch.arange(10), AUDIO, config).tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]


def test_statistics_of_bands_are_those_of_their_visible_tokens_without_padding() -> None:
    config = tiny_config(hidden_size=16)
    hidden = torch.randn(2, 24, 16)
    visible = torch.stack([torch.randperm(128)[:24].sort().values for _ in range(2)])
    visible[0] = visible[0] // 8 * 8 + torch.arange(24) % 7  # band 7 has none in the first clip
    is_padding = torch.zeros(2, 24, dtype=torch.bool)
    is_padding[1, 20:] = True
    found = band_statistics(hidden, Layout(0, 24, is_padding), (None, visible), config)
    assert found[VIDEO] is None
    of_sound = found[AUDIO]
    assert of_sound is not None
    parts = of_sound.view(2, 8, 2, 16)
    for clip in range(2):
        for band in range(8):
            chosen = hidden[clip][(visible[clip] % 8 == band) & ~is_padding[clip]]
            if not len(chosen):
                chosen = hidden[clip][~is_padding[clip]]
            assert torch.allclose(parts[clip, band, 0], chosen.mean(0), atol=1e-5)
            assert torch.allclose(parts[clip, band, 1], chosen.std(0, unbiased=False), atol=1e-3)


def test_a_new_head_says_the_same_of_all_classes(tmp_path: Path) -> None:
    folder = tiny_encoder_folder(tmp_path)
    model = VAEmoForClassification.from_encoder(folder, ("a", "b", "c"))
    assert torch.equal(model(**tiny_batch()).logits, torch.zeros(4, 3))


def test_logits_are_no_bfloat16_under_autocast() -> None:
    model = tiny_classifier()
    with torch.autocast("cpu", torch.bfloat16):
        logits = model(**tiny_batch()).logits
    assert logits.dtype == torch.float32
    assert not torch.equal(logits, logits.bfloat16().float())
