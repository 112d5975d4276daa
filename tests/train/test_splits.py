"""Who is trained on, who chooses the epoch, who is tested: never the same speaker, never the same clip."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.support.labelled_corpus import corpus, split_of
from vaemo_clips.errors import SplitError
from vaemo_train.protocol.splits import Split, make_splits
from vaemo_train.protocol.targets import Targets


def allowed(rows: pa.Table, folds: str | None, share: float, seed: int) -> tuple[Split, ...]:
    """The splits of a corpus that allows the protocol; what a protocol makes is never refused by `Split` itself."""
    try:
        found = split_of(rows, folds, share, seed)
    except SplitError as error:
        if str(error).startswith("split "):
            raise
        found = ()
    assume(found)
    return found


def clips_in(rows: pa.Table, numbers: np.ndarray[tuple[int], np.dtype[np.int64]], column: str = "clip_id") -> set[str]:
    return set(rows[column].take(pa.array(numbers)).to_pylist())


@st.composite
def corpora(draw: st.DrawFn) -> pa.Table:
    """Speakers in folds, clips of one to three rows, some without a label or (a whole speaker's) without a fold."""
    num_speakers = draw(st.integers(3, 8))
    folds = draw(st.lists(st.sampled_from(["1", "2", "3", None]), min_size=num_speakers, max_size=num_speakers))
    clips = draw(
        st.lists(
            st.tuples(st.integers(0, num_speakers - 1), st.sampled_from(["x", "y", "x", "y", None]), st.integers(1, 3)),
            min_size=6,
            max_size=40,
        )
    )
    listed = [
        (f"c{number:02d}", f"s{speaker}", label, folds[speaker])
        for number, (speaker, label, num_rows) in enumerate(clips)
        for _ in range(num_rows)
    ]
    names = ("clip_id", "speaker", "label", "fold")
    order = draw(st.permutations(range(len(listed))))
    return pa.table({name: pa.array([listed[at][k] for at in order], pa.string()) for k, name in enumerate(names)})


@settings(max_examples=150, deadline=None)
@given(rows=corpora(), folds=st.sampled_from(["fold", "speaker", "2", "3"]), share=st.sampled_from([0.0, 0.2, 0.5]))
def test_splits_partition_the_labelled_clips(rows: pa.Table, folds: str, share: float) -> None:
    splits = allowed(rows, folds, share, seed=1)
    listed = rows.to_pylist()
    wanted = {
        number for number, row in enumerate(listed) if row["label"] and (folds != "fold" or row["fold"] is not None)
    }
    tested = np.concatenate([split.test for split in splits]).tolist()
    assert sorted(tested) == sorted(wanted)
    for split in splits:
        parts = (split.train, split.validation, split.test)
        assert sorted(np.concatenate(parts).tolist()) == sorted(wanted)
        assert bool(len(split.validation)) == bool(share)
        for column in ("clip_id", "speaker"):
            names = [clips_in(rows, part, column) for part in parts]
            assert len(set().union(*names)) == sum(len(one) for one in names)
        assert set(split.validation_speakers) == clips_in(rows, split.validation, "speaker")
        assert clips_in(rows, split.train, "label") == {"x", "y"}


@settings(max_examples=60, deadline=None)
@given(rows=corpora(), folds=st.sampled_from([None, "fold", "speaker", "2"]), data=st.data())
def test_the_order_of_rows_does_not_matter(rows: pa.Table, folds: str | None, data: st.DataObject) -> None:
    splits = allowed(rows, folds, 0.25, seed=3)
    other = rows.take(pa.array(data.draw(st.permutations(range(rows.num_rows)))))
    for one, two in zip(splits, split_of(other, folds, 0.25, seed=3), strict=True):
        assert (one.name, one.reason, one.notes) == (two.name, two.reason, two.notes)
        for first, second in zip(one.parts.values(), two.parts.values(), strict=True):
            assert clips_in(rows, first) == clips_in(other, second)


def test_the_seed_deals_others_for_validation_and_for_folds() -> None:
    rows = corpus(12)
    first, again, other = (split_of(rows, "3", 0.2, seed) for seed in (1, 1, 2))
    assert [one.test.tolist() for one in first] == [one.test.tolist() for one in again]
    assert [one.validation.tolist() for one in first] == [one.validation.tolist() for one in again]
    assert [one.test.tolist() for one in first] != [one.test.tolist() for one in other]
    by_fold = [split_of(rows, "fold", 0.2, seed)[0].validation_speakers for seed in range(5)]
    assert len(set(by_fold)) > 1


def test_folds_of_a_column_with_validation_speakers_of_the_training_part() -> None:
    splits = split_of(corpus(), "fold", 0.16)
    assert [split.name for split in splits] == ["1", "2", "3", "4"]
    assert splits[1].test.tolist() == list(range(12, 24))
    assert all(len(split.validation) == 6 and len(split.train) == 30 for split in splits)
    assert splits[0].reason == (
        "4 folds by column fold, each tested once; 30 clips to train on, 6 for validation, 12 to test on; "
        "validation: 1 of 6 training speakers"
    )
    assert splits[0].notes == ()


@pytest.mark.parametrize(
    ("columns", "names", "reason"),
    [
        (
            {},
            ["1", "2", "3", "4"],
            "4 folds by column fold, each tested once (none was asked for: there is a column fo",
        ),
        ({"fold": [None] * 48}, ["1", "2", "3", "4", "5"], "5 folds, whole speakers dealt with seed 0, each tested on"),
        (
            {"fold": [None] * 48, "split": ["train"] * 30 + ["dev"] * 6 + ["Test"] * 12},
            ["test"],
            "the corpus's own parts by column split (none was asked for: the column split has a test part)",
        ),
    ],
)
def test_without_a_wish_the_columns_choose_and_it_is_said(
    columns: dict[str, list[object]], names: list[str], reason: str
) -> None:
    splits = split_of(corpus(columns=columns))
    assert [split.name for split in splits] == names
    assert splits[0].reason.startswith(reason)


@pytest.mark.parametrize("share", [0.0, 0.2])
def test_the_validation_part_of_the_corpus_is_never_trained_on(share: float) -> None:
    rows = corpus(columns={"split": ["train"] * 24 + ["valid"] * 6 + [None] * 6 + ["test"] * 12})
    (split,) = split_of(rows, "split", share)
    assert split.validation.tolist() == list(range(24, 30))
    assert split.validation_speakers == ("s4",)
    assert split.reason.endswith("; validation is the corpus's own")
    assert split.notes == ("folds split: 6 labelled clips have no split and are left out",)


def test_a_holdout_is_one_split_and_none_tests_nothing() -> None:
    (split,) = split_of(corpus(), "speaker=s1, s3", 0.2)
    assert split.name == "s1,s3"
    assert split.test.tolist() == [*range(6, 12), *range(18, 24)]
    assert len(split.validation) == 6
    (everything,) = split_of(corpus(), "none")
    assert (len(everything.train), len(everything.validation), len(everything.test)) == (48, 0, 0)
    assert everything.reason == "no clip is tested; 48 clips to train on, 0 for validation, 0 to test on"


def test_a_regression_is_split_too() -> None:
    targets = Targets.of_rows(corpus(columns={"v": np.arange(48.0).tolist()}), target_columns=("v",))
    splits = make_splits(targets.rows, targets, folds="4", validation_share=0.2, seed=0)
    assert sorted(np.concatenate([split.test for split in splits]).tolist()) == list(range(48))


def test_where_no_speaker_is_known_files_stay_whole_and_that_is_said() -> None:
    files = [f"{number // 4:064d}" for number in range(48)]
    rows = corpus(columns={"speaker": [None] * 48, "sha256": files, "path": [f"{number}.mp4" for number in range(48)]})
    split = split_of(rows, "fold", 0.2)[0]
    assert not clips_in(rows, split.validation, "sha256") & clips_in(rows, split.train, "sha256")
    assert split.reason.endswith("; validation: whole files, no speakers are known")
    assert split.notes == ("fold 1: 48 clips name no speaker, nobody knows whether its parts share some",)


def test_files_with_clips_on_both_sides_are_counted() -> None:
    files = ["shared", *[f"own {number}" for number in range(46)], "shared"]
    splits = split_of(corpus(columns={"speaker": [None] * 48, "sha256": files}), "fold")
    assert "fold 1: 1 files have clips in several parts; clips of a file may be of one person" in splits[0].notes
    assert not any("files" in note for note in splits[1].notes[1:])


def test_a_class_without_test_clips_is_a_note() -> None:
    rows = corpus(4, {"label": ["x", "y", "z", "x", "y", "z"] * 3 + ["x", "y"] * 3})
    split = split_of(rows, "speaker")[3]
    assert split.notes == ("fold s3: no test clip of z; the recall of these is undefined there",)


def test_validation_leaves_every_class_to_train_on() -> None:
    rows = corpus(4, {"label": ["x", "y"] * 6 + ["x", "z"] * 3 + ["x", "y"] * 3})
    for seed in range(6):
        (split,) = split_of(rows, "none", 0.25, seed)
        assert split.validation_speakers != ("s2",)
        assert len(split.validation) == 6
