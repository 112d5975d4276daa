"""One file of stored embeddings: written whole, and read only if nothing in it has changed since.

Shapes: n texts, E width of an embedding.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import TextModelError

FORMAT_VERSION = 1
SUFFIX = ".safetensors"
_DIGEST_BYTES = 32


class DamagedPartError(Exception):
    """A file of embeddings that is cut short or altered."""


def text_digest(text: str) -> bytes:
    """SHA-256 (32 bytes) of a text in UTF-8."""
    return hashlib.sha256(text.encode("utf-8")).digest()


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Embeddings (n, E) of the texts with these SHA-256 `digests` (n, 32)."""

    digests: NDArray[np.uint8]
    embeddings: NDArray[np.float32]

    @classmethod
    def of_texts(cls, texts: list[str], embeddings: NDArray[np.float32]) -> Part:
        """The part with the embeddings (n, E) of these texts."""
        digests = np.frombuffer(b"".join(map(text_digest, texts)), np.uint8)
        return cls(digests.reshape(len(texts), _DIGEST_BYTES), np.ascontiguousarray(embeddings))

    def keys(self) -> list[bytes]:
        """The digest of each row."""
        joined = self.digests.tobytes()
        return [joined[first : first + _DIGEST_BYTES] for first in range(0, len(joined), _DIGEST_BYTES)]

    def write(self, folder: Path, model_digest: str) -> Path:
        """Write it into `folder`, whole or not at all, named after its texts. Raises OSError.

        Two writers of the same texts write the same file, of different texts different ones: no lock is needed.
        """
        from safetensors.numpy import save

        facts = {"format_version": str(FORMAT_VERSION), "model_digest": model_digest, "checksum": self._checksum()}
        path = folder / f"{hashlib.sha256(self.digests.tobytes()).hexdigest()[:16]}{SUFFIX}"
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with draft.open("wb") as file:
                file.write(save({"digests": self.digests, "embeddings": self.embeddings}, metadata=facts))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        return path

    @classmethod
    def read(cls, path: Path, model_digest: str) -> Part:
        """Read a file of embeddings of this model.

        Raises DamagedPartError, OSError, or TextModelError where it is of another model or of a later version.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                facts = file.metadata() or {}
                part = cls(file.get_tensor("digests"), file.get_tensor("embeddings"))
        except SafetensorError as error:
            raise DamagedPartError(" ".join(str(error).split())) from error
        if facts.get("format_version", "0") != str(FORMAT_VERSION):
            raise TextModelError(later_version(path, facts.get("format_version")))
        if facts.get("model_digest") != model_digest:
            raise TextModelError(another_model(path, facts.get("model_digest"), model_digest))
        if part._checksum() != facts.get("checksum"):
            raise DamagedPartError("its numbers are not those that were written")
        return part

    def _checksum(self) -> str:
        both = hashlib.sha256(repr((self.digests.shape, self.embeddings.shape)).encode())
        both.update(self.digests.tobytes())
        both.update(np.ascontiguousarray(self.embeddings).data)
        return both.hexdigest()


def another_model(path: Path, found: object, wanted: str) -> str:
    """What is said of embeddings that another model has made."""
    return (
        f"{path}: embeddings of another model (digest {str(found)[:16]}, not {wanted[:16]}); "
        f"delete the folder {path.parent}: they are computed again"
    )


def later_version(path: Path, found: object) -> str:
    """What is said of embeddings in a format that is not ours."""
    return (
        f"{path} is of format {found}, this version reads format {FORMAT_VERSION}; "
        f"update the toolkit, or delete the folder {path.parent}: they are computed again"
    )
