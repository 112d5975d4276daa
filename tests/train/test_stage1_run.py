"""A training from recipe to model: exact on a resume, whole on a fault, and told in one line."""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from safetensors.torch import load_file
from torch import nn
from transformers import Trainer

from tests.support.tiny_run import (
    STEADY,
    HookedConsole,
    logged,
    same_mask_for_every_clip,
    same_state,
    state_of,
    tiny_shards,
    trained_apart,
    write_recipe,
)
from vaemo_clips.errors import CheckpointError, RecipeError, RunFolderError, ShardError, TrainingError, UserError
from vaemo_train.data.dataset import WindowDataset
from vaemo_train.data.loader import window_bytes
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.models import VAEmoForPreTraining, VAEmoProcessor
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.stage1 import run as run_module
from vaemo_train.stage1.monitor import Diagnostics
from vaemo_train.stage1.recipe import Stage1Recipe
from vaemo_train.stage1.run import train
from vaemo_train.training import environment, run_command
from vaemo_train.training import run as training_run
from vaemo_train.training.checkpoint import JointCheckpointError, checkpoints
from vaemo_train.training.curves import draw_curves
from vaemo_train.training.optimizer import decay_groups
from vaemo_train.training.record import RunFolder
from vaemo_train.training.run import RunSummary
from vaemo_train.training.stream import BatchStream
from vaemo_train.training.trainer import StageTrainer

COMMAND = [sys.executable, "-c", "from vaemo_train.cli import main; main()", "stage1"]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_shards(tmp_path_factory.mktemp("shards"), seconds=[2.7, 2.0, 3.5])


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_recipe(tmp_path_factory.mktemp("recipe") / "r.yaml")


@pytest.fixture(scope="module")
def whole(shards: Path, recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of six steps without interruption."""
    out = tmp_path_factory.mktemp("whole") / "run"
    assert train(Stage1Recipe.load(recipe_file), shards, out, console=HookedConsole()).state == "done"
    return out


def interrupted_at(step: int, number: int = signal.SIGINT) -> HookedConsole:
    """A console that sends this process a signal after a step, as a terminal would."""
    return HookedConsole(lambda done: os.kill(os.getpid(), number) if done == step else None)


@pytest.mark.parametrize(("workers", "number"), [(0, signal.SIGINT), (2, signal.SIGTERM)])
def test_a_run_that_was_interrupted_and_resumed_is_the_whole_one_to_the_bit(
    shards: Path, recipe_file: Path, whole: Path, tmp_path: Path, workers: int, number: int
) -> None:
    recipe = Stage1Recipe.load(recipe_file, [f"data.workers={workers}"])
    out = tmp_path / "run"
    # the signal of step 2 is heeded after step 3: inside a log window, and after the monitor
    first = train(recipe, shards, out, console=interrupted_at(2, number))
    assert (first.state, first.step, first.total_steps) == ("interrupted", 3, 6)
    assert first.checkpoint is not None
    assert first.checkpoint.name == "step-0000003"
    assert json.loads((out / "run.json").read_text())["state"] == "interrupted"
    assert train(recipe, shards, out, resume=True, console=HookedConsole()).state == "done"
    assert same_state(state_of(out, 6), state_of(whole, 6))
    assert logged(out) == logged(whole)
    assert [line["step"] for line in logged(out) if "loss" in line] == [1, 2, 4, 6]


def test_a_killed_run_goes_on_from_its_last_checkpoint(
    shards: Path, recipe_file: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    recipe = Stage1Recipe.load(recipe_file)

    def die(step: int) -> None:
        if step == 5:
            raise MemoryError  # nothing of the run handles it

    with pytest.raises(MemoryError):
        train(recipe, shards, out, console=HookedConsole(die))
    (out / "checkpoints" / ".step-0000006.draft").mkdir()
    with (out / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')
    console = HookedConsole()
    train(recipe, shards, out, resume=True, console=console)
    assert any(line.startswith("going on from ") and line.endswith("step-0000004") for line in console.lines)
    assert same_state(state_of(out, 6), state_of(whole, 6))
    assert logged(out) == logged(whole)


def test_a_resume_reads_no_batch_before_its_own(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = WindowDataset(ShardFolder.open(shards), seed=1)
    asked: list[list[tuple[int, int]]] = []
    read = WindowDataset.__getitems__

    def note_and_read(self: WindowDataset, keys: list[tuple[int, int]]) -> Any:
        asked.append(list(keys))
        return read(self, keys)

    monkeypatch.setattr(WindowDataset, "__getitems__", note_and_read)

    def first_rows(start_batch: int, count: int) -> list[list[int]]:
        stream = BatchStream(dataset, 6, seed=1)
        assert stream.batches_per_epoch == 3
        stream.start_batch = start_batch
        batches = iter(stream)
        return [next(batches)["row_number"].tolist() for _ in range(count)]

    whole = first_rows(0, 8)
    asked.clear()
    assert first_rows(5, 3) == whole[5:]
    assert [keys[0][0] for keys in asked] == [1, 2, 2]


def test_torch_s_random_numbers_are_not_touched_by_the_stream(shards: Path) -> None:
    stream = BatchStream(WindowDataset(ShardFolder.open(shards)), 4, seed=0, workers=1)
    before = torch.random.get_rng_state()
    next(iter(stream))
    stream.close()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_processes_share_the_batches_of_one(shards: Path) -> None:
    dataset = WindowDataset(ShardFolder.open(shards))

    def rows(rank: int, num_processes: int, size: int) -> list[list[int]]:
        batches = iter(BatchStream(dataset, size, seed=0, rank=rank, num_processes=num_processes))
        return [next(batches)["row_number"].tolist() for _ in range(4)]

    joint = rows(0, 1, 6)
    assert [first + second for first, second in zip(rows(0, 2, 3), rows(1, 2, 3), strict=True)] == joint


def test_a_process_without_a_modality_gets_it_as_padding_where_another_has_it(tmp_path: Path) -> None:
    folder = ShardFolder.open(tiny_shards(tmp_path / "s", 2, modality=["audio", "video"]))
    streams = [iter(BatchStream(WindowDataset(folder), 1, seed=0, rank=rank, num_processes=2)) for rank in range(2)]
    batches = sorted((next(stream) for stream in streams), key=lambda batch: int(batch["row_number"][0]))
    assert all({"frames", "sound"} <= batch.keys() for batch in batches)
    assert [batch["is_real"].tolist() for batch in batches] == [[False, True], [True, False]]
    assert bool(batches[0]["is_frame_padding"].all())
    assert batches[1]["num_samples"].tolist() == [0]


def test_a_run_folder_holds_what_it_promises(shards: Path, recipe_file: Path, whole: Path) -> None:
    record = json.loads((whole / "run.json").read_text())
    assert record["state"] == "done"
    assert record["identity"]["data"] == ShardFolder.open(shards).digest
    assert record["counts"]["rows"] + record["counts"]["rows_held_out"] == 20
    assert record["clips_per_step"] == 6
    assert record["peak_lr"] == pytest.approx(0.02 * 6 / 256)
    assert {"torch", "transformers", "python"} <= record["versions"].keys()
    assert [session["to_step"] for session in record["sessions"]] == [6]
    assert Stage1Recipe.load(whole / "recipe.yaml") == Stage1Recipe.load(recipe_file)
    assert [path.name for path in checkpoints(whole / "checkpoints")] == ["step-0000004", "step-0000006"]
    assert list((whole / "tb").glob("events*"))
    model = VAEmoForPreTraining.from_pretrained(whole / "model")
    saved = {name: tensor for name, tensor in state_of(whole, 6).items() if name in model.state_dict()}
    assert same_state(dict(model.state_dict()), saved)
    assert VAEmoProcessor.from_pretrained(whole / "model").sampling_rate == 16_000
    assert VAEmoProcessor.from_pretrained(whole / "model").face_size == 64, "that of the shards"


def test_the_log_has_every_part_the_gradient_and_the_speed(whole: Path) -> None:
    first = next(line for line in logged(whole) if "loss" in line)
    parts = {f"loss/{name}" for name in ("video_pixels", "video_motion", "audio", "contrastive")}
    assert parts | {"loss", "grad_norm", "learning_rate", "epoch", "contrastive_top1"} <= first.keys()
    weighed = first["loss/video_pixels"] + first["loss/video_motion"] + first["loss/audio"]
    assert first["loss"] == pytest.approx(weighed + 0.0025 * first["loss/contrastive"], rel=1e-5)
    assert "clips_per_s" in (whole / "metrics.jsonl").read_text()
    assert any("monitor/audio_ratio" in line for line in logged(whole))


def test_a_folder_that_holds_a_run_is_not_begun_again(shards: Path, recipe_file: Path, whole: Path) -> None:
    with pytest.raises(RunFolderError, match=r"holds a run with 6 steps done; add --resume .* another --out"):
        train(Stage1Recipe.load(recipe_file), shards, whole, console=HookedConsole())
    with pytest.raises(RunFolderError, match="this run is done"):
        train(Stage1Recipe.load(recipe_file), shards, whole, resume=True, console=HookedConsole())


def test_resume_without_a_run_says_so(shards: Path, recipe_file: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"holds no run .* leave --resume out"):
        train(Stage1Recipe.load(recipe_file), shards, tmp_path / "run", resume=True, console=HookedConsole())


def test_a_resume_with_other_settings_lists_what_differs(
    shards: Path, recipe_file: Path, whole: Path, tmp_path: Path
) -> None:
    out = unfinished(whole, tmp_path)
    other = Stage1Recipe.load(recipe_file, ["seed=3", "optim.base_lr=0.1", "logging_steps=5", "data.workers=1"])
    with pytest.raises(RecipeError) as caught:
        train(
            other,
            shards,
            out,
            holdout=Holdout.parse("speaker=speaker_01,speaker_02"),
            resume=True,
            console=HookedConsole(),
        )
    differing = [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]]
    assert differing == ["recipe optim.base_lr", "recipe seed", "rows", "holdout"]
    more = tiny_shards(tmp_path / "more", 21)
    with pytest.raises(RecipeError, match=r"data: .*, but the run has "):
        train(Stage1Recipe.load(recipe_file), more, out, resume=True, console=HookedConsole())


def test_what_does_not_touch_the_result_may_differ(
    shards: Path, recipe_file: Path, whole: Path, tmp_path: Path
) -> None:
    out = unfinished(whole, tmp_path)
    shutil.rmtree(out / "checkpoints" / "step-0000006")
    other = Stage1Recipe.load(
        recipe_file, ["logging_steps=1", "keep_checkpoints=1", "save_steps=1", "monitor.every_steps=6"]
    )
    train(other, shards, out, resume=True, console=HookedConsole())
    assert [line["step"] for line in logged(out) if "loss" in line and line["step"] > 4] == [5, 6]
    assert [path.name for path in checkpoints(out / "checkpoints")] == ["step-0000006"]
    assert same_state(state_of(out, 6), state_of(whole, 6))


def test_only_the_model_is_written_where_only_that_was_missing(
    shards: Path, recipe_file: Path, whole: Path, tmp_path: Path
) -> None:
    out = unfinished(whole, tmp_path)
    shutil.rmtree(out / "model")
    summary = train(Stage1Recipe.load(recipe_file), shards, out, resume=True, console=HookedConsole())
    assert (summary.state, summary.step) == ("done", 6)
    weights = [folder / "model" / "model.safetensors" for folder in (out, whole)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def unfinished(whole: Path, tmp_path: Path) -> Path:
    """A copy of the run as it would be had it been killed at the end."""
    out = tmp_path / "copy"
    shutil.copytree(whole, out)
    record = json.loads((out / "run.json").read_text())
    (out / "run.json").write_text(json.dumps({**record, "state": "running"}))
    return out


def poisoned(
    monkeypatch: pytest.MonkeyPatch, poison: Callable[[VAEmoForPreTraining], None], at_step: int
) -> HookedConsole:
    """A console that does harm to the model after a step; step 0 is before the first."""
    build = run_module.new_model
    models: list[VAEmoForPreTraining] = []

    def build_and_keep(recipe: Any) -> VAEmoForPreTraining:
        models.append(build(recipe))
        if at_step == 0:
            poison(models[0])
        return models[0]

    monkeypatch.setattr(run_module, "new_model", build_and_keep)
    return HookedConsole(lambda step: poison(models[0]) if step == at_step else None)


@torch.no_grad()
def _break_audio(model: VAEmoForPreTraining) -> None:
    model.decoder.audio_head.weight[0, 0] = float("nan")


@torch.no_grad()
def _break_contrast(model: VAEmoForPreTraining) -> None:
    next(model.contrastive.projections.parameters()).fill_(float("inf"))


@pytest.mark.parametrize(("poison", "part"), [(_break_audio, "audio is nan"), (_break_contrast, "contrastive is nan")])
def test_a_loss_that_is_no_number_stops_before_the_step_and_names_the_part(
    shards: Path,
    recipe_file: Path,
    whole: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    poison: Callable[[VAEmoForPreTraining], None],
    part: str,
) -> None:
    console = poisoned(monkeypatch, poison, at_step=2)
    recipe = Stage1Recipe.load(recipe_file, ["monitor.every_steps=0", "figure.every_steps=0"])
    # the checkpoint of step 2 is written after the harm; those before are what is kept
    with pytest.raises(TrainingError) as caught:
        train(recipe, shards, tmp_path / "run", console=console)
    message = str(caught.value)
    assert message.startswith(f"step 3: the loss is no number: {part}, loss is nan, for the rows ")
    assert re.search(r"for the rows \d+, \d+, \d+ of the shards; the step was not taken", message)
    assert "the last checkpoint is" in message
    assert "\n" not in message
    assert json.loads((tmp_path / "run" / "run.json").read_text())["state"] == "failed"


def test_a_gradient_that_is_no_number_stops_before_the_step_and_names_a_weight(
    shards: Path, recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No weight has moved; running means, which the forward pass moves, may have."""
    before: dict[str, torch.Tensor] = {}
    models: list[nn.Module] = []

    def poison(model: VAEmoForPreTraining) -> None:
        model.vaemo.embedding.audio.weight.register_hook(lambda grad: grad * float("nan"))
        before.update({name: value.detach().clone() for name, value in model.named_parameters()})
        models.append(model)

    console = poisoned(monkeypatch, poison, at_step=0)
    with pytest.raises(
        TrainingError, match=r"step 1: the gradient's norm is nan, first in vaemo.embedding.audio.weight"
    ):
        train(Stage1Recipe.load(recipe_file), shards, tmp_path / "run", console=console)
    assert same_state(dict(models[0].named_parameters()), before)


def test_a_step_whose_losses_nobody_looked_at_is_an_error(
    shards: Path, recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under a version of transformers that calls other hooks."""
    for hook in ("_clip_grad_norm", "_get_grad_norm"):
        monkeypatch.setattr(StageTrainer, hook, getattr(Trainer, hook))
    with pytest.raises(TrainingError, match=r"step 1: transformers \d+\.\d+.* without a look at its losses"):
        train(Stage1Recipe.load(recipe_file), shards, tmp_path / "run", console=HookedConsole())


def test_two_batches_that_make_a_step_train_as_one_of_twice_the_size(tmp_path: Path) -> None:
    """Reconstruction alone: the contrastive loss of a batch of six is not the mean of those of three."""
    data = tiny_shards(tmp_path / "shards", 6)  # every step sees all of them
    runs = {}
    for per_device, accumulate in ((3, 2), (6, 1)):
        batch = {"per_device": per_device, "accumulate": accumulate}
        path = write_recipe(tmp_path / f"{accumulate}.yaml", **STEADY | {"loss": {"contrastive": 0.0}}, batch=batch)
        with same_mask_for_every_clip():
            train(Stage1Recipe.load(path), data, tmp_path / f"run-{accumulate}", console=HookedConsole())
        runs[accumulate] = tmp_path / f"run-{accumulate}"
    for parted, whole in zip(logged(runs[2]), logged(runs[1]), strict=True):
        for name in ("loss", "loss/video_pixels", "loss/audio", "grad_norm"):
            assert parted[name] == pytest.approx(whole[name], rel=1e-3), (parted["step"], name)
    begin = dict(run_module.new_model(Stage1Recipe.load(path)).named_parameters())
    assert trained_apart(state_of(runs[2], 4), state_of(runs[1], 4), begin) < 0.01


def test_a_full_disk_while_saving_leaves_the_last_good_checkpoint_to_go_on_from(
    shards: Path, recipe_file: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, recipe, save = tmp_path / "run", Stage1Recipe.load(recipe_file), torch.save

    def full(content: Any, path: Any, *rest: Any) -> None:
        if "step-0000004" in str(path) and str(path).endswith("optimizer.pt"):
            Path(path).write_bytes(b"half")
            raise OSError(errno.ENOSPC, "No space left on device")
        save(content, path, *rest)

    with monkeypatch.context() as context:
        context.setattr(torch, "save", full)
        with pytest.raises(CheckpointError, match=r"step-0000004 cannot be saved: the disk is full .* --resume"):
            train(recipe, shards, out, console=HookedConsole())
    assert [path.name for path in (out / "checkpoints").iterdir()] == ["step-0000002"]
    train(recipe, shards, out, resume=True, console=HookedConsole())
    assert same_state(state_of(out, 6), state_of(whole, 6))


def test_a_full_disk_at_the_end_asks_for_a_resume_that_writes_the_model(
    shards: Path, recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    recipe = Stage1Recipe.load(recipe_file, ["length.max_steps=2", "monitor.every_steps=0"])
    with monkeypatch.context() as context:
        context.setattr(training_run, "replace_folder", full)
        with pytest.raises(CheckpointError, match=r"model cannot be saved .*--resume writes it"):
            train(recipe, shards, tmp_path / "run", console=HookedConsole())
    assert train(recipe, shards, tmp_path / "run", resume=True, console=HookedConsole()).state == "done"
    assert (tmp_path / "run" / "model" / "model.safetensors").exists()


@pytest.mark.parametrize(("modality", "parts"), [("audio", {"audio"}), ("video", {"video_pixels", "video_motion"})])
def test_data_of_one_modality_train_by_reconstruction_and_it_is_said(
    recipe_file: Path, tmp_path: Path, modality: str, parts: set[str]
) -> None:
    data = tiny_shards(tmp_path / "shards", 16, modality=modality)
    console = HookedConsole()
    recipe = Stage1Recipe.load(recipe_file, ["length.max_steps=2", "figure.every_steps=2", "figure.num_clips=1"])
    summary = train(recipe, data, tmp_path / "run", console=console)
    assert {name for name in summary.losses if name.startswith("loss/")} == {f"loss/{part}" for part in parts}
    assert any("no contrastive loss, reconstruction alone is trained" in line for line in console.lines)
    assert isinstance(summary.diagnostics, Diagnostics)
    assert summary.diagnostics.retrieval is None
    assert {path.name for path in (tmp_path / "run" / "figures").iterdir()} == {
        "reconstruction-0000002.png",
        "curves.png",
    }
    folder = RunFolder(tmp_path / "run")
    with Image.open(folder.curves) as drawn:
        assert np.array_equal(np.asarray(drawn), draw_curves(folder.read_metrics(), "run")), "the last log too"
    silent = Stage1Recipe.load(recipe_file, ["loss.audio=0", "loss.video_pixels=0", "loss.video_motion=0"])
    with pytest.raises(TrainingError, match="no part of the loss with a weight above 0 can be computed"):
        train(silent, data, tmp_path / "other", console=HookedConsole())


def test_mixed_modalities_train(recipe_file: Path, tmp_path: Path) -> None:
    data = tiny_shards(tmp_path / "shards", 24, modality=["both", "audio", "video"])
    console = HookedConsole()
    summary = train(Stage1Recipe.load(recipe_file), data, tmp_path / "run", console=console, opening="recipe: tiny")
    assert all(value == value for value in summary.losses.values())
    assert console.lines[0] == "recipe: tiny"
    assert console.lines[1].startswith("vaemo-tiny, ")


def test_a_warm_up_as_long_as_the_run_is_refused(shards: Path, recipe_file: Path, tmp_path: Path) -> None:
    recipe = Stage1Recipe.load(recipe_file, ["optim.warmup_share=null", "optim.warmup_epochs=5", "length.max_steps=6"])
    with pytest.raises(RecipeError, match=r"a warm-up of .* steps is as long as the run of 6"):
        train(recipe, shards, tmp_path / "run", console=HookedConsole())


def test_pictures_larger_than_the_shards_are_refused(shards: Path, recipe_file: Path, tmp_path: Path) -> None:
    recipe = Stage1Recipe.load(recipe_file, ["model.overrides.image_size=80"])
    with pytest.raises(RecipeError, match=r"image_size: pictures of 80 pixels .* which are 64 wide; give at most that"):
        train(recipe, shards, tmp_path / "run", console=HookedConsole())


def test_all_trainers_of_a_machine_share_its_shared_memory(shards: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = WindowDataset(ShardFolder.open(shards))
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=4 * 2 * window_bytes(64)))
    stream = BatchStream(dataset, 2, seed=0, workers=2, prefetch=2)
    next(iter(stream))
    stream.close()
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    with pytest.raises(TrainingError, match="8 batches of 2 windows under way take"):
        iter(stream)


def test_a_decoding_process_passes_over_a_sigterm_to_the_whole_group(shards: Path) -> None:
    stream = BatchStream(WindowDataset(ShardFolder.open(shards)), 2, seed=0, workers=1)
    batches = iter(stream)
    next(batches)
    worker = multiprocessing.active_children()[0]
    assert worker.pid is not None
    subprocess.run(["/bin/sh", "-c", f"kill -TERM {worker.pid}; kill -TERM {worker.pid}"], check=True)
    for _ in range(5):
        next(batches)
    worker.terminate()  # as the main process does at its end
    worker.join(timeout=20)
    assert worker.exitcode == 0


def test_what_the_machine_lacks_is_told_before_anything_starts(
    shards: Path, recipe_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_cpu_has_bf16", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(RecipeError, match=r"precision.bf16: this CPU .* has no bfloat16; give auto or false"):
        train(Stage1Recipe.load(recipe_file, ["precision.bf16=true"]), shards, tmp_path / "run")
    with pytest.raises(RecipeError, match=r"compile: torch.compile needs a C\+\+ compiler"):
        train(Stage1Recipe.load(recipe_file, ["compile=true"]), shards, tmp_path / "run")
    assert environment.resolve_bf16(Stage1Recipe.load(recipe_file, ["precision.bf16=auto"])) is False
    assert not (tmp_path / "run").exists()


def test_bfloat16_trains_on_a_cpu_that_has_it_and_rounds(
    shards: Path, recipe_file: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "_cpu_has_bf16", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    recipe = Stage1Recipe.load(recipe_file, ["precision.bf16=true", "length.max_steps=2"])
    train(recipe, shards, tmp_path / "run", console=HookedConsole())
    rounded, exact = logged(tmp_path / "run")[0], logged(whole)[0]
    assert rounded["step"] == exact["step"] == 1
    assert rounded["loss"] != exact["loss"]
    assert rounded["loss"] == pytest.approx(exact["loss"], rel=0.02)
    assert rounded["grad_norm"] == pytest.approx(exact["grad_norm"], rel=0.2)
    weights = load_file(tmp_path / "run" / "model" / "model.safetensors")
    assert {value.dtype for value in weights.values()} == {torch.float32}


def test_norms_biases_and_learned_tokens_do_not_decay(recipe_file: Path) -> None:
    model = VAEmoForPreTraining(Stage1Recipe.load(recipe_file).config())
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    matrices, others = ({names[id(parameter)] for parameter in group} for group in decay_groups(model))
    assert matrices | others == set(names.values())
    assert not matrices & others
    assert {"decoder.mask_token", "vaemo.embedding.modality"} <= others
    assert all(name.endswith("weight") and "norm" not in name for name in matrices)
    assert all("norm" in name or "bias" in name or "token" in name or "modality" in name for name in others)


def test_the_command_heeds_ctrl_c_and_goes_on_from_there(shards: Path, recipe_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    options = ["--recipe", str(recipe_file), "--data", str(shards), "--out", str(out), "--set", "length.max_steps=4000"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*COMMAND, *options], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ
    ) as run:
        assert run.stderr is not None
        assert run.stdout is not None
        for line in run.stderr:
            if line.startswith("step 1/"):
                run.send_signal(signal.SIGINT)
                break
        said, printed = run.stderr.read(), run.stdout.read()
    assert run.returncode == 130
    assert "stopping after this step and its checkpoint" in said
    assert "Traceback" not in said
    assert re.fullmatch(r"interrupted after step \d+ of 4,000; .* --resume goes on\n", printed)
    assert RunFolder(out).read_record()["state"] == "interrupted"


@pytest.fixture(scope="module")
def two_processes(recipe_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes left behind that did all of tests/support/two_processes.py."""
    folder = tmp_path_factory.mktemp("two")
    tiny_shards(folder / "shards", 20)
    tiny_shards(folder / "mixed_shards", 20, modality=["both", "both", "both", "audio", "video"])
    write_recipe(folder / "steady.yaml", **STEADY, batch={"per_device": 3})
    write_recipe(folder / "mixed.yaml", batch={"per_device": 1, "accumulate": 2})
    script = Path(__file__).parents[1] / "support" / "two_processes.py"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(script.parents[2])}
    done = subprocess.run(
        [*launch, str(script), str(folder)], capture_output=True, text=True, timeout=600, env=environ, check=False
    )
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-2000:]
    (folder / "printed.txt").write_text(done.stdout)
    return folder


def test_two_processes_train_the_model_that_one_trains_on_the_joint_batch(two_processes: Path, tmp_path: Path) -> None:
    recipe = Stage1Recipe.load(write_recipe(tmp_path / "r.yaml", **STEADY, batch={"per_device": 6}))
    with same_mask_for_every_clip():
        train(recipe, two_processes / "shards", tmp_path / "run", console=HookedConsole())
    first, second = (load_file(two_processes / f"weights-{rank}.safetensors") for rank in range(2))
    assert same_state(first, second)
    alone = load_file(tmp_path / "run" / "model" / "model.safetensors")
    begin = dict(run_module.new_model(recipe).named_parameters())
    assert trained_apart(first, alone, begin) < 0.01
    for ours, theirs in zip(logged(two_processes / "steady"), logged(tmp_path / "run"), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3), ours["step"]


def test_two_processes_share_clips_of_any_modality_out(two_processes: Path, tmp_path: Path) -> None:
    out = two_processes / "mixed"
    assert (two_processes / "printed.txt").read_text().count("done: 4 steps") == 1
    record = RunFolder(out).read_record()
    assert (record["identity"]["processes"], record["clips_per_step"], record["state"]) == (2, 4, "done")
    names = {path.name for path in checkpoints(out / "checkpoints")[-1].iterdir()}
    assert {"rng_state_0.pth", "rng_state_1.pth", "window_0.json", "window_1.json"} <= names
    recipe = Stage1Recipe.load(two_processes / "mixed.yaml", ["length.max_steps=4"], num_processes=2)
    with pytest.raises(RecipeError, match="processes: 1, but the run has 2"):
        train(recipe, two_processes / "mixed_shards", unfinished(out, tmp_path), resume=True, console=HookedConsole())


def test_a_checkpoint_that_one_process_cannot_write_ends_all_with_its_reason(two_processes: Path) -> None:
    first, second = ((two_processes / f"unsaved-{rank}.txt").read_text() for rank in range(2))
    assert first == second
    assert re.search(r"step-0000004 cannot be saved by process 1: the disk is full .*no step was saved", first)
    assert list((two_processes / "unsaved" / "checkpoints").iterdir()) == []
    assert RunFolder(two_processes / "unsaved").read_record()["state"] == "failed"


def test_what_the_first_process_finds_in_the_run_folder_ends_all(two_processes: Path) -> None:
    first, second = ((two_processes / f"taken-{rank}.txt").read_text() for rank in range(2))
    assert first == second
    assert first.startswith("RunFolderError: ")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ShardError("shard 3 cannot be read"), "error on process 1: shard 3 cannot be read\n"),
        (TrainingError("the loss is no number"), "error on process 1: the loss is no number\n"),
        (RecipeError("no such recipe"), ""),
        (RunFolderError("holds a run"), ""),
        (JointCheckpointError("the disk is full"), ""),
    ],
)
def test_a_process_tells_what_the_first_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: UserError, said: str
) -> None:
    def fail() -> RunSummary:
        raise error

    monkeypatch.setenv("RANK", "1")
    with pytest.raises(typer.Exit) as caught:
        run_command.run_training(fail)
    assert (caught.value.exit_code, capsys.readouterr().err) == (2, said)
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(type(error)):
        run_command.run_training(fail)
