"""Pushing a run to a local Hub and reading it back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard, HfApi
from huggingface_hub.errors import RepositoryNotFoundError

from tests.support.hub_repo import Repo
from tests.support.hub_server import HubServer
from tests.support.local_hub import TOKEN, local_hub
from tests.support.pushed_run import HOSTILE, REPO, as_published, metadata_of, pushed, rows_of, small_run
from tests.support.run_folder import (
    PROMPT_SHA256,
    PROMPT_TEXT,
    caption_row,
    reject_row,
    verdict_row,
    write_run_folder,
)
from vaemo_annotate.published import tables
from vaemo_clips.errors import RunFolderError, ServerError


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with local_hub(monkeypatch, tmp_path / "home") as server:
        yield server


LOAD = """
import sys
from datasets import load_dataset
from pathlib import Path
from vaemo_annotate.hub import push
folder, repo, out = sys.argv[1:]
push(Path(out), repo, private=True, dry_run=False)
load_dataset(repo)["train"].to_parquet(f"{folder}/captions.parquet")
load_dataset(repo, "rejects", split="train").to_parquet(f"{folder}/rejects.parquet")
load_dataset(repo, "verdicts", split="train").to_parquet(f"{folder}/verdicts.parquet")
"""


def test_load_dataset_gives_back_exactly_the_rows_of_the_run(hub: HubServer, tmp_path: Path) -> None:
    hostile: dict[str, Any] = {"affect_description": HOSTILE, "valence": None, "cues": [], "emotions": []}
    accepted = [caption_row(0), caption_row(1, **hostile)]
    rejected = [reject_row(9, "refusal", "I cannot describe people.")]
    verdict = verdict_row("clip_000", "keep", by="check", reasons=["leak.gender"], scores=[("leak.gender", 2.0)])
    out = write_run_folder(tmp_path / "run", accepted=accepted, rejected=rejected, verdicts=[verdict])

    environment = {**os.environ, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "home")}
    environment.pop("HF_HUB_OFFLINE", None)
    command = [sys.executable, "-c", LOAD, str(tmp_path), REPO, str(out)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert pq.read_table(tmp_path / "captions.parquet").to_pylist() == [as_published(row) for row in accepted]
    assert pq.read_table(tmp_path / "rejects.parquet").to_pylist() == [as_published(row) for row in rejected]
    scores = [{"name": "leak.gender", "value": 2.0}]
    assert pq.read_table(tmp_path / "verdicts.parquet").to_pylist() == [
        {**verdict, "scores": scores, "caption_sha256": None}
    ]
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
    assert result.pushed is not None
    assert result.pushed.commit_url == f"{result.url}/commit/{repo.sha}"


def test_fewer_shards_remove_the_stale_ones_and_nothing_else(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "SHARD_BYTES", 1)
    monkeypatch.setattr(tables, "BATCH_ROWS", 2)
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

    assert (first.files, first.card, first.tally) == (second.files, second.card, second.tally)
    assert first.pushed is not None
    assert second.pushed is not None
    assert (first.pushed.is_new, second.pushed.is_new) == (True, False)
    assert len(hub.repos[REPO].commits) == 2


def test_a_dry_run_contacts_nobody_and_plans_what_a_push_does(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = small_run(tmp_path)
    monkeypatch.delenv("HF_TOKEN")
    plan = pushed(out, dry_run=True)
    assert hub.requests == []
    assert plan.pushed is None

    monkeypatch.setenv("HF_TOKEN", TOKEN)
    done = pushed(out)
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


def test_the_cards_data_files_are_the_pushed_ones(hub: HubServer, tmp_path: Path) -> None:
    result = pushed(small_run(tmp_path))
    patterns = [config["data_files"][0]["path"] for config in metadata_of(DatasetCard(result.card))["configs"]]
    data = [Path(file.path) for file in result.files if file.path.startswith("data/")]
    assert [[path.match(pattern) for path in data] for pattern in patterns] == [[True, False], [False, True]]
