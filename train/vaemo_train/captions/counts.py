"""How many captions were found, how many are used, and what became of the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_MOST_SHOWN = 3


@dataclass(frozen=True, slots=True)
class CaptionCounts:
    """Captions, unless the name says clips or texts: used + left_out = found.

    Left out are `copies` (the same caption in another dataset), those `dropped` by a verdict, those `of_rejected`
    clips (that have no shard row since `prepare` rejected them), `of_unknown` clips, and `empty` ones. `fixed` (of
    the used ones) have another affect description by a verdict. By path: `blank` descriptions of captions that are
    used or empty, and `repeated` ones, that a clip has already. `clips_of_other_content` have captions of a file
    with another sha256 than the shards' clip of that name. `skipped` says what was passed over in the folder.
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
                f"{_count(self.clips_of_other_content, 'clip')} with captions of a file of other content (sha256) "
                "than the shards have under that clip_id; check that both are made from the same clips"
            )
        yield from self.skipped[:_MOST_SHOWN]
        if len(self.skipped) > _MOST_SHOWN:
            yield f"{len(self.skipped) - _MOST_SHOWN:,} more folders passed over"

    def left_out_lines(self) -> Iterator[str]:
        """How many captions are not used, and why, if any."""
        if self.left_out:
            yield f"{self.left_out:,} of {_count(self.found, 'caption')} left out: {self._reasons()}"

    def _reasons(self) -> str:
        reasons = {
            "copies of others": self.copies,
            "dropped by a verdict": self.dropped,
            "of clips that `prepare` rejected": self.of_rejected,
            "of clips that the shards do not have": self.of_unknown,
            "without any description": self.empty,
        }
        return ", ".join(f"{count:,} {reason}" for reason, count in reasons.items() if count)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _by_path(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{path} {count:,}" for path, count in counts.items() if count)
