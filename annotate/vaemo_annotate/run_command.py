"""Between the command line and the run: settings from options, and the words at the end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vaemo_annotate.pilot import pilot_lines
from vaemo_annotate.probes.canaries import canary_line
from vaemo_annotate.prompt import load_prompt
from vaemo_annotate.run import RunSummary
from vaemo_annotate.settings import RunSettings
from vaemo_clips.errors import UserError

CAPTIONS = Path("manifests/captions")


def read_settings(out: Path | None, prompt: Path, **options: Any) -> RunSettings:
    """Return the settings of a run. Raises UserError that names the option."""
    folder = out or CAPTIONS / load_prompt(prompt).name
    try:
        return RunSettings(prompt=prompt, out=folder, **options)
    except ValidationError as error:
        fault = error.errors()[0]
        option = str(fault["loc"][0]).removesuffix("_s").replace("_", "-")
        reason = fault["msg"].removeprefix("Value error, ")
        shown = "" if option == "vllm-args" else f" {fault['input']}"  # arguments can hold keys
        raise UserError(f"--{option}{shown}: {reason}") from error


def summary_lines(summary: RunSummary) -> Iterator[str]:
    """Yield what a user wants to know at the end of a run, and the likely next command."""
    counts = summary.counts
    rejects = ", ".join(f"{reason} {count}" for reason, count in counts.rejects.most_common()) or "none"
    yield (
        f"{counts.accepted:,} captions + {counts.rejected:,} rejects = {counts.done:,} "
        f"in {summary.folder}; rejects: {rejects}; "
        f"{counts.replies:,} replies asked for now, the others were in the ledger"
    )
    if line := canary_line(summary.record["canaries"]):
        yield line
    if summary.record["pilot"]:
        yield from pilot_lines(summary)
    elif summary.record["settings"]["shard"]:
        yield f"next, when all shards are done: vaemo-annotate merge {summary.folder.parent}"
    elif counts.accepted:
        yield f"next: vaemo-annotate show {summary.folder}"
    else:
        yield f"next: vaemo-annotate show {summary.folder} --rejects"
