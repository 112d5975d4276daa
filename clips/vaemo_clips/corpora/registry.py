"""The known corpora by name, and reading one of them as a source of clips."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from vaemo_clips.corpora.listing import Corpus
from vaemo_clips.corpora.names import CORPUS_NAMES
from vaemo_clips.errors import ManifestError
from vaemo_clips.sources import Source

_MODULES = {"mer2023": "mer", "mer2024": "mer"}


def corpus_named(name: str) -> Corpus:
    """The corpus of this name, however it is capitalised. Raises ManifestError that lists the known ones."""
    key = name.strip().lower()
    if key not in CORPUS_NAMES:
        raise ManifestError(f"corpus {name!r} is not known; known are {', '.join(CORPUS_NAMES)}")
    own = key.replace("-", "_")
    module = import_module(f"vaemo_clips.corpora.{_MODULES.get(key, own)}")
    corpus: Corpus = getattr(module, own.upper())
    return corpus


def read_corpus(name: str, folder: Path, root: Path | None = None) -> Source:
    """Read the official `folder` of a corpus as a source. Without `root`, paths are relative to the folder.

    Raises ManifestError for an unknown name, a folder that is not there or not the corpus's, or lies outside `root`.
    """
    corpus = corpus_named(name)
    listing = corpus.read(folder)
    rows = listing.rows
    if root is not None:
        if not folder.resolve().is_relative_to(root.resolve()):
            raise ManifestError(f"{folder}: the folder must lie in its root {root}; name a root that holds it")
        prefix = folder.resolve().relative_to(root.resolve()).as_posix()
        if prefix != ".":
            rows = rows.set_column(0, "path", pc.binary_join_element_wise(pa.scalar(prefix), rows["path"], "/"))
    top = (root or folder).resolve()
    return Source(folder, top, rows, listing.ignored, listing.left_out, (_about(corpus), *listing.notes))


def _about(corpus: Corpus) -> str:
    return f"{corpus.title}; {corpus.citation}; licence: {corpus.licence}"
