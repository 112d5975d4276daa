"""What leaves this machine: no folder, host, address or key, and ordinary text as it is."""

from __future__ import annotations

import asyncio
import re
import ssl

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey
from hypothesis import given
from hypothesis import strategies as st

from vaemo_clips.hub.portable import portable_json, portable_name, without_folders, without_secrets


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("'/home/me/my clips/x.mp4': bad", "'x.mp4': bad"),
        ("cannot open /data/clips/x.mp4: no such file", "cannot open x.mp4: no such file"),
        (r"C:\Users\me\x.mp4 and file:///srv/y.wav", "x.mp4 and y.wav"),
        ("http://10.0.0.5:8000/v1/chat answered 500", "http://server/v1/chat answered 500"),
        ("error:/home/alice/x.mp4", "error:x.mp4"),
        ("file:/home/alice/x.mp4 and file:///home/alice/y.mp4", "x.mp4 and y.mp4"),
        ("quota of /home/alice is used up", "quota of ~ is used up"),
        (r"see \\srv\share\ann\x.mp4, not C:/clips/y.mp4", "see x.mp4, not y.mp4"),
        (r"on \\srv\share", "on server"),
        ("GET https://api.corp.example:8443/v1?api_key=s3cret: 401", "GET https://server/v1: 401"),
        ("ws://gpu01/a, wss://me:pw@gpu01/b", "ws://server/a, wss://server/b"),
        ("s3://bucket/alice/x.mp4", "s3://server/x.mp4"),
        ("redis at me:s3cret@db7:6379", "redis at server"),
        ("http://me:pa/ss@gpu01:8000/v1", "http://server/v1"),
        ("vllm at gpu-07:8000 and at 10.1.2.3, [fe80::1]:8000", "vllm at server and at server, server"),
        ("no route to node3.corp", "no route to server"),
        ("api_key=s3cret, Bearer abc.def, sk-0123456789", "api_key=***, Bearer ***, ***"),
        ("valence is 3/4 and/or n/a; $.valence / 2", "valence is 3/4 and/or n/a; $.valence / 2"),
    ],
)
def test_reject_details_lose_folders_and_hosts_only(text: str, shared: str) -> None:
    assert without_folders(text) == shared


@pytest.mark.parametrize(
    "text",
    ["at 12:30 or 12:30:45", "ratio 3:1", "and/or", "24/7 w/o sound", "2026-05-04T12:30:00Z", "version 0.32.0",
     "prompt.yaml:120: unknown key", "a host smiles at her", "they meet to host a party",
     "resolve doubts, valid for children", "std::vector", "dead::beef", "/ka/ /ta/", "stopped at 512 tokens",
     "completion token=512", "#/properties/valence/type", "<b>calm</b></i>", "torch 2.6.0+cu124",
     "he/she/they: note:2024",
     "pattern ^\\\\d+\\\\w$", "the Qwen/Qwen2.5-Omni-7B model", "@media", "a key: value; seed: 12345"],
)  # fmt: skip
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert without_folders(text) == text


def _connection(host: str, port: int, is_ssl: bool) -> ConnectionKey:
    return ConnectionKey(host, port, is_ssl, True, None, None, None)


def test_messages_of_aiohttp_tell_no_host_and_no_address() -> None:
    key = _connection("gpu01.uni-x.example", 8000, False)
    several = (
        "Multiple exceptions: [Errno 111] Connect call failed ('::1', 8000, 0, 0), [Errno 111] Connect call failed"
    )
    errors = [
        aiohttp.ClientConnectorError(_connection("gpu01.corp.local", 8000, False),
                                     OSError(111, "Connect call failed ('10.1.2.3', 8000)")),
        aiohttp.ClientConnectorError(key, OSError(None, f"{several} ('10.1.2.3', 8000)")),
        aiohttp.ClientConnectorDNSError(_connection("gpu01", 8000, True), OSError(-2, "Name or service not known")),
        aiohttp.ClientConnectorCertificateError(key, ssl.SSLCertVerificationError(
            1, "certificate is not valid for 'gpu01.uni-x.example'")),
        aiohttp.ConnectionTimeoutError("Connection timeout to host http://gpu01.uni-x.example:8000/v1/chat/completions"),
        aiohttp.InvalidURL("http://me:pw@gpu01.uni-x.example:8000"),
        aiohttp.ClientOSError(104, "Connection reset by peer"),
    ]  # fmt: skip
    for error in errors:
        told = without_folders(f"{type(error).__name__}: {error}")
        assert not re.search(r"gpu01|uni-x|corp|10\.1|::1|pw", told), told
        assert told.startswith(type(error).__name__)
    assert "Connection reset by peer" in told


def test_a_server_that_is_really_not_there_is_not_named() -> None:
    async def ask() -> str:
        async with aiohttp.ClientSession() as session:
            with pytest.raises(aiohttp.ClientConnectorError) as caught:
                await session.get("http://127.0.0.1:1/v1")
        return str(caught.value)

    said = asyncio.run(ask())
    assert "127.0.0.1" in said
    assert "127.0.0.1" not in without_folders(said)
    assert "Cannot connect to host server ssl:default" in without_folders(said)


@pytest.mark.parametrize(
    ("value", "shared"),
    [
        ("/home/alice/", "~"),
        ("/home/alice", "~"),
        ("/srv/corpus/clips/", "clips"),
        ("s3://bucket/alice/x.csv", "x.csv"),
        ("file:/srv/x.csv", "x.csv"),
        (r"\\srv\share\x.csv", "x.csv"),
        ("https://www.example.org/watch?v=1", "https://www.example.org/watch?v=1"),
        ("/home/me/x.csv", "x.csv"),
        ("C:\\data\\x.csv", "x.csv"),
        ("Qwen/Qwen2.5-Omni-7B", "Qwen/Qwen2.5-Omni-7B"),
        ("/ka/ /ta/", "/ka/ /ta/"),
        ("...and then/or now", "...and then/or now"),
    ],
)
def test_only_absolute_paths_are_shortened(value: str, shared: str) -> None:
    assert portable_name(value) == shared


def test_a_record_loses_folders_hosts_and_numbers_that_json_lacks() -> None:
    told = {"init": "/home/ann/stage1/model", "command": ["x", "--set=data=/srv/shards", "http://gpu-7:8000/v1"],
            "share": 0.5, "loss": float("nan"), "model": "sentence-transformers/MiniLM"}  # fmt: skip
    assert portable_json(told) == {
        "init": "model", "command": ["x", "--set=data=shards", "http://server/v1"], "share": 0.5, "loss": None,
        "model": "sentence-transformers/MiniLM",
    }  # fmt: skip


def test_addresses_of_the_world_lose_their_keys_alone() -> None:
    assert without_secrets("https://me:pw@example.org/a?v=1&token=abcdef") == "https://example.org/a?v=1&token=***"


@given(st.text(alphabet="a1/\\:.@~'- \n", max_size=60))
def test_whatever_stands_before_it_no_user_and_no_host_is_told(text: str) -> None:
    told = without_folders(f"{text} /home/alice/x.mp4 (http://gpu01:8000/v1) s3://bucket/alice/x.mp4")
    for secret in ("alice", "gpu01", "bucket"):
        assert secret not in told
