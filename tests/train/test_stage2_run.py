"""A training of stage 2 from recipe to model: exact on a resume, the same in whatever order its captions lie."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.support.caption_folders import write_captions
from tests.support.tiny_alignment import QUIET, STAGE1_LOSS, Site, clip_ids
from tests.support.tiny_run import HookedConsole, logged, same_state, state_of
from vaemo_train.captions.paths import PATHS
from vaemo_train.models import VAEmoForCaptionAlignment, VAEmoForPreTraining, VAEmoModel, VAEmoProcessor
from vaemo_train.stage2.run import Stage2
from vaemo_train.stage2.trainer import Stage2Trainer
from vaemo_train.texts.cache import CACHE_FOLDER
from vaemo_train.training.checkpoint import checkpoints

ALL_LOSSES = tuple(f"loss.stage1.{part}={weight}" for part, weight in STAGE1_LOSS.items())
FIGURES = ("figure.every_steps=6",)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Twenty clips with two captions each, all texts different."""
    root = tmp_path_factory.mktemp("site")
    samples = [{"clip_id": f"clip_{clip:04d}", "sample_index": sample} for clip in range(20) for sample in (0, 1)]
    return Site.make(root, captions=samples)


@pytest.fixture(scope="module")
def whole(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps without interruption, all losses on."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert site.train(out, *ALL_LOSSES, *FIGURES).state == "done"
    return out


@contextmanager
def trainers() -> Iterator[list[Stage2Trainer]]:
    """The trainers that are made, with their models."""
    made: list[Stage2Trainer] = []
    make = Stage2.make_trainer

    def make_and_keep(self: Stage2, *arguments: Any, **services: Any) -> Any:
        made.append(make(self, *arguments, **services))  # type: ignore[arg-type]
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stage2, "make_trainer", make_and_keep)
        yield made


def model_of(out: Path) -> dict[str, torch.Tensor]:
    return load_file(out / "model" / "model.safetensors")


@pytest.mark.parametrize(("workers", "number"), [(0, signal.SIGINT), (2, signal.SIGTERM)])
def test_a_run_that_was_interrupted_and_resumed_is_the_whole_one_to_the_bit(
    site: Site, whole: Path, tmp_path: Path, workers: int, number: int
) -> None:
    out, changes = tmp_path / "run", [*ALL_LOSSES, *FIGURES, f"data.workers={workers}"]
    # the signal of step 2 is heeded after step 3: inside a log window, and after the monitor
    console = HookedConsole(lambda step: os.kill(os.getpid(), number) if step == 2 else None)
    first = site.train(out, *changes, console=console)
    assert (first.state, first.step, first.total_steps) == ("interrupted", 3, 6)
    assert site.train(out, *changes, resume=True).state == "done"
    assert same_state(state_of(out, 6), state_of(whole, 6))
    assert same_state(model_of(out), model_of(whole))
    assert logged(out) == logged(whole)
    assert [line["step"] for line in logged(out) if "loss" in line] == [1, 2, 4, 6]
    assert [line["step"] for line in logged(out) if "monitor/affect_text_to_clip_recall1" in line] == [3, 6]


def test_a_killed_run_goes_on_from_its_last_checkpoint_though_all_that_it_began_with_was_moved(
    site: Site, whole: Path, tmp_path: Path
) -> None:
    def die(step: int) -> None:
        if step == 5:
            raise MemoryError  # nothing of the run handles it

    out = tmp_path / "run"
    with pytest.raises(MemoryError):
        site.train(out, *ALL_LOSSES, console=HookedConsole(die))
    moved = Site.make(tmp_path / "elsewhere").of(captions=tmp_path / "captions", recipe=site.recipe)
    samples = [{"clip_id": name, "sample_index": sample} for name in clip_ids(moved.shards) for sample in (1, 0)]
    write_captions(moved.captions / "a" / "b", samples)
    named = [f"init={moved.init}", f"captions={moved.captions}", f"data.folder={moved.shards}"]
    moved.train(out, *ALL_LOSSES, *named, resume=True)
    assert same_state(state_of(out, 6), state_of(whole, 6))
    assert logged(out) == logged(whole)


def test_the_order_of_captions_and_the_names_of_their_folders_do_not_matter(
    site: Site, whole: Path, tmp_path: Path
) -> None:
    rows = [{"clip_id": name, "sample_index": sample} for name in clip_ids(site.shards) for sample in (0, 1)]
    write_captions(tmp_path / "z" / "run", rows[::-3])
    write_captions(tmp_path / "a", [row for row in rows if row not in rows[::-3]][::-1])
    write_captions(tmp_path / "copy" / "of" / "some", rows[5:9])
    site.of(captions=tmp_path).train(tmp_path / "run", *ALL_LOSSES)
    assert same_state(state_of(tmp_path / "run", 6), state_of(whole, 6))
    assert logged(tmp_path / "run") == logged(whole)


def test_another_seed_trains_another_model(site: Site, whole: Path, tmp_path: Path) -> None:
    site.train(tmp_path / "run", *ALL_LOSSES, "seed=1")
    assert not same_state(state_of(tmp_path / "run", 6), state_of(whole, 6))


def test_a_run_folder_holds_what_it_promises(site: Site, whole: Path) -> None:
    record = json.loads((whole / "run.json").read_text())
    assert record["state"] == "done"
    assert record["counts"]["rows"] + record["counts"]["rows_held_out"] == 20
    counts = record["captions"]
    assert (counts["found"], counts["used"], counts["left_out"], counts["texts"]) == (40, 40, 0, 120)
    assert (counts["clips_with_captions"], counts["training_clips_with_captions"]) == (20, record["counts"]["clips"])
    assert record["init"] == str(site.init)
    assert record["text_model"]["name"] == str(site.text_model)
    assert record["text_model"]["digest"] == record["identity"]["text_model"]
    assert {"data", "rows", "holdout", "captions", "text_model", "init"} <= record["identity"].keys()
    assert {"sentence-transformers", "torch", "transformers"} <= record["versions"].keys()
    assert [path.name for path in checkpoints(whole / "checkpoints")] == ["step-0000004", "step-0000006"]
    assert len(list((site.captions / CACHE_FOLDER).iterdir())) == 1
    figures = {path.name for path in (whole / "figures").iterdir()}
    assert figures == {"similarity-0000006.png", "map-0000006.png", "curves.png"}
    for name in figures:
        with Image.open(whole / "figures" / name) as drawn:
            assert np.asarray(drawn).std() > 5, "not blank"


def test_the_model_opens_as_each_of_its_kinds_and_embeds_texts_and_clips(site: Site, whole: Path) -> None:
    saved = model_of(whole)
    for kind in (VAEmoForCaptionAlignment, VAEmoForPreTraining):
        opened = dict(kind.from_pretrained(whole / "model").state_dict())
        assert same_state(opened, {name: saved[name] for name in opened})
    encoder = dict(VAEmoModel.from_pretrained(whole / "model").state_dict())
    assert same_state(encoder, {name: saved[f"vaemo.{name}"] for name in encoder})
    assert VAEmoProcessor.from_pretrained(whole / "model").face_size == 64, "that of the shards"
    config = VAEmoForCaptionAlignment.from_pretrained(whole / "model").config
    digest = json.loads((whole / "run.json").read_text())["identity"]["text_model"]
    assert (config.text_model, config.text_model_digest, config.text_size) == (str(site.text_model), digest, 16)


def test_the_loss_is_the_weighed_sum_of_its_parts_those_of_stage_1_included(whole: Path) -> None:
    first = next(line for line in logged(whole) if "loss" in line)
    weights = dict.fromkeys(PATHS, 1.0) | {"affect_video": 0.5, "affect_audio": 0.5} | STAGE1_LOSS
    assert {f"loss/{name}" for name in weights} == {name for name in first if name.startswith("loss/")}
    assert first["loss"] == pytest.approx(sum(first[f"loss/{name}"] * weights[name] for name in weights), rel=1e-5)
    assert {f"{path}_{word}" for path in PATHS for word in ("top1", "chance", "pairs")} <= first.keys()
    assert first["temperature_affect"] == pytest.approx(0.07)


def test_without_a_loss_of_stage_1_its_heads_stay_as_they_were(site: Site, tmp_path: Path) -> None:
    with trainers() as made:
        summary = site.train(tmp_path / "run", *QUIET)
    assert {name for name in summary.losses if name.startswith("loss/")} == {
        f"loss/{path}" for path in (*PATHS, "affect_video", "affect_audio")
    }
    before, after = load_file(site.init / "model.safetensors"), model_of(tmp_path / "run")
    still = {name for name in before if torch.equal(before[name], after[name])}
    assert {name for name in before if name.startswith(("decoder.", "contrastive."))} <= still
    moved = {name for name in before if name not in still}
    assert len(moved) > 20
    assert all(name.startswith("vaemo.") for name in moved)
    model, optimizer = made[0].model, made[0].optimizer
    assert model is not None
    assert optimizer is not None
    trained = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
    for name, weight in model.named_parameters():
        is_head = name.startswith(("decoder.", "contrastive."))
        assert weight.requires_grad is not is_head, name
        assert (id(weight) in trained) is not is_head, name


@pytest.mark.parametrize("losses", [(), ALL_LOSSES], ids=["captions alone", "and stage 1"])
def test_at_no_share_of_the_rate_the_encoder_stays_as_it_was(
    site: Site, tmp_path: Path, losses: tuple[str, ...]
) -> None:
    site.train(tmp_path / "run", *QUIET, *losses, "optim.encoder_lr_share=0")
    before, after = load_file(site.init / "model.safetensors"), model_of(tmp_path / "run")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    running = {name for name in before if name.startswith("target_means.") or "centrings" in name}
    assert moved <= running if losses else not moved, "what stage 1's own heads count goes on, if they are used"
    fresh = site.train(tmp_path / "one", *QUIET, "length.max_steps=1", "optim.warmup_share=0")
    begun = model_of(fresh.folder.path)
    new = [name for name in after if name.startswith("alignment.") and name.endswith("weight")]
    assert all(not torch.equal(after[name], begun[name]) for name in new)


def test_the_encoder_learns_at_its_share_of_the_rate_and_matrices_alone_decay(site: Site, tmp_path: Path) -> None:
    with trainers() as made:
        site.train(tmp_path / "run", *QUIET, *ALL_LOSSES, "length.max_steps=2", "optim.encoder_lr_share=0.25")
    optimizer, model = made[0].optimizer, made[0].model
    assert optimizer is not None
    assert model is not None
    names = {id(weight): name for name, weight in model.named_parameters()}
    seen: dict[str, tuple[float, float]] = {}
    for group in optimizer.param_groups:
        for weight in group["params"]:
            seen[names[id(weight)]] = (group["initial_lr"], group["weight_decay"])
    assert set(seen) == set(names.values()), "every weight once"
    peak = 0.2 * 6 / 256
    for name, (rate, decay) in seen.items():
        assert rate == pytest.approx(peak if name.startswith("alignment.") else peak / 4), name
        if "norm" in name or name.endswith(("bias", "log_temperature", "mask_token", "modality")):
            assert decay == 0, name
    assert seen["alignment.text.affect.projection.weight"][1] == seen["vaemo.embedding.audio.weight"][1] == 0.05
    assert logged(tmp_path / "run")[0]["learning_rate"] == pytest.approx(peak), "that of the new heads"
