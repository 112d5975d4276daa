"""Fixtures that several packages' tests share."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")

from tests.support.servers import FakeServerProcess, fake_server, vllm_server
from tests.support.workspace import Workspace
from vaemo_clips.demo import LABELS, TRUTH, DemoClip, make_demo_clips
from vaemo_clips.index import index
from vaemo_clips.probe import probe

SEGMENTS = 6
SEGMENT_S = 0.4


@pytest.fixture(scope="session")
def demo_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six clips that the project makes itself: four whole ones, one without sound, one without picture."""
    folder = tmp_path_factory.mktemp("demo") / "clips"
    made = make_demo_clips(folder, 12, num_speakers=2, workers=2)
    for clip in made[5:11]:
        clip.file.unlink()
    for listing in (LABELS, TRUTH):
        (folder / listing).unlink()
    return folder


@pytest.fixture(scope="session")
def indexed(demo_clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a manifest of 24 segments of the four demo clips that have picture and sound.

    No two of them send the same request, as segments without a track would (they have nothing to send).
    """
    folder = tmp_path_factory.mktemp("indexed")
    with (folder / "segments.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["path", "start_s", "end_s", "speaker"])
        whole = [path for path in sorted(demo_clips.iterdir()) if has_both_tracks(path)]
        assert len(whole) == 4, "the others lack sound or picture"
        for path in whole:
            for number in range(SEGMENTS):
                start_s, end_s = SEGMENT_S * number, SEGMENT_S * (number + 1)
                writer.writerow([path.name, f"{start_s:.1f}", f"{end_s:.1f}", f"speaker_{path.stem[:2]}"])
    index(folder / "segments.csv", folder / "clips.parquet", root=demo_clips, workers=2)
    return folder


@pytest.fixture(scope="session")
def talking_heads(tmp_path_factory: pytest.TempPathFactory) -> list[DemoClip]:
    """Fourteen clips with picture and sound: two speakers, each in seven emotions, with the truth planted in them."""
    return make_demo_clips(tmp_path_factory.mktemp("talking"), 14, num_speakers=2, workers=2, complete=True)


def has_both_tracks(path: Path) -> bool:
    """Tell whether a file has picture and sound."""
    info = probe(path)
    return info.width is not None and info.has_audio


@pytest.fixture
def workspace(indexed: Path, tmp_path: Path) -> Workspace:
    """A fresh workspace whose manifest lists 24 short segments."""
    (tmp_path / "clips.parquet").write_bytes((indexed / "clips.parquet").read_bytes())
    return Workspace(tmp_path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FakeServerProcess]:
    """A deterministic fake server in a process of its own."""
    with fake_server(tmp_path) as running:
        yield running


@pytest.fixture(scope="session")
def vllm_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a real vLLM server on the CPU, with the flags that the guide recommends."""
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    flags = ["--trust-request-mm-kwargs", "--structured-outputs-config"]
    with vllm_server(log, *flags, '{"backend": "xgrammar", "disable_any_whitespace": true}') as url:
        yield url
