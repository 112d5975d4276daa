"""check.json: what a `check` looked for and found, in numbers; the marker that is written last.

Keys: captions, kept, dropped, flagged (kept, with a reason), judged_by_people (in the words they have now),
judged_in_other_words (by people, and in these by none); reasons {reason: {action, captions,
dropped, example {clip_id, sample_index}}}, without those that are off; groups {group: captions with a reason of it};
cues {with, without, measured, failed {reason: clips}, note}; grounding {aspect: {state: claims}}; scores {name: a
histogram: count, mean, least, most, low, width, counts}; settings; rules {path, sha256}; packages; started_at, seconds,
workers.
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from vaemo_annotate.quality.histogram import Histogram
from vaemo_annotate.quality.measured_cues import Measuring
from vaemo_annotate.quality.row_checks import JudgedCaption
from vaemo_annotate.quality.settings import GROUPS, REASONS, CheckSettings, load_settings
from vaemo_clips.errors import RunFolderError
from vaemo_clips.verdict import CaptionKey, Verdict, current
from vaemo_clips.whole_file import write_text

RECORD_FILE: Final = "check.json"
PACKAGES: Final = ("vaemo", "numpy", "py3langid", "pyarrow", "pyemotionwheel", "rensa", "vaderSentiment")


@dataclass(slots=True)
class CheckTally:
    """Counts over the captions judged so far."""

    captions: int = 0
    dropped: int = 0
    flagged: int = 0
    with_cues: int = 0
    judged_by_people: int = 0
    judged_in_other_words: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    dropped_with: Counter[str] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    examples: dict[str, CaptionKey] = field(default_factory=dict)
    aspects: Counter[tuple[str, str]] = field(default_factory=Counter)
    scores: dict[str, Histogram] = field(default_factory=dict)

    @property
    def kept(self) -> int:
        """Captions that count."""
        return self.captions - self.dropped

    def note(self, judged: JudgedCaption, verdict: Verdict, of_people: Sequence[Verdict] = ()) -> None:
        """Count a caption, the verdict on it, and what people said of it."""
        is_dropped = verdict.verdict == "drop"
        self.captions += 1
        self.dropped += is_dropped
        self.flagged += not is_dropped and bool(verdict.reasons)
        self.with_cues += judged.has_cues
        is_judged_by_people = bool(current(of_people, judged.digest))
        self.judged_by_people += is_judged_by_people
        self.judged_in_other_words += bool(of_people) and not is_judged_by_people
        self.aspects.update(judged.aspects)
        self.groups.update({reason.partition(".")[0] for reason in verdict.reasons})
        for reason in verdict.reasons:
            self.reasons[reason] += 1
            self.dropped_with[reason] += is_dropped
            self.examples.setdefault(reason, verdict.key)
        for name, value in verdict.scores.items():
            self.scores.setdefault(name, Histogram()).add(value)

    def to_dict(self, settings: CheckSettings) -> dict[str, Any]:
        """Return the counts for check.json."""
        return {
            "captions": self.captions,
            "kept": self.kept,
            "dropped": self.dropped,
            "flagged": self.flagged,
            "judged_by_people": self.judged_by_people,
            "judged_in_other_words": self.judged_in_other_words,
            "reasons": {reason: self._reason(reason, settings) for reason in REASONS if settings.is_on(reason)},
            "groups": {group: self.groups[group] for group in GROUPS},
            "grounding": self._grounding(),
            "scores": {name: self.scores[name].to_dict() for name in sorted(self.scores)},
        }

    def _reason(self, reason: str, settings: CheckSettings) -> dict[str, Any]:
        example = self.examples.get(reason)
        return {
            "action": settings.actions[reason],
            "captions": self.reasons[reason],
            "dropped": self.dropped_with[reason],
            "example": {"clip_id": example[0], "sample_index": example[1]} if example else None,
        }

    def _grounding(self) -> dict[str, dict[str, int]]:
        aspects: dict[str, dict[str, int]] = {}
        for (aspect, state), count in sorted(self.aspects.items()):
            aspects.setdefault(aspect, {})[state] = count
        return aspects


@dataclass(frozen=True, slots=True)
class CheckSummary:
    """A finished check: the run folder and the content of its check.json."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def kept(self) -> int:
        """Captions that count, as far as the software is asked."""
        return int(self.record["kept"])

    @property
    def dropped(self) -> int:
        """Captions that do not."""
        return int(self.record["dropped"])


def cues_record(tally: CheckTally, measuring: Measuring | None) -> dict[str, Any]:
    """Return how many captions had cues to be held against, and what became of measuring the others."""
    done = measuring or Measuring()
    return {
        "with": tally.with_cues, "without": tally.captions - tally.with_cues, "measured": done.measured,
        "failed": dict(done.failed.most_common()), "note": done.note,
    }  # fmt: skip


def rules_record(settings: CheckSettings, path: Path | None) -> dict[str, Any]:
    """Return where the rules came from, and their digest."""
    return {"path": str(path) if path else "shipped", "sha256": settings.sha256}


def packages() -> dict[str, str]:
    """Return the versions of the packages that have a say in what is found."""
    return {name: version(name) for name in PACKAGES}


def write_record(out: Path, record: Mapping[str, Any]) -> None:
    """Write check.json whole. Raises RunFolderError."""
    try:
        write_text(out / RECORD_FILE, json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    except OSError as error:
        raise RunFolderError(f"{out / RECORD_FILE} cannot be written ({error.strerror}); free disk space") from error


class _Record(BaseModel):
    """What readers count on; what else stands there is theirs to do without."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    captions: int
    kept: int
    dropped: int
    flagged: int
    grounding: dict[str, dict[str, int]]
    settings: dict[str, Any]


def read_record(out: Path) -> dict[str, Any] | None:
    """Return check.json; None where the run was not checked.

    Its counts are there, and `settings` is a mapping, which `settings_of` reads. Raises RunFolderError for one that
    cannot be read or is of a version that had other counts.
    """
    path = out / RECORD_FILE
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        _Record.model_validate(record)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        reason = _faults(error) if isinstance(error, ValidationError) else str(error)
        raise RunFolderError(
            f"{path} cannot be read ({reason}); run `vaemo-annotate check {shlex.quote(str(out))}` again"
        ) from error
    return record


def settings_of(record: Mapping[str, Any] | None) -> tuple[CheckSettings, str]:
    """Return the rules of a check by its check.json, and a note, empty unless they are not those that it used.

    The shipped rules stand in where the run was not checked (None), and where another version checked it by rules that
    this one cannot follow; then the note says so in a line.
    """
    if record is None:
        return load_settings(), ""
    try:
        return CheckSettings.model_validate(record["settings"]), ""
    except ValidationError as error:
        return load_settings(), (
            f"the rules of {RECORD_FILE} are of another version ({_faults(error)}): places and details are found by "
            "the shipped rules; check again for verdicts by these"
        )


def _faults(error: ValidationError) -> str:
    first = error.errors()[0]
    more = f", and {error.error_count() - 1} more" if error.error_count() > 1 else ""
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}{more}" if place else f"{first['msg']}{more}"
