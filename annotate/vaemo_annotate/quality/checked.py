"""A checked run as others read it: captions with their verdicts in the dataset's order, and what was found in one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from vaemo_annotate.quality import check_record
from vaemo_annotate.quality.caption_rows import read_tables, rows_of
from vaemo_annotate.quality.finding import Finding
from vaemo_annotate.quality.held_verdicts import HeldVerdicts
from vaemo_annotate.quality.measured_cues import CuesOf, cues_of
from vaemo_annotate.quality.near_duplicates import NEAR_DUPLICATE, ROW_SCORE, SIMILARITY_SCORE
from vaemo_annotate.quality.row_checks import ClipChecks
from vaemo_annotate.quality.settings import CheckSettings
from vaemo_annotate.run_folder import RunFolder
from vaemo_annotate.verdict_table import people_verdicts, software_verdicts
from vaemo_clips.caption import caption_digest
from vaemo_clips.verdict import Verdict, current

_ELSEWHERE = "agreement", "ablation"


class Checked:
    """The captions of a finished run and what is known of them; a run that was never checked has no verdicts."""

    def __init__(self, out: Path, run: Mapping[str, Any], record: Mapping[str, Any] | None) -> None:
        """Hold the run folder `out`, its run.json and its check.json; `open` reads them."""
        self.out = out
        self.run = run
        self.record = record
        self.num_stale = 0
        """Verdicts on other words than the dataset's, which were left out while the captions were gone through."""

    @classmethod
    def open(cls, out: Path) -> Checked:
        """Open a run folder. Raises RunFolderError where there is no finished run."""
        return cls(out, RunFolder(out).read_record(), check_record.read_record(out))

    def __iter__(self) -> Iterator[tuple[dict[str, Any], list[Verdict]]]:
        """Yield each row of the dataset, whole, with the verdicts that count on it: the software's, then people's.

        Memory holds some rows at a time. Raises RunFolderError, CaptionError.
        """
        self.num_stale = 0
        people = people_verdicts(self.out)
        with HeldVerdicts(software_verdicts(self.out)) as by_software:
            for table in read_tables(RunFolder(self.out).dataset):
                for row in rows_of(table):
                    key = row["clip_id"], row["sample_index"] or 0
                    software = by_software.take(key)
                    found = [*([software] if software else ()), *people.get(key, ())]
                    yield row, self._current(row, found)
            self.num_stale += by_software.num_left()

    def cues_of(self, row: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Return the cues that a caption was held against: its own, else those that `check --measure` measured."""
        return self._cues(row)

    def findings_of(self, row: Mapping[str, Any], verdicts: Sequence[Verdict] = ()) -> list[Finding]:
        """Find again what is wrong with one caption, with details and places in its texts.

        What needs other captions or the model is taken from the software's verdict among `verdicts`, without a place.
        """
        found = list(self._checks.of_row(row).findings)
        for verdict in verdicts:
            if verdict.is_by_software:
                found += [
                    Finding(reason, _detail(reason, verdict)) for reason in verdict.reasons if _is_elsewhere(reason)
                ]
        return found

    @cached_property
    def settings(self) -> CheckSettings:
        """The rules that the run was checked by; the shipped ones where it was not, or by another version."""
        return check_record.settings_of(self.record)[0]

    @cached_property
    def settings_note(self) -> str:
        """Why `settings` are not the rules that the run was checked by, in a line; empty where they are."""
        return check_record.settings_of(self.record)[1]

    @cached_property
    def _cues(self) -> CuesOf:
        return cues_of(self.out)

    @cached_property
    def _checks(self) -> ClipChecks:
        return ClipChecks(self.settings, self._cues)

    def _current(self, row: Mapping[str, Any], verdicts: list[Verdict]) -> list[Verdict]:
        if not verdicts:
            return []
        fresh = current(verdicts, caption_digest(row))
        self.num_stale += len(verdicts) - len(fresh)
        return fresh


def _is_elsewhere(reason: str) -> bool:
    return reason == NEAR_DUPLICATE or reason.partition(".")[0] in _ELSEWHERE


def _detail(reason: str, verdict: Verdict) -> str:
    scores = verdict.scores
    if reason == NEAR_DUPLICATE and ROW_SCORE in scores:
        return (
            f"{scores[SIMILARITY_SCORE]:.0%} of what it says stands in row {scores[ROW_SCORE]:.0f} of the dataset too"
        )
    if reason.startswith("agreement.") and "agreement.share" in scores:
        return (
            f"{scores['agreement.share']:.0%} of the {scores['agreement.votes']:.0f} samples that vote agree "
            f"({scores['agreement.entropy_bits']:.2f} bits)"
        )
    return "see ablation.json"
