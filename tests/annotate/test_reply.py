"""Reading replies: what is an answer, and what is wrong with one that is none."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaemo_annotate.reply import Fault, Reply, parse_json, read_reply

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["description"],
    "properties": {
        "description": {"type": "string"},
        "valence": {"type": ["number", "null"], "minimum": -1, "maximum": 1},
        "score": {"type": "number"},
        "emotions": {"type": "array", "items": {"type": "string"}},
    },
}


def reply(text: str, finish_reason: str = "stop", status: int = 200) -> Reply:
    return Reply(status, text, finish_reason, 100, None, 7, 0.5, 1, "2026-05-04T12:00:00+00:00")


def described(text: str, **more: Any) -> str:
    return json.dumps({"description": text, **more}, ensure_ascii=False)


FAULTS: dict[str, tuple[Reply, str, str]] = {
    "poison": (reply("the server died twice", "poison", 0), "poison", "the server died twice"),
    "refused": (reply("image\ttoo large", "error", 400), "refused_media", "HTTP 400: image too large"),
    "truncated": (reply('{"description": "the brows', "length"), "truncated", "stopped at the cap of 7 tokens"),
    "whole but capped": (reply(described("calm"), "length"), "truncated", "stopped at the cap of 7 tokens"),
    "white space to the cap": (
        reply('{"description": "x"' + " \n" * 100, "length"),
        "whitespace_loop",
        "the last 200 of 219 characters are white space; on vLLM serve with --structured-outputs-config",
    ),
    "loop to the cap": (
        reply('{"description": "' + "and then again " * 60, "length"),
        "repetitive",
        "it repeats 'and then again' until the token cap",
    ),
    "loop of escapes to the cap": (
        reply('{"description": "' + "\\n" * 60, "length"),
        "repetitive",
        r"it repeats '\\n'",
    ),
    "empty": (reply(""), "empty", "the reply has no text (finish_reason=stop)"),
    "blank": (reply(" \n\t "), "empty", "the reply has no text"),
    "filtered": (reply("", "content_filter"), "refusal", "the server's content filter stopped the reply"),
    "prose": (reply("The person smiles."), "not_json", "it begins 'The person smiles.'"),
    "half a JSON": (reply('{"description": "x"'), "not_json", "it begins"),
    "text after the JSON": (reply(described("x") + " I hope this helps!"), "not_json", "Extra data"),
    "two JSONs": (reply(described("x") + described("y")), "not_json", "Extra data"),
    "NaN": (reply('{"description": "x", "score": NaN}'), "not_json", "NaN is no JSON number"),
    "Infinity": (reply('{"description": "x", "score": -Infinity}'), "not_json", "-Infinity is no JSON number"),
    "overflow": (reply('{"description": "x", "score": 1e999}'), "not_json", "1e999 is no JSON number"),
    "nested without end": (reply('{"description": ' + "[" * 9000 + "1"), "not_json", "nested too deeply"),
    "out of range": (
        reply(described("x", valence=1.5)),
        "schema",
        "valence: 1.5 is greater than the maximum of 1",
    ),
    "missing field": (reply("{}"), "schema", "the reply: 'description' is a required property"),
    "wrong type": (reply(described("x", emotions="joy")), "schema", "emotions: 'joy' is not of type 'array'"),
    "a list": (reply("[]"), "schema", "the reply: [] is not of type 'object'"),
    "refusal": (reply("I'm sorry, but I can't help with that."), "refusal", "it begins \"I'm sorry, but"),
    "refusal with a curly apostrophe": (reply("I’m sorry, but I can’t help."), "refusal", "it begins 'I’m sorry"),
    "refusal, unable": (reply("I’m unable to describe people."), "refusal", "it begins"),
    "refusal inside a field": (
        reply(described("I cannot describe the person.")),
        "refusal",
        "description: it begins 'I cannot describe",
    ),
    "refusal inside a list": (
        reply(described("x", emotions=["joy", "As an AI, I do not judge"])),
        "refusal",
        "emotions[1]: it begins 'As an AI",
    ),
    "loop inside a field": (
        reply(described("The brows rise. " + "and then again " * 11)),
        "repetitive",
        "description: it ends in 'and then again' ten or more times",
    ),
    "loop cut off by maxLength": (
        reply(described(("and then again " * 12)[:170])),
        "repetitive",
        "description: it ends in",
    ),
}


@pytest.mark.parametrize(("answer", "kind", "detail"), FAULTS.values(), ids=FAULTS.keys())
def test_every_fault_is_typed_and_says_what_is_wrong(answer: Reply, kind: str, detail: str) -> None:
    fault = read_reply(answer, SCHEMA)
    assert isinstance(fault, Fault)
    assert fault.kind == kind
    assert detail in fault.detail
    assert "\n" not in fault.detail
    assert len(fault.detail) < 400


@pytest.mark.parametrize(
    ("text", "kind"),
    [("I'm sorry, I can't.", "refusal"), ("ha " * 40, "repetitive"), ("", "empty"), (" ", "empty")],
)
def test_free_text_has_faults_too(text: str, kind: str) -> None:
    fault = read_reply(reply(text), None)
    assert isinstance(fault, Fault)
    assert fault.kind == kind


@pytest.mark.parametrize(
    "text",
    [
        '{"description": "x"}',
        ' \n {"description": "x"}\n\n',
        '```json\n{"description": "x"}\n```',
        '```\n{"description": "x"}```',
        '  ```JSON  \n\n{"description": "x"}\n  ```  \n',
        '{\n  "description":\t"x"\r\n}',
    ],
)
def test_json_is_read_with_or_without_a_code_fence(text: str) -> None:
    assert read_reply(reply(text), SCHEMA) == {"description": "x"}


def test_a_code_fence_inside_a_string_is_text() -> None:
    assert read_reply(reply(described("```\nx\n```")), SCHEMA) == {"description": "```\nx\n```"}


def test_raw_control_characters_in_strings_become_spaces() -> None:
    assert read_reply(reply('{"description": "\x07brows\n\trise\x00 "}'), SCHEMA) == {"description": "brows rise"}


@pytest.mark.parametrize("half", ["\\ud800", "\\udfff", "\\uD83D"])
def test_half_a_surrogate_pair_becomes_the_replacement_character(half: str) -> None:
    assert read_reply(reply(f'{{"description": "a{half}b"}}'), SCHEMA) == {"description": "a\ufffdb"}


def test_a_whole_surrogate_pair_is_its_character() -> None:
    assert parse_json('{"description": "\\ud83d\\ude00"}') == {"description": "😀"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e400", "1" + "0" * 400])
def test_no_number_that_is_not_finite_ever_becomes_a_value(number: str) -> None:
    answer = read_reply(reply(f'{{"description": "x", "score": {number}}}'), SCHEMA)
    assert isinstance(answer, Fault)
    assert answer.kind == "not_json"


def test_nesting_deeper_than_a_schema_that_allows_anything_can_walk_is_a_fault() -> None:
    deep = '{"description": "x", "more": ' + "[" * 800 + "]" * 800 + "}"
    fault = read_reply(reply(deep), SCHEMA)
    assert fault == Fault("schema", "the reply is nested too deeply")


def test_free_text_is_stripped_and_nothing_else() -> None:
    assert read_reply(reply("  The brows\nrise. \n\n\n\n\n\n\n\n\n\n\n\n"), None) == "The brows\nrise."


CAPTIONS = [
    "The brows are raised at the inner corners, then lowered, then raised again. The gaze moves left, then right, then "
    "left again, then right again, and the head nods, and nods, and nods, and nods before it is still.",
    "The speaker says little: a sigh, a pause, a sigh, a pause, a sigh, a pause, a sigh. The pitch falls, the loudness "
    "falls, the rate falls. Very, very, very, very slow at the end.",
    "Laughter: ha ha ha ha ha ha ha ha ha ha ha ha",
    "A long vowel, aaaaaaaaaaaaaaaaaaaaaaaaaaaaaah, and then another: ooooooooooooooooooooooooooooooooooooh",
    "The voice trails off ....................",
    "not visible | not visible | not visible | not visible | not visible",
    "brows: still; eyes: still; mouth: still; head: still; body: still; hands: still; shoulders: still",
    "Sorry is the word that the face seems to say: inner brows up, lip corners down.",
    "I can see the lip corners rise, and can't see the hands.",
    "In a tone that says “I’m sorry”, the pitch drops; the eyes close.",
    "0.1 0.2 0.1 0.2 0.1 0.2 0.1 0.2 0.1 0.2 0.1 0.2",
    "no sound",
    "–",
    "----------------------------------------",
    "她的眉毛抬高，眼睛睁大，嘴角上扬，声音越来越高，越来越快，越来越响。",
    "The head shakes left and right, left and right, left and right, left and right, left and right, left and right.",
    "Blinks twice. Blinks twice. Blinks twice. Then nothing." + " " * 80,
    "As an aid to calm, the hand strokes the arm; unfortunately, it is out of view later.",
]


@pytest.mark.parametrize("caption", CAPTIONS)
def test_a_real_description_with_natural_repetition_is_no_fault(caption: str) -> None:
    assert read_reply(reply(described(caption)), SCHEMA) == {"description": caption}
    assert read_reply(reply(caption), None) == caption.strip()


@pytest.mark.parametrize(
    "unit", ["a", "ab", "no, ", "and then again ", "The lip corners rise and fall; the gaze drops. "]
)
@pytest.mark.parametrize("times", [60, 200])
def test_a_loop_is_found_whatever_its_length_and_wherever_it_is_cut(unit: str, times: int) -> None:
    for cut in range(len(unit)):
        text = "Calm at first: " + unit * times + unit[:cut]
        fault = read_reply(reply(text), None)
        assert isinstance(fault, Fault), text
        assert fault.kind == "repetitive"


SIZE = 100_000
SLOW = {
    "one character": "a" * SIZE,
    "one character, then another": "a" * SIZE + "b",
    "two characters": "ab" * (SIZE // 2) + "c",
    "nearly a loop": ("x" * 59 + "y") * (SIZE // 60) + "z",
    "blank": " " * SIZE + "x",
    "newlines": "\n" * SIZE + "x",
    "open fence": "```json\n" + "\n" * SIZE,
    "open fence and blanks": "```json" + " \n" * (SIZE // 2) + "x",
    "fences": "```\n" * (SIZE // 4),
    "punctuation": "'" * SIZE,
    "nearly a refusal": "unfortunately, i " * (SIZE // 17),
    "open brackets": "[" * SIZE,
    "open objects": '{"a":' * (SIZE // 5),
    "backslashes": '{"description": "' + "\\\\" * (SIZE // 2) + '"}',
    "control characters": '{"description": "' + "\x01a" * (SIZE // 2) + '"}',
    "words": described(" ".join(f"word{number}" for number in range(SIZE // 10))),
    "digits": '{"description": "x", "score": ' + "1" * SIZE + "}",
}


@pytest.mark.parametrize("finish_reason", ["stop", "length"])
@pytest.mark.parametrize("text", SLOW.values(), ids=SLOW.keys())
def test_reading_takes_no_longer_for_a_hostile_reply(text: str, finish_reason: str) -> None:
    read_reply(reply("{}"), SCHEMA)  # compiles the schema
    times = []
    for _ in range(3):
        began = time.process_time()
        read_reply(reply(text, finish_reason), SCHEMA)
        read_reply(reply(text, finish_reason), None)
        times.append(time.process_time() - began)
    assert min(times) < 0.1  # two readings, 50 ms each


@given(st.text() | st.builds(json.dumps, st.recursive(st.none() | st.floats() | st.text(), st.lists)))
def test_reading_never_fails_whatever_the_text(text: str) -> None:
    answer = read_reply(reply(text), SCHEMA)
    assert isinstance(answer, Fault | dict)


@given(
    text=st.text(st.characters(exclude_categories=["Cs"])),
    count=st.none() | st.integers(0, 2**40),
    latency_s=st.floats(0, 1e6),
)
def test_a_reply_survives_the_ledgers_json(text: str, count: int | None, latency_s: float) -> None:
    before = Reply(200, text, "stop", count, count, count, latency_s, 2, "2026-05-04T12:00:00+00:00")
    assert Reply.from_json(before.to_json()) == before
