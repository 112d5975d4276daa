"""Published scores by corpus, and a table of them with one's own beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from rich import box
from rich.table import Table

from vaemo_clips.corpora.names import CORPUS_NAMES
from vaemo_clips.errors import ManifestError
from vaemo_clips.settings_file import fault_report, pydantic_faults, read_mapping
from vaemo_train.evaluate.scores import Estimate

_FILE: Final = Path(__file__).with_name("published.yaml")
ON_TEST, SECOND_HAND, UNLIKE = "†", "‡", "*"
"""Marks of a checkpoint chosen on the test fold, of a score taken from another paper, and of ours where it is unlike.

Ours is unlike the published ones where it was reached in another way than theirs.
"""
_MEANINGS: Final = {
    ON_TEST: "its checkpoint was chosen by its score on the test fold, as its code or logs show",
    SECOND_HAND: "as another paper reports it",
}

POOLED: Final = "the clips of all folds pooled, mean ± standard deviation over seeds"
_OURS: Final = "this model"
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
    """What is published on a corpus, and with which classes and folds; None where it is not recorded how many."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    protocol: str
    num_classes: Annotated[int, Field(ge=2)] | None = None
    num_folds: Annotated[int, Field(ge=1)] | None = None
    notes: tuple[str, ...] = ()
    scores: tuple[PublishedScore, ...]


@dataclass(frozen=True, slots=True)
class OurScores:
    """Our scores, shares in [0, 1], over `num_clips` clips."""

    uar: Estimate
    war: Estimate
    wf1: Estimate
    num_clips: int


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


def find_corpus(corpus: str) -> PublishedCorpus | None:
    """What is published on a corpus, None where nothing is recorded. Raises ManifestError for an unknown name."""
    name = corpus.strip().lower()
    if name not in _published() and name not in CORPUS_NAMES:
        names = ", ".join(sorted({*published_corpora(), *CORPUS_NAMES}))
        raise ManifestError(f"corpus {corpus!r} is not known; known are {names}")
    return _published().get(name)


def published_scores(corpus: str) -> tuple[PublishedScore, ...]:
    """Published scores on a corpus, as recorded. Raises ManifestError for one that no score is recorded of."""
    return published_corpus(corpus).scores


def _known() -> str:
    return ", ".join(published_corpora())


def published_report(
    corpus: str, ours: Mapping[str, OurScores] | None = None, *, unlike: Sequence[str] = (), how: str = POOLED
) -> Table:
    """Our rows among the published ones, the best WAR first; those without a WAR come last.

    `ours` are by what was given to the model ("V", "A", "VA"); `how` says what they are over, `unlike` in what they
    are not to be compared with the published ones, and marks them. Where nothing is published on the corpus ours stand
    alone. Raises ManifestError for a corpus that nobody knows.
    """
    published, called = find_corpus(corpus), corpus.strip().lower()
    told = "no published score is recorded" if published is None else published.protocol
    scores = () if published is None else published.scores
    has_wf1 = bool(ours) or any(score.wf1 is not None for score in scores)
    table = Table(title=f"{called}: {told}", box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("model", "given"):
        table.add_column(heading, no_wrap=True)
    for heading in ("UAR", "WAR", *(["WF1"] if has_wf1 else []), "M param."):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("source")
    rows = [(score.war, _published_cells(score, has_wf1), "") for score in scores]
    for given, own in (ours or {}).items():
        mark = f" {UNLIKE}" if unlike else ""
        cells = [
            f"{_OURS}{mark}\n{own.num_clips:,} clips",
            given,
            *map(_shown, (own.uar, own.war, own.wf1)),
            "",
            "here",
        ]
        rows.append((100 * own.war.mean, cells, "bold"))
    for _, cells, style in sorted(rows, key=lambda row: _falling(row[0])):
        table.add_row(*cells, style=style or None)
    lines = [*(_our_caption(how, unlike) if ours else []), *([] if published is None else [_caption(published)])]
    table.caption, table.caption_justify = "\n".join(lines), "left"
    return table


def _shown(score: Estimate) -> str:
    """A share in percent, and the spread of seeds below it."""
    if score.mean != score.mean:
        return "-"
    spread = "" if score.deviation != score.deviation else f"\n± {100 * score.deviation:.2f}"
    return f"{100 * score.mean:.2f}{spread}"


def _our_caption(how: str, unlike: Sequence[str]) -> list[str]:
    lines = [f"{_OURS}: {how}"]
    return [*lines, f"{UNLIKE} not to be compared: {'; '.join(unlike)}"] if unlike else lines


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
