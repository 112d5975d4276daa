"""The captions of the training clips as a trainer meets them: embeddings, and which of them a row has.

B rows of a batch, K texts, E width of a text embedding.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vaemo_train.captions.paths import PATHS
from vaemo_train.captions.row_captions import RowCaptions


@dataclass(frozen=True, slots=True)
class Described:
    """Descriptions of B rows by path: `text_embeds` (B, E), `text_ids` (B,), `has_text` (B,)."""

    text_embeds: dict[str, Tensor]
    text_ids: dict[str, Tensor]
    has_text: dict[str, Tensor]

    def as_inputs(self) -> dict[str, dict[str, Tensor]]:
        """As keyword arguments of the model."""
        return {"text_embeds": self.text_embeds, "text_ids": self.text_ids, "has_text": self.has_text}


class CaptionTable:
    """Looks up a description of each row and path; of several, one at random, so that all are used in the end."""

    def __init__(
        self, captions: RowCaptions, embeddings: NDArray[np.float32], speakers: NDArray[np.int64] | None = None
    ) -> None:
        """`embeddings` (K, E) of all texts, by the number that `captions` know them by; `speakers` of all rows."""
        self._speakers = None if speakers is None else torch.from_numpy(speakers)
        self._embeddings = torch.from_numpy(embeddings)
        self._begin = {path: torch.from_numpy(captions.begin[path]) for path in PATHS}
        self._text = {path: torch.from_numpy(captions.text[path]) for path in PATHS}

    def speakers_of(self, rows_B: Tensor) -> Tensor | None:
        """The numbers of the rows' speakers (B,), below 0 for nobody known; None where they do not matter."""
        return None if self._speakers is None else self._speakers[rows_B]

    def of_rows(self, rows_B: Tensor, generator: torch.Generator) -> Described:
        """Choose a description of each row and path; the numbers drawn hang on B alone."""
        draws_BJ = torch.rand(len(rows_B), len(PATHS), generator=generator, dtype=torch.float64)
        found = Described({}, {}, {})
        for path, draw_B in zip(PATHS, draws_BJ.T, strict=True):
            begin_B, end_B = self._begin[path][rows_B], self._begin[path][rows_B + 1]
            number_B = begin_B + (draw_B * (end_B - begin_B)).long()
            has_B = end_B > begin_B
            if not len(self._text[path]):
                id_B = torch.zeros_like(number_B)
            else:
                id_B = self._text[path][number_B.clamp(max=len(self._text[path]) - 1)]
            found.text_embeds[path], found.text_ids[path], found.has_text[path] = self._embeddings[id_B], id_B, has_B
        return found

    def means(self) -> Mapping[str, Tensor]:
        """The mean embedding (E,) of what is drawn on a path: every row that has a description counts once."""
        return {path: self._mean(path) for path, text in self._text.items() if len(text)}

    def _mean(self, path: str) -> Tensor:
        lengths_N = self._begin[path].diff()
        weight_K = (1 / lengths_N.double()).repeat_interleave(lengths_N)  # of rows without any there is no text
        sum_E = weight_K @ self._embeddings[self._text[path]].double()
        return (sum_E / (lengths_N > 0).sum()).float()
