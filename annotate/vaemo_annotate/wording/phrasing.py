"""Phrases drawn from the bank by a key: equal keys give equal words, other keys other words."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any

import yaml

Bank = Mapping[str, tuple[str, ...]]
"""Phrases by slot, as in `visual.clause.brow_raise.up`."""


@lru_cache(maxsize=1)
def load_bank() -> Bank:
    """Return the phrase bank that comes with the package. Raises ValueError where a slot holds no list of phrases."""
    text = files(__package__).joinpath("phrases.yaml").read_text(encoding="utf-8")
    return dict(_flat(yaml.safe_load(text), ""))


def _flat(node: Any, slot: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    if isinstance(node, dict):
        for name, child in node.items():
            yield from _flat(child, f"{slot}.{name}" if slot else str(name))
    elif isinstance(node, list) and node and all(isinstance(phrase, str) for phrase in node):
        yield slot, tuple(node)
    else:
        raise ValueError(f"phrases.yaml: slot {slot} holds {node!r}, not a list of phrases")


class Phrasing:
    """Draws phrases for one text. A phrase does not come back before its slot is used up."""

    def __init__(self, key: bytes, bank: Bank | None = None) -> None:
        """Draw for `key`, a clip's digest."""
        self._key = key
        self._bank = bank if bank is not None else load_bank()
        self._drawn: dict[str, list[int]] = {}

    def pick(self, slot: str, **values: str) -> str:
        """Return a phrase of a slot with its placeholders filled. Raises KeyError for an unknown slot."""
        phrases = self._bank[slot]
        drawn = self._drawn.setdefault(slot, [])
        in_this_round = drawn[len(drawn) - len(drawn) % len(phrases) :]
        left = [index for index in range(len(phrases)) if index not in in_this_round]
        digest = hashlib.sha256(b"\0".join([self._key, slot.encode(), str(len(drawn)).encode()])).digest()
        index = left[int.from_bytes(digest[:8], "big") % len(left)]
        drawn.append(index)
        return self.chosen(slot, index).format(**values) if values else self.chosen(slot, index)

    def pick_lazily(self, slot: str, slots: Mapping[str, str]) -> str:
        """Return a phrase whose placeholders are filled from other slots, drawing only from those it names."""
        phrase = self.pick(slot)
        return phrase.format(**{name: self.pick(other) for name, other in slots.items() if f"{{{name}}}" in phrase})

    def chosen(self, slot: str, index: int) -> str:
        """Return one phrase of a slot; tests watch here what is reached."""
        return self._bank[slot][index]
