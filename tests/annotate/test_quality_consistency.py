"""Consistency of a caption with itself, the emotion wheel and the ratings of words."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import pytest
import yaml

from vaemo_annotate.quality.affect_lexicon import arousal_of, valence_of
from vaemo_annotate.quality.consistency import ConsistencyCheck, ConsistencySettings
from vaemo_annotate.quality.finding import Findings
from vaemo_annotate.quality.wheel import emotion_words, emotions_in_label, emotions_in_text, family_of, find

CHECK = ConsistencyCheck(ConsistencySettings(valence_margin=0.2, arousal_margin=0.4))


def found(*emotions: str, text: str = "", **numbers: float | None) -> Findings:
    row: dict[str, Any] = {"emotions": list(emotions), "affect_description": text, **numbers}
    return CHECK(row)


def reasons(findings: Findings) -> list[str]:
    return [finding.reason for finding in findings.findings]


@pytest.mark.parametrize(
    ("label", "family"),
    [
        ("happy", "joy"), ("Happiness", "joy"), ("joyfully", "joy"), ("excitement", "joy"), ("HAP", "joy"),
        ("angry", "anger"), ("angrily", "anger"), ("anger", "anger"), ("frustration", "anger"), ("hateful", "anger"),
        ("disgusted", "disgust"), ("disgusting", "disgust"), ("contempt", "contempt"), ("contemptuously", "contempt"),
        ("fearful", "fear"), ("frightening", "fear"), ("anxiety", "fear"), ("worry", "fear"),
        ("sadness", "sadness"), ("sadly", "sadness"), ("disappointment", "sadness"), ("helplessness", "sadness"),
        ("surprised", "surprise"), ("surprising", "surprise"), ("confusion", "surprise"),
        ("calm", "calm"), ("calmness", "calm"), ("relaxed", "calm"), ("neutral", "neutral"), ("boredom", "boredom"),
        ("tiredness", "boredom"), ("tense", "fear"), ("curious", "interest"), ("tenderness", "love"),
        ("dismayed", "sadness"), ("satisfied", "joy"), ("relieved", "joy"), ("peaceful", "calm"),
        ("slightly annoyed", "anger"), ("a little sad", "sadness"), ("rather angry", "anger"),
        ("joy mixed with relief", "joy"), ("matter-of-fact", "neutral"),
        ("happily_surprised", "joy"), ("AngrilySurprised", "anger"), ("anger/disgust", "anger"),
    ],
)  # fmt: skip
def test_labels_of_corpora_and_words_of_models_have_a_family(label: str, family: str) -> None:
    mapped = family_of(label)
    assert mapped is not None
    assert mapped.name == family


@pytest.mark.parametrize("label", ["glorptic", "", "42", "not happy", "scarf", "hat", "joystick"])
def test_other_words_have_none(label: str) -> None:
    assert family_of(label) is None


def test_label_of_two_emotions_names_both() -> None:
    assert [e.family.name for e in emotions_in_label("joy mixed with sadness")] == ["joy", "sadness"]


def test_each_word_stands_once_in_the_file() -> None:
    words = emotion_words()
    groups = [group for family in words.families.values() for group in (family, *family.groups)]
    listed = [word for group in groups for word in group.words]
    assert sorted(word for word in {*listed} if listed.count(word) > 1) == []
    assert {name for pair in words.opposed for name in pair} <= {*words.families}


def test_every_word_of_the_wheel_is_found() -> None:
    for word in ("rage", "exasperated", "revolted", "triumphant", "zeal", "jubilation", "fondness", "awe-struck"):
        assert find(word) is not None


def test_ratings_lie_on_the_side_that_the_file_gives_a_word() -> None:
    groups = [group for family in emotion_words().families.values() for group in (family, *family.groups)]
    sided = [(word, valence_of(word) or 0, group.valence) for group in groups for word in group.words]
    assert [
        word for word, rating, side in sided if (rating <= 0, rating >= 0)[side == "down"] and side != "either"
    ] == []


def test_valence_is_the_mean_rating_scaled() -> None:
    assert valence_of("joy") == pytest.approx(2.8 / 4)
    assert valence_of("angry") == pytest.approx(-2.3 / 4)


def test_valence_of_an_unrated_word_is_that_of_its_kin() -> None:
    assert valence_of("dejectedly") == valence_of("dejected")
    assert valence_of("revolted") == valence_of("disgust")
    assert valence_of("glorptic") is None


def test_arousal_is_a_side() -> None:
    assert [arousal_of(word) for word in ("furious", "dejected", "proud", "calmly", "glorptic")] == [
        "up", "down", "either", "down", None,
    ]  # fmt: skip


def test_valence_on_the_other_side_is_a_finding() -> None:
    wrong = found("happy", "amused", valence=-0.6)
    assert reasons(wrong) == ["consistency.valence"]
    assert "valence -0.60 beside happy, amused, which people rate +0.56" in wrong.findings[0].detail
    assert wrong.scores["consistency.expected_valence"] == pytest.approx((2.7 + 1.8) / 8)
    assert wrong.scores["consistency.valence_gap"] == pytest.approx(-0.6 - (2.7 + 1.8) / 8)


@pytest.mark.parametrize(
    ("emotions", "valence"),
    [
        (["happy"], 0.1), (["happy"], -0.15), (["sad"], -0.9), (["happy"], None), (["surprise"], -0.8),
        (["surprise"], 0.8), (["neutral"], 0.9), (["joy", "sadness"], -0.8), (["glorptic"], 0.9), ([], 0.9),
    ],
)  # fmt: skip
def test_same_side_near_zero_mixed_and_sideless_words_are_fair(emotions: list[str], valence: float | None) -> None:
    assert "consistency.valence" not in reasons(found(*emotions, valence=valence))


@pytest.mark.parametrize(("word", "arousal"), [("furious", -0.7), ("bored", 0.8), ("calm", 0.6)])
def test_arousal_on_the_other_side_is_a_finding(word: str, arousal: float) -> None:
    assert reasons(found(word, arousal=arousal)) == ["consistency.arousal"]


@pytest.mark.parametrize(("word", "arousal"), [("furious", -0.3), ("sad", 0.9), ("proud", -0.9), ("calm", -0.5)])
def test_arousal_of_words_without_a_side_is_free(word: str, arousal: float) -> None:
    assert reasons(found(word, arousal=arousal)) == []


def test_unknown_word_is_a_finding_and_an_honest_unclear_is_not() -> None:
    assert reasons(found("glorptic", "happy")) == ["consistency.unknown_emotion"]
    assert found("glorptic", "happy").scores["consistency.unknown_emotions"] == 1
    assert reasons(found("unclear")) == []


def test_opposed_families_need_a_word_of_mixture() -> None:
    assert reasons(found("joyful", "furious")) == ["consistency.opposed"]
    assert reasons(found("joyful", "furious", text="The smile masks an angry tone.")) == []
    assert reasons(found("joy mixed with sadness")) == []
    assert reasons(found("joy", "surprise")) == []


def test_description_that_names_only_the_opposite_is_a_finding() -> None:
    text = "The lowered brows and loud voice express anger."
    (finding,) = found("joy", text=text).findings
    assert finding.reason == "consistency.valence"
    assert finding.column == "affect_description"
    assert finding.span is not None
    assert text[slice(*finding.span)] == "anger"


@pytest.mark.parametrize(
    "text",
    [
        "The face shows no sign of anger, fear or disgust.",
        "This is amusement rather than irritation.",
        "Anger gives way to happiness.",
        "The voice is tense and the lip corners are depressed at first.",
        "The brows move, the mouth stays relaxed.",
        "There is little movement, a sluggish tempo and hardly any frustration.",
    ],
)
def test_denied_and_accompanied_emotions_and_words_of_look_are_fair(text: str) -> None:
    assert reasons(found("happy", text=text, valence=0.5)) == []


@pytest.mark.parametrize("noun", ["frustration", "sadness", "disappointment", "fearfulness", "dejection"])
def test_nouns_of_emotion_count_in_a_description(noun: str) -> None:
    assert reasons(found("joy", text=f"The display conveys {noun}.")) == ["consistency.valence"]


def test_words_that_people_rate_mildly_have_a_side_too() -> None:
    assert reasons(found("anxiety", valence=0.6)) == ["consistency.valence"]


def test_negation_ends_at_the_sentence() -> None:
    named = emotions_in_text("She is not still. Anger shows. No joy, but sadness.")
    assert [one.emotion.word for one in named] == ["anger", "sadness"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("She does not look angry, she is sad.", ["sad"]),
        ("She is not angry, and she seems sad.", ["sad"]),
        ("He does not look angry, just sad.", ["sad"]),
        ("No anger, sadness, or fear shows.", []),
        ("There is no anger, fear, or any sadness.", []),
        ("Neither angry, sad, nor afraid.", []),
    ],
)
def test_negation_reaches_over_a_comma_only_in_a_list(text: str, words: list[str]) -> None:
    assert [one.emotion.word for one in emotions_in_text(text)] == words


@pytest.mark.parametrize("number", [float("nan"), float("inf"), None])
def test_a_number_that_is_none_is_not_stated(number: float | None) -> None:
    scores = found("joy", valence=number, arousal=number).scores
    assert "consistency.valence_gap" not in scores
    assert scores["consistency.expected_valence"] > 0


def test_section_of_the_shipped_file_is_valid() -> None:
    text = (files("vaemo_annotate.quality") / "check.yaml").read_text(encoding="utf-8")
    shipped = yaml.safe_load(text)["consistency"]
    assert ConsistencySettings.model_validate(shipped).valence_margin > 0


@pytest.mark.parametrize(
    "text",
    [
        "Despair has no part in this.",
        "One might think of envy, but nothing speaks for it.",
        "This is anything but gloomy.",
        "Grief can safely be ruled out.",
        "It would be a mistake to call this rage.",
    ],
)
def test_an_emotion_that_is_taken_back_is_not_named(text: str) -> None:
    assert "consistency.valence" not in reasons(found("joy", text=text))


@pytest.mark.parametrize(
    "text",
    ["The grief is not hidden at all.", "Rage shows, but nothing else explains it.", "Despair is not mild here."],
)
def test_words_that_deny_something_else_leave_an_emotion_named(text: str) -> None:
    assert "consistency.valence" in reasons(found("joy", text=text))
