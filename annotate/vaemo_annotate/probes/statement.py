"""What a caption says of one modality: its statements, as labels that can be compared, and whether it denies it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vaemo_annotate.probes.mention import Mention, mention
from vaemo_annotate.quality.claims import claims
from vaemo_annotate.quality.language import english_share
from vaemo_annotate.quality.lexicon import Modality
from vaemo_annotate.quality.tokens import read_tokens

COLUMN: Mapping[Modality, str] = {"face": "visual_description", "voice": "acoustic_description"}
INPUT: Mapping[Modality, str] = {"face": "video", "voice": "audio"}
_WORD = re.compile(r"\w+")

_MOST_BESIDE_A_DENIAL = 1
_IDLE: frozenset[str] = frozenset(
    f"{aspect}:down"
    for aspect in ("loudness", "loudness_range", "pitch_range", "speech_rate", "face_motion", "head_motion",
                   "mouth_motion", "brow_motion", "eye_motion", "lip_corner_motion", "blink_rate")
)  # fmt: skip
"""What silence and a black picture are like, and no sign of a voice or a face."""
_NOTHING: tuple[frozenset[str], bool] = (frozenset(), False)
_LEAST_ENGLISH = 0.55  # of the words; what is less can hold "pitch" and "rises" and still say nothing


@dataclass(frozen=True, slots=True)
class Said:
    """What was said of one modality. `text` is its own description, or what stands for it where there is none.

    `statements` are sorted labels "aspect:direction" of what is claimed to be seen or heard, without hedged and
    negated ones and without those of absence. A text that denies the modality and makes one statement at most states
    nothing ("there is no sound, the pitch is high"), whatever it says of being quiet, flat or still; with more it
    rather denies a part ("the hands are not visible").
    `is_mentioned` tells whether anything of it is spoken of without a denial. `is_denied` may be of a part of it, as
    speech is of sound; `is_void` only where nothing at all is said to be there.
    """

    text: str
    statements: tuple[str, ...]
    is_mentioned: bool
    is_denied: bool
    is_void: bool = False

    @property
    def aspects(self) -> frozenset[str]:
        """Return what is spoken of, whatever is said of it."""
        return frozenset(label.partition(":")[0] for label in self.statements)

    def same_words(self, other: Said) -> bool:
        """Tell whether the texts are word for word the same; two that say nothing are not."""
        words = _WORD.findall(self.text.lower())
        return bool(words) and words == _WORD.findall(other.text.lower())


def said(modality: Modality, description: str | None, further: Sequence[str] = ()) -> Said:
    """Read a description and `further` texts that speak of the same clip; what is no English says nothing."""
    texts = [text for text in (description, *further) if text]
    own = texts[0] if texts else ""
    read = [_statements(text, modality) if _is_english(text) else _NOTHING for text in texts]
    states = frozenset[str]().union(*(labels for labels, _ in read))
    spoken = mention(own, modality) if _is_english(own) else Mention(is_named=False, is_denied=False, is_void=False)
    is_denied = bool(read) and read[0][1]
    is_mentioned = bool(states) or spoken.is_named
    return Said(own, tuple(sorted(states)), is_mentioned, is_denied, is_denied and spoken.is_void and not states)


def _is_english(text: str) -> bool:
    return english_share(read_tokens(text)) >= _LEAST_ENGLISH


def _statements(text: str, modality: Modality) -> tuple[frozenset[str], bool]:
    """Return the labels of what a text states of a modality, and whether it denies the modality instead."""
    own = [claim for claim in claims(text, COLUMN[modality]) if claim.modality == modality]
    firm = [claim for claim in own if not (claim.hedged or claim.is_negated or claim.direction == "absent")]
    labels = frozenset(f"{claim.aspect}:{claim.direction}" for claim in firm)
    telling = [label for label in labels - _IDLE if not label.startswith("pauses:") and not label.endswith(":usual")]
    is_denied = mention(text, modality).is_denied and len(telling) <= _MOST_BESIDE_A_DENIAL
    return frozenset() if is_denied else labels, is_denied


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
