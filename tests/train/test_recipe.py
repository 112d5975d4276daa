"""Recipes: what is shipped can be read, and every fault is told at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.tiny_run import write_recipe
from vaemo_clips.errors import RecipeError
from vaemo_train.stage1.recipe_file import load_recipe, recipe_text

RECIPES = sorted((Path(__file__).parents[2] / "train" / "recipes").glob("stage1*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_shipped_recipe_is_read_and_says_hardware_time_and_score(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.config().num_video_tokens == 800
    header = path.read_text(encoding="utf-8").partition("\nmodel:")[0]
    assert all(f"{word}:" in header for word in ("Hardware", "Time", "Score"))


def test_three_recipes_are_shipped() -> None:
    assert {path.stem for path in RECIPES} == {"stage1", "stage1-cpu", "stage1-vox2"}


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
        load_recipe(path, ["data.worker=3", "loss"])
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
        ({"mask": {"audio": 0.001}}, "mask.audio: 0.001 of 128 patches of the sound hides none"),
        ({"model": {"overrides": {"hiden_size": 64}}}, "hiden_size: no field of the model; did you mean hidden_size"),
        ({"model": {"overrides": {"video_mask_ratio": 0.5}}}, "video_mask_ratio: is set by a section of its own"),
        ({"model": {"overrides": {"hidden_size": 50}}}, "model: hidden_size=50 must be a multiple of"),
        ({"figure": {"every_steps": 5, "num_clips": 9}}, "figure.num_clips: 9 clips cannot be drawn from"),
        ({"precision": {"bf16": "maybe"}}, "precision.bf16"),
    ],
)  # fmt: skip
def test_a_contradiction_is_told_with_its_place(tmp_path: Path, sections: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(words)):
        load_recipe(write_recipe(tmp_path / "r.yaml", **sections))


def test_what_rests_on_a_broken_setting_is_not_told_as_well(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "r.yaml", length={"epochs": "many"})
    with pytest.raises(RecipeError) as caught:
        load_recipe(path)
    assert len(str(caught.value).splitlines()) == 1


def test_one_clip_on_each_of_two_processes_has_a_negative(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "r.yaml", batch={"per_device": 1})
    assert load_recipe(path, num_processes=2).batch.per_device == 1
    assert load_recipe(path, ["loss.contrastive=0"]).loss.contrastive == 0


def test_set_takes_the_place_of_a_value_in_the_file(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "r.yaml")
    changes = [
        "optim.base_lr=1e-4",
        "optim.betas=[0.8, 0.9]",
        "compile=true",
        "length.max_steps=null",
        "length.epochs=2",
    ]
    recipe = load_recipe(path, [*changes, "augment.flip_probability=0"])
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
        load_recipe(write_recipe(tmp_path / "r.yaml"), [change])


def test_a_resolved_recipe_is_read_as_the_same_one(tmp_path: Path) -> None:
    recipe = load_recipe(write_recipe(tmp_path / "r.yaml"))
    (tmp_path / "resolved.yaml").write_text(recipe_text(recipe), encoding="utf-8")
    assert load_recipe(tmp_path / "resolved.yaml") == recipe


def test_the_learning_rate_grows_with_the_clips_of_a_step(tmp_path: Path) -> None:
    recipe = load_recipe(
        write_recipe(tmp_path / "r.yaml", batch={"per_device": 64, "accumulate": 2}, optim={"base_lr": 3e-4})
    )
    assert recipe.clips_per_step(4) == 512
    assert recipe.peak_lr(4) == pytest.approx(6e-4)
    assert recipe.peak_lr(2) == pytest.approx(3e-4)


def test_epochs_and_warmup_become_steps(tmp_path: Path) -> None:
    path = write_recipe(tmp_path / "r.yaml", length={"epochs": 10}, optim={"warmup_epochs": 2}, batch={"accumulate": 2})
    recipe = load_recipe(path)
    assert (recipe.total_steps(7), recipe.warmup_steps(7)) == (35, 7)
