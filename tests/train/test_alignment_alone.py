"""The fused path with one modality of clips that have both: of whom, with what weight, and the same vectors later."""

from __future__ import annotations

from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from tests.support.described_clips import (
    WHOLE,
    described_model,
    lacking_padding,
    random_texts,
    upper_runs,
)
from tests.support.golden_loss import structured_batch
from tests.support.tiny_vaemo import tiny_batch
from vaemo_train.models import VAEmoForCaptionAlignment
from vaemo_train.models.alignment_heads import ALONE
from vaemo_train.models.contrastive_head import Centring


def _settled_model(**overrides: Any) -> VAEmoForCaptionAlignment:
    """In eval mode, hiding nothing, each head with a mean of its own, as training leaves them."""
    model = described_model(**WHOLE, **overrides)
    for head in model.alignment.modules():
        if isinstance(head, Centring):
            torch.nn.init.normal_(head.mean, std=0.3)
    model.eval()
    return model


def _of(which: list[int], inputs: dict[str, Any]) -> dict[str, Any]:
    """Some clips of a batch or of its texts."""
    return {
        name: {path: part[which] for path, part in value.items()} if isinstance(value, dict) else value[which]
        for name, value in inputs.items()
    }


def _alone_state(model: VAEmoForCaptionAlignment) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items() if name.startswith("alignment.alone.")}


def test_they_weigh_the_product_of_the_path_s_weight_and_their_own() -> None:
    model = described_model(alignment_weights={"affect": 0.6}, alignment_alone_weight=0.25)
    out = model(**tiny_batch(), **random_texts(), batch_seed=1)
    parts = out.parts
    assert list(parts) == ["visual", "acoustic", "affect", "affect_video", "affect_audio"]
    alone = parts["affect_video"] + parts["affect_audio"]
    torch.testing.assert_close(out.loss, parts["visual"] + parts["acoustic"] + 0.6 * parts["affect"] + 0.15 * alone)
    assert (out.metrics["affect_video_pairs"], out.metrics["affect_audio_chance"]) == (4, 0.25)
    without = described_model(alignment_weights={"affect": 0.0})
    assert list(without(**tiny_batch(), **random_texts()).parts) == ["visual", "acoustic"]


def test_a_weight_below_0_is_told() -> None:
    with pytest.raises(ValueError, match=r"alignment_alone_weight=-0\.5 must not be negative"):
        described_model(alignment_alone_weight=-0.5)


def test_clips_with_both_modalities_and_a_text_take_part_and_no_others() -> None:
    texts = random_texts()
    with torch.no_grad():
        out = described_model()(**tiny_batch(), **lacking_padding(), **texts, batch_seed=1)
        texts["has_text"]["affect"][0] = False
        fewer = described_model()(**tiny_batch(), **lacking_padding(), **texts, batch_seed=1)
    for name in ALONE:
        assert out.is_pair[name].tolist() == [True, False, False, True]
        assert out.metrics[f"{name}_pairs"] == 2
        assert fewer.is_pair[name].tolist() == [False, False, False, True]


def test_what_the_other_clips_are_like_changes_nothing_of_them() -> None:
    model, texts = _settled_model(), random_texts()
    with torch.no_grad():
        mixed = model(**tiny_batch(), **lacking_padding(), **texts)
        both = model(**_of([0, 3], {**tiny_batch(), **lacking_padding()}), **_of([0, 3], texts))
    for name in ALONE:
        torch.testing.assert_close(mixed.parts[name], both.parts[name])


def test_each_is_blind_to_the_other_modality() -> None:
    model, texts = _settled_model(), random_texts()
    other = {**tiny_batch(), "input_features": tiny_batch(seed=9)["input_features"]}
    with torch.no_grad():
        first, second = model(**tiny_batch(), **texts), model(**other, **texts)
    torch.testing.assert_close(first.parts["affect_video"], second.parts["affect_video"])
    assert not torch.allclose(first.parts["affect_audio"], second.parts["affect_audio"])


def test_a_batch_in_which_no_clip_has_both_has_no_part_of_them() -> None:
    is_there = torch.tensor([True, True, False, False])
    padding = {
        "video_padding_mask": ~is_there[:, None].expand(-1, 16),
        "audio_padding_mask": is_there[:, None].expand(-1, 256),
    }
    model = described_model()
    with upper_runs(model) as runs:
        out = model(**tiny_batch(), **padding, **random_texts(paths=("affect",)))
    assert list(out.parts) == ["affect"]
    assert not {name for name in out.metrics if name.startswith(ALONE)}
    assert len(runs) == 1


@pytest.mark.parametrize(
    ("given", "own", "head"),
    [("pixel_values_videos", "visual", "video"), ("input_features", "acoustic", "audio")],
)
def test_a_batch_with_one_modality_has_the_whole_path_by_the_head_of_that_modality(
    given: str, own: str, head: str
) -> None:
    model, texts = described_model(), random_texts()
    out = model(**{given: tiny_batch()[given]}, **texts, batch_seed=1)
    assert list(out.parts) == [own, "affect"]
    torch.testing.assert_close(out.loss, out.parts[own] + out.parts["affect"])
    out.parts["affect"].backward()
    moved = {name for name, p in model.alignment.named_parameters() if p.grad is not None and p.grad.any()}
    assert {name for name in moved if not name.startswith(("text.", "log_"))} == {
        f"alone.{head}.projection.weight",
        f"alone.{head}.norm.weight",
        f"alone.{head}.norm.bias",
    }


@pytest.mark.parametrize(
    ("modality", "kept", "lost", "length"),
    [
        ("video", "pixel_values_videos", "audio_padding_mask", 256),
        ("audio", "input_features", "video_padding_mask", 16),
    ],
)
def test_a_clip_without_its_other_modality_has_the_vector_that_it_was_trained_to_have(
    modality: Literal["video", "audio"], kept: str, lost: str, length: int
) -> None:
    model = _settled_model()
    batch: dict[str, Any] = tiny_batch()
    found = model.clip_embeds(**batch, modality=modality).vectors["affect"]
    torch.testing.assert_close(found, model.clip_embeds(**{kept: batch[kept]}).vectors["affect"])
    lacks_it: dict[str, Any] = {lost: torch.tensor([True, False, False, False])[:, None].expand(-1, length)}
    mixed = model.clip_embeds(**batch, **lacks_it).vectors["affect"]
    torch.testing.assert_close(found[0], mixed[0])
    assert not torch.allclose(found[1], mixed[1])
    with torch.no_grad():
        trained = model(**batch, **random_texts()).clip_vectors[f"affect_{modality}"]
    torch.testing.assert_close(found, trained)


def test_a_clip_of_a_mixed_batch_has_the_vector_that_it_has_by_itself() -> None:
    model, given = _settled_model(), {**tiny_batch(), **lacking_padding()}
    lost = {1: "video", 2: "audio"}
    with torch.no_grad():
        forward = model(**given, **random_texts()).clip_vectors["affect"]
    embedded = model.clip_embeds(**given).vectors["affect"]
    for clip in range(4):
        by_itself = _of([clip], given)
        if clip in lost:
            del by_itself[f"{lost[clip]}_padding_mask"]
            del by_itself["pixel_values_videos" if lost[clip] == "video" else "input_features"]
        vector = model.clip_embeds(**by_itself).vectors["affect"][0]
        torch.testing.assert_close(embedded[clip], vector)
        torch.testing.assert_close(forward[clip], vector)


def test_a_lone_clip_with_one_modality_is_centred_among_all_that_have_it() -> None:
    """By itself it would be its own mean, and a vector of nothing."""
    model = described_model()
    centred: list[tuple[str, list[bool]]] = []
    for name, head in model.alignment.alone.named_children():
        head.register_forward_hook(lambda _, inputs, __, name=name: centred.append((name, inputs[1].tolist())))
    out = model(**tiny_batch(), **lacking_padding(), **random_texts(), batch_seed=1)
    assert centred == [("video", [True, False, True, True]), ("audio", [True, True, False, True])]
    for clip, name in ((1, "affect_audio"), (2, "affect_video")):
        vector = out.clip_vectors["affect"][clip]
        assert torch.equal(vector, out.clip_vectors[name][clip])
        assert vector.norm().item() == pytest.approx(1)


def test_weight_0_computes_nothing_of_it() -> None:
    model = described_model(**WHOLE, alignment_alone_weight=0.0)
    before = _alone_state(model)
    with upper_runs(model) as runs:
        out = model(**tiny_batch(), **random_texts(paths=("affect",)), batch_seed=1)
    out.loss.backward()
    assert runs == [(256, False)]
    assert list(out.parts) == list(out.is_pair) == ["affect"]
    assert not {name for name in out.metrics if name.startswith(ALONE)}
    torch.testing.assert_close(_alone_state(model), before, rtol=0, atol=0)
    assert all(p.grad is None or not p.grad.any() for p in model.alignment.alone.parameters())


def test_with_a_weight_the_upper_blocks_run_within_the_modalities_once_for_all() -> None:
    model, batch = described_model(**WHOLE), tiny_batch()
    for paths, given, expected in (
        (("affect",), batch, [(256, False), (256, True)]),
        (("visual", "affect"), batch, [(256, False), (256, True)]),
        (("visual",), batch, [(128, True)]),
        (("affect",), {"input_features": batch["input_features"]}, [(128, False)]),
    ):
        with upper_runs(model) as runs:
            model(**given, **random_texts(paths=paths))
        assert runs == expected, paths


def test_training_brings_each_modality_of_a_clip_to_its_description() -> None:
    """Of clips that always had both, the picture alone and the sound alone find the text."""
    model, texts = described_model(**WHOLE), random_texts()
    batch: dict[str, Any] = {**structured_batch(4, 0)}
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(25):
        model(**batch, **texts).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    with torch.no_grad():
        for _ in range(25):
            model(**batch, **texts)  # the running means come to rest
    model.eval()
    text_BP = model.text_embeds(texts["text_embeds"]["affect"], "affect")
    modalities: tuple[Literal["video", "audio"], ...] = ("video", "audio")
    for modality in modalities:
        clip_BP = model.clip_embeds(**batch, modality=modality).vectors["affect"]
        assert (clip_BP @ text_BP.T).argmax(dim=1).tolist() == [0, 1, 2, 3]
