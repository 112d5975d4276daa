"""Scores of the same models and clips, as they are and made worse, corruption by corruption."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from vaemo_clips.errors import UserError
from vaemo_train.data.corruption import CORRUPTIONS, Corruption
from vaemo_train.evaluate.scores import Estimate

if TYPE_CHECKING:
    from vaemo_train.outcome.outcome import Outcome, Summary

STANDARD: Final = "standard"
CLEAN: Final = "clean"
_PICTURE, _SOUND = "video", "audio"
_OWN: Final = {"V": (_PICTURE,), "A": (_SOUND,)}
"""What a modality is judged by, where it is not both."""


def read_corruptions(text: str) -> tuple[Corruption, ...]:
    """Read `standard` (see `CORRUPTIONS`) or specifications with ";" between them, as snr=10;blur=2;snr=10,blur=2.

    Raises UserError for one that is empty, there twice or cannot be read; see `Corruption.parse`.
    """
    if text.strip() == STANDARD:
        return CORRUPTIONS
    found: list[Corruption] = []
    for part in text.split(";"):
        if not part.strip():
            raise UserError(f"--noise {text!r}: a specification is empty; write snr=10;blur=2, or {STANDARD}")
        one = Corruption.parse(part)
        if one in found:
            raise UserError(f"--noise {text!r}: {one} is there twice; name it once")
        found.append(one)
    return tuple(found)


@dataclass(frozen=True, slots=True, eq=False)
class NoisyScores:
    """Scores of all clips under one corruption (None: as they are) by modality: V, A, VA, any."""

    corruption: Corruption | None
    summaries: Mapping[str, Summary]

    @property
    def name(self) -> str:
        """The corruption as `Corruption.parse` reads it, or clean."""
        return CLEAN if self.corruption is None else str(self.corruption)

    @property
    def told(self) -> str:
        """The corruption in words, a line for each way of being made worse."""
        if self.corruption is None:
            return CLEAN
        one = self.corruption
        words = [f"noise, SNR {one.audio_snr_db:g} dB"] if one.audio_snr_db is not None else []
        words += [f"blur of {one.blur_px:g} px"] if one.blur_px is not None else []
        words += [f"{100 * one.dropped_frames:g} % of frames lost"] if one.dropped_frames is not None else []
        return "\n".join([*words, *([f"seed {one.seed}"] if one.seed else [])])

    def touches(self, modality: str) -> bool:
        """Whether anything that a modality is judged by is made worse."""
        worse = () if self.corruption is None else self.corruption.modalities
        return any(name in worse for name in _OWN.get(modality, (_PICTURE, _SOUND)))

    def score(self, modality: str) -> Estimate:
        """UAR, or the mean CCC over the targets."""
        summary: Any = self.summaries[modality]
        found: Estimate = summary.uar if hasattr(summary, "uar") else summary.ccc
        return found


@dataclass(frozen=True, slots=True, eq=False)
class RobustnessScores:
    """Scores of clips as they are, and of the same ones under each corruption, in the order asked for.

    `chance` is the score of always naming the commonest class, or the mean.
    """

    is_regression: bool
    modalities: tuple[str, ...]
    clean: NoisyScores
    noisy: tuple[NoisyScores, ...]
    chance: float
    num_windows: int
    num_clips: int

    @classmethod
    def of(cls, clean: Outcome, noisy: Mapping[str, Outcome], corruptions: Sequence[Corruption]) -> RobustnessScores:
        """From outcomes of the same models; `noisy` by the corruption's text. A modality left alone is as clean.

        Raises SplitError as `Outcome.summary` does.
        """
        first = NoisyScores(None, {name: clean.summary(name) for name in clean.modalities})
        rows = []
        for corruption in corruptions:
            outcome, untouched = noisy[str(corruption)], NoisyScores(corruption, {})
            rows.append(
                NoisyScores(
                    corruption,
                    {
                        name: outcome.summary(name) if untouched.touches(name) else first.summaries[name]
                        for name in clean.modalities
                    },
                )
            )
        chance = clean.chance(clean.main).scores["ccc" if clean.is_regression else "uar"]
        return cls(
            clean.is_regression, clean.modalities, first, tuple(rows), chance, clean.num_windows, len(clean.clip_ids)
        )

    @property
    def metric(self) -> str:
        """What `difference` is of."""
        return "ccc" if self.is_regression else "uar"

    def difference(self, row: NoisyScores, modality: str) -> float:
        """How much higher the score is than without the corruption; NaN where one is not known."""
        return row.score(modality).mean - self.clean.score(modality).mean

    def as_list(self) -> list[dict[str, Any]]:
        """For JSON, the clean ones first; what is not known is None."""
        return [
            {
                "noise": row.name,
                "scores": {name: row.summaries[name].as_dict() for name in self.modalities},
                f"{self.metric}_minus_clean": {
                    name: None if (value := self.difference(row, name)) != value else value for name in self.modalities
                },
            }
            for row in (self.clean, *self.noisy)
        ]
