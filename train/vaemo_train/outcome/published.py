"""Published scores by corpus, and a table of them with one's own beside."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from rich import box
from rich.table import Table

from vaemo_clips.errors import ManifestError
from vaemo_clips.settings_file import fault_report, pydantic_faults, read_mapping

_FILE: Final = Path(__file__).with_name("published.yaml")
ON_TEST, SECOND_HAND = "†", "‡"
"""Marks of a checkpoint chosen on the test fold, and of a score taken from another paper."""
_MEANINGS: Final = {
    ON_TEST: "its checkpoint was chosen by its score on the test fold, as its code or logs show",
    SECOND_HAND: "as another paper reports it",
}

_Percent = Annotated[float, Field(ge=0, le=100)]


class PublishedScore(BaseModel):
    """One row of a paper: scores in percent, None where none is reported.

    `modality` is what the model is given (T is text). `selected_on_test` is None where it is not known how the
    checkpoint was chosen.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: str
    modality: Literal["VA", "V", "A", "VAT"]
    uar: _Percent | None = None
    war: _Percent | None = None
    wf1: _Percent | None = None
    parameters_m: Annotated[float, Field(gt=0)] | None = None
    source: str | None = None
    selected_on_test: bool | None = None
    second_hand: bool = False
    note: str = ""

    @property
    def marks(self) -> str:
        """What its row is marked with."""
        return (ON_TEST if self.selected_on_test else "") + (SECOND_HAND if self.second_hand else "")


class PublishedCorpus(BaseModel):
    """What is published on a corpus, and with which classes and folds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str
    notes: tuple[str, ...] = ()
    scores: tuple[PublishedScore, ...]


@cache
def _published() -> dict[str, PublishedCorpus]:
    content = read_mapping(_FILE, ManifestError, "table of scores", "it is a mapping of corpora to their scores")
    try:
        return TypeAdapter(dict[str, PublishedCorpus]).validate_python(content)
    except ValidationError as error:
        raise ManifestError(fault_report(_FILE, pydantic_faults(error, "scores"))) from error


def published_corpora() -> tuple[str, ...]:
    """Names of the corpora that scores are recorded of, as `vaemo-annotate index --corpus` takes them."""
    return tuple(_published())


def published_corpus(corpus: str) -> PublishedCorpus:
    """What is published on a corpus. Raises ManifestError for one that no score is recorded of."""
    found = _published().get(corpus.strip().lower())
    if found is None:
        raise ManifestError(f"no published score of corpus {corpus!r} is recorded; there are those of {_known()}")
    return found


def published_scores(corpus: str) -> tuple[PublishedScore, ...]:
    """Published scores on a corpus, as recorded. Raises ManifestError for one that no score is recorded of."""
    return published_corpus(corpus).scores


def _known() -> str:
    return ", ".join(published_corpora())


def published_report(
    corpus: str, ours: Mapping[str, tuple[float, float]] | None = None, *, name: str = "this model"
) -> Table:
    """Our rows among the published ones, the best WAR first; those without a WAR come last.

    `ours` holds UAR and WAR, shares in [0, 1] as `Scores` has them, by what was given to the model ("V", "A", "VA").
    Raises ManifestError for a corpus that no score is recorded of.
    """
    published = published_corpus(corpus)
    has_wf1 = any(score.wf1 is not None for score in published.scores)
    table = Table(title=f"{corpus.strip().lower()}: {published.protocol}", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("model", "given"):
        table.add_column(heading, no_wrap=True)
    for heading in ("UAR", "WAR", *(["WF1"] if has_wf1 else []), "M param."):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("source")
    rows = [(score.war, _published_cells(score, has_wf1), "") for score in published.scores]
    for given, (uar, war) in (ours or {}).items():
        blank = ["-"] if has_wf1 else []
        rows.append((100 * war, [name, given, f"{100 * uar:.2f}", f"{100 * war:.2f}", *blank, "", "here"], "bold"))
    for _, cells, style in sorted(rows, key=lambda row: _falling(row[0])):
        table.add_row(*cells, style=style or None)
    table.caption, table.caption_justify = _caption(published), "left"
    return table


def _published_cells(score: PublishedScore, has_wf1: bool) -> list[str]:
    numbers = [score.uar, score.war, *([score.wf1] if has_wf1 else [])]
    shown = ["-" if value is None else f"{value:.2f}" for value in numbers]
    size = "" if score.parameters_m is None else f"{score.parameters_m:g}"
    return [f"{score.model} {score.marks}".strip(), score.modality, *shown, size, score.source or ""]


def _falling(war: float | None) -> float:
    return float("inf") if war is None or war != war else -war


def _caption(published: PublishedCorpus) -> str:
    used = {mark for score in published.scores for mark in score.marks}
    lines = [f"{mark} {meaning}" for mark, meaning in _MEANINGS.items() if mark in used]
    if any(score.selected_on_test is None for score in published.scores):
        lines.append(f"without {ON_TEST}: how the checkpoint was chosen is not recorded")
    notes = [f"{score.model} ({score.modality}): {score.note}" for score in published.scores if score.note]
    return "\n".join([*lines, *published.notes, *notes])
