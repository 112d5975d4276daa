"""What is usual: means and standard deviations of cues, over people and over one speaker's clips."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import yaml

from vaemo_clips.cues.cue import Cue

MIN_OTHER_CLIPS = 3
"""A speaker's own reference needs this many other clips in which the cue was measured."""
_OF_TALKERS = frozenset({"mouth_opening_range", "face_motion"})
_PRIOR_CLIPS = 4  # the population's spread counts as this many clips of the speaker
_LEAST_SPREAD = 1e-9  # of the mean: less is rounding


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
    return {cue: Norm(norm["mean"], norm["sd"]) for cue, norm in _norm_files().items()}


@cache
def moment_norms() -> Mapping[str, Norm]:
    """Return the norms of single moments of a face: they vary by what people differ in and by what a face does."""
    return {cue: Norm(norm["mean"], norm["moment_sd"]) for cue, norm in _norm_files().items() if "moment_sd" in norm}


@cache
def _norm_files() -> Mapping[str, Mapping[str, float]]:
    folder = files("vaemo_clips.cues")
    norms: dict[str, Mapping[str, float]] = {}
    for name in ("face_norms.yaml", "voice_norms.yaml"):
        norms |= yaml.safe_load((folder / name).read_text(encoding="utf-8"))
    return norms


def against_population(cues: Iterable[Cue], somebody_speaks: bool) -> tuple[Cue, ...]:
    """Return the cues with `population_sd` filled in where there is a norm and a value.

    The people of the face norms talk, so how much a silent face moves is held against nobody.
    """
    norms = population_norms()
    apart = frozenset() if somebody_speaks else _OF_TALKERS
    return tuple(
        replace(cue, population_sd=None if cue.name in apart else _distance(norms.get(cue.name), cue.value))
        for cue in cues
    )


def _distance(norm: Norm | None, value: float | None) -> float | None:
    return None if norm is None or value is None else norm.distance(value)


class SpeakerReference:
    """Some clips of one speaker: what is usual for this person, each clip judged against the *other* ones.

    A clip's own value never enters its own reference: an expression held throughout a clip stays visible.
    """

    def __init__(self, clips: Mapping[str, Iterable[Cue]]) -> None:
        """Take the cues of clips by their ids."""
        self._values: dict[str, dict[str, float]] = {}
        for clip_id, cues in clips.items():
            for cue in cues:
                if cue.value is not None:
                    self._values.setdefault(cue.name, {})[clip_id] = cue.value

    def norm(self, name: str, clip_id: str) -> Norm | None:
        """Return the norm of cue `name` over the clips other than `clip_id`; None where there are too few of them.

        The spread of a few clips is uncertain, so it is drawn towards the population's where that is known
        (a scaled-inverse-chi-squared prior worth `_PRIOR_CLIPS` clips; Gelman et al. 2013, section 2.6).
        """
        others = [value for other, value in self._values.get(name, {}).items() if other != clip_id]
        if len(others) < MIN_OTHER_CLIPS:
            return None
        mean = math.fsum(others) / len(others)  # exact: the order of the clips does not matter
        squares = math.fsum((value - mean) ** 2 for value in others)
        population = population_norms().get(name)
        weight = _PRIOR_CLIPS if population else 0
        prior = weight * population.sd**2 if population else 0.0
        sd = math.sqrt((squares + prior) / (len(others) - 1 + weight))
        return Norm(mean, sd) if sd > _LEAST_SPREAD * max(abs(mean), 1e-9) else None

    def judge(self, clip_id: str, cues: Iterable[Cue]) -> tuple[Cue, ...]:
        """Return one clip's cues with `speaker_sd` filled in where the other clips give a reference."""
        return tuple(self._judged(cue, self.norm(cue.name, clip_id)) for cue in cues)

    def _judged(self, cue: Cue, norm: Norm | None) -> Cue:
        return replace(cue, speaker_sd=norm.distance(cue.value)) if norm and cue.value is not None else cue
