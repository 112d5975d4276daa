"""Parts of a run: pilots, limits, shards and their merge."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from tests.support.servers import FakeServerProcess
from tests.support.workspace import Workspace, annotate

CHROMIUM = shutil.which("chromium")


def merged(workspace: Workspace, *arguments: str | Path) -> str:
    """Merge; return what it printed."""
    done = annotate("merge", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_merged_shards_equal_the_whole_run(workspace: Workspace, server: FakeServerProcess) -> None:
    server.script({"kind": "empty", "match": "no such text", "times": -1})
    for number in (1, 2, 3):
        done = workspace.run(server.url, "parts", shard=f"{number}/3", samples=2)
        assert done.returncode == 0, done.stderr
    assert f"vaemo-annotate merge {workspace.folder / 'parts'}" in done.stdout
    deaf = workspace.folder / "parts" / "shard-2-of-3" / "run.json"
    told = json.loads(deaf.read_text())
    told["canaries"] = {
        "mode": "warn",
        "asked": 6,
        "replies_asked_now": 6,
        "outcomes": {"tone": {"outcome": "ignored"}},
    }
    deaf.write_text(json.dumps(told))
    assert "48 captions" in merged(workspace, workspace.folder / "parts")
    assert workspace.run(server.url, "whole", samples=2).returncode == 0
    assert workspace.comparable("parts") == workspace.comparable("whole")
    record = json.loads((workspace.folder / "parts" / "run.json").read_text())
    assert record["counts"]["clips"] == 24
    assert record["settings"]["shard"] is None
    assert record["canaries"]["outcomes"]["tone"]["outcome"] == "ignored", "one of the servers was deaf"
    assert annotate("show", workspace.folder / "parts").returncode == 0


def test_shards_partition_the_manifest(workspace: Workspace) -> None:
    from vaemo_annotate.selection import in_shard
    from vaemo_annotate.settings import Shard
    from vaemo_clips.manifest import Manifest

    ids = list(Manifest.open(workspace.manifest).clip_ids()) + [f"clip_{i}" for i in range(2000)]
    for count in (1, 2, 7):
        homes = [[s for s in range(1, count + 1) if in_shard(name, Shard(index=s, count=count))] for name in ids]
        assert all(len(home) == 1 for home in homes)
        sizes = [sum(home == [s] for home in homes) for s in range(1, count + 1)]
        assert max(sizes) < 1.3 * len(ids) / count


def test_shards_that_do_not_fit_are_refused(workspace: Workspace, server: FakeServerProcess) -> None:
    workspace.run(server.url, "parts", shard="1/2")
    lines = annotate("merge", workspace.folder / "parts").stderr
    assert "shards 2 of 2 are missing" in lines
    workspace.run(server.url, "parts", shard="2/2", samples=2)
    assert "settings.samples" in annotate("merge", workspace.folder / "parts").stderr
    workspace.run(server.url, "whole", limit=2)
    assert "not a shard" in annotate("merge", workspace.folder / "whole").stderr


def test_a_pilot_takes_random_clips_estimates_the_whole_and_its_replies_are_kept(
    workspace: Workspace, server: FakeServerProcess
) -> None:
    done = workspace.run(server.url, pilot=6, seed=3)
    assert done.returncode == 0, done.stderr
    assert "all 24 clips would take about 72 requests" in done.stdout
    assert re.search(r"at the pilot's pace that is \d", done.stdout)
    chosen = workspace.dataset("out/pilot")["clip_id"]
    assert len(chosen) == 6
    assert not (workspace.folder / "out" / "run.json").exists()
    page = (workspace.folder / "out" / "pilot" / "index.html").read_text()
    assert all(clip_id in page for clip_id in chosen)
    assert page.count("<video") == 6
    assert len(list((workspace.folder / "out" / "pilot" / "previews").glob("*.mp4"))) == 6
    other = Workspace(workspace.folder)
    other.run(server.url, "other", pilot=6, seed=4)
    assert other.dataset("other/pilot")["clip_id"] != chosen
    before = server.log()["requests"]
    assert workspace.run(server.url, seed=3).returncode == 0
    assert server.log()["requests"] - before == 24 * 3 - 6 * 3


def test_the_pilots_page_opens_in_a_browser_and_its_videos_play(
    workspace: Workspace, server: FakeServerProcess, tmp_path: Path
) -> None:
    import subprocess

    if CHROMIUM is None:
        pytest.skip("no chromium on PATH; apt-get install chromium")
    workspace.run(server.url, pilot=3)
    page = workspace.folder / "out" / "pilot" / "index.html"
    probe = "<script>addEventListener('load', () => {const v = [...document.querySelectorAll('video')];"
    probe += "const shown = v.filter(x => x.readyState >= 1 && x.videoWidth > 0).length;"
    probe += "const images = [...document.images].filter(x => x.naturalWidth > 0).length;"
    probe += "document.title = `ready ${shown} images ${images}`})</script>"
    tested = page.with_name("tested.html")
    tested.write_text(page.read_text().replace("</body>", f"{probe}</body>"))
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-sync",
        "--no-first-run",
    ]
    command = [CHROMIUM, *flags, f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=8000", "--dump-dom"]
    done = subprocess.run([*command, tested.as_uri()], capture_output=True, text=True, timeout=90, check=True)
    assert "<title>ready 3 images 18</title>" in done.stdout, re.findall("<title>.*</title>", done.stdout)


def test_limit_takes_the_first_clips_and_samples_are_told_apart(
    workspace: Workspace, server: FakeServerProcess
) -> None:
    assert workspace.run(server.url, limit=2, samples=3, seed=10).returncode == 0
    rows = workspace.dataset()
    assert [row["sample_index"] for row in rows] == [0, 1, 2, 0, 1, 2]
    assert [row["seed"] for row in rows] == [10, 11, 12, 10, 11, 12]
    assert len({row["affect_description"] for row in rows}) == 6


def test_a_shard_without_clips_is_a_complete_run_of_nothing(workspace: Workspace, server: FakeServerProcess) -> None:
    from vaemo_annotate.selection import in_shard
    from vaemo_annotate.settings import Shard
    from vaemo_clips.manifest import Manifest

    ids = list(Manifest.open(workspace.manifest).clip_ids())
    empty = next(i for i in range(1, 200) if not any(in_shard(name, Shard(index=i, count=199)) for name in ids))
    done = workspace.run(server.url, shard=f"{empty}/199")
    assert done.returncode == 0, done.stderr
    folder = f"out/shard-{empty}-of-199"
    assert len(workspace.dataset(folder)) == len(workspace.dataset(folder, "rejects")) == 0


def test_merging_works_from_another_folder_and_after_the_manifest_has_gone(
    workspace: Workspace, server: FakeServerProcess, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number in (1, 2):
        assert workspace.run(server.url, "parts", shard=f"{number}/2").returncode == 0
    workspace.manifest.unlink()
    monkeypatch.chdir(tmp_path.parent)
    assert "24 captions" in merged(workspace, workspace.folder / "parts")


def test_shards_of_different_manifests_are_refused(workspace: Workspace, server: FakeServerProcess) -> None:
    import pyarrow.parquet as pq

    workspace.run(server.url, "parts", shard="1/2")
    pq.write_table(pq.read_table(workspace.manifest).slice(1), workspace.manifest)
    workspace.run(server.url, "parts", shard="2/2")
    assert "manifest.sha256" in annotate("merge", workspace.folder / "parts").stderr


def test_an_index_beside_a_run_does_not_change_the_run(workspace: Workspace, server: FakeServerProcess) -> None:
    """Captions are joined with the clips that were captioned, whatever becomes of the manifest meanwhile."""
    import subprocess
    import time

    import pyarrow.parquet as pq

    from tests.support.workspace import clean_environment

    assert workspace.run(server.url, "whole").returncode == 0
    server.script({"kind": "slow", "seconds": 0.2, "times": -1, "match": "clip of"})
    process = subprocess.Popen(workspace.run_command(server.url), env=clean_environment(), stderr=subprocess.DEVNULL)
    before, deadline = server.log()["requests"], time.monotonic() + 30
    while server.log()["requests"] < before + 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    pq.write_table(pq.read_table(workspace.manifest).slice(5), workspace.manifest)
    assert process.wait(timeout=120) == 0
    assert workspace.comparable() == workspace.comparable("whole")
