"""The cue record: one measured quantity of a clip, or the reason why it could not be measured."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

State = Literal["measured", "weak", "not_measurable"]
"""`weak`: there is a value, but the source cannot carry much (a furrow in a mesh, 0.2 s of speech)."""

Reason = Literal[
    # of a face cue
    "no_video", "no_face", "face_too_small", "too_dark", "profile", "face_mostly_absent", "too_few_frames",
    "weak_source", "several_faces", "no_colour",
    # of a voice cue
    "no_audio", "silent", "no_speech", "too_little_speech", "no_voicing", "narrow_band", "not_finite",
]  # fmt: skip
"""Why a cue is weak or not measurable."""


@dataclass(frozen=True, slots=True)
class Cue:
    """One cue of one clip.

    `value` is in `unit`, None exactly where `state` is `not_measurable`. `coverage` in [0, 1] is the share
    of the clip (face cues: of its pictures; voice cues: of its sound) that the value rests on. `reason`
    stands where the state is not `measured`. `population_sd` and `speaker_sd` say how far the value lies
    from the mean of people's neutral clips and of the speaker's other clips, in standard deviations; None
    where there is no such reference. Raises ValueError where that does not hold.
    """

    name: str
    value: float | None
    unit: str
    coverage: float
    state: State = "measured"
    reason: Reason | None = None
    population_sd: float | None = None
    speaker_sd: float | None = None

    def __post_init__(self) -> None:
        """Check the record."""
        if self.state not in get_args(State):
            raise ValueError(f"cue {self.name}: state={self.state!r} is none of {get_args(State)}")
        if (self.value is None) != (self.state == "not_measurable"):
            raise ValueError(f"cue {self.name}: value={self.value} with state={self.state!r}")
        if (self.reason is None) != (self.state == "measured"):
            raise ValueError(f"cue {self.name}: reason={self.reason!r} with state={self.state!r}")
        if not 0 <= self.coverage <= 1:
            raise ValueError(f"cue {self.name}: coverage={self.coverage} is not in [0, 1]")
        if self.value is not None and not math.isfinite(self.value):
            raise ValueError(f"cue {self.name}: value={self.value} is not finite")

    @classmethod
    def missing(cls, name: str, unit: str, reason: Reason, coverage: float = 0.0) -> Cue:
        """Return a cue that could not be measured."""
        return cls(name, None, unit, coverage, "not_measurable", reason)

    def weakened(self, reason: Reason) -> Cue:
        """Return the same cue as weak evidence; one that has no value stays as it is."""
        return self if self.value is None else replace(self, state="weak", reason=reason)

    def to_dict(self) -> dict[str, Any]:
        """Return the cue by field, as in the `cues` column of a caption dataset."""
        return asdict(self)


def by_name(cues: Iterable[Cue]) -> dict[str, Cue]:
    """Return cues by their name. Raises ValueError where a name stands twice."""
    named: dict[str, Cue] = {}
    for cue in cues:
        if cue.name in named:
            raise ValueError(f"cue {cue.name} stands twice")
        named[cue.name] = cue
    return named
