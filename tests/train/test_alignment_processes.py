"""Stage 2 on two processes is stage 2 on one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.multiprocessing.spawn import spawn
from torch.nn.parallel import DistributedDataParallel

from tests.support.described_clips import NO_STAGE1, TEXT_WEIGHT, WHOLE, described_model, random_texts
from tests.support.tiny_vaemo import tiny_batch

_SETTINGS: tuple[dict[str, Any], ...] = (
    {"alignment_alone_weight": 0.0},
    {"alignment_alone_weight": 0.5},
    {"alignment_alone_weight": 0.5, "alignment_centring": "speakers"},
)


@contextmanager
def _float64() -> Iterator[None]:
    """All of it in float64, where two sums in other orders are equal; in float32 the norm's offset is not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "float", Tensor.double)
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(torch.float32)


def _joint(
    batch: dict[str, Tensor], texts: dict[str, dict[str, Tensor]], settings: dict[str, Any]
) -> dict[str, Tensor]:
    """Metrics, the loss and gradients of a model that hides nothing: which tokens are hidden hangs on the process."""
    model = described_model(
        **{**WHOLE, "loss_weights": {**NO_STAGE1, "contrastive": 0.1}},
        soft_share=0.3,
        **settings,
    )
    runner = DistributedDataParallel(model, find_unused_parameters=True) if dist.is_initialized() else model
    out = runner(**batch, **texts)
    out.loss.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    means = {name: value for name, value in model.named_buffers() if name.startswith("alignment.")}
    metrics = {name: value for name, value in out.metrics.items() if "contrastive" not in name}  # of one process
    return {"loss": out.loss.detach(), **metrics, **gradients, **means}


def _halves(which: slice) -> tuple[dict[str, Tensor], dict[str, dict[str, Tensor]]]:
    """Eight clips; those of the second half have no visual text, and none of the first has a sound."""
    texts = random_texts(8)
    texts["has_text"]["visual"][4:] = False
    texts["has_text"]["affect"][[1, 6]] = False
    texts["text_ids"]["affect"] = torch.tensor([0, 1, 2, 3, 2, 5, 6, 7])
    is_silent = torch.zeros(8, 256, dtype=torch.bool)
    is_silent[:4] = True
    batch = {**tiny_batch(8), "audio_padding_mask": is_silent, "clip_number": torch.tensor([0, 1, 2, 3, 4, 0, 6, 7])}
    batch["speaker_number"] = torch.tensor([0, 1, -1, 2, 0, 1, 1, 2])
    batch["window_begin_s"] = torch.arange(8, dtype=torch.float64)
    cut = {name: {path: part[which] for path, part in parts.items()} for name, parts in texts.items()}
    return {name: part[which] for name, part in batch.items()}, cut


def _process(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    joint = []
    with _float64():
        batch, texts = _halves(slice(4 * rank, 4 * rank + 4))
        if rank == 1:
            for parts in texts.values():
                del parts["visual"]  # a path that a process has no text of need not be named
        for settings in _SETTINGS:
            joint.append(_joint(batch, texts, settings))
            dist.all_reduce(joint[-1]["loss"])
            joint[-1]["loss"] /= 2
    if rank == 0:
        torch.save(joint, f"{folder}/joint.pt")
    dist.destroy_process_group()


def test_two_processes_equal_one_where_each_lacks_pairs_of_a_path(tmp_path: Path) -> None:
    """Both modalities are in the clips of one process only, with and without comparisons of each of the two alone,
    and clips of a speaker in both."""
    spawn(_process, args=(str(tmp_path),), nprocs=2)
    with _float64():
        whole = [_joint(*_halves(slice(0, 8)), settings) for settings in _SETTINGS]
    alone = {"affect_video_top1", "affect_audio_top1"}
    assert {"visual_top1", "acoustic_top1", "affect_top1", TEXT_WEIGHT} < set(whole[0])
    assert (alone & set(whole[0]), alone & set(whole[1])) == (set(), alone)
    assert whole[1]["affect_video_pairs"] == 3
    assert not torch.isclose(whole[1]["loss"], whole[2]["loss"]), "speakers on both processes count"
    torch.testing.assert_close(torch.load(tmp_path / "joint.pt"), whole, rtol=1e-9, atol=1e-11)
