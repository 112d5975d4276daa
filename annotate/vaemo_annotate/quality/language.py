"""Whether a text is English prose, prose of another language, or no language at all."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Literal

import yaml

from vaemo_annotate.quality.grammar import impossible_pairs
from vaemo_annotate.quality.tokens import Tokens, read_tokens
from vaemo_clips.errors import MissingExtraError

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

Language = Literal["english", "foreign", "gibberish", "short"]
_ENDINGS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("iness", ("y",)),
    ("fulness", ("", "ful")),
    ("ness", ("",)),
    ("less", ("",)),
    ("fully", ("", "ful")),
    ("ically", ("ic", "ical", "y")),
    ("ily", ("y",)),
    ("ably", ("able", "", "e")),
    ("ly", ("", "le", "e")),
    ("ied", ("y",)),
    ("ies", ("y", "ie")),
    ("ier", ("y",)),
    ("iest", ("y",)),
    ("ing", ("", "e")),
    ("ed", ("", "e")),
    ("er", ("", "e")),
    ("est", ("", "e")),
    ("es", ("", "e")),
    ("able", ("", "e")),
    ("ful", ("",)),
    ("ish", ("",)),
    ("y", ("", "e")),
    ("s", ("",)),
    ("d", ("",)),
)
_PREFIXES = ("un", "re", "in", "im", "non", "over", "under", "mid", "dis", "mis", "ir")
_ODD = re.compile(r"[{}\[\]<>\\|^~`=_*#@$&+\x00-\x08\x0b-\x1f\x7f\ufffd]+|;\S|\w[)(]\w|[\ue000-\uf8ff]")
_LATIN = re.compile(r"[A-Za-z]+")
_AWKWARD = re.compile(
    r"\A[^aeiouy]+\Z|[^aeiouy]{5}|\A(?!sch|str|spr|scr|spl|pr?z|chr|thr|phr|wsz|krz|trz)[^aeiouy]{3}|(?!cht|rst|nst|lst|rch)[^aeiouys]{4}",
    re.I,
)
_MOST_AWKWARD = 0.17
_ACTION_UNIT = re.compile(r"au\d\d?[a-e]?\Z")
_LEAST_LETTERS = 0.5
_SALAD_WORDS = 8
_SALAD_PAIRS = 2
_SALAD_ENGLISH = 0.78
_STRANGE_ENGLISH = 0.65
_SALAD_SCORE = 0.28
_PAIR_WEIGHT = 4.0
_FEW_WORDS = 6
_FEW_WORDS_FACTOR = 0.8
_OTHER_LETTERS = re.compile(r"[^\W\d_A-Za-zÀ-ɏˈˌːªº°µ]+")
_UNEVEN_CAPITALS = re.compile(r"[a-z][A-Z]")


@cache
def word_list(name: Literal["function", "stock", "may_end", "numbers", "words"]) -> frozenset[str]:
    """Return a list of `english.yaml` beside this file, apostrophes taken out."""
    text = files(__package__).joinpath("english.yaml").read_text(encoding="utf-8")
    parts: dict[str, str] = yaml.safe_load(text)
    return frozenset(piece for word in parts[name].replace("'", "").split() for piece in word.split("-"))


@cache
def _vocabulary() -> frozenset[str]:
    return word_list("function") | word_list("stock") | word_list("numbers") | word_list("words")


@lru_cache(maxsize=1 << 16)
def is_known(word: str) -> bool:
    """Whether a lower-case word without apostrophes is an English word that descriptions use, or one derived of it."""
    if word in _vocabulary() or word.isdigit() or _ACTION_UNIT.match(word):
        return True
    if not word.isascii():
        return False
    if _stem_is_known(word):
        return True
    for prefix in _PREFIXES:
        rest = word.removeprefix(prefix)
        if rest != word and len(rest) > 3 and (rest in _vocabulary() or _stem_is_known(rest)):
            return True
    return False


def _stem_is_known(word: str) -> bool:
    vocabulary = _vocabulary()
    for ending, replacements in _ENDINGS:
        if not word.endswith(ending):
            continue
        stem = word[: -len(ending)]
        if len(stem) < 3:
            continue
        if any(stem + other in vocabulary for other in replacements):
            return True
        if stem[-1] == stem[-2] and stem[:-1] in vocabulary:
            return True
        if ending in ("ly", "ness", "s", "ing", "ed") and len(stem) > 4 and _stem_is_known(stem):
            return True
    return False


def english_share(tokens: Tokens, first: int = 0, stop: int | None = None) -> float:
    """Return the share of words [first, stop) that are known English, in [0, 1]; 1 where there are none.

    What is no word (code, control characters, camelCase, letters of other scripts) counts among the words.
    """
    if not first and stop is None:
        return _whole_share(tokens.text)
    return _share(tokens, first, len(tokens) if stop is None else stop)


@lru_cache(maxsize=16)
def _whole_share(text: str) -> float:
    tokens = read_tokens(text)
    return _share(tokens, 0, len(tokens))


def _share(tokens: Tokens, first: int, stop: int) -> float:
    words = tokens.words[first:stop]
    if not words:
        return 1.0
    begin, end = tokens.span(first, first + len(words))
    text = tokens.text[begin:end]
    odd = len(_ODD.findall(text)) + len(_UNEVEN_CAPITALS.findall(text))
    return sum(map(is_known, words)) / (len(words) + odd)


def judge_language(tokens: Tokens, *, min_english: float, min_words: int, min_probability: float) -> Language:
    """Tell what a text is written in: `english`, `foreign` (prose of another language), `gibberish`, or too `short`.

    English is decided by the share of known words, of the whole and of each sentence of `min_words` or more, more
    leniently where the words are few; words that no grammar holds together are gibberish.
    What is not English is foreign where a language is found with
    `min_probability` and one script, else gibberish. Raises MissingExtraError.
    """
    share = english_share(tokens)
    if len(tokens) < _FEW_WORDS and tokens.text.isascii():
        min_english *= _FEW_WORDS_FACTOR
    if len(tokens) < min_words:
        return "short" if share < min_english else "english"
    if share < min_english:
        return _foreign_or_gibberish(tokens.text, min_probability)
    if _is_mostly_symbols(tokens.text) or _is_salad(tokens, share):
        return "gibberish"
    if share > 0.97 and tokens.text.isascii():
        return "english"
    for first, stop in _parts(tokens, min_words):
        if english_share(tokens, first, stop) < min_english / 2:
            begin, end = tokens.span(first, stop)
            return _foreign_or_gibberish(tokens.text[begin:end], min_probability)
    others = _OTHER_LETTERS.findall(tokens.text)
    if sum(map(len, others)) > 0.08 * len(tokens.text):
        return _foreign_or_gibberish(" ".join(others), min_probability)
    return "english"


def _is_mostly_symbols(text: str) -> bool:
    """Whether fewer than half of a text's characters, blanks aside, are letters."""
    shown = len(text) - sum(map(text.count, " \t\n"))
    return sum(map(str.isalpha, text)) < _LEAST_LETTERS * shown


def _is_salad(tokens: Tokens, share: float) -> bool:
    """Whether real words stand in an order without grammar.

    Neighbours that English does not have and words that no description uses count together.
    """
    count = len(tokens)
    if count < _SALAD_WORDS:
        return False
    pairs = impossible_pairs(tokens)
    if pairs < _SALAD_PAIRS and (not pairs or share >= _SALAD_ENGLISH) and share >= _STRANGE_ENGLISH:
        return False
    return 1 - share + _PAIR_WEIGHT * pairs / count >= _SALAD_SCORE


def _awkward_share(text: str) -> float:
    """Return the share of Latin words of three letters or more that hardly a language has, in [0, 1].

    They have no vowel, or a pile of consonants.
    """
    words = [
        word
        for word in _LATIN.findall(unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode())
        if len(word) > 2
    ]
    return sum(bool(_AWKWARD.search(word)) for word in words) / len(words) if words else 0.0


def _parts(tokens: Tokens, min_words: int) -> list[tuple[int, int]]:
    return [(first, stop) for first, stop in tokens.sentences() if stop - first >= min_words]


def _foreign_or_gibberish(text: str, min_probability: float) -> Language:
    letters = sum(map(str.isalpha, text))
    odd = sum(map(len, _ODD.findall(text))) + len(_UNEVEN_CAPITALS.findall(text))
    if not letters or odd > 0.03 * len(text) or _scripts_of(text) > 1:
        return "gibberish"
    if _awkward_share(text) > _MOST_AWKWARD:
        return "gibberish"
    language, probability = language_of(text)
    return "foreign" if language != "en" and probability >= min_probability else "gibberish"


def _scripts_of(text: str) -> int:
    """Count the scripts that letters of a text belong to, rare ones left out.

    Hiragana, katakana and Han count as one.
    """
    counts: dict[str, int] = {}
    for letter in filter(str.isalpha, text):
        name = "LATIN" if letter.isascii() else unicodedata.name(letter, "UNKNOWN").split()[0]
        name = "CJK" if name in ("HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA") else name
        counts[name] = counts.get(name, 0) + 1
    total = sum(counts.values())
    return sum(count > 0.04 * total for count in counts.values())


def language_of(text: str) -> tuple[str, float]:
    """Return the ISO 639 code of the likeliest language and its normalised probability. Raises MissingExtraError."""
    language, probability = _identifier().classify(text)
    return str(language), float(probability)


@cache
def _identifier() -> LanguageIdentifier:
    try:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier
    except ImportError as error:
        raise MissingExtraError("py3langid", "annotate") from error
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
