"""Markdown that shows text of a run as it is: no markup of its own, no table bar, no HTML."""

from __future__ import annotations

import re
from collections.abc import Iterable

_MARKDOWN = re.compile(r"[\\`*_{}\[\]<>#|!~$&]|(?<=:)/(?=/)|(?<=www)\.")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def inline(value: object) -> str:
    """Text that Markdown shows as it is, on one line: no markup, no table bar, no link, no HTML."""
    text = " ".join(_CONTROL.sub(" ", str(value)).split())
    return _MARKDOWN.sub(lambda found: _ENTITIES.get(found[0], "\\" + found[0]), text)


def code(name: object) -> str:
    """A name in code letters, or as plain text where it would end them."""
    text = str(name)
    is_plain = text.strip() == text != "" and text.isprintable() and not set(text) & set("`|\\")
    return f"`{text}`" if is_plain else inline(text)


def fenced(text: str, language: str = "") -> str:
    """A text as a block of code, whatever stands in it: its fence is longer than any run of backticks there."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.strip(chr(10))}\n{fence}"


def known(value: object) -> str:
    """A value, or that nobody recorded it."""
    return "not recorded" if value is None else inline(value)


def table(header: list[str], rows: Iterable[Iterable[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
