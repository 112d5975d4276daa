"""`vaemo-annotate check --ablate N` as a user sees it: a table of rates, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import typer

from vaemo_annotate.probes.ablation import AblationSummary, ablate
from vaemo_annotate.probes.ablation_rates import ALL, Survival

_MEANING = {
    "ablation.sound_invented": "of the silent versions, a voice is described",
    "ablation.picture_invented": "of the black versions, a face is described",
    "ablation.sound_ignored": "with another clip's sound, the same is said of the sound",
    "ablation.picture_ignored": "with a black picture, the same is said of the picture",
}
_LOSS = {"muted": ("sound", "the sound"), "blank": ("the picture", "the picture")}


def ablate_with_summary(
    out: Path,
    count: int,
    *,
    endpoint: str | None = None,
    model: str | None = None,
    vllm_python: Path | None = None,
    vllm_args: str | None = None,
    concurrency: int | str | None = None,
) -> None:
    """Ablate and print a summary. Raises UserError."""
    summary = ablate(
        out, count, endpoint=endpoint, model=model, vllm_python=vllm_python, vllm_args=vllm_args,
        concurrency=concurrency,
    )  # fmt: skip
    for line in ablation_lines(summary):
        typer.echo(line)


def ablation_lines(summary: AblationSummary) -> Iterator[str]:
    """Yield the table, a sentence on each loss, and the likely next command."""
    left_out = "".join(f", {number} left out ({reason})" for reason, number in summary.left_out.most_common())
    yield (
        f"{summary.clips:,} clips{left_out}, {len(summary.rows):,} questions, {summary.rejected:,} without an answer; "
        f"{summary.replies:,} replies asked for now, the others were in {summary.folder / 'probes.sqlite'}"
    )
    several = any(rate.corpus != ALL for rate in summary.rates)
    for rate in summary.rates:
        low, high = rate.interval
        corpus = f"{rate.corpus:<16} " if several else ""
        yield (
            f"  {corpus}{rate.reason:<26} {rate.flagged:>4} of {rate.clips:<4} {rate.share:>4.0%}  "
            f"[{low:.0%}, {high:.0%}]  {_MEANING[rate.reason]}"
        )
    for survival in summary.survivals:
        if survival.corpus == ALL:
            yield _sentence(survival)
    yield f"next: vaemo-annotate check {summary.folder}"


def _sentence(survival: Survival) -> str:
    what, lost = _LOSS[survival.kind]
    if survival.share is None:
        return f"the captions state nothing of {what} that is known here, so nothing could survive"
    return (
        f"{survival.share:.0%} of the statements about {what} survive when {lost} is taken away "
        f"({survival.survived:,} of {survival.before:,})"
    )
