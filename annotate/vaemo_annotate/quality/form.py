"""Whether the texts of a caption are whole English prose of a sensible length: the *form* check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from vaemo_annotate.quality import repetition
from vaemo_annotate.quality.finding import DESCRIPTIONS, Finding, Findings
from vaemo_annotate.quality.language import english_share, judge_language, word_list
from vaemo_annotate.quality.refusal import find_refusal
from vaemo_annotate.quality.tokens import Span, Tokens, read_tokens
from vaemo_annotate.quality.truncation import truncation

Row = Mapping[str, Any]
Share = Annotated[float, Field(ge=0, le=1)]
WordsPerColumn = dict[Literal["visual_description", "acoustic_description", "affect_description"], int]
_PLACEHOLDERS = frozenset(
    [
        "na",
        "null",
        "none",
        "nan",
        "nil",
        "undefined",
        "string",
        "text",
        "tbd",
        "todo",
        "placeholder",
        "description",
        "empty",
    ]
)
_IDLE = frozenset(
    ["notable", "special", "remarkable", "comment", "comments", "description", "idea", "applicable", "particular",
     "noteworthy", "unusual", "interesting", "worth", "specific", "answer", "response", "info", "remarks", "much"]
)  # fmt: skip
_MARKS = ".,;:!?…-–—_ \t\n\"'"
_MANY_MARKS = 6
_SHOWN = 60


class FormSettings(BaseModel):
    """The section `form` of the rules; lengths in words, what is looked at over `distinct_window` in words too."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_words: WordsPerColumn
    max_words: WordsPerColumn
    honest_words: frozenset[str]
    min_english: Share
    min_language_words: int = Field(ge=2)
    min_language_probability: Share
    said_again_min_words: int = Field(ge=1)
    distinct_window: int = Field(ge=10)
    min_distinct: Share
    repeated_size: int = Field(ge=2)
    max_repeated: Share

    @model_validator(mode="after")
    def _every_column(self) -> FormSettings:
        for name in ("min_words", "max_words"):
            if set(getattr(self, name)) != set(DESCRIPTIONS):
                raise ValueError(
                    f"{name} has {sorted(getattr(self, name))}; it needs each of {', '.join(DESCRIPTIONS)}"
                )
        return self


class FormCheck:
    """Finds what is wrong with the form of a caption's three texts.

    Called with a dataset row it returns findings `form.*` and the scores `form.words` (of all texts together),
    `form.english` (the lowest share of known English words of a text) and `form.distinct` (of distinct words).
    A text that is no English is looked at no further. Near duplicates are found across captions, elsewhere.
    """

    def __init__(self, settings: FormSettings) -> None:
        self.settings = settings

    def __call__(self, row: Row) -> Findings:
        """Return what is wrong with one caption."""
        texts = {column: read_tokens(row.get(column) or "") for column in DESCRIPTIONS}
        findings = [finding for column in DESCRIPTIONS for finding in self._text(row, column, texts[column])]
        findings += _stopped_at_cap(row)
        filled = [tokens for tokens in texts.values() if len(tokens)]
        scores = {"form.words": float(sum(map(len, filled)))}
        if filled:
            scores["form.english"] = min(map(english_share, filled))
            scores["form.distinct"] = min(self._distinct(tokens) for tokens in filled)
        return Findings(findings, scores)

    def _distinct(self, tokens: Tokens) -> float:
        return repetition.distinct_share(tokens, self.settings.distinct_window)

    def _text(self, row: Row, column: str, tokens: Tokens) -> Iterator[Finding]:
        if _is_missing(tokens):
            if _has_modality(row, column):
                yield Finding(
                    "form.missing_text", f"{column} is {row.get(column)!r}; the clip has what it tells of", column
                )
                if tokens.words and tokens.words != ("null",) and "/" not in tokens.text:
                    yield _at("form.too_short", f"{tokens.text!r} stands for a text", column, (0, len(tokens.text)))
            return
        if not tokens.words:
            yield from self._no_words(row, tokens.text.strip(), column)
            return
        refusal = find_refusal(tokens.text)
        foreign = None if refusal else self._not_english(tokens, column)
        if foreign:
            yield foreign
            return
        if refusal:
            yield _at("form.refusal", f"{_quote(tokens.text, refusal)} declines instead of describing", column, refusal)
        repeated = self._repetitive(tokens, column)
        if repeated:
            yield repeated
        yield from self._length(tokens, column, refused=refusal is not None)
        if not repeated and not self._is_too_short(tokens, column):
            yield from _cut_off(column, tokens)

    def _no_words(self, row: Row, text: str, column: str) -> Iterator[Finding]:
        """Judge a text of marks alone: a dash or dots say nothing, other symbols are gibberish."""
        if _has_modality(row, column) or text.strip(_MARKS):
            reason = "form.gibberish" if text.strip(_MARKS) and len(text) >= _MANY_MARKS else "form.too_short"
            yield _at(reason, f"{_shorten(text)!r} has no words", column, (0, len(text)))

    def _not_english(self, tokens: Tokens, column: str) -> Finding | None:
        rules = self.settings
        verdict = judge_language(
            tokens,
            min_english=rules.min_english,
            min_words=rules.min_language_words,
            min_probability=rules.min_language_probability,
        )
        share = english_share(tokens)
        begins = repr(_shorten(tokens.text))
        if verdict == "foreign":
            return Finding(
                "form.wrong_language", f"{begins}: {share:.0%} of its words are English; it must be English", column
            )
        if verdict == "gibberish":
            return Finding(
                "form.gibberish",
                f"{begins}: {share:.0%} of its words are English, under {rules.min_english:.0%} in all or in a part",
                column,
            )
        return None

    def _repetitive(self, tokens: Tokens, column: str) -> Finding | None:
        rules = self.settings
        loop = repetition.find_loop(tokens)
        if loop:
            first, stop, size = loop
            phrase = _shorten(" ".join(tokens.words[first : first + size]))
            detail = f"{phrase!r} stands {(stop - first) // size} times or more in a row"
            return _at("form.repetitive", detail, column, tokens.span(first, stop))
        again = repetition.find_said_again(tokens, rules.said_again_min_words)
        if again:
            span = tokens.span(*again)
            return _at("form.repetitive", f"{_quote(tokens.text, span)} is said more than once", column, span)
        distinct = self._distinct(tokens)
        if len(tokens) >= rules.distinct_window // 2 and distinct < rules.min_distinct:
            detail = f"{distinct:.0%} of its words are distinct; the rule is {rules.min_distinct:.0%} at least"
            return Finding("form.repetitive", detail, column)
        share = repetition.repeated_share(tokens, rules.repeated_size)
        if len(tokens) >= rules.distinct_window // 2 and share > rules.max_repeated:
            detail = (
                f"{share:.0%} of its {rules.repeated_size}-word runs are repeated; {rules.max_repeated:.0%} at most"
            )
            return Finding("form.repetitive", detail, column)
        return None

    def _is_too_short(self, tokens: Tokens, column: str) -> bool:
        return len(tokens) < self.settings.min_words[column] and not self._is_honest(tokens)  # type: ignore[index]

    def _is_honest(self, tokens: Tokens) -> bool:
        """Whether a short text says that there is nothing to tell ("not visible", "silence"); "no" alone does not."""
        if not _IDLE.isdisjoint(tokens.words):
            return False
        said = self.settings.honest_words.intersection(tokens.words)
        return (len(tokens) > 1 and bool(said)) or not said <= word_list("function")

    def _length(self, tokens: Tokens, column: str, *, refused: bool) -> Iterator[Finding]:
        most = self.settings.max_words[column]  # type: ignore[index]
        if self._is_too_short(tokens, column) and not refused:
            least = self.settings.min_words[column]  # type: ignore[index]
            detail = f"{_shorten(tokens.text)!r} has {len(tokens)} words; the rule is {least} at least"
            yield _at("form.too_short", detail, column, (0, len(tokens.text)))
        if len(tokens) > most:
            detail = f"it has {len(tokens)} words; the rule is {most} at most"
            yield _at("form.too_long", detail, column, tokens.span(most, len(tokens)))


def _is_missing(tokens: Tokens) -> bool:
    return not tokens.text.strip() or (len(tokens) <= 2 and "".join(tokens.words) in _PLACEHOLDERS)


def _has_modality(row: Row, column: str) -> bool:
    if column == "visual_description":
        return "width" not in row or row["width"] is not None
    return column != "acoustic_description" or row.get("has_audio") is not False


def _cut_off(column: str, tokens: Tokens) -> Iterator[Finding]:
    why = truncation(tokens)
    if why:
        yield _at("form.truncated", why, column, tokens.span(len(tokens) - 1, len(tokens)))


def _stopped_at_cap(row: Row) -> list[Finding]:
    steps = row.get("steps") or []
    if not steps or steps[-1].get("finish_reason") != "length":
        return []
    return [Finding("form.truncated", f"the last step, {steps[-1].get('name')!r}, ended with finish_reason 'length'")]


def _at(reason: str, detail: str, column: str, span: Span) -> Finding:
    return Finding(reason, detail, column, span)


def _quote(text: str, span: Span) -> str:
    return repr(_shorten(text[slice(*span)]))


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= _SHOWN else f"{flat[:_SHOWN]}…"
