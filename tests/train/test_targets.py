"""What is learnt of every clip: classes or numbers, from the shards' columns or from a manifest of labels."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.synthetic_shards import write_shards
from vaemo_clips.errors import ManifestError, SplitError
from vaemo_train.protocol.targets import Targets
from vaemo_train.shards.folder import ShardFolder


def table(**columns: Sequence[object]) -> pa.Table:
    """A row for each clip a, b, c, ... unless `clip_id` says otherwise."""
    num_rows = len(next(iter(columns.values())))
    ids = columns.pop("clip_id", [chr(ord("a") + number) for number in range(num_rows)])
    return pa.table({"clip_id": ids, **columns})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ShardFolder:
    """Eight clips of two labels and four speakers; clip_0001 and clip_0004 have two rows."""
    path = write_shards(tmp_path_factory.mktemp("targets") / "shards", 8, modality="audio", seconds=(2.0, 12.0, 2.0))
    return ShardFolder.open(path)


def write_csv(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_classes_are_sorted_and_counted_by_clip_not_by_row(folder: ShardFolder) -> None:
    targets = Targets.read(folder)
    assert targets.names == ("happiness", "sadness")
    assert not targets.is_regression
    assert targets.values.dtype == np.int64
    assert targets.values.shape == (folder.num_rows,) == (11,)
    assert targets.counts == {"happiness": 4, "sadness": 4}
    assert targets.is_labelled.all()
    assert targets.speakers is not None
    assert targets.speakers[0] == "speaker_00"
    assert targets.notes == ()


def test_targets_of_a_regression_are_columns_in_the_order_given() -> None:
    rows = table(arousal=[1, 2, 3], valence=["0.5", "-1e-1", "1.50"])
    targets = Targets.of_rows(rows, target_columns=("valence", "arousal"))
    assert targets.names == ("valence", "arousal")
    assert targets.is_regression
    assert targets.values.dtype == np.float32
    np.testing.assert_allclose(targets.values, [[0.5, 1], [-0.1, 2], [1.5, 3]])
    assert targets.speakers is None
    assert targets.counts == {}


def test_a_model_says_the_order_of_classes_and_of_targets() -> None:
    targets = Targets.of_rows(table(label=["x", "y", "x"]), names=("z", "y", "x"))
    assert targets.values.tolist() == [2, 1, 2]
    assert targets.counts == {"z": 0, "y": 1, "x": 2}
    numbers = Targets.of_rows(table(u=[1.0], v=[2.0]), target_columns=("u", "v"), names=("v", "u"))
    assert numbers.names == ("v", "u")
    assert numbers.values.tolist() == [[2.0, 1.0]]


def test_unlabelled_clips_are_refused_or_left_out_and_counted() -> None:
    rows = table(label=["x", None, " ", "y", "y"], clip_id=["a", "c", "b", "d", "d"])
    message = r"^the shards: 2 of 4 clips have no label \(the first: b\); label them, or leave them out with --skip-unl"
    with pytest.raises(SplitError, match=message):
        Targets.of_rows(rows)
    targets = Targets.of_rows(rows, skip_unlabelled=True)
    assert targets.values.tolist() == [0, -1, -1, 1, 1]
    assert targets.is_labelled.tolist() == [True, False, False, True, True]
    assert targets.notes == ("the shards: 2 of 4 clips have no label and are left out",)


def test_a_clip_that_lacks_one_of_its_targets_lacks_all() -> None:
    rows = table(u=[1.0, None, 3.0], v=[1.0, 2.0, 3.0])
    with pytest.raises(SplitError, match=r"^the shards: 1 of 3 clips have no u and v \(the first: b\); label them"):
        Targets.of_rows(rows, target_columns=("u", "v"))
    targets = Targets.of_rows(rows, target_columns=("u", "v"), skip_unlabelled=True)
    assert np.isnan(targets.values[1]).all()
    assert targets.is_labelled.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("label", "names", "message"),
    [
        (["x", "x"], None, r"^the shards: column label: holds 1 class \(x\); there is nothing to choose from below"),
        ([None, None], ("x", "y"), r"^the shards: 2 of 2 clips have no label; name another column, or give a manifest"),
        (
            ["awe", "y", "awe"],
            ("x", "y"),
            r"^the shards: column label: labels unknown to the model: awe \(2 clips, the first: a\); it knows x, y: "
            r"rename the labels, or leave these clips out of the manifest$",
        ),
    ],
)
def test_labels_that_cannot_be_learnt(label: list[str | None], names: tuple[str, ...] | None, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        Targets.of_rows(table(label=label), names=names, skip_unlabelled=True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            [1.0, float("nan"), float("nan")],
            r"^the shards: target v: no finite number in 2 clips, the first: b has 'nan'; mend them, or leave them "
            r"empty and add --skip-unlabelled$",
        ),
        ([1.0, 2.0, float("inf")], r"no finite number in 1 clip, the first: c has 'inf'"),
        ([1.0, 2.0, -1e300], r"no finite number in 1 clip, the first: c has '-1e\+300'"),
        (["1", "high", "2"], r"no finite number in 1 clip, the first: b has 'high'"),
        ([True, False, True], r"^the shards: target v is bool, it must be numeric; write one number a clip$"),
        ([[1.0], [2.0], [3.0]], r"^the shards: target v is list<.*>, it must be numeric"),
        ([3, 3, 3], r"^the shards: target v is 3 in all 3 clips; there is nothing to learn from it: leave it out"),
    ],
)
def test_targets_that_are_no_numbers_to_learn_from(values: list[object], message: str) -> None:
    with pytest.raises(SplitError, match=message):
        Targets.of_rows(table(v=values), target_columns=("v",), skip_unlabelled=True)


def test_a_model_may_be_tested_on_clips_of_one_class_or_one_value() -> None:
    assert Targets.of_rows(table(label=["y", "y"]), names=("x", "y")).values.tolist() == [1, 1]
    assert Targets.of_rows(table(v=[2, 2]), target_columns=("v",), names=("v",)).values.tolist() == [[2.0], [2.0]]


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        (("w",), None, r"^the shards: there is no column w; there are clip_id, u, v: name one of them, or give a mani"),
        (("u", "u"), None, r"^the shards: targets u, u: a column is named twice; name each once$"),
        (("u",), ("v",), r"^the shards: targets unknown to the model: it predicts v, asked for are u; rename the col"),
    ],
)
def test_columns_that_are_not_there(columns: tuple[str, ...], names: tuple[str, ...] | None, message: str) -> None:
    with pytest.raises(SplitError, match=message):
        Targets.of_rows(table(u=[1, 2], v=[1, 2]), target_columns=columns, names=names)


def test_rows_of_one_clip_have_one_label() -> None:
    message = r"^the shards: clip a has rows of different label \(x and y; 1 such clips\); a clip is labelled, and te"
    with pytest.raises(SplitError, match=message):
        Targets.of_rows(table(label=["x", "y", "y"], clip_id=["a", "a", "b"]))
    with pytest.raises(SplitError, match=r"clip a has rows of different v \(1 and 2;"):
        Targets.of_rows(table(v=[1, 2, 3], clip_id=["a", "a", "b"]), target_columns=("v",))


def test_a_manifest_replaces_the_columns_of_the_shards(folder: ShardFolder, tmp_path: Path) -> None:
    lines = [f"clip_{number:04d},{'awe' if number % 2 else 'joy'},0{number % 3},other.wav" for number in range(1, 10)]
    path = write_csv(tmp_path / "own.csv", "clip_id,label,speaker,path", *lines)
    targets = Targets.read(folder, manifest=path, skip_unlabelled=True)
    ids = targets.clip_ids.tolist()
    assert targets.names == ("awe", "joy")
    assert targets.counts == {"awe": 4, "joy": 3}
    assert targets.values[ids.index("clip_0000")] == -1
    assert targets.values[[row for row, clip in enumerate(ids) if clip == "clip_0001"]].tolist() == [0, 0]
    assert targets.speakers is not None
    assert targets.speakers[ids.index("clip_0004")] == "01"
    assert targets.speakers[ids.index("clip_0000")] is None
    assert targets.rows["path"].to_pylist() == folder.rows["path"].to_pylist()
    assert targets.notes == (
        f"{path}: 2 of its clips are not in the shards",
        f"{path}: lacks 1 clips of the shards; they count as unlabelled",
        f"{path}: 1 of 8 clips have no label and are left out",
    )


def test_a_parquet_manifest_of_other_files_says_so(folder: ShardFolder, tmp_path: Path) -> None:
    ids = sorted(set(folder.rows["clip_id"].to_pylist()))
    columns = {"clip_id": ids, "v": np.arange(8.0), "sha256": ["0" * 64] * 8}
    pq.write_table(pa.table(columns), tmp_path / "own.parquet")
    targets = Targets.read(folder, manifest=tmp_path / "own.parquet", target_columns=("v",))
    assert targets.values[-1].tolist() == [7.0]
    assert re.search(r"8 clips had another content when prepared \(the first: clip_0000\)$", targets.notes[0])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("path,label", "x.wav,joy"), r"there is no column clip_id, which a manifest of labels needs; there are path,"),
        (("clip_id,emotion", "clip_0000,joy"), r"there is no column label, .* there are clip_id, emotion: name anoth"),
        (("clip_id,label", "clip_0000,joy", "clip_0000,awe"), r"1 clips are listed more than once \(the first: clip_0"),
        (("clip_id,label", ",joy"), r"1 of 1 rows have no clip_id; name every clip$"),
        (
            ("clip_id,label", "other,joy", "others,joy"),
            r"none of its 2 clips is in the shards \(8 clips, the first: clip_0000\); give the manifest of the clips",
        ),
    ],
)
def test_manifests_that_do_not_fit(folder: ShardFolder, tmp_path: Path, lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(ManifestError, match=r"own\.csv: " + message):
        Targets.read(folder, manifest=write_csv(tmp_path / "own.csv", *lines))


def test_manifests_that_cannot_be_read(folder: ShardFolder, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"none\.csv: there is no such manifest; check its name$"):
        Targets.read(folder, manifest=tmp_path / "none.csv")
    other = write_csv(tmp_path / "own.xlsx", "clip_id,label")
    with pytest.raises(ManifestError, match=r"a manifest of labels is a \.csv, \.jsonl, \.parquet file; convert it"):
        Targets.read(folder, manifest=other)
