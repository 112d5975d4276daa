"""A push that cannot be made: what the user can mend is told in one line, and nothing is half-published."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import pytest
from huggingface_hub import DatasetCard

from tests.support.hub_server import HubServer
from tests.support.local_hub import local_hub
from tests.support.pushed_run import REPO, metadata_of, pushed, small_run
from tests.support.run_folder import (
    verdict_row,
)
from vaemo_clips.errors import RunFolderError, ServerError, UserError


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with local_hub(monkeypatch, tmp_path / "home") as server:
        yield server


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
    assert "errors.pydantic.dev" not in str(caught.value)


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
def test_a_wrong_token_is_refused_and_never_shown(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: token)
    with pytest.raises(ServerError, match="token") as caught:
        pushed(small_run(tmp_path))
    assert token not in str(caught.value)
    assert hub.repos == {}


def test_the_hubs_401_names_the_remedy(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ServerError, match=r"does not accept the token: 401 .*`hf auth login`"):
        pushed(small_run(tmp_path))


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
