"""What is said when: nonsense words of syllables, with silent gaps between some of the words."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.demo.manner import VoiceManner
from vaemo_clips.demo.speaker import Voice

Curve = NDArray[np.float64]

SHORTEST_PAUSE_S = 0.15
VOWELS = "aeiou"
CONSONANTS = "bdglmnstf"
_LEAD_S, _TAIL_S = (0.15, 0.35), 0.2
_PAUSE_SHARE = 0.2  # of the gaps between words, in a neutral voice
_FLOOR = 0.22  # level between the syllables of a word, where the voice goes on


@dataclass(frozen=True, slots=True)
class Syllable:
    """One syllable, half-open in seconds. `stress` in [0, 1]."""

    begin_s: float
    end_s: float
    vowel: str
    consonant: str
    stress: float
    word: int


@dataclass(frozen=True, slots=True)
class Utterance:
    """All syllables in time order; those of one word follow one another without a gap."""

    syllables: tuple[Syllable, ...]

    @property
    def words_s(self) -> list[tuple[float, float]]:
        """Begin and end of each word."""
        numbers = dict.fromkeys(s.word for s in self.syllables)
        parts = [[s for s in self.syllables if s.word == number] for number in numbers]
        return [(part[0].begin_s, part[-1].end_s) for part in parts]

    @property
    def pauses_s(self) -> tuple[tuple[float, float], ...]:
        """Silent gaps of at least SHORTEST_PAUSE_S between words, half-open."""
        words = self.words_s
        gaps = [(end, begin) for (_, end), (begin, _) in itertools.pairwise(words)]
        return tuple((begin, end) for begin, end in gaps if end - begin >= SHORTEST_PAUSE_S)

    @property
    def syllables_per_s(self) -> float:
        """Syllables over the time from the first to the end of the last, pauses included."""
        return len(self.syllables) / (self.syllables[-1].end_s - self.syllables[0].begin_s)

    @property
    def text(self) -> str:
        """The words as one would write them."""
        numbers = dict.fromkeys(s.word for s in self.syllables)
        return " ".join("".join(s.consonant + s.vowel for s in self.syllables if s.word == n) for n in numbers)

    def level(self, times_s: Curve) -> Curve:
        """How strongly the voice sounds at `times_s` (N,), in [0, 1]; 0 between words."""
        level = np.zeros_like(times_s)
        words = self.words_s
        for begin_s, end_s in words:
            ramp = np.minimum(times_s - begin_s, end_s - times_s) / 0.025
            level = np.maximum(level, _FLOOR * np.clip(ramp, 0, 1))
        for s in self.syllables:
            along = np.clip((times_s - s.begin_s) / (s.end_s - s.begin_s), 0, 1)
            level = np.maximum(level, (0.75 + 0.25 * s.stress) * np.sin(np.pi * along**0.8) ** 0.8)
        is_said = np.zeros(len(times_s), bool)
        for begin_s, end_s in words:
            is_said |= (times_s >= begin_s) & (times_s < end_s)
        return level * is_said


def draw_utterance(voice: Voice, manner: VoiceManner, duration_s: float, rng: np.random.Generator) -> Utterance:
    """Fill `duration_s` with words at the speaker's and the manner's rate."""
    rate = voice.syllables_per_s * float(np.exp(np.clip(manner.rate, -0.7, 0.6)))
    pause_share = float(np.clip(_PAUSE_SHARE * np.exp(manner.pauses), 0.02, 0.8))
    time_s, word, syllables = float(rng.uniform(*_LEAD_S)), 0, list[Syllable]()
    while True:
        num_syllables = int(rng.integers(1, 4))
        stressed = int(rng.integers(num_syllables))
        for place in range(num_syllables):
            stress = 1.0 if place == stressed else float(rng.uniform(0, 0.4))
            length_s = (0.9 + 0.25 * stress) * rng.uniform(0.88, 1.12) / rate
            if time_s + length_s > duration_s - _TAIL_S and syllables:
                return Utterance(tuple(syllables))
            vowel, consonant = rng.choice(list(VOWELS)), rng.choice(list(CONSONANTS))
            end_s = min(time_s + length_s, duration_s)
            syllables.append(Syllable(time_s, end_s, str(vowel), str(consonant), stress, word))
            time_s = end_s
        is_pause = rng.uniform() < pause_share
        time_s += float(rng.uniform(0.2, 0.45) if is_pause else rng.uniform(0.02, 0.05))
        word += 1
