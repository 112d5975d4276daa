"""Nothing lost, nothing doubled: runs killed at random moments, and what a changed input re-runs."""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from tests.support.servers import REPOSITORY, FakeServerProcess
from tests.support.workspace import COMMAND, PROMPTS, Workspace, annotate, clean_environment

KILLS = 50
STEPS = 24 * 3


def committed_replies(ledger: Path) -> set[str]:
    """Return the digests of the replies that are safe on disk."""
    if not ledger.exists():
        return set()
    with sqlite3.connect(ledger) as connection:
        rows = connection.execute("SELECT reply FROM attempts").fetchall()
    return {hashlib.sha256(orjson.loads(row[0])["text"].encode()).hexdigest() for row in rows}


def killed_by_event(command: list[str], moment: str, count: int) -> int:
    """Run until the chosen moment kills it; return the exit code."""
    arguments = command[len(COMMAND) :]
    killer = [sys.executable, "-m", "tests.support.killed_run", moment, str(count), *arguments]
    done = subprocess.run(
        killer, cwd=REPOSITORY, env=clean_environment(), capture_output=True, timeout=120, check=False
    )
    return done.returncode


def killed_by_clock(command: list[str], seconds: float) -> int:
    """Run and kill from outside after some seconds; return the exit code."""
    process = subprocess.Popen(command, env=clean_environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        return process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


@pytest.mark.timeout(600)
def test_fifty_kills_lose_nothing_and_send_no_committed_request_again(
    workspace: Workspace, server: FakeServerProcess
) -> None:
    """SIGKILL at 50 random moments, in the ledger's writes, between replies, and in the dataset's build."""
    assert workspace.run(server.url, "whole").returncode == 0
    assert server.log()["requests"] == STEPS
    generator = random.Random(20261121)
    command = workspace.run_command(server.url, "killed")
    ledger = workspace.folder / "killed" / "ledger.sqlite"
    moments: Counter[str] = Counter()
    while moments.total() < KILLS:
        before, sent_before = committed_replies(ledger), Counter(server.log()["replies"])
        moment, code = kill_somewhere(command, generator, STEPS - len(before))
        sent = Counter(server.log()["replies"]) - sent_before
        assert not before & sent.keys(), f"after {moments}, {moment}: a committed request was sent again"
        assert max(sent.values(), default=0) <= 1, f"after {moments}, {moment}: a request was sent twice in one run"
        if code == -signal.SIGKILL:
            moments[moment] += 1
        else:
            assert code == 0, f"after {moments}, {moment}: exit code {code}"
        if code == 0 or generator.random() < 0.08:
            # A finished ledger would leave nothing but the dataset's build to kill: begin afresh.
            assert_equal_to_uninterrupted(workspace, server, command)
            shutil.rmtree(workspace.folder / "killed")
    assert_equal_to_uninterrupted(workspace, server, command)
    assert {"write", "commit", "reply", "stream", "swap", "marker", "clock"} == moments.keys(), moments


def kill_somewhere(command: list[str], generator: random.Random, steps_left: int) -> tuple[str, int]:
    """Run the command and kill it at a random moment; return the moment and the exit code."""
    if generator.random() < 0.2:
        return "clock", killed_by_clock(command, generator.uniform(0.5, 1.8))
    moment = generator.choice(["write", "write", "commit", "reply", "reply", "stream", "swap", "marker"])
    most = {"write": steps_left // 4, "commit": steps_left // 4, "reply": steps_left}.get(moment, 1)
    return moment, killed_by_event(command, moment, generator.randint(1, max(most, 1)))


def assert_equal_to_uninterrupted(workspace: Workspace, server: FakeServerProcess, command: list[str]) -> None:
    """Finish the killed run and compare it with the one that nobody interrupted."""
    committed = committed_replies(workspace.folder / "killed" / "ledger.sqlite")
    before = server.log()["requests"]
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert server.log()["requests"] - before == STEPS - len(committed)
    assert workspace.comparable("killed") == workspace.comparable("whole")
    assert len(workspace.dataset("killed", "rejects")) == 0
    leftovers = [
        path.name for path in (workspace.folder / "killed").iterdir() if "draft" in path.name or ".old" in path.name
    ]
    assert leftovers == []


@pytest.fixture
def own_prompt(tmp_path: Path) -> Path:
    """A copy of cot_v2 that a test may edit."""
    return Path(shutil.copy(PROMPTS / "cot_v2.yaml", tmp_path / "prompt.yaml"))


def edit(prompt: Path, change: Any) -> None:
    """Change a prompt file."""
    content = yaml.safe_load(prompt.read_text())
    change(content)
    prompt.write_text(yaml.safe_dump(content, allow_unicode=True))


def requests_of(workspace: Workspace, server: FakeServerProcess, prompt: Path, **options: Any) -> int:
    """Run and return how many requests were sent."""
    before = server.log()["requests"]
    done = workspace.run(server.url, prompt=prompt, **options)
    assert done.returncode == 0, done.stderr
    sent: int = server.log()["requests"] - before
    return sent


def test_running_again_asks_nothing(workspace: Workspace, server: FakeServerProcess, own_prompt: Path) -> None:
    assert requests_of(workspace, server, own_prompt) == STEPS
    first = workspace.comparable()
    assert requests_of(workspace, server, own_prompt) == 0
    assert workspace.comparable() == first


def test_editing_the_last_step_reruns_only_that_step(
    workspace: Workspace, server: FakeServerProcess, own_prompt: Path
) -> None:
    requests_of(workspace, server, own_prompt)
    looks = [row["steps"][0] for row in workspace.comparable()]
    edit(
        own_prompt, lambda content: content["steps"][2].update(template=content["steps"][2]["template"] + "\nBe brief.")
    )
    assert requests_of(workspace, server, own_prompt) == 24
    assert [row["steps"][0] for row in workspace.comparable()] == looks


def test_editing_the_first_step_reruns_it_and_what_uses_it(
    workspace: Workspace, server: FakeServerProcess, own_prompt: Path
) -> None:
    requests_of(workspace, server, own_prompt)
    edit(
        own_prompt, lambda content: content["steps"][0].update(template=content["steps"][0]["template"] + "\nBe brief.")
    )
    assert requests_of(workspace, server, own_prompt) == 48


def test_comments_and_descriptions_of_a_prompt_rerun_nothing(
    workspace: Workspace, server: FakeServerProcess, own_prompt: Path
) -> None:
    requests_of(workspace, server, own_prompt)
    own_prompt.write_text(own_prompt.read_text() + "\n# a comment\n")
    edit(own_prompt, lambda content: content.update(description="Said otherwise."))
    assert requests_of(workspace, server, own_prompt) == 0


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda content: content["media"].update(max_frames=4, fps=8.0), id="frames"),
        pytest.param(lambda content: content["media"].update(short_side_px=120), id="size"),
        pytest.param(lambda content: content["sampling"].update(temperature=0.7), id="temperature"),
        pytest.param(lambda content: content["sampling"].update(seed=5), id="seed"),
        pytest.param(lambda content: content.update(system=content["system"] + " Be brief."), id="system"),
    ],
)
def test_changed_media_sampling_or_system_rerun_everything(
    workspace: Workspace, server: FakeServerProcess, own_prompt: Path, change: Any
) -> None:
    requests_of(workspace, server, own_prompt, limit=3)
    edit(own_prompt, change)
    assert requests_of(workspace, server, own_prompt, limit=3) == 9


def test_another_model_reruns_everything(workspace: Workspace, tmp_path: Path, own_prompt: Path) -> None:
    from tests.support.servers import fake_server

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    with fake_server(tmp_path / "a") as one, fake_server(tmp_path / "b", "--model", "other-omni") as other:
        assert requests_of(workspace, one, own_prompt, limit=3) == 9
        assert requests_of(workspace, other, own_prompt, limit=3) == 9
        assert {row["model"] for row in workspace.dataset()} == {"other-omni"}
        assert requests_of(workspace, one, own_prompt, limit=3) == 0


def test_touching_the_bytes_of_a_clip_reruns_that_clip_only(
    tmp_path: Path, demo_clips: Path, server: FakeServerProcess, own_prompt: Path
) -> None:
    shutil.copytree(demo_clips, tmp_path / "clips")
    workspace = Workspace(tmp_path)
    assert annotate("index", tmp_path / "clips", "--out", workspace.manifest).returncode == 0
    requests_of(workspace, server, own_prompt)
    wav = next((tmp_path / "clips").glob("*.mp4"))
    wav.write_bytes(wav.read_bytes() + b"\0\0\0\x08free")
    stale = workspace.run(server.url, prompt=own_prompt)
    assert Counter(row["reject_reason"] for row in workspace.dataset(part="rejects")) == {"file_changed": 1}, (
        stale.stderr
    )
    assert annotate("index", tmp_path / "clips", "--out", workspace.manifest).returncode == 0
    assert requests_of(workspace, server, own_prompt) == 3
    assert len(workspace.dataset()) == 6


def test_a_new_mtime_without_new_bytes_reruns_nothing(
    tmp_path: Path, demo_clips: Path, server: FakeServerProcess, own_prompt: Path
) -> None:
    shutil.copytree(demo_clips, tmp_path / "clips")
    workspace = Workspace(tmp_path)
    annotate("index", tmp_path / "clips", "--out", workspace.manifest)
    requests_of(workspace, server, own_prompt)
    next((tmp_path / "clips").glob("*.mp4")).touch()
    assert requests_of(workspace, server, own_prompt) == 0


def test_segments_samples_and_a_muted_copy_never_share_a_ledger_key(
    tmp_path: Path, demo_clips: Path, server: FakeServerProcess, own_prompt: Path
) -> None:
    """Four clips of one recording: two segments, the whole, and the whole without its sound; two samples each."""
    import ffmpeg
    import imageio_ffmpeg

    source = sorted(demo_clips.glob("*.mp4"))[0]
    folder = tmp_path / "clips"
    folder.mkdir()
    shutil.copy(source, folder / "talk.mp4")
    muted = ffmpeg.input(str(source)).output(str(folder / "muted.mp4"), vcodec="copy", an=None)
    muted.run(cmd=imageio_ffmpeg.get_ffmpeg_exe(), quiet=True)
    rows = ["path,start_s,end_s", "talk.mp4,0.0,1.0", "talk.mp4,1.0,2.0", "talk.mp4,,", "muted.mp4,,"]
    (folder / "clips.csv").write_text("\n".join(rows))
    workspace = Workspace(tmp_path)
    assert annotate("index", folder / "clips.csv", "--out", workspace.manifest).returncode == 0
    assert requests_of(workspace, server, own_prompt, samples=2) == 4 * 2 * 3
    with sqlite3.connect(tmp_path / "out" / "ledger.sqlite") as connection:
        (keys,) = connection.execute("SELECT COUNT(DISTINCT key) FROM attempts").fetchone()
    assert keys == 4 * 2 * 3
    assert [row["sample_index"] for row in workspace.dataset()] == [0, 1] * 4


def test_two_files_with_the_same_bytes_are_asked_once(
    tmp_path: Path, demo_clips: Path, server: FakeServerProcess, own_prompt: Path
) -> None:
    folder = tmp_path / "clips"
    folder.mkdir()
    source = sorted(demo_clips.glob("*.mp4"))[0]
    shutil.copy(source, folder / "a.mp4")
    shutil.copy(source, folder / "b.mp4")
    workspace = Workspace(tmp_path)
    annotate("index", folder, "--out", workspace.manifest)
    assert requests_of(workspace, server, own_prompt) == 3
    first, second = workspace.dataset()
    assert first["affect_description"] == second["affect_description"]


def heed_ctrl_c() -> None:
    """A shell starts its background jobs, and so all that they start, deaf to Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_keeps_every_reply_and_says_how_to_resume(workspace: Workspace, tmp_path: Path) -> None:
    from tests.support.servers import fake_server

    with fake_server(tmp_path, "--latency-s", "0.5") as slow:
        command = workspace.run_command(slow.url)
        process = subprocess.Popen(
            command, env=clean_environment(), stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
        )
        deadline = time.monotonic() + 60
        while slow.log()["requests"] < 10 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "the same command resumes" in errors
        committed = committed_replies(tmp_path / "out" / "ledger.sqlite")
        assert committed
        before = slow.log()["requests"]
        assert workspace.run(slow.url).returncode == 0
        assert slow.log()["requests"] - before == STEPS - len(committed)
