"""Which rows are kept out of a training: whole speakers, whole files, whole clips, and not too many."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaemo_clips.errors import SplitError
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.training.held_out import RowChoice, choose_rows


def table(num_clips: int, **columns: Sequence[object]) -> pa.Table:
    """A row for each of `num_clips` clips, unless `clip_id` says otherwise."""
    ids = columns.pop("clip_id", [f"clip_{number:04d}" for number in range(num_clips)])
    there = [True] * len(ids)
    return pa.table({"clip_id": ids, "has_picture": there, "has_sound": there, **columns})


def kept(rows: pa.Table, num_clips: int = 50, seed: int = 0) -> tuple[RowChoice, set[int]]:
    """The choice, and the rows that are not trained on."""
    choice = choose_rows(rows, None, num_clips, seed, monitored=True)
    return choice, set(range(rows.num_rows)) - set(choice.train.tolist())


@pytest.mark.parametrize("seed", range(4))
def test_a_speaker_with_most_of_the_clips_is_trained_on(seed: int) -> None:
    choice, out = kept(table(1000, speaker=["a"] * 900 + ["b"] * 100), num_clips=64, seed=seed)
    assert out == set(range(900, 1000))
    assert choice.reason == "100 of 1,000 clips, of 1 of 2 speakers, are kept out to be monitored"


def test_where_every_speaker_is_too_large_the_smallest_is_kept_out_and_that_is_told() -> None:
    choice, out = kept(table(100, speaker=["a"] * 40 + ["b"] * 25 + ["c"] * 35))
    assert out == set(range(40, 65))
    assert choice.reason == (
        "25 of 100 clips, of 1 of 3 speakers, are kept out to be monitored; "
        "all speakers have more than a fifth of all, this one has the fewest"
    )


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 8), min_size=10, max_size=60), st.integers(1, 30), st.integers(0, 9), st.booleans())
def test_groups_stay_whole_and_at_most_a_fifth_is_kept_out_where_one_fits(
    groups: list[int], num_clips: int, seed: int, by_speaker: bool
) -> None:
    names = [f"group {group}" for group in groups]
    sizes = {name: names.count(name) for name in names}
    if len(sizes) < 2:
        return
    columns = {"speaker": names} if by_speaker else {"sha256": names, "path": ["one.mp4"] * len(names)}
    _, out = kept(table(len(groups), **columns), num_clips, seed)
    held = {names[row] for row in out}
    assert held
    assert not held & {names[row] for row in set(range(len(names))) - out}
    most = max(round(0.2 * len(names)), 2)
    assert len(out) <= max(most, min(sizes.values()))


def test_segments_of_a_file_are_on_one_side_where_no_speakers_are_known() -> None:
    files = [f"{number // 8:064d}" for number in range(80)]
    choice, out = kept(table(80, sha256=files, path=[f"{number}.mp4" for number in range(80)]), num_clips=12)
    assert len(out) == 16
    assert not {files[row] for row in out} & {files[row] for row in choice.train}
    assert choice.reason == "16 of 80 clips, of 2 of 10 files, are kept out to be monitored; no speakers are known"


def test_without_a_hash_the_path_tells_the_file() -> None:
    paths = [f"{number // 5}.mp4" for number in range(50)]
    choice, out = kept(table(50, sha256=[None] * 50, path=paths), num_clips=7)
    assert len(out) == 10
    assert not {paths[row] for row in out} & {paths[row] for row in choice.train}


def test_a_holdout_that_parts_a_clip_is_refused() -> None:
    rows = table(2, clip_id=["a", "a", "b"], row=[0, 1, 0])
    message = (
        r"^holdout row=1: 1 clips have rows on both sides \(the first: a\); a clip must be on one side: hold out by"
    )
    with pytest.raises(SplitError, match=message):
        choose_rows(rows, Holdout.parse("row=1"), 3, seed=0, monitored=True)


def test_a_holdout_that_parts_files_says_so() -> None:
    rows = table(4, fold=[1, 2, 2, 2], sha256=["x", "x", "y", "y"])
    choice = choose_rows(rows, Holdout.parse("fold=1"), 3, seed=0, monitored=True)
    np.testing.assert_array_equal(choice.train, [1, 2, 3])
    assert choice.reason.endswith("; 1 files have clips on both sides")
