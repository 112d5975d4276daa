"""Planted captions: dataset rows, and what is planted in each."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from tests.support.run_folder import caption_row

from benchmarks.planted_faults import FAULTS, near_duplicate
from benchmarks.planted_scene import Modality, Scene, bank, sentences

EXTRA_FIELDS = (pa.field("label", pa.string()), pa.field("speaker", pa.string()), pa.field("text", pa.string()))
_STEPS = ("look", "listen", "reason")


@dataclass(frozen=True, slots=True)
class PlantedCaption:
    """One row, and the reason that must be found in it; None where it is clean."""

    row: dict[str, Any]
    fault: str | None


def planted_captions(num_captions: int, seed: int) -> Iterator[PlantedCaption]:
    """Yield captions with the bank's shares of faults, in an order that the seed draws, numbered as they come.

    Near-duplicates come after what they copy: one of the clean captions of the last few hundred.
    """
    rng = random.Random(seed)
    clean: list[dict[str, Any]] = []
    for number, fault in enumerate(_faults(num_captions, rng)):
        row = near_duplicate(rng, rng.choice(clean)) if fault == "form.near_duplicate" else _caption(rng, fault)
        if fault is None:
            clean = [*clean[-499:], row]
        yield PlantedCaption(_numbered(row, number), fault)


def clean_caption(scene: Scene) -> dict[str, Any]:
    """Return what a caption without faults says of a scene, with the cues measured."""
    rng, emotion = scene.rng, bank()["emotions"][scene.emotion]
    words = rng.sample(emotion["words"], min(2, len(emotion["words"])))
    label = rng.choice(emotion["labels"])
    jitter = rng.uniform(-0.15, 0.15)
    return {
        "label": label,
        "speaker": f"S{rng.randrange(40):02d}",
        "text": rng.choice(bank()["faults"]["transcripts"]) if scene.has("voice") and rng.random() < 0.7 else None,
        "visual_description": _described(scene, "face", "visual"),
        "acoustic_description": _described(scene, "voice", "acoustic"),
        "affect_description": _affect(scene, words),
        "emotions": rng.choice([[words[0]], words, [label], [words[0]]]),
        "valence": round(emotion["valence"] + jitter, 2),
        "arousal": round(emotion["arousal"] + jitter / 2, 2),
        "confidence": round(rng.uniform(0.4, 0.95), 2),
        "cues": scene.cues(),
        **_media(scene),
    }


def _faults(num_captions: int, rng: random.Random) -> list[str | None]:
    """Return the fault of each caption; the first ones are clean, so that there is something to copy."""
    counts = {fault: round(count * num_captions / 2000) for fault, count in bank()["counts"].items()}
    drawn: list[str | None] = [fault for fault, count in counts.items() for _ in range(count)]
    drawn += [None] * (num_captions - len(drawn))
    rng.shuffle(drawn)
    first_clean = [at for at, fault in enumerate(drawn) if fault is None][:20]
    for at, place in enumerate(first_clean):
        drawn[at], drawn[place] = drawn[place], drawn[at]
    return drawn


def _caption(rng: random.Random, fault: str | None) -> dict[str, Any]:
    planting: Callable[[Scene, dict[str, Any]], dict[str, Any]] = FAULTS.get(fault or "", lambda _, row: row)
    missing: Modality | None = rng.choice(["voice", "face"]) if rng.random() < 0.25 else None
    if fault == "grounding.unsupported":
        missing = rng.choice(["voice", "face"])
    elif fault is not None:
        missing = None
    scene = Scene.draw(rng, missing, contradict=fault == "grounding.contradicted")
    while fault == "grounding.contradicted" and scene.contradicted is None:
        scene = Scene.draw(rng, None, contradict=True)
    return planting(scene, clean_caption(scene))


def _numbered(row: dict[str, Any], number: int) -> dict[str, Any]:
    reasons = row.get("finish_reasons", {})
    step = caption_row(number)["steps"][0]
    steps = [{**step, "name": name, "finish_reason": reasons.get(name, "stop")} for name in _STEPS]
    said = {name: value for name, value in row.items() if name != "finish_reasons"}
    numbered: dict[str, Any] = {**caption_row(number), **said, "clip_id": f"clip_{number:06d}", "steps": steps}
    return {name: value for name, value in numbered.items() if name != "fold"}


def _media(scene: Scene) -> dict[str, Any]:
    if scene.missing == "no_audio":
        return {"has_audio": False, "audio_rate_hz": None, "audio_channels": None}
    if scene.missing == "no_video":
        return {"width": None, "height": None, "fps": None, "n_frames": None}
    return {}


def _described(scene: Scene, modality: Modality, column: str) -> str:
    rng = scene.rng
    if not scene.has(modality):
        return str(rng.choice(bank()["absent"][modality]))
    free = scene.free_clauses(modality, rng.randint(1, 2))
    clauses = [*scene.true_clauses(modality, rng.randint(1, 3), scene.contradicted), *free]
    rng.shuffle(clauses)
    text = sentences(scene, clauses)
    if rng.random() < 0.25:
        text = f"{text} {scene.fair(column)}"
    return text.removesuffix(".") if rng.random() < 0.02 else text


def _affect(scene: Scene, words: list[str]) -> str:
    rng = scene.rng
    opening = rng.choice([phrase for phrase in bank()["affect_openings"] if scene.suits(phrase)])
    told = [opening.format(s=scene.person[0], emotion=words[0], Emotion=words[0].capitalize(), second=words[-1])]
    modalities: list[Modality] = [one for one in ("face", "voice") if scene.has(one)]
    clauses = [clause for one in modalities for clause in scene.true_clauses(one, 2, scene.contradicted)]
    if len(clauses) > 1:
        a, b = rng.sample(clauses, 2)
        told.append(scene.fill(rng.choice(bank()["affect_reasons"]), a=a, b=b))
    if rng.random() < 0.5:
        told.append(sentences(scene, scene.free_clauses("affect", 1)))
    if scene.missing_modality:
        told.append(rng.choice(bank()["absent"][f"affect_{scene.missing_modality}"]))
    if rng.random() < 0.15:
        told.append(scene.fair("affect"))
    return " ".join(told)
