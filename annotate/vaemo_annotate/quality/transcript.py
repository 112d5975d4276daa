"""What a caption copies of the words that were spoken."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vaemo_annotate.quality.language import word_list
from vaemo_annotate.quality.tokens import Span, Tokens

_SAYING = (
    "say|says|said|saying|utter|utters|uttered|uttering|shout|shouts|shouted|shouting|whisper|whispers|whispered|whispering|"
    "exclaim|exclaims|exclaimed|exclaiming|yell|yells|yelled|yelling|ask|asks|asked|asking|state|states|stated|stating|"
    "mutter|mutters|muttered|muttering|repeat|repeats|repeated|repeating|cry out|cries out|scream|screams|screamed|"
    "screaming|reply|replies|replied|replying|answer|answers|answered|answering|remark|remarks|remarked|tell|tells|told|"
    "telling|word|words|phrase|phrases|sentence|line|lines|quote|quotes|speak|speaks|spoke|speaking|statement|"
    "announce|announces|announced|announcing|declare|declares|declared|declaring|pronounce|pronounces|mumble|mumbles|mumbled|"
    "murmur|murmurs|murmured|read|reads|reading|deliver|delivers|delivered|delivering|transcript|utterance|complain|complains|"
    "insist|insists|snap|snaps|sob|sobs|add|adds|added|begin|begins|claim|claims|claimed|demand|demands|demanded|plead|pleads"
)
_OPEN = r"[\"“«]|(?<!\w)[‘'](?=\w)"
_CLOSE = r"[\"”»]|(?<=[\w.,!?…])[’'](?!\w)"
_AFTER = re.compile(
    rf"(?<![\w])({_SAYING})\b[^\"“”«»‘.!?;]{{0,40}}?(?:{_OPEN})([^\"“”«»]{{3,}}?)(?:{_CLOSE})", re.IGNORECASE
)
_BEFORE = re.compile(
    rf"(?:{_OPEN})([^\"“”«»]{{3,}}?)(?:{_CLOSE}),?[^\"“”«».!?;]{{0,30}}?\b({_SAYING})\b", re.IGNORECASE
)
_AS_IF = re.compile(
    r"\b(?:as (?:if|though)|like|seems?|appears?|wants?|about|eager|ready) (?:to |\w+ (?:to |were )?)?\Z", re.IGNORECASE
)
_QUOTE_MARK = re.compile(r"[\"“«‘']")


def copied_words(
    tokens: Tokens, spoken: Tokens, *, min_words: int, min_content_words: int
) -> Iterator[tuple[int, int]]:
    """Yield the words [first, stop) of a text that also stand in `spoken`, in the same order and without a gap.

    They are `min_words` or more, `min_content_words` of them no function words and no stock words; of a run half as
    long again one content word is enough. A shorter `spoken` counts where all of it, two words or more,
    stands in the text with a content word, and of two words only in quotation marks.
    """
    if len(spoken) >= min_words:
        yield from _runs(tokens, spoken, min_words, min_content_words)
    elif len(spoken) >= 2 and _content(spoken.words):
        size = len(spoken)
        for first in range(len(tokens) - size + 1):
            if tokens.words[first : first + size] == spoken.words and (size > 2 or _in_quotes(tokens, first, size)):
                yield first, first + size


def _runs(tokens: Tokens, spoken: Tokens, size: int, min_content: int) -> Iterator[tuple[int, int]]:
    spoken_words = set(spoken.words)
    hits = [word in spoken_words for word in tokens.words]
    if sum(hits) < size:
        return
    grams = {spoken.words[at : at + size] for at in range(len(spoken) - size + 1)}
    first = 0
    while first <= len(hits) - size:
        if not hits[first] or tokens.words[first : first + size] not in grams:
            first += 1
            continue
        stop = first + size
        while stop < len(hits) and tokens.words[stop + 1 - size : stop + 1] in grams:
            stop += 1
        content = _content(tokens.words[first:stop])
        if content >= min_content or (content and stop - first >= size * 3 // 2):
            yield first, stop
        first = stop


def _content(words: tuple[str, ...]) -> int:
    empty = word_list("function") | word_list("stock")
    return sum(word not in empty for word in words)


def _in_quotes(tokens: Tokens, first: int, size: int) -> bool:
    begin, end = tokens.span(first, first + size)
    before, after = tokens.text[:begin][-1:], tokens.text[end : end + 3].lstrip(".,!?…")
    return before in ('"', "“", "«", "‘", "'") and after[:1] in ('"', "”", "»", "’", "'")


def quoted_speech(tokens: Tokens, min_words: int) -> Iterator[Span]:
    """Yield the characters of each quotation of `min_words` or more that a verb of speaking goes with.

    "as if to say '...'" quotes nobody.
    """
    text = tokens.text
    if not _QUOTE_MARK.search(text):
        return
    for pattern, said, verb in ((_AFTER, 2, 1), (_BEFORE, 1, 2)):
        for match in pattern.finditer(text):
            if len(match[said].split()) >= min_words and not _AS_IF.search(text[: match.start(verb)]):
                yield match.span(said)
