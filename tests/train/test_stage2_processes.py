"""Stage 2 on two processes: what one learns from the joint batch, and texts that are embedded once for both."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.support.tiny_alignment import Site, still_means
from tests.support.tiny_run import logged, same_mask_for_every_clip, same_state, trained_apart
from tests.support.tiny_vaemo import tiny_model
from tests.support.two_alignments import MIXED_CHANGES, STEADY_CHANGES, kept_models, site_of
from vaemo_train.data.dataset import WindowDataset
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.training.record import RunFolder
from vaemo_train.training.stream import BatchStream

SCRIPT = Path(__file__).parents[1] / "support" / "two_alignments.py"
MIXED = [*["both"] * 8, "audio", "video", "audio", "video"]
"""Of four clips, two a process, one batch in three has two of sound and two of a picture alone."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left behind that did all of tests/support/two_alignments.py."""
    folder = tmp_path_factory.mktemp("two")
    tiny_model(target_share=1.0).save_pretrained(Site.make(folder / "steady", 20, seconds=2.7).init)
    rows: list[dict[str, Any]] = [{"clip_id": f"clip_{number:04d}"} for number in range(12)]
    rows[0] |= {"visual_description": None}
    rows[3] |= {"acoustic_description": "", "affect_description": None}
    rows[9] |= {"affect_description": rows[8]["clip_id"] + ", sample 0: affect"}
    Site.make(folder / "mixed", 12, captions=rows, modality=MIXED)
    Site.make(folder / "foreign", 8)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(SCRIPT.parents[2]), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [*launch, str(SCRIPT), str(folder)], capture_output=True, text=True, timeout=600, env=environ, check=False
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-6000:]
    return folder


def compared(two: Path, name: str, changes: tuple[str, ...], joint: int, out: Path) -> None:
    """Train by one process on the joint batches; compare weights and every number of every step."""
    with pytest.MonkeyPatch.context() as patch:
        models = kept_models(patch)
        site_of(two, name).train(out, *changes, f"batch.per_device={joint}")
    first, second = (load_file(two / f"{name}-{rank}.safetensors") for rank in range(2))
    assert same_state(first, second)
    alone = load_file(out / "model" / "model.safetensors")
    for ours, theirs in zip(logged(two / f"{name}_run"), logged(out), strict=True):
        assert ours.keys() == theirs.keys(), ours["step"]
        for key in theirs:
            assert ours[key] == pytest.approx(theirs[key], rel=2e-3, abs=1e-5), (ours["step"], key)
    assert trained_apart(first, alone, models[0].begin) < 0.01


def test_two_processes_train_the_model_that_one_trains_on_the_joint_batch(two: Path, tmp_path: Path) -> None:
    with same_mask_for_every_clip():
        compared(two, "steady", STEADY_CHANGES, 6, tmp_path / "run")
    parts = {name for line in logged(two / "steady_run") for name in line if name.startswith("loss/")}
    assert len(parts) == 9, "five of the captions, four of stage 1"


def test_they_do_so_where_clips_lack_a_modality_or_a_description(two: Path, tmp_path: Path) -> None:
    with still_means():
        compared(two, "mixed", MIXED_CHANGES, 4, tmp_path / "run")
    dataset = WindowDataset(ShardFolder.open(two / "mixed" / "shards"))
    streams = [BatchStream(dataset, 2, seed=0, rank=rank, num_processes=2) for rank in range(2)]
    is_real = [[batch["is_real"].tolist() for batch, _ in zip(stream, range(15), strict=False)] for stream in streams]
    assert any(first != second for first, second in zip(*is_real, strict=True)), "each lacks what the other has"


def test_one_process_embeds_the_texts_of_both(two: Path) -> None:
    first, second = (json.loads((two / f"encoded-{rank}.json").read_text()) for rank in range(2))
    assert first[0] == 60, "three of each of twenty clips"
    assert len(first) == 2
    assert second == []


def test_what_process_0_finds_wrong_with_the_embeddings_ends_both_with_its_words(two: Path) -> None:
    first, second = ((two / f"foreign-{rank}.txt").read_text() for rank in range(2))
    assert first == second
    assert first.startswith("TextModelError: ")
    assert "of another model" in first


def test_the_record_says_that_there_were_two(two: Path) -> None:
    record = RunFolder(two / "steady_run").read_record()
    assert (record["identity"]["processes"], record["clips_per_step"], record["state"]) == (2, 6, "done")
    assert torch.load(next((two / "steady_run" / "checkpoints").glob("*/optimizer.pt")), weights_only=True)["state"]
