"""One decision of one person on one caption, as the page sends it."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from vaemo_clips.errors import CaptionError
from vaemo_clips.verdict import SOFTWARE, CaptionKey, Verdict, Word

REJECT_REASONS: Final = {
    "review.wrong_emotion": "the emotion is wrong",
    "review.wrong_face": "the face does something else",
    "review.wrong_voice": "the voice does something else",
    "review.invented": "says what is not there",
    "review.incomplete": "leaves out what matters",
    "review.leak": "gives away a label, a name or spoken words",
    "review.language": "cannot be read, or wrong language",
    "review.clip": "the clip itself is of no use",
    "review.other": "something else",
}
"""Why a person rejects a caption, in the order of the page's digits 1 to 9."""
LONGEST_NAME: Final = 60
LONGEST_TEXT: Final = 20_000
_LONGEST_ID = 100


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict and the id that its page gave it, so that one that is sent twice counts once."""

    decision_id: str
    verdict: Verdict

    @classmethod
    def of(cls, sent: Any) -> Decision:
        """Read what a page sent, a JSON object. Raises CaptionError for anything that is no decision."""
        if not isinstance(sent, dict):
            raise CaptionError(f"a decision is a JSON object, not {type(sent).__name__}; reload the page")
        reasons = sent.get("reasons") or []
        listed = reasons if isinstance(reasons, list) else [reasons]
        unknown = [reason for reason in listed if not isinstance(reason, str) or reason not in REJECT_REASONS]
        if unknown or listed is not reasons:
            raise CaptionError(
                f"reason {str((unknown or listed)[0])[:80]!r} is none of {', '.join(REJECT_REASONS)}; reload the page"
            )
        fixed = sent.get("fixed_description")
        verdict = Verdict(
            clip_id=_text(sent, "clip_id", 1_000),
            sample_index=_number(sent, "sample_index"),
            verdict=_word(sent),
            reasons=tuple(reasons),
            by=person(sent.get("annotator")),
            at=datetime.now(UTC),
            fixed_description=None if fixed is None else _text(sent, "fixed_description", LONGEST_TEXT),
            caption_sha256=_text(sent, "caption_sha256", _LONGEST_ID),
        )
        return cls(_text(sent, "decision_id", _LONGEST_ID), verdict)

    @property
    def key(self) -> CaptionKey:
        """Which caption it is on."""
        return self.verdict.key


def person(name: Any) -> str:
    """Return an annotator's name composed (NFC), without the space around it.

    Raises CaptionError for one that cannot be used.
    """
    stripped = unicodedata.normalize("NFC", " ".join(name.split())) if isinstance(name, str) else ""
    if not 0 < len(stripped) <= LONGEST_NAME or not stripped.isprintable():
        raise CaptionError(f"annotator {name!r:.120} is no name; give 1 to {LONGEST_NAME} printable characters")
    if stripped.casefold() == SOFTWARE:
        raise CaptionError(f"annotator {stripped!r} is what the software signs with; give another name")
    return stripped


def is_same_person(one: str, other: str) -> bool:
    """Whether two names differ in case and composition at most."""
    return _folded(one) == _folded(other)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _word(sent: dict[str, Any]) -> Word:
    word: Word = sent.get("verdict")  # type: ignore[assignment]  # Verdict checks it
    return word


def _text(sent: dict[str, Any], name: str, longest: int) -> str:
    value = sent.get(name)
    if not isinstance(value, str) or not 0 < len(value.strip()) <= longest or not _is_unicode(value):
        raise CaptionError(f"{name} is {value!r:.80}; it must be a text of 1 to {longest:,} characters")
    return value.strip()


def _is_unicode(text: str) -> bool:
    """Whether it can be stored: JSON can carry half a surrogate pair."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _number(sent: dict[str, Any], name: str) -> int:
    value = sent.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise CaptionError(f"{name} is {value!r:.80}; it must be a whole number from 0 on")
    return value
