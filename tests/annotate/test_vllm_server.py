"""The managed server's command, without starting it; the real server is in tests/end_to_end/test_vllm.py."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from vaemo_annotate.engines import vllm_server
from vaemo_annotate.engines.child import Child
from vaemo_annotate.engines.vllm_server import VllmServer, local_model_revision, vllm_version
from vaemo_annotate.run_command import read_settings
from vaemo_clips.errors import ServerError, UserError


@pytest.fixture
def _any_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vllm_server, "vllm_version", lambda python: "0.32.0")


def server_with(arguments: str, tmp_path: Path) -> VllmServer:
    """Return a server that is not started."""
    return VllmServer(Path("python"), "some/model", arguments, tmp_path / "server.log", 60.0, lambda line: None)


@pytest.mark.usefixtures("_any_vllm")
def test_the_users_arguments_come_last_and_so_win(tmp_path: Path) -> None:
    command = server_with("--max-model-len 8192 --limit-mm-per-prompt '{\"video\": 2}'", tmp_path).command()
    assert command[-4:] == ["--max-model-len", "8192", "--limit-mm-per-prompt", '{"video": 2}']
    assert "--trust-request-mm-kwargs" in command
    assert "disable_any_whitespace" in " ".join(command)


@pytest.mark.usefixtures("_any_vllm")
def test_the_servers_key_is_in_no_argument(tmp_path: Path) -> None:
    server = server_with("", tmp_path)
    assert server.endpoint.key
    assert server.endpoint.key not in " ".join(server.command())


@pytest.mark.parametrize("arguments", ["--api-key secret", "--api-key=secret", "--port 9", "--served_model_name=x"])
def test_what_the_run_sets_itself_is_refused_and_no_key_is_shown(tmp_path: Path, arguments: str) -> None:
    flag = arguments.replace("=", " ").split()[0]
    with pytest.raises(UserError, match=rf"--vllm-args: must not hold {flag}.* leave it out") as error:
        read_settings(out=tmp_path, prompt=tmp_path / "p.yaml", vllm_args=arguments)
    assert "secret" not in str(error.value)


def test_arguments_with_an_open_quote_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"--vllm-args: No closing quotation"):
        read_settings(out=tmp_path, prompt=tmp_path / "p.yaml", vllm_args="--max-model-len '8192")


def test_a_python_without_vllm_is_told_with_the_remedy() -> None:
    with pytest.raises(ServerError, match=r"it has no vllm.*pip install vllm"):
        vllm_version(Path(sys.executable))


async def test_a_server_that_ends_while_starting_is_told_in_its_own_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vllm_server, "vllm_version", lambda python: "0.32.0")
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho 'ValueError: Error: no GPU memory left' >&2\nexit 3\n")
    script.chmod(0o755)
    server = VllmServer(script, "m", "", tmp_path / "server.log", 60.0, lambda line: None)
    with pytest.raises(
        ServerError, match=r"exit code 3 before it was ready: ValueError: Error: no GPU memory left; see"
    ):
        await server.start()


def test_the_revision_of_a_local_model_changes_with_its_weights(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"one")
    first = local_model_revision(str(tmp_path))
    assert first == local_model_revision(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert first != local_model_revision(str(tmp_path))
    assert local_model_revision("nobody/has-this-model") is None


GRANDCHILD = """
import subprocess, sys, time
subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(99)  # {mark}'])
time.sleep(99)
"""


def marked(mark: str) -> list[int]:
    """Return the processes whose command holds a mark."""
    return [p.pid for p in psutil.process_iter(["cmdline"]) if any(mark in word for word in p.info["cmdline"] or [])]


def await_count(mark: str, wanted: bool) -> None:
    """Wait until there are (or are no) processes with the mark."""
    deadline = time.monotonic() + 20
    while bool(len(marked(mark)) >= 2 if wanted else marked(mark)) != wanted:
        assert time.monotonic() < deadline, marked(mark)
        time.sleep(0.05)


def test_stopping_a_child_ends_its_children_too(tmp_path: Path) -> None:
    mark = f"mark-{time.monotonic_ns()}"
    child = Child([sys.executable, "-c", GRANDCHILD.format(mark=mark)], tmp_path / "log", {"PATH": "/usr/bin"})
    await_count(mark, True)
    child.stop()
    await_count(mark, False)


def test_a_parent_killed_with_sigkill_takes_its_child_with_it(tmp_path: Path) -> None:
    mark = f"mark-{time.monotonic_ns()}"
    parent_code = f"""
import os, sys, time
from pathlib import Path
from vaemo_annotate.engines.child import Child
Child([sys.executable, '-c', {GRANDCHILD.format(mark=mark)!r}], Path({str(tmp_path / "log")!r}), dict(os.environ))
time.sleep(99)
"""
    parent = subprocess.Popen([sys.executable, "-c", parent_code])
    await_count(mark, True)
    parent.kill()
    parent.wait()
    await_count(mark, False)
