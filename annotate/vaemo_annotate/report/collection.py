"""One pass over a run's captions and rejects: everything the report counts, in memory that does not grow with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from vaemo_annotate.quality.checked import Checked
from vaemo_annotate.quality.finding import DESCRIPTIONS
from vaemo_annotate.quality.wheel import family_of
from vaemo_annotate.report.drift import Drift
from vaemo_annotate.report.judgements import JudgementTally
from vaemo_annotate.report.row_stream import RunOrder, run_order, stream
from vaemo_annotate.report.step_tally import StepTallies
from vaemo_annotate.report.tallies import Draw, Grid, Histogram, NameCounts, WordCounts
from vaemo_annotate.run_folder import RunFolder
from vaemo_clips.verdict import Verdict

NO_FAMILY = "none known"
_READ_OF_REJECTS = ["clip_id", "sample_index", "duration_s", "steps", "reject_reason", "reject_detail"]
_MOST_WORDS = 200.0
_MOST_SECONDS = 30.0
_LEAST_OF_A_REASON = 3
"""Of each reason so many captions are kept even where no example is asked for: the table quotes one."""
_MEASURED = 300


@dataclass(slots=True)
class Distributions:
    """What the captions say, counted."""

    families: Counter[str] = field(default_factory=Counter)
    words: WordCounts = field(default_factory=WordCounts)
    affect: Grid = field(default_factory=lambda: Grid(20))
    confidence: Histogram = field(default_factory=lambda: Histogram(0.0, 1.0, 20))
    lengths: dict[str, Histogram] = field(
        default_factory=lambda: {column: Histogram(0.0, _MOST_WORDS, 40) for column in DESCRIPTIONS}
    )
    durations: Histogram = field(default_factory=lambda: Histogram(0.0, _MOST_SECONDS, 30))
    labels: NameCounts = field(default_factory=NameCounts)
    speakers: NameCounts = field(default_factory=NameCounts)

    def note(self, row: Mapping[str, Any], kept: bool) -> None:
        """Count one caption."""
        emotions = row["emotions"] or []
        family = _family(emotions[0]) if emotions else NO_FAMILY
        self.families[family] += 1
        for word in emotions:
            self.words.add(word.strip().lower()[:60])
        self.affect.add(row["valence"], row["arousal"])
        self.confidence.add(row["confidence"])
        for column in DESCRIPTIONS:
            self.lengths[column].add(len(row[column].split()) if row[column] else None)
        if row.get("label") is not None:
            self.labels.add(str(row["label"]), family)
        if row.get("speaker") is not None:
            self.speakers.add(str(row["speaker"]), kept)

    def note_clip(self, row: Mapping[str, Any]) -> None:
        """Count a clip once, with its first sample."""
        if not row["sample_index"]:
            self.durations.add(row["duration_s"])


@dataclass(frozen=True, slots=True)
class Candidate:
    """A caption that may be shown: its number in the dataset, its row, and the verdicts on it."""

    number: int
    row: Mapping[str, Any]
    verdicts: tuple[Verdict, ...]
    risk: int = 0


@dataclass(slots=True)
class Collection:
    """What the pass leaves behind. `random` and `measured` hold fair draws of `Candidate`s."""

    order: RunOrder
    drift: Drift
    random: Draw
    measured: Draw
    captions: int = 0
    says: Distributions = field(default_factory=Distributions)
    steps: StepTallies = field(default_factory=StepTallies)
    judged: JudgementTally = field(default_factory=JudgementTally)
    rejects: Counter[str] = field(default_factory=Counter)
    reject_details: dict[str, str] = field(default_factory=dict)
    doubtful: dict[str, list[Candidate]] = field(default_factory=dict)

    @property
    def outcomes(self) -> int:
        """Captions and rejects together."""
        return self.captions + self.rejects.total()

    def at_risk(self, count: int) -> list[Candidate]:
        """Captions with the most findings, every reason in turn, so that one frequent fault does not hide the rest."""
        queues = [sorted(found, key=_most_doubtful_first) for found in self.doubtful.values()]
        queues.sort(key=lambda queue: _most_doubtful_first(queue[0]))
        chosen: dict[int, Candidate] = {}
        for rank in range(count):
            for queue in queues:
                fresh = [one for one in queue if one.number not in chosen]
                if fresh and len(chosen) < count and rank < len(queue):
                    chosen[fresh[0].number] = fresh[0]
        return list(chosen.values())


def collect(checked: Checked, examples: int, seed: int) -> Collection:
    """Read a finished run once. Raises RunFolderError, CaptionError."""
    folder = RunFolder(checked.out)
    order = run_order(folder)
    measured = Draw(_MEASURED if checked.record is None else 0, seed)
    gathered = Collection(order, Drift(order.middles), Draw(examples, seed), measured)
    for number, (row, verdicts) in enumerate(checked):
        _note_caption(gathered, number, row, verdicts, examples)
    for number, row in enumerate(stream(folder.rejects, _READ_OF_REJECTS)):
        _note_reject(gathered, number, row)
    return gathered


def _note_caption(
    gathered: Collection, number: int, row: Mapping[str, Any], verdicts: Sequence[Verdict], examples: int
) -> None:
    gathered.captions += 1
    verdict = gathered.judged.note(verdicts)
    kept = None if verdict is None else verdict.verdict != "drop"
    gathered.says.note(row, kept is not False)
    gathered.says.note_clip(row)
    seconds = gathered.steps.add(row["steps"] or ())
    words = " ".join(row[column] or "" for column in DESCRIPTIONS).split()
    gathered.drift.note_caption(int(gathered.order.accepted[number]), words, row["valence"], seconds, kept)
    candidate = Candidate(number, row, tuple(verdicts))
    gathered.random.offer(candidate)
    gathered.measured.offer(candidate)
    if any(one.reasons or one.verdict == "drop" for one in verdicts):
        _note_doubtful(gathered.doubtful, candidate, max(examples, _LEAST_OF_A_REASON))


def _note_doubtful(doubtful: dict[str, list[Candidate]], candidate: Candidate, most: int) -> None:
    """Keep, of each reason, the captions with the most findings; a dropped one weighs more than any flagged one."""
    reasons = {reason for one in candidate.verdicts for reason in one.reasons} or {"dropped"}
    dropping = sum(one.verdict == "drop" for one in candidate.verdicts)
    for reason in sorted(reasons):
        found = doubtful.setdefault(reason, [])
        found.append(replace(candidate, risk=len(reasons) + 1_000 * dropping))
        if len(found) > 2 * most:
            found.sort(key=_most_doubtful_first)
            del found[most:]


def _most_doubtful_first(candidate: Candidate) -> tuple[int, int]:
    return -candidate.risk, candidate.number


def _note_reject(gathered: Collection, number: int, row: Mapping[str, Any]) -> None:
    reason = row["reject_reason"] or "unknown"
    gathered.rejects[reason] += 1
    gathered.reject_details.setdefault(reason, row["reject_detail"] or "")
    gathered.says.note_clip(row)
    gathered.steps.add(row["steps"] or ())
    if gathered.order.rejected is not None:
        gathered.drift.note_reject(int(gathered.order.rejected[number]))


@lru_cache(maxsize=50_000)
def _family(word: str) -> str:
    family = family_of(word)
    return family.name if family else NO_FAMILY
