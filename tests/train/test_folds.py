"""Speaker-disjoint folds, and rows kept out of a training."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.folds import Fold, Holdout, deal_folds, leave_one_speaker_out, speaker_folds, texts

SPEAKERS = ["a", "a", "b", "b", "c", "c"]
LABELS = ["joy", "fear"] * 3


def rows(**columns: list[object]) -> pa.Table:
    return pa.table(columns)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_dealt_folds_partition_the_clips_and_no_speaker_is_in_two(data: st.DataObject) -> None:
    speakers = data.draw(st.lists(st.integers(0, 8), min_size=4, max_size=60).filter(lambda s: len(set(s)) > 1))
    labels = data.draw(st.lists(st.sampled_from("xyz"), min_size=len(speakers), max_size=len(speakers)))
    num_folds = data.draw(st.integers(2, len(set(speakers))))
    folds = deal_folds(speakers, labels, num_folds, seed=data.draw(st.integers(0, 3)))
    assert len(folds) == num_folds
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(len(speakers)))
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(len(speakers)))
        assert not {speakers[row] for row in fold.train} & {speakers[row] for row in fold.test}


def test_dealt_folds_are_alike_in_size_and_classes() -> None:
    speakers = np.repeat(np.arange(20), 10)
    labels = np.tile(list("vwxyz"), 40)
    folds = speaker_folds(speakers, labels=labels, num_folds=5)
    assert [len(fold.test) for fold in folds] == [40] * 5
    assert all((labels[fold.test] == "v").sum() == 8 for fold in folds)


def test_speakers_of_one_clip_each_are_dealt_alike_too() -> None:
    labels = np.repeat(list("vwxyz"), 40)
    folds = deal_folds(np.arange(200), labels, 4, seed=1)
    assert all(np.unique(labels[fold.test], return_counts=True)[1].tolist() == [10] * 5 for fold in folds)
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(200))
    assert folds[0].test.tolist() != deal_folds(np.arange(200), labels, 4, seed=2)[0].test.tolist()


def test_the_seed_deals_other_folds() -> None:
    speakers = np.repeat(np.arange(12), 4)
    first, again, other = (speaker_folds(speakers, num_folds=3, seed=seed)[0].test.tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_fold_column_says_who_is_tested_where_whatever_its_type() -> None:
    as_numbers = speaker_folds(SPEAKERS, [1, 1, 2, 2, 10, 10], labels=LABELS)
    as_words = speaker_folds(SPEAKERS, ["1", "1", "2", "2", "10", "10"])
    assert [fold.name for fold in as_numbers] == ["1", "2", "10"]
    assert [fold.test.tolist() for fold in as_numbers] == [[0, 1], [2, 3], [4, 5]]
    assert [fold.train.tolist() for fold in as_words] == [fold.train.tolist() for fold in as_numbers]


def test_a_clip_without_a_fold_is_only_trained_on() -> None:
    folds = speaker_folds(SPEAKERS, [1.0, 1.0, 2.0, 2.0, float("nan"), None])
    assert [fold.train.tolist() for fold in folds] == [[2, 3, 4, 5], [0, 1, 4, 5]]


def test_a_speaker_in_two_folds_is_an_error_that_names_the_speaker() -> None:
    message = (
        r"^fold 1: speaker b would be in train and in test; a speaker must be on one side: split by speaker, "
        r"or drop the clips on one of them$"
    )
    with pytest.raises(SplitError, match=message):
        speaker_folds(SPEAKERS, [1, 1, 1, 2, 2, 2])


def test_many_shared_speakers_are_counted() -> None:
    with pytest.raises(SplitError, match=r"speakers 0, 1, 2, 3, 4 and 3 more would be in train"):
        speaker_folds(list(range(8)) * 2, [1] * 8 + [2] * 8)


def test_folds_without_any_speaker_column_are_taken_as_they_are() -> None:
    assert len(speaker_folds(None, [1, 1, 2, 2])) == 2
    with pytest.raises(SplitError, match=r"^no column says who speaks and none is named fold; add one of them"):
        speaker_folds(None)


def test_leave_one_speaker_out_has_a_fold_for_each() -> None:
    folds = leave_one_speaker_out(SPEAKERS, LABELS)
    assert [(fold.name, fold.test.tolist()) for fold in folds] == [("a", [0, 1]), ("b", [2, 3]), ("c", [4, 5])]


def test_a_class_that_train_lacks_is_an_error() -> None:
    with pytest.raises(SplitError, match=r"^fold b: awe in test, but no clip of it in train; what was never shown"):
        leave_one_speaker_out(SPEAKERS, ["joy", "joy", "awe", "joy", "joy", "joy"])


def test_a_class_that_test_lacks_is_told() -> None:
    folds = leave_one_speaker_out(SPEAKERS, ["joy", "awe", "joy", "awe", "joy", "joy"])
    assert [fold.absent(["joy", "awe", "joy", "awe", "joy", "joy"]) for fold in folds] == [(), (), ("awe",)]


@pytest.mark.parametrize(
    ("speakers", "num_folds", "message"),
    [
        (["a", None, ""], 2, r"^2 of 3 clips name no speaker; folds must not share speakers, so name them"),
        (["a", "b"], 3, r"^num_folds=3 for 2 speakers; it must lie between 2 and the number of speakers$"),
        (["a", "b"], 1, r"^num_folds=1 for 2 speakers"),
    ],
)
def test_speakers_that_cannot_be_dealt(speakers: list[str | None], num_folds: int, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        speaker_folds(speakers, num_folds=num_folds)


def test_one_fold_is_no_cross_validation() -> None:
    with pytest.raises(SplitError, match=r"^the fold column holds 3; cross-validation needs at least two folds$"):
        speaker_folds(["a", "b"], [3, 3])


def test_a_fold_has_clips_on_both_sides_and_none_twice() -> None:
    with pytest.raises(SplitError, match=r"^fold x: no clip to train on; a fold needs clips on both sides$"):
        Fold("x", np.array([], np.int64), np.array([0]))
    with pytest.raises(SplitError, match=r"^fold x: 1 clips are in train and in test; a clip has one side$"):
        Fold("x", np.array([0, 1]), np.array([1]))


def test_text_of_values_is_the_same_for_numbers_and_words() -> None:
    assert texts([1, 1.0, np.int64(1), "1", " 1 ", None, float("nan"), "", 0.5]).tolist() == [
        *["1"] * 5,
        *[None] * 3,
        "0.5",
    ]


def test_holdout_marks_its_rows() -> None:
    table = rows(fold=[1, 2, 1, None], speaker=["a", "b", "a", None])
    assert Holdout.parse("fold=1").mask(table).tolist() == [True, False, True, False]
    assert Holdout.parse("speaker=b, a").mask(table).tolist() == [True, True, True, False]
    assert str(Holdout.parse("speaker = b, a")) == "speaker=b,a"


def test_holdout_says_what_it_keeps_out_and_what_it_could_not_check() -> None:
    table = rows(fold=[1, 2, 1, None], speaker=["a", "b", "a", None])
    assert Holdout.parse("fold=1").summary(table) == (
        "holdout fold=1: 2 of 4 rows are kept out of the training, 1 of 2 speakers; "
        "1 rows name no speaker and could not be checked"
    )
    assert (
        Holdout.parse("fold=1")
        .summary(rows(fold=[1, 2]))
        .endswith(
            "1 of 2 rows are kept out of the training; without a column speaker, nobody knows whether its speakers are"
        )
    )


@pytest.mark.parametrize("text", ["fold", "fold=", "=1", "fold=1,,2", ""])
def test_holdout_that_cannot_be_read(text: str) -> None:
    with pytest.raises(SplitError, match=r"it must read COLUMN=VALUE\[,VALUE\.\.\.\], as fold=1 or speaker=03,04$"):
        Holdout.parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fald=1", r"^holdout fald=1: there is no column fald; there are fold, note, speaker$"),
        ("fold=3", r"^holdout fold=3: no row has fold 3; its values are 1, 2$"),
        ("fold=1,3", r"^holdout fold=1,3: no row has fold 3; its values are 1, 2$"),
        ("note=x", r"^holdout note=x: no row has note x; it is empty in every row$"),
        ("fold=1,2", r"^holdout fold=1,2: all 3 rows match, none is left to train on; name fewer values$"),
        ("fold=2", r"^holdout fold=2: speaker b would be in train and in test; a speaker must be on one side"),
    ],
)
def test_holdout_that_does_not_fit_the_rows(text: str, message: str) -> None:
    table = rows(fold=[1, 2, 1], speaker=["a", "b", "b"], note=[None, None, None])
    with pytest.raises(SplitError, match=message):
        Holdout.parse(text).mask(table)
