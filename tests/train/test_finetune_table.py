"""Fine-tunings side by side: only what can be compared is, and of the seeds that the results are of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks.finetune_table import compared, hits, read_outcome

from tests.support.synthetic_outcome import fold_predictions, synthetic_outcome
from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.predict import Predictions
from vaemo_train.outcome.gathered_results import results_of
from vaemo_train.outcome.outcome import Outcome
from vaemo_train.outcome.predictions_file import write_predictions


def outcome(**settings: Any) -> Outcome:
    return synthetic_outcome(**{"num_speakers": 6, "clips_each": 20, "num_folds": 3, "num_seeds": 2, **settings})


def of_video(found: Outcome) -> Outcome:
    """The same, trained on pictures alone, which some clips lack."""
    return replace(found, trained_on="video")


def test_only_clips_that_have_the_modality_are_right_or_wrong() -> None:
    found = of_video(outcome(without_video=0.3))
    has = found.has("V")
    assert 0 < has.sum() < len(has)
    assert np.isfinite(hits(found)).tolist() == has.tolist()
    assert np.nanmean(hits(found)) == pytest.approx(found.summary("V").war.mean)  # type: ignore[union-attr]


def test_a_fine_tuning_is_no_better_than_itself() -> None:
    found = of_video(outcome(without_video=0.3))
    assert compared(found, found) == ["+0.0 [0.0, 0.0] over 6 speakers", "0 of 3"]


def test_where_a_speaker_is_not_known_the_interval_is_over_clips() -> None:
    found = outcome()
    speakers = found.speakers.copy()
    speakers[0] = None
    assert "over 120 clips" in compared(replace(found, speakers=speakers), found)[0]


def test_seeds_that_the_results_are_not_of_are_left_out(tmp_path: Path) -> None:
    """A third seed is on its way: not every fold has it yet."""
    parts = fold_predictions(num_speakers=6, clips_each=20, num_folds=3, num_seeds=3)
    for part in parts[:-1]:
        path = tmp_path / part.where
        path.parent.mkdir(parents=True, exist_ok=True)
        said = Predictions(part.clip_ids, part.values, part.names, False, 2, np.ones(len(part.clip_ids), np.int64))
        write_predictions(path, said, part.truth, fold=part.fold, seed=part.seed, speakers=part.speakers)
    results = results_of(outcome(), folds="column fold", selection="last", recipe={})
    assert results.protocol.seeds == [0, 1]
    assert read_outcome(tmp_path, results).seeds == (0, 1)


@pytest.mark.parametrize(("what", "told"), [("clip_ids", "clips"), ("truth", "labels"), ("folds", "folds")])
def test_other_clips_labels_or_folds_are_refused(what: str, told: str) -> None:
    found = outcome()
    values = getattr(found, what).copy()
    values[0] = values[-1] if values[-1] != values[0] else next(one for one in values if one != values[0])
    with pytest.raises(SplitError, match=f"tested with different {told}; compare those of the same ones"):
        compared(replace(found, **{what: values}), found)
