"""Canaries in real runs against servers that hear and see, or do not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import FakeServerProcess, fake_server
from tests.support.workspace import Workspace

ALL_PASSED = "canaries (6 captions, not counted above): tone passed, silence passed, face passed, blank passed"
PROMPT_STEPS = 3


def record_of(workspace: Workspace, out: str = "out") -> dict[str, Any]:
    """Return run.json."""
    record: dict[str, Any] = json.loads((workspace.folder / out / "run.json").read_text())
    return record


def requests_of(server: FakeServerProcess) -> int:
    """Return how many requests were sent so far."""
    count: int = server.log()["requests"]
    return count


def test_canaries_are_asked_once_in_every_run_and_are_no_clips_of_it(workspace: Workspace, tmp_path: Path) -> None:
    with fake_server(tmp_path, "--words") as server:
        pilot = workspace.run(server.url, canaries="stop", pilot=2)
        assert pilot.returncode == 0, pilot.stderr
        assert ALL_PASSED in pilot.stdout
        assert requests_of(server) == (2 + 6) * PROMPT_STEPS
        whole = workspace.run(server.url, canaries="stop", limit=4)
        record = record_of(workspace)
        assert record["canaries"]["asked"] == 6
        assert record["canaries"]["replies_asked_now"] == 0, "the pilot has asked them"
        assert record["counts"]["clips"] == record["counts"]["accepted"] == 4
        assert f"4 captions + 0 rejects = 4 in {workspace.folder / 'out'}" in whole.stdout
        assert ALL_PASSED in whole.stdout
        assert requests_of(server) <= (2 + 6 + 4) * PROMPT_STEPS
        shard = workspace.run(server.url, canaries="stop", shard="1/8")
        assert ALL_PASSED in shard.stdout, "a shard has a ledger of its own, and may have a server of its own"
    assert not any("canary" in row["clip_id"] for row in workspace.dataset())
    assert len(workspace.dataset(part="rejects")) == 0
    quotes = [sample["quote"] for sample in record["canaries"]["outcomes"]["tone"]["samples"]]
    assert len(quotes) == 3
    assert all(quote.startswith("The voice is loud, at") for quote in quotes)


@pytest.mark.parametrize(
    ("senses", "message", "outcomes"),
    [
        (
            ("--ears", "deaf"),
            "canary 'tone': sent was a loud voice that glides up in pitch, and 3 of 3 replies said 'There is no sound; "
            "the track is silent.' or the like: the sound is ignored; check that the model hears and that the server "
            "takes audio",
            {"tone": "ignored", "silence": "passed", "face": "passed", "blank": "passed"},
        ),
        (
            ("--ears", "invents"),
            "canary 'silence': sent was a track of digital silence, and 3 of 3 replies said ",
            {"silence": "invented", "face": "passed", "blank": "passed"},
        ),
        (
            ("--eyes", "blind"),
            "canary 'face': sent was the picture of a face, and 3 of 3 replies said 'The screen is black; no face is "
            "visible.' or the like: the picture is ignored",
            {"tone": "passed", "silence": "passed", "face": "ignored", "blank": "passed"},
        ),
        (
            ("--eyes", "invents"),
            "canary 'blank': sent was a black picture, and 3 of 3 replies said ",
            {"tone": "passed", "silence": "passed", "blank": "invented"},
        ),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_a_server_that_ignores_or_invents_a_modality_is_stopped(
    workspace: Workspace, tmp_path: Path, senses: tuple[str, ...], message: str, outcomes: dict[str, str]
) -> None:
    with fake_server(tmp_path, "--words", *senses) as server:
        stopped = workspace.run(server.url, canaries="stop", limit=2)
        assert stopped.returncode == 2
        assert requests_of(server) == 6 * PROMPT_STEPS, "no clip was asked about"
        (line,) = [line for line in stopped.stderr.splitlines() if "--canaries warn" in line]
        assert message in line
        assert not (workspace.folder / "out" / "run.json").exists()
        warned = workspace.run(server.url, canaries="warn", limit=2)
    assert warned.returncode == 0, warned.stderr
    assert f"warning: {message}" in warned.stderr
    found = {name: outcome["outcome"] for name, outcome in record_of(workspace)["canaries"]["outcomes"].items()}
    assert outcomes.items() <= found.items()
    assert len(workspace.dataset()) == 2


def test_canaries_that_get_no_reply_tell_nothing_and_stop_nothing(
    workspace: Workspace, server: FakeServerProcess
) -> None:
    server.script({"kind": "error", "status": 400, "match": "3.0 seconds", "times": -1})
    done = workspace.run(server.url, canaries="stop", limit=2)
    assert done.returncode == 0, done.stderr
    outcomes = record_of(workspace)["canaries"]["outcomes"]
    assert {outcome["outcome"] for outcome in outcomes.values()} == {"inconclusive"}
    assert "no caption (" in outcomes["tone"]["samples"][0]["quote"]
    assert "400" in outcomes["tone"]["samples"][0]["quote"]
    assert len(workspace.dataset()) == 2


def test_an_unknown_way_with_canaries_is_refused(workspace: Workspace) -> None:
    done = workspace.run("http://127.0.0.1:9/v1", canaries="loud")
    assert done.returncode == 2
    assert "--canaries loud: " in done.stderr
