"""What the software says of a caption: the verdict that `check` wrote, and each finding with its place in the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from vaemo_annotate.quality.check_record import RECORD_FILE, read_record, settings_of
from vaemo_annotate.quality.finding import Finding
from vaemo_annotate.quality.grounding import segments
from vaemo_annotate.quality.judgement import JudgedClaim
from vaemo_annotate.quality.measured_cues import cues_of
from vaemo_annotate.quality.row_checks import ClipChecks
from vaemo_annotate.review.queue import risk_of
from vaemo_annotate.review.sheet import Judged, Mark
from vaemo_annotate.verdict_table import software_verdicts
from vaemo_annotate.wording.measures import human_name
from vaemo_clips.errors import CaptionError
from vaemo_clips.verdict import SOFTWARE, VERDICTS_FILE, CaptionKey, Verdict

_OF_OTHERS: Final = {
    "form.near_duplicate": "it says nearly the same as the caption of another clip",
    "agreement.minority": "most samples of this clip name another emotion",
    "agreement.low": "the samples of this clip do not agree",
    "ablation.sound_invented": "with the sound muted, sound was described all the same",
    "ablation.picture_invented": "with the picture blanked, a face was described all the same",
    "ablation.sound_ignored": "what was heard made no difference to what was said of it",
    "ablation.picture_ignored": "what was seen made no difference to what was said of it",
}
"""Findings that rest on more than the caption itself, in words."""
_STATES: Final = {
    "supported": "supported",
    "contradicted": "contradicted",
    "not_measurable": "not measurable",
    "unclear": "too close to tell",
}
_SHOWN: Final = ("sample_index", "verdict", "reasons", "by", "fixed_description", "caption_sha256")
"""Columns of the verdict table."""
_AGAINST: Final = {"speaker": "from the speaker's other clips", "people": "from other people"}


class Opinion:
    """What `check` wrote of a run's captions, and the same checks once more for the caption that is looked at.

    Verdicts stay on the disk: one is read when its caption is looked at, so that a `check` meanwhile is noticed.
    """

    def __init__(self, out: Path) -> None:
        """Take the rules that the run folder `out` was checked by."""
        self._out = out
        self._renew()

    def _renew(self) -> None:
        self._checked_at = _changed_at(self._out / RECORD_FILE)
        self._rules = settings_of(read_record(self._out))[0]
        self._cues = cues_of(self._out)
        self._checks = ClipChecks(self._rules, self._cues)

    def risks(self, rows_by_key: Mapping[CaptionKey, int], num_rows: int) -> NDArray[np.float64]:
        """Return of each row (N,) how likely it is wrong by its verdict; 0 without one. Raises CaptionError."""
        risks = np.zeros(num_rows)
        for verdict in software_verdicts(self._out):
            if (row := rows_by_key.get(verdict.key)) is not None:
                risks[row] = risk_of(verdict)
        return risks

    def of(self, row: Mapping[str, Any], digest: str) -> Judged:
        """Judge one caption; a verdict on other words than `digest` says does not count. Raises CaptionError."""
        if _changed_at(self._out / RECORD_FILE) != self._checked_at:
            self._renew()
        verdict = software_verdict(self._out / VERDICTS_FILE, (row["clip_id"], row["sample_index"] or 0))
        if verdict is not None and verdict.caption_sha256 not in (None, digest):
            verdict = None
        found = self._checks.of_row(row).findings
        findings = list(found) if verdict is None else _explained(verdict, found)
        cues = self._cues(row)
        claims = segments({**row, "cues": cues}, self._rules.grounding)
        claim_marks = [_claim_mark(one) for of_column in claims.values() for _, _, one in of_column]
        return Judged(verdict, findings, [*claim_marks, *_finding_marks(findings)], cues)


def software_verdict(path: Path, key: CaptionKey) -> Verdict | None:
    """Read what `check` wrote of one caption, without scores; None where it wrote nothing. Raises CaptionError."""
    if not path.exists():
        return None
    try:
        columns = [name for name in _SHOWN if name in pq.read_schema(path).names]
        rows = pq.read_table(path, columns=columns, filters=pc.field("clip_id") == key[0]).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise CaptionError(f"{path} cannot be read ({error!s:.300}); mend it, or delete it and check again") from error
    own = [row for row in rows if (row.get("by") or SOFTWARE) == SOFTWARE and (row["sample_index"] or 0) == key[1]]
    return _verdict(key, own[-1]) if own else None


def _verdict(key: CaptionKey, row: Mapping[str, Any]) -> Verdict:
    reasons = tuple(row.get("reasons") or ())
    fixed, digest = row.get("fixed_description"), row.get("caption_sha256")
    return Verdict(*key, row["verdict"], reasons, fixed_description=fixed, caption_sha256=digest)


def _changed_at(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None


def _explained(verdict: Verdict, found: Sequence[Finding]) -> list[Finding]:
    """The verdict's reasons in its order, each with the details that looking again at the caption gives."""
    explained: list[Finding] = []
    for reason in verdict.reasons:
        same = [finding for finding in found if finding.reason == reason]
        explained += same or [Finding(reason, _OF_OTHERS.get(reason, ""))]
    return explained


def _finding_marks(findings: Sequence[Finding]) -> list[Mark]:
    """Marks of findings that no claim's colour shows already."""
    return [
        Mark(finding.column, *finding.span, "finding", f"{finding.reason}: {finding.detail}")
        for finding in findings
        if finding.column is not None and finding.span is not None and finding.reason != "grounding.contradicted"
    ]


def _claim_mark(one: JudgedClaim) -> Mark:
    said = f"{'not ' * one.claim.is_negated}{one.claim.aspect.replace('_', ' ')} {one.claim.direction}"
    note = f"{said}: {_STATES[one.state]}"
    if one.cue is not None and one.value is not None:
        note += f" ({human_name(one.cue)} is {one.value:.3g}"
        note += f", {one.sd:+.1f} sd {_AGAINST.get(one.against or '', '')})" if one.sd is not None else ")"
    return Mark(one.claim.column, *one.claim.span, one.state, note)
