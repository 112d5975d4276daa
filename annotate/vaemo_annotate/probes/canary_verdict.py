"""What a canary's samples come to: passed, invented, ignored, or inconclusive."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from vaemo_annotate.probes.statement import Said, quoted
from vaemo_annotate.quality.lexicon import Modality

Verdict = Literal["passed", "invented", "ignored", "inconclusive"]

_NAMES: Mapping[Modality, tuple[str, str]] = {"voice": ("tone", "silence"), "face": ("face", "blank")}
_SENT: Mapping[str, str] = {
    "tone": "a loud voice that glides up in pitch",
    "silence": "a track of digital silence",
    "face": "the picture of a face",
    "blank": "a black picture",
}
_KIND: Mapping[Modality, str] = {"voice": "sound", "face": "picture"}
_REMEDY: Mapping[Modality, str] = {
    "voice": "check that the model hears and that the server takes audio (vLLM: --limit-mm-per-prompt, the [audio] "
    "extra), or choose another model",
    "face": "check that the model sees and that the server takes video (vLLM: --limit-mm-per-prompt), "
    "or choose another model",
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One reply: what it came to, and what was said (shortened), or why there was none."""

    verdict: Verdict
    quote: str


@dataclass(frozen=True, slots=True)
class CanaryOutcome:
    """What became of one canary: what was sent, what each sample said, and what the majority of them came to."""

    name: str
    modality: Modality
    samples: tuple[Sample, ...]

    @property
    def outcome(self) -> Verdict:
        """Return what more than half of the samples came to; where no verdict has that, `inconclusive`."""
        verdict, count = Counter(sample.verdict for sample in self.samples).most_common(1)[0]
        return verdict if 2 * count > len(self.samples) else "inconclusive"

    @property
    def is_fault(self) -> bool:
        """Tell whether the modality was ignored or invented."""
        return self.outcome in ("invented", "ignored")

    def sentence(self) -> str:
        """Return in one line what was sent and what came back."""
        alike = [sample for sample in self.samples if sample.verdict == self.outcome] or list(self.samples)
        kind = _KIND[self.modality]
        meaning = {
            "passed": "as it should be",
            "invented": f"the {kind} is invented",
            "ignored": f"the {kind} is ignored",
            "inconclusive": f"this tells nothing of the {kind}",
        }[self.outcome]
        return (
            f"canary {self.name!r}: sent was {_SENT[self.name]}, and {len(alike)} of {len(self.samples)} replies "
            f"said {alike[0].quote!r} or the like: {meaning}"
        )

    def remedy(self) -> str:
        """Return what a user can do about a fault."""
        return _REMEDY[self.modality]

    def to_dict(self) -> dict[str, Any]:
        """Return what run.json keeps."""
        samples = [{"outcome": sample.verdict, "quote": sample.quote} for sample in self.samples]
        return {"outcome": self.outcome, "modality": self.modality, "sent": _SENT[self.name], "samples": samples}


def judge_canaries(
    modality: Modality, present: Sequence[Said | str], absent: Sequence[Said | str]
) -> list[CanaryOutcome]:
    """Judge the samples of the clip that has the modality and of the one that lacks it, in this order."""
    of_presence, of_absence = _NAMES[modality]
    control = [sample for sample in absent if isinstance(sample, Said)]
    return [
        CanaryOutcome(of_presence, modality, tuple(_judged(sample, control) for sample in present)),
        CanaryOutcome(of_absence, modality, tuple(_judged(sample, None) for sample in absent)),
    ]


def _judged(sample: Said | str, control: Sequence[Said] | None) -> Sample:
    """Judge one sample; `control` is what was said where the modality is absent, None where that is this sample."""
    if isinstance(sample, str):
        return Sample("inconclusive", quoted(f"no caption ({sample})"))
    verdict = _of_absence(sample) if control is None else _of_presence(sample, control)
    return Sample(verdict, quoted(sample.text))


def _of_absence(sample: Said) -> Verdict:
    if sample.is_denied and not sample.is_mentioned:
        return "passed"
    return "invented" if sample.statements and not sample.is_denied else "inconclusive"


def _of_presence(sample: Said, control: Sequence[Said]) -> Verdict:
    """Words that are those of the control were not drawn from what was sent.

    Who hears no speech, or sees no real person, may well have heard the tone and seen the drawing.
    """
    if any(sample.same_words(other) for other in control):
        return "ignored"
    if sample.is_mentioned:
        return "passed"
    return "ignored" if sample.is_void else "inconclusive"
