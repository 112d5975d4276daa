"""What a caption tells that it cannot know from face and voice: the *leak* check."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from vaemo_annotate.quality.finding import DESCRIPTIONS, Finding, Findings
from vaemo_annotate.quality.identity_talk import IdentityPhrases, IdentityTalk
from vaemo_annotate.quality.label_talk import LabelPhrases, LabelTalk
from vaemo_annotate.quality.labels import file_names, find_verbatim, label_codes, speaker_name
from vaemo_annotate.quality.language import english_share
from vaemo_annotate.quality.names import NameBook, name_book
from vaemo_annotate.quality.phrase_book import PhraseBook
from vaemo_annotate.quality.tokens import Span, Tokens, read_tokens
from vaemo_annotate.quality.transcript import copied_words, quoted_speech

Row = Mapping[str, Any]
_Values = list[tuple[str, str]]
_SHOWN = 60


class LeakSettings(BaseModel):
    """The section `leaks` of the rules; lengths in words, columns by name or pattern (`label_*`)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label_columns: list[str]
    speaker_columns: list[str]
    transcript_column: str
    min_words: int = Field(ge=2)
    min_content_words: int = Field(ge=1)
    min_quoted_words: int = Field(ge=1)
    min_english: Annotated[float, Field(ge=0, le=1)]


class _Phrases(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    phrases: list[str]
    files: str = ""


class _Codes(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    words: frozenset[str]
    pattern: str


class _Gender(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    words: str


class LeakPhrases(BaseModel):
    """The whole of `leak_phrases.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    label: LabelPhrases
    codes: _Codes
    identity: IdentityPhrases
    dataset: _Phrases
    gender: _Gender


@cache
def load_leak_phrases() -> LeakPhrases:
    """Return the phrases that come with the package."""
    text = files(__package__).joinpath("leak_phrases.yaml").read_text(encoding="utf-8")
    return LeakPhrases.model_validate(yaml.safe_load(text))


@dataclass(slots=True)
class _Text:
    """One description while it is looked at; `taken` are the characters that an earlier finding explains."""

    column: str
    tokens: Tokens
    taken: list[Span] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def is_free(self, span: Span) -> bool:
        return not any(begin < span[1] and span[0] < end for begin, end in self.taken)

    def add(self, reason: str, span: Span, rule: str) -> None:
        """Note a finding at a place that none explains yet."""
        if self.is_free(span):
            self.taken.append(span)
            quote = " ".join(self.tokens.text[slice(*span)].split())
            quote = quote if len(quote) <= _SHOWN else f"{quote[:_SHOWN]}…"
            self.findings.append(Finding(reason, f"{quote!r}: {rule}", self.column, span))


class LeakCheck:
    """Finds what a caption tells of its clip's label, words, people and origin.

    Called with a dataset row it returns findings `leak.*`, each with its place. Names, identity, gender and talk of
    labels are looked for in English only, and not within words that are already found to be copied speech.
    """

    def __init__(self, settings: LeakSettings) -> None:
        phrases = load_leak_phrases()
        self.settings = settings
        self._names: NameBook = name_book()
        self._talk = LabelTalk(phrases.label)
        self._identity = IdentityTalk(phrases.identity)
        self._dataset = PhraseBook(phrases.dataset.phrases)
        self._gender = frozenset(phrases.gender.words.split())
        self._codes = phrases.codes.words
        self._code_pattern = re.compile(phrases.codes.pattern)
        self._file_pattern = re.compile(phrases.dataset.files, re.IGNORECASE)

    def __call__(self, row: Row) -> Findings:
        """Return what one caption leaks."""
        spoken = read_tokens(str(row.get(self.settings.transcript_column) or ""))
        labels = list(label_codes(row, self.settings.label_columns))
        names, speakers = list(file_names(row)), list(speaker_name(row, self.settings.speaker_columns))
        findings: list[Finding] = []
        for column in DESCRIPTIONS:
            tokens = read_tokens(row.get(column) or "")
            if len(tokens):
                text = _Text(column, tokens)
                self._transcript(text, spoken)
                self._values(text, names, labels, speakers)
                if english_share(tokens) >= self.settings.min_english:
                    self._english(text)
                findings += text.findings
        return Findings(findings, {"leak.findings": float(len(findings))})

    def _transcript(self, text: _Text, spoken: Tokens) -> None:
        rules = self.settings
        if spoken.words:
            runs = copied_words(
                text.tokens, spoken, min_words=rules.min_words, min_content_words=rules.min_content_words
            )
            for first, stop in runs:
                rule = f"{stop - first} words in a row stand in the clip's {rules.transcript_column!r}"
                text.add("leak.transcript", text.tokens.span(first, stop), rule)
        for span in quoted_speech(text.tokens, rules.min_quoted_words):
            text.add("leak.transcript", span, f"quoted speech of {rules.min_quoted_words} words or more")

    def _values(self, text: _Text, names: _Values, labels: _Values, speakers: _Values) -> None:
        raw = text.tokens.text
        for match in self._file_pattern.finditer(raw) if "." in raw else ():
            text.add("leak.dataset", match.span(), "the name of a file")
        for reason, values in (("leak.dataset", names), ("leak.label", labels), ("leak.name", speakers)):
            for column, value in values:
                if span := find_verbatim(raw, value):
                    text.add(reason, span, f"the clip's {column!r} word for word")

    def _english(self, text: _Text) -> None:
        tokens = text.tokens
        for first, stop in self._dataset.find(tokens):
            text.add("leak.dataset", tokens.span(first, stop), "tells of a corpus or a file")
        self._labels(text)
        for first, stop in self._identity.find(tokens):
            text.add("leak.identity", tokens.span(first, stop), "tells who somebody is: origin, age, fame or work")
        taken = {at for at, span in enumerate(tokens.spans) if not text.is_free(span)} if text.taken else set()
        taken |= self._identity.origins(tokens)
        for first, stop, why in self._names.find(tokens, taken):
            text.add("leak.name", tokens.span(first, stop), why)
        self._genders(text)

    def _labels(self, text: _Text) -> None:
        tokens = text.tokens
        for first, stop in self._talk.find(tokens):
            text.add("leak.label", tokens.span(first, stop), "speaks of a label or an annotation")
        for span in self._talk.values(tokens):
            text.add("leak.label", span, "an emotion put down as a value")
        for index in range(len(tokens)):
            if len(tokens.words[index]) <= 4 and tokens.raw(index) in self._codes:
                text.add("leak.label", tokens.spans[index], "a code of an emotion label")
        for match in self._code_pattern.finditer(tokens.text) if "_" in tokens.text or "-" in tokens.text else ():
            text.add("leak.label", match.span(), "a code of an emotion label")

    def _genders(self, text: _Text) -> None:
        """Note the words of gender of a text as one finding at the first of them."""
        tokens = text.tokens
        found = [at for at, word in enumerate(tokens.bases) if word in self._gender]
        free = [at for at in found if not _within(tokens.spans[at], text.findings, "leak.transcript")]
        if free:
            words = ", ".join(sorted({tokens.bases[at] for at in free}))
            detail = f"{words[:_SHOWN]!r}: {len(free)} words that tell a gender"
            text.findings.append(Finding("leak.gender", detail, text.column, tokens.spans[free[0]]))


def _within(span: Span, findings: Iterable[Finding], reason: str) -> bool:
    return any(f.reason == reason and f.span and f.span[0] <= span[0] < f.span[1] for f in findings)
