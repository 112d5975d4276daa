"""Which English words can stand next to each other: the kinds of words and the pairs of `grammar.yaml`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from itertools import pairwise

import yaml
from pydantic import BaseModel, ConfigDict, model_validator

from vaemo_annotate.quality.tokens import Tokens


class Grammar(BaseModel):
    """The whole of `grammar.yaml`; its comments say what each part means."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: dict[str, str]
    never: dict[str, str]
    allowed: str

    @model_validator(mode="after")
    def _kinds_exist(self) -> Grammar:
        named = {*self.never, *(kind for kinds in self.never.values() for kind in kinds.split())}
        if unknown := named - set(self.kinds):
            raise ValueError(f"never names the kinds {sorted(unknown)}, which are not among {sorted(self.kinds)}")
        return self


@cache
def grammar() -> Grammar:
    """Return the grammar that comes with the package."""
    text = files(__package__).joinpath("grammar.yaml").read_text(encoding="utf-8")
    return Grammar.model_validate(yaml.safe_load(text))


@cache
def words_of(kind: str) -> frozenset[str]:
    """Return the words of a kind."""
    return frozenset(grammar().kinds[kind].split())


@cache
def _impossible_pairs() -> frozenset[tuple[str, str]]:
    allowed = {tuple(pair.split("_")) for pair in grammar().allowed.split()}
    pairs = {
        (first, second)
        for before, kinds in grammar().never.items()
        for kind in kinds.split()
        for first in words_of(before)
        for second in words_of(kind)
    }
    return frozenset(pairs - allowed)


def impossible_pairs(tokens: Tokens) -> int:
    """Count the neighbours, nothing but blanks between them, that no English clause has; a word said again is none."""
    pairs, spans, text = _impossible_pairs(), tokens.spans, tokens.text
    return sum(
        pair in pairs and pair[0] != pair[1] and text[spans[at][1] : spans[at + 1][0]].isspace()
        for at, pair in enumerate(pairwise(tokens.words))
    )
