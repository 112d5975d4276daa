"""What a run makes of a server's faults: each has its remedy, and every clip ends as a caption or a typed reject."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import FakeServerProcess, fake_server
from tests.support.workspace import Workspace, annotate

CLIPS = 8

PROMPT = """
name: faults
version: "1"
description: One step whose text names the clip, so that a fault can be aimed at it.
system: You describe clips.
media: {fps: 2.0, max_frames: 2, short_side_px: 64}
sampling: {temperature: 0.0, max_tokens: 64}
steps:
  - name: look
    inputs: [video, text]
    template: "Describe {{ text }}"
    schema:
      type: object
      additionalProperties: false
      required: [description]
      properties: {description: {type: string, minLength: 1, maxLength: 90}}
output: {affect_description: look.description}
"""


@pytest.fixture
def named(demo_clips: Path, tmp_path: Path) -> Workspace:
    """Eight segments of one clip, each with a text of its own."""
    source = sorted(demo_clips.glob("*.mp4"))[0]
    rows = [
        "path,start_s,end_s,text",
        *(f"{source.name},{0.3 * i:.1f},{0.3 * i + 0.3:.1f},clip-{i}" for i in range(CLIPS)),
    ]
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    (tmp_path / "faults.yaml").write_text(PROMPT)
    workspace = Workspace(tmp_path)
    done = annotate("index", tmp_path / "clips.csv", "--root", demo_clips, "--out", workspace.manifest)
    assert done.returncode == 0, done.stderr
    return workspace


def run(workspace: Workspace, server: FakeServerProcess, **options: Any) -> dict[str, str]:
    """Run; check that nothing is lost; return the rejects' reasons by the clip's text."""
    options = {"max_reject_rate": 1.0, "workers": 1, **options}
    done = workspace.run(server.url, prompt=workspace.folder / "faults.yaml", **options)
    assert done.returncode == 0, done.stderr
    accepted, rejected = workspace.dataset(), workspace.dataset(part="rejects")
    assert sorted([*accepted["text"], *rejected["text"]]) == [f"clip-{i}" for i in range(CLIPS)]
    counts = json.loads((workspace.folder / "out" / "run.json").read_text())["counts"]
    assert (counts["accepted"], counts["rejected"], counts["clips"]) == (len(accepted), len(rejected), CLIPS)
    return dict(zip(rejected["text"], rejected["reject_reason"], strict=True))


@pytest.mark.parametrize(
    "kind", ["truncated", "invalid_json", "schema", "whitespace", "repetitive", "empty", "refusal"]
)
def test_a_reply_that_fails_once_is_mended(named: Workspace, server: FakeServerProcess, kind: str) -> None:
    server.script({"kind": kind, "match": "clip-3", "times": 1})
    assert run(named, server) == {}
    attempts = {row["text"]: row["steps"][0]["attempts"] for row in named.dataset()}
    assert attempts.pop("clip-3") == 2
    assert set(attempts.values()) == {1}


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("truncated", "truncated"),
        ("invalid_json", "not_json"),
        ("schema", "schema"),
        ("whitespace", "whitespace_loop"),
        ("repetitive", "repetitive"),
        ("empty", "empty"),
        ("refusal", "refusal"),
    ],
)
def test_a_reply_that_always_fails_is_a_typed_reject_that_is_not_asked_again(
    named: Workspace, server: FakeServerProcess, kind: str, reason: str
) -> None:
    server.script({"kind": kind, "match": "clip-3", "times": -1})
    assert run(named, server) == {"clip-3": reason}
    asked = server.log()["requests"]
    assert run(named, server) == {"clip-3": reason}
    assert server.log()["requests"] == asked


@pytest.mark.parametrize("kind", ["reset", "cut", "slow"])
def test_connections_that_break_once_are_tried_again(named: Workspace, server: FakeServerProcess, kind: str) -> None:
    server.script({"kind": kind, "match": "clip-5", "times": 2, "seconds": 0.5})
    assert run(named, server) == {}


def test_errors_500_are_tried_again_and_then_rejected_but_not_for_good(
    named: Workspace, server: FakeServerProcess
) -> None:
    server.script({"kind": "error", "status": 500, "match": "clip-1", "times": 2})
    assert run(named, server) == {}
    (named.folder / "out" / "ledger.sqlite").unlink()
    server.script({"kind": "error", "status": 500, "match": "clip-1", "times": -1})
    assert run(named, server) == {"clip-1": "server_error"}
    server.script()
    asked = server.log()["requests"]
    assert run(named, server) == {}
    assert server.log()["requests"] == asked + 1


def test_throttling_is_waited_out_as_long_as_the_server_asks(named: Workspace, server: FakeServerProcess) -> None:
    server.script({"kind": "throttle", "retry_after": 2, "times": 3, "match": "clip-"})
    began = time.monotonic()
    assert run(named, server) == {}
    assert time.monotonic() - began >= 2


def test_a_request_that_hangs_times_out_and_is_rejected_but_not_for_good(
    named: Workspace, server: FakeServerProcess
) -> None:
    server.script({"kind": "hang", "match": "clip-2", "times": -1})
    assert run(named, server, request_timeout=0.5) == {"clip-2": "timeout"}
    server.script()
    assert run(named, server) == {}


def test_media_that_the_server_refuses_reject_their_clip(named: Workspace, server: FakeServerProcess) -> None:
    server.script({"kind": "error", "status": 400, "message": "too many video tokens", "match": "clip-6", "times": -1})
    assert run(named, server) == {"clip-6": "refused_media"}
    assert "too many video tokens" in named.dataset(part="rejects")[0]["reject_detail"]


@contextmanager
def brought_back(server: FakeServerProcess, faults: list[dict[str, Any]]) -> Iterator[list[float]]:
    """Start the server again whenever it dies, with the same faults; yield the times of its deaths."""
    deaths: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            if server.process.poll() is not None:
                deaths.append(time.monotonic())
                server.start()
                server.script(*faults)

    watching = threading.Thread(target=watch, daemon=True)
    server.script(*faults)
    watching.start()
    try:
        yield deaths
    finally:
        over.set()
        watching.join()


def test_a_server_that_dies_once_costs_no_clip(named: Workspace, server: FakeServerProcess) -> None:
    with brought_back(server, []) as deaths:
        server.script({"kind": "die", "match": "clip-4", "times": 1})
        assert run(named, server, patience=20) == {}
    assert len(deaths) == 1


def test_the_clip_that_kills_the_server_is_named_and_the_others_are_captioned(
    named: Workspace, server: FakeServerProcess
) -> None:
    faults = [
        {"kind": "die", "match": "clip-4", "times": -1},
        {"kind": "slow", "seconds": 0.05, "times": -1, "match": "clip-"},
    ]
    with brought_back(server, faults) as deaths:
        assert run(named, server, patience=20, concurrency=4) == {"clip-4": "poison"}
        assert len(deaths) == 2
        assert run(named, server, patience=20) == {"clip-4": "poison"}
    assert len(deaths) == 2, "a known poison was sent again"


def test_a_server_that_stays_dead_ends_the_run_and_a_later_run_resumes(named: Workspace, tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with fake_server(tmp_path / "server", "--latency-s", "0.05") as server:
        server.script({"kind": "die", "match": "clip-5", "times": 1})
        rejects = run(named, server, patience=1, concurrency=1)
        assert set(rejects.values()) == {"server_gone"}
        assert "clip-5" in rejects
        server.start()
        assert run(named, server) == {}


def test_rejects_above_the_limit_exit_with_1(named: Workspace, server: FakeServerProcess) -> None:
    server.script({"kind": "empty", "times": -1, "match": "clip-"})
    done = named.run(server.url, prompt=named.folder / "faults.yaml", max_reject_rate=0.5)
    assert done.returncode == 1
    assert "--max-reject-rate 50%" in done.stderr


def test_progress_in_a_log_is_one_plain_line_at_a_time(named: Workspace, tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with fake_server(tmp_path / "server", "--latency-s", "1.6") as server:
        done = named.run(server.url, prompt=named.folder / "faults.yaml", concurrency=1)
    lines = [line for line in done.stderr.splitlines() if "clips/s" in line]
    assert len(lines) >= 2
    for word in ("tokens/s", "cached", "ETA", "rejected"):
        assert all(word in line for line in lines)
    assert "\x1b" not in done.stderr
    assert "clips/s" in (named.folder / "out" / "run.log").read_text()


def test_the_key_is_sent_and_appears_nowhere(named: Workspace, server: FakeServerProcess) -> None:
    key = "sk-secret-0123456789"
    server.script({"kind": "error", "status": 400, "message": f"bad key {key}", "match": "clip-0", "times": -1})
    command = named.run_command(server.url, prompt=named.folder / "faults.yaml", max_reject_rate=1.0)
    from tests.support.workspace import call

    done = call([*command, "--vllm-args", f"--hf_token {key}"], environment={"VAEMO_API_KEY": key})
    assert done.returncode == 0, done.stderr
    assert key not in done.stdout + done.stderr
    for path in (named.folder / "out").rglob("*"):
        if path.is_file():
            assert key.encode() not in path.read_bytes(), path
    assert f"Bearer {key}" in server.log()["authorizations"]
