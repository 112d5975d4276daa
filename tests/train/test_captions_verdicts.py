"""What verdicts beside a caption dataset do to its captions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.caption_folders import shard_rows, write_captions, write_verdicts
from vaemo_clips.caption import caption_digest
from vaemo_clips.errors import CaptionError
from vaemo_clips.verdict import Verdict
from vaemo_train.captions.caption import Caption, read_captions
from vaemo_train.captions.found import find_caption_datasets
from vaemo_train.captions.joined import Captions, join_captions
from vaemo_train.captions.verdicts import read_verdicts

CLIPS = ["a", "b", "c"]
FIX = {"verdict": "fixed", "fixed_description": " Mended. "}
EARLY, LATE = datetime(2026, 5, 1, tzinfo=UTC), datetime(2026, 5, 2, tzinfo=UTC)


def judged(folder: Path, *verdicts: dict[str, Any], samples: int = 1) -> Captions:
    """Captions of clips a, b and c under these verdicts."""
    rows = [{"clip_id": clip, "sample_index": sample} for clip in CLIPS for sample in range(samples)]
    write_verdicts(write_captions(folder, rows), verdicts)
    return joined(folder)


def joined(folder: Path) -> Captions:
    """The captions below `folder`, all of clips of the shards."""
    rows = shard_rows(CLIPS)
    return join_captions(folder, rows, pa.array(range(len(CLIPS))).to_numpy())


def affect_of(captions: Captions, clip_id: str) -> list[str]:
    """The affect descriptions of a clip."""
    pairs = zip(captions.clip_of["affect"].tolist(), captions.text_of["affect"].tolist(), strict=True)
    return [captions.texts[text] for clip, text in pairs if clip == clip_id]


def only_caption(folder: Path) -> Caption:
    """The one caption of the one dataset below `folder`."""
    [dataset] = find_caption_datasets(folder)
    [caption] = read_captions(dataset)
    return caption


def test_without_the_file_every_caption_counts(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": clip} for clip in CLIPS])
    [dataset] = find_caption_datasets(tmp_path)
    assert read_verdicts(dataset) == {}
    counts = joined(tmp_path).counts
    assert (counts.found, counts.used, counts.dropped, counts.fixed) == (3, 3, 0, 0)


def test_keep_changes_nothing(tmp_path: Path) -> None:
    assert judged(tmp_path / "judged", {"clip_id": "a", "verdict": "keep"}).counts.used == 3


def test_drop_leaves_the_caption_out_of_every_path(tmp_path: Path) -> None:
    captions = judged(tmp_path, {"clip_id": "b", "verdict": "drop"})
    assert all(set(captions.clip_of[path]) == {"a", "c"} for path in captions.clip_of)
    assert not any(text.startswith("b,") for text in captions.texts)
    assert "b" not in captions.emotions
    assert (captions.counts.dropped, captions.counts.left_out, captions.counts.used) == (1, 1, 2)
    assert "1 of 3 captions left out: 1 dropped by a verdict" in list(captions.counts.lines())


def test_drop_of_a_sample_leaves_the_others(tmp_path: Path) -> None:
    captions = judged(tmp_path, {"clip_id": "b", "verdict": "drop", "sample_index": 1}, samples=2)
    assert affect_of(captions, "b") == ["b, sample 0: affect"]
    assert affect_of(captions, "a") == ["a, sample 0: affect", "a, sample 1: affect"]


def test_fixed_replaces_the_affect_description_alone(tmp_path: Path) -> None:
    captions = judged(tmp_path, {"clip_id": "b", **FIX})
    assert affect_of(captions, "b") == ["Mended."]
    assert "b, sample 0: affect" not in captions.texts
    assert {"b, sample 0: visual", "b, sample 0: acoustic"} <= set(captions.texts)
    assert captions.counts.fixed == 1
    assert "1 affect description as fixed by a verdict" in list(captions.counts.lines())


def test_of_two_verdicts_on_a_caption_the_later_counts_wherever_it_stands(tmp_path: Path) -> None:
    late: dict[str, Any] = {"clip_id": "a", "verdict": "keep", "at": LATE}
    early: dict[str, Any] = {"clip_id": "a", "verdict": "drop", "at": EARLY}
    unknown: dict[str, Any] = {"clip_id": "a", "verdict": "drop", "at": None}
    for number, order in enumerate([(late, early, unknown), (unknown, early, late), (early, late, unknown)]):
        assert judged(tmp_path / str(number), *order).counts.dropped == 0


def test_a_verdict_on_one_copy_of_a_caption_is_on_all_copies(tmp_path: Path) -> None:
    rows = [{"clip_id": clip} for clip in CLIPS]
    for name in ("first", "second", "third"):
        write_captions(tmp_path / name, rows)
    write_verdicts(tmp_path / "second", [{"clip_id": "a", "verdict": "drop"}, {"clip_id": "b", **FIX, "at": EARLY}])
    write_verdicts(tmp_path / "third", [{"clip_id": "b", "verdict": "keep", "at": LATE}])
    captions = joined(tmp_path)
    assert "a" not in captions.emotions
    assert affect_of(captions, "b") == ["b, sample 0: affect"]
    assert (captions.counts.found, captions.counts.copies, captions.counts.dropped) == (9, 6, 1)


def test_verdicts_are_read_as_they_stand(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": "a"}])
    write_verdicts(tmp_path, [{"clip_id": "a", **FIX, "at": LATE}])
    [dataset] = find_caption_datasets(tmp_path)
    verdict = Verdict("a", 0, "fixed", by="review", at=LATE, fixed_description=" Mended. ")
    assert read_verdicts(dataset) == {("a", 0): (verdict,)}
    assert only_caption(tmp_path).verdict == verdict


def test_a_person_outranks_the_software_and_of_people_the_majority_counts(tmp_path: Path) -> None:
    software = {"clip_id": "a", "verdict": "drop", "by": "check", "at": LATE}
    kept = [{"clip_id": "a", "verdict": "keep", "by": name, "at": EARLY} for name in ("ann", "bea")]
    against = [{"clip_id": "a", "verdict": "drop", "by": name, "at": EARLY} for name in ("cem", "dan")]
    assert judged(tmp_path / "software", software).counts.dropped == 1
    assert judged(tmp_path / "person", software, kept[0]).counts.dropped == 0
    assert judged(tmp_path / "majority", software, *kept, against[0]).counts.dropped == 0
    assert judged(tmp_path / "tie", *kept, *against).counts.dropped == 1


def test_verdicts_on_all_copies_decide_together(tmp_path: Path) -> None:
    for name, by, word, at in (("first", "ann", "keep", EARLY), ("second", "check", "drop", LATE)):
        write_captions(tmp_path / name, [{"clip_id": clip} for clip in CLIPS])
        write_verdicts(tmp_path / name, [{"clip_id": "a", "verdict": word, "by": by, "at": at}])
    assert joined(tmp_path).counts.dropped == 0


def test_a_verdict_on_the_words_that_stand_there_counts(tmp_path: Path) -> None:
    write_captions(tmp_path, [{"clip_id": clip} for clip in CLIPS])
    [dataset] = find_caption_datasets(tmp_path)
    digest = caption_digest(dataset.rows.to_pylist()[0])
    write_verdicts(tmp_path, [{"clip_id": "a", "verdict": "drop", "caption_sha256": digest}])
    assert joined(tmp_path).counts.dropped == 1


@pytest.mark.parametrize(("by", "command"), [("check", "check"), ("ann", "review")])
def test_a_verdict_on_other_words_is_refused_with_who_can_renew_it(tmp_path: Path, by: str, command: str) -> None:
    pattern = (
        rf"on clip 'a', sample 0, by '{by}', is on other words than .* now; run `vaemo-annotate {command} .*` again"
    )
    with pytest.raises(CaptionError, match=pattern):
        judged(tmp_path, {"clip_id": "a", "verdict": "keep", "by": by, "caption_sha256": "0" * 64})


def test_a_stale_verdict_of_the_software_does_not_matter_where_a_person_judged(tmp_path: Path) -> None:
    stale = {"clip_id": "a", "verdict": "keep", "by": "check", "caption_sha256": "0" * 64}
    assert judged(tmp_path, stale, {"clip_id": "a", "verdict": "drop"}).counts.dropped == 1


def test_a_stale_verdict_of_a_person_does_not_matter_where_the_software_judged_the_present_words(
    tmp_path: Path,
) -> None:
    stale = {"clip_id": "a", "verdict": "keep", "by": "ann", "caption_sha256": "0" * 64}
    assert judged(tmp_path, stale, {"clip_id": "a", "verdict": "drop", "by": "check"}).counts.dropped == 1


def test_where_all_are_stale_the_check_is_what_renews_them(tmp_path: Path) -> None:
    stale = [{"clip_id": "a", "verdict": "keep", "by": by, "caption_sha256": "0" * 64} for by in ("ann", "check")]
    with pytest.raises(CaptionError, match=r"by 'check', is on other words than .*; run `vaemo-annotate check .*again"):
        judged(tmp_path / "a run", *stale)


@pytest.mark.parametrize("text", [None, "", "  \n"])
def test_fixed_without_a_description_is_refused(tmp_path: Path, text: str | None) -> None:
    pattern = r"verdicts.parquet: the verdict on clip 'a', sample 0, is 'fixed' with fixed_description .*; mend"
    with pytest.raises(CaptionError, match=pattern):
        judged(tmp_path, {"clip_id": "a", "verdict": "fixed", "fixed_description": text})


@pytest.mark.parametrize("word", ["Drop", "maybe", None])
def test_another_word_is_refused(tmp_path: Path, word: str | None) -> None:
    pattern = rf"the verdict on clip 'c', sample 0, is {word!r}; it must be one of keep, drop, fixed; mend the file"
    with pytest.raises(CaptionError, match=pattern):
        judged(tmp_path, {"clip_id": "c", "verdict": word})


@pytest.mark.parametrize("key", [{"clip_id": "gone"}, {"clip_id": "a", "sample_index": 3}])
def test_a_verdict_on_a_caption_that_is_not_there_is_refused_by_its_name(tmp_path: Path, key: dict[str, Any]) -> None:
    clip, sample = key["clip_id"], key.get("sample_index", 0)
    pattern = rf"dataset does not have 1 \(the first: clip '{clip}', sample {sample}\).*`vaemo-annotate check"
    with pytest.raises(CaptionError, match=pattern):
        judged(tmp_path, {**key, "verdict": "keep"})


def test_a_file_that_is_no_table_of_verdicts_is_refused(tmp_path: Path) -> None:
    run = write_captions(tmp_path, [{"clip_id": "a"}])
    [dataset] = find_caption_datasets(run)
    (run / "verdicts.parquet").write_bytes(b"drop a")
    with pytest.raises(CaptionError, match=r"verdicts.parquet cannot be read \(.*\); mend it, or delete it and check"):
        read_verdicts(dataset)


def test_a_table_with_no_more_than_captions_and_verdicts_is_enough(tmp_path: Path) -> None:
    run = write_captions(tmp_path, [{"clip_id": clip} for clip in CLIPS])
    pq.write_table(pa.table({"clip_id": ["a"], "verdict": ["drop"]}), run / "verdicts.parquet")
    assert joined(tmp_path).counts.dropped == 1


def test_all_captions_dropped_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(
        CaptionError,
        match=r"none of its 3 captions can be used \(3 dropped by a verdict\); look at the verdicts beside",
    ):
        judged(tmp_path, *({"clip_id": clip, "verdict": "drop"} for clip in CLIPS))
