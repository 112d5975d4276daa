"""Protocols that the columns do not allow, each refused in one line."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from tests.support.labelled_corpus import corpus, split_of
from vaemo_clips.errors import SplitError
from vaemo_train.protocol.splits import Split, make_splits
from vaemo_train.protocol.targets import Targets

EMPTY = np.empty(0, np.int64)


@pytest.mark.parametrize(
    ("columns", "folds", "share", "message"),
    [
        (
            {"fold": [1] * 9 + [2] * 15},
            "fold",
            0.0,
            r"^folds fold: speaker s1 shared by folds \(s1 is in fold 1, 2\); a speaker must be in one fold: mend the "
            r"column, leave those clips out, or deal whole speakers to folds by a number$",
        ),
        (
            {"label": ["z"] * 6 + ["x", "y"] * 9},
            "speaker",
            0.0,
            r"^fold s0: z in test, but no clip of it in train; what was never shown cannot be recognised: leave these",
        ),
        (
            {"label": ["z"] * 6 + ["x", "y"] * 9, "fold": [None] * 6 + [1] * 6 + [2] * 12},
            "fold",
            0.0,
            r"^fold 1: z without a clip in the training part; what was never shown cannot be recognised: leave",
        ),
        ({}, "session", 0.0, r"^folds session: there is no column session; there are clip_id, speaker, label, fold: n"),
        ({"fold": [3] * 24}, "fold", 0.0, r"^folds fold: column fold holds only 3; cross-validation needs at least tw"),
        ({"fold": [None] * 24}, "fold", 0.0, r"^folds fold: column fold holds no value; cross-validation needs"),
        ({}, "5", 0.0, r"^num_folds=5 for 4 speakers; it must lie between 2 and the number of speakers$"),
        ({}, "-1", 0.0, r"^num_folds=-1 for 4 speakers"),
        ({"speaker": [None] * 24}, "3", 0.0, r"^no column says who speaks and none is named fold; add one of them"),
        ({"speaker": ["s"] * 24}, "speaker", 0.0, r"^folds speaker: column speaker names 1 \(s\); leaving one speaker"),
        ({"speaker": [None, *"a" * 11, *"b" * 12]}, "speaker", 0.0, r"^1 of 24 clips name no speaker; folds must not"),
        ({}, "fold=9", 0.0, r"^holdout fold=9: no row has fold 9; its values are 1, 2$"),
        ({}, "session=1", 0.0, r"^holdout session=1: there is no column session; there are"),
        ({}, "fold=", 0.0, r"^holdout 'fold=': it must read COLUMN=VALUE"),
        ({"fold": [1] * 9 + [2] * 15}, "fold=1", 0.0, r"^holdout fold=1: speaker s1 would be in train and in test"),
        ({"split": [1] * 12 + [2] * 12}, "split", 0.0, r"^folds split: column split holds 1, 2; its values must be tr"),
        (
            {"split": ["train"] * 12 + ["dev"] * 12},
            "split",
            0.0,
            r"^folds split: no labelled clip has split test, only dev, train; its values must be train, val \(valid, v",
        ),
        (
            {"split": ["train"] * 9 + ["test"] * 15},
            "split",
            0.0,
            r"^fold test: speaker s1 would be in train and in test; a speaker must be on one side",
        ),
        (
            {"split": ["train"] * 9 + ["dev"] * 9 + ["test"] * 6},
            "split",
            0.0,
            r"^split test: speaker s1 would be in training and in validation; a speaker must be on one side: mend",
        ),
        (
            {},
            "speaker=s0,s1,s2",
            0.2,
            r"^fold s0,s1,s2: its training part has one speaker or file \(s3\), a validation share of 0\.2 leaves no "
            r"training speaker; train without a validation part \(share 0, the last epoch counts\), or make other fol",
        ),
        (
            {"label": ["x"] * 12 + ["y"] * 12},
            "speaker=s0,s2",
            0.2,
            r"^fold s0,s2: every choice of validation speakers \(share 0\.2 of 12 clips, 2 speakers\) leaves the train"
            r"ing without a class \(x, y\); train without",
        ),
        ({}, "fold", 0.9, r"^validation share 0\.9: it must lie between 0 \(no validation part\) and 0\.5 of the trai"),
        ({}, "fold", float("nan"), r"^validation share nan: it must lie between 0"),
    ],
)
def test_protocols_that_the_columns_do_not_allow(
    columns: dict[str, list[object]], folds: str, share: float, message: str
) -> None:
    with pytest.raises(SplitError, match=message):
        split_of(corpus(4, columns), folds, share)


@pytest.mark.parametrize("folds", ["fold", "fold=1", "speaker"])
def test_the_rows_of_a_clip_have_one_fold_and_one_speaker(folds: str) -> None:
    ids = [f"clip_{number // 2:04d}" for number in range(24)]
    folded = [1, 1, 1, 2] + [1] * 8 + [2] * 12
    rows = corpus(4, {"clip_id": ids, "label": ["x", "x", "y", "y"] * 6, "fold": folded})
    if folds == "speaker":
        rows = rows.set_column(1, "speaker", pa.array(["s1", "s0"] + ["s0"] * 10 + ["s2"] * 12))
        message = r"^splits: clip clip_0000 has rows of different speaker \(s1 and s0; 1 such clips\); a clip is labell"
    else:
        message = r"^folds fold: clip clip_0001 has rows of different fold \(1 and 2; 1 such clips\); a clip is labelle"
    with pytest.raises(SplitError, match=message):
        split_of(rows, folds)


def test_rows_of_other_shards_are_refused() -> None:
    targets = Targets.of_rows(corpus(4))
    with pytest.raises(SplitError, match=r"^splits: 48 rows for targets of 24 rows; give the rows that the targets"):
        make_splits(corpus(8), targets, folds=None, validation_share=0.0, seed=0)


def test_a_split_checks_its_rows_clips_and_speakers() -> None:
    with pytest.raises(SplitError, match=r"^split 1: no row to train on; make other folds, or label more clips$"):
        Split("1", EMPTY, EMPTY, np.array([0]), (), "")
    with pytest.raises(SplitError, match=r"^split 1: row 2 is in validation and in test; a row has one part$"):
        Split("1", np.array([0]), np.array([2]), np.array([1, 2]), (), "")
    with pytest.raises(SplitError, match=r"^split 1: the rows of training are not ascending; sort them, each once$"):
        Split("1", np.array([1, 0]), EMPTY, EMPTY, (), "")
    split = Split("1", np.array([0]), EMPTY, np.array([1]), (), "")
    with pytest.raises(SplitError, match=r"^split 1: clip a would be in training and in test; a clip must be on one"):
        split.check(np.array(["a", "a"], object), None)
    with pytest.raises(SplitError, match=r"^split 1: speaker s would be in training and in test; a speaker must be"):
        split.check(np.array(["a", "b"], object), np.array(["s", "s"], object))
    assert split.check(np.array(["a", "b"], object), np.array([None, None], object)) is split
