"""What two processes do of stage 2 in one test, one after another, since torchrun is slow to start.

torchrun --standalone --nproc-per-node 2 tests/support/two_alignments.py FOLDER
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor

from tests.support.tiny_alignment import QUIET, STAGE1_LOSS, Site, still_means
from tests.support.tiny_run import same_mask_for_every_clip
from tests.support.two_processes import note
from vaemo_train.stage2.run import Stage2
from vaemo_train.texts.cache import CACHE_FOLDER
from vaemo_train.texts.model import TextModel
from vaemo_train.training.environment import rank

STEADY_CHANGES = (
    *QUIET, *(f"loss.stage1.{part}={weight}" for part, weight in STAGE1_LOSS.items()), "batch.accumulate=1",
    "length.max_steps=4", "optim.warmup_share=0", "optim.encoder_lr_share=1", "logging_steps=1", "loss.soft_share=0.25",
    "augment.random_crop=false", "augment.flip_probability=0", "augment.brightness=0", "augment.contrast=0",
    "augment.saturation=0", "augment.gain_db=0",
)  # fmt: skip
MIXED_CHANGES = (
    *STEADY_CHANGES, *(f"loss.stage1.{part}=0" for part in STAGE1_LOSS), "mask.video=0", "mask.audio=0",
    "length.max_steps=15", "batch.per_device=2",
)  # fmt: skip


def site_of(folder: Path, name: str) -> Site:
    """The parts of one training that `Site.make` wrote below `folder`."""
    at = folder / name
    return Site(at / "shards", at / "captions", at / "init", at / "text_model", at / "recipe.yaml")


def main(folder: Path) -> None:
    """Train alike, train on clips that lack a modality or a text, and fail where process 0 alone can see why."""
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        encoded, models = _encoded_texts(patch), kept_models(patch)
        with same_mask_for_every_clip():
            site_of(folder, "steady").train(folder / "steady_run", *STEADY_CHANGES)
        with still_means():
            site_of(folder, "mixed").train(folder / "mixed_run", *MIXED_CHANGES)
        for name, kept in zip(("steady", "mixed"), models, strict=True):
            save_file(dict(kept.model.named_parameters()), folder / f"{name}-{rank()}.safetensors")
        (folder / f"encoded-{rank()}.json").write_text(json.dumps(encoded))
    foreign = site_of(folder, "foreign")
    if rank() == 0:
        digest = TextModel.open(str(foreign.text_model)).digest
        place = foreign.captions / CACHE_FOLDER / digest[:16]
        place.mkdir(parents=True)
        (place / "model.json").write_text(json.dumps({"format_version": 1, "digest": "f" * 64}))
    note(folder / f"foreign-{rank()}.txt", lambda: foreign.train(folder / "foreign_run", *MIXED_CHANGES))
    dist.barrier()
    dist.destroy_process_group()  # a process that is gone first can take the other one with it


def _encoded_texts(patch: pytest.MonkeyPatch) -> list[int]:
    """How many texts this process embeds at a time."""
    encode, numbers = TextModel.encode, []

    def count_and_encode(self: TextModel, texts: Sequence[str], **options: Any) -> Any:
        numbers.append(len(texts))
        return encode(self, texts, **options)

    patch.setattr(TextModel, "encode", count_and_encode)
    return numbers


@dataclass(frozen=True, slots=True)
class KeptModel:
    """A model, and a copy of its weights as they were before the first step."""

    model: Any
    begin: dict[str, Tensor]


def kept_models(patch: pytest.MonkeyPatch) -> list[KeptModel]:
    """The models that are made from now on."""
    make, models = Stage2.make_model, []

    def make_and_keep(self: Stage2) -> Any:
        model = make(self)
        begin = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        models.append(KeptModel(model, begin))
        return model

    patch.setattr(Stage2, "make_model", make_and_keep)
    return models


if __name__ == "__main__":
    main(Path(sys.argv[1]))
