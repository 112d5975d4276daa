"""Tables of what text does for clips: retrieval and naming, by path, to read on a screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich import box
from rich.table import Table

from vaemo_train.evaluate.scores import Estimate
from vaemo_train.evaluate.search import Rate
from vaemo_train.evaluate.text_retrieval import RECALL_AT, Direction, TextRetrieval
from vaemo_train.evaluate.zero_shot import ZeroShot

_LEAST_WIDTH = 8


def text_retrieval_report(results: Mapping[str, TextRetrieval], title: str = "") -> Table:
    """Two rows for each path by its name: recall@k in percent, the 95 % interval and chance below; median ranks."""
    table = Table(title=title or None, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("path", min_width=_LEAST_WIDTH, no_wrap=True)
    for name in (*(f"R@{k}" for k in RECALL_AT), "median rank"):
        table.add_column(name, justify="right", no_wrap=True)
    for name, result in results.items():
        table.add_row(*_cells(f"{name}\nclip -> text", result.clip_to_text))
        table.add_row(*_cells(f"{name}\ntext -> clip", result.text_to_clip), end_section=True)
    lines = ["in percent, with the 95 % interval and chance; below each path queries among candidates"]
    lines += _interval_notes({name: result.resampled for name, result in results.items()})
    table.caption, table.caption_justify = "\n".join(lines), "left"
    return table


def _cells(name: str, found: Direction) -> tuple[str, ...]:
    numbers = f"{found.num_queries:,} among {found.num_candidates:,}"
    ranks = f"{_rank(found.median_rank)}\n\nchance {_rank(found.median_rank_chance)}"
    return f"{name}\n{numbers}", *map(_with_chance, found.recall.values()), ranks


def _rank(value: float) -> str:
    return f"{value:,.1f}".removesuffix(".0")


def _with_chance(rate: Rate) -> str:
    return f"{100 * rate.value:.1f}\n{rate.interval or ''}\nchance {100 * rate.chance:.1f}"


def zero_shot_report(results: Mapping[str, ZeroShot], title: str = "") -> Table:
    """One row for each path by its name: scores in percent, their 95 % interval, and what they are compared with."""
    table = Table(title=title or None, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("path", min_width=_LEAST_WIDTH)
    for name in ("clips", "labels", "WAR", "UAR", "WF1"):
        table.add_column(name, justify="right", no_wrap=True)
    notes: dict[str, list[str]] = {}
    for name, result in results.items():
        summary = result.summary
        table.add_row(
            name,
            f"{result.scores.num_clips:,}",
            str(len(result.scores.names)),
            f"{_cell(summary.war)}\nlargest class {100 * result.war_largest_class:.1f}",
            f"{_cell(summary.uar)}\nchance {100 * result.uar_chance:.1f}",
            _cell(summary.wf1),
        )
        for line in (*result.lines(), *([f"intervals over {summary.resampled}"] if summary.resampled else [])):
            notes.setdefault(line, []).append(name)
    lines = [_note(line, names, len(results)) for line, names in notes.items()]
    table.caption, table.caption_justify = "\n".join(lines) or None, "left"
    return table


def _interval_notes(resampled: Mapping[str, str]) -> list[str]:
    """What the intervals are over, by the names of the results that they are of."""
    names = {what: [name for name, own in resampled.items() if own == what] for what in resampled.values() if what}
    return [_note(f"intervals over {what}", own, len(resampled)) for what, own in names.items()]


def _note(line: str, names: Sequence[str], num_results: int) -> str:
    """A note with the results that it holds for, unless these are all."""
    return line if len(names) == num_results else f"{'; '.join(names)}: {line}"


def _cell(estimate: Estimate) -> str:
    return f"{100 * estimate.mean:.1f}\n{estimate.interval or ''}"
