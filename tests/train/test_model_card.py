"""A model card that the Hub reads, with every number that results.json has and with what the model is not for."""

from __future__ import annotations

from typing import Any

import pytest
from huggingface_hub import ModelCard, ModelCardData
from pydantic import ValidationError

from tests.support.synthetic_outcome import EMOTIONS, synthetic_outcome
from vaemo_train.outcome.gathered_results import results_of
from vaemo_train.outcome.model_card import model_card, weights_of
from vaemo_train.outcome.past import began_with
from vaemo_train.outcome.results_file import ClassScores, PastEntry, Results, StageEntry

FOLDS = (1, 2, 3)


def results(**settings: Any) -> Results:
    data = settings.pop("data", {"corpus": "RAVDESS speech"})
    told = {name: settings.pop(name) for name in ("past", "speaker_disjoint") if name in settings}
    small = {"num_speakers": 6, "clips_each": 20, "num_folds": 3, "num_seeds": 2, **settings}
    past = {str(fold): PastEntry(num_clips=70 + fold, num_speakers=4, init="vaemo-tiny", stages=None) for fold in FOLDS}
    return results_of(
        synthetic_outcome(**small), folds="column fold", selection="last epoch", data=data, seconds=600.0,
        recipe={"init": "vaemo-tiny", "optim": {"lr": 0.001}}, pretraining={"1": "yes"}, versions={"torch": "2.6"},
        **{"past": past, "speaker_disjoint": True, **told},
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
    assert "Corpus: MSP; 120 clips of 6 speakers are tested." in text
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
        "Weights that were tested: last epoch. No checkpoint was chosen on a test fold.",
        "They are of 6 trainings by the same recipe",
        "The weights beside it are of fold 1, seed 0.",
        "| 1 | 71 | 4 | 40 | 2 | yes |",
        "71 to 73 clips of 4 speakers are trained on in each fold.",
        "Every fold began with random weights (vaemo-tiny).",
        "init: vaemo-tiny",
        "Versions: torch 2.6.",
        "All trainings took 10 minutes, added up.",
    ):
        assert words in text


def test_limits_risks_and_the_paper_are_on_the_card() -> None:
    text = model_card(results())
    for words in ("6 people are tested, 4 trained on in each fold", "The intervals are too narrow",
                  "Acted emotion", "Culture and language", "Not for decisions about",
                  "2024/1689", "arXiv:2505.02331", "independent implementation"):  # fmt: skip
        assert words in text


def test_the_card_of_each_training_says_whose_weights_lie_beside_it() -> None:
    found = results()
    text = model_card(found, weights=weights_of(found, "2", 1))
    told = (
        "These weights are those of fold 2, seed 1: trained on 72 clips of 4 speakers, tested on 40 clips of 2 "
        "speakers; the scores below are over all folds and seeds (3 folds pooled, mean over 2 seeds)."
    )
    assert told in text
    entries = read_by_the_hub(text).eval_results
    assert entries is not None
    assert entries[0].metric_name == "WAR (accuracy), VA, 3 folds pooled, mean over 2 seeds"


def test_the_examples_load_what_is_there_and_give_vectors_not_records() -> None:
    text = model_card(results(), model="fold-1/seed-0/model")
    assert 'from_pretrained("fold-1/seed-0/model")' in text
    assert 'load_classifier(Path("fold-1/seed-0/model"))' in text
    assert 'model.embed("clip.mp4").both' in text


@pytest.mark.parametrize(
    ("disjoint", "told"),
    [
        (True, "No speaker is in training and test of the same fold."),
        (None, "Not every clip says who speaks: speakers may be in training and test of the same fold."),
        (False, "Speakers who are tested were trained on."),
    ],
)
def test_what_is_known_of_shared_speakers_is_on_the_card(disjoint: bool | None, told: str) -> None:
    assert told in model_card(results(speaker_disjoint=disjoint))


def test_the_stages_that_came_before_are_told_without_the_folders_of_the_machine() -> None:
    stages = [StageEntry(stage="stage2", clips=500, rows=500), StageEntry(stage="stage1", clips=1200, rows=1300)]
    past = PastEntry(num_clips=80, num_speakers=None, init="/mine/runs/joined/model", stages=stages)
    assert began_with(past) == (
        "`joined`, trained by `stage2` on 500 clips, and before that `stage1` on 1,200 clips in 1,300 rows"
    )
    found = results(past={str(fold): past for fold in FOLDS})
    text = model_card(found.model_copy(update={"recipe": {"init": past.init}}))
    assert "init: …/joined/model" in text
    assert "80 clips of an unknown number of speakers are trained on in each fold." in text
    assert "Every fold began with `joined`" in text
    assert "/mine" not in text
    unknown = past.model_copy(update={"stages": []})
    assert "of which no record tells" in began_with(unknown)


def test_names_cannot_break_a_table() -> None:
    text = model_card(results(names=("a|b", "<i>c</i>")))
    assert "| a\\|b |" in text
    assert "| &lt;i>c&lt;/i> |" in text


def test_the_content_of_a_file_will_do_and_other_content_is_refused() -> None:
    found = results()
    assert model_card(found.model_dump(mode="json")) == model_card(found)
    with pytest.raises(ValidationError, match="format_version"):
        model_card({"scores": {}})
