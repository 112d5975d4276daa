"""What stage 2 decodes of stage 1's loss: each modality by itself says what it says beside the other."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.support.described_clips import NO_STAGE1, described_model, lacking_padding
from tests.support.tiny_vaemo import tiny_batch
from vaemo_train.models.encoder import VAEmoOutput
from vaemo_train.models.stage1_parts import Stage1Parts


@pytest.mark.parametrize("padding", [{}, lacking_padding()], ids=["whole", "lacking"])
def test_a_modality_decoded_by_itself_has_the_loss_that_it_has_beside_the_other(padding: dict[str, Any]) -> None:
    model = described_model(loss_weights={"video_pixels": 1.0, "video_motion": 1.0, "audio": 1.0}).eval()
    torch.nn.init.normal_(model.decoder.video_head.weight)
    torch.nn.init.normal_(model.decoder.audio_head.weight)
    batch = {**dict.fromkeys(("video_padding_mask", "audio_padding_mask")), **tiny_batch(), **padding}
    inputs = [
        batch[name] for name in ("pixel_values_videos", "input_features", "video_padding_mask", "audio_padding_mask")
    ]
    with torch.no_grad():
        views = model._views(*inputs, (1.0, 1.0), model._generator(3))
        encoded = model._encode(views, "cross")
        whole, _, _ = model._reconstruct(encoded, views)
        for names in ({"video_pixels", "video_motion"}, {"audio"}, {"audio", "video_motion"}):
            wanted = Stage1Parts(frozenset(names))
            cut, kept = wanted.decodable(encoded, views)
            assert isinstance(cut, VAEmoOutput)
            parts, _, _ = model._reconstruct(cut, kept)
            assert names <= set(parts)
            for name in names:
                torch.testing.assert_close(parts[name], whole[name])


def test_shares_are_those_of_what_is_reconstructed() -> None:
    def shares(**weights: float) -> tuple[float, float]:
        return Stage1Parts.of(described_model(loss_weights={**NO_STAGE1, **weights}).config).shares(0.25)

    assert shares() == shares(contrastive=1.0) == (0, 0)
    assert shares(video_motion=0.1) == (0.25, 0)
    assert shares(audio=0.1) == (0, 0.25)
    assert shares(audio=0.1, video_pixels=0.2) == (0.25, 0.25)
