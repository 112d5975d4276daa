"""The optimizer and the loss of fine-tuning: rates by depth, frozen parts, weights of classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.support.finetune_folders import Workplace
from tests.support.tiny_classifier import tiny_classifier
from vaemo_clips.errors import RecipeError, SplitError
from vaemo_train.finetune.cross_validation import CrossValidation
from vaemo_train.finetune.recipe import FinetuneRecipe
from vaemo_train.finetune.run import Finetuning
from vaemo_train.finetune.trainer import depth_of, freeze, layer_groups
from vaemo_train.stage1.recipe_faults import OF_FINETUNE, no_override
from vaemo_train.training.shipped import shipped_recipes


def test_every_parameter_has_the_rate_of_its_depth_once() -> None:
    model = tiny_classifier()  # two lower blocks and an upper one
    groups = layer_groups(model, FinetuneRecipe(optim={"layer_decay": 0.5, "head_lr": 3.0}).optim, peak_lr=1.0)
    rate_of = {id(parameter): group["lr"] for group in groups for parameter in group["params"]}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    assert sum(len(group["params"]) for group in groups) == len(rate_of) == len(trained)
    encoder = model.vaemo
    expected = {
        0.125: encoder.embedding, 0.25: encoder.lower[0], 0.5: encoder.lower[1], 1.0: encoder.upper[0],
        3.0: model.classifier.linear,
    }  # fmt: skip
    for rate, part in expected.items():
        assert {rate_of[id(parameter)] for parameter in part.parameters()} == {rate}
    assert {rate_of[id(parameter)] for parameter in encoder.norm.parameters()} == {1.0}
    shrunk = {id(parameter) for group in groups if group["weight_decay"] for parameter in group["params"]}
    assert shrunk == {id(one.weight) for one in model.modules() if isinstance(one, torch.nn.Linear)}


def test_depths_are_those_of_the_blocks() -> None:
    model = tiny_classifier()
    depths, top = depth_of(model)
    assert top == 3
    assert set(depths) == {id(parameter) for parameter in model.parameters()}


@pytest.mark.parametrize(("what", "trained"), [("nothing", 5), ("lower", 3), ("encoder", 1)])
def test_what_is_frozen_is_not_trained(what: str, trained: int) -> None:
    model = tiny_classifier()
    freeze(model, what)
    encoder = model.vaemo
    parts = [encoder.embedding, encoder.lower, encoder.upper, encoder.norm, model.classifier.linear]
    learns = [any(parameter.requires_grad for parameter in part.parameters()) for part in parts]
    assert learns == [False] * (5 - trained) + [True] * trained
    model.train()
    assert encoder.embedding.training == (what == "nothing")  # its running means stay too
    assert encoder.upper.training == (what != "encoder")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Shards and an encoder."""
    return Workplace.make(tmp_path_factory.mktemp("trainer"))


def test_balanced_weights_make_classes_count_alike(place: Workplace, tmp_path: Path) -> None:
    validation = CrossValidation(place.request(tmp_path / "ft", ["loss.class_weights=balanced"], folds="3"))
    for job in validation.jobs:
        stage = Finetuning(validation.request.recipe, validation.task, job.split, job.init, job.run)
        weights = stage.make_model().config.class_weights
        counts = np.bincount(validation.targets.values[job.split.train], minlength=3)
        assert weights is not None
        assert np.allclose(np.asarray(weights) * counts, counts.sum() / 3)


def test_a_class_without_the_modality_in_a_training_part_is_refused(tmp_path: Path) -> None:
    place = Workplace.make(tmp_path, modality=["video"] * 4 + ["both"] * 8)  # the clips of one label have no sound
    with pytest.raises(SplitError, match=r"fold 1: \w+ without a clip of modality audio in the training part"):
        CrossValidation(place.request(tmp_path / "ft", ["modality=audio"]))
    CrossValidation(place.request(tmp_path / "ft", ["modality=video"]))


def test_settings_that_would_do_nothing_are_refused(place: Workplace, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"select\.validation_share: 0\.2 of the training clips would be kept out"):
        place.request(tmp_path / "ft", ["select.validation_share=0.2"])
    chosen = ["select.checkpoint=validation", "monitor.every_steps=2"]
    with pytest.raises(RecipeError, match=r"validation needs clips to choose by, fold 1 has none"):
        CrossValidation(place.request(tmp_path / "ft", chosen))
    late = place.request(tmp_path / "ft", [*chosen, "select.validation_share=0.5", "monitor.every_steps=9"])
    with pytest.raises(RecipeError, match=r"monitor\.every_steps: 9 is more than the 4 steps"):
        CrossValidation(late)
    with pytest.raises(RecipeError, match=r"select\.metric: ccc is no score of a classification"):
        CrossValidation(place.request(tmp_path / "ft", ["select.metric=ccc"]))


def test_the_shipped_recipes_are_read() -> None:
    assert set(shipped_recipes("finetune")) == {"finetune", "finetune-cpu"}
    for path in shipped_recipes("finetune").values():
        assert FinetuneRecipe.load(path).optim.layer_decay < 1


def test_every_setting_of_the_head_is_one_of_the_recipe() -> None:
    fields = set(FinetuneRecipe().config_fields()) | {"class_weights"}
    assert fields == OF_FINETUNE
    assert no_override("head_pooling") == "belongs to finetune, whose recipe sets it; leave it out"
