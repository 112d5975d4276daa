"""Captions joined with the clips of the shards: which text belongs to which row, and what is left out."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.caption_folders import NOTHING_SAID, shard_rows, write_captions
from tests.support.synthetic_shards import write_shards
from vaemo_clips.errors import CaptionError, ShardError
from vaemo_train.captions.joined import Captions, join_captions
from vaemo_train.captions.paths import PATHS
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.stage2.alignment_data import rejected_clips


def joined(folder: Path, clips: Sequence[str], train: Sequence[int] | None = None, **options: Any) -> Captions:
    """Join with shards of one row for each of `clips`, all of them trained on unless it is said which."""
    chosen = np.arange(len(clips)) if train is None else np.asarray(train, np.int64)
    return join_captions(folder, shard_rows(clips), chosen, **options)


def described(captions: Captions, path: str) -> dict[str, list[str]]:
    """The texts of each clip, in order."""
    found: dict[str, list[str]] = {}
    for clip, text in zip(captions.clip_of[path].tolist(), captions.text_of[path].tolist(), strict=True):
        found.setdefault(clip, []).append(captions.texts[text])
    return found


def test_every_clip_has_its_own_texts_by_path(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": "b"}, {"clip_id": "a", "visual_description": "A smile."}])
    captions = joined(tmp_path, ["a", "b", "c"])
    assert captions.texts == tuple(sorted(captions.texts))
    assert described(captions, "visual") == {"a": ["A smile."], "b": ["b, sample 0: visual"]}
    assert described(captions, "affect") == {"a": ["a, sample 0: affect"], "b": ["b, sample 0: affect"]}
    assert captions.emotions == {"a": ("joy", "relief"), "b": ("joy", "relief")}


def test_equal_texts_have_one_number_and_those_of_one_clip_count_once(tmp_path: Path) -> None:
    same = {"visual_description": "A smile.", "affect_description": " A smile. "}
    rows = [{"clip_id": clip, "sample_index": sample, **same} for clip in "ab" for sample in (0, 1)]
    write_captions(tmp_path, rows)
    captions = joined(tmp_path, ["a", "b"])
    assert captions.texts.count("A smile.") == 1
    assert described(captions, "visual") == described(captions, "affect") == {"a": ["A smile."], "b": ["A smile."]}
    assert captions.counts.repeated == {"visual": 2, "acoustic": 0, "affect": 2}
    assert "descriptions that their clip has already: visual 2, affect 2" in list(captions.counts.lines())


def test_the_order_of_datasets_and_rows_does_not_matter(tmp_path: Path) -> None:
    numbers = [(clip, sample) for clip in range(6) for sample in (0, 1)]
    rows: list[dict[str, Any]] = [{"clip_id": f"clip_{clip}", "sample_index": sample} for clip, sample in numbers]
    rows[3]["emotions"] = ["fear"]
    clips = [f"clip_{clip}" for clip in range(6)]
    write_captions(tmp_path / "one" / "a", rows[:7])
    write_captions(tmp_path / "one" / "b", rows[7:])
    random.Random(0).shuffle(rows)
    write_captions(tmp_path / "other" / "a", rows[:2])
    write_captions(tmp_path / "other" / "b", rows[2:])
    one, other = joined(tmp_path / "one", clips), joined(tmp_path / "other", clips[::-1])
    assert (one.texts, one.emotions, one.digest) == (other.texts, other.emotions, other.digest)
    for path in PATHS:
        np.testing.assert_array_equal(one.text_of[path], other.text_of[path])
        np.testing.assert_array_equal(one.clip_of[path], other.clip_of[path])
        pairs = list(zip(one.clip_of[path], one.text_of[path], strict=True))
        assert pairs == sorted(set(pairs))


def test_another_text_is_another_digest(tmp_path: Path) -> None:
    write_captions(tmp_path / "one", [{"clip_id": "a"}])
    write_captions(tmp_path / "other", [{"clip_id": "a", "visual_description": "A frown."}])
    assert joined(tmp_path / "one", ["a"]).digest != joined(tmp_path / "other", ["a"]).digest


def test_captions_of_unknown_clips_are_refused_with_three_names(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": clip} for clip in "abcde"])
    pattern = r"captions of 4 clips that the shards do not have \(b, c, d and 1 more\); .* --allow-unknown-clips$"
    with pytest.raises(CaptionError, match=pattern):
        joined(tmp_path, ["a", "x"])


def test_unknown_clips_are_left_out_and_counted_where_that_is_allowed(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": clip} for clip in "abc"])
    captions = joined(tmp_path, ["a", "x"], allow_unknown=True)
    assert set(captions.emotions) == {"a"}
    assert (captions.counts.of_unknown, captions.counts.used) == (2, 1)
    assert "2 of 3 captions left out: 2 of clips that the shards do not have" in list(captions.counts.lines())


@pytest.mark.parametrize("allow_unknown", [False, True])
def test_captions_of_other_clips_altogether_are_always_refused(tmp_path: Path, allow_unknown: bool) -> None:
    write_captions(tmp_path, [{"clip_id": "a"}])
    pattern = r"none of its captions is of a clip in the shards \(captions of a; shards of x, y\); give the shards and"
    with pytest.raises(CaptionError, match=pattern):
        joined(tmp_path, ["y", "x"], allow_unknown=allow_unknown)


def test_clips_that_prepare_rejected_are_no_unknown_ones(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": clip} for clip in "abc"])
    captions = joined(tmp_path, ["a", "b"], rejected_clips={"c", "d"})
    assert (captions.counts.of_rejected, captions.counts.of_unknown, captions.counts.used) == (1, 0, 2)
    assert "1 of 3 captions left out: 1 of clips that `prepare` rejected" in list(captions.counts.lines())


def test_a_damaged_list_of_rejected_clips_is_told(tmp_path: Path) -> None:
    folder = ShardFolder.open(write_shards(tmp_path, 2, seconds=1.0))
    (tmp_path / "rejects.parquet").write_bytes(b"PAR1")
    with pytest.raises(ShardError, match=r"rejects.parquet: damaged, .*; run the same prepare command again$"):
        rejected_clips(folder)
    pq.write_table(pa.table({"clip": ["c"]}), tmp_path / "rejects.parquet")
    with pytest.raises(ShardError, match=r"rejects.parquet: damaged, .*clip_id.*; run the same prepare command again$"):
        rejected_clips(folder)


def test_the_same_run_copied_twice_counts_once_and_is_told(tmp_path: Path) -> None:
    run = write_captions(tmp_path / "run", [{"clip_id": "a"}, {"clip_id": "b"}])
    shutil.copytree(run, tmp_path / "copy")
    captions = joined(tmp_path, ["a", "b"])
    assert (captions.counts.datasets, captions.counts.found, captions.counts.copies) == (2, 4, 2)
    assert described(captions, "affect") == {clip: [f"{clip}, sample 0: affect"] for clip in "ab"}
    assert "2 of 4 captions left out: 2 copies of others" in list(captions.counts.lines())


@pytest.mark.parametrize("change", [{"acoustic_description": "Loud."}, {"emotions": ["anger"]}])
def test_copies_that_say_different_things_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    write_captions(tmp_path / "run", [{"clip_id": "a"}])
    write_captions(tmp_path / "changed", [{"clip_id": "a", **change}])
    pattern = r"clip 'a': .*changed/dataset and .*run/dataset hold different captions of the same model, prompt and"
    with pytest.raises(CaptionError, match=pattern):
        joined(tmp_path, ["a"])


@pytest.mark.parametrize(
    "name", ["engine", "model", "model_revision", "prompt_sha256", "request_sha256", "sample_index", "seed"]
)
def test_captions_of_another_origin_are_further_captions(tmp_path: Path, name: str) -> None:
    other = 7 if name in ("sample_index", "seed") else "other"
    write_captions(tmp_path / "run", [{"clip_id": "a"}])
    write_captions(tmp_path / "more", [{"clip_id": "a", name: other, "affect_description": "More."}])
    captions = joined(tmp_path, ["a"])
    assert described(captions, "affect") == {"a": ["More.", "a, sample 0: affect"]}
    assert captions.counts.copies == 0


def test_blank_descriptions_are_left_out_of_their_path_and_counted(tmp_path: Path) -> None:
    write_captions(
        tmp_path, [{"clip_id": "a"}, {"clip_id": "b", "visual_description": " \t"}, {"clip_id": "c", **NOTHING_SAID}]
    )
    captions = joined(tmp_path, ["a", "b", "c"])
    assert set(described(captions, "visual")) == {"a"}
    assert set(described(captions, "acoustic")) == set(described(captions, "affect")) == {"a", "b"}
    assert set(captions.emotions) == {"a", "b"}
    assert (captions.counts.empty, captions.counts.used) == (1, 2)
    assert captions.counts.blank == {"visual": 2, "acoustic": 1, "affect": 1}
    assert "blank descriptions: visual 2, acoustic 1, affect 1" in list(captions.counts.lines())


def test_captions_without_any_text_are_refused(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": clip, **NOTHING_SAID} for clip in "ab"])
    with pytest.raises(
        CaptionError, match=r"none of its 2 captions can be used \(2 without any description\); look at them with"
    ):
        joined(tmp_path, ["a", "b"])


def test_captions_of_a_file_of_other_content_are_told(tmp_path: Path) -> None:
    write_captions(tmp_path / "captions", [{"clip_id": "clip_0000"}, {"clip_id": "clip_0001", "sha256": "0" * 64}])
    folder = ShardFolder.open(write_shards(tmp_path / "shards", 2, seconds=1.0))
    captions = join_captions(tmp_path / "captions", folder.rows, np.arange(2))
    assert captions.counts.clips_of_other_content == 1
    assert any(
        "captions of a file or segment of other content (sha256, start_s, end_s)" in line
        for line in captions.counts.lines()
    )


@pytest.mark.parametrize(
    ("segment", "others"),
    [((2.0, 4.0), 0), ((2.0001, None), 0), ((2.0, 5.0), 1), ((0.0, 4.0), 1), ((None, None), 1), ((None, 4.0), 1)],
)
def test_captions_of_another_segment_of_the_file_are_told(
    tmp_path: Path, segment: tuple[float | None, float | None], others: int
) -> None:
    start_s, end_s = segment
    write_captions(tmp_path, [{"clip_id": "a", "start_s": start_s, "end_s": end_s}])
    cut = shard_rows(["a"]).append_column("start_s", pa.array([2.0])).append_column("end_s", pa.array([4.0]))
    assert join_captions(tmp_path, cut, np.arange(1)).counts.clips_of_other_content == others


@pytest.mark.parametrize(
    ("rows", "rejected", "remedy"),
    [
        ([{"clip_id": "b"}, {"clip_id": "c"}, {"clip_id": "a", **NOTHING_SAID}], "bc", "rejects.parquet in the folder"),
        ([{"clip_id": "b"}, {"clip_id": "a", **NOTHING_SAID}, {"clip_id": "c", **NOTHING_SAID}], "b", "look at them w"),
    ],
)
def test_where_nothing_is_left_the_remedy_is_that_of_most_captions(
    tmp_path: Path, rows: list[dict[str, Any]], rejected: str, remedy: str
) -> None:
    write_captions(tmp_path, rows)
    reasons = rf"\({len(rejected)} of clips that `prepare` rejected, {3 - len(rejected)} without any description\)"
    with pytest.raises(CaptionError, match=rf"none of its 3 captions can be used {reasons}; {remedy}"):
        joined(tmp_path, ["a", "c"] if rejected == "b" else ["a"], rejected_clips=set(rejected))


def test_the_first_line_says_what_there_is_for_training(tmp_path: Path) -> None:
    write_captions(tmp_path / "a", [{"clip_id": f"clip_{number}", "seed": 1} for number in range(1200)])
    write_captions(tmp_path / "b", [{"clip_id": "clip_0", "seed": 2}])
    captions = joined(tmp_path, [f"clip_{number}" for number in range(2400)], train=range(1000, 1800))
    assert next(captions.counts.lines()) == (
        f"2 caption datasets in {tmp_path}: 1,201 captions of 1,200 clips; "
        "200 of 800 training clips (25%) have captions"
    )


def test_counts_are_json_and_add_up(tmp_path: Path) -> None:
    write_captions(tmp_path / "a", [*({"clip_id": clip} for clip in "abx"), {"clip_id": "c", **NOTHING_SAID}])
    write_captions(tmp_path / "b", [{"clip_id": "a"}])
    counts = joined(tmp_path, ["a", "b", "c"], allow_unknown=True).counts
    record = json.loads(json.dumps(counts.as_dict()))
    assert record["used"] + record["left_out"] == record["found"] == 5
    assert (record["copies"], record["of_unknown"], record["empty"], record["folder"]) == (1, 1, 1, str(tmp_path))
