"""The whole job against a real vLLM server on the CPU, with a tiny random omni model."""

from __future__ import annotations

import base64
import json
import os
import random
import signal
import sqlite3
import subprocess
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pytest
import yaml

from tests.support.real_data import real_data
from tests.support.servers import require_vllm, tiny_omni, vllm_arguments, vllm_environment, vllm_server
from tests.support.workspace import COMMAND, PROMPTS, Workspace, annotate, clean_environment
from vaemo_annotate.engines.discovery import trial_media
from vaemo_clips.caption import caption_schema, reject_schema
from vaemo_clips.manifest import Manifest

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]


def metrics(url: str) -> dict[str, float]:
    """Return the server's cache counters."""
    with urllib.request.urlopen(url.removesuffix("/v1") + "/metrics", timeout=10) as response:
        lines = response.read().decode().splitlines()
    pairs = [
        line.rsplit(" ", 1)
        for line in lines
        if line.startswith(("vllm:mm_cache_hits_total", "vllm:prefix_cache_hits_total"))
    ]
    return {name.split("{")[0]: float(value) for name, value in pairs}


@pytest.fixture(scope="module")
def captioned(vllm_url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, dict[str, float]]:
    """The 31 real clips, indexed and captioned with cot_v2; with what the caches' counters grew by."""
    workspace = Workspace(tmp_path_factory.mktemp("real"))
    indexed = annotate("index", real_data("clips"), "--out", workspace.manifest)
    assert indexed.returncode == 0, indexed.stderr
    before = metrics(vllm_url)
    done = workspace.run(vllm_url, max_reject_rate=1.0, canaries="warn")
    assert done.returncode == 0, done.stderr
    after = metrics(vllm_url)
    return workspace, {name: after[name] - before.get(name, 0.0) for name in after}


def test_every_real_clip_gets_a_caption_or_a_typed_reject(captioned: tuple[Workspace, dict[str, float]]) -> None:
    workspace, _ = captioned
    accepted, rejected = workspace.dataset(), workspace.dataset(part="rejects")
    manifest = Manifest.open(workspace.manifest)
    assert manifest.num_clips == 31
    assert sorted([*accepted["clip_id"], *rejected["clip_id"]]) == sorted(manifest.clip_ids())
    assert all(row["reject_reason"] and row["reject_detail"] for row in rejected)
    assert len(accepted) >= 8, Counter(rejected["reject_reason"])
    assert {"server_gone", "server_error", "timeout", "connection"}.isdisjoint(rejected["reject_reason"])


def test_the_dataset_has_exactly_the_schema_of_the_contract(captioned: tuple[Workspace, dict[str, float]]) -> None:
    workspace, _ = captioned
    extra = Manifest.open(workspace.manifest).extra_fields
    for part, schema in (("dataset", caption_schema(extra)), ("rejects", reject_schema(extra))):
        found = workspace.dataset(part=part).data.table.schema
        assert found.names == schema.names
        assert [plain(field.type) for field in found] == [plain(field.type) for field in schema]


def plain(kind: pa.DataType) -> str:
    """Return a type without the names and nullability of list items, which `datasets` rewrites."""
    if pa.types.is_list(kind):
        return f"list<{plain(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return f"struct<{', '.join(f'{field.name}: {plain(field.type)}' for field in kind)}>"
    return str(kind)


def test_accepted_captions_came_through_three_steps_and_fit_the_prompt(
    captioned: tuple[Workspace, dict[str, float]],
) -> None:
    workspace, _ = captioned
    for row in workspace.dataset():
        assert [step["name"] for step in row["steps"]] == ["look", "listen", "reason"]
        look, listen, reason = (json.loads(step["reply"], strict=False) for step in row["steps"])
        assert look.keys() >= {"brows", "eyes", "mouth"}
        assert listen.keys() >= {"pitch", "loudness"}
        assert 1 <= len(row["emotions"]) <= 3
        assert row["valence"] is None or -1 <= row["valence"] <= 1
        assert reason["agreement"] in ("agree", "conflict", "only_face", "only_voice", "neither")
        assert row["server_version"] == "0.32.0"


def test_gibberish_is_dropped_and_says_nothing_of_what_the_server_sees_or_hears(
    captioned: tuple[Workspace, dict[str, float]], vllm_url: str
) -> None:
    workspace, _ = captioned
    out = workspace.folder / "out"
    canaries = json.loads((out / "run.json").read_text())["canaries"]
    outcomes = {name: found["outcome"] for name, found in canaries["outcomes"].items()}
    assert outcomes.keys() == {"tone", "silence", "face", "blank"}
    assert "passed" not in outcomes.values(), outcomes
    done = annotate("check", out, "--ablate", "2", "--endpoint", vllm_url)
    assert done.returncode == 0, done.stderr
    record = json.loads((out / "check.json").read_text())
    assert record["kept"] + record["dropped"] == record["captions"] == len(workspace.dataset())
    assert record["dropped"] >= 0.99 * record["captions"], record["reasons"]
    ablation = json.loads((out / "ablation.json").read_text())
    assert ablation["clips"] == 2
    assert ablation["replies_asked_now"] > 0


def test_reason_finds_the_video_of_look_in_the_servers_caches(captioned: tuple[Workspace, dict[str, float]]) -> None:
    workspace, grown = captioned
    with_picture = [row for row in workspace.dataset() if row["width"] is not None]
    assert with_picture
    cached = [row["steps"][2]["cached_tokens"] for row in with_picture]
    assert sum(count > 0 for count in cached) >= 0.8 * len(cached), cached
    assert grown["vllm:mm_cache_hits_total"] >= len(with_picture)
    record = json.loads((workspace.folder / "out" / "run.json").read_text())
    assert record["server_caches"]["mm_cache_hits"] >= len(with_picture)
    assert record["server_caches"]["prefix_cache_hits"] > 0


def test_the_ledger_notes_the_media_of_every_clip(captioned: tuple[Workspace, Any]) -> None:
    """What a resumed run needs to know its keys without decoding; decodings are counted in annotate/test_chat.py."""
    workspace, _ = captioned
    with sqlite3.connect(workspace.folder / "out" / "ledger.sqlite") as ledger:
        (noted,) = ledger.execute("SELECT COUNT(*) FROM media").fetchone()
    assert noted == 31 + 2  # the clips, and the canaries


@pytest.fixture
def small_prompt(tmp_path: Path) -> Path:
    """cot_v2 with small media and short replies, so that a request takes half a second."""
    content = yaml.safe_load((PROMPTS / "cot_v2.yaml").read_text())
    content["media"] = {"fps": 2.0, "max_frames": 2, "short_side_px": 112, "audio_rate_hz": 16000}
    for step in content["steps"]:
        for schema in step["schema"]["properties"].values():
            if "maxLength" in schema:
                schema["maxLength"] = 24
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def ledger_attempts(out: Path) -> dict[tuple[bytes, int], bytes]:
    """Return every committed reply by key and attempt."""
    if not (out / "ledger.sqlite").exists():
        return {}
    with sqlite3.connect(out / "ledger.sqlite") as ledger:
        if not ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'attempts'").fetchone():
            return {}  # the file is made a moment before its tables
        return {
            (key, attempt): reply for key, attempt, reply in ledger.execute("SELECT key, attempt, reply FROM attempts")
        }


def test_five_kills_against_vllm_keep_every_committed_reply(
    workspace: Workspace, vllm_url: str, small_prompt: Path
) -> None:
    command = workspace.run_command(vllm_url, "killed", small_prompt, limit=16, max_reject_rate=1.0, concurrency=4)
    out = workspace.folder / "killed"
    generator = random.Random(5)
    for _ in range(5):
        before = ledger_attempts(out)
        process = subprocess.Popen(
            command, env=clean_environment(), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        grown_by, deadline = generator.randint(2, 8), time.monotonic() + 60
        while len(ledger_attempts(out)) < len(before) + grown_by and process.poll() is None:
            assert time.monotonic() < deadline, "no reply in time"
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        after = ledger_attempts(out)
        assert before.items() <= after.items(), "a committed reply was lost or asked again"
    before = ledger_attempts(out)
    done = subprocess.run(command, env=clean_environment(), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    assert before.items() <= ledger_attempts(out).items()
    assert len(workspace.dataset("killed")) + len(workspace.dataset("killed", "rejects")) == 16
    assert f"{len(ledger_attempts(out)) - len(before)} replies asked for now" in done.stdout


def test_frame_times_reach_the_models_positions(vllm_url: str) -> None:
    """The same frames at another pace give other logits; the metadata alone would not do it on Qwen2.5-Omni."""
    from vaemo_annotate.engines.request import ChatRequest, video_parts
    from vaemo_annotate.media import VideoFacts

    media = trial_media()

    def logprobs(fps: float, without: str = "") -> list[float]:
        video = VideoFacts("x", len(media.frames_base64), fps, len(media.frames_base64) / fps)
        request = ChatRequest(
            "Look.", video_parts(media, "vllm"), "What moves?", "none", None, 0.0, 1.0, 4, None, video
        )
        body = json.loads(request.body("tiny-omni", "vllm")) | {"logprobs": True}
        body.pop(without, None)
        answer = json.loads(post(vllm_url, body))
        return [round(token["logprob"], 6) for token in answer["choices"][0]["logprobs"]["content"]]

    assert logprobs(4.0) != logprobs(1.0)
    assert logprobs(4.0, without="mm_processor_kwargs") == logprobs(1.0, without="mm_processor_kwargs")


def post(url: str, body: dict[str, Any]) -> bytes:
    """POST a chat request."""
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        content: bytes = response.read()
        return content


def test_more_than_32_frames_are_all_seen(vllm_url: str) -> None:
    """Without `num_frames` vLLM drops the frames after the 32nd."""
    from vaemo_annotate.engines.request import ChatRequest, video_parts
    from vaemo_annotate.media import EncodedMedia, VideoFacts

    frame = trial_media().frames_base64[0]

    def prompt_tokens(count: int) -> int:
        media = EncodedMedia(trial_media().facts, [frame] * count, b"")
        video = VideoFacts("x", count, 2.0, count / 2.0)
        request = ChatRequest(
            "Look.", video_parts(media, "vllm"), "What moves?", "none", None, 0.0, 1.0, 1, None, video
        )
        tokens: int = json.loads(post(vllm_url, json.loads(request.body("tiny-omni", "vllm"))))["usage"][
            "prompt_tokens"
        ]
        return tokens

    per_frame = (prompt_tokens(32) - prompt_tokens(16)) / 16
    assert per_frame > 0
    assert prompt_tokens(48) - prompt_tokens(32) == 16 * per_frame


def test_a_server_that_takes_no_frame_times_is_used_with_a_warning(
    workspace: Workspace, tmp_path: Path, small_prompt: Path
) -> None:
    with vllm_server(tmp_path / "server.log") as url:
        done = workspace.run(url, prompt=small_prompt, limit=2, max_reject_rate=1.0)
    assert done.returncode == 0, done.stderr
    assert "--trust-request-mm-kwargs" in done.stderr
    assert len(workspace.dataset()) + len(workspace.dataset(part="rejects")) == 2
    assert json.loads((workspace.folder / "out" / "run.json").read_text())["engine"]["media_dialect"] == "vllm-untimed"


def managed_command(workspace: Workspace, prompt: Path, out: str, *more: str) -> list[str]:
    """Return the command of a run that starts vLLM itself."""
    python, model = require_vllm(), tiny_omni()
    arguments = [
        "run",
        "--prompt",
        str(prompt),
        "--clips",
        str(workspace.manifest),
        "--out",
        str(workspace.folder / out),
    ]
    arguments += ["--engine", "vllm", "--vllm-python", str(python), "--model", str(model)]
    arguments += ["--vllm-args", " ".join(vllm_arguments()), "--max-reject-rate", "1", "--limit", "4"]
    arguments += ["--canaries", "off"]
    return [*COMMAND, *arguments, *more]


def vllm_processes(part: str = "vllm") -> set[int]:
    """Return the processes of vLLM servers: the API server, or its engine and workers too."""
    found = set()
    for process in psutil.process_iter(["cmdline", "name"]):
        words = " ".join(process.info["cmdline"] or [])
        is_server = "vllm.entrypoints.openai.api_server" in words and "vaemo_annotate" not in words
        if is_server or (part == "vllm" and words.startswith("VLLM::")):
            found.add(process.pid)
    return found


def test_the_managed_server_is_started_used_and_gone(workspace: Workspace, small_prompt: Path) -> None:
    others = vllm_processes()
    command = managed_command(workspace, small_prompt, "managed")
    done = subprocess.run(
        command, env=clean_environment() | vllm_environment(), capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "vLLM is ready" in done.stderr
    assert len(workspace.dataset("managed")) + len(workspace.dataset("managed", "rejects")) == 4
    record = json.loads((workspace.folder / "managed" / "run.json").read_text())
    assert record["engine"]["name"] == "vllm"
    assert record["engine"]["model_revision"].startswith("local-")
    assert record["engine"]["media_dialect"] == "vllm"
    assert vllm_processes() <= others


def test_a_killed_server_is_restarted_and_a_killed_run_takes_its_server_with_it(
    workspace: Workspace, small_prompt: Path
) -> None:
    """First the server is killed under the run, which restarts it; then the run is killed, and no server stays."""
    others = vllm_processes()
    command = managed_command(workspace, small_prompt, "managed", "--samples", "12", "--concurrency", "2")
    out = workspace.folder / "managed"
    environment = clean_environment() | vllm_environment()
    run = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: len(ledger_attempts(out)) >= 3, 120, "no reply from the managed server")
        for pid in vllm_processes("server") - others:
            os.kill(pid, signal.SIGKILL)
        seen = len(ledger_attempts(out))
        wait_for(lambda: len(ledger_attempts(out)) >= seen + 3, 150, "the server was not brought back")
        assert run.poll() is None
    finally:
        run.kill()
        run.wait()
    assert "the server died" in (out / "run.log").read_text()
    wait_for(lambda: vllm_processes() <= others, 45, "a server outlived its run")


def wait_for(condition: Any, seconds: float, otherwise: str) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)


def test_base64_frames_need_no_json_escapes() -> None:
    """The parts are serialised by hand; they must be JSON all the same."""
    from vaemo_annotate.engines.request import audio_parts, video_parts

    media = trial_media()
    for part in [*video_parts(media, "vllm"), *audio_parts(media, "vllm"), *video_parts(media, "images")]:
        content = json.loads(part)
        url = content[content["type"]]["url"]
        assert base64.b64decode(url.partition(",")[2].split(",")[0])
