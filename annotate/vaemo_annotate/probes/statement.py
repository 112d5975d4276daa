"""What a caption says of one modality: its statements, as labels that can be compared, and whether it denies it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vaemo_annotate.quality.claims import claims
from vaemo_annotate.quality.denials import denials
from vaemo_annotate.quality.lexicon import Modality

COLUMN: Mapping[Modality, str] = {"face": "visual_description", "voice": "acoustic_description"}
INPUT: Mapping[Modality, str] = {"face": "video", "voice": "audio"}
_WORD = re.compile(r"\w+")


_NAMED: Mapping[Modality, re.Pattern[str]] = {
    "face": re.compile(r"\b(face|brow|eyebrow|eye|mouth|lip|smile|smiling|head|person|man|woman|figure)s?\b"),
    "voice": re.compile(r"\b(voice|tone|pitch|sound|vowel|speech|hum|buzz|syllable|speaker|music|noise|drone)s?\b"),
}
_CLAUSE_END = re.compile(r"[.;!?\n]+")
_NEGATED = re.compile(r"\b(no|not|none|nothing|nobody|cannot|without|neither|nor|silent|silence|black|blank)\b|n't\b")
_MOST_BESIDE_A_DENIAL = 1


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of one modality. `text` is its own description, or what stands for it where there is none.

    `statements` are sorted labels "aspect:direction" of what is claimed to be seen or heard, without hedged and
    negated ones and without those of absence. A text that denies the modality and makes one statement at most states
    nothing ("there is no sound, the pitch is flat"); with more it rather denies a part ("the hands are not visible").
    `is_mentioned` tells whether anything of it is spoken of without a denial.
    """

    text: str
    statements: tuple[str, ...]
    is_mentioned: bool
    is_denied: bool

    @property
    def aspects(self) -> frozenset[str]:
        """Return what is spoken of, whatever is said of it."""
        return frozenset(label.partition(":")[0] for label in self.statements)

    def same_words(self, other: Said) -> bool:
        """Tell whether the texts are word for word the same; two that say nothing are not."""
        words = _WORD.findall(self.text.lower())
        return bool(words) and words == _WORD.findall(other.text.lower())


def said(modality: Modality, description: str | None, further: Sequence[str] = ()) -> Said:
    """Read a description and `further` texts that speak of the same clip."""
    texts = [text for text in (description, *further) if text]
    own = texts[0] if texts else ""
    read = [_statements(text, modality) for text in texts]
    states = frozenset[str]().union(*(labels for labels, _ in read))
    is_mentioned = any(_mentions(text, modality) for text in texts[:1])
    return Said(own, tuple(sorted(states)), bool(states) or is_mentioned, bool(read) and read[0][1])


def _statements(text: str, modality: Modality) -> tuple[frozenset[str], bool]:
    """Return the labels of what a text states of a modality, and whether it denies the modality instead."""
    own = [claim for claim in claims(text, COLUMN[modality]) if claim.modality == modality]
    firm = [claim for claim in own if not (claim.hedged or claim.is_negated or claim.direction == "absent")]
    labels = frozenset(f"{claim.aspect}:{claim.direction}" for claim in firm)
    is_denied = modality in denials(text) and len(labels) <= _MOST_BESIDE_A_DENIAL
    return frozenset() if is_denied else labels, is_denied


def _mentions(text: str, modality: Modality) -> bool:
    """Tell whether a clause names something of the modality and negates nothing."""
    clauses = _CLAUSE_END.split(text.lower())
    return any(_NAMED[modality].search(clause) and not _NEGATED.search(clause) for clause in clauses)


def reply_text(reply: str) -> str:
    """Return a step's reply as sentences: where it is a JSON object, "field: text." a line."""
    try:
        content = json.loads(reply, strict=False)
    except ValueError:
        return reply
    return "\n".join(_sentences("", content)) if isinstance(content, dict | list) else reply


def _sentences(name: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _sentences(key.replace("_", " "), child)
    elif isinstance(value, list):
        for child in value:
            yield from _sentences(name, child)
    elif isinstance(value, str) and value.strip():
        text = value.strip()
        yield text if name in ("", "description") else f"{name}: {text.rstrip('.')}."


def quoted(text: str, most: int = 120) -> str:
    """Return a text in one line of at most `most` characters."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"
