"""The rules of `check`: thresholds of every check, and what follows from each reason."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, ValidationError

from vaemo_annotate.quality.agreement import AgreementSettings
from vaemo_annotate.quality.consistency import ConsistencySettings
from vaemo_annotate.quality.form import FormSettings
from vaemo_annotate.quality.judgement import GroundingSettings
from vaemo_annotate.quality.leaks import LeakSettings
from vaemo_annotate.quality.near_duplicates import DuplicateSettings
from vaemo_clips.errors import UserError
from vaemo_clips.settings_file import fault_report, pydantic_faults, read_mapping


def _as_written(value: object) -> object:
    """YAML 1.1 reads an unquoted off as False."""
    return "off" if value is False else value


Action = Annotated[Literal["drop", "flag", "off"], BeforeValidator(_as_written)]
"""drop: the caption does not count; flag: it counts and the reason is noted; off: it is not looked at."""

REASONS: Final = (
    "form.missing_text", "form.too_short", "form.too_long", "form.wrong_language", "form.gibberish",
    "form.repetitive", "form.near_duplicate", "form.refusal", "form.truncated",
    "leak.label", "leak.transcript", "leak.name", "leak.identity", "leak.dataset", "leak.gender",
    "grounding.contradicted", "grounding.unsupported", "grounding.low_support",
    "consistency.valence", "consistency.arousal", "consistency.unknown_emotion", "consistency.opposed",
    "agreement.minority", "agreement.low",
    "ablation.sound_invented", "ablation.picture_invented", "ablation.sound_ignored", "ablation.picture_ignored",
)  # fmt: skip
"""Every reason that the software gives, in the order in which a verdict lists them."""
GROUPS: Final = tuple(dict.fromkeys(reason.partition(".")[0] for reason in REASONS))

_RULE = "a rules file is a mapping with 'version', 'form', 'leaks', …, 'actions', as the shipped check.yaml"


def _all_and_no_other(actions: dict[str, Action]) -> dict[str, Action]:
    if missing := [reason for reason in REASONS if reason not in actions]:
        raise ValueError(f"no action for {', '.join(missing)}; every reason needs one: drop, flag or off")
    if unknown := [reason for reason in actions if reason not in REASONS]:
        raise ValueError(f"no such reason: {', '.join(unknown)}; the reasons are {', '.join(REASONS)}")
    return actions


class CheckSettings(BaseModel):
    """What check.yaml holds: a section for each check, and an action for every reason."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1]
    form: FormSettings
    leaks: LeakSettings
    grounding: GroundingSettings
    consistency: ConsistencySettings
    agreement: AgreementSettings
    duplicates: DuplicateSettings
    actions: Annotated[dict[str, Action], AfterValidator(_all_and_no_other)]

    @property
    def sha256(self) -> str:
        """Digest of the content; comments and layout of the file do not count."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    def to_dict(self) -> dict[str, Any]:
        """Return the content as JSON has it, sets in order."""
        content: dict[str, Any] = json.loads(json.dumps(self.model_dump(), default=sorted))
        return content

    def is_on(self, reason: str) -> bool:
        """Whether a reason is looked for at all."""
        return self.actions[reason] != "off"

    def drops(self, reason: str) -> bool:
        """Whether a caption with this reason does not count."""
        return self.actions[reason] == "drop"


def load_settings(path: Path | None = None) -> CheckSettings:
    """Read and check a rules file, the shipped one unless another is given.

    Raises UserError that lists every fault with its path in the file.
    """
    return _shipped() if path is None else _read(path)


@cache
def _shipped() -> CheckSettings:
    with as_file(files("vaemo_annotate.quality") / "check.yaml") as path:
        return _read(path)


def _read(path: Path) -> CheckSettings:
    content = read_mapping(path, UserError, "rules", _RULE)
    try:
        return CheckSettings.model_validate(content)
    except ValidationError as error:
        raise UserError(fault_report(path, pydantic_faults(error, "rules"))) from error
