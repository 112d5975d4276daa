"""From pooled tokens and text embeddings to the unit vectors that stage 2 compares, path by path.

B clips, D width of the encoder, E width of a text embedding, P width of the shared space.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from vaemo_train.models.block import AUDIO, VIDEO
from vaemo_train.models.config import ALIGNMENT_PATHS, VAEmoConfig
from vaemo_train.models.contrastive_head import Centring

FUSED = "affect"
ALONE = ("affect_video", "affect_audio")
"""The fused path of clips that have both modalities, with one of them: compared besides, if that has a weight."""
MODALITIES_OF: dict[str, tuple[int, ...]] = {
    "visual": (VIDEO,),
    "acoustic": (AUDIO,),
    FUSED: (VIDEO, AUDIO),
    ALONE[VIDEO]: (VIDEO,),
    ALONE[AUDIO]: (AUDIO,),
}
"""What of a clip is compared with a description, by path and for `ALONE`; the fused path takes one modality or both."""

Pair = list[Tensor | None]
"""Something of video and the same of audio; None for a batch without the modality."""

_NAMES = ("video", "audio")
_LEAST_NORM = 1e-6
"""Below it a vector is not brought to length 1: a batch with one clip is centred to nothing, and has no direction."""


class ClipHead(nn.Module):
    """The mean of a modality's tokens as a vector that is centred over clips."""

    def __init__(self, config: VAEmoConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.projection = nn.Linear(config.hidden_size, config.alignment_size, bias=False)  # centring would undo one
        self.centring = Centring(config.alignment_size)

    def forward(self, mean_BD: Tensor, is_there_B: Tensor, speaker_B: Tensor | None = None) -> Tensor:
        """(B, D) -> (B, P); only the clips of `is_there_B` count, as `Centring` has it."""
        centred: Tensor = self.centring(self.projection(self.norm(mean_BD)), is_there_B, speaker_B)
        return centred


class TextHead(nn.Module):
    """A text embedding, less the mean of the training texts, as a unit vector."""

    mean: Tensor

    def __init__(self, config: VAEmoConfig) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(config.text_size))
        self.projection = nn.Linear(config.text_size, config.alignment_size, bias=False)

    def forward(self, text_BE: Tensor) -> Tensor:
        """(B, E) -> (B, P)."""
        return normalize(self.projection(text_BE - self.mean), dim=-1, eps=_LEAST_NORM)

    def centred(self, text_BE: Tensor) -> Tensor:
        """The embeddings (B, E) less the mean, as unit vectors: how alike texts are beyond what they all share."""
        return normalize(text_BE - self.mean, dim=-1, eps=_LEAST_NORM)


class AlignmentHeads(nn.Module):
    """The heads of every path, and its learned temperature. Computed in float32, as `ContrastiveHead` is."""

    def __init__(self, config: VAEmoConfig) -> None:
        super().__init__()
        self.config = config
        self.clip = nn.ModuleDict(
            {
                path: nn.ModuleDict({_NAMES[modality]: ClipHead(config) for modality in MODALITIES_OF[path]})
                for path in ALIGNMENT_PATHS
            }
        )
        self.alone = nn.ModuleDict({name: ClipHead(config) for name in _NAMES})
        self.text = nn.ModuleDict({path: TextHead(config) for path in ALIGNMENT_PATHS})
        self.log_temperature = nn.Parameter(torch.zeros(len(ALIGNMENT_PATHS)))

    def begin(self) -> None:
        """Give new temperatures the value that they begin with."""
        nn.init.constant_(self.log_temperature, math.log(self.config.alignment_temperature))

    @property
    def temperatures(self) -> Tensor:
        """The temperature of every path, in the order of `ALIGNMENT_PATHS`, (3,), within its bounds."""
        return self.log_temperature.clamp(*self._log_bounds).exp()

    @torch.no_grad()
    def bound_temperatures(self) -> None:
        """Bring back what a step took out of its bounds; from outside of a clamp no gradient would."""
        self.log_temperature.clamp_(*self._log_bounds)

    @property
    def _log_bounds(self) -> tuple[float, float]:
        return math.log(self.config.alignment_temperature_min), math.log(self.config.alignment_temperature_max)

    def clip_vectors(
        self,
        means: Mapping[str, Pair],
        has: Pair,
        speaker_B: Tensor | None = None,
        *,
        as_units: bool = True,
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """By comparison the vectors of clips (B, P), of length 1 unless told otherwise, and which clips have one, (B,).

        `means` by comparison are those of video and of audio (B, D); `has` (B,) says which clips have a modality. Both
        are None for a batch without it. On the fused path a clip with both is the mean of two heads' vectors, one with
        a single modality that of a head of its own: else it would be told apart by what it lacks. In training clips
        are centred by the others of their `speaker_B` (B,), where it is given.
        """
        device = next(has_B.device for has_B in has if has_B is not None)
        with torch.autocast(device.type, enabled=False):
            alone = self._alone(means, has, speaker_B)
            found = {name: self._vectors(name, mean, alone, has, speaker_B) for name, mean in means.items()}
            if not as_units:
                return found
            return {name: (normalize(rows, dim=-1, eps=_LEAST_NORM), has_B) for name, (rows, has_B) in found.items()}

    def _vectors(
        self, name: str, means: Pair, alone: Pair, has: Pair, speaker_B: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Not yet unit vectors of one comparison, (B, P), and which clips have one, (B,)."""
        if name == FUSED:
            return self._fused(means, alone, has, speaker_B)
        modality = MODALITIES_OF[name][0]
        mean_BD, alone_BP, has_B = means[modality], alone[modality], has[modality]
        assert mean_BD is not None
        assert has_B is not None
        if name not in ALONE:
            return self._head(name, modality, mean_BD, has_B, speaker_B), has_B
        other_B = has[1 - modality]
        assert alone_BP is not None
        assert other_B is not None
        return alone_BP, has_B & other_B

    def _fused(self, means: Pair, alone: Pair, has: Pair, speaker_B: Tensor | None) -> tuple[Tensor, Tensor]:
        """Those of clips with both modalities, and of clips with one of them, whose vectors are `alone`."""
        (video_BD, audio_BD), (video_BP, audio_BP), (has_video_B, has_audio_B) = means, alone, has
        if video_BP is None or video_BD is None or has_video_B is None:
            assert audio_BP is not None
            assert has_audio_B is not None
            return audio_BP, has_audio_B
        if audio_BP is None or audio_BD is None or has_audio_B is None:
            return video_BP, has_video_B
        has_both_B = has_video_B & has_audio_B
        both_BP = (
            self._head(FUSED, VIDEO, video_BD, has_both_B, speaker_B)
            + self._head(FUSED, AUDIO, audio_BD, has_both_B, speaker_B)
        ) / 2
        alone_BP = torch.where(has_video_B[:, None], video_BP, audio_BP)
        return torch.where(has_both_B[:, None], both_BP, alone_BP), has_video_B | has_audio_B

    def _alone(self, means: Mapping[str, Pair], has: Pair, speaker_B: Tensor | None) -> Pair:
        """The fused path's vectors from one modality, (B, P) each.

        Of all clips that have the modality where it is compared by itself: few of a batch may have nothing else, and
        centred among themselves few say little, one nothing. Else of those that have nothing else.
        """
        found: Pair = [None, None]
        if FUSED not in means:
            return found
        for modality, name in enumerate(ALONE):
            mean_BD, has_B, other_B = means.get(name, means[FUSED])[modality], has[modality], has[1 - modality]
            if mean_BD is None or has_B is None:
                continue
            is_counted_B = has_B if name in means or other_B is None else has_B & ~other_B
            found[modality] = self._head(None, modality, mean_BD, is_counted_B, speaker_B)
        return found

    def _head(
        self, path: str | None, modality: int, mean_BD: Tensor, has_B: Tensor, speaker_B: Tensor | None
    ) -> Tensor:
        """A path's head of a modality (None: of the fused path where that modality is alone), (B, P)."""
        heads = self.alone if path is None else self.clip[path]
        assert isinstance(heads, nn.ModuleDict)
        vectors: Tensor = heads[_NAMES[modality]](mean_BD.float(), has_B, speaker_B)
        return vectors

    def text_vectors(self, path: str, text_BE: Tensor) -> Tensor:
        """Unit vectors of texts in the space of a path, (B, P)."""
        with torch.autocast(text_BE.device.type, enabled=False):
            vectors: Tensor = self.text[path](text_BE.float())
        return vectors

    @torch.no_grad()
    def centred_texts(self, path: str, text_BE: Tensor) -> Tensor:
        """Embeddings (B, E) of texts less the training texts' mean of a path, as unit vectors."""
        head = self.text[path]
        assert isinstance(head, TextHead)
        return head.centred(text_BE.float())

    @torch.no_grad()
    def set_text_means(self, means: Mapping[str, Tensor]) -> None:
        """Name the mean embedding (E,) of the training texts of each path given. Raises KeyError, RuntimeError."""
        for path, mean_E in means.items():
            head = self.text[path]
            assert isinstance(head, TextHead)
            head.mean.copy_(mean_E)
