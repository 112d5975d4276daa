"""Recipes: what is shipped can be read, and every fault is told at once."""

from __future__ import annotations

import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_run import write_recipe
from vaemo_clips.errors import RecipeError
from vaemo_train.data.loader import window_bytes
from vaemo_train.data.window import WINDOW_S
from vaemo_train.models.config import VAEmoConfig
from vaemo_train.stage1.recipe import ModelOverrides, Stage1Recipe
from vaemo_train.stage1.recipe_faults import FIXED_BY_DATA, OF_FINETUNE, OF_STAGE2, RECIPE_KEYS
from vaemo_train.training import shipped
from vaemo_train.training.recipe_file import recipe_text
from vaemo_train.training.shipped import choose_recipe, shipped_recipes

RECIPES = sorted((Path(__file__).parents[2] / "train" / "recipes").glob("stage1*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_is_read_and_says_hardware_time_and_score(path: Path) -> None:
    recipe = Stage1Recipe.load(path)
    assert recipe.config().num_video_tokens == 800
    header = path.read_text(encoding="utf-8").partition("\nmodel:")[0]
    assert all(f"{word}:" in header for word in ("Hardware", "Time", "Score"))


def test_three_recipes_are_shipped() -> None:
    assert {path.stem for path in RECIPES} == {"stage1", "stage1-cpu", "stage1-vox2"}


@pytest.mark.parametrize(("name", "num_gpus"), [("stage1", 1), ("stage1-vox2", 8), ("stage1-cpu", 1)])
def test_a_shipped_recipe_s_batches_fit_half_of_64_gb(name: str, num_gpus: int) -> None:
    recipe = Stage1Recipe.load(shipped_recipes()[name])
    num_batches = num_gpus * recipe.data.workers * recipe.data.prefetch
    assert num_batches * recipe.batch.per_device * window_bytes(192) < 32e9


def test_a_recipe_is_found_by_name_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert set(shipped_recipes()) == {"stage1", "stage1-cpu", "stage1-vox2"}
    assert Stage1Recipe.load(choose_recipe("stage1-cpu").path).model.size == "vaemo-tiny"
    own = write_recipe(tmp_path / "own.yaml")
    assert choose_recipe("own.yaml").path.resolve() == own
    message = "--recipe stage1-gpu: no such file, and no shipped recipe; shipped are stage1, stage1-cpu, stage1-vox2"
    with pytest.raises(RecipeError, match=re.escape(message)):
        choose_recipe("stage1-gpu")


@pytest.mark.parametrize(("has_gpu", "name"), [(True, "stage1"), (False, "stage1-cpu")])
def test_without_a_recipe_the_machine_decides_and_it_is_said(
    monkeypatch: pytest.MonkeyPatch, has_gpu: bool, name: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: has_gpu)
    chosen = choose_recipe(None)
    assert chosen.path == shipped_recipes()[name]
    assert chosen.words.startswith(f"recipe: {name} (")


def test_recipes_lie_inside_the_package_where_it_was_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"train/recipes": "vaemo_train/recipes", "train/labels": "vaemo_train/labels"}
    shutil.copytree(RECIPES[0].parent, tmp_path / "vaemo_train" / "recipes")
    monkeypatch.setattr(shipped, "_PACKAGE", tmp_path / "vaemo_train")
    assert shipped_recipes()["stage1"] == tmp_path / "vaemo_train" / "recipes" / "stage1.yaml"


def test_all_faults_of_a_recipe_are_told_at_once(tmp_path: Path) -> None:
    path = write_recipe(
        tmp_path / "r.yaml",
        optim={"base_lr": -1, "weigth_decay": 0.1},
        lengths={"epochs": 3},
        length={"epochs": 3, "max_steps": 100},
        mask={"video": 0.99, "audio": 0.8},
        batch={"per_device": 1},
    )
    with pytest.raises(RecipeError) as caught:
        Stage1Recipe.load(path, ["data.worker=3", "loss"])
    lines = str(caught.value).splitlines()
    assert all(line.startswith(f"{path}: ") for line in lines)
    for words in (
        "--set loss: must read KEY=VALUE",
        "optim.base_lr: Input should be greater than 0 (it is -1)",
        "optim.weigth_decay: unknown key; remove it or correct its spelling; did you mean weight_decay?",
        "lengths: unknown key; remove it or correct its spelling; did you mean length?",
        "data.worker: unknown key; remove it or correct its spelling; did you mean workers?",
        "length: epochs=3 and max_steps=100 are both given",
        "mask.video: 0.99 of 16 places of the picture leaves none visible; give at most 0.938",
        "batch.per_device: a batch of one has no negatives for the contrastive loss",
    ):
        assert sum(words in line for line in lines) == 1, words
    assert len(lines) == 8


@pytest.mark.parametrize(
    ("sections", "words"),
    [
        ({"length": {}}, "length: neither epochs nor max_steps is given"),
        ({"optim": {"warmup_share": 0.1, "warmup_epochs": 1}}, "warmup_share and warmup_epochs are both given"),
        ({"optim": {"warmup_share": 1.5}}, "optim.warmup_share: a warm-up over 1.5 of the run never ends"),
        (
            {"optim": {"warmup_epochs": 5}, "length": {"epochs": 5}},
            "optim.warmup_epochs: a warm-up of 5 epochs is as long as the run of 5",
        ),
        (
            {"loss": {"video_pixels": 0, "video_motion": 0, "audio": 0, "contrastive": 0}},
            "loss: every weight is 0",
        ),
        ({"mask": {"audio": 0.001}}, "mask.audio: 0.001 of 128 patches of the sound hides none to reconstruct"),
        ({"model": {"overrides": {"hiden_size": 64}}}, "hiden_size: no field of the model; did you mean hidden_size"),
        ({"model": {"overrides": {"video_mask_ratio": 0.5}}}, "video_mask_ratio: is set by mask.video; write it there"),
        (
            {"model": {"overrides": {"num_frames": 8}}},
            "model.overrides.num_frames: is what the shards and the loader make it, 16; leave it out",
        ),
        ({"model": {"overrides": {"layer_norm_eps": "low"}}}, "layer_norm_eps: Input should be a valid number"),
        ({"model": {"overrides": {"tubelet_frames": 1}}}, "tubelet_frames: Input should be greater than or equal to 2"),
        ({"model": {"overrides": 3}}, "model.overrides: Input should be a valid dictionary"),
        (
            {"loss": {"contrastive_steps": 3}},
            "loss.contrastive_steps: 3 equal stretches cannot be made of a window's 8 moments and a projection of "
            "8 values; give one of 1, 2, 4, 8",
        ),
        ({"model": {"overrides": {"hidden_size": 50}}}, "model: hidden_size=50 must be a multiple of"),
        ({"figure": {"every_steps": 5, "num_clips": 9}}, "figure.num_clips: 9 clips cannot be drawn from"),
        ({"precision": {"bf16": "maybe"}}, "precision.bf16"),
    ],
)  # fmt: skip
def test_a_contradiction_is_told_with_its_place(tmp_path: Path, sections: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(words)):
        Stage1Recipe.load(write_recipe(tmp_path / "r.yaml", **sections))


def test_what_is_not_reconstructed_need_not_be_hidden(tmp_path: Path) -> None:
    loss = {"audio": 0.0, "contrastive": 0.1}
    recipe = Stage1Recipe.load(write_recipe(tmp_path / "r.yaml", mask={"audio": 0.0}, loss=loss))
    assert recipe.config().audio_mask_ratio == 0


def test_a_number_that_yaml_reads_as_text_is_one_in_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_text("length: {max_steps: 1}\nmodel: {overrides: {initializer_range: 2e-2, hidden_size: '256'}}\n")
    config = Stage1Recipe.load(path).config()
    assert (config.initializer_range, config.hidden_size) == (0.02, 256)


def test_every_field_of_the_model_has_one_place_in_a_recipe() -> None:
    places = [*ModelOverrides.__annotations__, *FIXED_BY_DATA, *RECIPE_KEYS, *OF_STAGE2, *OF_FINETUNE]
    assert sorted(places) == sorted(set(VAEmoConfig.__annotations__) - {"model_type"})
    assert set(Stage1Recipe().config_fields()) <= set(RECIPE_KEYS)


def test_the_model_sees_the_windows_that_the_data_have() -> None:
    config = VAEmoConfig()
    assert {name: getattr(config, name) for name in FIXED_BY_DATA} == pytest.approx(FIXED_BY_DATA)
    assert config.window_s == pytest.approx(WINDOW_S)
    assert config.num_audio_frames * config.audio_hop_s == pytest.approx(WINDOW_S)


def test_what_rests_on_a_broken_setting_is_not_told_as_well(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "r.yaml", length={"epochs": "many"})
    with pytest.raises(RecipeError) as caught:
        Stage1Recipe.load(path)
    assert len(str(caught.value).splitlines()) == 1


def test_one_clip_on_each_of_two_processes_has_a_negative(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "r.yaml", batch={"per_device": 1})
    assert Stage1Recipe.load(path, num_processes=2).batch.per_device == 1
    assert Stage1Recipe.load(path, ["loss.contrastive=0"]).loss.contrastive == 0


def test_set_takes_the_place_of_a_value_in_the_file(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "r.yaml")
    changes = [
        "optim.base_lr=1e-4",
        "optim.betas=[0.8, 0.9]",
        "compile=true",
        "length.max_steps=null",
        "length.epochs=2",
    ]
    recipe = Stage1Recipe.load(path, [*changes, "augment.flip_probability=0"])
    assert (recipe.optim.base_lr, recipe.optim.betas, recipe.compile) == (1e-4, (0.8, 0.9), True)
    assert (recipe.length.epochs, recipe.length.max_steps) == (2, None)
    assert recipe.augment.flip_probability == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("logging_steps.one=2", "logging_steps has no keys below it"),
        ("optim.base_lr=[", "the value is not valid YAML"),
        ("=3", "must read KEY=VALUE"),
        ("logging_step=3", "did you mean logging_steps"),
    ],
)
def test_a_set_that_cannot_be_used_says_why(tmp_path: Path, change: str, words: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(words)):
        Stage1Recipe.load(write_recipe(tmp_path / "r.yaml"), [change])


def test_a_resolved_recipe_is_read_as_the_same_one(tmp_path: Path) -> None:
    recipe = Stage1Recipe.load(write_recipe(tmp_path / "r.yaml"))
    (tmp_path / "resolved.yaml").write_text(recipe_text(recipe), encoding="utf-8")
    assert Stage1Recipe.load(tmp_path / "resolved.yaml") == recipe


def test_the_learning_rate_grows_with_the_clips_of_a_step(tmp_path: Path) -> None:
    recipe = Stage1Recipe.load(
        write_recipe(tmp_path / "r.yaml", batch={"per_device": 64, "accumulate": 2}, optim={"base_lr": 3e-4})
    )
    assert recipe.clips_per_step(4) == 512
    assert recipe.peak_lr(4) == pytest.approx(6e-4)
    assert recipe.peak_lr(2) == pytest.approx(3e-4)


def test_epochs_and_warmup_become_steps(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "r.yaml", length={"epochs": 10}, optim={"warmup_epochs": 2}, batch={"accumulate": 2})
    recipe = Stage1Recipe.load(path)
    assert (recipe.total_steps(7), recipe.warmup_steps(7)) == (35, 7)
