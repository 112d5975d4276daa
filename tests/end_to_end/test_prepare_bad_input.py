"""Bad input to `vaemo-train prepare`: one line that names what, where, the rule and the remedy, and exit code 2."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.media_files import Sound, write_media
from tests.support.shard_folders import Called, segments, vaemo_train, vaemo_train_here, write_manifest


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three clips of sound, of which one is too short."""
    folder = tmp_path_factory.mktemp("manifest")
    write_media(folder / "clicks.wav", None, Sound([0.25, 0.75, 1.25], codec="pcm_s16le"))
    rows = segments(folder, 0.5, ["clicks.wav"], 3)
    rows[1]["end_s"] = 0.7
    return write_manifest(folder / "clips.parquet", rows, folder)


def refused(*arguments: str | Path) -> str:
    """Run a command that must be refused; return its one line."""
    done = vaemo_train_here(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("error: ")
    return line


def test_a_run_from_the_manifest_to_the_summary(manifest: Path, tmp_path: Path) -> None:
    command: list[str | Path] = ["prepare", "--clips", manifest, "--out", tmp_path / "out", "--modality", "audio"]
    done: Called | subprocess.CompletedProcess[str] = vaemo_train(*command)
    assert done.returncode == 1, done.stderr
    assert "rejects 33% are above --max-reject-rate 20%" in done.stderr
    assert "2 clips accepted + 1 rejected = 3; 1 shards in" in done.stdout
    assert "rejected, too_short: 1" in done.stdout
    done = vaemo_train_here(*command, "--max-reject-rate", "0.5")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"next: vaemo-train stage1 --data {tmp_path / 'out'}"


def test_a_manifest_that_is_none(tmp_path: Path) -> None:
    assert "no.parquet" in refused("prepare", "--clips", tmp_path / "no.parquet", "--out", tmp_path / "out")
    pq.write_table(pa.table({"path": ["a.mp4"]}), tmp_path / "other.parquet")
    line = refused("prepare", "--clips", tmp_path / "other.parquet", "--out", tmp_path / "out")
    assert "vaemo-annotate index" in line
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [("--modality", "smell", "any, both, audio, video"), ("--fps", "0", "greater than 0"),
     ("--fps", "30", "the nearest that fit: 25, 31.25"), ("--fps", "10", "the nearest that fit: 6.25, 12.5"),
     ("--jpeg-quality", "101", "less than or equal to 100")],
)  # fmt: skip
def test_an_option_that_makes_no_sense(manifest: Path, tmp_path: Path, option: str, value: str, rule: str) -> None:
    line = refused("prepare", "--clips", manifest, "--out", tmp_path / "out", option, value)
    for words in (option, value, rule):
        assert words in line


def test_a_folder_of_other_settings_or_of_another_version(manifest: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    vaemo_train_here("prepare", "--clips", manifest, "--out", out, "--modality", "audio")
    line = refused("prepare", "--clips", manifest, "--out", out, "--modality", "audio", "--fps", "25")
    for words in (str(out), "--fps 12.5, not 25.0", "another --out"):
        assert words in line
    (out / "prepare.json").write_text(json.dumps({"format_version": 99}))
    assert "upgrade vaemo" in refused("prepare", "--clips", manifest, "--out", out, "--modality", "audio")
    assert "give a folder" in refused("prepare", "--clips", manifest, "--out", manifest)


@pytest.mark.parametrize("module", ["simplejpeg", "ai_edge_litert", "PIL"])
def test_a_missing_extra_is_told_with_the_line_that_installs_it(manifest: Path, tmp_path: Path, module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from vaemo_train.cli import main; main()"
    arguments = [sys.executable, "-c", code, "prepare", "--clips", str(manifest), "--out", str(tmp_path / "out")]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2, done.stderr
    assert done.stderr.strip().endswith(f"{module} is not installed; it comes with: pip install 'vaemo[train]'")
    assert len(done.stderr.strip().splitlines()) == 1


def test_help_loads_nothing_heavy() -> None:
    done = vaemo_train("--help")
    assert done.returncode == 0
    assert {"prepare", "stage1"} <= set(done.stdout.split())
    code = (
        "import sys, vaemo_train.cli; heavy = {'torch', 'transformers', 'pyarrow', 'numpy', 'av'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
