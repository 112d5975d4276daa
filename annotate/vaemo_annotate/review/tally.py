"""What came of a review so far: how much, how fast, how far people agree, and how good the captions are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from vaemo_annotate.quality.krippendorff import alpha
from vaemo_annotate.review.queue import share_with_interval
from vaemo_clips.verdict import CaptionKey, Verdict, decide

_PAUSE_S: Final = 300.0
"""A longer gap between two decisions is no time spent on a caption."""
_LAST = 50


def captions_per_hour(own: Sequence[Verdict]) -> float | None:
    """Return one person's speed over the last decisions, pauses left out; None before there are three."""
    times = sorted(verdict.at for verdict in own if verdict.at is not None)[-_LAST:]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    worked = [gap for gap in gaps if gap < _PAUSE_S]
    if len(worked) < 2 or not sum(worked) > 0:
        return None
    return 3600 * len(worked) / sum(worked)


def agreement(verdicts: Sequence[Verdict]) -> dict[str, Any]:
    """Return how far people agree on the captions that at least two of them judged.

    `alpha` is Krippendorff's over the words keep, fixed and drop (nominal), `alpha_usable` over usable (keep or
    fixed) against drop; None where it is not defined. `agreed` of `captions` are those on which all said the same.
    """
    by_caption: dict[CaptionKey, dict[str, str]] = {}
    for verdict in verdicts:
        by_caption.setdefault(verdict.key, {})[verdict.by] = verdict.verdict
    shared = [words for words in by_caption.values() if len(words) > 1]
    people = sorted({name for words in shared for name in words})
    data = [[words.get(name) for words in shared] for name in people]
    usable = [[None if word is None else word != "drop" for word in judge] for judge in data]
    return {
        "captions": len(shared),
        "agreed": sum(len(set(words.values())) == 1 for words in shared),
        "alpha": alpha(data) if shared else None,
        "alpha_usable": alpha(usable) if shared else None,
        "people": _people(verdicts),
    }


def _people(verdicts: Sequence[Verdict]) -> list[dict[str, Any]]:
    words: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        words.setdefault(verdict.by, Counter())[verdict.verdict] += 1
    return [
        {"name": name, "judged": count.total(), **{word: count[word] for word in ("keep", "fixed", "drop")}}
        for name, count in sorted(words.items())
    ]


def estimate(verdicts: Sequence[Verdict], sampled: Mapping[CaptionKey, Any]) -> dict[str, Any]:
    """Return the share of captions that people accept as they are, from those `sampled` by chance.

    `share`, `low` and `high` with the 95 % interval; over `captions` judged. A caption that was fixed was not good
    as it was.
    """
    by_caption: dict[CaptionKey, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.key in sampled:
            by_caption.setdefault(verdict.key, []).append(verdict)
    decided = [decide(said) for said in by_caption.values()]
    good = sum(verdict is not None and verdict.verdict == "keep" for verdict in decided)
    share, low, high = share_with_interval(good, len(decided))
    return {"captions": len(decided), "share": share if decided else None, "low": low, "high": high}
