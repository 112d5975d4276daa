"""Texts that say that there is nothing to hear or to see."""

from __future__ import annotations

import re

from vaemo_annotate.quality.claim_units import plain
from vaemo_annotate.quality.lexicon import Modality

_NONE_OF = (
    r"\b(?:no|not any|without(?: any| a)?|lacks?(?: any| a)?|lacking(?: any)?|absence of(?: any)?|devoid of(?: any)?"
    r"|isn't any) (?:(?:discernible|recogni[sz]able|human|other|clear|real|recorded|actual|usable) )?"
)
_THEN = (  # "no sound is heard" denies, "no voice quality" does not
    r"\b(?=\s*(?:$|[.,;:!?()]|\b(?:is|was|are|were|can|could|in|on|at|of|to|and|or|nor|for|with|throughout|present"
    r"|available|here|anywhere|whatsoever|track|detected|heard|but|so|the|this|from|visible|seen|shown)\b))"
)
_WHOLLY = r"(?:(?:completely|entirely|totally|digitally|fully|all but|nearly|almost|wholly|absolutely|uniformly) )?"
_IS = r"(?:is|are|was|were|remains?|stays?) "
_CANNOT = r" (?:is|are|was|were|can|could)\s*(?:not|n't)\s*(?:be\s+)?(?:clearly\s+)?"
_HEARD = (
    r"(?:sounds?|audio|audible (?:sounds?|voice|speech)|voices?|speech|speaking voice|vocali[sz]ations?|sound ?track"
    r"|audio track|spoken words)"
)
_SEEN = (
    r"(?:picture|video|image|visuals?|visible (?:face|person|image|picture|content)|faces?|person|people|footage"
    r"|frames?|one)"
)
_CARRIER = r"(?:track|clip|audio|video|recording|sound ?track|file|segment|sound)"
_SCREEN = r"(?:screen|frames?|pictures?|image|video)"

_PATTERNS: dict[Modality, re.Pattern[str]] = {
    "voice": re.compile(
        rf"{_NONE_OF}{_HEARD}{_THEN}"
        r"|\b(?:not audible|inaudible|soundless|no-?one speaks|no one speaks|nobody speaks|no audible|nothing to hear"
        r"|nothing (?:can be |is |to be )?(?:heard|audible)|hardly anything can be heard)\b"
        rf"|\b(?:silent|muted|empty|mute) (?:{_CARRIER}|throughout)\b"
        rf"|\b{_CARRIER} {_IS}{_WHOLLY}(?:silent|mute|muted|absent|empty)\b"
        r"|\b(?:complete|total|digital|absolute|pure|only) silence\b|\bsilence throughout\b"
        r"|^\W*(?:silence|silent|none)\W*$"
        rf"|\b(?:voice|sound|speech|audio){_CANNOT}(?:heard|audible|present|available|detected|perceived)"
    ),
    "face": re.compile(
        rf"{_NONE_OF}{_SEEN}{_THEN}"
        r"|\b(?:not[ _]visible|invisible|nothing to see|nothing visible|no-?one is visible|nobody is visible"
        r"|nothing (?:can be |is |to be )?(?:seen|visible))\b"
        rf"|\b(?:black|blank|dark|empty) {_SCREEN}\b"
        rf"|\b(?:{_SCREEN}|clip) {_IS}{_WHOLLY}(?:black|blank|dark|empty|absent)\b"
        rf"|\b(?:face|person|picture|head|image|brows?|eyes|mouth){_CANNOT}"
        r"(?:seen|visible|in view|shown|present|available|detected|discernible)"
    ),
}


def denials(text: str) -> frozenset[Modality]:
    """Return of which modality a text says that there is nothing: "no sound" the voice, "black screen" the face.

    A text may deny and describe all the same; whether it does is told by `claims`.
    """
    low = " ".join(plain(text).split())
    return frozenset(name for name, pattern in _PATTERNS.items() if pattern.search(low))
