"""The leak check: what a caption may not tell, and the words that only look like it."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.annotate.quality_captions import CLEAN, clean_row, leak_check
from vaemo_annotate.quality.labels import is_code
from vaemo_annotate.quality.phrase_book import PhraseBook
from vaemo_annotate.quality.tokens import read_tokens

CHECK = leak_check()
SPOKEN = "my old dog sleeps beside that warm fire every single winter evening now"


def found(said: str, **changes: Any) -> list[tuple[str, str]]:
    """Reason and quoted words of each finding on a caption whose visual description is `said`, gender left out."""
    findings = CHECK(clean_row(0, visual_description=said, **changes)).findings
    assert all(finding.column == "visual_description" and finding.span for finding in findings)
    spans = [(finding.reason, finding.span) for finding in findings if finding.reason != "leak.gender"]
    return [(reason, said[slice(*span)]) for reason, span in spans if span]


def reasons(said: str, **changes: Any) -> set[str]:
    """The reasons alone."""
    return {reason for reason, _ in found(said, **changes)}


@pytest.mark.parametrize("number", range(len(CLEAN)))
def test_captions_as_good_models_write_them_leak_nothing(number: int) -> None:
    assert CHECK(clean_row(number, label="HAP")).findings == []


def _phrases(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [phrase for part in (value.values() if isinstance(value, dict) else value) for phrase in _phrases(part)]


def test_the_phrases_of_the_cues_engine_leak_nothing() -> None:
    text = files("vaemo_annotate.wording").joinpath("phrases.yaml").read_text(encoding="utf-8")
    phrases = [re.sub(r"\{\w+\}", "clearly", phrase) for phrase in _phrases(yaml.safe_load(text))]
    assert len(phrases) > 500
    assert [hit for phrase in phrases for hit in found(f"{phrase[:1].upper()}{phrase[1:]}.")] == []


LEAKING = {
    "leak.label": [
        "The ground truth for this clip is anger, which the brows show.",
        "The clip is labelled as happy.",
        "The annotated emotion is sadness, and the drooping lids fit.",
        "Consistent with the gold label, the lips are pressed.",
        "class: anger. The brows are drawn together.",
        "According to the annotation, the speaker feels fear.",
        "This sample has emotion label 4.",
        "The emotion ANG is clear from the brows.",
        "Emotion code 05_ang fits the lowered brows.",
        "The annotators agreed on surprise.",
    ],
    "leak.transcript": [
        "The speaker says that the kids are talking by the door while frowning.",
        "The voice is flat on 'talking by the door'.",
        'The person says "I never want to see you again" in a loud voice.',
        "The speaker is heard saying, “please don't leave me here”.",
        '"We have to go home now," the speaker whispers.',
    ],
    "leak.name": [
        "Rachel smiles and looks to the left.",
        "The lips of Jennifer part slightly.",
        "Mark smiles broadly and nods.",
        "Mr. Kowalczyk raises the brows.",
        "Dr Green frowns and leans back.",
        "A broad smile appears on Will's face.",
        "The brows of Tom Hanks are raised.",
        "S01 raises the brows and looks away.",
        "The face of Ngozi is tense and still.",
        "May speaks softly and looks down.",
        "The speaker named Grace looks down.",
    ],
    "leak.identity": [
        "The American speaker raises the brows.",
        "A middle-aged person frowns at the camera.",
        "The 35-year-old speaker smiles.",
        "A well-known celebrity smiles at the camera.",
        "The actor from the sitcom laughs out loud.",
        "The president frowns and lifts the chin.",
        "The person is recognisable as a famous singer.",
        "The speaker, in the early thirties, looks down.",
        "The speaker appears to be of Indian descent, with lowered lids.",
        "The person, a nurse, looks tired and sighs.",
        "A Black person looks down and frowns.",
    ],
    "leak.dataset": [
        "This clip from RAVDESS shows a frown and a raised chin.",
        "The recording, taken from CREMA-D, is noisy.",
        "The MELD clip shows a broad smile.",
        "The dataset seems to be acted.",
        "The file 03-01-05-01-00.mp4 shows a frown.",
        "clip_000 shows a frown and a raised chin.",
        "An Aff-Wild2 video with raised brows.",
        "The MER2023 clip shows lowered brows.",
        "The file audio_12.wav holds a loud voice.",
        "As in TESS, the voice is calm.",
    ],
}


@pytest.mark.parametrize(("reason", "text"), [(reason, text) for reason, texts in LEAKING.items() for text in texts])
def test_a_leak_is_found_and_no_other(reason: str, text: str) -> None:
    assert reasons(text) == {reason}


@pytest.mark.parametrize(
    "text",
    [
        "The tones meld into one another.",
        "Will the brows rise again? They may.",
        "May be a smile, or a grimace.",
        "Mark the change in the brows at 1 s.",
        "The expression is recognisable as sadness.",
        "The emotion is identified as anger by the brows.",
        "The stress is strong, with an accent on the first syllable.",
        "The screen is black and the light is white.",
        'The speaker looks as if to say "what are you doing".',
        "Joy is evident. Grace, too.",
        "A look of Joy and Sadness crosses the face.",
        "It could be labelled as relief.",
        "The voice is marked by a slow pace.",
        "A smile masks the true emotion.",
        "The lids are polished bright, the pale skin shines.",
        "The tone is like a teacher scolding a class.",
    ],
)
def test_words_that_only_look_like_a_leak_are_none(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize("value", ["HAP", "05_ang", "neu", "emotion_3", "1001_DFA", "SAD"])
def test_a_label_code_copied_from_the_row_leaks(value: str) -> None:
    assert is_code(value)
    assert found(f"The brows rise, as {value} would have it.", label_raw=value) == [("leak.label", value)]


@pytest.mark.parametrize("value", ["happiness", "sad", "Anger", "very sad", "schadenfreude", "4", ""])
def test_an_ordinary_word_as_label_may_be_said(value: str) -> None:
    assert not is_code(value)
    assert reasons(f"The brows rise, as {value} would have it.", label=value) == set()


@given(st.integers(0, 7), st.integers(0, len(CLEAN) - 1))
def test_six_words_in_a_row_of_the_transcript_are_always_found(first: int, number: int) -> None:
    words = SPOKEN.split()[first : first + 6]
    text = f"{CLEAN[number]['visual_description']} Then {' '.join(words).upper()}!"
    row = clean_row(number, visual_description=text, text=SPOKEN)
    findings = [finding for finding in CHECK(row).findings if finding.reason == "leak.transcript"]
    assert [text[slice(*finding.span)].lower() for finding in findings if finding.span] == [" ".join(words)]


@given(st.sampled_from(["", None, "   ", "..."]), st.text(alphabet="abc THE door.,", max_size=80))
def test_an_empty_transcript_never_leaks(spoken: str | None, text: str) -> None:
    row = clean_row(0, visual_description=text, text=spoken)
    assert "leak.transcript" not in {finding.reason for finding in CHECK(row).findings}


@pytest.mark.parametrize(
    ("spoken", "caption"),
    [
        ("at the end of the day it is what it is", "At the end of the clip the brows rise."),
        ("it is in the middle of all of this", "The brows rise in the middle of all of it."),
        ("Look up", "The eyes look up."),
        ("No", "There is no smile."),
    ],
)
def test_an_overlap_of_function_words_is_no_leak(spoken: str, caption: str) -> None:
    assert found(caption, text=spoken) == []


def test_a_short_whole_transcript_leaks_in_quotation_marks() -> None:
    assert found("The brows come on slowly, with stop shouting none.", text="Come on!") == []
    assert reasons("The words 'Stop shouting!' are stressed.", text="Stop shouting!") == {"leak.transcript"}


def test_words_of_gender_are_one_finding_a_text_and_not_looked_for_in_speech() -> None:
    row = clean_row(0, visual_description="The man raises his brows, then he smiles.")
    (finding,) = CHECK(row).findings
    assert (finding.reason, finding.span) == ("leak.gender", (4, 7))
    assert finding.detail == "'he, his, man': 3 words that tell a gender"
    quoted = 'The speaker says "she told her mother" in a low voice.'
    assert {one.reason for one in CHECK(clean_row(0, visual_description=quoted)).findings} == {"leak.transcript"}


def test_text_of_another_language_is_not_searched_for_names() -> None:
    assert found("Der Sprecher Andreas hebt langsam die Augenbrauen und Lippen.") == []


@given(st.text(max_size=200), st.text(max_size=60))
def test_any_text_is_judged_without_an_error_and_spans_lie_in_it(text: str, spoken: str) -> None:
    for finding in CHECK(clean_row(0, visual_description=text, text=spoken)).findings:
        assert finding.span
        assert 0 <= finding.span[0] < finding.span[1] <= len(text)
        assert "\n" not in finding.detail


def test_a_phrase_has_alternatives_optional_words_and_a_colon() -> None:
    book = PhraseBook(["aged NUMBER", "as (the) actor|singer", "label:"])
    tokens = read_tokens("Aged forty, as the singer or as actor; label: x, a label")
    assert [tokens.text[slice(*tokens.span(*hit))] for hit in book.find(tokens)] == [
        "Aged forty",
        "as the singer",
        "as actor",
        "label",
    ]


def test_a_phrase_that_begins_with_no_word_is_an_error() -> None:
    with pytest.raises(ValueError, match="the phrase 'NUMBER years' can begin with no word"):
        PhraseBook(["NUMBER years"])


@pytest.mark.parametrize(
    "text",
    [
        "The reference emotion is joy.",
        "The category provided is fear, and the voice fits it.",
        "Happy is the label assigned to this clip.",
        "Labelled angry, the clip shows a frown.",
        "The listed emotion is fear.",
        "The assigned emotional category is surprise.",
    ],
)
def test_an_attributed_label_leaks(text: str) -> None:
    assert reasons(text) == {"leak.label"}


@pytest.mark.parametrize(
    "text",
    [
        "The label of the bottle cannot be read.",
        "It is hard to put a label on this state.",
        "There is no ground truth for a feeling.",
        "Without any annotation, this remains a guess.",
        "An annotator might call this relief.",
        "Adam's apple moves once, and a Duchenne smile follows.",
        "A Cupid's bow is visible in the upper lip.",
        "Crow's feet deepen around the eyes.",
        "A Mona Lisa smile stays around the mouth.",
        "The hands move like a Jack-in-the-box.",
        "Sandy hair falls over the forehead.",
    ],
)
def test_labels_of_things_and_set_phrases_are_no_leak(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "said",
    [
        "The mouth droops, which agrees with the annotation we were shown, gloomy.",
        "Based on the tag (furious), the hard stare can be explained.",
        'The manifest tag "bored" can be confirmed by the slack jaw.',
        "According to the spreadsheet, the feeling is dread.",
        "The emotion stored with the recording is shame.",
    ],
)
def test_talk_of_a_label_that_was_given_is_a_leak_whatever_else_can_be_seen(said: str) -> None:
    assert "leak.label" in reasons(said)


@pytest.mark.parametrize(
    "said",
    [
        "The washing label of her coat can be made out.",
        "A tin can with a torn label stands on the desk.",
        "The face fills the picture. Labelling such a look is hard.",
        "No tag would describe this look.",
    ],
)
def test_a_label_on_a_thing_or_in_another_sentence_is_no_leak(said: str) -> None:
    assert "leak.label" not in reasons(said)


@pytest.mark.parametrize(
    "said",
    [
        "I recognise this man as Gerard Depardieu.",
        "The face of the person on the left closely resembles Hugo Weaving.",
        "She looks like the singer Nina Hagen.",
        "Judging by the features, he hails from the Far East.",
        "The man who looks into the camera is a renowned chess champion.",
    ],
)
def test_telling_whom_somebody_resembles_or_where_they_come_from_tells_who_they_are(said: str) -> None:
    assert "leak.identity" in reasons(said)


@pytest.mark.parametrize(
    "said", ["The head bobs like Donkey Kong.", "He sways like a sailor at sea.", "A bird calls like Big Bertha."]
)
def test_likening_to_no_person_tells_nobody(said: str) -> None:
    assert "leak.identity" not in reasons(said)


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("The person, whose name is Ottoline, waits.", "Ottoline"),
        ("A subtitle identifies the woman as Philippa.", "Philippa"),
        ("As Hye-rin talks, the lamp flickers.", "Hye-rin"),
        ("It is Gwendolen who looks up.", "Gwendolen"),
        ("One senses that Wilhelmina is about to leave.", "Wilhelmina"),
    ],
)
def test_a_word_is_a_name_where_the_sentence_says_so(said: str, name: str) -> None:
    assert ("leak.name", name) in found(said)


@pytest.mark.parametrize(
    "said", ["A Jack-in-the-box stands behind.", "It seems that Sunday light fills the room.", "An X-ray hangs there."]
)
def test_a_capital_alone_makes_no_name(said: str) -> None:
    assert "leak.name" not in reasons(said)


@pytest.mark.parametrize(
    "text",
    [
        "Which label people put on such a mood differs from place to place.",
        "The label someone attaches to it is open to debate, be it sadness or longing.",
    ],
)
def test_a_label_that_anybody_might_give_is_no_leak(text: str) -> None:
    assert "leak.label" not in reasons(text)
