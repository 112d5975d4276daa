"""Bad input: one line that names what, where, the rule and the remedy, and exit code 2; or a typed reject."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.support.servers import FakeServerProcess, fake_server
from tests.support.workspace import PROMPTS, Workspace, annotate


def refused(*arguments: str | Path, **environment: str) -> str:
    """Run a command that must be refused; return its one line."""
    done = annotate(*arguments, **environment)
    assert done.returncode == 2, done.stdout + done.stderr
    lines = [line for line in done.stderr.strip().splitlines() if not line.startswith("engine:")]
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert "Traceback" not in done.stderr
    return lines[0]


def rejects(folder: Path, source: Path, *options: str | Path) -> dict[str, str]:
    """Index; return the reasons of the rejects by path."""
    done = annotate("index", source, "--out", folder / "clips.parquet", *options)
    assert done.returncode == 0, done.stderr
    accepted = pq.read_table(folder / "clips.parquet").num_rows
    rows = pq.read_table(folder / "clips.rejects.parquet").to_pylist()
    assert f"{accepted:,} clips + {len(rows):,} rejects = {accepted + len(rows):,} found" in done.stdout
    return {row["path"]: row["reason"] for row in rows}


def test_missing_and_empty_sources(tmp_path: Path) -> None:
    assert "nowhere" in refused("index", tmp_path / "nowhere", "--out", tmp_path / "clips.parquet")
    (tmp_path / "empty").mkdir()
    assert "empty" in refused("index", tmp_path / "empty", "--out", tmp_path / "clips.parquet")
    (tmp_path / "notes.txt").write_text("no clips")
    assert "notes.txt" in refused("index", tmp_path / "notes.txt", "--out", tmp_path / "clips.parquet")


def test_a_table_without_a_path_column(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("file,label\na.mp4,joy\n")
    line = refused("index", tmp_path / "clips.csv", "--out", tmp_path / "clips.parquet")
    for word in ("clips.csv", "path", "file, label"):
        assert word in line


def test_bad_files_become_typed_rejects(tmp_path: Path, demo_clips: Path) -> None:
    folder = tmp_path / "clips"
    shutil.copytree(demo_clips, folder)
    (folder / "zero.mp4").touch()
    (folder / "text.mp4").write_text("this is no video")
    (folder / "gone.mp4").symlink_to(folder / "nowhere.mp4")
    (folder / "cut.mp4").write_bytes(sorted(demo_clips.glob("*.mp4"))[0].read_bytes()[:2000])
    found = rejects(tmp_path, folder)
    assert found["zero.mp4"] == "empty_file"
    assert found["text.mp4"] == "not_media"
    assert found["gone.mp4"] in ("not_found", "unreadable")
    assert found["cut.mp4"] in ("corrupt", "not_media")
    assert len(found) == 4


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file, so no file is unreadable by its permissions")
def test_a_file_without_read_permission_is_a_typed_reject(tmp_path: Path, demo_clips: Path) -> None:
    folder = tmp_path / "clips"
    shutil.copytree(demo_clips, folder)
    (folder / "00_happiness.mp4").chmod(0)
    assert rejects(tmp_path, folder) == {"00_happiness.mp4": "unreadable"}


def test_duplicates_and_paths_outside_become_typed_rejects(tmp_path: Path, demo_clips: Path) -> None:
    name = sorted(demo_clips.glob("*.mp4"))[0].name
    other = sorted(demo_clips.glob("*.mp4"))[1].name
    rows = ["clip_id,path", f"one,{name}", f"one,{other}", f"two,../{demo_clips.name}/../x.mp4", "three,/etc/passwd"]
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    found = rejects(tmp_path, tmp_path / "clips.csv", "--root", demo_clips)
    assert found == {
        other: "duplicate_clip_id",
        f"../{demo_clips.name}/../x.mp4": "path_outside_root",
        "/etc/passwd": "path_outside_root",
    }


def test_a_manifest_that_index_did_not_write(tmp_path: Path) -> None:
    pq.write_table(pa.table({"path": ["a.mp4"]}), tmp_path / "clips.parquet")
    line = refused(
        "run", "--prompt", PROMPTS / "cot_v2.yaml", "--clips", tmp_path / "clips.parquet", "--out", tmp_path / "o"
    )
    assert "vaemo-annotate index" in line
    line = refused(
        "run", "--prompt", PROMPTS / "cot_v2.yaml", "--clips", tmp_path / "no.parquet", "--out", tmp_path / "o"
    )
    assert "no.parquet" in line


def test_a_manifest_with_duplicate_ids(workspace: Workspace) -> None:
    table = pq.read_table(workspace.manifest)
    twice = pa.concat_tables([table, table.slice(0, 1)]).replace_schema_metadata(table.schema.metadata)
    pq.write_table(twice, workspace.manifest)
    line = refused(
        "run", "--prompt", PROMPTS / "cot_v2.yaml", "--clips", workspace.manifest, "--out", workspace.folder / "o"
    )
    assert "clip_id" in line


def broken(tmp_path: Path, change: Any) -> Path:
    """Write cot_v2 with one thing changed."""
    content = yaml.safe_load((PROMPTS / "cot_v2.yaml").read_text())
    change(content)
    path = tmp_path / "broken.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["steps"][1].update(colour="red"), ["steps[1].colour", "unknown key"]),
        (lambda c: c["steps"][2].update(uses=["look", "liste"]), ["steps[2].uses", "'liste'", "look, listen"]),
        (lambda c: c["steps"][0].update(template="{{ look }}"), ["steps[0].template", "'look' is undefined"]),
        (lambda c: c["steps"][0].update(template="{% if %}"), ["steps[0].template", "line 1"]),
        (lambda c: c["steps"][0].update(template="{{ ''.__class__.__mro__ }}"), ["steps[0].template", "unsafe"]),
        (lambda c: c["steps"][0]["schema"].update(type="strin"), ["steps[0].schema", "not a valid JSON Schema"]),
        (lambda c: c["output"].update(valence="reason.valance"), ["output.valence", "'valance'"]),
        (lambda c: c["media"].update(fps=-1), ["media.fps", "greater than 0"]),
        (lambda c: c["steps"][0].update(template="{{ cues.face }}"), ["steps[0].template", "'cues' is undefined"]),
    ],
)
def test_a_broken_prompt_is_named_by_its_path_in_the_file(
    workspace: Workspace, tmp_path: Path, change: Any, words: list[str]
) -> None:
    path = broken(tmp_path, change)
    line = refused(
        "run", "--prompt", path, "--clips", workspace.manifest, "--out", tmp_path / "out", "--endpoint", "http://x"
    )
    for word in ["broken.yaml", *words]:
        assert word in line


def test_all_faults_of_a_prompt_are_told_at_once(tmp_path: Path) -> None:
    path = broken(tmp_path, lambda c: (c["steps"][0].update(uses=["x"]), c["output"].update(arousal="nowhere.a")))
    done = annotate("prompt", path)
    assert done.returncode == 2
    assert "steps[0].uses" in done.stderr
    assert "output.arousal" in done.stderr


def run_against(workspace: Workspace, url: str, *options: str | Path, out: str = "out") -> list[str | Path]:
    """Return a run's arguments."""
    arguments: list[str | Path] = ["run", "--prompt", PROMPTS / "cot_v2.yaml", "--clips", workspace.manifest]
    return [*arguments, "--out", workspace.folder / out, "--endpoint", url, "--canaries", "off", *options]


def test_an_endpoint_that_is_not_there(workspace: Workspace) -> None:
    line = refused(*run_against(workspace, "http://127.0.0.1:9/v1"))
    assert "http://127.0.0.1:9" in line
    assert "--endpoint" in line
    assert "http://user" not in refused(*run_against(workspace, "http://user:secret@127.0.0.1:9/v1"))


def test_an_endpoint_without_an_address_says_what_is_missing(workspace: Workspace) -> None:
    paths = ("--prompt", PROMPTS / "cot_v2.yaml", "--clips", workspace.manifest, "--out", workspace.folder / "o")
    line = refused("run", *paths, "--engine", "endpoint")
    for word in ("--endpoint URL", "VAEMO_ENDPOINT", "http://localhost:8000/v1"):
        assert word in line


def test_a_model_that_is_not_served(workspace: Workspace, server: FakeServerProcess) -> None:
    line = refused(*run_against(workspace, server.url, "--model", "Qwen/Qwen2.5-Omni-7B"))
    for word in ("Qwen/Qwen2.5-Omni-7B", "not served", "fake-omni", "--model"):
        assert word in line


def test_a_folder_of_another_prompt(workspace: Workspace, server: FakeServerProcess) -> None:
    assert annotate(*run_against(workspace, server.url, "--limit", "1")).returncode == 0
    arguments = run_against(workspace, server.url)
    arguments[2] = PROMPTS / "cot_v1.yaml"
    line = refused(*arguments)
    for word in ("cot_v2", "cot_v1", "--out"):
        assert word in line


def test_a_folder_in_use_by_another_run(workspace: Workspace, server: FakeServerProcess) -> None:
    import fcntl

    out = workspace.folder / "out"
    out.mkdir()
    with (out / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "in use by another run" in refused(*run_against(workspace, server.url))


def test_a_ledger_that_is_broken_or_of_the_future(workspace: Workspace, server: FakeServerProcess) -> None:
    out = workspace.folder / "out"
    out.mkdir()
    (out / "ledger.sqlite").write_text("not a database" * 100)
    assert "ledger.sqlite" in refused(*run_against(workspace, server.url))
    (out / "ledger.sqlite").unlink()
    with sqlite3.connect(out / "ledger.sqlite") as ledger:
        ledger.execute("PRAGMA user_version = 99")
    assert "upgrade vaemo" in refused(*run_against(workspace, server.url))


@pytest.mark.parametrize(
    ("option", "value"), [("--shard", "3/2"), ("--shard", "one"), ("--concurrency", "many"), ("--engine", "magic")]
)
def test_an_option_that_makes_no_sense(workspace: Workspace, option: str, value: str) -> None:
    line = refused(*run_against(workspace, "http://127.0.0.1:9/v1", option, value))
    assert option in line
    assert value in line


def test_a_vllm_python_that_cannot_run_vllm(workspace: Workspace) -> None:
    arguments: list[str | Path] = [
        "run",
        "--prompt",
        PROMPTS / "cot_v2.yaml",
        "--clips",
        workspace.manifest,
        "--out",
        workspace.folder / "o",
    ]
    line = refused(*arguments, "--engine", "vllm", "--vllm-python", "/nowhere/python")
    assert "--vllm-python" in line


def test_a_server_that_refuses_the_key(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    with fake_server(tmp_path / "server") as server:
        server.script({"kind": "error", "status": 401, "message": "no such key", "match": "trial", "times": -1})
        assert "VAEMO_API_KEY" in refused(*run_against(workspace, server.url), VAEMO_API_KEY="sk-wrong")


def test_commands_on_folders_without_a_run(tmp_path: Path) -> None:
    assert str(tmp_path) in refused("show", tmp_path)
    assert str(tmp_path) in refused("merge", tmp_path)
    assert str(tmp_path) in refused("push", tmp_path, "--repo", "user/name", "--dry-run")


def test_paths_with_spaces_unicode_and_hashes_are_captioned(
    tmp_path: Path, demo_clips: Path, server: FakeServerProcess
) -> None:
    source = sorted(demo_clips.glob("*.mp4"))[0]
    folder = tmp_path / "my clips #1"
    (folder / "Käthe 😀").mkdir(parents=True)
    for name in ("a b.mp4", "c#d?.mp4", "Käthe 😀/%20é.mp4"):
        shutil.copy(source, folder / name)
    workspace = Workspace(tmp_path)
    assert annotate("index", folder, "--out", workspace.manifest).returncode == 0
    assert annotate(*run_against(workspace, server.url)).returncode == 0
    assert sorted(workspace.dataset()["path"]) == sorted(["a b.mp4", "c#d?.mp4", "Käthe 😀/%20é.mp4"])


def test_a_reply_that_holds_a_template_is_inserted_as_text(
    tmp_path: Path, demo_clips: Path, server: FakeServerProcess
) -> None:
    source = sorted(demo_clips.glob("*.mp4"))[0]
    (tmp_path / "clips.jsonl").write_text(json.dumps({"path": source.name, "text": "{{ 7 * 7 }} {% for %}"}))
    (tmp_path / "prompt.yaml").write_text(
        yaml.safe_dump(
            {
                "name": "echo", "version": "1", "description": "x", "system": "x",
                "steps": [{"name": "say", "inputs": ["video", "text"], "template": "Words: {{ text }}"}],
                "output": {"affect_description": "say"},
            }
        )
    )  # fmt: skip
    workspace = Workspace(tmp_path)
    annotate("index", tmp_path / "clips.jsonl", "--root", demo_clips, "--out", workspace.manifest)
    done = workspace.run(server.url, prompt=tmp_path / "prompt.yaml")
    assert done.returncode == 0, done.stderr
    assert len(workspace.dataset()) == 1


@pytest.mark.parametrize(("module", "command"), [("aiohttp", "run"), ("datasets", "show"), ("huggingface_hub", "push")])
def test_a_missing_extra_is_told_with_the_line_that_installs_it(tmp_path: Path, module: str, command: str) -> None:
    import sys

    from tests.support.workspace import call

    arguments = {
        "run": ["--prompt", str(PROMPTS / "cot_v2.yaml")],
        "show": [str(tmp_path)],
        "push": [str(tmp_path), "--repo", "user/name"],
    }[command]
    (tmp_path / "run.json").write_text('{"counts": {"accepted": 0}}')
    code = f"import sys; sys.modules[{module!r}] = None; from vaemo_annotate.cli import main; main()"
    done = call([sys.executable, "-c", code, command, *arguments])
    assert done.returncode == 2, done.stderr
    assert f"{module} is not installed; it comes with: pip install 'vaemo[annotate]'" in done.stderr
