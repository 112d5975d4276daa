"""Verdicts in a push: dropped captions stay behind, fixed ones replace, all verdicts go along without names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard

from tests.support.hub_server import HubServer
from tests.support.local_hub import local_hub
from tests.support.pushed_run import REPO, as_published, metadata_of, pushed, rows_of, small_run
from tests.support.run_folder import MADE_AT, caption_row, reject_row, verdict_row, write_run_folder
from vaemo_annotate.published import tables
from vaemo_annotate.published.verdicts import ANNOTATORS_FILE
from vaemo_annotate.push_command import summary_lines
from vaemo_clips.caption import caption_digest
from vaemo_clips.errors import CaptionError, RunFolderError


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with local_hub(monkeypatch, tmp_path / "home") as server:
        yield server


def test_dropped_captions_stay_behind_and_fixed_ones_replace(hub: HubServer, tmp_path: Path) -> None:
    verdicts = [
        verdict_row("clip_000", "drop"),
        verdict_row("clip_001", "fixed", fixed_description="Calm, not joyful."),
        verdict_row("clip_002", "keep"),
        verdict_row("clip_of_another_run", "drop"),
    ]
    result = pushed(small_run(tmp_path, num_accepted=4, verdicts=verdicts))

    fixed = {**caption_row(1), "affect_description": "Calm, not joyful."}
    assert rows_of(hub.repos[REPO]) == [as_published(row) for row in (fixed, caption_row(2), caption_row(3))]
    assert (result.tally.accepted, result.tally.dropped, result.tally.fixed) == (4, 1, 1)
    assert "left out 1 of the 4 accepted captions and rewrote `affect_description` in 1 of the 3" in result.card
    assert "\n3 English captions" in result.card


def test_a_batch_that_is_wholly_dropped_leaves_no_empty_row_group(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BATCH_ROWS", 1)
    pushed(small_run(tmp_path, verdicts=[verdict_row("clip_000", "drop")]))
    content = hub.repos[REPO].files["data/accepted-00000-of-00001.parquet"].content
    metadata = pq.ParquetFile(pa.BufferReader(content)).metadata
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [1, 1]


def test_a_verdict_is_on_one_sample_of_a_clip(hub: HubServer, tmp_path: Path) -> None:
    samples = [caption_row(0, sample_index=0), caption_row(0, sample_index=1)]
    verdicts = [verdict_row("clip_000", "drop", sample_index=1)]
    pushed(write_run_folder(tmp_path, accepted=samples, verdicts=verdicts, settings={"samples": 2}))
    assert rows_of(hub.repos[REPO]) == [as_published(samples[0])]


def test_the_latest_verdict_counts(hub: HubServer, tmp_path: Path) -> None:
    timeless = verdict_row("clip_000", "fixed", at=None, fixed_description="old")
    verdicts = [verdict_row("clip_000", "keep"), timeless]
    pushed(small_run(tmp_path, num_accepted=1, verdicts=verdicts))
    assert rows_of(hub.repos[REPO]) == [as_published(caption_row(0))]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"verdict": "maybe"}, "it must be one of keep, drop, fixed"),
        ({"verdict": "fixed", "fixed_description": None}, "stands exactly where the verdict is fixed"),
    ],
)
def test_a_verdict_that_says_nothing_is_refused(tmp_path: Path, changes: dict[str, Any], rule: str) -> None:
    out = small_run(tmp_path, verdicts=[{**verdict_row("clip_000", "keep"), **changes}])
    with pytest.raises(CaptionError, match=rule):
        pushed(out, dry_run=True)


def test_people_outrank_software(hub: HubServer, tmp_path: Path) -> None:
    verdicts = [
        verdict_row("clip_000", "drop", by="check"),
        verdict_row("clip_000", "keep", by="ann"),
        verdict_row("clip_001", "keep", by="check"),
        verdict_row("clip_001", "drop", by="ann"),
    ]
    pushed(small_run(tmp_path, verdicts=verdicts))
    assert [row["clip_id"] for row in rows_of(hub.repos[REPO])] == ["clip_000", "clip_002"]


def test_all_verdicts_go_along_and_name_nobody(hub: HubServer, tmp_path: Path) -> None:
    later = MADE_AT + timedelta(hours=1)
    verdicts = [
        verdict_row("clip_000", "drop", by="check", reasons=["leak.label"], scores=[("leak.words", 2.0)]),
        verdict_row("clip_001", "fixed", by="Zoë Zimmer", fixed_description="Calm, not joyful."),
        verdict_row("clip_001", "keep", by="Ann Abel", at=later),
        verdict_row("clip_of_another_run", "drop", by="Bob"),
    ]
    result = pushed(small_run(tmp_path / "run", verdicts=verdicts))
    rows = rows_of(hub.repos[REPO], "verdicts")
    assert [(row["by"], row["verdict"]) for row in rows] == [
        ("check", "drop"), ("annotator-1", "fixed"), ("annotator-2", "keep"),
    ]  # fmt: skip
    assert rows[0]["reasons"] == ["leak.label"]
    assert rows[0]["scores"] == [{"name": "leak.words", "value": 2.0}]
    assert (rows[1]["fixed_description"], rows[1]["at"]) == ("Calm, not joyful.", MADE_AT)
    assert result.tally.strange == 1
    assert "1 verdicts are on captions that this run does not hold; they are left out" in result.notes
    published = b"".join(blob.content for blob in hub.repos[REPO].files.values()) + result.card.encode()
    for name in (b"Zimmer", b"Abel", ANNOTATORS_FILE.encode()):
        assert name not in published


def test_a_pseudonym_stays_the_same_when_others_join(hub: HubServer, tmp_path: Path) -> None:
    pushed(small_run(tmp_path / "run", verdicts=[verdict_row("clip_000", "keep", by="zoe")]))
    earlier = MADE_AT - timedelta(days=1)
    verdicts = [verdict_row("clip_000", "keep", by="ann", at=earlier), verdict_row("clip_000", "keep", by="zoe")]
    pushed(small_run(tmp_path / "later", verdicts=verdicts), dry_run=True)
    (tmp_path / "run" / ANNOTATORS_FILE).rename(tmp_path / "later" / ANNOTATORS_FILE)
    pushed(tmp_path / "later")
    assert [row["by"] for row in rows_of(hub.repos[REPO], "verdicts")] == ["annotator-2", "annotator-1"]
    assert json.loads((tmp_path / "later" / ANNOTATORS_FILE).read_text()) == {
        "zoe": "annotator-1",
        "ann": "annotator-2",
    }


def test_a_pseudonym_is_never_given_twice(hub: HubServer, tmp_path: Path) -> None:
    verdicts = [verdict_row("clip_000", "keep", by=name) for name in ("ann", "bob", "zoe")]
    out = small_run(tmp_path / "run", verdicts=verdicts)
    (out / ANNOTATORS_FILE).write_text(json.dumps({"bob": "annotator-2", "zoe": "annotator-3"}))
    pushed(out)
    assert [row["by"] for row in rows_of(hub.repos[REPO], "verdicts")] == ["annotator-4", "annotator-2", "annotator-3"]


def test_what_a_model_replied_is_nowhere_in_a_push(hub: HubServer, tmp_path: Path) -> None:
    steps = [{**caption_row(0)["steps"][0], "reply": "She names the ZEBRA."}]
    accepted = [caption_row(0, steps=steps, affect_description="She names the ZEBRA."), caption_row(1, steps=steps)]
    rejected = [reject_row(9, "refusal", "it refused", steps=steps)]
    verdicts = [verdict_row("clip_000", "fixed", by="ann", fixed_description="She names an animal.")]
    pushed(write_run_folder(tmp_path, accepted=accepted, rejected=rejected, verdicts=verdicts))
    rows = rows_of(hub.repos[REPO]) + rows_of(hub.repos[REPO], "rejects")
    assert "ZEBRA" not in str(rows) + hub.repos[REPO].files["README.md"].content.decode()
    assert [sorted(row["steps"][0]) for row in rows] == [sorted(set(steps[0]) - {"reply"})] * 3
    assert rows[0]["affect_description"] == "She names an animal."


def test_a_text_that_does_not_count_is_not_published(hub: HubServer, tmp_path: Path) -> None:
    later = MADE_AT + timedelta(hours=1)
    verdicts = [
        verdict_row("clip_000", "fixed", by="ann", fixed_description="An early try."),
        verdict_row("clip_000", "fixed", by="bob", fixed_description="It counts.", at=later),
        verdict_row("clip_001", "fixed", by="ann", fixed_description="Somebody dropped it."),
        verdict_row("clip_001", "drop", by="bob"),
    ]
    pushed(small_run(tmp_path, verdicts=verdicts))
    rows = rows_of(hub.repos[REPO], "verdicts")
    assert [row["fixed_description"] for row in rows] == [None, "It counts.", None, None]
    assert [row["verdict"] for row in rows] == ["fixed", "fixed", "fixed", "drop"]


def test_a_dry_run_leaves_the_run_as_it_was(tmp_path: Path) -> None:
    out = small_run(tmp_path, verdicts=[verdict_row("clip_000", "keep", by="ann")])
    before = sorted(path.name for path in out.iterdir())
    pushed(out, dry_run=True)
    assert sorted(path.name for path in out.iterdir()) == before


def test_a_verdict_on_other_words_stops_the_push(hub: HubServer, tmp_path: Path) -> None:
    fresh = verdict_row("clip_000", "keep", by="check", caption_sha256=caption_digest(caption_row(0)))
    stale = [verdict_row("clip_001", word, by=by, caption_sha256="00" * 32) for word, by in
             (("keep", "check"), ("drop", "Ann Abel"))]  # fmt: skip
    assert pushed(small_run(tmp_path / "fresh", verdicts=[fresh])).pushed is not None
    before = hub.repos[REPO].sha
    told = (
        r"2 verdicts are on captions that read otherwise .* run `vaemo-annotate check .*stale` again, then "
        r"`vaemo-annotate review .*stale --annotator 'Ann Abel'` for the 1 of Ann Abel: each is asked for again"
    )
    with pytest.raises(RunFolderError, match=told):
        pushed(small_run(tmp_path / "stale", verdicts=[fresh, *stale]))
    assert hub.repos[REPO].sha == before


def test_a_persons_verdict_on_other_words_counts_for_nothing_beside_a_fresh_one(hub: HubServer, tmp_path: Path) -> None:
    fresh = verdict_row("clip_000", "keep", by="check", caption_sha256=caption_digest(caption_row(0)))
    stale = verdict_row("clip_000", "drop", by="gone", caption_sha256="00" * 32)
    pushed(small_run(tmp_path, num_accepted=1, verdicts=[fresh, stale]))
    assert [row["clip_id"] for row in rows_of(hub.repos[REPO], "accepted")] == ["clip_000"]
    assert [row["by"] for row in rows_of(hub.repos[REPO], "verdicts")] == ["check"]


def test_agreement_of_people_stands_in_the_card(tmp_path: Path) -> None:
    words = {"ann": ("keep", "drop", "drop"), "bob": ("keep", "drop", "keep"), "check": ("drop", "keep", "keep")}
    verdicts = [
        verdict_row(f"clip_00{number}", word, by=by) for by, said in words.items() for number, word in enumerate(said)
    ]
    card = pushed(small_run(tmp_path, verdicts=verdicts), dry_run=True).card
    # coincidences: keep-keep 2, drop-drop 2, keep-drop 2; D_o = 2/6, D_e = 2 * 3 * 3 / (6 * 5)
    assert "2 people judged 3 captions two or more at a time: of 67%" in card
    assert "0 is chance, 1 is agreement): 0.44." in card


def test_verdicts_of_an_earlier_push_are_removed_with_the_next(hub: HubServer, tmp_path: Path) -> None:
    pushed(small_run(tmp_path / "one", verdicts=[verdict_row("clip_000", "keep")]))
    result = pushed(small_run(tmp_path / "two"))
    assert result.pushed is not None
    assert result.pushed.removed == ("data/verdicts-00000-of-00001.parquet",)
    assert "  removed, of an earlier push: data/verdicts-00000-of-00001.parquet" in list(summary_lines(result))
    assert "verdicts" not in [config["config_name"] for config in metadata_of(DatasetCard(result.card))["configs"]]
