"""Whether a text names something to see or hear, or says that there is nothing of it at all."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from vaemo_annotate.quality.denials import denials
from vaemo_annotate.quality.lexicon import Modality

# Qualities and parts, which are also named where there is nothing ("the pitch cannot be judged") ...
_PART: Mapping[Modality, re.Pattern[str]] = {
    "face": re.compile(r"\b(face|brow|eyebrow|eye|mouth|lip|smile|smiling|head|person|man|woman|figure)s?\b"),
    "voice": re.compile(r"\b(voice|tone|pitch|sound|speech|speaker|noise)s?\b"),
}
# ... and what is only named where it is there.
_THING: Mapping[Modality, re.Pattern[str]] = {
    "face": re.compile(
        r"\b(cartoon|drawing|drawn|illustration|illustrated|character|avatar|animated|animation|emoji|sketch)s?\b"
    ),
    "voice": re.compile(
        r"\b(vowel|syllable|hum|humming|buzz|buzzing|drone|music|wail|wailing|siren|whistle|whistling|beep|beeping|whine"
        r"|chirp|synthesi[sz]er|synthetic)s?\b"
    ),
}
_SENTENCE_END = re.compile(r"[.;!?\n]+")
_CONTRAST = (
    r"(?:but|only|just|merely|simply|yet|instead|except|apart from|aside from|other than|save for|rather|however)"
)
_CLAUSE_END = re.compile(rf",\s*|\s+(?={_CONTRAST}\b)|\s+(?=(?:although|though|while|whereas)\b)")
_NEGATED = re.compile(
    r"\b(?:no|not|none|nothing|nobody|cannot|without|neither|nor|silent|silence|blank|impossible|unable|lacks?|lacking"
    r"|absent|absence|missing|muted|mute|devoid|inaudible|unavailable|invisible|unreadable|unknown|n/a"
    r"|(?:black|dark|empty) (?:screen|frames?|pictures?|image|video)|(?:is|are|was|were|remains?) (?:\w+ )?black)\b"
    r"|n't\b"
)
_FRESH = re.compile(r"\b(?:an?|the|some|there|it)\b|^(?!.*\bn?or\b).*\b(?:is|are|was|were)\b")
_IN_A_LIST = re.compile(r"\s*(?:n?or)\b")
_CONTRASTED = re.compile(rf"\s*(?:(?:and|with|then) )?(?:there (?:is|are|was|were) )?(?:{_CONTRAST}|an?|some)\b")
_MEASURE = r"(?:pitch|loudness|volume|level|rate|tempo)"
_LITTLE = r"(?:low|flat|steady|constant|zero|minimal|even|monotone|unchanging|narrow|slow|unchanged)"
_FLAT = re.compile(rf"\b{_LITTLE}(?:,? (?:and )?{_LITTLE})* {_MEASURE}\b|\b{_MEASURE}\b(?=.*\b{_LITTLE}\b)")

# What else may be there: "no other sounds", "no speech", "no real person".
_OTHERS = re.compile(r"\b(?:no|without) other (?:sounds?|audio|voices?|speech|person|people|faces?|one|noises?)\b")
_ANY_SOUND = re.compile(
    r"\bno [\w ]{1,30}(?:, [\w ]{1,30})*(?:,|,? n?or) (?:any )?(?:other )?(?:\w+ )?(?:sounds?|audio|noises?)\b(?! of\b)"
)
_SPECIES: Mapping[Modality, re.Pattern[str]] = {
    "face": re.compile(r"\b(?:real|human|live|actual|living|photographic) (?:person|people|faces?|one|figures?)\b"),
    "voice": re.compile(
        r"\b(?:audible |discernible |human )*(?:(?:speaking )?voices?|speech|(?:spoken )?words|vocali[sz]ations?)\b"
        r"(?: or (?=\w))?|\b(?:no-?one|no one|nobody) speaks\b"
    ),
}
_SILENCE = re.compile(
    r"^\W*(?:sound\W+)?(?:silence|silent)\b(?! (?:before|then|at first|until))"
    r"|\b(?:it|all|everything) (?:is|was|stays|remains) (?:\w+ )?silent\b"
)


@dataclass(frozen=True, slots=True)
class Mention:
    """How a text speaks of a modality.

    `is_named`: something is there, in a clause that negates nothing; beside a denial of everything, what is there must
    be set against it ("silent but for a hum"). `is_denied`: something of the modality is said not to be there, be it
    speech alone. `is_void`: everything is, and nothing is named all the same.
    """

    is_named: bool
    is_denied: bool
    is_void: bool


def mention(text: str, modality: Modality) -> Mention:
    """Read how a text speaks of a modality."""
    low = _OTHERS.sub("nothing more", text.lower())
    is_all = _denies_all(low, modality)
    is_denied = is_all or modality in denials(low)
    named = [_CONTRASTED.match(clause) is not None for clause in _named(low, modality, is_denied)]
    things = any(_THING[modality].search(clause) for clause in _firm(low))
    is_named = things or (any(named) if is_all else bool(named))
    return Mention(is_named, is_denied, is_all and not named and not things)


def _denies_all(low: str, modality: Modality) -> bool:
    """Tell whether nothing at all is said to be there: no sound, not only no speech; no face, not only no real one."""
    if modality == "voice" and (_SILENCE.search(low) or _ANY_SOUND.search(low)):
        return True
    return modality in denials(_SPECIES[modality].sub(" ", low))


def _named(low: str, modality: Modality, is_denied: bool) -> Iterator[str]:
    """Yield the firm clauses that name a part or a quality; beside a denial "the pitch is flat" names none."""
    for clause in _firm(low):
        if _PART[modality].search(_FLAT.sub(" ", clause) if is_denied else clause):
            yield clause


def _firm(low: str) -> Iterator[str]:
    """Yield the clauses that are not negated; a list goes on being negated as it began ("no voice, music or noise")."""
    for sentence in _SENTENCE_END.split(low):
        negated = False
        for clause in _CLAUSE_END.split(sentence):
            goes_on = _IN_A_LIST.match(clause) or not (_FRESH.search(clause) or _CONTRASTED.match(clause))
            negated = _NEGATED.search(clause) is not None or (negated and bool(goes_on))
            if not negated:
                yield clause
