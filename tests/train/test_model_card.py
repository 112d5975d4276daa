"""A model card that the Hub reads, with every number that results.json has and with what the model is not for."""

from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import ModelCard, ModelCardData
from pydantic import ValidationError

from tests.support.synthetic_outcome import EMOTIONS, synthetic_outcome
from vaemo_train.data.corruption import Corruption
from vaemo_train.outcome.gathered_results import results_of
from vaemo_train.outcome.model_card import model_card
from vaemo_train.outcome.results_file import ClassScores, Results
from vaemo_train.outcome.robustness_scores import RobustnessScores


def results(**settings: Any) -> Results:
    data = settings.pop("data", {"corpus": "RAVDESS speech"})
    small = {"num_speakers": 6, "clips_each": 20, "num_folds": 3, "num_seeds": 2, **settings}
    return results_of(
        synthetic_outcome(**small), folds="column fold", selection="last epoch", data=data, seconds=600.0,
        recipe={"init": "vaemo-tiny", "optim": {"lr": 0.001}}, pretraining={"1": "yes"}, versions={"torch": "2.6"},
    )  # fmt: skip


def read_by_the_hub(text: str) -> ModelCardData:
    data = ModelCard(text).data
    assert isinstance(data, ModelCardData)
    return data


def test_the_hub_reads_the_front_matter() -> None:
    found = results()
    data = read_by_the_hub(model_card(found, name="vaemo-speech", license_name="mit"))
    assert data.license == "mit"
    assert data.library_name == "vaemo"
    assert data.pipeline_tag == "video-classification"
    assert data.model_name == "vaemo-speech"
    assert data.eval_results is not None
    by_metric = {one.metric_type: one for one in data.eval_results}
    assert by_metric.keys() == {"accuracy", "recall", "f1"}
    scores = found.scores["VA"]
    assert isinstance(scores, ClassScores)
    assert by_metric["recall"].metric_value == pytest.approx(scores.uar.mean, abs=1e-4)
    assert by_metric["recall"].metric_args == {"average": "macro"}
    assert by_metric["recall"].dataset_name == "RAVDESS speech"
    assert by_metric["recall"].dataset_type == "ravdess-speech"


def test_the_licence_is_left_to_whoever_publishes() -> None:
    assert read_by_the_hub(model_card(results())).license is None


def test_results_of_a_regression_are_on_the_card() -> None:
    text = model_card(results(is_regression=True, data={}), corpus="MSP")
    entries = read_by_the_hub(text).eval_results
    assert entries is not None
    assert [one.metric_type for one in entries] == ["ccc", "pearsonr", "rmse"]
    assert "| VA (both) | 120 | arousal | ." in text
    assert "Corpus: MSP; 120 tested clips of 6 speakers." in text
    assert "Recall of each class" not in text


def test_every_score_with_its_spread_and_interval_is_on_the_card() -> None:
    found = results(without_video=0.3)
    text = model_card(found)
    for modality, scores in found.scores.items():
        assert isinstance(scores, ClassScores)
        for entry in (scores.war, scores.uar, scores.wf1):
            assert f"| {entry.estimate} |" in text, modality
    for name in EMOTIONS:
        assert f"- {name}: {found.data['clips_by_class'][name]} clips" in text
        assert all(str(recalls[name].estimate) in text for recalls in found.recalls.values())


def test_the_protocol_and_the_recipe_are_on_the_card() -> None:
    text = model_card(results(), weights="The weights beside it are of fold 1, seed 0.")
    for words in (
        "Folds: 3 (column fold); seeds: 0, 1.",
        "No speaker is in training and test of the same fold.",
        "Whose weights were tested: last epoch. No checkpoint was chosen on a test fold.",
        "They are of 6 trainings by the same recipe",
        "The weights beside it are of fold 1, seed 0.",
        "| 1 | 40 | 2 | yes |",
        "init: vaemo-tiny",
        "Versions: torch 2.6.",
        "took 10 minutes",
    ):
        assert words in text


def test_limits_risks_and_the_paper_are_on_the_card() -> None:
    text = model_card(results())
    for words in ("trained and tested on 6 people", "Acted emotion", "Culture and language", "Not for decisions about",
                  "2024/1689", "arXiv:2505.02331", "independent implementation"):  # fmt: skip
        assert words in text


def test_scores_under_noise_are_on_the_card() -> None:
    found = results()
    outcome = synthetic_outcome(num_speakers=6, clips_each=20, num_folds=3, num_seeds=2)
    worse = synthetic_outcome(num_speakers=6, clips_each=20, num_folds=3, num_seeds=2)
    corruption = Corruption.parse("snr=0")
    robust = RobustnessScores.of(outcome, {str(corruption): worse}, [corruption])
    noisy = Results.model_validate(found.model_dump() | {"noise": robust.as_list()})
    shown = " | ".join(str(one.uar.estimate) for one in found.scores.values() if isinstance(one, ClassScores))
    assert f"| clean | {shown} |" in model_card(noisy)
    assert f"| {corruption} | {shown} |" in model_card(noisy)
    assert "made worse" not in model_card(found)


def test_names_cannot_break_a_table() -> None:
    text = model_card(results(names=("a|b", "<i>c</i>")))
    assert "| a\\|b |" in text
    assert "| &lt;i>c&lt;/i> |" in text


def test_the_content_of_a_file_will_do_and_other_content_is_refused() -> None:
    found = results()
    assert model_card(found.model_dump(mode="json")) == model_card(found)
    with pytest.raises(ValidationError, match="format_version"):
        model_card({"scores": {}})
