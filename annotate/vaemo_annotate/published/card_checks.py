"""The card's part on quality control: what was looked for, what it removed, how far judges and probes agree."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vaemo_annotate.published.checks import CheckRecord
from vaemo_annotate.published.markdown import code, inline, table
from vaemo_annotate.published.run import Tally
from vaemo_annotate.published.verdicts import Agreement

NOT_CHECKED: Final = (
    "> **These captions were never checked.** Nobody and nothing judged them after they were written: expect refusals, "
    "copied labels and invented cues among them."
)
_MOST_ROWS: Final = 40
_LONGEST: Final = 120
_FEW: Final = 4


def checks_section(
    tally: Tally, check: CheckRecord | None, agreement: Agreement | None, probes: Mapping[str, Any]
) -> str:
    """What was checked and removed; `probes` are results of canaries and ablation by their names."""
    return "\n\n".join(_parts(tally, check, agreement, probes))


def _parts(
    tally: Tally, check: CheckRecord | None, agreement: Agreement | None, probes: Mapping[str, Any]
) -> Iterator[str]:
    yield _coverage(tally)
    if check is not None:
        yield (
            f"`vaemo-annotate check` read {check.captions:,} captions: it kept {check.kept:,} ({check.flagged:,} of "
            f"them flagged) and dropped {check.dropped:,}. What people said outranks it. A caption can have several "
            "reasons."
        )
        if check.reasons:
            yield table(["Reason", "Action", "Captions", "Of them dropped"], _reason_rows(check))
        if check.settings:
            told = "" if check.rules.sha256 is None else f" (SHA-256 of the rules: {code(check.rules.sha256)})"
            yield f"Thresholds{told}, in full in [check.json](check.json):"
            yield table(["Rules", "Settings"], _setting_rows(check.settings))
    if agreement is not None:
        yield _agreement(agreement)
    for name, results in probes.items():
        yield f"{name}:"
        yield table(["What", "Value"], _fact_rows(results))


def _coverage(tally: Tally) -> str:
    if tally.unchecked == tally.accepted and not tally.verdicts:
        return NOT_CHECKED
    if tally.unchecked == tally.accepted:
        return f"> **No software checked these captions**; people left {tally.verdicts:,} verdicts on them."
    if tally.unchecked:
        return f"> **{tally.unchecked:,} of {tally.accepted:,} captions were not checked** by software."
    return f"All {tally.accepted:,} accepted captions were checked; {tally.verdicts:,} verdicts are in `verdicts`."


def _reason_rows(check: CheckRecord) -> Iterator[list[str]]:
    for reason, count in check.reasons.items():
        if count.action != "off":
            dropped = "" if count.dropped is None else f"{count.dropped:,}"
            yield [code(reason), inline(count.action), f"{count.captions:,}", dropped]


def _setting_rows(settings: Mapping[str, Any]) -> Iterator[list[str]]:
    for section, values in settings.items():
        if isinstance(values, Mapping) and section != "actions":  # the table of reasons tells them
            yield [code(section), ", ".join(f"{code(name)} {_short(value)}" for name, value in values.items())]


def _short(value: object) -> str:
    if isinstance(value, Mapping) and len(value) <= _FEW and not any(_is_nested(one) for one in value.values()):
        return "(" + ", ".join(f"{inline(name)} {inline(one)}" for name, one in value.items()) + ")"
    return f"({len(value)} entries)" if isinstance(value, list | Mapping) else inline(value)


def _is_nested(value: object) -> bool:
    return isinstance(value, list | Mapping)


def _agreement(found: Agreement) -> str:
    alpha = "not defined" if found.alpha is None else f"{found.alpha:.2f}"
    return (
        f"{found.annotators} people judged {found.captions:,} captions two or more at a time: of {found.share:.0%} of "
        f"these all said the same, to drop it or not. Krippendorff's alpha (nominal; 0 is chance, 1 is agreement): "
        f"{alpha}."
    )


def _fact_rows(results: object) -> Iterator[list[str]]:
    rows = list(_facts(results, ""))
    for name, value in rows[:_MOST_ROWS]:
        yield [code(name), inline(value)]
    if len(rows) > _MOST_ROWS:
        yield ["…", f"{len(rows) - _MOST_ROWS} more"]


def _facts(value: object, above: str) -> Iterator[tuple[str, str]]:
    """Numbers, words and short texts of a record by their places in it; whole replies are left out."""
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _facts(one, f"{above}.{name}" if above else str(name))
    elif isinstance(value, list):
        for number, one in enumerate(value, 1):
            yield from _facts(one, f"{above}.{_label(one, number)}" if above else _label(one, number))
    elif value is not None and len(str(value)) <= _LONGEST:
        yield above, f"{value:.3g}" if isinstance(value, float) else str(value)


def _label(entry: object, number: int) -> str:
    """What an entry of a list is called: its own name, else its number."""
    named = entry if isinstance(entry, Mapping) else {}
    return str(named.get("name") or named.get("kind") or number)
