"""From the rows of an ablation to rates: how many clips are flagged, how many statements survive."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vaemo_annotate.probes.ablated_media import Kind
from vaemo_annotate.probes.ablation_row import LOST, REASONS, AblationRow

ALL = "all"
_Z_95 = 1.959964


@dataclass(frozen=True, slots=True)
class Rate:
    """`flagged` of `clips` clips of a corpus hold for a reason; [low, high] is the 95 % Wilson interval."""

    reason: str
    corpus: str
    flagged: int
    clips: int

    @property
    def share(self) -> float:
        """Return the share of flagged clips; 0 of none."""
        return self.flagged / self.clips if self.clips else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Return the interval of the share."""
        return wilson_interval(self.flagged, self.clips)

    def to_dict(self) -> dict[str, Any]:
        """Return what ablation.json keeps."""
        low, high = self.interval
        return {**asdict(self), "share": self.share, "low": low, "high": high}


@dataclass(frozen=True, slots=True)
class Survival:
    """Of `before` statements about what was then taken away, `survived` are made all the same."""

    kind: Kind
    corpus: str
    before: int
    after: int
    survived: int

    @property
    def share(self) -> float | None:
        """Return the share that survives; None where nothing had been stated."""
        return self.survived / self.before if self.before else None

    def to_dict(self) -> dict[str, Any]:
        """Return what ablation.json keeps."""
        return {**asdict(self), "share": self.share}


def wilson_interval(successes: int, trials: int, z: float = _Z_95) -> tuple[float, float]:
    """Return the score interval of a share, [0, 1] without trials. Wilson (1927), JASA 22(158), 209-212."""
    if not trials:
        return 0.0, 1.0
    share, spread = successes / trials, z * z / trials
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / trials + spread / (4 * trials))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def rates(rows: Sequence[AblationRow]) -> list[Rate]:
    """Return the rate of each reason over all clips, then per corpus where there are several."""
    found = []
    for corpus in _corpora(rows):
        own = [row for row in rows if corpus in (ALL, row.corpus)]
        for kind, reasons in REASONS.items():
            for reason in reasons:
                decided = [row for row in own if row.kind == kind and reason in row.judged]
                if decided:
                    found.append(Rate(reason, corpus, sum(reason in row.flags for row in decided), len(decided)))
    return found


def survivals(rows: Sequence[AblationRow]) -> list[Survival]:
    """Return what becomes of the statements about a modality that is taken away, by kind and corpus."""
    found = []
    for corpus in _corpora(rows):
        for kind in LOST:
            own = [
                row for row in rows if row.kind == kind and corpus in (ALL, row.corpus) and row.reject_reason is None
            ]
            if own and kind != "swapped":
                before, after = (sum(map(len, claims)) for claims in ([r.claims_before for r in own],
                                                                      [r.claims_after for r in own]))  # fmt: skip
                found.append(Survival(kind, corpus, before, after, sum(row.survivors for row in own)))
    return found


def _corpora(rows: Iterable[AblationRow]) -> list[str]:
    names = sorted({row.corpus for row in rows})
    return [ALL, *names] if len(names) > 1 else [ALL]
