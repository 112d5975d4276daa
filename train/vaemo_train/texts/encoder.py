"""Loading a frozen text encoder, with what it takes to trust it.

Shapes: n texts, E width of an embedding.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import MissingExtraError, TextModelError

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_PROBES = ("calm", "angry")
"""Texts that read the same where a tokenizer knows no word."""

_TOLERANCE = 1e-3
_UNLOADABLE = (OSError, ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError)


def load_encoder(name: str, folder: Path, device: str | None) -> SentenceTransformer:
    """Load the encoder, frozen, and see that it tells texts apart, and always in the same way.

    Where weights are missing, random ones take their place; where the tokenizer is, every text reads the same.
    Neither is an error to the library: hence the probe, and the second loading with another seed.
    Raises TextModelError, or MissingExtraError without sentence-transformers.
    """
    other = embed(name, _load_seeded(name, folder, device, seed=1), list(_PROBES))
    encoder = _load_seeded(name, folder, device, seed=0)
    probes = embed(name, encoder, list(_PROBES))
    if np.abs(probes - other).max() > _TOLERANCE:
        raise TextModelError(f"text model {name}: weights are missing in {folder} (random ones would take their place)")
    if np.abs(probes[0] - probes[1]).max() < _TOLERANCE:
        raise TextModelError(
            f"text model {name}: different texts get the same embedding; its tokenizer is missing in {folder}, "
            "or it is no text encoder"
        )
    return encoder


def _load_seeded(name: str, folder: Path, device: str | None, seed: int) -> SentenceTransformer:
    """Load the encoder; weights that its files lack are drawn from `seed`."""
    import torch
    from safetensors import SafetensorError

    try:
        from sentence_transformers import SentenceTransformer
    except ModuleNotFoundError as error:
        if error.name != "sentence_transformers":
            raise
        raise MissingExtraError("sentence-transformers", "train") from error

    numbers: dict[str, Any] = {"dtype": torch.float32}
    try:
        with _quiet(), torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            encoder = SentenceTransformer(str(folder), device=device, local_files_only=True, model_kwargs=numbers)
    except (*_UNLOADABLE, SafetensorError) as error:
        said = (" ".join(str(error).split()) or type(error).__name__)[:200]
        raise TextModelError(
            f"text model {name}: {folder} cannot be loaded as a sentence-transformers model ({said}); "
            "download it again, or give another"
        ) from error
    return encoder.eval().requires_grad_(False)


def embed(name: str, encoder: SentenceTransformer, batch: list[str]) -> NDArray[np.float32]:
    """Embed one batch: (n, E), each of length 1. Raises TextModelError where one is not finite or 0."""
    import torch

    with torch.autocast(encoder.device.type, enabled=False):
        embedded = encoder.encode(batch, batch_size=len(batch), show_progress_bar=False, normalize_embeddings=True)
    found = np.asarray(embedded, np.float32)
    is_wrong = ~(np.abs(np.linalg.norm(found, axis=1) - 1) < _TOLERANCE)
    if is_wrong.any():
        text = batch[int(is_wrong.argmax())]
        raise TextModelError(
            f"text model {name}: the embedding of {text[:60]!r} is not finite or 0, which gives no direction; "
            "its weights are damaged or not of an encoder: give another model"
        )
    return found


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide transformers' progress bar and its report of weights, which `load_encoder` looks into itself."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    hook = logging.set_tqdm_hook(lambda _factory, args, kwargs: logging.EmptyTqdm(*args, **kwargs))
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        logging.set_tqdm_hook(hook)
