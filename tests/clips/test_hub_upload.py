"""A push: one commit or none, also where the connection breaks; a retry sends what is missing and nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest

from tests.support.hub_repo import Repo
from tests.support.hub_server import HubServer
from tests.support.local_hub import TOKEN, local_hub
from vaemo_clips.errors import ServerError, UserError
from vaemo_clips.hub.destination import Destination, Kind
from vaemo_clips.hub.upload import HubFile, Pushed, upload

REPO = "ann/things"
ALWAYS = 99
"""More often than the client tries."""


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with local_hub(monkeypatch, tmp_path / "home") as server:
        yield server


def files_in(folder: Path, **contents: str) -> list[HubFile]:
    """Files by their paths, with `_` for the dot."""
    folder.mkdir(exist_ok=True)
    found = []
    for name, content in contents.items():
        source = folder / name.replace("_", ".")
        source.write_text(content)
        found.append(HubFile(f"data/{source.name}", source))
    return found


def two_large(folder: Path) -> list[HubFile]:
    return files_in(folder, a_bin="first " * 1000, b_bin="second " * 1000, c_txt="small")


def pushed(files: list[HubFile], kind: Kind = "dataset", *, private: bool = False) -> Pushed:
    return upload(files, Destination(REPO, kind, private), owned=("data/*.bin",), message="Push things")


def texts_of(repo: Repo) -> dict[str, str]:
    return {path: blob.content.decode() for path, blob in repo.files.items() if path != ".gitattributes"}


@pytest.mark.parametrize("kind", ["dataset", "model"])
def test_a_push_is_one_commit_in_the_repository_of_its_kind(hub: HubServer, tmp_path: Path, kind: Kind) -> None:
    done = pushed(two_large(tmp_path / "x"), kind)
    ours, others = (hub.repos, hub.models) if kind == "dataset" else (hub.models, hub.repos)
    assert others == {}
    assert ours[REPO].summaries == ["initial commit", "Push things"]
    assert texts_of(ours[REPO]) == {
        "data/a.bin": "first " * 1000, "data/b.bin": "second " * 1000, "data/c.txt": "small",
    }  # fmt: skip
    assert (done.is_new, done.removed) == (True, ())
    assert done.commit_url == f"{Destination(REPO, kind).url}/commit/{ours[REPO].sha}"


def test_the_same_push_again_makes_no_commit_and_sends_nothing(hub: HubServer, tmp_path: Path) -> None:
    first = pushed(two_large(tmp_path / "x"))
    again = pushed(two_large(tmp_path / "x"))
    assert (first.is_new, again.is_new) == (True, False)
    assert again.commit_url == first.commit_url
    assert len(hub.repos[REPO].commits) == 2
    assert len(hub.uploaded) == 2


def test_files_of_an_earlier_push_go_with_the_same_commit_and_others_stay(hub: HubServer, tmp_path: Path) -> None:
    pushed(two_large(tmp_path / "x"))
    done = pushed(files_in(tmp_path / "x", b_bin="other"))
    assert done.removed == ("data/a.bin",)
    assert texts_of(hub.repos[REPO]) == {"data/b.bin": "other", "data/c.txt": "small"}
    assert len(hub.repos[REPO].commits) == 3


def test_an_upload_that_breaks_publishes_nothing_and_a_retry_sends_the_rest(hub: HubServer, tmp_path: Path) -> None:
    pushed(files_in(tmp_path / "x", a_bin="old"))
    before = hub.repos[REPO].sha
    files = two_large(tmp_path / "x")
    hub.drops["lfs"] = ALWAYS
    with pytest.raises(ServerError, match=r"the connection to the Hub at .* broke .*: .*nothing was published") as told:
        pushed(files)
    assert "\n" not in str(told.value)
    assert hub.dropped["lfs"] > 1, "the client tries more than once"
    assert hub.repos[REPO].sha == before

    hub.drops.clear()
    assert len(hub.uploaded) == 1, "that of the first push"
    assert pushed(files).is_new
    assert len(hub.uploaded) == 3
    assert len(hub.repos[REPO].commits) == 3


def test_one_broken_upload_of_two_is_all_that_a_retry_sends(hub: HubServer, tmp_path: Path) -> None:
    first, second = files_in(tmp_path / "x", a_bin="first " * 1000, b_bin="second " * 1000)
    pushed([first])
    hub.drops["lfs"] = ALWAYS
    with pytest.raises(ServerError, match="nothing was published"):
        pushed([first, second])
    hub.drops.clear()
    pushed([first, second])
    assert hub.uploaded == [sha256(file.source.read_bytes()).hexdigest() for file in (first, second)]


def test_a_short_break_is_mended_by_the_client(hub: HubServer, tmp_path: Path) -> None:
    hub.drops["lfs"] = 1
    assert pushed(two_large(tmp_path / "x")).is_new
    assert (hub.dropped["lfs"], len(hub.uploaded)) == (1, 2)


def test_a_commit_that_never_arrived_is_made_by_the_retry(hub: HubServer, tmp_path: Path) -> None:
    files = two_large(tmp_path / "x")
    hub.drops["commit"] = 1
    with pytest.raises(ServerError, match=r"broke .*the commit arrived whole or not at all; push again"):
        pushed(files)
    assert texts_of(hub.repos[REPO]) == {}
    assert (hub.dropped["commit"], len(hub.uploaded)) == (1, 2)

    assert pushed(files).is_new
    assert (len(hub.repos[REPO].commits), len(hub.uploaded)) == (2, 2)


def test_a_commit_whose_answer_was_lost_is_not_made_twice(hub: HubServer, tmp_path: Path) -> None:
    files = two_large(tmp_path / "x")
    hub.drops["committed"] = 1
    with pytest.raises(ServerError, match="the commit arrived whole or not at all"):
        pushed(files)
    assert len(texts_of(hub.repos[REPO])) == 3

    assert not pushed(files).is_new
    assert (len(hub.repos[REPO].commits), len(hub.uploaded)) == (2, 2)


def test_a_hub_that_refuses_is_told_apart_from_one_that_breaks_off(hub: HubServer, tmp_path: Path) -> None:
    for status, state in ((409, "nothing was published"), (504, "the commit arrived whole or not at all")):
        hub.broken["commit"] = status
        with pytest.raises(ServerError, match=rf"answered {status} to the push of .*commit is out of order\); {state}"):
            pushed(two_large(tmp_path / "x"))


def test_a_push_of_somebody_else_in_between_is_not_overwritten(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = huggingface_hub.HfApi.create_commit

    def later(*args: Any, **settings: Any) -> Any:
        hub.repos[REPO].commits.append(dict(hub.repos[REPO].files))
        return real(*args, **settings)

    monkeypatch.setattr(huggingface_hub.HfApi, "create_commit", later)
    with pytest.raises(ServerError, match=r"was changed by somebody else during the push: 412 .*push again"):
        pushed(two_large(tmp_path / "x"))
    assert texts_of(hub.repos[REPO]) == {}


def test_a_file_that_changed_since_it_was_chosen_is_not_pushed(hub: HubServer, tmp_path: Path) -> None:
    [file] = files_in(tmp_path / "x", a_bin="now")
    with pytest.raises(ServerError, match=r"a\.bin was changed during the push; nothing was published"):
        pushed([HubFile(file.path, file.source, sha256=sha256(b"then").hexdigest())])
    assert texts_of(hub.repos[REPO]) == {}


def test_a_file_that_vanished_is_named(hub: HubServer, tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"the push of ann/things cannot be made: .*gone\.bin"):
        pushed([HubFile("gone.bin", tmp_path / "gone.bin")])


def test_a_private_push_into_a_public_repository_is_refused(hub: HubServer, tmp_path: Path) -> None:
    hub.models[REPO] = Repo(private=False)
    with pytest.raises(ServerError, match=r"model ann/things exists on .* and is public"):
        pushed(two_large(tmp_path / "x"), "model", private=True)
    assert hub.uploaded == []


def test_the_token_is_that_of_the_login_and_never_told(
    hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_wrong")
    with pytest.raises(ServerError, match="does not accept the token: 401") as told:
        pushed(two_large(tmp_path / "x"))
    assert "hf_wrong" not in str(told.value)
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(ServerError, match="no Hugging Face token: log in with `hf auth login`, or set HF_TOKEN"):
        pushed(two_large(tmp_path / "x"))
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home" / "no-token").write_text(TOKEN)  # as `hf auth login` leaves it
    assert pushed(two_large(tmp_path / "x")).is_new


def test_a_name_is_checked_before_anything_is_sent() -> None:
    with pytest.raises(UserError, match="'ann' is not a repository's name: give USER/NAME"):
        Destination("ann", "model")


def test_the_package_is_imported_without_huggingface_hub() -> None:
    modules = ", ".join(f"vaemo_clips.hub.{name}" for name in ("destination", "portable", "refusal", "upload"))
    code = f"import sys; sys.modules['huggingface_hub'] = None; import {modules}"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
