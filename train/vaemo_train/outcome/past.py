"""What a fold's model was trained on, and what it began with: told by the run.json beside each model before it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from vaemo_train.evaluate.folds import Column, texts
from vaemo_train.outcome.results_file import PastEntry, StageEntry


def past_of(clip_ids: Column, speakers: Column | None, init: Path | str) -> PastEntry:
    """Of the clips (n,) that a fold trains on, their speakers, and the model (or size, for random weights) `init`."""
    known = None if speakers is None else set(texts(speakers).tolist())
    return PastEntry(
        num_clips=len(set(texts(clip_ids).tolist())),
        num_speakers=None if known is None or None in known else len(known),
        init=str(init),
        stages=None if isinstance(init, str) else list(_stages(init)),
    )


def _stages(init: Path) -> Iterator[StageEntry]:
    """The run that a model lies in, then the one which that began with, and so on, as far as run.json tells."""
    place: Path | None = init
    seen: set[Path] = set()
    while place is not None and place not in seen:
        seen.add(place)
        try:
            record: Any = json.loads((place.resolve().parent / "run.json").read_text(encoding="utf-8"))
            command, counts, before = record.get("command"), record.get("counts") or {}, record.get("init")
        except (OSError, ValueError, AttributeError):
            return
        stage = command[1] if isinstance(command, list) and len(command) > 1 else "a training"
        yield StageEntry(stage=str(stage), clips=counts.get("clips"), rows=counts.get("rows"))
        place = Path(before) if isinstance(before, str) and Path(before).is_dir() else None


def began_with(past: PastEntry) -> str:
    """In words, without the folders of the machine: random weights, or the stages that the encoder went through."""
    if past.stages is None:
        return f"random weights ({past.init})"
    path = Path(past.init)
    name = (path.parent if path.name == "model" else path).name
    if not past.stages:
        return f"`{name}`, of which no record tells how it was trained"
    told = ", and before that ".join(_stage(stage) for stage in past.stages)
    return f"`{name}`, trained by {told}"


def _stage(stage: StageEntry) -> str:
    if stage.clips is None:
        return f"`{stage.stage}`"
    rows = "" if stage.rows in (None, stage.clips) else f" in {stage.rows:,} rows"
    return f"`{stage.stage}` on {stage.clips:,} clips{rows}"
