"""Texts in which a model declines or speaks of itself instead of describing."""

from __future__ import annotations

import re
from functools import cache, lru_cache
from importlib.resources import files

import yaml
from pydantic import BaseModel, ConfigDict

from vaemo_annotate.quality.tokens import Span

_QUOTED = re.compile(r"[\"“][^\"“”]*[\"”]|(?<!\w)['‘][^'‘’\"]{3,}?['’](?!\w)")
_WHOLE_SHARE = 0.8
# A face that is made unrecognisable in the picture is told of, not refused.
_HIDDEN_ON_PURPOSE = re.compile(r"\b(?:blur|pixel|obscur|mask|curtain)\w*[^.!?]*\Z", re.IGNORECASE)


class Refusals(BaseModel):
    """The whole of `refusals.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cannot: str
    declined: str
    trigger: str
    patterns: list[str]

    def compiled(self) -> tuple[re.Pattern[str], re.Pattern[str]]:
        """Return what a text must hold to be looked at, and what a refusal looks like."""
        at_words = [pattern.removeprefix(r"\b") for pattern in self.patterns if pattern.startswith(r"\b")]
        elsewhere = [pattern for pattern in self.patterns if not pattern.startswith(r"\b")]
        # One look for the begin of a word, before any pattern, spares most places of a text.
        joined = "|".join([rf"\b(?=\w)(?:{'|'.join(at_words)})", *elsewhere])
        joined = joined.replace("CANNOT", self.cannot).replace("DECLINED", self.declined)
        return re.compile(self.trigger, re.IGNORECASE), re.compile(joined, re.IGNORECASE)


@cache
def _compiled() -> tuple[re.Pattern[str], re.Pattern[str]]:
    text = files(__package__).joinpath("refusals.yaml").read_text(encoding="utf-8")
    return Refusals.model_validate(yaml.safe_load(text)).compiled()


@lru_cache(maxsize=16)
def find_refusal(text: str) -> Span | None:
    """Return where a text declines, apologises or speaks as a model, anywhere but in words that it quotes.

    A quotation that is nearly the whole text is the text.
    """
    trigger, refusal = _compiled()
    if not trigger.search(text):
        return None
    spans = [match.span() for match in _QUOTED.finditer(text)]
    quoted = [(begin, end) for begin, end in spans if end - begin < _WHOLE_SHARE * len(text)]
    for match in refusal.finditer(text):
        is_quoted = any(begin <= match.start() < end for begin, end in quoted)
        if not is_quoted and not ("privacy" in match[0].lower() and _HIDDEN_ON_PURPOSE.search(text[: match.start()])):
            return match.span()
    return None
