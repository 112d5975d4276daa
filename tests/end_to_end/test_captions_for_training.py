"""What `vaemo-annotate` leaves behind, as a training finds it."""

from __future__ import annotations

import json

import numpy as np

from tests.support.caption_folders import shard_rows
from tests.support.servers import FakeServerProcess
from tests.support.workspace import Workspace, annotate
from vaemo_clips.caption import CAPTION_SCHEMA_VERSION
from vaemo_clips.manifest import Manifest
from vaemo_train.captions.joined import join_captions


def test_shards_a_pilot_and_their_merge_are_every_caption_once(workspace: Workspace, server: FakeServerProcess) -> None:
    workspace.run(server.url, "parts", pilot=2)
    for number in (1, 2):
        assert workspace.run(server.url, "parts", shard=f"{number}/2").returncode == 0
    clips = list(Manifest.open(workspace.manifest).clip_ids())
    apart = join_captions(workspace.folder, shard_rows(clips), np.arange(len(clips)))
    assert annotate("merge", workspace.folder / "parts").returncode == 0
    merged = join_captions(workspace.folder, shard_rows(clips), np.arange(len(clips)))
    assert (apart.counts.datasets, apart.counts.found) == (2, len(clips))
    assert (merged.counts.datasets, merged.counts.found, merged.counts.copies) == (1, len(clips), 0)
    assert apart.digest == merged.digest
    assert any(line.endswith("is a pilot") for line in merged.counts.skipped)


def test_a_run_and_a_merge_tell_the_version_of_their_schema(workspace: Workspace, server: FakeServerProcess) -> None:
    assert workspace.run(server.url, "parts", shard="1/1").returncode == 0
    assert annotate("merge", workspace.folder / "parts").returncode == 0
    for place in ("parts/shard-1-of-1", "parts"):
        record = json.loads((workspace.folder / place / "run.json").read_text())
        assert record["caption_schema_version"] == CAPTION_SCHEMA_VERSION
