"""Picture finds sound: how well, and whether by the speaker alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from vaemo_clips.errors import TrainingError
from vaemo_train.evaluate.gallery import galleries, matched_gallery
from vaemo_train.evaluate.retrieval import retrieval

Vectors = NDArray[np.float64]


def unit(vectors: Vectors) -> Vectors:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def noise(num_clips: int, seed: int, width: int = 32) -> Vectors:
    return np.random.default_rng(seed).normal(size=(num_clips, width))


@settings(max_examples=50, deadline=None)
@given(num_rows=st.integers(2, 200), size=st.integers(2, 70), seed=st.integers(0, 9))
def test_every_row_is_a_query_once_and_a_candidate_once(num_rows: int, size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.arange(num_rows) * 3
    drawn = list(galleries(rows, rng, size))
    assert sorted(np.concatenate([gallery.queries for gallery in drawn]).tolist()) == rows.tolist()
    for gallery in (*drawn, *(matched_gallery(one, 3 * num_rows, rng) for one in drawn)):
        assert (gallery.candidates[:, 0] == gallery.queries).all()
        assert gallery.candidates.shape == (len(gallery.queries), min(size, num_rows))
        assert all(len(set(line)) == len(line) for line in gallery.candidates.tolist())
        assert gallery.candidates.max() < 3 * num_rows


def test_a_single_row_makes_no_gallery() -> None:
    assert list(galleries(np.array([4]), np.random.default_rng(0))) == []


def test_a_clip_finds_itself() -> None:
    same = unit(noise(150, 0))
    found = retrieval(same, same, speakers=np.arange(150) % 5, labels=np.arange(150) % 3)
    assert found.overall.value == found.video_to_audio.value == found.audio_to_video.value == 1.0
    assert found.overall.chance == pytest.approx(1 / 64)
    assert found.speaker is not None
    assert found.label is not None
    assert found.speaker.within.value == found.label.within.value == found.speaker.across.value == 1.0
    assert found.speaker.within.chance == pytest.approx(1 / 30)
    assert found.label.within.chance == pytest.approx(1 / 50)
    assert found.speaker.share == pytest.approx(0.0)
    assert found.speaker.mistaken.num_clips == 0


def test_unrelated_embeddings_score_chance() -> None:
    found = retrieval(unit(noise(1200, 1)), unit(noise(1200, 2)), speakers=np.arange(1200) % 12)
    assert found.overall.value == pytest.approx(1 / 64, abs=0.008)
    assert found.speaker is not None
    for rate in (found.speaker.within, found.speaker.matched, found.speaker.across):
        assert rate.value == pytest.approx(rate.chance, abs=0.009)
    assert found.speaker.found.value == pytest.approx(found.speaker.found.chance, abs=0.02)
    assert found.speaker.mistaken.value == pytest.approx(found.speaker.mistaken.chance, abs=0.02)


def test_collapsed_embeddings_score_chance_not_one() -> None:
    same = unit(np.ones((100, 8)))
    assert retrieval(same, same).overall.value == pytest.approx(1 / 64)


def test_embeddings_of_the_speaker_alone_are_found_out() -> None:
    speakers = np.arange(600) % 10
    who = 3 * noise(10, 3)[speakers]
    found = retrieval(unit(who + noise(600, 4)), unit(who + noise(600, 5)), speakers=speakers)
    assert found.overall.times_chance > 5
    assert found.speaker is not None
    assert found.speaker.within.value == pytest.approx(found.speaker.within.chance, abs=0.01)
    assert found.speaker.across.value > 0.99
    assert found.speaker.share > 0.9
    assert found.speaker.mistaken.value > 0.99


def test_embeddings_of_the_content_alone_owe_nothing_to_the_speaker() -> None:
    content = noise(600, 6)
    found = retrieval(
        unit(content + noise(600, 7)), unit(content + noise(600, 8)), speakers=np.arange(600) % 10, labels=["x"] * 600
    )
    assert found.speaker is not None
    assert found.speaker.share == pytest.approx(0, abs=0.05)
    assert found.speaker.mistaken.value == pytest.approx(found.speaker.mistaken.chance, abs=0.05)
    assert found.label is not None
    assert found.label.within.value == pytest.approx(found.label.matched.value, abs=0.05)
    assert found.label.across.num_clips == 0, "there is no other label"


def test_the_order_of_the_clips_does_not_matter() -> None:
    video, audio = unit(noise(50, 1)), unit(noise(50, 1) + 2 * noise(50, 2))
    order = np.random.default_rng(0).permutation(50)
    assert retrieval(video, audio).overall.value == pytest.approx(retrieval(video[order], audio[order]).overall.value)


def test_the_same_seed_draws_the_same_galleries() -> None:
    video, audio = unit(noise(90, 1)), unit(noise(90, 1) + 2 * noise(90, 2))
    assert retrieval(video, audio, speakers=np.arange(90) % 2) == retrieval(video, audio, speakers=np.arange(90) % 2)


def test_few_clips_are_one_gallery() -> None:
    found = retrieval(unit(noise(10, 1)), unit(noise(10, 2)))
    assert found.overall.chance == pytest.approx(0.1)
    assert found.speaker is None


def test_windows_that_overlap_the_query_are_no_candidates() -> None:
    # Two windows of one clip look the same; only where they overlap is to mistake them excused.
    vectors = unit(np.repeat(noise(4, 1), 2, axis=0) + 1e-9 * noise(8, 2))
    clips = np.repeat(np.arange(4), 2)
    apart, overlapping, unknown = (
        retrieval(vectors, vectors, clips=clips, begins_s=begins)
        for begins in (np.tile([0.0, 2.56], 4), np.tile([0.0, 2.48], 4), None)
    )
    assert apart.overall.value == pytest.approx(0.5)
    assert apart.overall.chance == pytest.approx(1 / 8)
    assert overlapping.overall.value == unknown.overall.value == 1.0
    assert overlapping.overall.chance == pytest.approx(1 / 7)


def test_clips_without_a_speaker_are_left_out_of_the_speakers() -> None:
    same = unit(noise(6, 1))
    found = retrieval(same, same, speakers=["a", "a", "b", "b", None, "c"])
    assert found.overall.num_clips == 6
    assert found.speaker is not None
    assert found.speaker.within.num_clips == 4, "c has no second clip"
    assert found.speaker.across.num_clips == 5
    assert found.speaker.within.chance == 0.5


def test_logs_are_flat_and_defined() -> None:
    same = unit(noise(8, 1))
    logs = retrieval(same, same, speakers=list("aabbccdd"), labels=list("xyxyxyxy")).as_dict()
    assert logs["top1"] == logs["speaker_within"] == 1.0
    assert logs["top1_chance"] == pytest.approx(1 / 8)
    assert {"top1_low", "top1_video_to_audio", "speaker_share", "label_within_chance"} <= logs.keys()
    assert "speaker_mistaken" not in logs
    assert not any(np.isnan(value) for value in logs.values())


@pytest.mark.parametrize(
    ("video", "message"),
    [
        (np.full((3, 4), np.nan), r"^3 of 3 video embeddings hold values that are no numbers$"),
        (np.ones((3, 4)), r"^a video embedding has length 2; to be compared all must have length 1: divide each"),
        (unit(np.ones((1, 4))), r"^retrieval with video \(1, 4\) and audio \(1, 4\); it needs as many of both, two or"),
    ],
)
def test_embeddings_that_cannot_be_searched(video: Vectors, message: str) -> None:
    with pytest.raises(TrainingError, match=message):
        retrieval(video, unit(np.ones_like(np.nan_to_num(video, nan=1.0))))
