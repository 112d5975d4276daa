"""Collapse of embeddings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaemo_clips.errors import TrainingError
from vaemo_train.evaluate.rank import effective_rank, mean_cosine, spread


@given(rank=st.integers(1, 8), scale=st.floats(1e-3, 1e3))
def test_equal_singular_values_count_as_that_many_dimensions(rank: int, scale: float) -> None:
    embeddings = np.eye(12)[:, :10] * (np.arange(10) < rank) * scale
    assert effective_rank(embeddings) == pytest.approx(rank)


def test_effective_rank_by_hand() -> None:
    # singular values 3 and 1: shares 0.75 and 0.25
    entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    assert effective_rank(np.diag([3.0, 1.0])) == pytest.approx(np.exp(entropy))
    assert effective_rank(np.zeros((3, 2))) == 1.0


def test_mean_cosine_is_over_pairs_of_different_clips() -> None:
    vectors = np.random.default_rng(0).normal(size=(9, 5)) + 1
    clips = np.array([0, 0, 1, 1, 1, 2, 3, 3, 4])
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    pairs = [units[i] @ units[j] for i in range(9) for j in range(9) if clips[i] != clips[j]]
    assert mean_cosine(vectors, clips) == pytest.approx(np.mean(pairs))
    assert np.isnan(mean_cosine(vectors, ["a"] * 9))


def test_verdicts() -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 32))
    assert spread(vectors).verdict == "healthy"
    assert spread(vectors * (np.arange(32) < 12)).verdict == "narrow", "most dimensions are dead"
    assert spread(vectors + 4).verdict == "narrow", "all point the same way"
    assert spread(0.05 * vectors + 1).verdict == "narrow", "a common part that a probe takes off"
    assert spread(np.eye(2)).verdict == "healthy", "of two embeddings the rank says nothing"
    assert spread(0.005 * vectors + 1).verdict == "collapsed"
    assert spread(np.ones((200, 32))).verdict == "collapsed"
    assert spread(np.outer(vectors[:, 0], vectors[0])).verdict == "collapsed", "one dimension only"


def test_a_spread_reads_as_one_line_and_as_a_log() -> None:
    found = spread(np.ones((4, 3)), clips=["a", "a", "b", "b"])
    assert str(found) == ("collapsed: rank 1.0, 1.0 centred, of 3; cosine 1.00; 100% of dimensions dead (4 windows)")
    assert found.as_dict() == pytest.approx(
        {
            "effective_rank": 1.0,
            "centred_rank": 1.0,
            "largest_rank": 3,
            "mean_cosine": 1.0,
            "own_share": 0.0,
            "dead_share": 1.0,
            "num_rows": 4,
        }
    )
    assert "mean_cosine" not in spread(np.ones((4, 3)), clips=["a"] * 4).as_dict()


def test_many_embeddings_are_sampled_evenly() -> None:
    assert spread(np.random.default_rng(0).normal(size=(5000, 4))).num_rows == 4096


def test_embeddings_that_have_no_spread() -> None:
    with pytest.raises(TrainingError, match=r"^the spread of 1 embeddings; it needs two or more$"):
        spread(np.ones((1, 3)))
    with pytest.raises(TrainingError, match=r"^1 of 2 embeddings hold values that are no numbers$"):
        spread(np.array([[1.0, np.nan], [1.0, 1.0]]))
