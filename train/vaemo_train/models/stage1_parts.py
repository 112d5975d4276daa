"""What stage 2 goes on with of stage 1's loss: parts that have a weight, and nothing of the others.

B clips, N tokens, D width.
"""

from __future__ import annotations

from dataclasses import dataclass

from vaemo_train.models.block import AUDIO, VIDEO
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.models.encoder import VAEmoOutput
from vaemo_train.models.views import View

_DECODED = {"video_pixels": VIDEO, "video_motion": VIDEO, "audio": AUDIO}
_RATIOS = {VIDEO: "video_mask_ratio", AUDIO: "audio_mask_ratio"}


@dataclass(frozen=True, slots=True)
class Stage1Parts:
    """The `names` of the parts; `modalities` are those that the decoder has to reconstruct for them."""

    names: frozenset[str]

    @classmethod
    def of(cls, config: VAEmoConfig) -> Stage1Parts:
        """Those with a weight above 0. Raises ValueError for one of what is never hidden."""
        assert config.loss_weights is not None
        parts = cls(frozenset(part for part, weight in config.loss_weights.items() if weight > 0))
        for part in sorted(parts.names & _DECODED.keys()):
            ratio = _RATIOS[_DECODED[part]]
            if getattr(config, ratio) == 0:
                raise ValueError(f"loss_weights.{part} is above 0, but {ratio}=0 hides nothing to reconstruct")
        return parts

    @property
    def modalities(self) -> frozenset[int]:
        """VIDEO, AUDIO, both or none."""
        return frozenset(_DECODED[part] for part in self.names & _DECODED.keys())

    def shares(self, share: float) -> tuple[float, float]:
        """The share of hidden tokens to ask for, of video and of audio: 0 of what is not reconstructed."""
        return (share * (VIDEO in self.modalities), share * (AUDIO in self.modalities))

    def decodable(self, encoded: VAEmoOutput, views: list[View | None]) -> tuple[VAEmoOutput, list[View | None]]:
        """The tokens and views of what is reconstructed alone; to the decoder each modality is by itself."""
        kept = [view if modality in self.modalities else None for modality, view in enumerate(views)]
        hidden_BND, padding_BN, num_video = encoded.last_hidden_state, encoded.is_padding, encoded.layout.num_video
        assert hidden_BND is not None
        span = slice(0 if kept[VIDEO] else num_video, None if kept[AUDIO] else num_video)
        padding_BN = None if padding_BN is None else padding_BN[:, span]
        return VAEmoOutput(hidden_BND[:, span], num_video if kept[VIDEO] else 0, padding_BN), kept
