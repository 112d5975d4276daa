"""Requests: the JSON that is sent, and the key under which the reply is kept."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaemo_annotate.engines.request import ChatRequest, Dialect, audio_parts, request_key, video_parts
from vaemo_annotate.media import AudioFacts, EncodedMedia, MediaFacts, VideoFacts

FRAMES = [base64.b64encode(data) for data in (b"frame 0", b"frame 1", b"frame 2")]
WAV = base64.b64encode(b"RIFF sound")
VIDEO = VideoFacts("v", 3, 1.5, 2.0)
MEDIA = EncodedMedia(MediaFacts(VIDEO, AudioFacts("a", 2.0, False)), FRAMES, WAV)
NO_MEDIA = EncodedMedia(MediaFacts(None, None), [], b"")
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "string"}}}
F0, F1, F2 = (frame.decode() for frame in FRAMES)
SOUND = WAV.decode()


def request(dialect: Dialect, **changes: Any) -> ChatRequest:
    plain = ChatRequest(
        system="You observe.",
        media_parts=[*video_parts(MEDIA, dialect), *audio_parts(MEDIA, dialect)],
        text='What is "seen"?\n',
        schema_name="look",
        schema=SCHEMA,
        temperature=0.2,
        top_p=0.9,
        max_tokens=64,
        seed=None,
        video=VIDEO,
    )
    return replace(plain, **changes)


def body(dialect: Dialect, **changes: Any) -> dict[str, Any]:
    content: dict[str, Any] = orjson.loads(request(dialect, **changes).body("omni", dialect))
    return content


TIMES = {
    "media_io_kwargs": {
        "video": {
            "num_frames": 3,
            "fps": 1.5,
            "frames_indices": [0, 1, 2],
            "total_num_frames": 3,
            "duration": 2.0,
            "do_sample_frames": False,
        }
    },
    "mm_processor_kwargs": {"fps": 1.5},
}
VLLM_PARTS = [
    {"type": "video_url", "video_url": {"url": f"data:video/jpeg;base64,{F0},{F1},{F2}"}},
    {"type": "audio_url", "audio_url": {"url": f"data:audio/wav;base64,{SOUND}"}},
]
IMAGE_PARTS = [
    {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{F0}"}},
    {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{F1}"}},
    {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{F2}"}},
    {"type": "input_audio", "input_audio": {"format": "wav", "data": SOUND}},
]


@pytest.mark.parametrize(
    ("dialect", "parts", "extra"),
    [("vllm", VLLM_PARTS, TIMES), ("vllm-untimed", VLLM_PARTS, {}), ("images", IMAGE_PARTS, {})],
)
def test_the_whole_body_in_each_dialect(dialect: Dialect, parts: list[Any], extra: dict[str, Any]) -> None:
    assert body(dialect) == {
        "model": "omni",
        "messages": [
            {"role": "system", "content": "You observe."},
            {"role": "user", "content": [*parts, {"type": "text", "text": 'What is "seen"?\n'}]},
        ],
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 64,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "look", "strict": True, "schema": SCHEMA},
        },
        **extra,
    }


@pytest.mark.parametrize("dialect", ["vllm", "vllm-untimed", "images"])
def test_the_system_text_comes_first_then_picture_then_sound_then_text(dialect: Dialect) -> None:
    raw = request(dialect).body("omni", dialect)
    places = [raw.index(part) for part in (b"You observe.", F0.encode(), F2.encode(), WAV, b"What is")]
    assert places == sorted(places)


def test_two_steps_of_a_clip_share_their_bytes_up_to_the_text_so_that_the_prefix_cache_hits() -> None:
    look = request("vllm").body("omni", "vllm")
    reason = request("vllm", text="Reason.", schema_name="reason").body("omni", "vllm")
    shared = look.index(b'{"type":"text"')
    assert look[:shared] == reason[:shared]


def test_a_seed_is_sent_only_where_there_is_one() -> None:
    assert "seed" not in body("vllm")
    assert body("vllm", seed=0)["seed"] == 0


def test_free_text_asks_for_no_format() -> None:
    assert "response_format" not in body("vllm", schema=None)


def test_frame_times_are_sent_only_with_frames() -> None:
    assert not {"media_io_kwargs", "mm_processor_kwargs"} & body("vllm", video=None).keys()


def test_the_turns_of_a_remedy_follow_the_users_message() -> None:
    follow_up = [("assistant", "{}"), ("user", "Once more.")]
    assert body("vllm", follow_up=follow_up)["messages"][2:] == [
        {"role": "assistant", "content": "{}"},
        {"role": "user", "content": "Once more."},
    ]


@pytest.mark.parametrize("dialect", ["vllm", "vllm-untimed", "images"])
def test_a_clip_without_a_track_goes_without_its_part(dialect: Dialect) -> None:
    assert video_parts(NO_MEDIA, dialect) == []
    assert audio_parts(NO_MEDIA, dialect) == []


def test_media_can_be_put_in_later() -> None:
    bare = request("vllm", media_parts=())
    assert bare.with_media(request("vllm").media_parts).body("omni", "vllm") == request("vllm").body("omni", "vllm")


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_arrives_as_it_is(system: str, text: str) -> None:
    messages = body("images", system=system, text=text)["messages"]
    assert messages[0]["content"] == system
    assert messages[1]["content"][-1]["text"] == text


FACTS: dict[str, Any] = {
    "key_version": 1,
    "clip": ["ab" * 32, None, 2.5],
    "media": {"video": {"digest": "v", "fps": 1.5, "num_frames": 3}, "audio": {"digest": "a", "is_silent": False}},
    "sent": ["video"],
    "dialect": "vllm",
    "messages": ["system", "text"],
    "schema": {"type": "object", "properties": {"b": {"maxLength": 5}, "a": {}}, "required": ["a", "b"]},
    "model": ["omni", None],
    "sampling": [0.2, 0.9, 512, None],
    "sample_index": 0,
}


def places(facts: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every leaf of nested dicts and lists, as the path to it."""
    inner = facts.items() if isinstance(facts, dict) else enumerate(facts) if isinstance(facts, list) else None
    return [path] if inner is None else [leaf for name, child in inner for leaf in places(child, (*path, name))]


def changed(facts: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    facts = copy.deepcopy(facts)
    node: Any = facts
    for name in path[:-1]:
        node = node[name]
    node[path[-1]] = value
    return facts


SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)


@given(path=st.sampled_from(places(FACTS)), value=SCALARS | st.text(st.characters(exclude_categories=["Cs"])))
def test_the_key_changes_with_every_single_fact(path: tuple[Any, ...], value: Any) -> None:
    other = changed(FACTS, path, value)
    same = orjson.dumps(other, option=orjson.OPT_SORT_KEYS) == orjson.dumps(FACTS, option=orjson.OPT_SORT_KEYS)
    assert (request_key(other) == request_key(FACTS)) == same


def test_every_leaf_matters() -> None:
    keys = {request_key(changed(FACTS, path, "something else")) for path in places(FACTS)}
    assert len(keys | {request_key(FACTS)}) == len(places(FACTS)) + 1


@given(st.permutations(list(FACTS)), st.permutations(["type", "properties", "required"]))
def test_the_key_does_not_depend_on_the_order_of_names(names: list[str], inner: list[str]) -> None:
    shuffled = {name: FACTS[name] for name in names}
    shuffled["schema"] = {name: FACTS["schema"][name] for name in inner}
    assert request_key(shuffled) == request_key(FACTS)


def test_the_key_tells_a_moved_border_between_texts_and_the_order_of_lists() -> None:
    assert request_key({"m": ["ab", "c"]}) != request_key({"m": ["a", "bc"]})
    assert request_key({"m": ["a", "b"]}) != request_key({"m": ["b", "a"]})
    assert request_key({"m": 1}) != request_key({"m": "1"}) != request_key({"m": 1.0})


def test_the_key_is_the_same_in_every_process_and_release() -> None:
    canonical = json.dumps(FACTS, sort_keys=True, separators=(",", ":")).encode()
    assert request_key(FACTS) == hashlib.sha256(canonical).digest()
