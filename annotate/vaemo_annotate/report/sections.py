"""The charts of the report's sections, made of what the pass over the run left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from vaemo_annotate.quality.checked import Checked
from vaemo_annotate.report.charts import Figure, Series, bars, grid, histogram, stacked_bars
from vaemo_annotate.report.collection import NO_FAMILY, Collection
from vaemo_annotate.report.examples import ExampleMaker, FoundFault
from vaemo_annotate.report.judgements import JudgementTally
from vaemo_annotate.report.tallies import NameCounts
from vaemo_clips.hub.portable import portable_name, without_folders

_MOST_BARS = 16
_LENGTHS = {"visual_description": "seen", "acoustic_description": "heard", "affect_description": "affect"}
_KEPT_DROPPED = (Series("kept", "supported"), Series("dropped", "contradicted"))


@dataclass(frozen=True, slots=True)
class ReasonRow:
    """One reason of the check: how many captions have it, of these dropped, and one of them in words."""

    reason: str
    action: str
    captions: int
    dropped: int
    share: float
    example: FoundFault | None


@dataclass(frozen=True, slots=True)
class RejectRow:
    """One reason of rejection: count, share of all outcomes, and the detail of the first."""

    reason: str
    count: int
    share: float
    detail: str


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Emotion families by the manifest's label: counts, and each row's shares."""

    families: Sequence[str]
    rows: Sequence[tuple[str, int, Sequence[tuple[int, float]]]]
    left_out: int
    cut: str


def reason_rows(checked: Checked, gathered: Collection, maker: ExampleMaker) -> list[ReasonRow]:
    """Return the reasons that the software gave, most frequent first within drop, then flag."""
    judged = gathered.judged
    whole = max(judged.software.total(), 1)
    rows = []
    for reason, count in judged.reasons.most_common():
        action = checked.settings.actions.get(reason, "")
        faults = [
            fault
            for candidate in gathered.doubtful.get(reason, ())[:3]
            for fault in maker.faults(candidate.row, candidate.verdicts)
            if fault.reason == reason
        ]
        example = next((fault for fault in faults if fault.quote), faults[0] if faults else None)
        rows.append(ReasonRow(reason, action, count, judged.dropped_for[reason], count / whole, example))
    return sorted(rows, key=lambda row: (row.action != "drop", -row.captions, row.reason))


def distribution_figures(gathered: Collection) -> list[Figure]:
    """Emotions, valence and arousal, confidence, lengths, durations."""
    says, whole = gathered.says, gathered.captions
    unknown = says.families[NO_FAMILY]
    families = [(name, float(count)) for name, count in says.families.most_common() if name != NO_FAMILY]
    words = [(word, float(count)) for word, count in says.words.most_common(_MOST_BARS)]
    return [
        bars(
            "Emotion families",
            families + ([(NO_FAMILY, float(unknown))] if unknown else []),
            "captions",
            "of the first emotion word of each caption, by the emotion wheel",
            whole,
        ),
        bars("Emotion words", words, "mentions", f"the most frequent of {len(says.words):,} different ones", 0),
        grid("Valence and arousal", says.affect, "valence", "arousal"),
        histogram("Confidence", says.confidence, "confidence"),
        *(
            histogram(f"Length of “{name}”", says.lengths[column].trimmed(), "words")
            for column, name in _LENGTHS.items()
        ),
        histogram("Duration of the clips", says.durations.trimmed(), "seconds"),
    ]


def speaker_figure(gathered: Collection) -> Figure | None:
    """Captions of each speaker, kept and dropped; None where the manifest has no speakers."""
    return _kept_dropped("Speakers", gathered.says.speakers)


def label_table(gathered: Collection) -> LabelTable | None:
    """Return emotion families against the manifest's labels; None where it has none."""
    by_label: dict[str, Counter[str]] = {}
    for label, counted in gathered.says.labels.by_kind.items():
        by_label.setdefault(portable_name(label), Counter()).update(counted)
    if not by_label:
        return None
    families = [name for name, _ in gathered.says.families.most_common() if name != NO_FAMILY][:9]
    if any(sum(counts.values()) > sum(counts[name] for name in families) for counts in by_label.values()):
        families.append("other")
    ordered = sorted(by_label.items(), key=lambda item: (-item[1].total(), item[0]))
    rows = [(label, counts.total(), _cells(counts, families)) for label, counts in ordered[:_MOST_BARS]]
    return LabelTable(families, rows, len(ordered) - len(rows), gathered.says.labels.cut)


def reject_rows(gathered: Collection) -> list[RejectRow]:
    """Return the reject ledger, most frequent first; folders of this machine are cut out of the details."""
    whole = max(gathered.outcomes, 1)
    return [
        RejectRow(reason, count, count / whole, without_folders(gathered.reject_details[reason])[:400])
        for reason, count in gathered.rejects.most_common()
    ]


def people_figure(judged: JudgementTally) -> Figure | None:
    """What each person said; None where nobody judged."""
    if not judged.by_person:
        return None
    series = (Series("kept", "supported"), Series("fixed", "mark"), Series("dropped", "contradicted"))
    items = [(name, [words["keep"], words["fixed"], words["drop"]]) for name, words in sorted(judged.by_person.items())]
    return stacked_bars("Verdicts by person", items[:_MOST_BARS], series)


def _kept_dropped(title: str, names: NameCounts) -> Figure | None:
    if not names.by_kind:
        return None
    ordered = sorted(names.by_kind.items(), key=lambda item: -item[1].total())
    items = [(portable_name(name), [counts[True], counts[False]]) for name, counts in ordered[:_MOST_BARS]]
    more = f"and {len(ordered) - len(items):,} more" if len(ordered) > len(items) else ""
    return stacked_bars(title, items, _KEPT_DROPPED, "; ".join(filter(None, (more, names.cut))))


def _cells(counts: Counter[str], families: Sequence[str]) -> list[tuple[int, float]]:
    whole = max(counts.total(), 1)
    known = sum(counts[name] for name in families)
    values = [counts.total() - known if name == "other" else counts[name] for name in families]
    return [(value, value / whole) for value in values]
