"""The form check: what it rejects, and that it leaves good captions alone."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.annotate.quality_captions import CLEAN, clean_row, form_check, shipped_rules
from vaemo_annotate.quality.form import FormSettings
from vaemo_annotate.quality.refusal import find_refusal

CHECK = form_check()
PROSE = [text for caption in CLEAN for text in caption.values() if len(text) > 60]
PIECES = [
    *(
        " Sorry",
        "öst",
        " Queue",
        ".getItem",
        " 訓",
        " peindre",
        "{\\",
        "}{",
        " ();\n",
        "ization",
        " Привет",
        "_id",
        " const",
    ),
    *(
        "的",
        "了解",
        " был",
        " للت",
        " zob",
        "hlen",
        '="',
        "://",
        " Ing",
        "plat",
        " void",
        "ment",
        " unser",
        "Exception",
        " ★",
    ),
    *(
        "ができ",
        " \\\\",
        "ürk",
        " Arch",
        " lecture",
        " the",
        "ing",
        " 0x",
        "Ctrl",
        "urses",
        " sehr",
        "</",
        "nav",
        "ός",
        " Bolt",
    ),
]


def reasons(text: str | None, **changes: Any) -> set[str]:
    """What is wrong with a caption whose visual description is `text`."""
    return {finding.reason for finding in CHECK(clean_row(0, visual_description=text, **changes)).findings}


@pytest.mark.parametrize("number", range(len(CLEAN)))
def test_captions_as_good_models_write_them_pass(number: int) -> None:
    findings = CHECK(clean_row(number))
    assert findings.findings == []
    assert findings.scores["form.english"] > 0.9
    assert findings.scores["form.distinct"] > 0.6


def _shuffled(text: str, chance: random.Random) -> str:
    return "".join(chance.sample(text, len(text)))


RANDOM_TEXTS: dict[str, Callable[[random.Random], str]] = {
    "unicode": lambda chance: "".join(chr(chance.randint(33, 0xD7FF)) for _ in range(chance.randint(10, 200))),
    "bytes": lambda chance: chance.randbytes(chance.randint(20, 200)).decode("utf8", "replace"),
    "printable": lambda chance: "".join(chr(chance.randint(32, 126)) for _ in range(chance.randint(30, 200))),
    "subwords": lambda chance: "".join(chance.choices(PIECES, k=chance.randint(8, 100))),
    "shuffled text": lambda chance: _shuffled(chance.choice(PROSE), chance),
    "shuffled words": lambda chance: re.sub(r"\w+", lambda word: _shuffled(word[0], chance), chance.choice(PROSE)),
    "letters": lambda chance: " ".join(
        "".join(chance.choices("abcdefghijklmnopqrstuvwxyz", k=chance.randint(1, 10)))
        for _ in range(chance.randint(5, 40))
    ),
}


@pytest.mark.parametrize("kind", RANDOM_TEXTS)
def test_random_tokens_are_rejected(kind: str) -> None:
    chance = random.Random(kind)
    found = [reasons(RANDOM_TEXTS[kind](chance)) for _ in range(120)]
    assert sum(not one for one in found) <= 1
    assert sum("form.gibberish" in one for one in found) >= 108


FAULTY: dict[str, list[str | None]] = {
    "form.wrong_language": [
        "Die Augenbrauen sind zusammengezogen und die Lippen fest gepresst.",
        "La personne sourit et hoche la tête plusieurs fois.",
        "他皱着眉头，嘴唇紧闭，眼睛看着镜头。",
        "Голос громкий и резкий, темп быстрый.",
        "声は低く、ゆっくりと話している。",
        "The brows are raised. Die Lippen sind leicht geöffnet und der Blick geht nach unten.",
    ],
    "form.refusal": [
        "I'm sorry, but I can't assist with that request.",
        "As an AI language model, I do not have the ability to watch videos.",
        "The face is visible. However, I'm unable to provide a description of the audio.",
        "I apologize, but no video was provided.",
        "I won't describe people's faces.",
        "It is against my guidelines to comment on a person's feelings.",
    ],
    "form.repetitive": [
        "The brows are raised. The lids blink. The brows are raised.",
        "the voice is loud and the voice is loud and the voice is loud and the voice is loud and",
        "smile smile smile smile smile smile smile",
        "The eyes widen and the mouth opens. Then the head turns. The eyes widen and the mouth opens.",
    ],
    "form.truncated": [
        "The brows are raised and the lips are pressed together while the",
        "The voice is loud at first, then it drops to a whisp",
        "The head turns to the left. The gaze drops and the lips",
        "The lips part slightly and the eyes widen before the head",
        "The lower lip quivers (as if about to",
        'The mouth forms the word "no',
    ],
    "form.too_short": ["Happy.", "A face", "Yes", "Smiling.", "...", "-", "!", "…", "?", "~"],
    "form.missing_text": ["", "   ", None, "N/A", "null"],
    "form.too_long": [" ".join(PROSE[:14])],
}


@pytest.mark.parametrize(("reason", "text"), [(reason, text) for reason, texts in FAULTY.items() for text in texts])
def test_a_fault_is_found_and_no_other(reason: str, text: str | None) -> None:
    assert reasons(text) == {reason}


@pytest.mark.parametrize(
    "text", ["Not visible.", "no sound", "Silence.", "There is no picture.", "The face is not visible"]
)
def test_a_short_honest_answer_is_no_fault(text: str) -> None:
    assert reasons(text) == set()


def test_a_text_is_missed_only_where_the_clip_has_its_modality() -> None:
    silent = clean_row(0, acoustic_description="", has_audio=False)
    unseen = clean_row(0, visual_description=None, width=None)
    assert CHECK(silent).findings == []
    assert CHECK(unseen).findings == []
    assert [finding.reason for finding in CHECK({**silent, "affect_description": ""}).findings] == ["form.missing_text"]


def test_a_last_step_that_hit_its_cap_is_truncated() -> None:
    steps = [{"name": "look", "finish_reason": "length"}, {"name": "reason", "finish_reason": "stop"}]
    assert reasons(PROSE[0], steps=steps) == set()
    assert reasons(PROSE[0], steps=steps[::-1]) == {"form.truncated"}


@pytest.mark.parametrize(
    "text",
    [
        'The speaker says "I\'m sorry" in a soft voice.',
        "The voice sounds sorry and the speaker seems unable to answer.",
        "The face cannot be seen, so I rely on the voice.",
        "The person seems happy to help.",
    ],
)
def test_words_of_apology_in_a_description_are_no_refusal(text: str) -> None:
    assert find_refusal(text) is None


def test_findings_name_their_place_and_value() -> None:
    (finding,) = CHECK(clean_row(0, visual_description="The lips part. I cannot describe the rest.")).findings
    assert finding.column == "visual_description"
    assert finding.span == (15, 32)
    assert finding.detail == "'I cannot describe' declines instead of describing"


@given(st.text(max_size=200))
def test_any_text_is_judged_without_an_error_and_spans_lie_in_it(text: str) -> None:
    for finding in CHECK(clean_row(0, affect_description=text)).findings:
        assert "\n" not in finding.detail
        if finding.span:
            assert 0 <= finding.span[0] <= finding.span[1] <= len(text)


@given(st.sampled_from(PROSE), st.integers(2, 5))
def test_a_text_said_several_times_is_repetitive(text: str, times: int) -> None:
    assert "form.repetitive" in reasons(" ".join([text] * times))


def test_settings_want_every_column() -> None:
    rules = shipped_rules()["form"]
    with pytest.raises(ValidationError, match=r"min_words has \['visual_description'\]; it needs each of visual_desc"):
        FormSettings.model_validate({**rules, "min_words": {"visual_description": 3}})


@pytest.mark.parametrize(
    "text",
    [
        "Sorry, but describing people's emotions is not something I do.",
        "I'm afraid I have no way of seeing the clip.",
        "I would rather not comment on this person's looks.",
        "It would be inappropriate to speculate about the emotions of a real person.",
        "It isn't right for me to guess how someone feels.",
        "I do not feel comfortable describing a real individual.",
        "My guidelines do not allow me to describe faces.",
        "For safety reasons, the description has been withheld.",
        "I'd be glad to assist you with another topic.",
        "Would you like me to describe the background instead?",
        "If you describe the scene to me, I can help you find words for it.",
        "The video you uploaded could not be processed.",
        "I am only a computer program and cannot hear.",
    ],
)
def test_declining_apologising_and_offering_other_help_is_a_refusal(text: str) -> None:
    assert reasons(text) == {"form.refusal"}


@pytest.mark.parametrize(
    "text",
    [
        "The lips are pressed together, as though the speaker were about to",
        "The gaze moves from the left to the right, and her",
        "The expression changes from neutral to a mild",
        "The gaze is averted, and the corners of the mouth",
        "The tone is flat, while the speaker's",
        "The hands are raised in front of the chest, suggesting",
        "The voice is steady, even though the lips",
        "The face is calm, which indic",
    ],
)
def test_a_text_cut_in_mid_sentence_is_truncated(text: str) -> None:
    assert reasons(text) == {"form.truncated"}


@pytest.mark.parametrize(
    "text",
    [
        "The lips are parted. The brows are raised",
        "The speaker raises the brows and the chin",
        "The voice is as loud as it was before",
        "The brows go up. The mouth goes down",
        "The person looks down while speaking",
        "Head down, eyes closed, mouth shut",
        "Brows lowered lips pressed gaze down jaw tight head still",
        "F0 about 210 Hz, 3.2 syllables per second, -23 dB on average, jitter 1.2 %.",
        "I cannot tell sadness from fatigue here.",
        "It is impossible to judge the eyes, which are in shadow.",
    ],
)
def test_a_missing_full_stop_telegrams_and_doubt_are_no_fault(text: str) -> None:
    assert reasons(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "the of brow lips is quickly and the under pitch a of slowly are because",
        "tomorrow river green the of are banana happily under is not twelve guitar paint",
        "99 $$ 17 %% 44 (( 2 )) 88 ## 71 !! 0",
        "#### ---- %%%% &&&& ====",
        "0101 1101 0011 1010 1110 0001",
    ],
)
def test_words_without_grammar_and_strings_of_symbols_are_gibberish(text: str) -> None:
    assert "form.gibberish" in reasons(text)


@pytest.mark.parametrize(
    "end",
    [
        ", and at the same moment it",
        ", even if there is some",
        ", though one should bear in",
        ", so that the underlying",
        ", as things of that kind are often",
        ", and the gaze, not only",
    ],
)
def test_a_clause_that_waits_for_its_object_or_noun_is_truncated(end: str) -> None:
    assert reasons(f"The brows are drawn together{end}") == {"form.truncated"}


@pytest.mark.parametrize(
    "end",
    [
        " as still as a statue's",
        ", and nobody seems to notice it",
        " while the shoulders sink and the head leans in",
        ", which is quite the opposite",
        " and the eyes blink now and then",
        " and the lids do not cover the eyes fully",
    ],
)
def test_a_whole_clause_without_its_full_stop_is_not(end: str) -> None:
    assert reasons(f"The brows are drawn together{end}") == set()
