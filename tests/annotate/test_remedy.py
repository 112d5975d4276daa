"""Remedies: what follows from the replies so far, as a pure function of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaemo_annotate.engines.remedy import MAX_ATTEMPTS, Answered, Ask, GiveUp, next_move
from vaemo_annotate.engines.request import ChatRequest
from vaemo_annotate.ledger import Ledger
from vaemo_annotate.reply import Reply

SCHEMA: dict[str, Any] = {"type": "object", "required": ["a"], "properties": {"a": {"type": "string"}}}
REQUEST = ChatRequest(
    system="You observe.",
    media_parts=(),
    text="What is seen?",
    schema_name="look",
    schema=SCHEMA,
    temperature=0.2,
    top_p=0.9,
    max_tokens=100,
    seed=7,
)


def reply(text: str, finish_reason: str = "stop", status: int = 200) -> Reply:
    return Reply(status, text, finish_reason, 10, 0, 5, 0.1, 1, "2026-05-04T12:00:00+00:00")


ANSWER = reply('{"a": "x"}')
TRUNCATED = reply('{"a": "the brows', "length")
NOT_JSON = reply("The brows rise.")
SCHEMA_FAULT = reply('{"b": 1}')
EMPTY = reply("")
LOOP = reply('{"a": "' + "and then again " * 20 + '"}')
BLANKS = reply('{"a": "x"' + " \n" * 100, "length")
REFUSAL = reply("I'm sorry, but I can't help with that.")
REFUSED = reply("too many images", "error", 400)
POISON = reply("the server died twice", "poison", 0)
REMEDIABLE = {
    "truncated": TRUNCATED,
    "not_json": NOT_JSON,
    "schema": SCHEMA_FAULT,
    "empty": EMPTY,
    "repetitive": LOOP,
    "whitespace_loop": BLANKS,
    "refusal": REFUSAL,
}
ALL = [ANSWER, *REMEDIABLE.values(), REFUSED, POISON]


def asked_after(*replies: Reply, request: ChatRequest = REQUEST) -> ChatRequest:
    move = next_move(request, SCHEMA, replies)
    assert isinstance(move, Ask), move
    return move.request


def kind_given_up(*replies: Reply) -> str:
    move = next_move(REQUEST, SCHEMA, replies)
    assert isinstance(move, GiveUp), move
    return move.fault.kind


def test_the_first_request_is_sent_as_it_is() -> None:
    assert asked_after() == REQUEST


def test_an_answer_ends_it_with_its_value() -> None:
    assert next_move(REQUEST, SCHEMA, [ANSWER]) == Answered({"a": "x"})
    assert next_move(REQUEST, None, [reply(" free text ")]) == Answered("free text")


def test_a_truncated_reply_is_asked_again_with_twice_the_cap_and_nothing_else_changed() -> None:
    asked = asked_after(TRUNCATED)
    assert (asked.max_tokens, asked.seed, asked.temperature, asked.follow_up) == (200, 7, 0.2, ())


@pytest.mark.parametrize("fault", [NOT_JSON, SCHEMA_FAULT])
def test_a_reply_that_does_not_fit_is_quoted_back_with_the_validators_message(fault: Reply) -> None:
    (first, quoted), (second, correction) = asked_after(fault).follow_up
    assert (first, quoted, second) == ("assistant", fault.text, "user")
    assert correction.startswith("Your reply does not fit the required JSON schema: ")
    assert ("'a' is a required property" in correction) == (fault is SCHEMA_FAULT)


@pytest.mark.parametrize("fault", [EMPTY, LOOP, BLANKS])
def test_a_draw_without_content_is_drawn_again_warmer_with_another_seed(fault: Reply) -> None:
    asked = asked_after(fault)
    assert asked.temperature == pytest.approx(0.5)
    assert asked.seed not in (None, 7)
    assert (asked.max_tokens, asked.follow_up) == (100, ())


def test_no_seed_is_made_up_where_none_was_asked_for() -> None:
    asked = asked_after(EMPTY, request=ChatRequest("s", (), "t", "n", SCHEMA, 0.0, 1.0, 10, None))
    assert (asked.seed, asked.temperature) == (None, 0.3)


@pytest.mark.parametrize(("before", "after"), [(0.0, 0.3), (0.7, 1.0), (0.9, 1.0), (1.0, 1.0), (1.5, 1.5)])
def test_drawing_again_is_never_colder_and_seldom_above_one(before: float, after: float) -> None:
    request = ChatRequest("s", (), "t", "n", SCHEMA, before, 1.0, 10, None)
    assert asked_after(EMPTY, request=request).temperature == pytest.approx(after)


def test_seeds_stay_within_what_servers_take() -> None:
    request = ChatRequest("s", (), "t", "n", SCHEMA, 0.0, 1.0, 10, 2**31 - 1)
    seed = asked_after(EMPTY, request=request).seed
    assert seed is not None
    assert 0 <= seed < 2**31


def test_a_refusal_is_told_what_the_work_is_for() -> None:
    (_, quoted), (_, message) = asked_after(REFUSAL).follow_up
    assert quoted == REFUSAL.text
    assert "research on expression" in message


def test_no_turn_of_a_follow_up_is_empty_or_long() -> None:
    filtered = asked_after(reply("", "content_filter")).follow_up
    assert [role for role, text in filtered if text] == ["assistant", "user"]
    (_, quoted), _ = asked_after(reply("no JSON " + "abcdefgh" * 2 + "".join(map(str, range(9000))))).follow_up
    assert len(quoted) == 1_500


@pytest.mark.parametrize(("kind", "fault"), REMEDIABLE.items())
def test_each_remedy_is_tried_once_and_then_the_clip_is_rejected_with_its_type(kind: str, fault: Reply) -> None:
    assert isinstance(next_move(REQUEST, SCHEMA, [fault]), Ask)
    assert kind_given_up(fault, fault) == kind


@pytest.mark.parametrize(("fault", "kind"), [(REFUSED, "refused_media"), (POISON, "poison")])
def test_what_no_remedy_can_mend_is_given_up_at_once(fault: Reply, kind: str) -> None:
    assert kind_given_up(fault) == kind


def test_a_remedy_that_the_server_refuses_leaves_the_fault_that_it_was_for() -> None:
    """A cap twice as high can exceed the model's context; the clip is no less truncated for it."""
    assert kind_given_up(TRUNCATED, REFUSED) == "truncated"
    assert kind_given_up(TRUNCATED, POISON) == "poison"


@pytest.mark.parametrize(("first", "second"), [(NOT_JSON, SCHEMA_FAULT), (EMPTY, LOOP), (LOOP, BLANKS)])
def test_faults_that_share_a_remedy_share_its_one_use(first: Reply, second: Reply) -> None:
    assert isinstance(next_move(REQUEST, SCHEMA, [first, second]), GiveUp)


def test_remedies_add_up() -> None:
    asked = asked_after(TRUNCATED, SCHEMA_FAULT)
    assert asked.max_tokens == 200
    assert asked.follow_up[0] == ("assistant", SCHEMA_FAULT.text)
    asked = asked_after(EMPTY, TRUNCATED)
    assert asked.max_tokens == 200
    assert asked.temperature == pytest.approx(0.5)
    assert asked.seed != 7


def test_the_latest_reply_is_the_one_that_is_quoted() -> None:
    assert [text for role, text in asked_after(SCHEMA_FAULT, REFUSAL).follow_up if role == "assistant"] == [
        REFUSAL.text
    ]


def test_three_different_faults_end_it() -> None:
    assert kind_given_up(TRUNCATED, EMPTY, REFUSAL) == "refusal"


def test_an_earlier_answer_counts_when_the_rules_for_reading_replies_have_changed_since() -> None:
    assert next_move(REQUEST, SCHEMA, [ANSWER, REFUSAL]) == Answered({"a": "x"})


@given(st.lists(st.sampled_from(ALL), max_size=12))
def test_it_always_ends_within_the_attempts_and_never_asks_after_an_answer(script: list[Reply]) -> None:
    replies: list[Reply] = []
    for answer in [*script, *[EMPTY] * MAX_ATTEMPTS]:
        move = next_move(REQUEST, SCHEMA, replies)
        if not isinstance(move, Ask):
            break
        assert ANSWER not in replies
        assert len(replies) < MAX_ATTEMPTS
        replies.append(answer)
    assert isinstance(next_move(REQUEST, SCHEMA, replies), Answered | GiveUp)
    assert isinstance(next_move(REQUEST, SCHEMA, replies), Answered) == (replies[-1] == ANSWER)


@given(st.lists(st.sampled_from(ALL), max_size=MAX_ATTEMPTS))
def test_the_decision_is_pure(replies: Sequence[Reply]) -> None:
    copies = [Reply.from_json(one.to_json()) for one in replies]
    assert next_move(REQUEST, SCHEMA, replies) == next_move(REQUEST, json.loads(json.dumps(SCHEMA)), copies)
    assert REQUEST.max_tokens == 100


async def test_a_killed_run_takes_the_decision_up_again_from_its_ledger(tmp_path: Path) -> None:
    replies = [TRUNCATED, SCHEMA_FAULT]
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for attempt, one in enumerate(replies):
            await ledger.commit_reply(b"key", attempt, "look", "clip", one)
    with Ledger(tmp_path / "ledger.sqlite") as again:
        assert next_move(REQUEST, SCHEMA, again.replies(b"key")) == next_move(REQUEST, SCHEMA, replies)
