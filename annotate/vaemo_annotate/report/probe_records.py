"""What the probes of a run left behind, as the report shows it: canaries in run.json, the ablation in ablation.json."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from vaemo_annotate.published.checks import ABLATION_FILE, read_ablation
from vaemo_clips.errors import RunFolderError


class CanarySample(BaseModel):
    """One reply to a canary."""

    outcome: str = ""
    quote: str = ""


class Canary(BaseModel):
    """One canary: what it came to, what was sent, what was replied."""

    outcome: str
    sent: str = ""
    samples: list[CanarySample] = []

    @property
    def quote(self) -> str:
        """One of the replies that decided; where none did, the first."""
        alike = [sample for sample in self.samples if sample.outcome == self.outcome] or self.samples
        return alike[0].quote if alike else ""


class Canaries(BaseModel):
    """All canaries of a run, by name."""

    outcomes: dict[str, Canary] = {}


class AblationRate(BaseModel):
    """`flagged` of `clips` clips; [low, high] is the 95 % interval of the share."""

    reason: str
    corpus: str
    flagged: int
    clips: int
    share: float
    low: float
    high: float


class Ablation(BaseModel):
    """How often a modality was invented or ignored."""

    clips: int
    rates: list[AblationRate] = []


def canaries_of(recorded: Any, out: Path) -> Canaries:
    """Read the canaries of run.json. Raises RunFolderError where they are something else."""
    try:
        return Canaries.model_validate(recorded or {})
    except ValidationError as error:
        raise _broken(out / "run.json", "canaries", error) from error


def ablation_of(out: Path, model: str | None) -> tuple[Ablation | None, str | None]:
    """Read ablation.json, None where there is none or it is not of these captions, made by `model`; and why it is not.

    Raises RunFolderError where it is something else.
    """
    recorded, left_out = read_ablation(out, model)
    try:
        return None if recorded is None else Ablation.model_validate(recorded), left_out
    except ValidationError as error:
        raise _broken(out / ABLATION_FILE, "rates", error) from error


def _broken(path: Path, what: str, error: ValidationError) -> RunFolderError:
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return RunFolderError(f"{path} holds no {what}: {place}: {first['msg']}; make it anew, or remove it")
