"""The card of a pushed run: every number is the run's, and no text of it breaks the page."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.support.pushed_run import HOSTILE, REPO, metadata_of, pushed, small_run, table_cells
from tests.support.run_folder import PROMPT_SHA256, PROMPT_TEXT, caption_row, reject_row, run_json, verdict_row
from vaemo_annotate.card import size_category
from vaemo_annotate.probes.ablation_files import write_ablation
from vaemo_annotate.probes.ablation_row import ROW_SCHEMA
from vaemo_annotate.publication import stage_publication
from vaemo_annotate.published.columns import COLUMN_MEANINGS, EXTRA_MEANING, MEDIA_MEANINGS, VERDICT_MEANINGS
from vaemo_annotate.published.markdown import code, fenced, inline
from vaemo_annotate.published.media import MEDIA_SCHEMA
from vaemo_annotate.published.verdicts import PUBLISHED_SCHEMA
from vaemo_annotate.push_command import summary_lines
from vaemo_clips.caption import caption_digest, reject_schema
from vaemo_clips.errors import RunFolderError

CHECK = {
    "captions": 3, "kept": 2, "dropped": 1, "flagged": 1, "seconds": 3.5,
    "rules": {"path": "/home/alice/rules.yaml", "sha256": "ab" * 32},
    "reasons": {
        "leak.transcript": {"action": "drop", "captions": 1, "dropped": 1, "example": {"clip_id": "clip_001"}},
        "leak.gender": {"action": "off", "captions": 0},
    },
    "settings": {"form": {"min_words": {"visual": 8, "affect": 6}, "languages": ["en", "de"]},
                 "actions": {"leak.transcript": "drop"}, "names": {"file": "/home/alice/names.yaml"}},
}  # fmt: skip
ABLATION = {"model": "Qwen/Qwen2.5-Omni-7B", "rates": [{"kind": "muted", "share": 0.125}]}


def test_every_number_of_the_card_is_the_runs(tmp_path: Path) -> None:
    card = DatasetCard(pushed(small_run(tmp_path, num_accepted=6), dry_run=True).card)

    metadata = metadata_of(card)
    assert metadata["license"] == "other"
    assert metadata["language"] == "en"
    assert metadata["size_categories"] == "n<1K"
    assert {"emotion", "affective-computing", "vaemo"} <= set(metadata["tags"])
    assert [config["config_name"] for config in metadata["configs"] if config.get("default")] == ["captions"]
    cells = {row[0]: row[1:] for row in table_cells(card.text)}
    assert cells["Accepted captions"] == ["6", "75.0%"]
    assert cells["Rejected: truncated"] == cells["Rejected: undecodable"] == ["1", "12.5%"]
    assert cells["Prompt"] == ["cot_v2, version 2.0"]
    assert cells["Prompt SHA-256"] == [PROMPT_SHA256]
    assert cells["Model"] == ["Qwen/Qwen2.5-Omni-7B"]
    assert cells["Model revision"] == ["not recorded"]
    assert cells["Sampling"] == ["temperature 0.7, top_p 0.9, max_tokens 512"]
    assert (cells["Seed"], cells["Samples per clip"]) == (["7"], ["1"])
    assert "Tokens: 123,456 in prompts (65,432 of them cached), 7,890 in completions." in card.text
    assert f'load_dataset("{REPO}", "rejects", split="train")' in card.text
    assert "authors of VAEmo released no code" in card.text


def test_a_chosen_licence_stands_in_the_card(tmp_path: Path) -> None:
    card = pushed(small_run(tmp_path), dry_run=True, license_id="cc-by-nc-4.0").card
    assert metadata_of(DatasetCard(card))["license"] == "cc-by-nc-4.0"
    assert "No licence was chosen" not in card


def test_the_card_names_the_part_of_a_run_that_it_is(tmp_path: Path) -> None:
    settings = {"shard": {"index": 2, "count": 8}, "limit": 4000, "samples": 3}
    cells = dict(row[:2] for row in table_cells(pushed(small_run(tmp_path, settings=settings), dry_run=True).card))
    assert (cells["Shard"], cells["Limit"], cells["Samples per clip"]) == ("2 of 8", "4,000 clips", "3")
    assert cells["Seed"] == "not recorded"


def test_text_of_the_run_cannot_break_the_card(tmp_path: Path) -> None:
    accepted = [caption_row(0, affect_description=HOSTILE, emotions=["a | b", "`"])]
    prompt = {"name": HOSTILE, "version": HOSTILE, "sha256": "0", "description": HOSTILE}
    out = small_run(tmp_path, accepted=accepted, prompt=prompt, extra_fields=[pa.field("a|`b", pa.string())])
    card = DatasetCard(pushed(out, dry_run=True).card)

    assert metadata_of(card)["license"] == "other"
    rows = table_cells(card.text)
    assert {len(row) for row in rows} == {2, 3}
    cells = {row[0]: row[1:] for row in rows}
    one_line = " ".join(HOSTILE.split())
    assert cells["affect_description"] == [one_line]
    assert cells["emotions"] == ["a | b, `"]
    cut = one_line.replace("//e.org", "//server")
    assert cells["Prompt"] == [f"{cut}, version {cut}"]
    assert cells["About the prompt"] == [cut]
    assert "\n\nSettings and counts are in" in card.text  # and no prompt.yaml, for this prompt has no text
    assert cells["a|`b"] == ["string", EXTRA_MEANING]
    assert [line for line in card.text.splitlines() if line.startswith("#")] == [
        "# emo-captions",
        *("## " + name for name in ["Loading", "How it was made", "Counts", "Checks", "Columns", "Example"]),
        "## Limits and responsible use",
        "## Known biases",
        "## Licence",
        "## Citation",
    ]


@settings(max_examples=60)
@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_one_cell_of_plain_text(left: str, right: str) -> None:
    [_, cells] = table_cells(f"| a | b |\n| --- | --- |\n| x{inline(left)} | {code('y' + right)} |")
    shown, controls = cells[0].split(), dict.fromkeys([*range(0x20), *range(0x7F, 0xA0)], " ")
    assert shown == ("x" + " ".join(left.translate(controls).split())).split()
    assert len(cells) == 2


def test_every_column_has_one_meaning() -> None:
    assert list(COLUMN_MEANINGS) == reject_schema([]).names
    assert list(VERDICT_MEANINGS) == PUBLISHED_SCHEMA.names
    assert list(MEDIA_MEANINGS) == MEDIA_SCHEMA.names


@pytest.mark.parametrize(
    ("num_rows", "category"),
    [
        (0, "n<1K"),
        (999, "n<1K"),
        (1000, "1K<n<10K"),
        (9_999_999, "1M<n<10M"),
        (10**11, "100B<n<1T"),
        (10**12, "n>1T"),
    ],
)
def test_size_categories(num_rows: int, category: str) -> None:
    assert size_category(num_rows) == category


def test_a_run_of_measured_cues_claims_no_language_model(tmp_path: Path) -> None:
    out = small_run(tmp_path, engine={"name": "cues", "model": None}, prompt=run_json(0, {})["prompt"])
    card = pushed(out, dry_run=True).card
    assert "(measured cues put into words)" in card
    assert "no model was asked" in card
    assert "temperature" not in card
    assert "language model" not in card


def test_the_whole_prompt_stands_in_the_card_whatever_it_holds(tmp_path: Path) -> None:
    assert fenced(PROMPT_TEXT, "yaml") in pushed(small_run(tmp_path / "plain"), dry_run=True).card
    text = "name: x\nsystem: |\n  ```\n  # not a heading\n  ````json\n  <script>\n"
    prompt = {**run_json(0, {})["prompt"], "text": text}
    card = pushed(small_run(tmp_path / "hostile", prompt=prompt), dry_run=True).card
    [shown] = [token.content for token in MarkdownIt("commonmark").parse(card) if token.info == "yaml"]
    assert shown == text


def test_a_run_that_was_never_checked_says_so(tmp_path: Path) -> None:
    result = pushed(small_run(tmp_path), dry_run=True)
    assert "> **These captions were never checked.**" in result.card
    [note] = result.notes
    assert note.startswith("these captions were never checked")


def test_the_card_tells_what_the_check_looked_for_and_removed(tmp_path: Path) -> None:
    verdicts = [verdict_row(f"clip_00{n}", word, by="check") for n, word in enumerate(("keep", "drop", "keep"))]
    out = small_run(tmp_path, verdicts=verdicts)
    (out / "check.json").write_text(json.dumps(CHECK), encoding="utf-8")
    result = pushed(out, dry_run=True)
    cells = {row[0]: row[1:] for row in table_cells(result.card)}
    assert "read 3 captions: it kept 2 (1 of them flagged) and dropped 1" in result.card
    assert cells["leak.transcript"] == ["drop", "1", "1"]
    assert "leak.gender" not in cells, "it was not looked for"
    assert cells["form"] == ["min_words (visual 8, affect 6), languages (2 entries)"]
    assert "All 3 accepted captions were checked; 3 verdicts are in `verdicts`." in result.card
    assert "check.json" in [file.path for file in result.files]
    assert "/home/alice" not in result.card
    assert result.notes == ()


def test_captions_that_came_after_the_check_are_counted(tmp_path: Path) -> None:
    result = pushed(small_run(tmp_path, verdicts=[verdict_row("clip_000", "keep", by="check")]), dry_run=True)
    assert "**2 of 3 captions were not checked**" in result.card
    assert result.notes == ("2 of 3 captions were not checked; run `vaemo-annotate check` again",)


def test_canaries_and_ablation_stand_in_the_card(tmp_path: Path) -> None:
    told = {"mode": "warn", "asked": 1, "outcomes": {"silence": {"passed": True, "reply": "x" * 500, "share": 0.25}}}
    out = small_run(tmp_path / "run", canaries=told)
    (out / "ablation.json").write_text(json.dumps(ABLATION), encoding="utf-8")
    result = pushed(out, dry_run=True)
    cells = {row[0]: row[1:] for row in table_cells(result.card)}
    assert (cells["outcomes.silence.passed"], cells["outcomes.silence.share"]) == (["True"], ["0.25"])
    assert cells["rates.muted.share"] == ["0.125"]
    assert "outcomes.silence.reply" not in cells
    unasked = small_run(tmp_path / "unasked", canaries={"mode": "stop", "asked": 0, "outcomes": {}})
    assert "Canaries" not in pushed(unasked, dry_run=True).card


def test_an_ablation_of_another_model_stays_out_of_the_card(tmp_path: Path) -> None:
    out = small_run(tmp_path, verdicts=[verdict_row(f"clip_00{n}", "keep", by="check") for n in range(3)])
    (out / "ablation.json").write_text(json.dumps({**ABLATION, "model": "other/model"}), encoding="utf-8")
    result = pushed(out, dry_run=True)
    assert "rates.muted" not in result.card
    assert result.notes == (
        "ablation.json is of model other/model, the captions are of Qwen/Qwen2.5-Omni-7B; it is left out; run "
        "`vaemo-annotate check --ablate` again",
    )


def test_an_ablation_of_captions_that_changed_stays_out_of_the_card(tmp_path: Path) -> None:
    out = small_run(tmp_path, verdicts=[verdict_row(f"clip_00{n}", "keep", by="check") for n in range(3)])
    row = {"clip_id": "clip_000", "sample_index": 0, "kind": "muted"}
    for digest, is_told in ((caption_digest(caption_row(0)), True), ("00" * 32, False)):
        write_ablation(out, [], ABLATION)
        rows = [dict.fromkeys(ROW_SCHEMA.names) | row | {"caption_sha256": digest}]
        pq.write_table(pa.Table.from_pylist(rows, schema=ROW_SCHEMA), out / "ablation.parquet")
        result = pushed(out, dry_run=True)
        assert ("rates.muted" in result.card) == is_told
    [note] = result.notes
    assert note.startswith("ablation.json is of 1 clips whose captions changed since; it is left out; run")


def test_nothing_of_the_run_names_hosts_folders_or_keys(tmp_path: Path) -> None:
    text = PROMPT_TEXT + "# kept at /home/alice/prompts/cot.yaml, tried on http://me:s3cret@gpu-07:8000/v1\n"
    prompt = {**run_json(0, {})["prompt"], "version": "2.0 of /home/alice/prompts/cot.yaml", "text": text}
    engine = {
        "name": "vllm",
        "model": "http://me:s3cret@gpu-07:8000/qwen",
        "model_revision": "file:/home/alice/qwen/main",
    }
    accepted = [caption_row(0, model=engine["model"], model_revision=engine["model_revision"])]
    out = small_run(tmp_path / "run", accepted=accepted, prompt=prompt, engine=engine)
    stage = tmp_path / "stage"
    stage.mkdir()
    found = stage_publication(out, stage, REPO, None, False)
    told = "".join(path.read_text() for path in stage.iterdir() if path.is_file())
    told += str([pq.read_table(path).to_pylist() for path in (stage / "data").iterdir()])
    for secret in ("alice", "s3cret", "gpu-07"):
        assert secret not in told, secret
    assert "http://server/qwen" in told
    assert "cot.yaml, tried on http://server/v1" in (stage / "prompt.yaml").read_text()
    assert (
        "the prompt named folders, hosts or keys, which are cut; its SHA-256 is still that of the whole" in found.notes
    )
    assert "of the whole, folders, hosts or keys in it are cut" in found.card
    assert not [note for note in pushed(small_run(tmp_path / "x"), dry_run=True).notes if "prompt" in note]


def test_what_people_said_is_left_out_and_who_they_are_is_hidden(tmp_path: Path) -> None:
    fields = [pa.field("Speaker", pa.int64()), pa.field("text", pa.string()), pa.field("label", pa.string())]
    people = {"Speaker": 1001, "text": "I never told him."}
    accepted = [caption_row(0, **people), caption_row(1, **people | {"Speaker": 7}), caption_row(2, **people)]
    rejected = [reject_row(9, "refusal", "no", **people | {"Speaker": 8}), reject_row(8, "refusal", "no", **people)]
    verdicts = [verdict_row("clip_000", "drop", by="check")]
    out = small_run(tmp_path, accepted=accepted, rejected=rejected, extra_fields=fields, verdicts=verdicts)
    (tmp_path / "stage").mkdir()
    found = stage_publication(out, tmp_path / "stage", REPO, None, False)
    captions, rejects = (pq.read_table(next((tmp_path / "stage" / "data").glob(f"{kind}-*"))).to_pylist()
                         for kind in ("accepted", "rejects"))  # fmt: skip
    assert [row["Speaker"] for row in captions] == ["speaker-2", "speaker-1"], "dropped captions count, so names stay"
    assert [row["Speaker"] for row in rejects] == ["speaker-3", "speaker-1"]
    assert "text" not in captions[0]
    assert "manifest column text says what is spoken in the clips: it is left out" in found.notes
    assert "since it says what is spoken in the clips: `text`" in found.card
    assert {row[0]: row[2] for row in table_cells(found.card) if len(row) == 3}["Speaker"].startswith(
        "Who speaks, from"
    )
    result = pushed(out, dry_run=True)
    assert "columns of the source manifest that are published: Speaker, label" in list(summary_lines(result))


@pytest.mark.parametrize(("name", "text"), [("check.json", "{"), ("check.json", "{}"), ("ablation.json", "[]")])
def test_results_of_a_check_that_cannot_be_read_are_named(tmp_path: Path, name: str, text: str) -> None:
    out = small_run(tmp_path, verdicts=[verdict_row("clip_000", "keep", by="check")])
    (out / name).write_text(text)
    with pytest.raises(RunFolderError, match=rf"{name} .*; run `vaemo-annotate check` again"):
        pushed(out, dry_run=True)


def test_known_biases_and_how_to_load_stand_in_the_card(tmp_path: Path) -> None:
    card = pushed(small_run(tmp_path, verdicts=[verdict_row("clip_000", "keep")]), dry_run=True).card
    assert "Such gaps are unknown here, not absent." in card
    assert f'verdicts = load_dataset("{REPO}", "verdicts", split="train")' in card
    configs = [config["config_name"] for config in metadata_of(DatasetCard(card))["configs"]]
    assert configs == ["captions", "verdicts", "rejects"]
