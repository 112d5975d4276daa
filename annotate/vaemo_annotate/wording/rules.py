"""The rules from cues to affect, as `rules.yaml` beside this file holds them."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from vaemo_clips.cues.event import Against

Share = Annotated[float, Field(ge=0, le=1)]
Bipolar = Annotated[float, Field(ge=-1, le=1)]
EmotionName = Literal["happiness", "sadness", "anger", "fear", "surprise", "disgust", "calm"]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Term(_Settings):
    """One cue that speaks for something when it lies `toward` up or down; `source` is `key: what it says`.

    With `counts: against_only` it speaks against it when it lies the other way, and never for it.
    """

    cue: str = Field(pattern=r"^[a-z0-9_]+$")
    toward: Literal["up", "down"]
    weight: float = Field(gt=0, le=5)
    source: str = Field(pattern=r"^[a-z0-9_]+: .+$")
    counts: Literal["both_ways", "against_only"] = "both_ways"

    @property
    def sign(self) -> int:
        """1 where the cue above the usual speaks for it."""
        return 1 if self.toward == "up" else -1


class Pattern(_Settings):
    """What one emotion looks or sounds like. `unmeasured` is the weight of those signs that no cue measures."""

    unmeasured: float = Field(ge=0, le=5)
    unmeasured_signs: str
    terms: list[Term] = Field(min_length=1)

    @property
    def total_weight(self) -> float:
        """The weight of all that can speak for the pattern, measured or not."""
        return sum(term.weight for term in self.terms if term.counts == "both_ways") + self.unmeasured


class Emotion(_Settings):
    """One emotion: its place in the circumplex, and its pattern in face and voice."""

    valence: Bipolar
    arousal: Bipolar
    face: Pattern | None = None
    voice: Pattern | None = None


class Dimension(_Settings):
    """Cues that speak for a dimension by themselves.

    With less measured than `min_weight` they say nothing; less than `full_weight` pulls towards 0.
    """

    min_weight: float = Field(gt=0)
    full_weight: float = Field(gt=0)
    share: Share
    terms: list[Term] = Field(min_length=1)


class Degrees(_Settings):
    """From which distance, in standard deviations, a cue is slightly, clearly, strongly off the usual."""

    slight: float = Field(gt=0)
    clear: float
    strong: float

    @model_validator(mode="after")
    def _ordered(self) -> Degrees:
        if not self.slight < self.clear < self.strong:
            raise ValueError("slight < clear < strong does not hold")
        return self


class Strength(_Settings):
    """Distances up to `dead_zone_sd` are no evidence; from `full_sd` of their reference on, they are full evidence."""

    dead_zone_sd: float = Field(ge=0)
    full_sd: dict[Against, Annotated[float, Field(gt=0)]]


class Naming(_Settings):
    """When an emotion is named, and how far another may fall behind it to be named as well."""

    from_score: Share
    second_ratio: Share
    modality_from_score: Share
    agree_ratio: Share
    neutral_below: Share
    neutral_most_strong: int = Field(ge=0)
    neutral_min_quality: Share
    one_modality_factor: Share


class Confidence(_Settings):
    """How confidence is put together; see `affect.confidence`."""

    ceiling: Share
    full_score: Share
    full_margin: Share
    margin_share: Share
    agreement: dict[Literal["agree", "conflict", "only_face", "only_voice", "neither"], Share]
    unclear_ceiling: Share


class Rules(_Settings):
    """The whole file."""

    sources: dict[str, str]
    degrees: Degrees
    strength: Strength
    weak_factor: Share
    full_coverage: dict[Literal["face", "voice"], Share]
    while_speaking: dict[str, Share]
    against_people: dict[str, Share]
    people_threshold: dict[str, Annotated[float, Field(ge=0, lt=3)]]
    ruled_out_by: dict[str, str]
    modality_weight: dict[Literal["face", "voice"], Share]
    naming: Naming
    confidence: Confidence
    emotions: dict[EmotionName, Emotion]
    valence: Dimension
    arousal: Dimension
    voice_only_valence: Share

    @model_validator(mode="after")
    def _sourced(self) -> Rules:
        unknown = {term.source for term in self.terms() if term.source.split(":")[0] not in self.sources}
        if unknown:
            raise ValueError(f"{sorted(unknown)} name none of the sources {sorted(self.sources)}")
        return self

    def terms(self) -> list[Term]:
        """Return every term of the file."""
        patterns = [pattern for emotion in self.emotions.values() for pattern in (emotion.face, emotion.voice)]
        return [term for part in [*patterns, self.valence, self.arousal] if part for term in part.terms]


@lru_cache(maxsize=1)
def load_rules() -> Rules:
    """Return the rules that come with the package."""
    text = files(__package__).joinpath("rules.yaml").read_text(encoding="utf-8")
    return Rules.model_validate(yaml.safe_load(text))
