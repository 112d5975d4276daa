"""Pushing a run to a local Hub and reading it back."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard, HfApi
from huggingface_hub.errors import RepositoryNotFoundError
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tests.support.hub_server import HubServer, Repo
from tests.support.run_folder import (
    PROMPT_SHA256,
    PROMPT_TEXT,
    caption_row,
    reject_row,
    run_json,
    verdict_row,
    write_run_folder,
)
from vaemo_annotate import publication
from vaemo_annotate.card import COLUMN_MEANINGS, EXTRA_MEANING, code, inline, size_category
from vaemo_annotate.hub import PushResult, push
from vaemo_annotate.publication import without_folders
from vaemo_annotate.published_run import portable_name
from vaemo_clips.caption import reject_schema
from vaemo_clips.errors import RunFolderError, ServerError, UserError

TOKEN = "hf_annSecretToken"
REPO = "ann/emo-captions"
HOSTILE = (
    "---\nlicense: mit\n---\n| a | b |\n<script>x</script> `code` *b* [x](http://e.org) ![i](y) \\| &lt; $z$ ~~s~~ #1"
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    """A local Hub that this process takes for the Hub; its user `ann` is logged in."""
    with HubServer(tokens={TOKEN: "ann", "hf_bob": "bob"}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        # huggingface_hub read its environment when it was imported
        constants = huggingface_hub.constants
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
        monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(tmp_path / "harnesses.json"))
        yield server


def small_run(out: Path, num_accepted: int = 3, **changes: Any) -> Path:
    """A run with a few captions and two rejects."""
    rejected = [
        reject_row(90, "truncated", "the reply ended at 512 tokens"),
        reject_row(91, "undecodable", "'/home/alice/my clips/x.mp4': moov atom not found"),
    ]
    accepted = [caption_row(number) for number in range(num_accepted)]
    return write_run_folder(out, **{"accepted": accepted, "rejected": rejected, **changes})


def pushed(out: Path, **changes: Any) -> PushResult:
    """Push `out` for real, unless told otherwise."""
    return push(out, **{"repo": REPO, "private": False, "dry_run": False, **changes})


def rows_of(repo: Repo, kind: str = "accepted") -> list[dict[str, Any]]:
    """The rows in the repository's parquet files, in order."""
    paths = sorted(path for path in repo.files if path.startswith(f"data/{kind}-"))
    return [row for path in paths for row in pq.read_table(pa.BufferReader(repo.files[path].content)).to_pylist()]


def metadata_of(card: DatasetCard) -> dict[str, Any]:
    """The front matter as huggingface_hub reads it."""
    metadata: dict[str, Any] = card.data.to_dict()  # type: ignore[no-untyped-call]
    return metadata


def table_cells(card: str) -> list[list[str]]:
    """The tables of a card as a Markdown reader sees them: rows of plain text."""
    rows: list[list[str]] = []
    tokens = MarkdownIt("commonmark").enable("table").parse(card)
    for opener, content in itertools.pairwise(tokens):
        if opener.type == "tr_open":
            rows.append([])
        if opener.type in ("td_open", "th_open"):
            assert {child.type for child in content.children or ()} <= {"text", "text_special", "code_inline"}
            rows[-1].append("".join(child.content for child in content.children or ()))
    return rows


# The round trip.

LOAD = """
import sys
from datasets import load_dataset
from pathlib import Path
from vaemo_annotate.hub import push
folder, repo, out = sys.argv[1:]
push(Path(out), repo, private=True, dry_run=False)
load_dataset(repo)["train"].to_parquet(f"{folder}/captions.parquet")
load_dataset(repo, "rejects", split="train").to_parquet(f"{folder}/rejects.parquet")
"""


def test_load_dataset_gives_back_exactly_the_rows_of_the_run(hub: HubServer, tmp_path: Path) -> None:
    hostile: dict[str, Any] = {"affect_description": HOSTILE, "valence": None, "cues": [], "emotions": []}
    accepted = [caption_row(0), caption_row(1, **hostile)]
    rejected = [reject_row(9, "refusal", "I cannot describe people.")]
    out = write_run_folder(tmp_path / "run", accepted=accepted, rejected=rejected)

    environment = {**os.environ, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home")}
    environment.pop("HF_HUB_OFFLINE", None)
    command = [sys.executable, "-c", LOAD, str(tmp_path), REPO, str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "captions.parquet").to_pylist() == accepted
    assert pq.read_table(tmp_path / "rejects.parquet").to_pylist() == rejected
    assert TOKEN not in done.stdout + done.stderr


def test_a_push_is_one_commit_of_the_files_it_reports(hub: HubServer, tmp_path: Path) -> None:
    result = pushed(small_run(tmp_path))

    repo = hub.repos[REPO]
    assert len(repo.commits) == 2  # the Hub's own first commit, then ours
    assert {file.path: file.size_bytes for file in result.files} == {
        path: len(blob.content) for path, blob in repo.files.items() if path != ".gitattributes"
    }
    assert [file.path for file in result.files] == [
        "README.md",
        "data/accepted-00000-of-00001.parquet",
        "data/rejects-00000-of-00001.parquet",
        "prompt.yaml",
        "run.json",
    ]
    assert {path for path, blob in repo.files.items() if blob.is_lfs} == {f.path for f in result.files[1:3]}
    assert repo.files["README.md"].content.decode() == result.card
    assert repo.files["prompt.yaml"].content.decode() == PROMPT_TEXT
    assert result.url == f"{hub.url}/datasets/{REPO}"
    assert result.commit_url == f"{result.url}/commit/{repo.sha}"


def test_fewer_shards_remove_the_stale_ones_and_nothing_else(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "SHARD_BYTES", 1)
    monkeypatch.setattr(publication, "_BATCH_ROWS", 2)
    pushed(small_run(tmp_path / "large", num_accepted=5))
    many = [f"data/accepted-0000{index}-of-00003.parquet" for index in range(3)]
    assert [path for path in sorted(hub.repos[REPO].files) if "accepted" in path] == many
    assert [row["clip_id"] for row in rows_of(hub.repos[REPO])] == [f"clip_00{n}" for n in range(5)]

    api = HfApi(endpoint=hub.url)
    api.upload_file(path_or_fileobj=b"mine", path_in_repo="data/notes.md", repo_id=REPO, repo_type="dataset")
    pushed(small_run(tmp_path / "small", num_accepted=1))

    assert sorted(hub.repos[REPO].files) == [
        ".gitattributes",
        "README.md",
        "data/accepted-00000-of-00001.parquet",
        "data/notes.md",
        "data/rejects-00000-of-00001.parquet",
        "prompt.yaml",
        "run.json",
    ]
    assert len(rows_of(hub.repos[REPO])) == 1


def test_pushing_the_same_run_twice_changes_nothing(hub: HubServer, tmp_path: Path) -> None:
    out = small_run(tmp_path)
    first, second = pushed(out), pushed(out)

    assert first == second
    assert len(hub.repos[REPO].commits) == 2


def test_a_dry_run_contacts_nobody_and_plans_what_a_push_does(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = small_run(tmp_path)
    monkeypatch.delenv("HF_TOKEN")
    plan = pushed(out, dry_run=True)
    assert hub.requests == []
    assert plan.commit_url is None

    done = pushed(out, token=TOKEN)
    assert (plan.files, plan.card, plan.url) == (done.files, done.card, done.url)
    assert plan.size_bytes == sum(file.size_bytes for file in plan.files) > 0


@pytest.mark.parametrize("private", [True, False])
def test_private_arrives_at_the_hub(hub: HubServer, tmp_path: Path, private: bool) -> None:
    assert pushed(small_run(tmp_path), private=private).private is private
    assert hub.repos[REPO].private is private


def test_a_private_push_is_hidden_from_everybody_else(hub: HubServer, tmp_path: Path) -> None:
    pushed(small_run(tmp_path), private=True)
    ann, bob = (HfApi(endpoint=hub.url, token=token) for token in (TOKEN, "hf_bob"))
    assert (ann.whoami()["name"], bob.whoami()["name"]) == ("ann", "bob")
    assert ann.dataset_info(REPO).private
    with pytest.raises(RepositoryNotFoundError):
        bob.dataset_info(REPO)


def test_private_refuses_to_publish_into_a_public_repository(hub: HubServer, tmp_path: Path) -> None:
    hub.repos[REPO] = Repo(private=False)
    with pytest.raises(ServerError, match=r"exists on .* and is public, .* nothing was uploaded"):
        pushed(small_run(tmp_path), private=True)
    assert hub.repos[REPO].files == {}


# Verdicts.


def test_dropped_captions_stay_behind_and_fixed_ones_replace(hub: HubServer, tmp_path: Path) -> None:
    verdicts = [
        verdict_row("clip_000", "drop"),
        verdict_row("clip_001", "fixed", fixed_description="Calm, not joyful."),
        verdict_row("clip_002", "keep"),
        verdict_row("clip_of_another_run", "drop"),
    ]
    result = pushed(small_run(tmp_path, num_accepted=4, verdicts=verdicts))

    fixed = {**caption_row(1), "affect_description": "Calm, not joyful."}
    assert rows_of(hub.repos[REPO]) == [fixed, caption_row(2), caption_row(3)]
    assert (result.tally.accepted, result.tally.dropped, result.tally.fixed) == (4, 1, 1)
    assert "left out 1 of the 4 accepted captions and rewrote `affect_description` in 1 of the 3" in result.card
    assert "\n3 English captions" in result.card


def test_a_batch_that_is_wholly_dropped_leaves_no_empty_row_group(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publication, "_BATCH_ROWS", 1)
    pushed(small_run(tmp_path, verdicts=[verdict_row("clip_000", "drop")]))
    content = hub.repos[REPO].files["data/accepted-00000-of-00001.parquet"].content
    metadata = pq.ParquetFile(pa.BufferReader(content)).metadata
    assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [1, 1]


def test_a_verdict_is_on_one_sample_of_a_clip(hub: HubServer, tmp_path: Path) -> None:
    samples = [caption_row(0, sample_index=0), caption_row(0, sample_index=1)]
    verdicts = [verdict_row("clip_000", "drop", sample_index=1)]
    pushed(write_run_folder(tmp_path, accepted=samples, verdicts=verdicts, settings={"samples": 2}))
    assert rows_of(hub.repos[REPO]) == samples[:1]


def test_the_latest_verdict_counts(hub: HubServer, tmp_path: Path) -> None:
    timeless = verdict_row("clip_000", "fixed", at=None, fixed_description="old")
    verdicts = [verdict_row("clip_000", "keep"), timeless]
    pushed(small_run(tmp_path, num_accepted=1, verdicts=verdicts))
    assert rows_of(hub.repos[REPO]) == [caption_row(0)]


@pytest.mark.parametrize("changes", [{"verdict": "maybe"}, {"verdict": "fixed", "fixed_description": None}])
def test_a_verdict_that_says_nothing_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    out = small_run(tmp_path, verdicts=[{**verdict_row("clip_000", "keep"), **changes}])
    with pytest.raises(RunFolderError, match="it must be keep, drop, or fixed with a description"):
        pushed(out, dry_run=True)


# What must not leave the machine.


def test_no_path_host_key_or_user_of_the_machine_is_pushed(hub: HubServer, tmp_path: Path) -> None:
    accepted = [caption_row(0, label="/home/alice/labels/happy.txt", model="/home/alice/models/my-omni")]
    engine = {"name": "endpoint", "model": "/home/alice/models/my-omni"}
    result = pushed(small_run(tmp_path, accepted=accepted, engine=engine))

    repo = hub.repos[REPO]
    texts = [blob.content.decode() for path, blob in repo.files.items() if not blob.is_lfs]
    texts += [repr(row) for kind in ("accepted", "rejects") for row in rows_of(repo, kind)]
    for secret in ("alice", "gpu-07", "sk-very-secret", "my clips", str(tmp_path), TOKEN):
        assert not [text for text in texts if secret in text], secret
    assert result.shortened == {"label": 1, "model": 1, "reject_detail": 1}
    assert rows_of(repo)[0]["label"] == "happy.txt"
    assert json.loads(repo.files["run.json"].content)["engine"]["model"] == "my-omni"


def test_run_json_keeps_what_a_reader_needs(hub: HubServer, tmp_path: Path) -> None:
    pushed(small_run(tmp_path))
    assert json.loads(hub.repos[REPO].files["run.json"].content) == {
        "vaemo_version": "0.1.0",
        "complete": True,
        "pilot": False,
        "prompt": {
            "name": "cot_v2",
            "version": "2.0",
            "sha256": PROMPT_SHA256,
            "description": "Look, listen, then reason.",
        },
        "engine": {
            "name": "vllm",
            "model": "Qwen/Qwen2.5-Omni-7B",
            "model_revision": None,
            "server_version": "0.32.0",
        },
        "settings": {"seed": 7, "samples": 1, "shard": None, "limit": None},
        "counts": {
            "clips": 5,
            "accepted": 3,
            "rejected": 2,
            "rejects_by_reason": {"truncated": 1, "undecodable": 1},
        },
        "tokens": {"prompt": 123456, "cached": 65432, "completion": 7890},
        "started_at": "2026-05-04T12:00:00Z",
        "finished_at": "2026-05-04T12:30:00Z",
    }


@pytest.mark.parametrize(
    ("text", "shared"),
    [
        ("'/home/me/my clips/x.mp4': bad", "'x.mp4': bad"),
        ("cannot open /data/clips/x.mp4: no such file", "cannot open x.mp4: no such file"),
        (r"C:\Users\me\x.mp4 and file:///srv/y.wav", "x.mp4 and y.wav"),
        ("http://10.0.0.5:8000/v1/chat answered 500", "http://server/v1/chat answered 500"),
        ("valence is 3/4 and/or n/a; $.valence / 2", "valence is 3/4 and/or n/a; $.valence / 2"),
    ],
)
def test_reject_details_lose_folders_and_hosts_only(text: str, shared: str) -> None:
    assert without_folders(text) == shared


@pytest.mark.parametrize(
    ("value", "shared"),
    [
        ("/home/me/x.csv", "x.csv"),
        ("C:\\data\\x.csv", "x.csv"),
        ("Qwen/Qwen2.5-Omni-7B", "Qwen/Qwen2.5-Omni-7B"),
        ("/ka/ /ta/", "/ka/ /ta/"),
        ("...and then/or now", "...and then/or now"),
    ],
)
def test_only_absolute_paths_are_shortened(value: str, shared: str) -> None:
    assert portable_name(value) == shared


@pytest.mark.parametrize("path", ["/home/alice/x.mp4", "../x.mp4", "C:\\clips\\x.mp4"])
def test_a_path_that_leads_out_of_the_collection_is_refused(tmp_path: Path, path: str) -> None:
    out = small_run(tmp_path, accepted=[caption_row(0, path=path)])
    with pytest.raises(RunFolderError, match=r"'clip_000': path .* must be relative to its root"):
        pushed(out, dry_run=True)


MEDIA_FIELDS = [
    pa.field("thumb", pa.binary()),
    pa.field("thumb", pa.large_binary()),
    pa.field("thumb", pa.list_(pa.struct([("jpeg", pa.binary())]))),
]


@pytest.mark.parametrize("field", MEDIA_FIELDS, ids=str)
def test_a_column_of_bytes_is_refused(hub: HubServer, tmp_path: Path, field: pa.Field) -> None:
    out = small_run(tmp_path, extra_fields=[field])
    with pytest.raises(RunFolderError, match=r"column 'thumb' is .* can hold media, and no media is pushed"):
        pushed(out)
    assert hub.requests == []


@pytest.mark.parametrize(
    "feature",
    [datasets.Audio(), datasets.Image(), datasets.Video(), datasets.Array2D((2, 2), "uint8")],
    ids=lambda feature: type(feature).__name__,
)
def test_a_media_feature_is_refused(tmp_path: Path, feature: Any) -> None:
    out = small_run(tmp_path / "run")
    plain = datasets.load_from_disk(str(out / "dataset"))
    features = datasets.Features({**plain.features, "media": feature})
    table = plain.data.table.append_column("media", pa.nulls(len(plain), features.arrow_schema.field("media").type))
    datasets.Dataset(table.cast(features.arrow_schema)).save_to_disk(str(tmp_path / "media"))
    (out / "dataset").rename(tmp_path / "plain")
    (tmp_path / "media").rename(out / "dataset")
    with pytest.raises(RunFolderError, match=r"column 'media' is .* can hold media"):
        pushed(out, dry_run=True)


# The card.


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


def test_the_cards_data_files_are_the_pushed_ones(hub: HubServer, tmp_path: Path) -> None:
    result = pushed(small_run(tmp_path))
    patterns = [config["data_files"][0]["path"] for config in metadata_of(DatasetCard(result.card))["configs"]]
    data = [Path(file.path) for file in result.files if file.path.startswith("data/")]
    assert [[path.match(pattern) for path in data] for pattern in patterns] == [[True, False], [False, True]]


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
    assert cells["Prompt"] == [f"{one_line}, version {one_line}"]
    assert cells["About the prompt"] == [one_line]
    assert "\n\nSettings and counts are in" in card.text  # and no prompt.yaml, for this prompt has no text
    assert cells["a|`b"] == ["string", EXTRA_MEANING]
    assert [line for line in card.text.splitlines() if line.startswith("#")] == [
        "# emo-captions",
        *("## " + name for name in ["Loading", "How it was made", "Counts", "Columns", "Example"]),
        "## Limits and responsible use",
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


# What the user can mend.


@pytest.mark.parametrize(
    "repo",
    ["emo", "a/b/c", "ann/", "ann/e mo", "ann/-emo", "ann/emo.git", "ann/e--mo", "ann/émo", "../emo", ""],
)
def test_a_repository_name_is_user_and_name(tmp_path: Path, repo: str) -> None:
    with pytest.raises(UserError, match=f"{re.escape(repr(repo))} is not a repository's name: give USER/NAME"):
        pushed(small_run(tmp_path), repo=repo, dry_run=True)


def test_a_licence_is_an_identifier(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a licence identifier of the Hub"):
        pushed(small_run(tmp_path), license_id="mit\ntags: [x]", dry_run=True)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"is not a run folder: it has no run\.json"):
        pushed(tmp_path, dry_run=True)


def test_an_unfinished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="unfinished run; run it again to finish it"):
        pushed(small_run(tmp_path, complete=False), dry_run=True)


@pytest.mark.parametrize("text", ["{", "[]", '{"complete": true}'])
def test_a_broken_run_json_is_refused_on_one_line(tmp_path: Path, text: str) -> None:
    out = small_run(tmp_path)
    (out / "run.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"run\.json cannot be read as a run: ") as caught:
        pushed(out, dry_run=True)
    assert "\n" not in str(caught.value)


def test_a_run_without_its_dataset_is_refused(tmp_path: Path) -> None:
    out = small_run(tmp_path)
    (out / "dataset").rename(tmp_path / "elsewhere")
    with pytest.raises(RunFolderError, match="dataset is not a dataset"):
        pushed(out, dry_run=True)


def test_a_dataset_of_something_else_is_refused(tmp_path: Path) -> None:
    out = small_run(tmp_path / "run")
    datasets.Dataset.from_dict({"text": ["x"]}).save_to_disk(str(tmp_path / "other"))
    (out / "dataset").rename(tmp_path / "elsewhere")
    (tmp_path / "other").rename(out / "dataset")
    with pytest.raises(RunFolderError, match="has no column 'clip_id'"):
        pushed(out, dry_run=True)


def test_rows_that_run_json_does_not_count_are_refused(tmp_path: Path) -> None:
    counts = {"clips": 9, "accepted": 8, "rejected": 1}
    with pytest.raises(RunFolderError, match="counts 8 accepted and 1 rejected, the datasets hold 3 and 2"):
        pushed(small_run(tmp_path, counts=counts), dry_run=True)


@pytest.mark.parametrize("has_folder", [True, False])
def test_a_run_without_rejects_offers_none(hub: HubServer, tmp_path: Path, has_folder: bool) -> None:
    pushed(small_run(tmp_path / "first"))
    out = small_run(tmp_path / "second", rejected=[])
    if not has_folder:
        (out / "rejects").rename(tmp_path / "elsewhere")
    card = pushed(out).card

    # `datasets` fails on a configuration without rows, so there is none
    assert [config["config_name"] for config in metadata_of(DatasetCard(card))["configs"]] == ["captions"]
    assert "rejects" not in card.split("## Loading")[1].split("##")[0]
    assert not [path for path in hub.repos[REPO].files if "rejects" in path]
    assert "`reject_reason`" not in card


@pytest.mark.parametrize("verdicts", [None, [verdict_row("clip_000", "drop")]])
def test_a_run_without_captions_is_refused(tmp_path: Path, verdicts: list[dict[str, Any]] | None) -> None:
    out = small_run(tmp_path, num_accepted=1 if verdicts else 0, verdicts=verdicts)
    with pytest.raises(RunFolderError, match="holds no caption to push: "):
        pushed(out, dry_run=True)


def test_no_token_says_how_to_get_one(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ServerError, match="no Hugging Face token: log in with `hf auth login`, or set HF_TOKEN"):
        pushed(small_run(tmp_path))
    assert hub.requests == []


@pytest.mark.parametrize("token", ["hf_wrong", "hf_two words", "hf_new\nline", "hf_é"])
def test_a_wrong_token_is_refused_and_never_shown(hub: HubServer, tmp_path: Path, token: str) -> None:
    with pytest.raises(ServerError, match="token") as caught:
        pushed(small_run(tmp_path), token=token)
    assert token not in str(caught.value)
    assert hub.repos == {}


def test_the_hubs_401_names_the_remedy(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"does not accept the token: 401 .*`hf auth login`"):
        pushed(small_run(tmp_path), token="hf_wrong")


def test_another_users_namespace_is_forbidden(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"does not let this token write to bob/emo: 403 .*rights"):
        pushed(small_run(tmp_path), repo="bob/emo")


@pytest.mark.parametrize(
    ("step", "status", "message"),
    [
        ("preupload", 404, "knows no dataset ann/emo-captions: 404"),
        ("lfs", 403, "does not let this token write to ann/emo-captions: 403"),
        ("commit", 409, "answered 409 to the push of ann/emo-captions .*out of order"),
        ("validate-yaml", 400, "refused the push of ann/emo-captions|answered 400"),
    ],
)
def test_a_refusal_at_any_step_is_one_line(
    hub: HubServer, tmp_path: Path, step: str, status: int, message: str
) -> None:
    hub.broken[step] = status
    with pytest.raises(ServerError, match=message) as caught:
        pushed(small_run(tmp_path))
    assert "\n" not in str(caught.value)
    assert len(hub.repos[REPO].commits) == 1


def test_a_hub_that_is_not_there_is_named(tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(ServerError, match=r"the Hub at http://127\.0\.0\.1:1 cannot be reached"):
        pushed(small_run(tmp_path))


def test_offline_mode_says_so(tmp_path: Path, hub: HubServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ServerError, match="unset the `HF_HUB_OFFLINE`"):
        pushed(small_run(tmp_path))
    assert hub.requests == []
