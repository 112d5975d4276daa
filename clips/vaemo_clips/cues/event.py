"""The event record: a stretch of the clip in which a cue's curve is clearly away from the norm."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

Direction = Literal["up", "down"]
Against = Literal["speaker", "people"]
"""What a distance is measured from: the speaker's other clips, or people's neutral clips."""


@dataclass(frozen=True, slots=True)
class Event:
    """A stretch [begin_s, end_s) in seconds from the clip's begin, in which `cue` lies off the norm.

    `sd` is the distance from the mean of `against` in standard deviations; its sign is that of `direction`
    and may be left out. Raises ValueError where that does not hold.
    """

    cue: str
    begin_s: float
    end_s: float
    direction: Direction
    sd: float
    against: Against = "people"

    def __post_init__(self) -> None:
        """Check the record."""
        if not 0 <= self.begin_s < self.end_s < math.inf:
            raise ValueError(f"event of {self.cue}: [{self.begin_s}, {self.end_s}) s is no stretch of a clip")
        if self.direction not in get_args(Direction) or self.against not in get_args(Against):
            raise ValueError(f"event of {self.cue}: direction={self.direction!r}, against={self.against!r}")
        if not math.isfinite(self.sd):
            raise ValueError(f"event of {self.cue}: sd={self.sd} is not finite")

    @property
    def signed_sd(self) -> float:
        """The distance with the sign of the direction."""
        return abs(self.sd) if self.direction == "up" else -abs(self.sd)
