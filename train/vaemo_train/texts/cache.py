"""Embeddings of captions, computed once and kept beside the captions.

Below the folder of captions: .embeddings/<first 16 digits of the model's digest>/ with model.json and the files of
embeddings (part.py), one for each time that some were missing. Shapes: n texts, E width of an embedding.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import TextModelError
from vaemo_clips.whole_file import write_text
from vaemo_train.texts.model import TextModel, longest_first
from vaemo_train.texts.part import (
    FORMAT_VERSION,
    SUFFIX,
    DamagedPartError,
    Part,
    another_model,
    later_version,
    text_digest,
)

CACHE_FOLDER = ".embeddings"
PART_TEXTS = 8192
"""Embeddings are stored each time that so many are done: an interruption loses no more."""

_LIBRARIES = ("sentence-transformers", "transformers", "tokenizers", "torch", "numpy")


class EmbeddingCache:
    """The embeddings of one model beside the captions in `folder`; `notes` are sentences for the user."""

    def __init__(self, folder: Path, model: TextModel) -> None:
        """Nothing is read or made yet."""
        self.model = model
        self.path = folder / CACHE_FOLDER / model.digest[:16]
        self.notes: list[str] = []
        self._rows: dict[bytes, int] = {}
        self._parts: list[NDArray[np.float32]] = []
        self._is_read = False
        self._is_writable = True

    def num_missing(self, texts: Sequence[str]) -> int:
        """Count the different texts whose embeddings must be computed. Raises as `embeddings` does."""
        return len(self._missing(texts))

    def embeddings(self, texts: Sequence[str], on_batch: Callable[[int], None] | None = None) -> NDArray[np.float32]:
        """Return the embeddings (n, E) of texts in their order; those that are missing are computed and stored.

        `on_batch` is called with the number of texts of each batch that is computed. Where the folder cannot be
        written, nothing is stored, and a note says so. A damaged file is removed, told in a note and computed again.
        Raises TextModelError where what is stored is of another model or of a later version.
        """
        missing = self._missing(texts)
        for first in range(0, len(missing), PART_TEXTS):
            several = missing[first : first + PART_TEXTS]
            part = Part.of_texts(several, self.model.encode(several, on_batch=on_batch))
            self._store(part)
            self._add(part)
        if not texts:
            return np.zeros((0, self.model.width), np.float32)
        self._parts = [np.concatenate(self._parts)]
        return self._parts[0][[self._rows[text_digest(text)] for text in texts]]

    def _missing(self, texts: Sequence[str]) -> list[str]:
        if not self._is_read:
            self._read()
        return longest_first([text for text in texts if text_digest(text) not in self._rows])

    def _add(self, part: Part) -> None:
        begin = sum(len(embeddings) for embeddings in self._parts)
        for row, key in enumerate(part.keys()):
            self._rows.setdefault(key, begin + row)
        self._parts.append(part.embeddings)

    def _read(self) -> None:
        """Read what is stored."""
        self._check_model()
        for path in sorted(self.path.glob(f"[!.]*{SUFFIX}")):
            try:
                self._add(Part.read(path, self.model.digest))
            except DamagedPartError as error:
                self.notes.append(f"{path} is damaged ({error}): its embeddings are computed again")
                self._remove(path)
            except OSError as error:
                self.notes.append(f"{path} cannot be read ({error.strerror}): its embeddings are computed again")
        self._is_read = True

    def _check_model(self) -> None:
        """Raise TextModelError where model.json names another model; one that cannot be read is written anew."""
        path = self.path / "model.json"
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            version, digest = stored["format_version"], stored["digest"]
        except OSError:
            return
        except (ValueError, TypeError, KeyError):
            self.notes.append(f"{path} is damaged: it is written anew")
            self._remove(path)
            return
        if version != FORMAT_VERSION:
            raise TextModelError(later_version(path, version))
        if digest != self.model.digest:
            raise TextModelError(another_model(path, digest, self.model.digest))

    def _store(self, part: Part) -> None:
        if not self._is_writable:
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not (self.path / "model.json").exists():
                write_text(self.path / "model.json", json.dumps(self._model_record(), indent=2) + "\n")
            part.write(self.path, self.model.digest)
        except OSError as error:
            self._is_writable = False
            self.notes.append(f"{self.path} cannot be written ({error.strerror}): the embeddings are not kept")

    def _model_record(self) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "name": self.model.name,
            "digest": self.model.digest,
            "width": self.model.width,
            "max_tokens": self.model.max_tokens,
            "versions": {library: metadata.version(library) for library in _LIBRARIES},
        }

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self.notes.append(f"{path} cannot be removed ({error.strerror})")
