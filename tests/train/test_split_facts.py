"""What is told of a fine-tuning's splits: what was trained on, whom, and what it began with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.finetune_folders import Workplace, run_all
from tests.support.tiny_run import tiny_shards
from vaemo_train.judging.tested_run import open_run
from vaemo_train.outcome.disjoint import speakers_disjoint
from vaemo_train.outcome.past import past_of


@pytest.mark.parametrize(
    ("folds", "found"),
    [
        ([(["a", "b"], ["c"]), (["c"], ["a", "b"])], True),
        ([(["a", "b"], ["c"]), (["c", None], ["a"])], None),
        ([(["a", "b"], ["c"]), (["c"], ["a", None])], None),
        ([(["a"], ["b"]), (None, ["a"])], None),
        ([(["a", None], ["a"]), (["c"], ["d"])], False),
        ([(None, ["a"]), (["1"], [1])], False),
    ],
)
def test_speakers_are_apart_only_where_every_clip_names_one(
    folds: list[tuple[list[str | None] | None, list[str | None] | None]], found: bool | None
) -> None:
    assert speakers_disjoint(folds) is found


def test_the_stages_before_are_read_from_the_records_beside_the_models(tmp_path: Path) -> None:
    first, second = tmp_path / "one" / "model", tmp_path / "two" / "model"
    for model, record in (
        (first, {"command": ["vaemo-train", "stage1"], "counts": {"clips": 9, "rows": 12}}),
        (second, {"command": ["vaemo-train", "stage2"], "counts": {"clips": 5, "rows": 5}, "init": str(first)}),
    ):
        model.mkdir(parents=True)
        (model.parent / "run.json").write_text(json.dumps(record))
    past = past_of(["x", "x", "y"], ["s", "s", None], second)
    assert (past.num_clips, past.num_speakers) == (2, None)
    assert [(one.stage, one.clips, one.rows) for one in past.stages or ()] == [("stage2", 5, 5), ("stage1", 9, 12)]
    assert past_of(["x"], ["s"], "vaemo-tiny").stages is None
    (second.parent / "run.json").write_text("{")
    assert past_of(["x"], ["s"], second).stages == []


def test_a_model_of_sound_alone_is_called_one_whatever_the_recipe_allows(tmp_path: Path) -> None:
    """The default recipe takes what a clip has; these have no picture."""
    place = Workplace.make(tmp_path / "place")
    shards = tiny_shards(tmp_path / "shards", 24, labels=("anger", "joy", "rest"), modality="audio")
    validation = run_all(place.request(tmp_path / "ft", data=shards))
    results = validation.finish()
    assert results.protocol.trained_on == "A"
    assert results.protocol.speaker_disjoint is True
    assert results.recipe["init"] == str(place.encoder)
    assert {fold.past.num_speakers for fold in results.folds if fold.past} == {2}
    card = (tmp_path / "ft" / "README.md").read_text()
    assert "pipeline_tag: audio-classification" in card
    assert 'model.embed("clip.mp4").audio' in card
    assert 'from_pretrained("fold-1/seed-0/model")' in card
    own = [(job.run / "model" / "README.md").read_text() for job in validation.jobs]
    assert "These weights are those of fold 2, seed 0: trained on 12 clips of 2 speakers" in own[1]
    assert own[0] != own[1]
    assert open_run(tmp_path / "ft").trained_on == "audio"
