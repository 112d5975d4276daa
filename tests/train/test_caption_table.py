"""Which description a row gets: its own, each of several in turn by chance, none that it lacks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor

from vaemo_train.captions.paths import PATHS
from vaemo_train.captions.row_captions import RowCaptions
from vaemo_train.stage2.caption_table import CaptionTable, Described

EMBEDDINGS = (np.eye(10, 6) + np.arange(60).reshape(10, 6) / 100).astype(np.float32)


def captions(**texts: Sequence[Sequence[int]]) -> RowCaptions:
    """By path the text numbers of each row; a path that is not given has none."""
    num_rows = max(map(len, texts.values()))
    own = {path: texts.get(path, [[]] * num_rows) for path in PATHS}
    begin = {path: np.cumsum([0, *map(len, rows)]).astype(np.int64) for path, rows in own.items()}
    text = {path: np.asarray(list(chain.from_iterable(rows)), np.int64) for path, rows in own.items()}
    rows = np.flatnonzero(sum(np.diff(begin[path]) for path in PATHS))
    return RowCaptions(rows, begin, text, dict.fromkeys(PATHS, 0))


def look_up(table: CaptionTable, rows: Sequence[int], seed: int = 0) -> Described:
    return table.of_rows(torch.tensor(rows), torch.Generator().manual_seed(seed))


def equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[path], second[path]) for path in PATHS)


def test_a_row_gets_its_own_description_of_each_path() -> None:
    table = CaptionTable(captions(visual=[[3], [], [1]], acoustic=[[], [7], []], affect=[[2], [2], [9]]), EMBEDDINGS)
    found = look_up(table, [2, 0, 1])
    assert found.has_text["visual"].tolist() == [True, True, False]
    assert found.text_ids["visual"].tolist()[:2] == [1, 3]
    assert found.has_text["acoustic"].tolist() == [False, False, True]
    assert found.text_ids["acoustic"][2] == 7
    assert found.text_ids["affect"].tolist() == [9, 2, 2]
    for path in PATHS:
        assert torch.equal(found.text_embeds[path], torch.from_numpy(EMBEDDINGS)[found.text_ids[path]])


def test_of_several_descriptions_each_comes_as_often() -> None:
    table = CaptionTable(captions(affect=[[4], [0, 5, 8], [1, 2]]), EMBEDDINGS)
    counts = np.zeros((3, 10), int)
    for seed in range(600):
        ids = look_up(table, [0, 1, 2], seed).text_ids["affect"]
        counts[np.arange(3), ids.numpy()] += 1
    assert counts[0, 4] == 600
    assert set(np.flatnonzero(counts[1])) == {0, 5, 8}
    assert set(np.flatnonzero(counts[2])) == {1, 2}
    assert np.all(np.abs(counts[1, [0, 5, 8]] - 200) < 60), "five standard deviations"
    assert np.all(np.abs(counts[2, [1, 2]] - 300) < 62)


def test_paths_of_a_row_are_drawn_apart() -> None:
    pairs = [[0, 1]]
    table = CaptionTable(captions(visual=pairs, acoustic=pairs, affect=pairs), EMBEDDINGS)
    drawn = {tuple(int(look_up(table, [0], seed).text_ids[path]) for path in PATHS) for seed in range(200)}
    assert len(drawn) == 8


def test_the_same_seed_gives_the_same_and_what_others_have_does_not_matter() -> None:
    several = [[0, 1, 2, 3], [4, 5], [6, 7, 8]]
    table = CaptionTable(captions(affect=several), EMBEDDINGS)
    other = CaptionTable(captions(visual=[[0], [1, 2], [3]], affect=[[0, 1, 2, 3], [], [6, 7, 8]]), EMBEDDINGS)
    for seed in range(20):
        first, again = look_up(table, [0, 1, 2], seed), look_up(table, [0, 1, 2], seed)
        assert equal(first.text_ids, again.text_ids)
        assert equal(first.text_embeds, again.text_embeds)
        changed = look_up(other, [0, 1, 2], seed)
        assert changed.text_ids["affect"][[0, 2]].tolist() == first.text_ids["affect"][[0, 2]].tolist()
    assert len({tuple(look_up(table, [0, 1, 2], seed).text_ids["affect"].tolist()) for seed in range(20)}) > 5


def test_torch_s_own_random_numbers_are_not_touched() -> None:
    before = torch.random.get_rng_state()
    look_up(CaptionTable(captions(affect=[[0, 1]]), EMBEDDINGS), [0])
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("row", [0, 1, 2])
def test_a_row_without_a_description_has_none_wherever_it_stands(row: int) -> None:
    texts: list[list[int]] = [[5], [5], [5]]
    texts[row] = []
    found = look_up(CaptionTable(captions(visual=texts), EMBEDDINGS), [0, 1, 2])
    assert found.has_text["visual"].tolist() == [number != row for number in range(3)]
    assert not found.has_text["affect"].any(), "no row has any"
    assert found.text_embeds["affect"].shape == (3, 6)
    assert found.text_ids["affect"].shape == (3,)


def test_the_numbers_stay_integers_and_the_embeddings_float32() -> None:
    found = look_up(CaptionTable(captions(affect=[[0]]), EMBEDDINGS), [0])
    assert found.text_ids["affect"].dtype == torch.int64
    assert found.text_embeds["affect"].dtype == torch.float32
    assert found.has_text["affect"].dtype == torch.bool
    assert set(found.as_inputs()) == {"text_embeds", "text_ids", "has_text"}


def test_the_mean_is_of_what_is_drawn_of_the_rows_and_of_nothing_else() -> None:
    means = CaptionTable(captions(visual=[[1, 3], [3], []], affect=[[0], [0], [0]]), EMBEDDINGS).means()
    assert set(means) == {"visual", "affect"}, "no row has an acoustic description"
    torch.testing.assert_close(means["visual"], torch.from_numpy((EMBEDDINGS[1] + 3 * EMBEDDINGS[3]) / 4))
    assert torch.equal(means["affect"], torch.from_numpy(EMBEDDINGS[0]))
    assert means["visual"].dtype == torch.float32
