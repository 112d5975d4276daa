"""Which texts belong to which row of the shards."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from tests.support.caption_folders import NOTHING_SAID, shard_rows, write_captions
from tests.support.synthetic_shards import write_shards
from vaemo_train.captions.joined import Captions, join_captions
from vaemo_train.captions.paths import NEEDED_OF, PATHS
from vaemo_train.captions.row_captions import RowCaptions
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.training.held_out import choose_rows


def texts_of(captions: Captions, rows: RowCaptions, path: str, row: int) -> list[str]:
    """The texts of a row."""
    return [captions.texts[text] for text in rows.of_row(path, row)]


def rows_of(captions: Captions, table: pa.Table, *numbers: int) -> RowCaptions:
    """The captions of some rows."""
    return captions.of_rows(table, np.asarray(numbers, np.int64))


def clips_seen(captions: Captions, rows: RowCaptions) -> set[str]:
    """The clips whose texts, which name them, some row has."""
    return {captions.texts[text].split(",")[0] for text in rows.used_texts()}


def test_every_row_of_a_clip_has_all_its_texts(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": "a", "sample_index": sample} for sample in (0, 1)] + [{"clip_id": "c"}])
    table = shard_rows(["c", "a", "b", "a"])
    captions = join_captions(tmp_path, table, np.arange(4))
    rows = rows_of(captions, table, 3, 0, 1, 2)
    assert rows.rows.tolist() == [0, 1, 3]
    for path in PATHS:
        assert rows.begin[path].tolist() == [0, 1, 3, 3, 5]
        assert texts_of(captions, rows, path, 0) == [f"c, sample 0: {path}"]
        assert texts_of(captions, rows, path, 2) == []
        for row in (1, 3):
            assert texts_of(captions, rows, path, row) == [f"a, sample {sample}: {path}" for sample in (0, 1)]
    assert set(rows.used_texts()) == set(range(len(captions.texts)))


def test_a_text_goes_to_no_row_without_the_tokens_it_describes(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": clip} for clip in "abc"])
    table = shard_rows(["a", "b", "c"], has_picture=[True, False, True], has_sound=[True, True, False])
    rows = rows_of(join_captions(tmp_path, table, np.arange(3)), table, 0, 1, 2)
    has_text = {path: np.diff(rows.begin[path]).tolist() for path in PATHS}
    assert has_text == {"visual": [1, 0, 1], "acoustic": [1, 1, 0], "affect": [1, 1, 1]}
    assert rows.without_tokens == {"visual": 1, "acoustic": 1, "affect": 0}


def test_a_row_whose_only_text_is_of_what_it_lacks_has_none(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": "a", **NOTHING_SAID, "visual_description": "A smile."}])
    table = shard_rows(["a"], has_picture=[False])
    assert rows_of(join_captions(tmp_path, table, np.arange(1)), table, 0).rows.tolist() == []


def test_rows_that_are_not_there_are_an_error(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": "a"}])
    table = shard_rows(["a"])
    captions = join_captions(tmp_path, table, np.arange(1))
    assert rows_of(captions, table).rows.tolist() == []
    for number in (-1, 1):
        with pytest.raises(IndexError, match=r"are not all in \[0, 1\)"):
            rows_of(captions, table, number)


def test_row_captions_travel_to_workers(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": "a"}])
    table = shard_rows(["a"])
    captions = join_captions(tmp_path, table, np.arange(1))
    rows = rows_of(captions, table, 0)
    assert texts_of(captions, pickle.loads(pickle.dumps(rows)), "visual", 0) == ["a, sample 0: visual"]


def test_a_held_out_clip_s_caption_never_appears(tmp_path: Path) -> None:
    folder = ShardFolder.open(write_shards(tmp_path / "shards", 12, seconds=[1.0, 12.0], speakers=4))
    ids = sorted(set(folder.rows["clip_id"].to_pylist()))
    write_captions(tmp_path / "captions", [{"clip_id": clip} for clip in ids])
    choice = choose_rows(folder.rows, Holdout.parse("speaker=speaker_01"), 8, 0, monitored=True)
    captions = join_captions(tmp_path / "captions", folder.rows, choice.train)
    speakers = dict(zip(*(folder.rows[name].to_pylist() for name in ("clip_id", "speaker")), strict=True))
    held_out = {clip for clip in ids if speakers[clip] == "speaker_01"}
    assert held_out
    assert clips_seen(captions, captions.of_rows(folder.rows, choice.train)) == set(ids) - held_out
    assert clips_seen(captions, captions.of_rows(folder.rows, choice.monitor)) == held_out
    assert captions.counts.training_clips == captions.counts.training_clips_with_captions == len(ids) - len(held_out)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Captions of every third of 20 clips, two of some, with texts that clips share."""
    rows = [
        {"clip_id": f"clip_{clip:02d}", "sample_index": sample, "visual_description": f"Look {clip % 4}."}
        for clip in range(0, 20, 3)
        for sample in range(1 + clip % 2)
    ]
    return write_captions(tmp_path_factory.mktemp("many"), rows)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_a_row_has_the_texts_of_its_clip_and_of_no_other(many: Path, data: st.DataObject) -> None:
    everyone = [f"clip_{clip:02d}" for clip in range(20)]
    clips = everyone + data.draw(st.lists(st.sampled_from(everyone), max_size=20))
    clips = data.draw(st.permutations(clips))
    flags = st.lists(st.booleans(), min_size=len(clips), max_size=len(clips))
    table = shard_rows(clips, data.draw(flags), data.draw(flags))
    asked: NDArray[np.int64] = np.asarray(data.draw(st.lists(st.integers(0, len(clips) - 1))), np.int64)
    captions = join_captions(many, table, asked)
    rows = captions.of_rows(table, asked)
    for path in PATHS:
        texts: dict[str, list[str]] = {}
        for clip, text in zip(captions.clip_of[path], captions.text_of[path], strict=True):
            texts.setdefault(clip, []).append(captions.texts[text])
        for row, clip in enumerate(clips):
            column = NEEDED_OF[path]
            has_tokens = column is None or table[column][row].as_py()
            expected = texts.get(clip, []) if row in asked and has_tokens else []
            assert texts_of(captions, rows, path, row) == expected
    with_text = [row for row in range(len(clips)) if any(len(rows.of_row(path, row)) for path in PATHS)]
    assert rows.rows.tolist() == with_text
