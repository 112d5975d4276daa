"""The recipe of stage 2: what it sets of the model, and which settings contradict one another."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.tiny_alignment import STAGE1_LOSS, tiny_alignment_recipe
from vaemo_clips.errors import RecipeError
from vaemo_train.captions.paths import PATHS
from vaemo_train.models.config import ALIGNMENT_PATHS, VAEmoConfig
from vaemo_train.stage2.recipe import Stage2Recipe
from vaemo_train.training.recipe_file import recipe_text

SHIPPED = sorted((Path(__file__).parents[2] / "train" / "recipes").glob("stage2*.yaml"))


def recipe_file(folder: Path, **sections: Any) -> Path:
    path = folder / "r.yaml"
    path.write_text(yaml.safe_dump(tiny_alignment_recipe(Path("words"), **sections)), encoding="utf-8")
    return path


def faults(folder: Path, *changes: str, num_processes: int = 1, **sections: Any) -> list[str]:
    """What is said against a recipe, line by line."""
    with pytest.raises(RecipeError) as caught:
        Stage2Recipe.load(recipe_file(folder, **sections), changes, num_processes)
    return str(caught.value).splitlines()


def test_the_paths_of_captions_and_of_the_model_are_the_same() -> None:
    assert tuple(PATHS) == tuple(ALIGNMENT_PATHS)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_recipe_describes_a_model(path: Path) -> None:
    recipe = Stage2Recipe.load(path)
    config = VAEmoConfig(**recipe.config_fields())
    assert config.alignment_weights == {name: getattr(recipe.loss, name) for name in PATHS}
    assert recipe.init is None, "a shipped recipe names no folder of somebody's"
    assert recipe.captions is None
    assert recipe.data.folder is None


def test_every_setting_of_the_loss_reaches_the_model(tmp_path: Path) -> None:
    loss = {
        "visual": 0.5, "acoustic": 0.25, "affect": 2.0, "alone": 0.125, "temperature": 0.2, "temperature_min": 0.1,
        "temperature_max": 0.3, "soft_share": 0.4, "soft_temperature": 0.6, "stage1": STAGE1_LOSS,
    }  # fmt: skip
    recipe = Stage2Recipe.load(recipe_file(tmp_path, loss=loss, mask={"video": 0.75, "audio": 0.5}))
    config = VAEmoConfig(**recipe.config_fields())
    assert config.alignment_weights == {"visual": 0.5, "acoustic": 0.25, "affect": 2.0}
    assert config.alignment_alone_weight == 0.125
    temperatures = (config.alignment_temperature, config.alignment_temperature_min, config.alignment_temperature_max)
    assert temperatures == (0.2, 0.1, 0.3)
    assert (config.soft_share, config.soft_temperature) == (0.4, 0.6)
    assert (config.video_mask_ratio, config.audio_mask_ratio, config.alignment_size) == (0.75, 0.5, 16)
    assert config.loss_weights == STAGE1_LOSS


def test_a_recipe_that_was_resolved_reads_back_the_same(tmp_path: Path) -> None:
    recipe = Stage2Recipe.load(recipe_file(tmp_path), ["loss.soft_share=0.5", "init=runs/stage1", "captions=words"])
    (tmp_path / "again.yaml").write_text(recipe_text(recipe), encoding="utf-8")
    assert Stage2Recipe.load(tmp_path / "again.yaml") == recipe
    assert (recipe.init, recipe.captions) == ("runs/stage1", Path("words"))


def test_without_a_weight_no_caption_would_be_learnt_from(tmp_path: Path) -> None:
    changes = [f"loss.{path}=0" for path in PATHS]
    [fault] = faults(tmp_path, *changes, "loss.stage1.audio=1")
    assert "visual, acoustic and affect are all 0" in fault
    for path in PATHS:
        Stage2Recipe.load(recipe_file(tmp_path), [change for change in changes if path not in change])


@pytest.mark.parametrize(("temperature", "is_fine"), [(0.01, True), (0.5, True), (0.009, False), (0.51, False)])
def test_a_temperature_begins_within_its_bounds(tmp_path: Path, temperature: float, is_fine: bool) -> None:
    change = f"loss.temperature={temperature}"
    if is_fine:
        assert Stage2Recipe.load(recipe_file(tmp_path), [change]).loss.temperature == temperature
        return
    [fault] = faults(tmp_path, change)
    assert f"loss.temperature: {temperature} is not between temperature_min=0.01 and temperature_max=0.5" in fault


def test_a_batch_of_one_has_no_negatives_unless_processes_share(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, "batch.per_device=1")
    assert "a batch of one has no negatives; give at least 2 clips" in fault
    assert faults(tmp_path, "batch.per_device=1", "batch.accumulate=8"), "accumulation brings no negatives"
    Stage2Recipe.load(recipe_file(tmp_path), ["batch.per_device=1"], num_processes=2)


@pytest.mark.parametrize(("mask", "part"), [("video", "video_pixels"), ("video", "video_motion"), ("audio", "audio")])
def test_what_is_never_hidden_cannot_be_reconstructed(tmp_path: Path, mask: str, part: str) -> None:
    [fault] = faults(tmp_path, f"mask.{mask}=0", f"loss.stage1.{part}=1")
    assert re.search(rf"mask\.{mask}: 0 of \d+ .* hides none to reconstruct; give at least 0\.0.*, or no weight", fault)
    Stage2Recipe.load(recipe_file(tmp_path), ["mask.video=0", "mask.audio=0", "loss.stage1.contrastive=1"])
    Stage2Recipe.load(recipe_file(tmp_path), ["mask.video=0", "mask.audio=0"])


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    found = faults(
        tmp_path, "loss.visual=-1", "loss.soft_share=1.5", "loss.temperature=9", "mask.audio=0",
        "loss.stage1.audio=1", "batch.per_device=1", "heads.size=4", "optim.encoder_lr_share=2", "loss.afect=1",
    )  # fmt: skip
    for word in (
        "loss.visual", "loss.soft_share", "heads.size", "encoder_lr_share", "loss.afect", "batch.per_device",
    ):  # fmt: skip
        assert any(word in fault for fault in found), (word, found)


def test_masks_are_checked_against_the_encoder(tmp_path: Path) -> None:
    recipe = Stage2Recipe.load(recipe_file(tmp_path), ["mask.audio=0.001", "mask.video=0.97", "loss.stage1.audio=1"])
    small = VAEmoConfig(image_size=64)
    texts = [fault.text for fault in recipe.mask_faults(small)]
    assert texts == [
        "mask.video: 0.97 of 16 places of the picture leaves none visible; give at most 0.938",
        "mask.audio: 0.001 of 128 patches of the sound hides none to reconstruct; give at least 0.0078, "
        "or no weight to its loss",
    ]
    alone = Stage2Recipe.load(recipe_file(tmp_path), ["mask.audio=0.001"])
    assert not list(alone.mask_faults(small)), "nothing is reconstructed"


def test_how_many_clips_are_drawn_is_no_setting_here(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, "figure.num_clips=3")
    assert "figure.num_clips: unknown key" in fault
    Stage2Recipe.load(recipe_file(tmp_path), ["monitor.num_clips=2", "figure.every_steps=5"])


def test_settings_of_stage_1_s_model_are_no_settings_here(tmp_path: Path) -> None:
    [fault] = faults(tmp_path, "model.size=vaemo-base")
    assert "model" in fault
