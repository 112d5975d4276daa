"""Figures of clips and texts: sorted by label, named, the same every time."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vaemo_clips.errors import FigureError
from vaemo_train.stage2 import figure
from vaemo_train.stage2.figure import map_figure, similarity_figure
from vaemo_train.training.picture import write_png

LABELS = ["anger", "calm", "fear"]
BEGIN_OF_VIRIDIS, END_OF_VIRIDIS = (68, 1, 84), (253, 231, 37)


def clusters(count: int, seed: int, shift: float = 0.0) -> tuple[NDArray[np.float64], list[str | None]]:
    centres = np.random.default_rng(99).normal(size=(3, 16))
    numbers = np.arange(count) % 3
    values = centres[numbers] + 0.4 * np.random.default_rng(seed).normal(size=(count, 16)) + shift
    return values / np.linalg.norm(values, axis=1, keepdims=True), [LABELS[number] for number in numbers]


def share(picture: NDArray[np.uint8], colour: tuple[int, int, int]) -> float:
    return float((np.abs(picture.astype(int) - colour).max(axis=-1) <= 12).mean())


def test_the_order_of_texts_and_clips_does_not_matter_to_blocks() -> None:
    # Within a label rows keep their order, so equal rows of a label make the same picture however they are mixed.
    labels = np.array(LABELS * 4, object)
    alike = np.equal(labels[:, None], labels).astype(float)
    order = np.random.default_rng(0).permutation(12)
    first = similarity_figure(alike, labels, labels, "run")
    np.testing.assert_array_equal(first, similarity_figure(alike[order], labels[order], labels, "run"))
    assert share(first, END_OF_VIRIDIS) > 0.1, "the diagonal's blocks are bright"
    assert share(first, BEGIN_OF_VIRIDIS) > 2 * share(first, END_OF_VIRIDIS) - 0.05


def test_each_label_and_title_is_drawn() -> None:
    similarity = np.arange(12.0).reshape(3, 4)
    first = similarity_figure(similarity, LABELS, ["anger", "calm", "calm", "fear"], "run")
    assert not np.array_equal(first, similarity_figure(similarity, LABELS, ["anger", "calm", "calm", "fury"], "run"))
    assert not np.array_equal(first, similarity_figure(similarity, LABELS, ["anger", "calm", "calm", None], "run"))
    assert not np.array_equal(first, similarity_figure(similarity, LABELS, ["anger", "calm", "calm", "fear"], "ruin"))


@pytest.mark.parametrize("counts", [(1, 1), (5, 8), (40, 60)])
def test_a_map_of_any_size_is_the_same_every_time(counts: tuple[int, int]) -> None:
    (clips, clip_labels), (written, text_labels) = clusters(counts[0], 1), clusters(counts[1], 2)
    first = map_figure(clips, written, clip_labels, text_labels, "run")
    assert first.dtype == np.uint8
    np.testing.assert_array_equal(first, map_figure(clips, written, clip_labels, text_labels, "run"))


def test_what_all_clips_share_does_not_part_them_from_texts() -> None:
    clips, labels = clusters(30, 1)
    places, method = figure._places(
        np.concatenate([figure._centred(vectors) for vectors in (clips, 3 * clips + np.eye(16)[0])])
    )
    assert method == "t-SNE"
    np.testing.assert_allclose(figure._centred(clips), figure._centred(3 * clips + np.eye(16)[0]), atol=1e-9)
    middles = np.array([[places[start + k : start + 30 : 3].mean(0) for k in range(3)] for start in (0, 30)])
    own = np.linalg.norm(middles[0] - middles[1], axis=1).max()
    others = min(np.linalg.norm(middles[0, a] - middles[1, b]) for a in range(3) for b in range(3) if a != b)
    assert own < others / 3
    assert len(labels) == 30


def test_at_most_ten_labels_have_a_colour() -> None:
    labels = [f"label{number:02d}" for number in range(14) for _ in range(14 - number)]
    assert figure._named(labels, ["label13"] * 20) == (*(f"label{number:02d}" for number in range(9)), "label13")
    groups = figure._grouped([*labels[-2:], None], figure._named(labels))
    assert groups.tolist() == ["other", "other", "no label"]
    clips = np.eye(len(labels))
    grey = share(map_figure(clips, clips[:2], labels, labels[:2], "run"), (0xBB, 0xBB, 0xBB))
    assert grey > share(map_figure(clips, clips[:2], labels[:1] * len(labels), labels[:2], "run"), (0xBB, 0xBB, 0xBB))


def test_of_many_rows_some_are_shown_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure, "MAX_SHOWN", 6)
    found = figure._Sorted.of(LABELS * 8, LABELS)
    assert len(found.rows) == 6
    assert found.blocks == [("anger", 0, 2), ("calm", 2, 4), ("fear", 4, 6)]
    assert found.count(24) == "6 of 24"
    assert figure._count(6, 24, "clips") == "6 of 24 clips"


@pytest.mark.parametrize(
    ("places", "expected"),
    [([0.0, 5.0, 9.0], [0, 5, 9]), ([4.0, 4.5, 5.0], [4, 6, 8]), ([8.0, 8.5, 9.0], [5, 7, 9])],
)
def test_names_stand_apart(places: list[float], expected: list[float]) -> None:
    assert figure._apart(np.array(places), gap=2.0, most=9.0).tolist() == expected


def test_collapsed_embeddings_and_odd_labels_are_drawn_without_a_word() -> None:
    same, labels = np.ones((40, 4)) / 2, [None, r"a$\\foo$", "_hidden", "x"] * 10
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert similarity_figure(same @ same.T, labels, labels, r"$\\run_$").ndim == 3
        assert map_figure(same, same, labels, labels, "run").ndim == 3
        assert map_figure(same[:1, :1], same[:1, :1], labels[:1], labels[:1], "run").ndim == 3


def test_a_figure_can_be_written(tmp_path: Path) -> None:
    clips, labels = clusters(6, 1)
    picture = similarity_figure(clips @ clips.T, labels, labels, "run")
    write_png(picture, tmp_path / "figures" / "similarity.png")
    with Image.open(tmp_path / "figures" / "similarity.png") as image:
        np.testing.assert_array_equal(np.asarray(image), picture)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda: similarity_figure(np.ones((2, 3)), ["a"], ["a"] * 3, ""),
            r"^a figure of 2 texts with 1 labels; it need",
        ),
        (
            lambda: similarity_figure(np.ones((2, 0)), ["a"] * 2, [], ""),
            r"^a figure of 0 clips with 0 labels; it needs",
        ),
        (lambda: similarity_figure(np.full((1, 1), np.nan), ["a"], ["a"], ""), r"^a heat map of similarities that are"),
        (lambda: map_figure(np.ones((2, 3)), np.ones((1, 3)), ["a"], ["a"], ""), r"^a figure of 2 clips with 1 labels"),
        (lambda: map_figure(np.full((1, 3), np.nan), np.ones((1, 3)), ["a"], ["a"], ""), r"^a map of embeddings that"),
    ],
)
def test_what_cannot_be_drawn(draw: Any, message: str) -> None:
    with pytest.raises(FigureError, match=message):
        draw()
