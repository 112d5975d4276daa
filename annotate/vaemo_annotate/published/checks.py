"""What quality control left beside a run, as far as readers of the Hub may know it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ValidationError

from vaemo_annotate.probes.ablation import read_stale
from vaemo_clips.errors import RunFolderError
from vaemo_clips.hub.portable import portable_json
from vaemo_clips.hub.refusal import one_line
from vaemo_clips.settings_file import pydantic_faults

CHECK_FILE: Final = "check.json"
ABLATION_FILE: Final = "ablation.json"


class ReasonCount(BaseModel):
    """What follows from a reason (drop, flag, off), in how many captions it was found, and how many of them dropped."""

    action: str
    captions: int
    dropped: int | None = None


class RulesRecord(BaseModel):
    """Which rules were held against the captions; where their file lay is left behind."""

    sha256: str | None = None


class CheckRecord(BaseModel):
    """What `vaemo-annotate check` counted: a view of check.json. `settings` are its thresholds by section."""

    captions: int
    kept: int
    dropped: int
    flagged: int = 0
    reasons: dict[str, ReasonCount] = {}
    settings: Annotated[dict[str, Any], AfterValidator(portable_json)] = {}
    rules: RulesRecord = RulesRecord()


def read_check(out: Path) -> CheckRecord | None:
    """The counts of `check`, None where it never ran. Raises RunFolderError where they cannot be read."""
    content = _read(out / CHECK_FILE)
    if content is None:
        return None
    try:
        return CheckRecord.model_validate(content)
    except ValidationError as error:
        faults = one_line("; ".join(pydantic_faults(error, "check.json")))
        raise RunFolderError(f"{out / CHECK_FILE} holds no counts: {faults}; {_AGAIN}") from error


def read_ablation(out: Path, model: str | None) -> tuple[dict[str, Any] | None, str | None]:
    """The results of `check --ablate`, None where it never ran or they are not of these captions; and why they are not.

    `model` is the run's. Raises RunFolderError where they cannot be read.
    """
    content = _read(out / ABLATION_FILE)
    if content is not None and not isinstance(content, dict):
        raise RunFolderError(f"{out / ABLATION_FILE} holds a {type(content).__name__}; {_AGAIN}")
    if content is None:
        return None, None
    if content.get("model") != model:
        return None, f"{ABLATION_FILE} is of model {content.get('model')}, the captions are of {model}; {_LEFT_OUT}"
    if stale := read_stale(out):
        return None, f"{ABLATION_FILE} is of {stale:,} clips whose captions changed since; {_LEFT_OUT}"
    return content, None


_LEFT_OUT: Final = "it is left out; run `vaemo-annotate check --ablate` again"
_AGAIN: Final = "run `vaemo-annotate check` again"


def _read(path: Path) -> Any:
    try:
        return portable_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path} cannot be read: {one_line(error)}; {_AGAIN}") from error
