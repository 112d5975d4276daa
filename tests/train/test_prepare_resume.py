"""Exactly once: whatever interrupts `prepare`, whoever works on it, the same files come out."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.support.servers import REPOSITORY
from tests.support.shard_folders import COMMAND, contents, segments, shards_of, write_manifest
from vaemo_clips.errors import ShardError
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.prepare import PrepareOptions, prepare
from vaemo_train.shards.row import FORMAT_VERSION, ShardSettings


@pytest.fixture(scope="module")
def source(demo_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of twenty segments of sound: sixteen of 0.5 s, four that are too short."""
    folder = tmp_path_factory.mktemp("source")
    names = [path.name for path in sorted(demo_clips.iterdir())]
    rows = segments(demo_clips, 0.5, [names[0], names[1], names[-1]], 6)[:16]
    short = segments(demo_clips, 0.3, [names[3]], 4)
    rows[3:3], rows[9:9] = short[:2], short[2:]
    return write_manifest(folder / "clips.parquet", rows, demo_clips)


@pytest.fixture(scope="module")
def whole(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files that an undisturbed command writes."""
    out = tmp_path_factory.mktemp("whole") / "out"
    summary = shards_of(source, out, "audio", clips_per_shard=6)
    assert (summary.marker.accepted, summary.marker.rejected, len(summary.marker.shards)) == (16, 4, 4)
    return contents(out)


def restore(files: dict[str, bytes], folder: Path) -> None:
    """Write what `contents` read."""
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def killed(moment: str, count: int, source: Path, out: Path) -> None:
    """Prepare until the chosen moment kills the command."""
    arguments = ["prepare", "--clips", source, "--out", out, "--modality", "audio", "--clips-per-shard", 6]
    command = [sys.executable, "-m", "tests.support.killed_prepare", moment, count, *arguments, "--workers", 2]
    done = subprocess.run([str(part) for part in command], cwd=REPOSITORY, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


@pytest.mark.parametrize(
    ("moment", "count", "finished"),
    [("clip", 10, 1), ("shard", 2, 1), ("record", 2, 2), ("record", 4, 4), ("lists", 1, 4)],
)
def test_a_killed_command_goes_on_and_ends_with_the_same_files(
    source: Path, whole: dict[str, bytes], tmp_path: Path, moment: str, count: int, finished: int
) -> None:
    out = tmp_path / "out"
    killed(moment, count, source, out)
    with pytest.raises(ShardError, match=r"not finished; run the same prepare command again"):
        ShardFolder.open(out)
    assert len(list((out / "done").iterdir())) == finished
    summary = shards_of(source, out, "audio", clips_per_shard=6)
    assert summary.new_clips == 20 - min(6 * finished, 20)
    assert contents(out) == whole


def test_a_command_that_is_killed_again_and_again(source: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    for _ in range(3):
        killed("clip", 8, source, out)
    shards_of(source, out, "audio", clips_per_shard=6)
    assert contents(out) == whole


def test_the_number_of_workers_does_not_show(
    source: Path, whole: dict[str, bytes], demo_clips: Path, tmp_path: Path
) -> None:
    shards_of(source, tmp_path / "sound", "audio", clips_per_shard=6, workers=3)
    assert contents(tmp_path / "sound") == whole
    names = [path.name for path in sorted(demo_clips.iterdir())]
    rows = [row | {"end_s": row["start_s"] + 0.6} for row in segments(demo_clips, 0.6, names[2:5], 2)]
    manifest = write_manifest(tmp_path / "clips.parquet", rows, demo_clips)
    for workers in (1, 2):
        shards_of(manifest, tmp_path / f"faces-{workers}", workers=workers, clips_per_shard=4)
    assert contents(tmp_path / "faces-1") == contents(tmp_path / "faces-2")


def test_a_finished_folder_is_left_as_it_is(source: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    restore(whole, out)
    assert shards_of(source, out, "audio", clips_per_shard=6).new_clips == 0
    assert contents(out) == whole


def test_clips_that_are_added_go_to_new_shards(demo_clips: Path, tmp_path: Path) -> None:
    names = [path.name for path in sorted(demo_clips.iterdir())]
    old = segments(demo_clips, 0.5, [names[1]], 6) + segments(demo_clips, 0.3, [names[1]], 1)
    old[-1]["clip_id"] = "short"
    manifest = write_manifest(tmp_path / "clips.parquet", old, demo_clips)
    shards_of(manifest, tmp_path / "out", "audio", clips_per_shard=4)
    before = contents(tmp_path / "out")
    new = segments(demo_clips, 0.5, [names[0]], 5)  # they come first, as a new file in a folder may
    write_manifest(manifest, [*new, *old], demo_clips)
    summary = shards_of(manifest, tmp_path / "out", "audio", clips_per_shard=4)
    assert (summary.new_clips, summary.marker.clips, summary.marker.rejected) == (5, 12, 1)
    after = contents(tmp_path / "out")
    assert {name: after[name] for name in before if name.startswith(("shard-", "done"))} == {
        name: content for name, content in before.items() if name.startswith(("shard-", "done"))
    }
    table = pq.read_table(tmp_path / "out" / "rows.parquet")
    assert table.column("clip_id").to_pylist() == [row["clip_id"] for row in [*old[:6], *new]]
    assert table.column("shard").to_pylist() == [0] * 4 + [1] * 2 + [2] * 4 + [3]
    shards = ShardFolder.open(tmp_path / "out")
    assert [shards.row(n).clip_id for n in range(11)] == table.column("clip_id").to_pylist()


def test_a_limit_can_be_raised(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told: list[tuple[int, int, int]] = []
    for limit, new in ((5, 5), (None, 15), (3, 0)):
        settings = ShardSettings(modality="audio")
        options = PrepareOptions(source, out, settings, limit=limit, workers=1)
        assert prepare(options, lambda *numbers: told.append(numbers)).new_clips == new
    assert told[:2] == [(0, 5, 0), (1, 5, 0)]
    assert told[6] == (5, 20, 2)
    assert told[-1] == (20, 20, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[2].update(label="other"), r"clip \S+-2 has changed in .*; give another --out, or delete"),
        (lambda rows: rows[2].update(end_s=1.6), r"clip \S+-2 has changed in"),
        (lambda rows: rows.pop(4), r"1 clips of its shards are no longer in .* \(the first: \S+-4\); give another"),
        (lambda rows: [row.update(fold=1) for row in rows], r"other columns than its shards \(fold int64\)"),
    ],
)
def test_a_manifest_that_has_changed(demo_clips: Path, tmp_path: Path, change: object, message: str) -> None:
    assert callable(change)
    rows = segments(demo_clips, 0.5, [next(demo_clips.glob("*.wav")).name], 6)
    manifest = write_manifest(tmp_path / "clips.parquet", rows, demo_clips)
    shards_of(manifest, tmp_path / "out", "audio")
    before = contents(tmp_path / "out")
    change(rows)
    write_manifest(manifest, rows, demo_clips)
    with pytest.raises(ShardError, match=message):
        shards_of(manifest, tmp_path / "out", "audio")
    assert contents(tmp_path / "out") == before


def test_other_settings_or_another_version(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shards_of(source, out, "audio", limit=2)
    with pytest.raises(ShardError, match=r"made with --modality audio, not any; give another --out"):
        shards_of(source, out, "any")
    with pytest.raises(ShardError, match=r"made with --fps 12.5, not 25.0"):
        prepare(PrepareOptions(source, out, ShardSettings(modality="audio", fps=25)))
    job = json.loads((out / "prepare.json").read_text())
    (out / "prepare.json").write_text(json.dumps(job | {"format_version": FORMAT_VERSION + 1}))
    with pytest.raises(ShardError, match=rf"format {FORMAT_VERSION + 1}, this vaemo reads .*; upgrade vaemo"):
        shards_of(source, out, "audio")


def test_a_shard_that_was_damaged_is_made_again(source: Path, whole: dict[str, bytes], tmp_path: Path) -> None:
    out = tmp_path / "out"
    restore(whole, out)
    with (out / "shard-00001.arrow").open("ab") as file:
        file.write(b"x")
    with pytest.raises(ShardError, match=r"delete \S+done/shard-00001.json and run the same prepare command again"):
        shards_of(source, out, "audio", clips_per_shard=6)
    (out / "done" / "shard-00001.json").unlink()
    shards_of(source, out, "audio", clips_per_shard=6)
    assert contents(out) == whole


@pytest.mark.parametrize("content", ["", '{"format_version": 1, "num'])
def test_a_record_that_is_torn_costs_its_shard_and_no_more(
    source: Path, whole: dict[str, bytes], tmp_path: Path, content: str
) -> None:
    out = tmp_path / "out"
    restore(whole, out)
    record = out / "done" / "shard-00002.json"
    record.write_text(content)
    message = (
        rf"{re.escape(str(record))}: cannot be read as ShardRecord .*; delete {re.escape(str(record))} and run the"
    )
    with pytest.raises(ShardError, match=message):
        shards_of(source, out, "audio", clips_per_shard=6)
    record.unlink()
    assert shards_of(source, out, "audio", clips_per_shard=6).new_clips == 6
    assert contents(out) == whole


def test_ctrl_c_keeps_what_is_finished(demo_clips: Path, tmp_path: Path) -> None:
    names = [path.name for path in sorted(demo_clips.glob("*.mp4"))][:2]
    rows = [row | {"end_s": row["start_s"] + 0.9} for row in segments(demo_clips, 0.1, names, 4)]
    manifest = write_manifest(tmp_path / "clips.parquet", rows, demo_clips)
    out = tmp_path / "out"
    arguments = ["prepare", "--clips", manifest, "--out", out, "--clips-per-shard", "1", "--workers", "1"]
    process = subprocess.Popen([*COMMAND, *map(str, arguments)], stderr=subprocess.PIPE, text=True)
    while not list(out.glob("done/*.json")):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130, stderr
    assert stderr.strip().splitlines()[-1] == "interrupted; every finished shard is kept, the same command goes on"
    assert "Traceback" not in stderr
    finished = len(list(out.glob("done/*.json")))
    assert 0 < finished < 8
    assert not list(out.glob(".*.tmp"))
    assert shards_of(manifest, out, clips_per_shard=1, workers=2).new_clips == 8 - finished
