"""What a description claims: things bound to movements, negation, doubt, time, other people, and texts of nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaemo_annotate.quality.claims import Claim, claims, moved
from vaemo_annotate.quality.denials import denials
from vaemo_annotate.quality.lexicon import load_lexicon
from vaemo_clips.cues.face_cues import FACE_CUES
from vaemo_clips.voice.cues import VOICE_CUES

VISUAL, ACOUSTIC = "visual_description", "acoustic_description"

SEEN = {
    "The eyebrows are knitted.": "brow_furrow present",
    "A faint smile plays on the lips.": "lip_corner_pull present",
    "Both corners of her mouth are turned down.": "lip_corner_depress present",
    "The jaw drops.": "mouth_opening up",
    "She is wide-eyed.": "eye_opening up",
    "He keeps squinting.": "eye_opening down",
    "He shakes his head.": "head_motion up",
    "The head is held still.": "head_motion absent",
    "The upper lids are raised.": "eye_opening up",
    "His lips form a tight line.": "lip_press present",
    "With a lifted chin, she looks on.": "head_nod up",
    "The face remains expressionless.": "face_motion absent",
    "The eyebrows remain in a neutral position.": "brow_raise usual",
    "The brows are much less drawn together.": "brow_furrow down",
    "There is little head movement.": "head_motion down",
}
HEARD = {
    "She speaks softly.": "loudness down",
    "He talks in a whisper.": "whisper present",
    "She talks in a raised voice.": "loudness up",
    "The delivery is monotone.": "pitch_range down",
    "A high-pitched voice.": "pitch_level up",
    "The voice rises at the end.": "pitch_end up",
    "Rapid-fire delivery.": "speech_rate up",
    "The tempo is sluggish.": "speech_rate down",
    "There are long pauses.": "pauses up",
    "He goes on without pauses.": "pauses absent",
    "The tone is breathy.": "breathiness present",
    "It sounds harsh.": "harshness present",
    "The voice is bright.": "brightness up",
    "The volume is moderate.": "loudness usual",
    "The loudness varies less.": "loudness_range down",
    "The voice lacks variation in pitch.": "pitch_range absent",
}
SENTENCES = [text for text in (*SEEN, *HEARD) if not text.startswith("It ")]
"""Sentences that name what they are about; "it" points back."""


def said(text: str, column: str = VISUAL) -> list[str]:
    return [f"{'not ' * claim.is_negated}{claim.aspect} {claim.direction}" for claim in claims(text, column)]


@pytest.mark.parametrize(("text", "expected"), SEEN.items())
def test_a_thing_is_bound_to_what_it_does_in_a_face(text: str, expected: str) -> None:
    assert said(text) == [expected]


@pytest.mark.parametrize(("text", "expected"), HEARD.items())
def test_a_thing_is_bound_to_what_it_does_in_a_voice(text: str, expected: str) -> None:
    assert said(text, ACOUSTIC) == [expected]


def test_several_things_of_a_sentence_keep_their_own_movements() -> None:
    assert said("The brows are raised, the eyes wide, and the mouth slightly open.") == [
        "brow_raise up", "eye_opening up", "mouth_opening up",
    ]  # fmt: skip
    assert said("A quiet, slow voice with many pauses, low in pitch", ACOUSTIC) == [
        "loudness down", "speech_rate down", "pauses up", "pitch_level down",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There is no smile.", ["lip_corner_pull absent"]),
        ("She does not raise her eyebrows.", ["not brow_raise up"]),
        (
            "Rather than smiling, she presses the lips together.",
            ["lip_corner_pull absent", "lip_press present"],
        ),
        ("Neither the brows nor the head move.", ["not head_motion up", "not brow_motion up"]),
        ("He barely moves his head.", ["not head_motion up"]),
        ("A smile is absent.", ["lip_corner_pull absent"]),
        ("There is no smile and the brows are raised.", ["lip_corner_pull absent", "brow_raise up"]),
        ("The eyebrows stay relaxed instead of raised.", ["brow_furrow absent", "not brow_raise up"]),
    ],
)
def test_a_denial_reaches_as_far_as_it_is_meant(text: str, expected: list[str]) -> None:
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("The eyebrows sit below their usual height.", VISUAL, "brow_raise down"),
        ("The lids look weighed down.", VISUAL, "eye_opening down"),
        ("The lips touch each other all the time.", VISUAL, "mouth_opening down"),
        ("The jaw hangs slack.", VISUAL, "mouth_opening up"),
        ("The individual hangs their head.", VISUAL, "head_nod down"),
        ("The woman lifts the woman's chin.", VISUAL, "head_nod up"),
        ("He keeps an unsmiling face.", VISUAL, "lip_corner_pull absent"),
        ("The head shows little movement.", VISUAL, "head_motion absent"),
        ("She talks near the top of her range.", ACOUSTIC, "pitch_level up"),
        ("The voice sinks into a deep tone.", ACOUSTIC, "pitch_level down"),
        ("The pitch spans a large interval.", ACOUSTIC, "pitch_range up"),
        ("The pitch moves within a small range.", ACOUSTIC, "pitch_range down"),
        ("There are leaps in pitch.", ACOUSTIC, "pitch_range present"),
        ("A descending contour is heard.", ACOUSTIC, "pitch_course down"),
        ("The utterance ends with a fall.", ACOUSTIC, "pitch_end down"),
        ("The volume exceeds a normal level.", ACOUSTIC, "loudness up"),
        ("Spikes in volume punctuate the recital.", ACOUSTIC, "loudness_range present"),
        ("The loudness stays the same.", ACOUSTIC, "loudness_range absent"),
        ("The tempo lies above average.", ACOUSTIC, "speech_rate up"),
        ("She lingers over each phrase.", ACOUSTIC, "speech_rate down"),
        ("He stops again and again.", ACOUSTIC, "pauses up"),
        ("Air escapes with the voice.", ACOUSTIC, "breathiness present"),
    ],
)
def test_where_a_thing_stands_against_the_usual_is_read(text: str, column: str, expected: str) -> None:
    assert expected in said(text, column)
    aspect, direction = expected.split()
    opposite = {"up": "down", "down": "up", "present": "absent", "absent": "present"}[direction]
    assert f"{aspect} {opposite}" not in said(text, column)


@pytest.mark.parametrize(
    "text",
    [
        "A smile is nowhere to be seen.",
        "A grin never appears.",
        "The smile that would be usual here is absent.",
        "Any hint of a smile is lacking.",
        "A smile does not form.",
        "A smiling mouth is not seen there.",
        "Next to no smile is there.",
    ],
)
def test_a_denial_may_stand_behind_what_it_denies(text: str) -> None:
    assert said(text) == ["lip_corner_pull absent"]


def test_a_denial_of_an_end_or_of_something_else_denies_nothing() -> None:
    assert said("The smile never fades.") == ["lip_corner_pull present"]
    assert said("The smile stays, and no tears are seen.") == ["lip_corner_pull present"]
    assert said("Wide her eyes are not.") == ["not eye_opening up"]
    assert said("It is plain that the voice is deep and that no sighs are heard.", ACOUSTIC) == ["pitch_level down"]


@pytest.mark.parametrize("before", ["", "The voice is there. ", "The intonation is there. ", "The head is in view. "])
@pytest.mark.parametrize("column", [VISUAL, ACOUSTIC])
@pytest.mark.parametrize(
    "text",
    [
        "The scene darkens and sinks.",
        "The mood falls.",
        "The effect is strong.",
        "The drizzle is steady.",
        "The lamp is bright.",
        "The audio is clean.",
        "The picture is wide.",
        "The tone changes.",
        "The clip breaks off.",
        "The footage is typical of a studio.",
        "The jacket is open.",
        "She clears her throat.",
        "There are gaps between the teeth.",
        "A dog barks.",
    ],
)
def test_a_movement_with_a_subject_of_its_own_is_not_said_of_face_or_voice(before: str, column: str, text: str) -> None:
    assert said(before + text, column) == []


def test_things_keep_to_their_own_verbs_across_an_and() -> None:
    assert said("She hangs her head, and the brows go up.") == ["head_nod down", "brow_raise up"]
    assert said("Far from being still, the head keeps moving.") == ["head_motion present", "head_motion up"]
    assert said("It is noticeable that the melody is flat.", ACOUSTIC) == ["pitch_range down"]
    assert said("The lips are pressed together.") == ["lip_press present"]


def test_two_denials_cancel_out() -> None:
    assert said("The speech is not without pauses.", ACOUSTIC) == ["pauses present"]


@pytest.mark.parametrize(
    "text",
    [
        "A sad voice.",
        "Another person smiles in the background.",
        "His hands are raised.",
        "Loud music plays.",
        "The mouth opens and closes as they speak.",
        "The brows are not visible.",
        "The confidence is low, and the state is low in activation.",
    ],
)
def test_what_is_not_measurable_or_of_somebody_else_is_no_claim(text: str) -> None:
    assert said(text) == []


def test_doubt_degree_and_time_are_noted() -> None:
    (doubted,) = claims("The speaker seems to smile.", VISUAL)
    assert doubted.hedged
    (shouted,) = claims("He shouts.", ACOUSTIC)
    assert shouted.is_marked
    first, then = claims("The voice is loud at first, then soft.", ACOUSTIC)
    assert (first.direction, then.direction, first.extent) == ("up", "down", "part")
    (moment,) = claims("The brows are raised from 0.5 s to 1.2 s.", VISUAL)
    assert moment.extent == "moment"
    (led,) = claims("For a moment, the brows are raised.", VISUAL)
    assert led.extent == "moment"


@given(st.lists(st.sampled_from(SENTENCES), max_size=5))
def test_claims_of_a_concatenation_are_the_concatenated_claims(parts: list[str]) -> None:
    expected: list[Claim] = []
    text = ""
    for part in parts:
        expected += [moved(claim, len(text)) for claim in claims(part, ACOUSTIC)]
        text += part + " "
    assert claims(text, ACOUSTIC) == expected


@given(st.text(max_size=80) | st.lists(st.sampled_from([*SENTENCES, "İ", "’", "0.5 s", "no", "\n"])).map(" ".join))
def test_spans_lie_in_the_text_and_quote_it(text: str) -> None:
    for claim in claims(text, VISUAL):
        begin, end = claim.span
        assert 0 <= begin < end <= len(text)
        assert claim.quote == text[begin:end]


@given(
    st.sampled_from(["brows", "eyebrows", "lip corners", "head"]),
    st.sampled_from(["raised", "lowered", "lifted"]),
    st.sampled_from(["clearly", "slightly", ""]),
)
def test_a_not_flips_a_claim(thing: str, movement: str, how: str) -> None:
    (plain,) = claims(f"The {thing} are {how} {movement}.", VISUAL)
    (denied,) = claims(f"The {thing} are not {how} {movement}.", VISUAL)
    assert denied.aspect == plain.aspect
    assert (denied.direction == "absent") != (denied.is_negated and denied.direction == plain.direction)


def test_every_cue_of_the_lexicon_is_measured() -> None:
    known = {name for name, _ in (*FACE_CUES, *VOICE_CUES)}
    aspects = load_lexicon().aspects.values()
    assert {one.cue for aspect in aspects for one in aspect.cues} <= known
    assert {aspect.range for aspect in aspects if aspect.range} <= known


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("There is no sound.", {"voice"}),
        ("The track is completely silent.", {"voice"}),
        ("No speech or vocalisation can be heard.", {"voice"}),
        ("No voice quality stands out.", set()),
        ("A black screen.", {"face"}),
        ("The face is not visible, and there is no audio.", {"face", "voice"}),
        ("no face is shown", {"face"}),
        ("There is no smile, and the voice is quiet.", set()),
        ("", set()),
    ],
)
def test_texts_that_deny_sound_or_picture_are_known(text: str, expected: set[str]) -> None:
    assert denials(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "The mouth is open no more than a crack.",
        "The eyes are only slightly open.",
        "The eyes are open, but only just.",
        "The eyes are not fully closed.",
        "Though open, they tell little.",
        "Only a sliver of the eye remains open.",
        "Smiling is the one thing she does not do.",
        "The pauses are short.",
        "A smile would look quite different.",
        "Nobody would call this a smile.",
        "If this is a smile, it is a small one.",
        "She suppresses a smile.",
        "That she is not smiling could hardly be maintained.",
        "One looks in vain for a smile.",
        "Is she smiling?",
        "The left brow is higher than the right.",
        "Her eyes are wider than before.",
        "The camera nods up and down.",
    ],
)
def test_what_is_but_supposed_disputed_or_left_open_is_no_claim(text: str) -> None:
    assert said(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "The voice is not loud enough to carry.",
        "The pitch could hardly be higher.",
        "Compared with the opening of the clip, the pitch is higher at its close.",
        "The high-pitched chirping of a bird comes in.",
        '"Keep your head up and speak loudly," the speaker says.',
        "Hardly a moment passes without a pause.",
        "The pitch climbs and drops.",
        "Inaudible.",
    ],
)
def test_what_is_no_claim_about_a_voice_is_left_out(text: str) -> None:
    assert said(text, ACOUSTIC) == []


@pytest.mark.parametrize(
    ("text", "column", "expected"),
    [
        ("The eyelids droop, leaving the eyes only half open.", VISUAL, ["eye_opening down"] * 2),
        ("The mouth is barely open.", VISUAL, ["mouth_opening down"]),
        ("Head movement is all but absent.", VISUAL, ["head_motion absent"]),
        ("There is little or no head movement.", VISUAL, ["head_motion absent"]),
        ("The head is never at rest.", VISUAL, ["head_motion present"]),
        ("Hardly a muscle stirs in his face.", VISUAL, ["face_motion absent"]),
        ("At no point does the man close the man's mouth.", VISUAL, ["not mouth_opening down"]),
        ("It cannot be overlooked that the brows are raised.", VISUAL, ["brow_raise up"]),
        ("One notes that the brows are raised.", VISUAL, ["brow_raise up"]),
        ("Smile: absent.", VISUAL, ["lip_corner_pull absent"]),
        ("AU12 is active.", VISUAL, ["lip_corner_pull present"]),
        ("The words are murmured, hardly above a whisper.", ACOUSTIC, ["loudness down"]),
        ("The words run on with no break.", ACOUSTIC, ["pauses down"]),
        ("There is no shortage of pauses.", ACOUSTIC, ["pauses present"]),
        ("He never pauses; what is more, he shouts.", ACOUSTIC, ["pauses absent", "loudness up"]),
        ("The mouth aperture is tiny and small.", VISUAL, ["mouth_opening down"]),
        ("The head stays put - a broad grin appears.", VISUAL, ["head_motion absent", "lip_corner_pull up"]),
        ("The brows show that they are lowered.", VISUAL, ["brow_raise down"]),
        ("The jaw hangs open far enough to show the tongue.", VISUAL, ["mouth_opening up"]),
        ("It must also be said that the brows are raised.", VISUAL, ["brow_raise up"]),
        ("The voice jumps from high to low and back.", ACOUSTIC, ["pitch_range up"]),
        (
            "The pitch is flat and there are leaps in loudness.",
            ACOUSTIC,
            ["pitch_range down", "loudness_range present"],
        ),
        ("The volume ebbs and flows.", ACOUSTIC, ["loudness_range up"]),
        ("He grows silent time after time.", ACOUSTIC, ["pauses up"]),
        ("He halts often and no word is loud.", ACOUSTIC, ["pauses up", "not loudness up"]),
        ("She speaks in a high-pitched manner.", ACOUSTIC, ["pitch_level up"]),
        ("She talks in a bass-like voice.", ACOUSTIC, ["pitch_level down"]),
    ],
)
def test_wordings_that_turn_a_claim_round_are_understood(text: str, column: str, expected: list[str]) -> None:
    assert said(text, column) == expected
