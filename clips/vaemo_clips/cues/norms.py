"""What is usual: means and standard deviations of cues, over people and over one speaker's clips."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import yaml

from vaemo_clips.cues.cue import Cue

MIN_OTHER_CLIPS = 3
"""A speaker's own reference needs this many other clips in which the cue was measured."""
_PRIOR_CLIPS = 4  # the population's spread counts as this many clips of the speaker


@dataclass(frozen=True, slots=True)
class Norm:
    """Mean and standard deviation of a cue, in the cue's unit. Raises ValueError unless the latter is above 0."""

    mean: float
    sd: float

    def __post_init__(self) -> None:
        """Check the spread."""
        if not self.sd > 0:
            raise ValueError(f"a norm needs a standard deviation above 0, not {self.sd}")

    def distance(self, value: float) -> float:
        """Return how many standard deviations `value` lies above the mean."""
        return (value - self.mean) / self.sd


@cache
def population_norms() -> Mapping[str, Norm]:
    """Return the norm of each cue that has one, over people's neutral clips (face_norms.yaml, voice_norms.yaml)."""
    folder = files("vaemo_clips.cues")
    norms: dict[str, Norm] = {}
    for name in ("face_norms.yaml", "voice_norms.yaml"):
        content = yaml.safe_load((folder / name).read_text(encoding="utf-8"))
        norms |= {cue: Norm(float(norm["mean"]), float(norm["sd"])) for cue, norm in content.items()}
    return norms


def against_population(cues: Iterable[Cue]) -> tuple[Cue, ...]:
    """Return the cues with `population_sd` filled in where there is a norm and a value."""
    norms = population_norms()
    return tuple(
        replace(cue, population_sd=norms[cue.name].distance(cue.value))
        if cue.value is not None and cue.name in norms
        else cue
        for cue in cues
    )


@dataclass(frozen=True, slots=True)
class _Spread:
    """Number, mean and sum of squared distances from the mean of some values."""

    count: int
    mean: float
    squares: float

    @classmethod
    def of(cls, values: Sequence[float]) -> _Spread:
        mean = math.fsum(values) / len(values)
        return cls(len(values), mean, math.fsum((value - mean) ** 2 for value in values))

    def without(self, value: float) -> _Spread:
        """Return the spread of the other values."""
        count = self.count - 1
        mean = (self.count * self.mean - value) / count
        return _Spread(count, mean, max(self.squares - (value - self.mean) * (value - mean), 0.0))


class SpeakerReference:
    """One speaker's measured clips: what is usual for this person, each clip judged against the *other* ones.

    A clip's own value never enters its own reference: an expression held throughout a clip stays visible.
    """

    def __init__(self, clips: Iterable[Iterable[Cue]]) -> None:
        """Take the cues of each of the speaker's clips, the one to be judged included."""
        values: dict[str, list[float]] = {}
        for cues in clips:
            for cue in cues:
                if cue.value is not None:
                    values.setdefault(cue.name, []).append(cue.value)
        # Sums of fsum are exact, so the order of the clips does not matter.
        self._spreads = {name: _Spread.of(found) for name, found in values.items()}

    def norm(self, name: str, own_value: float) -> Norm | None:
        """Return the norm of `name` over the other clips, or None where there are too few of them.

        The spread of a few clips is uncertain, so it is drawn towards the population's where that is known
        (a scaled-inverse-chi-squared prior worth `_PRIOR_CLIPS` clips; Gelman et al. 2013, section 2.6).
        """
        spread = self._spreads.get(name)
        if spread is None or spread.count - 1 < MIN_OTHER_CLIPS:
            return None
        others = spread.without(own_value)
        population = population_norms().get(name)
        weight = _PRIOR_CLIPS if population else 0
        prior = weight * population.sd**2 if population else 0.0
        sd = math.sqrt((others.squares + prior) / (others.count - 1 + weight))
        return Norm(others.mean, sd) if sd > 0 else None

    def judge(self, cues: Iterable[Cue]) -> tuple[Cue, ...]:
        """Return one clip's cues with `speaker_sd` filled in where the other clips give a reference."""
        return tuple(self._judged(cue) for cue in cues)

    def _judged(self, cue: Cue) -> Cue:
        norm = self.norm(cue.name, cue.value) if cue.value is not None else None
        return replace(cue, speaker_sd=norm.distance(cue.value)) if norm and cue.value is not None else cue
