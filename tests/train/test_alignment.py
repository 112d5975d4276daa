"""The model of stage 2: which tokens meet which text, nothing computed for nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from tests.support.described_clips import (
    NO_STAGE1,
    SMALL,
    WHOLE,
    described_model,
    lacking_padding,
    random_texts,
    upper_runs,
)
from tests.support.golden_loss import structured_batch
from tests.support.tiny_vaemo import tiny_batch, tiny_model
from vaemo_train.models import ALIGNMENT_PATHS, VAEmoConfig, VAEmoForCaptionAlignment
from vaemo_train.models.alignment_heads import ALONE


def test_every_path_has_its_part_and_the_loss_is_their_weighted_sum() -> None:
    model = described_model(alignment_weights={"acoustic": 0.5}, alignment_alone_weight=0.0)
    out = model(**tiny_batch(), **random_texts(), batch_seed=1)
    assert list(out.parts) == list(ALIGNMENT_PATHS)
    torch.testing.assert_close(out.loss, out.parts["visual"] + 0.5 * out.parts["acoustic"] + out.parts["affect"])
    assert out.metrics["affect_pairs"] == 4
    assert out.metrics["visual_chance"] == 0.25
    assert out.metrics["temperature_acoustic"].item() == pytest.approx(0.07)
    for path in ALIGNMENT_PATHS:
        torch.testing.assert_close(out.clip_vectors[path].norm(dim=1), torch.ones(4))
        torch.testing.assert_close(out.text_vectors[path].norm(dim=1), torch.ones(4))


def test_a_clip_takes_part_on_the_paths_that_it_has_a_modality_and_a_text_of() -> None:
    texts = random_texts()
    texts["has_text"]["affect"][0] = False
    with torch.no_grad():
        out = described_model()(**tiny_batch(), **lacking_padding(), **texts, batch_seed=1)
    assert out.is_pair["visual"].tolist() == [True, False, True, True]
    assert out.is_pair["acoustic"].tolist() == [True, True, False, True]
    assert out.is_pair["affect"].tolist() == [False, True, True, True]


def test_a_path_without_a_pair_has_no_part() -> None:
    model, batch, texts = described_model(alignment_alone_weight=0.0), tiny_batch(), random_texts()
    texts["has_text"]["visual"][:] = False
    assert list(model(**batch, **texts).parts) == ["acoustic", "affect"]
    video = {"pixel_values_videos": batch["pixel_values_videos"]}
    assert list(model(**video, **random_texts()).parts) == ["visual", "affect"]
    assert list(model(**batch, **random_texts(paths=("visual",))).parts) == ["visual"]
    blind = described_model(alignment_weights={"visual": 0.0}, alignment_alone_weight=0.0)
    assert list(blind(**batch, **random_texts()).parts) == ["acoustic", "affect"]


def test_a_batch_without_any_text_costs_nothing_and_can_be_stepped_back_from() -> None:
    model = described_model()
    out = model(**tiny_batch(), text_embeds={}, text_ids={}, has_text={})
    out.loss.backward()
    assert (out.loss.item(), out.parts) == (0.0, {})


def test_the_upper_blocks_run_for_what_is_asked_and_no_more() -> None:
    model, batch = described_model(**WHOLE, alignment_alone_weight=0.0), tiny_batch()
    for paths, given, expected in (
        (ALIGNMENT_PATHS, batch, [(256, False), (256, True)]),
        (("affect",), batch, [(256, False)]),
        (("visual", "acoustic"), batch, [(256, True)]),
        (("visual",), batch, [(128, True)]),
        (("acoustic",), batch, [(128, True)]),
        (ALIGNMENT_PATHS, {"input_features": batch["input_features"]}, [(128, False)]),
        ((), batch, []),
    ):
        with upper_runs(model) as runs:
            model(**given, **random_texts(paths=paths))
        assert runs == expected, paths


def test_without_a_weight_neither_decoder_nor_contrastive_head_runs() -> None:
    for weights, ran in (
        (NO_STAGE1, (False, False)),
        ({**NO_STAGE1, "contrastive": 0.1}, (False, True)),
        ({**NO_STAGE1, "audio": 0.1}, (True, False)),
    ):
        model = described_model(loss_weights=weights, alignment_alone_weight=0.0)
        seen: set[str] = set()
        model.decoder.register_forward_hook(lambda *_, seen=seen: seen.add("decoder"))
        model.contrastive.register_forward_hook(lambda *_, seen=seen: seen.add("contrastive"))
        out = model(**tiny_batch(), **random_texts())
        assert ("decoder" in seen, "contrastive" in seen) == ran
        assert set(out.parts) - set(ALIGNMENT_PATHS) == {name for name, weight in weights.items() if weight}


def test_the_losses_of_stage_1_are_those_of_stage_1() -> None:
    first = tiny_model(within_probability=0.0, loss_weights={"contrastive": 0.1}).eval()
    model = VAEmoForCaptionAlignment.from_stage1(first, **SMALL, alignment_alone_weight=0.0).eval()
    given = {**tiny_batch(), **lacking_padding(), "batch_seed": 5}
    with torch.no_grad():
        before, out = first(**given), model(**given, **random_texts())
        again = model(**given)
    for name, part in before.parts.items():
        assert torch.equal(part, out.parts[name])
    assert torch.equal(before.video_projection, out.video_projection)
    torch.testing.assert_close(out.loss, before.loss + sum(out.parts[path] for path in ALIGNMENT_PATHS))
    assert torch.equal(again.loss, before.loss), "without texts the forward pass is that of stage 1"


@pytest.mark.parametrize("part", ["video_pixels", "video_motion", "audio"])
def test_the_modality_without_a_weight_is_not_decoded(part: str) -> None:
    model = described_model(loss_weights={**NO_STAGE1, part: 1.0}, alignment_alone_weight=0.0)
    asked: list[list[bool]] = []
    model.decoder.register_forward_pre_hook(lambda _, inputs: asked.append([index is not None for index in inputs[3]]))
    out = model(**tiny_batch(), **lacking_padding(), **random_texts())
    assert asked == [[part != "audio", part == "audio"]]
    assert set(out.parts) == {*ALIGNMENT_PATHS, part}


def test_of_a_batch_without_the_modality_that_has_a_weight_nothing_is_decoded() -> None:
    model = described_model(loss_weights={**NO_STAGE1, "video_pixels": 1.0}, alignment_alone_weight=0.0)
    out = model(input_features=tiny_batch()["input_features"], **random_texts())
    assert set(out.parts) == {"acoustic", "affect"}


def test_targets_are_drawn_of_what_is_reconstructed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    draw: Any = VAEmoForCaptionAlignment._views
    seen: list[Any] = []

    def draw_and_keep(self: VAEmoForCaptionAlignment, *given: Any) -> Any:
        seen.append(draw(self, *given))
        return seen[-1]

    monkeypatch.setattr(VAEmoForCaptionAlignment, "_views", draw_and_keep)
    for weights, drawn in ((NO_STAGE1, [False, False]), ({**NO_STAGE1, "audio": 1.0}, [False, True])):
        described_model(loss_weights=weights)(**tiny_batch(), **random_texts())
        assert [view.targets.index_BK.shape[1] > 0 for view in seen[-1]] == drawn


def test_the_embedding_of_a_text_that_is_not_there_changes_nothing() -> None:
    losses = []
    for filling in (0.0, float("nan")):
        texts = random_texts()
        for path in ALIGNMENT_PATHS:
            texts["has_text"][path][2] = False
            texts["text_embeds"][path][2] = filling
        model = described_model(soft_share=0.3)
        out = model(**tiny_batch(), **texts, batch_seed=1)
        out.loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        losses.append((out.loss, torch.cat([gradient.flatten() for gradient in gradients])))
    assert torch.isfinite(losses[1][1]).all()
    torch.testing.assert_close(losses[0], losses[1], rtol=0, atol=0)


def test_texts_of_other_names_or_shapes_are_told() -> None:
    texts = random_texts()
    with pytest.raises(ValueError, match="text_embeds names visual, acoustic, affect, text_ids none, has_text none"):
        described_model()(**tiny_batch(), text_embeds=texts["text_embeds"])
    with pytest.raises(ValueError, match=r"text_embeds\['visual'\] is \(4, 12\); it must be \(4, 384\)"):
        described_model(text_size=384)(**tiny_batch(), **texts)
    with pytest.raises(ValueError, match="give pixel_values_videos, input_features, or both"):
        described_model()(**texts)


def test_vectors_are_in_float32_under_autocast() -> None:
    model = described_model().eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        out = model(**tiny_batch(), **random_texts(), batch_seed=1)
    tensors = [out.loss, *out.clip_vectors.values(), *out.text_vectors.values()]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}


def test_temperatures_stay_in_their_bounds_and_come_back_from_them() -> None:
    model = described_model()
    with torch.no_grad():
        model.alignment.log_temperature.copy_(torch.tensor([-20.0, math.log(0.07), 20.0]))
    found = {path: value.item() for path, value in model.temperatures.items()}
    assert found == pytest.approx({"visual": 0.01, "acoustic": 0.07, "affect": 0.5})
    model(**tiny_batch(), **random_texts(), batch_seed=1).loss.backward()
    gradient = model.alignment.log_temperature.grad
    assert gradient is not None
    assert (gradient != 0).all(), "at a bound a temperature is not stuck"
    assert model.alignment.log_temperature.max().item() == pytest.approx(math.log(0.5))


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"alignment_weights": {"face": 1.0}}, "alignment_weights names face; its parts are visual, acoustic, affect"),
        ({"alignment_temperature": 0.6}, "alignment_temperature=0.6 must lie between alignment_temperature_min=0.01"),
        ({"soft_share": 1.5}, "soft_share=1.5 must be between 0 and 1"),
        ({"soft_temperature": 0.0}, "soft_temperature=0.0 must be above 0"),
    ],
)
def test_settings_that_mean_nothing_are_told(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        VAEmoConfig(**settings)


def test_a_reconstruction_of_what_is_never_hidden_is_told() -> None:
    with pytest.raises(ValueError, match=r"loss_weights\.audio is above 0, but audio_mask_ratio=0 hides nothing"):
        described_model(audio_mask_ratio=0.0, loss_weights={"audio": 0.5})


def test_training_brings_clips_to_their_descriptions() -> None:
    model, texts = described_model(**WHOLE), random_texts()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    losses = []
    for _ in range(25):
        out = model(**structured_batch(4, 0), **texts)
        out.loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(out.loss.item())
    assert losses[-1] < 0.2 * losses[0]
    assert all(out.metrics[f"{name}_top1"] == 1 for name in (*ALIGNMENT_PATHS, *ALONE))
