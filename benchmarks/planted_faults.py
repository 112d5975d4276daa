"""Faults for planted captions: each takes a clean caption of a scene and plants one fault in it."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any, Final

from benchmarks.planted_scene import Modality, Scene, bank, sentences

Caption = dict[str, Any]
_TEXTS: Final = ("visual_description", "acoustic_description", "affect_description")
_STEP_OF: Final = dict(zip(_TEXTS, ("look", "listen", "reason"), strict=True))
_MOST_CHANGED_WORDS: Final = 4


def near_duplicate(rng: random.Random, source: Caption) -> Caption:
    """Return a copy of a caption, with the same cues, in which up to four words differ."""
    copy = {**source, "speaker": f"S{rng.randrange(40):02d}"}
    synonyms = bank()["synonyms"]
    for _ in range(rng.randint(0, _MOST_CHANGED_WORDS)):
        column = rng.choice(_TEXTS)
        known = [word for word in synonyms if re.search(rf"\b{word}\b", copy[column])]
        if known:
            word = rng.choice(known)
            copy[column] = re.sub(rf"\b{word}\b", rng.choice(synonyms[word]), copy[column], count=1)
    return copy


def _replaced(scene: Scene, row: Caption, text: str, columns: tuple[str, ...] = _TEXTS) -> Caption:
    return {**row, scene.rng.choice(columns): text}


def _replaced_one_or_all(scene: Scene, row: Caption, draw: Callable[[], str]) -> Caption:
    if scene.rng.random() < 0.3:
        return {**row, **{column: draw() for column in _TEXTS}}
    return _replaced(scene, row, draw())


def _with_sentence(scene: Scene, row: Caption, sentence: str, columns: tuple[str, ...]) -> Caption:
    """Put a sentence before, between or behind those of one description."""
    column = scene.rng.choice(columns)
    told = re.split(r"(?<=[.!?]) ", row[column])
    told.insert(scene.rng.randint(0, len(told)), sentence[:1].upper() + sentence[1:])
    return {**row, column: " ".join(told)}


def _too_short(scene: Scene, row: Caption) -> Caption:
    return _replaced(scene, row, scene.rng.choice(bank()["faults"]["too_short"]))


def _too_long(scene: Scene, row: Caption) -> Caption:
    """At least some 400 words, no clause twice."""
    groups: dict[str, tuple[Modality, ...]] = {
        "visual_description": ("face",), "acoustic_description": ("voice",), "affect_description": ("face", "voice"),
    }  # fmt: skip
    column = scene.rng.choice(("visual_description", "affect_description"))
    clauses = [scene.fill(phrase) for phrase in bank()["unmeasured"]["affect"]]
    for modality in groups[column]:
        clauses += [scene.fill(phrase) for phrase in bank()["unmeasured"][modality]]
        for aspect in scene.directions:
            claim = bank()["claims"][aspect]
            if claim["modality"] == modality:
                clauses += [scene.fill(phrase) for phrase in claim[scene.directions[aspect]]]
    scene.rng.shuffle(clauses)
    fair = [scene.fill(one["text"]) for one in bank()["fair"]["visual"] if "needs" not in one]
    return {**row, column: " ".join([sentences(scene, clauses), *fair])}


def _wrong_language(scene: Scene, row: Caption) -> Caption:
    return _replaced_one_or_all(scene, row, lambda: scene.rng.choice(bank()["faults"]["wrong_language"]))


def _gibberish(scene: Scene, row: Caption) -> Caption:
    rng, faults = scene.rng, bank()["faults"]
    kinds: list[Callable[[], str]] = [
        lambda: "".join(rng.choices(faults["gibberish_pieces"], k=rng.randint(20, 60))),
        lambda: " ".join(rng.choices(faults["gibberish_pieces"], k=rng.randint(20, 60))),
        lambda: " ".join("".join(rng.choices("bcdfghjklmnpqrstvwxzaeiou", k=rng.randint(3, 9))) for _ in range(25)),
        lambda: " ".join("".join(rng.choices("0123456789#@%&*()[]{}|/+=-_~", k=rng.randint(2, 8))) for _ in range(20)),
        lambda: " ".join(rng.choices(faults["gibberish_words"], k=rng.randint(15, 40))) + ".",
    ]
    return _replaced_one_or_all(scene, row, rng.choice(kinds))


def _repetitive(scene: Scene, row: Caption) -> Caption:
    rng = scene.rng
    column = rng.choice(_TEXTS)
    told = re.split(r"(?<=[.!?]) ", row[column])
    clause = " ".join(told[0].rstrip(".").split()[:4])
    word = rng.choice(["very", "slightly", "the", "voice", "and", "smiling"])
    kinds = [
        " ".join([told[0]] * rng.randint(4, 9)),
        " ".join(told[:2] * rng.randint(4, 6)),
        ", ".join([clause] * rng.randint(6, 15)),
        f"{row[column]} {' '.join([word] * rng.randint(15, 60))}",
        f"{row[column]} {' '.join([told[-1]] * rng.randint(4, 8))}",
    ]
    return {**row, column: rng.choice(kinds)}


def _refusal(scene: Scene, row: Caption) -> Caption:
    return _replaced_one_or_all(scene, row, lambda: scene.rng.choice(bank()["faults"]["refusal"]))


def _truncated(scene: Scene, row: Caption) -> Caption:
    """End in the middle of a sentence; the server told so in half of the cases."""
    column = scene.rng.choice(_TEXTS)
    tail = scene.rng.choice(bank()["faults"]["truncated_tails"])
    finish_reasons = {_STEP_OF[column]: "length"} if scene.rng.random() < 0.5 else {}
    return {**row, column: f"{row[column].rstrip('.')}, {tail}", "finish_reasons": finish_reasons}


def _label(scene: Scene, row: Caption) -> Caption:
    sentence = scene.rng.choice(bank()["faults"]["label"]).format(label=row["label"])
    return _with_sentence(scene, row, sentence, ("affect_description", "affect_description", "visual_description"))


def _transcript(scene: Scene, row: Caption) -> Caption:
    words = scene.rng.choice(bank()["faults"]["transcripts"])
    sentence = scene.fill(scene.rng.choice(bank()["faults"]["transcript"]), words=words)
    columns = ("acoustic_description", "acoustic_description", "affect_description")
    return _with_sentence(scene, {**row, "text": words}, sentence, columns)


def _name(scene: Scene, row: Caption) -> Caption:
    name = scene.rng.choice(bank()["faults"]["names"])
    speaker = name if scene.rng.random() < 0.4 else row["speaker"]
    sentence = scene.rng.choice(bank()["faults"]["name"]).format(name=name)
    return _with_sentence(scene, {**row, "speaker": speaker}, sentence, ("visual_description", "affect_description"))


def _identity(scene: Scene, row: Caption) -> Caption:
    sentence = scene.rng.choice(bank()["faults"]["identity"])
    return _with_sentence(scene, row, sentence, ("visual_description", "affect_description"))


def _dataset(scene: Scene, row: Caption) -> Caption:
    name = scene.rng.choice(bank()["faults"]["datasets"])
    sentence = scene.rng.choice(bank()["faults"]["dataset"]).format(dataset=name)
    return _with_sentence(scene, row, sentence, ("visual_description", "affect_description"))


def _contradicted(scene: Scene, row: Caption) -> Caption:
    """Claim the opposite of a cue that lies 2.6 to 3.5 standard deviations off, of which nothing else is said."""
    aspect = str(scene.contradicted)
    opposite = "down" if scene.directions[aspect] == "up" else "up"
    frame = scene.rng.choice(bank()["faults"]["contradicted"])
    sentence = scene.fill(frame, a=scene.clause(aspect, opposite))
    own = "visual_description" if bank()["claims"][aspect]["modality"] == "face" else "acoustic_description"
    return _with_sentence(scene, row, sentence, (own, own, "affect_description"))


def _unsupported(scene: Scene, row: Caption) -> Caption:
    """Claim something of the modality that the clip does not have."""
    modality: Modality = scene.missing_modality or "voice"
    aspects = [aspect for aspect, claim in bank()["claims"].items() if claim["modality"] == modality]
    clauses = []
    for aspect in scene.rng.sample(sorted(aspects), scene.rng.randint(1, 3)):
        sides = [side for side in ("up", "down") if side in bank()["claims"][aspect]]
        clauses.append(scene.clause(aspect, scene.rng.choice(sides)))
    told = sentences(scene, clauses)
    if scene.rng.random() < 0.3:
        return _with_sentence(scene, row, told, ("affect_description",))
    return {**row, "acoustic_description" if modality == "voice" else "visual_description": told}


def _valence(scene: Scene, row: Caption) -> Caption:
    """State the wrong side of valence, or describe an emotion of the other side."""
    rng, emotions = scene.rng, bank()["emotions"]
    sided = [name for name, emotion in emotions.items() if abs(emotion["valence"]) >= 0.5]
    name = rng.choice(sided)
    words, valence = rng.sample(emotions[name]["words"], 2), emotions[name]["valence"]
    row = {**row, "emotions": words[:1], "valence": valence, "arousal": emotions[name]["arousal"]}
    if rng.random() < 0.5:
        side = -1 if valence > 0 else 1
        told = f"The impression is one of {words[0]}."
        return {**row, "affect_description": told, "valence": round(side * rng.uniform(0.45, 0.9), 2)}
    others = [other for other in sided if emotions[other]["valence"] * valence < 0]
    word = rng.choice(emotions[rng.choice(others)]["words"])
    return {**row, "affect_description": rng.choice(bank()["faults"]["opposite_text"]).format(emotion=word)}


FAULTS: Final[dict[str, Callable[[Scene, Caption], Caption]]] = {
    "form.too_short": _too_short,
    "form.too_long": _too_long,
    "form.wrong_language": _wrong_language,
    "form.gibberish": _gibberish,
    "form.repetitive": _repetitive,
    "form.refusal": _refusal,
    "form.truncated": _truncated,
    "leak.label": _label,
    "leak.transcript": _transcript,
    "leak.name": _name,
    "leak.identity": _identity,
    "leak.dataset": _dataset,
    "grounding.contradicted": _contradicted,
    "grounding.unsupported": _unsupported,
    "consistency.valence": _valence,
}
