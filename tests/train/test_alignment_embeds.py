"""Whole clips and texts in the space of stage 2."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.support.described_clips import (
    WHOLE,
    described_model,
    lacking_padding,
    random_texts,
)
from tests.support.tiny_vaemo import tiny_batch
from vaemo_train.models import ALIGNMENT_PATHS


@pytest.mark.parametrize("padding", [{}, lacking_padding()], ids=["whole", "padded"])
def test_nothing_hidden_gives_the_vectors_of_whole_clips(padding: dict[str, Any]) -> None:
    model = described_model(**WHOLE).eval()
    with torch.no_grad():
        out = model(**tiny_batch(), **padding, **random_texts())
    whole = model.clip_embeds(**tiny_batch(), **padding)
    for path in ALIGNMENT_PATHS:
        assert torch.equal(out.is_pair[path], whole.is_there[path])
        there = whole.is_there[path]
        torch.testing.assert_close(out.clip_vectors[path][there], whole.vectors[path][there])
        torch.testing.assert_close(out.text_vectors[path], model.text_embeds(random_texts()["text_embeds"][path], path))


def test_video_alone_is_blind_to_sound_and_the_fused_vector_is_not() -> None:
    model = described_model().eval()
    batch, other = tiny_batch(), {**tiny_batch(), "input_features": tiny_batch(seed=9)["input_features"]}
    first, second = model.clip_embeds(**batch).vectors, model.clip_embeds(**other).vectors
    torch.testing.assert_close(first["visual"], second["visual"])
    assert not torch.allclose(first["acoustic"], second["acoustic"])
    assert not torch.allclose(first["affect"], second["affect"])
    alone = model.clip_embeds(**batch, modality="video").vectors
    assert set(alone) == {"visual", "affect"}
    torch.testing.assert_close(alone["visual"], first["visual"])
    torch.testing.assert_close(alone["affect"], model.clip_embeds(**other, modality="video").vectors["affect"])
    assert set(model.clip_embeds(**batch, modality="audio", paths=["acoustic"]).vectors) == {"acoustic"}
    assert model.clip_embeds(input_features=batch["input_features"], modality="video").vectors == {}


def test_a_clip_that_lacks_a_modality_has_the_vectors_of_what_it_has() -> None:
    model = described_model().eval()
    mixed = model.clip_embeds(**tiny_batch(), **lacking_padding())
    assert mixed.is_there["visual"].tolist() == [True, False, True, True]
    assert mixed.is_there["affect"].all()
    video, audio = (model.clip_embeds(**tiny_batch(), modality=modality).vectors for modality in ("video", "audio"))
    torch.testing.assert_close(mixed.vectors["affect"][1], audio["affect"][1])
    torch.testing.assert_close(mixed.vectors["affect"][2], video["affect"][2])


def test_clips_are_embedded_in_evaluation_mode_only() -> None:
    with pytest.raises(ValueError, match=r"call eval\(\) first"):
        described_model().clip_embeds(tiny_batch()["pixel_values_videos"])


def test_the_mean_of_the_training_texts_says_nothing() -> None:
    model, text = described_model(), random_texts()["text_embeds"]["visual"]
    before = model.text_embeds(text, "visual")
    model.set_text_means({"visual": torch.full((12,), 0.3)})
    torch.testing.assert_close(model.text_embeds(text + 0.3, "visual"), before)
    torch.testing.assert_close(model.text_embeds(text, "affect"), model.alignment.text_vectors("affect", text))
