"""Licences of media: which of them let a file be handed on, how they are spelt, and what they ask for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from vaemo_clips.errors import UserError
from vaemo_clips.settings_file import fault_report, pydantic_faults, read_mapping

_FILE: Final = Path(__file__).with_name("licences.yaml")
_URL: Final = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)/(\d\.\d)(?:/([a-z]{2,3}))?/?"
    r"(?:deed(?:\.[\w-]+)?|legalcode(?:\.[\w-]+)?)?"
)
_PLAIN: Final = re.compile(r"[a-z0-9 .,()/_-]*")
_WORDS: Final = (
    ("creative commons", "cc "), ("attribution", "by"), ("non commercial", "nc"), ("noncommercial", "nc"),
    ("no derivatives", "nd"), ("noderivatives", "nd"), ("no derivs", "nd"), ("noderivs", "nd"), ("share alike", "sa"),
    ("sharealike", "sa"), ("international", ""), ("unported", ""), ("universal", ""), ("generic", ""),
    ("public license", ""), ("public licence", ""), ("license", ""), ("licence", ""),
)  # fmt: skip
"""How a Creative Commons licence's name in words becomes its short one."""
_PUBLIC_DOMAIN: Final = {"zero": "cc0", "mark": "pdm"}


class _Family(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    versions: tuple[str, ...]
    url: str
    is_ported: bool = False
    spdx: str | None = None
    hub: tuple[str, ...] = ()
    hub_name: str | None = None
    spellings: tuple[str, ...] = ()
    attribution: bool = False
    share_alike: bool = False
    non_commercial: bool = False
    no_derivatives: bool = False


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    ports: Mapping[str, tuple[str, ...]]
    families: Mapping[str, _Family]


@dataclass(frozen=True, slots=True)
class Licence:
    """A licence that lets a file be handed on; `name` is SPDX's in lower case, `hub` the Hub's identifier."""

    name: str
    url: str
    hub: str
    attribution: bool
    share_alike: bool
    non_commercial: bool
    no_derivatives: bool

    @property
    def asks(self) -> str:
        """What it asks for, in words."""
        asked = {
            "attribution": self.attribution,
            "share alike": self.share_alike,
            "no commercial use": self.non_commercial,
            "no derivatives (files are whole and unchanged)": self.no_derivatives,
        }
        return ", ".join(words for words, is_asked in asked.items() if is_asked) or "nothing (public domain)"


def find_licence(text: str) -> Licence | None:
    """The licence that a manifest names: by SPDX, as `CC BY-NC 4.0`, in words, or by its address; None if unknown.

    A Creative Commons licence without its version is unknown: nobody could tell readers which text holds. So is a text
    with any sign that no licence's name has: it may say that the licence does not hold (`CC BY 4.0 (非商用)`).
    """
    plain = " ".join(text.lower().split())
    return _by_spelling().get(_key(plain)) if _PLAIN.fullmatch(plain) or _URL.fullmatch(plain) else None


def _key(text: str) -> str:
    """The text without what spellings differ in: case, spaces, hyphens, brackets."""
    if found := _URL.fullmatch(text):
        kind, version, port = found.groups()
        text = f"{_PUBLIC_DOMAIN.get(kind, f'cc-{kind}')}-{version}{f'-{port}' if port else ''}"
    elif "creative commons" in text or "attribution" in text:
        text = re.sub(r"[^a-z0-9. ]", " ", text)
        for words, short in _WORDS:
            text = text.replace(words, short)
    letters = _letters(text)
    return f"cc{letters}" if letters.startswith("by") else letters


def _letters(text: str) -> str:
    """Its letters, digits and dots."""
    return re.sub(r"[^a-z0-9.]", "", text)


@cache
def _by_spelling() -> dict[str, Licence]:
    content = read_mapping(_FILE, UserError, "list of licences", "it is a mapping of families")
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        raise UserError(fault_report(_FILE, pydantic_faults(error, "licences"))) from error
    return {
        spelling: licence
        for name, family in file.families.items()
        for spelling, licence in _spelt(name, family, file.ports if family.is_ported else {})
    }


def _spelt(name: str, family: _Family, ports: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, Licence]]:
    for version in family.versions:
        hub = family.hub_name or (f"{name}-{version}" if version in family.hub else "other")
        licence = _licence(f"{family.spdx or name}-{version}", family, version, hub)
        yield _letters(f"{name}-{version}"), licence
        for port in ports.get(version, ()):
            ported = _licence(f"{name}-{version}-{port}", family, version, "other", f"{port}/")
            yield _letters(ported.name), ported
    for spelling in family.spellings:
        yield spelling, licence


def _licence(name: str, family: _Family, version: str, hub: str, place: str = "") -> Licence:
    return Licence(
        name, family.url.format(version=version) + place, hub,
        family.attribution, family.share_alike, family.non_commercial, family.no_derivatives,
    )  # fmt: skip
