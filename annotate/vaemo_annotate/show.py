"""Captions in the terminal."""

from __future__ import annotations

import unicodedata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from vaemo_annotate.dataset import load_rows
from vaemo_annotate.run_folder import RunFolder
from vaemo_clips.errors import RunFolderError

_DESCRIPTIONS = {"visual_description": "seen", "acoustic_description": "heard", "affect_description": "affect"}


def show_captions(out: Path, *, clip_id: str | None, count: int, rejects: bool, with_steps: bool) -> None:
    """Print captions (or rejects) of a run. Raises RunFolderError where there is no run or no such clip."""
    folder = RunFolder(out)
    record = folder.read_record()
    rows = load_rows(folder.rejects if rejects else folder.dataset)
    if clip_id is not None:
        positions = [position for position, name in enumerate(rows["clip_id"]) if name == clip_id]
        if not positions:
            other = "captions" if rejects else "rejects"
            raise RunFolderError(
                f"{out} has no {'reject' if rejects else 'caption'} of clip {clip_id!r}; look in its {other}"
            )
        rows = rows.select(positions)
    console = Console()
    for row in rows.select(range(min(count, len(rows)))):
        console.print(_text(row, with_steps))
    console.print(Text(_footer(out, record, len(rows), count, rejects)))


def _text(row: dict[str, Any], with_steps: bool) -> Text:
    text = Text()
    sample = f"  sample {row['sample_index']}" if row["sample_index"] else ""
    text.append(f"{printable(row['clip_id'])}{sample}", style="bold")
    text.append(f"  {row['duration_s']:.1f} s\n")
    if row.get("reject_reason"):
        text.append(f"  {row['reject_reason']}: {printable(row['reject_detail'])}\n", style="red")
    else:
        text.append(f"  {_affect_line(row)}\n", style="cyan")
        for column, label in _DESCRIPTIONS.items():
            text.append(f"  {label:<7}", style="dim").append(f"{printable(row[column] or '–')}\n")
    for step in row["steps"] if with_steps else []:
        tokens = f"{step['prompt_tokens']} + {step['completion_tokens']} tokens, {step['cached_tokens'] or 0} cached"
        text.append(
            f"  {step['name']} ({printable(step['finish_reason'])}, {tokens}, {step['latency_s']:.2f} s)\n", style="dim"
        )
        text.append(f"    {printable(step['reply'])}\n")
    return text


def printable(text: str) -> str:
    """Return a model's text without characters that could drive the terminal."""
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    return " " if character == "\t" or unicodedata.category(character) == "Zs" else "�"


def _affect_line(row: dict[str, Any]) -> str:
    def number(value: float | None) -> str:
        return "–" if value is None else f"{value:+.2f}"

    emotions = ", ".join(row["emotions"] or ["–"])
    confidence = "–" if row["confidence"] is None else f"{row['confidence']:.2f}"
    numbers = f"valence {number(row['valence'])}  arousal {number(row['arousal'])}  confidence {confidence}"
    return f"{printable(emotions)}   {numbers}"


def _footer(out: Path, record: dict[str, Any], available: int, count: int, rejects: bool) -> str:
    counts, engine, prompt = record["counts"], record["engine"], record["prompt"]
    what = "rejects" if rejects else "captions"
    return (
        f"{min(count, available)} of {available} {what} shown; the run: {counts['accepted']} captions, "
        f"{counts['rejected']} rejects, prompt {prompt['name']} {prompt['version']}, "
        f"model {printable(engine['model'])}\n"
        f"load it: datasets.load_from_disk({str(out / 'dataset')!r})\n"
        f"next: vaemo-annotate push {out} --repo USER/NAME --dry-run"
    )
