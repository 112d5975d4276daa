"""How pleasant a word of emotion is, and whether it stands for high or low arousal.

Valence: means of ten people's ratings from -4 to 4 of some 7,500 words, as the package vaderSentiment ships them
(Hutto & Gilbert 2014, VADER, ICWSM). Arousal: the sides of `emotion_words.yaml`, by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from vaemo_annotate.quality.wheel import Sign, base_forms, find

_FULL_RATING: Final = 4.0
_SIGN: Final = {"up": 1, "down": -1, "either": 0}


def valence_of(word: str) -> float | None:
    """Return how pleasant people rate a word, in [-1, 1].

    A word that nobody rated, or that people rated for another sense (giddy, surly), has the rating of the word it is
    formed from, else of the wheel's word for it, else of its family's name; None where none of them is rated.
    """
    emotion = find(word)
    wanted = [*base_forms(word.lower())]
    if emotion:
        wanted += [*base_forms(emotion.word), emotion.family.name]
    ratings = _ratings()
    sign = _SIGN[emotion.valence] if emotion else 0
    return next((ratings[name] for name in wanted if name in ratings and ratings[name] * sign >= 0), None)


def arousal_of(word: str) -> Sign | None:
    """Return whether a word stands for high (up) or low (down) arousal or either; None where no emotion is known."""
    emotion = find(word)
    return emotion.arousal if emotion else None


@cache
def _ratings() -> Mapping[str, float]:
    """Mean ratings in [-1, 1] by word; signs and emoticons are left out."""
    text = (files("vaderSentiment") / "vader_lexicon.txt").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return {row[0]: float(row[1]) / _FULL_RATING for row in rows if row[0].replace("-", "").isalpha()}
