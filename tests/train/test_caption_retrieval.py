"""Captions and clips that find one another, with planted vectors: what must be found, and what must not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.support.caption_folders import shard_rows, write_captions
from vaemo_train.captions.joined import Captions, join_captions
from vaemo_train.evaluate.caption_retrieval import TOGETHER, caption_retrieval, captions_of, own_vectors
from vaemo_train.evaluate.clip_vectors import PATHS_OF, ClipVectors
from vaemo_train.evaluate.features import MODALITIES
from vaemo_train.models.config import ALIGNMENT_PATHS

WIDTH = 32
NUM_CLIPS = 12
IDS = tuple(f"clip_{number:02d}" for number in range(NUM_CLIPS))
Vectors = NDArray[np.float32]


def unit(values: NDArray[Any]) -> Vectors:
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), np.float32)


def planted(path: str, number: int) -> Vectors:
    """The direction of clip `number` on a path."""
    return unit(np.random.default_rng([ALIGNMENT_PATHS.index(path), number]).normal(size=WIDTH))


def captioned(folder: Path, rows: Sequence[dict[str, Any]]) -> Captions:
    write_captions(folder, rows)
    return join_captions(folder, shard_rows(IDS), np.arange(NUM_CLIPS))


def one_each(folder: Path, numbers: Sequence[int] = range(NUM_CLIPS)) -> Captions:
    return captioned(folder, [{"clip_id": IDS[number]} for number in numbers])


def clips(kinds: Sequence[str] = ("both",), speakers: Sequence[str | None] | None = None) -> ClipVectors:
    """Clips whose vectors are the planted ones; kinds (both, video, audio) take turns."""
    own = [kinds[number % len(kinds)] for number in range(NUM_CLIPS)]
    vectors = {
        modality: {
            path: np.stack(
                [
                    planted(path, number) if own[number] in (modality, "both") else np.full(WIDTH, np.nan, np.float32)
                    for number in range(NUM_CLIPS)
                ]
            )
            for path in PATHS_OF[modality]
        }
        for modality in MODALITIES
    }
    columns = {} if speakers is None else {"speaker": np.asarray(speakers, object)}
    return ClipVectors(np.asarray(IDS, object), vectors, columns)


def texts_of(captions: Captions) -> dict[str, Vectors]:
    """Each text lies where the first clip that it was written of does."""
    found = {path: unit(np.ones((len(captions.texts), WIDTH))) for path in ALIGNMENT_PATHS}
    for path in ALIGNMENT_PATHS:
        for clip, text in reversed(list(zip(captions.clip_of[path], captions.text_of[path], strict=True))):
            found[path][text] = planted(path, IDS.index(clip))
    return found


def collapsed(captions: Captions) -> Mapping[str, Vectors]:
    return {path: unit(np.ones((len(captions.texts), WIDTH))) for path in ALIGNMENT_PATHS}


def test_clips_and_captions_that_lie_together_find_one_another(tmp_path: Path) -> None:
    captions = one_each(tmp_path)
    found = caption_retrieval(clips(), captions, texts_of(captions))
    assert list(found.by_path) == [*ALIGNMENT_PATHS, TOGETHER]
    assert found.num_clips == NUM_CLIPS
    for one in found.by_path.values():
        for way in (one.clip_to_text, one.text_to_clip):
            assert [rate.value for rate in way.recall.values()] == [1.0, 1.0, 1.0]
            assert (way.num_queries, way.num_candidates, way.median_rank) == (NUM_CLIPS, NUM_CLIPS, 1)
            assert way.recall[1].chance == pytest.approx(1 / NUM_CLIPS)


@pytest.mark.parametrize("which", ["texts", "clips"])
def test_collapsed_vectors_score_chance_exactly(tmp_path: Path, which: str) -> None:
    captions = one_each(tmp_path)
    texts, of_clips = texts_of(captions), clips()
    if which == "texts":
        texts = dict(collapsed(captions))
    else:
        for paths in of_clips.vectors.values():
            for values in paths.values():
                values[:] = planted("visual", 0)
    for one in caption_retrieval(of_clips, captions, texts).by_path.values():
        way = one.clip_to_text if which == "texts" else one.text_to_clip
        for rate in way.recall.values():
            assert rate.value == pytest.approx(rate.chance)
        assert way.median_rank == way.median_rank_chance


def test_shifted_captions_are_never_found_first(tmp_path: Path) -> None:
    captions = one_each(tmp_path)
    texts = texts_of(captions)
    for path in ALIGNMENT_PATHS:
        texts[path][captions.text_of[path]] = texts[path][np.roll(captions.text_of[path], 1)]
    for one in caption_retrieval(clips(), captions, texts).by_path.values():
        assert one.clip_to_text.recall[1].value == one.text_to_clip.recall[1].value == 0


def test_of_several_captions_of_a_clip_any_will_do(tmp_path: Path) -> None:
    captions = captioned(tmp_path, [{"clip_id": clip, "sample_index": sample} for clip in IDS for sample in range(3)])
    found = caption_retrieval(clips(), captions, texts_of(captions)).by_path["affect"]
    assert (found.clip_to_text.num_queries, found.clip_to_text.num_candidates) == (NUM_CLIPS, 3 * NUM_CLIPS)
    assert (found.text_to_clip.num_queries, found.text_to_clip.num_candidates) == (3 * NUM_CLIPS, NUM_CLIPS)
    assert found.clip_to_text.recall[1].value == found.text_to_clip.recall[1].value == 1
    assert found.clip_to_text.recall[1].chance == pytest.approx(3 / (3 * NUM_CLIPS))


def test_equal_texts_are_one_query_that_any_of_their_clips_answers(tmp_path: Path) -> None:
    rows = [{"clip_id": clip, "visual_description": f"A face, {number % 4}."} for number, clip in enumerate(IDS)]
    captions = captioned(tmp_path, rows)
    found = caption_retrieval(clips(), captions, texts_of(captions)).by_path["visual"]
    assert (found.text_to_clip.num_queries, found.clip_to_text.num_candidates) == (4, 4)
    assert found.clip_to_text.num_queries == NUM_CLIPS
    assert found.text_to_clip.recall[1].value == 1
    assert found.text_to_clip.recall[1].chance == pytest.approx(3 / NUM_CLIPS)


def test_clips_without_captions_are_candidates_and_no_queries(tmp_path: Path) -> None:
    captions = one_each(tmp_path, range(5))
    found = caption_retrieval(clips(), captions, texts_of(captions)).by_path["visual"]
    assert (found.clip_to_text.num_queries, found.clip_to_text.num_candidates) == (5, 5)
    assert (found.text_to_clip.num_queries, found.text_to_clip.num_candidates) == (5, NUM_CLIPS)


def test_captions_of_clips_that_are_not_asked_about_take_no_part(tmp_path: Path) -> None:
    captions = one_each(tmp_path)
    own = captions_of(captions, np.asarray(IDS[3:6], object), "affect", texts_of(captions)["affect"])
    assert own.clip.tolist() == [0, 1, 2]
    assert [captions.texts[number] for number in own.numbers] == [f"{clip}, sample 0: affect" for clip in IDS[3:6]]
    np.testing.assert_array_equal(own.vectors, np.stack([planted("affect", number) for number in (3, 4, 5)]))
    assert own.matches(4).tolist() == np.eye(4, dtype=bool)[:3].tolist()


def test_clips_with_one_modality_take_part_where_they_have_it(tmp_path: Path) -> None:
    captions = one_each(tmp_path)
    found = caption_retrieval(clips(("both", "video", "audio")), captions, texts_of(captions)).by_path
    numbers = {name: one.clip_to_text.num_queries for name, one in found.items()}
    assert numbers == {"visual": 8, "acoustic": 8, "affect": 12, TOGETHER: 4}
    assert all(one.clip_to_text.recall[1].value == 1 for one in found.values())


def test_a_path_that_no_clip_has_is_left_out(tmp_path: Path) -> None:
    captions = one_each(tmp_path)
    found = caption_retrieval(clips(("video",)), captions, texts_of(captions))
    assert list(found.by_path) == ["visual", "affect", TOGETHER]
    assert found.by_path[TOGETHER].clip_to_text.num_queries == NUM_CLIPS
    assert not any(np.isnan(value) for value in found.as_dict().values())
    mixed = caption_retrieval(clips(("video", "audio")), captions, texts_of(captions))
    assert list(mixed.by_path) == list(ALIGNMENT_PATHS), "no clip has all of them: nothing together"


def test_all_paths_together_tell_apart_what_no_path_does(tmp_path: Path) -> None:
    """Three faces, two voices, two feelings: each path knows a few texts, together they name every clip."""
    rows = [
        {
            "clip_id": clip,
            "visual_description": f"Face {number % 3}.",
            "acoustic_description": f"Voice {number // 3 % 2}.",
            "affect_description": f"Feeling {number // 6}.",
        }
        for number, clip in enumerate(IDS)
    ]
    captions = captioned(tmp_path, rows)
    of_clips, texts = clips(), texts_of(captions)
    for paths in of_clips.vectors.values():
        for path, values in paths.items():
            values[:] = texts[path][captions.text_of[path]]
    found = caption_retrieval(of_clips, captions, texts).by_path
    assert found["visual"].text_to_clip.num_queries == 3
    assert (found[TOGETHER].text_to_clip.num_queries, found[TOGETHER].text_to_clip.recall[1].value) == (12, 1)


def test_clips_with_equal_texts_of_all_paths_have_one_text(tmp_path: Path) -> None:
    same = {f"{path}_description": "The same." for path in ALIGNMENT_PATHS}
    captions = captioned(tmp_path, [{"clip_id": clip, **(same if clip < IDS[4] else {})} for clip in IDS])
    found = caption_retrieval(clips(), captions, texts_of(captions)).by_path[TOGETHER]
    assert (found.text_to_clip.num_queries, found.clip_to_text.num_queries) == (NUM_CLIPS - 3, NUM_CLIPS)


def test_one_text_for_all_is_nothing_to_retrieve(tmp_path: Path) -> None:
    same = {f"{path}_description": "The same." for path in ALIGNMENT_PATHS}
    captions = captioned(tmp_path, [{"clip_id": clip, **same} for clip in IDS])
    found = caption_retrieval(clips(), captions, texts_of(captions))
    assert (found.by_path, found.as_dict(), len(list(found.lines()))) == ({}, {}, 1)


def test_intervals_go_by_speaker_where_all_are_known(tmp_path: Path) -> None:
    captions = one_each(tmp_path)
    texts = texts_of(captions)
    texts["visual"][captions.text_of["visual"][:6]] = planted("affect", 0)
    speakers = ["a"] * 6 + ["b"] * 6
    by_clip = caption_retrieval(clips(), captions, texts).by_path["visual"].text_to_clip.recall[1].interval
    by_speaker = caption_retrieval(clips(speakers=speakers), captions, texts).by_path["visual"].text_to_clip.recall[1]
    unknown = caption_retrieval(clips(speakers=[None, *speakers[1:]]), captions, texts).by_path["visual"]
    assert by_clip is not None
    assert by_speaker.interval is not None
    assert by_speaker.interval.high - by_speaker.interval.low > by_clip.high - by_clip.low, "a speaker is all or none"
    assert unknown.text_to_clip.recall[1].interval == by_clip


def test_the_own_vectors_are_of_all_that_a_clip_has() -> None:
    mixed = clips(("both", "video", "audio"))
    for path, lacks in (("visual", 2), ("acoustic", 1), ("affect", None)):
        is_nan = np.isnan(own_vectors(mixed, path)).all(axis=1)
        assert is_nan.tolist() == [number % 3 == lacks for number in range(NUM_CLIPS)]
    mixed.vectors["both"]["affect"][0] = planted("visual", 99)
    np.testing.assert_array_equal(own_vectors(mixed, "affect")[0], planted("visual", 99))


def test_lines_and_numbers_name_the_paths(tmp_path: Path) -> None:
    captions = one_each(tmp_path)
    found = caption_retrieval(clips(), captions, texts_of(captions))
    lines = list(found.lines())
    assert len({len(line) for line in lines}) == 1, "columns stand below their heads"
    assert max(map(len, lines)) <= 120
    assert " ".join(lines[1].split()) == "visual, text -> clip 100.0 8.3 100.0 41.7 100.0 83.3 1 6.5 12"
    assert {name.split("_")[0] for name in found.as_dict()} == {"visual", "acoustic", "affect", "all"}
