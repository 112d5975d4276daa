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

MODALITIES_OF: dict[str, tuple[int, ...]] = {"visual": (VIDEO,), "acoustic": (AUDIO,), "affect": (VIDEO, AUDIO)}
"""What a description of a path is compared with; of the fused path a clip has one modality or both."""

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

    def forward(self, mean_BD: Tensor, is_there_B: Tensor) -> Tensor:
        """(B, D) -> (B, P); only the clips of `is_there_B` count."""
        centred: Tensor = self.centring(self.projection(self.norm(mean_BD)), is_there_B)
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

    def clip_vectors(self, path: str, means: Pair, has: Pair) -> tuple[Tensor, Tensor]:
        """Unit vectors of clips (B, P), and which clips have one, (B,), from the means of video and audio (B, D).

        `has` (B,) says which clips have a modality; both are None for a batch without it. The fused vector is the
        mean over the modalities that a clip has, each centred by itself: else a clip with one would be told apart by
        what it lacks.
        """
        total_BP, count_B1 = None, None
        with torch.autocast(_device(means).type, enabled=False):
            for modality in MODALITIES_OF[path]:
                mean_BD, has_B = means[modality], has[modality]
                if mean_BD is None or has_B is None:
                    continue
                heads = self.clip[path]
                assert isinstance(heads, nn.ModuleDict)
                centred_BP = heads[_NAMES[modality]](mean_BD.float(), has_B) * has_B[:, None]
                total_BP = centred_BP if total_BP is None else total_BP + centred_BP
                count_B1 = has_B.float()[:, None] if count_B1 is None else count_B1 + has_B[:, None]
            assert total_BP is not None
            assert count_B1 is not None
            return normalize(total_BP / count_B1.clamp(min=1), dim=-1, eps=_LEAST_NORM), count_B1[:, 0] > 0

    def text_vectors(self, path: str, text_BE: Tensor) -> Tensor:
        """Unit vectors of texts in the space of a path, (B, P)."""
        with torch.autocast(text_BE.device.type, enabled=False):
            vectors: Tensor = self.text[path](text_BE.float())
        return vectors

    @torch.no_grad()
    def set_text_means(self, means: Mapping[str, Tensor]) -> None:
        """Name the mean embedding (E,) of the training texts of each path given. Raises KeyError, RuntimeError."""
        for path, mean_E in means.items():
            head = self.text[path]
            assert isinstance(head, TextHead)
            head.mean.copy_(mean_E)


def _device(means: Pair) -> torch.device:
    return next(mean for mean in means if mean is not None).device
