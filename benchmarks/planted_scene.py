"""Made-up clips for planted captions: which cues lie off the usual, and clean captions that tell of them.

Phrases come from the bank in use (`use_bank`). Everything is drawn from one `random.Random`.
"""

from __future__ import annotations

import random
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, cast

import yaml

from vaemo_clips.cues.cue import Cue, Reason
from vaemo_clips.cues.face_cues import FACE_CUES
from vaemo_clips.cues.norms import population_norms
from vaemo_clips.voice.cues import VOICE_CUES

Modality = Literal["face", "voice"]
BankName = Literal["development", "development2", "development3", "final"]
BankNameOrAlias = Literal[BankName, "heldout", "test"]
_BANK_FILES: Final[dict[BankName, str]] = {
    "development": "planted_phrases.yaml",
    "development2": "planted_phrases_development2.yaml",
    "development3": "planted_phrases_development3.yaml",
    "final": "planted_phrases_final.yaml",
}
_ALIASES: Final[dict[BankNameOrAlias, BankName]] = {"heldout": "development2", "test": "development3"}
_in_use: ContextVar[BankName] = ContextVar("bank", default="final")
_WEAK_CUES: Final = frozenset({"brow_furrow", "lip_press", "blink_rate"})
_NAMED_SD: Final = (2.0, 3.5)
_CONTRADICTED_SD: Final = (2.6, 3.5)
_UNNAMED_SD: Final = 0.6
_NOT_CONTRADICTED: Final = frozenset({"brightness", "breath", "mouth_corners"})
_WITHOUT_NORM: Final = {
    "loudness_level": (-25.0, 5.0),
    "speech_length": (3.0, 0.8),
    "speech_rate": (4.5, 0.7),
    "syllable_length": (0.2, 0.03),
    "pause_share": (0.15, 0.06),
    "pause_length": (0.3, 0.09),
}
"""Mean and spread of cues without a norm, made up but possible; shares and lengths do not go below 0."""
_OF_BOTH: Final = ("voice", "heard", "sound", "face", "seen", "picture")


def bank() -> dict[str, Any]:
    """Return the phrases of the bank in use, by group."""
    return _loaded(bank_file())


def bank_name(name: BankNameOrAlias) -> BankName:
    """Return the name of a bank: `heldout` and `test` are what development2 and development3 were until looked at."""
    return _ALIASES.get(name) or cast(BankName, name)


def use_bank(name: BankNameOrAlias) -> None:
    """Take phrases from this bank from now on."""
    _in_use.set(bank_name(name))


def bank_file() -> Path:
    """Return the file of the bank in use."""
    return Path(__file__).with_name(_BANK_FILES[_in_use.get()])


@cache
def _loaded(path: Path) -> dict[str, Any]:
    phrases: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return phrases


@dataclass(frozen=True, slots=True)
class Scene:
    """One clip: its emotion, the aspects that lie clearly off the usual, what is missing, and its person.

    `directions` are by aspect, up or down. Without `speaker_known`, what people have no norm of cannot be judged.
    """

    rng: random.Random
    emotion: str
    directions: dict[str, str]
    missing: Reason | None
    missing_modality: Modality | None
    speaker_known: bool
    person: tuple[str, str]
    contradicted: str | None = None

    @classmethod
    def draw(cls, rng: random.Random, missing: Modality | None = None, *, contradict: bool = False) -> Scene:
        """Draw a scene; `missing` leaves out a modality, `contradict` names an aspect for a false claim."""
        emotion = rng.choice(sorted(bank()["emotions"]))
        speaker_known = contradict or rng.random() < 0.6
        directions = _draw_directions(rng, bank()["emotions"][emotion]["leans"], missing, speaker_known)
        reasons: dict[Modality | None, list[Reason]] = {
            "voice": ["no_audio", "silent"],
            "face": ["no_video", "no_face"],
        }
        reason = rng.choice(reasons[missing]) if missing else None
        eligible = sorted({*directions} - _NOT_CONTRADICTED)
        aspect = rng.choice(eligible) if contradict else None
        person = tuple(rng.choice(bank()["persons"]))
        return cls(rng, emotion, directions, reason, missing, speaker_known, (person[0], person[1]), aspect)

    def has(self, modality: str) -> bool:
        """Return whether the clip has a voice or a face."""
        return self.missing_modality != modality

    def cues(self) -> list[dict[str, Any]]:
        """Return all cues of the clip as a dataset holds them."""
        distances = self._distances()
        face = [self._cue(name, unit, "face", distances) for name, unit in FACE_CUES]
        voice = [self._cue(name, unit, "voice", distances) for name, unit in VOICE_CUES]
        return [cue.to_dict() for cue in (*face, *voice)]

    def fill(self, phrase: str, **values: str) -> str:
        """Return a phrase about this scene's person, with `{A}` the clause `a` as a sentence begins."""
        capital = {name[0].upper(): _capital(value) for name, value in values.items() if len(name) == 1}
        return phrase.format(s=self.person[0], p=self.person[1], **values, **capital)

    def clause(self, aspect: str, direction: str | None = None) -> str:
        """Return a clause about an aspect: a true one, or one of the given direction."""
        told = bank()["claims"][aspect][direction or self.directions[aspect]]
        return self.fill(self.rng.choice(told))

    def true_clauses(self, modality: Modality, most: int, leave_out: str | None = None) -> list[str]:
        """Return clauses about up to `most` of the aspects that lie off the usual, each aspect once."""
        aspects = [a for a in self.directions if bank()["claims"][a]["modality"] == modality and a != leave_out]
        return [self.clause(aspect) for aspect in self.rng.sample(aspects, min(most, len(aspects)))]

    def free_clauses(self, group: str, count: int) -> list[str]:
        """Return clauses about what is not measured."""
        clauses = [self.fill(phrase) for phrase in self.rng.sample(bank()["unmeasured"][group], count)]
        unjudged = [a for a in ("loudness", "rate") if group == "voice" and not self.speaker_known]
        if unjudged and self.rng.random() < 0.5:
            clauses[0] = self.clause(self.rng.choice(unjudged), self.rng.choice(["up", "down"]))
        return clauses

    def fair(self, column: str) -> str:
        """Return a sentence that a careless rule would find fault with, of those that hold here."""
        holding = [
            one
            for one in bank()["fair"][column]
            if all(self.directions.get(aspect) == side for aspect, side in one.get("needs", {}).items())
            and self.emotion in one.get("emotions", [self.emotion])
            and (column != "affect" or self.suits(one["text"]))
        ]
        about_cues = [one for one in holding if "needs" in one]
        return _capital(self.fill(self.rng.choice(about_cues or holding)["text"]))

    def suits(self, phrase: str) -> bool:
        """Return whether a phrase about both face and voice may stand: nothing is missing, or it names neither."""
        return self.missing_modality is None or not any(word in phrase.lower() for word in _OF_BOTH)

    def _distances(self) -> dict[str, float]:
        distances: dict[str, float] = {}
        for aspect, direction in self.directions.items():
            limits = _CONTRADICTED_SD if aspect == self.contradicted else _NAMED_SD
            size = self.rng.uniform(*limits) * (1 if direction == "up" else -1)
            for cue, share in bank()["claims"][aspect]["cues"].items():
                distances[cue] = distances.get(cue, 0.0) + share * size
        return distances

    def _cue(self, name: str, unit: str, modality: Modality, distances: dict[str, float]) -> Cue:
        if not self.has(modality) and self.missing is not None:
            return Cue.missing(name, unit, self.missing)
        sd = distances.get(name, self.rng.uniform(-_UNNAMED_SD, _UNNAMED_SD))
        norm = population_norms().get(name)
        mean, spread = (norm.mean, norm.sd) if norm else _WITHOUT_NORM[name]
        value = mean + sd * spread
        if name.startswith("pause"):
            value = max(0.0, value)
        coverage = self.rng.uniform(0.7, 1.0) if modality == "face" else self.rng.uniform(0.4, 0.9)
        population_sd = sd if norm else None
        cue = Cue(
            name, value, unit, coverage, population_sd=population_sd, speaker_sd=sd if self.speaker_known else None
        )
        return cue.weakened("weak_source") if name in _WEAK_CUES else cue


def sentences(scene: Scene, clauses: list[str]) -> str:
    """Return clauses as sentences, one or two in each."""
    rng, told = scene.rng, []
    left = list(clauses)
    while left:
        if len(left) > 1 and rng.random() < 0.6:
            a, b = left.pop(0), left.pop(0)
            told.append(scene.fill(rng.choice(bank()["frames"]["two"]), a=a, b=b))
        else:
            told.append(scene.fill(rng.choice(bank()["frames"]["one"]), a=left.pop(0)))
    return " ".join(told)


def _draw_directions(
    rng: random.Random, leans: dict[str, str], missing: Modality | None, speaker_known: bool
) -> dict[str, str]:
    """Draw the aspects that lie off the usual, those of the emotion more often; no cue belongs to two of them."""
    claims = bank()["claims"]
    wanted = [*rng.sample(sorted(leans), rng.randint(1, len(leans))), *rng.sample(sorted(claims), 5)]
    directions: dict[str, str] = {}
    taken: set[str] = set()
    for aspect in wanted:
        cues = {*claims[aspect]["cues"]}
        is_known = speaker_known or cues <= {*population_norms()}
        if taken & cues or claims[aspect]["modality"] == missing or not is_known:
            continue
        sides = [side for side in ("up", "down") if side in claims[aspect]]
        leaning = leans.get(aspect)
        directions[aspect] = leaning if leaning in sides else rng.choice(sides)
        taken |= cues
    return directions


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
