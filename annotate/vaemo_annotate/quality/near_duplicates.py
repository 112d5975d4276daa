"""Captions of different clips that say almost the same: MinHash to find candidates, Jaccard similarity to decide.

A caption is the set of its runs of words (shingles; Broder 1997, On the resemblance and containment of documents). Its
MinHash values are cut into bands; captions that share a whole band are candidates (Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, section 3.4): at a similarity of s with probability 1 - (1 - s^rows)^bands. Bands and
shingles of what was seen lie in a temporary SQLite file, so that memory does not grow with the number of captions.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vaemo_annotate.quality.finding import DESCRIPTIONS
from vaemo_clips.errors import MissingExtraError, RunFolderError

NEAR_DUPLICATE: Final = "form.near_duplicate"
SIMILARITY_SCORE: Final = "duplicates.similarity"
ROW_SCORE: Final = "duplicates.of_row"
"""Names of scores: the similarity to the caption that stays, and that caption's row number in the dataset, from 0."""

_SEED: Final = 20_261_121
# Scripts without spaces between words count character by character.
_UNSPACED: Final = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
_WORD: Final = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")
_TABLES: Final = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -16384;
CREATE TABLE bands (band INTEGER, row INTEGER, PRIMARY KEY (band, row)) WITHOUT ROWID;
CREATE TABLE captions (row INTEGER PRIMARY KEY, clip_id TEXT NOT NULL, shingles BLOB NOT NULL);
"""
_NEWEST_OF_A_BAND: Final = 64
_MOST_CANDIDATES: Final = 32


class DuplicateSettings(BaseModel):
    """When two captions count as one; see check.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    similarity: float = Field(gt=0, le=1)
    shingle_words: int = Field(ge=1, le=10)
    bands: int = Field(ge=1, le=64)
    rows_per_band: int = Field(ge=1, le=16)


@dataclass(frozen=True, slots=True)
class Signature:
    """What is kept of a caption: its distinct shingles as uint32 hashes, and its bands as int64 keys."""

    shingles: bytes
    bands: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The caption, by its row number, that an earlier row said already, and the Jaccard similarity of the two."""

    row: int
    similarity: float


def signatures(rows: Sequence[Mapping[str, Any]], settings: DuplicateSettings) -> list[Signature]:
    """Return the signature of each caption; one without a word has no bands. Raises MissingExtraError."""
    try:
        from rensa import RMinHash
    except ImportError as error:
        raise MissingExtraError("rensa", "annotate") from error
    hashed = RMinHash.hash_token_sets([_shingles(row, settings.shingle_words) for row in rows])
    num_values = settings.bands * settings.rows_per_band
    values = np.array(RMinHash.digest_matrix_from_token_hash_sets(hashed, num_values, _SEED).to_rows(), "<u4")
    return [
        Signature(
            np.unique(np.array(tokens, np.uint64).astype(np.uint32)).tobytes(),
            _bands(digest.reshape(settings.bands, -1)) if tokens else (),
        )
        for tokens, digest in zip(hashed, values, strict=True)
    ]


def _shingles(row: Mapping[str, Any], num_words: int) -> list[str]:
    """Return the runs of words, each description by itself; a shorter text is one run."""
    runs: list[str] = []
    for column in DESCRIPTIONS:
        words = _WORD.findall((row[column] or "").casefold())
        starts = range(max(len(words) - num_words + 1, min(len(words), 1)))
        runs.extend(" ".join(words[start : start + num_words]) for start in starts)
    return runs


def _bands(values: np.ndarray) -> tuple[int, ...]:
    """(bands, rows) -> a key for each band; equal values in another band have another key."""
    return tuple(
        int.from_bytes(hashlib.blake2b(band.tobytes() + bytes([place]), digest_size=8).digest(), "big", signed=True)
        for place, band in enumerate(values)
    )


class DuplicateBook:
    """Tells of each caption, in the order of the dataset, whether one before it says the same.

    Captions are held against those that stay: of many copies the first that stays, and a caption that only resembles
    a copy stays too. Samples of one clip are never held against each other. Use as a context manager.
    """

    def __init__(self, path: Path, settings: DuplicateSettings) -> None:
        """Keep bands and shingles in a new file at `path`, on a disk with room; it goes with the block."""
        self._path = path
        self._least = settings.similarity
        self._num_rows = 0

    def __enter__(self) -> DuplicateBook:
        """Make the file. Raises RunFolderError."""
        try:
            self._connection = sqlite3.connect(self._path, isolation_level=None)
            self._connection.executescript(_TABLES)
            self._connection.execute("BEGIN")
        except sqlite3.Error as error:
            raise self._failure(error) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the file away."""
        self._connection.close()
        self._path.unlink(missing_ok=True)

    def note(self, clip_id: str, signature: Signature, stays: bool = True) -> Duplicate | None:
        """Take the next row of the dataset; return what it repeats, None where it repeats nothing.

        One that does not stay for another reason (`stays`) is held against no later one. Raises RunFolderError.
        """
        row = self._num_rows
        self._num_rows += 1
        if not signature.bands:
            return None
        try:
            found = self._find(clip_id, signature)
            if found is None and stays:
                self._connection.execute("INSERT INTO captions VALUES (?, ?, ?)", (row, clip_id, signature.shingles))
                pairs = [(band, row) for band in signature.bands]
                self._connection.executemany("INSERT OR IGNORE INTO bands VALUES (?, ?)", pairs)
        except sqlite3.Error as error:
            raise self._failure(error) from error
        return found

    def _failure(self, error: Exception) -> RunFolderError:
        return RunFolderError(f"{self._path} cannot be written ({error}); free disk space, then check again")

    def _find(self, clip_id: str, signature: Signature) -> Duplicate | None:
        own = _set(signature.shingles)
        for row in self._candidates(signature):
            other, shingles = self._connection.execute(
                "SELECT clip_id, shingles FROM captions WHERE row = ?", (row,)
            ).fetchone()
            similarity = jaccard(own, _set(shingles))
            if other != clip_id and similarity >= self._least:
                return Duplicate(row, similarity)
        return None

    def _candidates(self, signature: Signature) -> list[int]:
        """Rows that share bands, those with the most first; of a crowded band only its newest are looked at."""
        shared: Counter[int] = Counter()
        for band in signature.bands:
            newest = self._connection.execute(
                "SELECT row FROM bands WHERE band = ? ORDER BY row DESC LIMIT ?", (band, _NEWEST_OF_A_BAND)
            )
            shared.update(row for (row,) in newest)
        return sorted(shared, key=lambda row: (-shared[row], row))[:_MOST_CANDIDATES]


def jaccard(one: Set[int], other: Set[int]) -> float:
    """Return |both| / |either|; 0 where both are empty."""
    both = len(one & other)
    either = len(one) + len(other) - both
    return both / either if either else 0.0


def _set(shingles: bytes) -> frozenset[int]:
    return frozenset(memoryview(shingles).cast("I"))
