"""A trained stage-2 model with the frozen text model that it was trained beside.

K texts, P width of the shared space.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers.utils.logging import disable_progress_bar

from vaemo_clips.errors import CheckpointError, TextModelError
from vaemo_clips.file_facts import sha256_of
from vaemo_train.evaluate.text_vectors import text_vectors
from vaemo_train.models import VAEmoForCaptionAlignment
from vaemo_train.models.config import ALIGNMENT_PATHS, VAEmoConfig
from vaemo_train.texts.cache import EmbeddingCache
from vaemo_train.texts.model import TextModel

_FILES = ("config.json", "model.safetensors")


@dataclass(frozen=True, slots=True, eq=False)
class TextSpace:
    """`model` in eval mode, its `text_model`, the `digest` of its weights and settings, the `folder` it came from."""

    folder: Path
    model: VAEmoForCaptionAlignment
    text_model: TextModel
    digest: str

    @property
    def weights_digest(self) -> str:
        """SHA-256 of the file of weights."""
        return self.digest.split()[_FILES.index("model.safetensors")]

    @classmethod
    def open(cls, given: Path, text_model: str | None = None) -> TextSpace:
        """Open a run of stage 2 or its model folder, on this machine's GPU where there is one.

        `text_model` says where the text model lies now, if not under the name that it was trained with. Raises
        CheckpointError for anything but a model of stage 2, TextModelError for another text model than its own.
        """
        folder = find_model(given)
        model = _load(folder)
        config = model.config
        assert config.text_model is not None
        assert config.text_model_digest is not None
        texts = TextModel.open(text_model or config.text_model)
        if texts.digest != config.text_model_digest:
            raise TextModelError(
                f"text model {texts.name} is another one than {folder} was trained with ({config.text_model}, "
                f"{config.text_model_digest[:12]}…, not {texts.digest[:12]}…): its embeddings mean something else "
                "there; give that one with --text-model"
            )
        torch.nn.Module.to(model, torch.device("cuda" if torch.cuda.is_available() else "cpu"))
        return cls(folder, model, texts, " ".join(sha256_of(folder / name) for name in _FILES))

    def text_vectors(self, texts: Sequence[str]) -> Mapping[str, NDArray[np.float32]]:
        """Unit vectors (K, P) of texts by path."""
        return self._vectors(self.text_model.encode(texts))

    def stored_text_vectors(
        self, texts: Sequence[str], folder: Path, on_batch: Callable[[int], None] | None = None
    ) -> tuple[Mapping[str, NDArray[np.float32]], list[str]]:
        """The same, with the embeddings kept beside the captions in `folder`; and notes for the user."""
        cache = EmbeddingCache(folder, self.text_model)
        return self._vectors(cache.embeddings(texts, on_batch=on_batch)), cache.notes

    def _vectors(self, embeddings_KE: NDArray[np.float32]) -> Mapping[str, NDArray[np.float32]]:
        return {path: text_vectors(self.model, embeddings_KE, path) for path in ALIGNMENT_PATHS}


def find_model(given: Path) -> Path:
    """The model's folder of a stage-2 run, or itself. Raises CheckpointError where there is no model of stage 2."""
    for folder in (given / "model", given):
        if all((folder / name).is_file() for name in _FILES):
            break
    else:
        raise CheckpointError(f"--model {given}: no model in it; give a finished run of `vaemo-train stage2`")
    try:
        config = VAEmoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise CheckpointError(_unreadable(folder, error)) from error
    if config.text_model is None or config.text_model_digest is None:
        raise CheckpointError(
            f"--model {given}: knows no captions, it is a model of stage 1; give a run of `vaemo-train stage2`"
        )
    return folder


def _load(folder: Path) -> VAEmoForCaptionAlignment:
    """The model in eval mode; weights that are not there would be random ones: CheckpointError."""
    disable_progress_bar()  # of transformers: one for each model
    try:
        opened: Any = VAEmoForCaptionAlignment.from_pretrained(folder, output_loading_info=True)
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise CheckpointError(_unreadable(folder, error)) from error
    loaded: tuple[VAEmoForCaptionAlignment, dict[str, set[str]]] = opened
    model, told = loaded
    missing = sorted(told["missing_keys"])
    if missing:
        raise CheckpointError(
            f"{folder} lacks {len(missing)} weights of a stage-2 model, {missing[0]} among them; it was trained by "
            "another version, or is damaged: give another run of `vaemo-train stage2`"
        )
    model.eval()
    return model


def _unreadable(folder: Path, error: Exception) -> str:
    said = " ".join(str(error).split())[:200]
    return f"{folder} cannot be read as a model ({said}); give another run of `vaemo-train stage2`"
