"""One caption as a dataset holds it, the verdict on it, and the copies of it in other datasets."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vaemo_clips.errors import CaptionError
from vaemo_clips.verdict import Verdict, decide
from vaemo_train.captions.content import Content, contents
from vaemo_train.captions.found import CaptionDataset
from vaemo_train.captions.paths import DESCRIPTION_OF, PATHS
from vaemo_train.captions.verdicts import read_verdicts

_AFFECT = PATHS.index("affect")
_SOURCE = ("engine", "model", "model_revision", "prompt_sha256", "sample_index", "seed", "request_sha256")


@dataclass(frozen=True, slots=True)
class Caption:
    """`descriptions` as written, one of each of PATHS; `source` is what tells captions of a clip apart (_SOURCE).

    `verdicts` are all that count on it and on its copies.
    """

    clip_id: str
    content: Content
    source: tuple[Any, ...]
    descriptions: tuple[str | None, ...]
    emotions: tuple[str, ...]
    place: Path
    verdicts: tuple[Verdict, ...] = ()

    @property
    def verdict(self) -> Verdict | None:
        """The one that decides: people's before the software's, then the majority."""
        return decide(self.verdicts)

    @property
    def is_dropped(self) -> bool:
        """Whether quality control left it out."""
        return self.verdict is not None and self.verdict.verdict == "drop"

    @property
    def is_fixed(self) -> bool:
        """Whether a person replaced its affect description."""
        return self.verdict is not None and self.verdict.verdict == "fixed"

    def texts(self) -> dict[str, str]:
        """The descriptions that count, by path, without outer white space; those that are blank are left out."""
        descriptions = list(self.descriptions)
        if self.is_fixed and self.verdict is not None:
            descriptions[_AFFECT] = self.verdict.fixed_description
        found = {path: (text or "").strip() for path, text in zip(PATHS, descriptions, strict=True)}
        return {path: text for path, text in found.items() if text}


def read_captions(dataset: CaptionDataset) -> list[Caption]:
    """The captions of a dataset with the verdicts beside it. Raises CaptionError as `read_verdicts` does."""
    verdicts = read_verdicts(dataset)
    rows = dataset.rows
    descriptions = zip(*(rows[DESCRIPTION_OF[path]].to_pylist() for path in PATHS), strict=True)
    sources = zip(*(rows[name].to_pylist() for name in _SOURCE), strict=True)
    names = ("clip_id", "sample_index", "emotions")
    columns = zip(*(rows[name].to_pylist() for name in names), contents(rows), sources, descriptions, strict=True)
    return [
        Caption(clip_id, content, source, texts, _emotions(named), dataset.path, verdicts.get((clip_id, sample), ()))
        for clip_id, sample, named, content, source, texts in columns
    ]


def without_copies(captions: Iterable[Caption]) -> tuple[list[Caption], int]:
    """Each caption once, in the order given, and how many copies were left out; a verdict on any copy is on all.

    A copy is of the same clip and source. The verdicts on all copies decide together, as if they were on one. Raises
    CaptionError for copies that say different things.
    """
    single: dict[tuple[Any, ...], Caption] = {}
    copies = 0
    for caption in captions:
        key = (caption.clip_id, *caption.source)
        first = single.setdefault(key, caption)
        if first is caption:
            continue
        _check_same(first, caption)
        copies += 1
        single[key] = replace(single[key], verdicts=(*first.verdicts, *caption.verdicts))
    return list(single.values()), copies


def _check_same(one: Caption, other: Caption) -> None:
    if (one.descriptions, one.emotions) == (other.descriptions, other.emotions):
        return
    engine, model, _, prompt_sha256, sample_index, seed, request_sha256 = one.source
    raise CaptionError(
        f"clip {one.clip_id!r}: {one.place} and {other.place} hold different captions of the same model, prompt and "
        f"request ({engine}, {model}, prompt {str(prompt_sha256)[:8]}, sample {sample_index}, seed {seed}, request "
        f"{str(request_sha256)[:8]}); "
        "take away the folder that is out of date"
    )


def _emotions(named: list[str | None] | None) -> tuple[str, ...]:
    return tuple(sorted({name.strip() for name in named or [] if name and name.strip()}))
