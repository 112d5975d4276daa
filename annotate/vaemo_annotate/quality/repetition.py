"""Texts that go round in circles: loops, sentences said again, few distinct words."""

from __future__ import annotations

from collections.abc import Sequence

from vaemo_annotate.quality.tokens import Tokens

_LONGEST_LOOP = 24
_ONE_WORD_TIMES = 4
_PHRASE_TIMES = 3
_TWICE_FROM_WORDS = 4


def find_loop(tokens: Tokens) -> tuple[int, int, int] | None:
    """Return words [first, stop) that repeat one after the other and how many words the repeated phrase has.

    A word must stand 4 times, a phrase of two or three words 3 times, a longer one twice.
    """
    words = tokens.words
    said_again = _said_again(words)
    for size in range(1, min(_LONGEST_LOOP, len(words) // 2) + 1):
        times = _ONE_WORD_TIMES if size == 1 else _PHRASE_TIMES if size < _TWICE_FROM_WORDS else 2
        if said_again[size] < size * (times - 1):
            continue
        run = 0
        for index in range(size, len(words)):
            run = run + 1 if words[index] == words[index - size] else 0
            if run >= size * (times - 1):
                return index + 1 - run - size, index + 1, size
    return None


def _said_again(words: Sequence[str]) -> list[int]:
    """Return for each size up to the longest loop how many words stood in the text that many words before."""
    counts = [0] * (_LONGEST_LOOP + 1)
    places: dict[str, list[int]] = {}
    for index, word in enumerate(words):
        before = places.setdefault(word, [])
        for place in reversed(before):
            if index - place > _LONGEST_LOOP:
                break
            counts[index - place] += 1
        before.append(index)
    return counts


def find_said_again(tokens: Tokens, min_words: int) -> tuple[int, int] | None:
    """Return the words of the first sentence of `min_words` or more that stood in the text before."""
    seen: set[tuple[str, ...]] = set()
    for first, stop in tokens.sentences():
        sentence = tokens.words[first:stop]
        if len(sentence) >= min_words and sentence in seen:
            return first, stop
        seen.add(sentence)
    return None


def distinct_share(tokens: Tokens, window: int) -> float:
    """Return the lowest share of distinct words in any stretch of `window` words, in (0, 1]; steps of half a window."""
    words = tokens.words
    if not words:
        return 1.0
    starts = range(0, max(len(words) - window, 0) + 1, max(window // 2, 1))
    stretches = [words[start : start + window] for start in [*starts, max(len(words) - window, 0)]]
    return min(len(set(stretch)) / len(stretch) for stretch in stretches)


def repeated_share(tokens: Tokens, size: int) -> float:
    """Return the share of a text's runs of `size` words that stood in it before, in [0, 1]."""
    words = tokens.words
    grams = list(zip(*(words[shift:] for shift in range(size)), strict=False))
    return 1 - len(set(grams)) / len(grams) if grams else 0.0
