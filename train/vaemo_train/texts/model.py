"""The frozen text encoder whose embeddings the clips are aligned with.

Shapes: n texts, E width of an embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from vaemo_train.texts.encoder import embed, load_encoder
from vaemo_train.texts.model_folder import find_model_folder, folder_digest

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_TOKENIZED_AT_ONCE = 1024


@dataclass(frozen=True, slots=True, eq=False)
class TextModel:
    """A sentence-transformers model in float32 that is never trained.

    `digest` is of its files (64 hexadecimal digits), `width` is E, `max_tokens` what it reads of a text, special
    tokens included (None: all of it). A prompt that the model's files make its default stands before each text.
    `notes` are sentences for the user.
    """

    name: str
    digest: str
    width: int
    max_tokens: int | None
    notes: tuple[str, ...]
    encoder: SentenceTransformer = field(repr=False)

    @classmethod
    def open(cls, name: str, *, device: str | None = None) -> TextModel:
        """Load a model by its folder, its Hub id, or the name of an installed package that carries one.

        On `device`, else on this process's GPU where there is one. Of a model without sentence-transformers' settings
        the token vectors are averaged, which a note says.
        Raises TextModelError (not found, cannot be loaded), MissingExtraError (no sentence-transformers).
        """
        folder = find_model_folder(name)
        encoder = load_encoder(name, folder, device)
        limit = encoder.max_seq_length
        is_pooled = (folder / "modules.json").is_file()
        return cls(
            name=name,
            digest=folder_digest(folder),
            width=len(embed(name, encoder, ["text"])[0]),
            max_tokens=None if limit is None or not np.isfinite(limit) else int(limit),
            notes=() if is_pooled else (f"text model {name} has no modules.json: its token vectors are averaged",),
            encoder=encoder,
        )

    def encode(
        self, texts: Sequence[str], *, batch_size: int = 64, on_batch: Callable[[int], None] | None = None
    ) -> NDArray[np.float32]:
        """Embed texts: (n, E), each of length 1. Texts beyond `max_tokens` are cut.

        Equal texts are embedded once, texts of like length together: the result hangs on the order of `texts` not
        at all, and on what else is among them by 1e-6 or so. `on_batch` is called with the number of different texts
        that a batch held. Raises TextModelError where an embedding is no direction (not finite, or 0).
        """
        if not texts:
            return np.zeros((0, self.width), np.float32)
        unique = longest_first(texts)
        embedded = np.empty((len(unique), self.width), np.float32)
        for first in range(0, len(unique), batch_size):
            batch = unique[first : first + batch_size]
            embedded[first : first + len(batch)] = embed(self.name, self.encoder, batch)
            if on_batch is not None:
                on_batch(len(batch))
        number = {text: row for row, text in enumerate(unique)}
        return embedded[[number[text] for text in texts]]

    def num_cut(self, texts: Sequence[str]) -> int:
        """Count the texts that are longer than `max_tokens`, so that their ends are not read."""
        from transformers import PreTrainedTokenizerBase

        tokenizer = getattr(self.encoder, "tokenizer", None)
        if self.max_tokens is None or not isinstance(tokenizer, PreTrainedTokenizerBase):
            return 0
        prompt = self.encoder.prompts.get(self.encoder.default_prompt_name or "") or ""
        num_cut = 0
        for first in range(0, len(texts), _TOKENIZED_AT_ONCE):
            several = [prompt + text for text in texts[first : first + _TOKENIZED_AT_ONCE]]
            tokens = tokenizer(several, truncation=False, padding=False, verbose=False)["input_ids"]
            num_cut += sum(len(ids) > self.max_tokens for ids in tokens)
        return num_cut


def longest_first(texts: Sequence[str]) -> list[str]:
    """The different texts, longest first, in an order that hangs on nothing but the texts."""
    return sorted(set(texts), key=lambda text: (-len(text), text))
