"""All checks that see one clip at a time, and a batch of clips judged in a worker process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa

from vaemo_annotate.quality.agreement import agree
from vaemo_annotate.quality.caption_rows import rows_by_clip, rows_of
from vaemo_annotate.quality.consistency import ConsistencyCheck
from vaemo_annotate.quality.finding import Findings
from vaemo_annotate.quality.form import FormCheck
from vaemo_annotate.quality.grounding import GroundingCheck, segments
from vaemo_annotate.quality.leaks import LeakCheck
from vaemo_annotate.quality.measured_cues import CuesOf, cues_of
from vaemo_annotate.quality.near_duplicates import Signature, signatures
from vaemo_annotate.quality.settings import CheckSettings
from vaemo_clips.caption import caption_digest
from vaemo_clips.verdict import CaptionKey

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class JudgedCaption:
    """What the checks of one clip at a time say of a caption, and its signature for those across clips.

    `digest` is that of its words (`caption_digest`). `aspects` counts its claims by (aspect, state).
    """

    key: CaptionKey
    digest: str
    findings: Findings
    signature: Signature
    has_cues: bool
    aspects: Mapping[tuple[str, str], int]


class ClipChecks:
    """Form, leaks, grounding and consistency of captions, and the agreement of a clip's samples."""

    def __init__(self, settings: CheckSettings, cues: CuesOf) -> None:
        """Check by `settings`; `cues` gives what was measured in a caption's clip."""
        self._settings = settings
        self._cues = cues
        self._grounding = GroundingCheck(settings.grounding)
        self._others = (
            FormCheck(settings.form),
            LeakCheck(settings.leaks),
            ConsistencyCheck(settings.consistency),
        )

    def judge(self, rows: Sequence[Row]) -> list[JudgedCaption]:
        """Judge rows of whole clips, the samples of a clip beside each other."""
        marks = signatures(rows, self._settings.duplicates)
        agreements = [findings for clip in rows_by_clip(rows) for findings in agree(clip, self._settings.agreement)]
        together = zip(rows, marks, agreements, strict=True)
        return [self._judged(row, mark, agreement) for row, mark, agreement in together]

    def of_row(self, row: Row) -> Findings:
        """Return what is found in one caption by itself, of the reasons that are looked for."""
        return self._wanted([self._alone(self._with_cues(row))])

    def _judged(self, row: Row, mark: Signature, agreement: Findings) -> JudgedCaption:
        seen = self._with_cues(row)
        findings = self._wanted([self._alone(seen), agreement])
        key = row["clip_id"], row["sample_index"] or 0
        return JudgedCaption(key, caption_digest(row), findings, mark, bool(seen["cues"]), self._aspects(seen))

    def _aspects(self, row: Row) -> Counter[tuple[str, str]]:
        judged = segments(row, self._settings.grounding).values()
        return Counter((one.claim.aspect, one.state) for claims in judged for _, _, one in claims)

    def _with_cues(self, row: Row) -> Row:
        return {**row, "cues": self._cues(row)}

    def _alone(self, row: Row) -> Findings:
        return Findings.together([self._grounding(row), *(check(row) for check in self._others)])

    def _wanted(self, parts: Sequence[Findings]) -> Findings:
        found = Findings.together(parts)
        return Findings([one for one in found.findings if self._settings.is_on(one.reason)], found.scores)


def judge_batch(rules: str, out: str, batch: bytes) -> list[JudgedCaption]:
    """Judge a batch of whole clips, an Arrow stream; `rules` are CheckSettings as JSON. Runs in a worker process."""
    with pa.ipc.open_stream(batch) as stream:
        table = stream.read_all()
    return _checks(rules, out).judge(rows_of(table))


@lru_cache(maxsize=1)
def _checks(rules: str, out: str) -> ClipChecks:
    return ClipChecks(CheckSettings.model_validate_json(rules), cues_of(Path(out)))
