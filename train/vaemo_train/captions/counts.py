"""How many captions were found, how many are used, and what became of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

_MOST_SHOWN = 3
_REASONS: Final = {
    "copies": "copies of others",
    "dropped": "dropped by a verdict",
    "of_rejected": "of clips that `prepare` rejected",
    "of_unknown": "of clips that the shards do not have",
    "empty": "without any description",
}
"""Why captions are left out, in words."""


@dataclass(frozen=True, slots=True)
class CaptionCounts:
    """Captions, unless the name says clips or texts: used + left_out = found.

    Left out are `copies` (the same caption in another dataset), those `dropped` by a verdict, those `of_rejected`
    clips (that have no shard row since `prepare` rejected them), `of_unknown` clips, and `empty` ones. `fixed` (of
    the used ones) have another affect description by a verdict. By path: `blank` descriptions of captions that are
    used or empty, and `repeated` ones, that a clip has already. `clips_of_other_content` have captions of a file
    with another sha256, or of another segment, than the shards' clip of that name. `skipped` says what was passed over
    in the folder.
    """

    folder: Path
    datasets: int
    found: int
    copies: int
    dropped: int
    of_rejected: int
    of_unknown: int
    empty: int
    used: int
    fixed: int
    texts: int
    clips: int
    clips_with_captions: int
    training_clips: int
    training_clips_with_captions: int
    clips_of_other_content: int
    blank: Mapping[str, int] = field(default_factory=dict)
    repeated: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()

    @property
    def left_out(self) -> int:
        """Captions that are not used, for whatever reason."""
        return self.copies + self.dropped + self.of_rejected + self.of_unknown + self.empty

    def as_dict(self) -> dict[str, Any]:
        """For a record in JSON."""
        return {**asdict(self), "folder": str(self.folder), "skipped": list(self.skipped), "left_out": self.left_out}

    def lines(self) -> Iterator[str]:
        """What a user is told: what there is, then in a line each what is left out, mended or odd, if anything is."""
        share = f" ({self.training_clips_with_captions / self.training_clips:.0%})" if self.training_clips else ""
        yield (
            f"{_count(self.datasets, 'caption dataset')} in {self.folder}: {_count(self.used, 'caption')} of "
            f"{_count(self.clips_with_captions, 'clip')}; {self.training_clips_with_captions:,} of "
            f"{_count(self.training_clips, 'training clip')}{share} have captions"
        )
        yield from self.left_out_lines()
        if self.fixed:
            yield f"{_count(self.fixed, 'affect description')} as fixed by a verdict"
        if any(self.blank.values()):
            yield f"blank descriptions: {_by_path(self.blank)}"
        if any(self.repeated.values()):
            yield f"descriptions that their clip has already: {_by_path(self.repeated)}"
        if self.clips_of_other_content:
            yield (
                f"{_count(self.clips_of_other_content, 'clip')} with captions of a file or segment of other content "
                "(sha256, start_s, end_s) than the shards have under that clip_id; check that both are made from the "
                "same clips"
            )
        yield from self.skipped_lines()

    def skipped_lines(self) -> Iterator[str]:
        """What was passed over in the folder, if anything: the first of it, and how much more."""
        yield from self.skipped[:_MOST_SHOWN]
        if len(self.skipped) > _MOST_SHOWN:
            yield f"{len(self.skipped) - _MOST_SHOWN:,} more folders passed over"

    def left_out_lines(self) -> Iterator[str]:
        """How many captions are not used, and why, if any."""
        if self.left_out:
            reasons = left_out_reasons({name: getattr(self, name) for name in _REASONS})
            yield f"{self.left_out:,} of {_count(self.found, 'caption')} left out: {reasons}"


def left_out_reasons(counts: Mapping[str, int]) -> str:
    """Why captions are not used, from their numbers by the names of CaptionCounts; "" where there are none."""
    return ", ".join(f"{counts[name]:,} {words}" for name, words in _REASONS.items() if counts[name])


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _by_path(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{path} {count:,}" for path, count in counts.items() if count)
