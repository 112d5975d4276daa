"""`--noise` with or without a value, which Typer has no option for."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from typer.core import TyperCommand

_OPTION, _STANDARD = "--noise", "standard"


class WithNoise(TyperCommand):
    """A command in which --noise alone means --noise standard."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the value behind a --noise that has none, then read the arguments as ever."""
        found: list[str] = []
        for word, following in pairwise([*args, "-"]):
            found.append(word)
            if word == _OPTION and following.startswith("-"):
                found.append(_STANDARD)
        return super().parse_args(ctx, found)
