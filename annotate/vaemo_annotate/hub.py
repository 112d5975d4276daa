"""Push the captions of a finished run to the Hugging Face Hub: text and numbers, never media."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, constants, get_token

# hub 1.x is built on httpx, 2.x on httpx2: HTTPError is the root of whichever one is used
from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]
from pydantic import ValidationError

from vaemo_annotate.card import CAPTION_FILES, REJECT_FILES
from vaemo_annotate.publication import one_line, stage_publication
from vaemo_annotate.published_run import RunRecord, Tally
from vaemo_clips.errors import RunFolderError, ServerError, UserError

_REPO = re.compile(r"(?!.*(--|\.\.|\.git$))(?a:\w([\w.-]{0,94}\w)?/\w([\w.-]{0,94}\w)?)")
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")


@dataclass(frozen=True, slots=True)
class PushedFile:
    """One file of the dataset repository."""

    path: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class PushResult:
    """What was pushed, or in a dry run what would be.

    `private` is what was asked for. `commit_url` is None in a dry run. `shortened` counts, by column,
    the texts that named folders or hosts and were cut.
    """

    repo: str
    url: str
    private: bool
    files: tuple[PushedFile, ...]
    card: str
    tally: Tally
    shortened: dict[str, int]
    commit_url: str | None

    @property
    def size_bytes(self) -> int:
        """Bytes of all files together."""
        return sum(file.size_bytes for file in self.files)


def push(
    out: Path,
    repo: str,
    *,
    private: bool,
    dry_run: bool,
    token: str | None = None,
    license_id: str | None = None,
) -> PushResult:
    """Push the run folder `out` to the dataset repository `repo` in one commit.

    The repository is made where there is none; captions of an earlier push are replaced, files of
    other names stay. A dry run makes the same files and contacts nobody. `token` defaults to
    HF_TOKEN or the login of `hf auth login`, the Hub to HF_ENDPOINT.

    Raises UserError (repo or licence name), RunFolderError (no run, an unfinished run, media or an
    absolute `path` in it) or ServerError (no token, or a Hub that refuses or cannot be reached).
    """
    _check_names(repo, license_id)
    run = _read_run(out)
    endpoint = (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")
    key = None if dry_run else _checked_token(token)
    with tempfile.TemporaryDirectory(prefix="vaemo-push-") as name:
        stage = Path(name)
        tally, shortened = stage_publication(out, stage, repo, license_id, run)
        paths = sorted(path for path in stage.rglob("*") if path.is_file())
        commit_url = None if key is None else _upload(stage, paths, repo, private, endpoint, key)
        return PushResult(
            repo=repo,
            url=f"{endpoint}/datasets/{repo}",
            private=private,
            files=tuple(PushedFile(p.relative_to(stage).as_posix(), p.stat().st_size) for p in paths),
            card=(stage / "README.md").read_text(encoding="utf-8"),
            tally=tally,
            shortened=dict(shortened),
            commit_url=commit_url,
        )


def _check_names(repo: str, license_id: str | None) -> None:
    if not _REPO.fullmatch(repo):
        raise UserError(
            f"--repo {repo!r} is not a repository's name: give USER/NAME, "
            "each of letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
        )
    if license_id is not None and not _LICENSE.fullmatch(license_id):
        raise UserError(
            f"--license {license_id!r} is not a licence identifier of the Hub: give one such as cc-by-4.0, or none"
        )


def _read_run(out: Path) -> RunRecord:
    path = out / "run.json"
    if not path.is_file():
        raise RunFolderError(f"{out} is not a run folder: it has no run.json; give a folder that `run` wrote")
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        is_complete = isinstance(settings, dict) and settings.get("complete") is True
        if isinstance(settings, dict) and not is_complete:
            raise RunFolderError(f"{out} holds an unfinished run; run it again to finish it, then push")
        return RunRecord.model_validate(settings)
    except (ValueError, ValidationError) as error:
        raise RunFolderError(f"{path} cannot be read as a run: {one_line(error)}; run it again") from error


def _checked_token(token: str | None) -> str:
    found = (token or get_token() or "").strip()
    if not found:
        raise ServerError("no Hugging Face token: log in with `hf auth login`, or set HF_TOKEN")
    if not (found.isascii() and found.isprintable()) or " " in found:
        raise ServerError("the Hugging Face token has characters that no token has: copy it again")
    return found


def _upload(stage: Path, paths: list[Path], repo: str, private: bool, endpoint: str, token: str) -> str:
    """Commit the files and delete the data files of an earlier push that are not among them."""
    api = HfApi(endpoint=endpoint, token=token, library_name="vaemo")
    additions = {path.relative_to(stage).as_posix(): path for path in paths}
    with _hub_errors(endpoint, repo):
        # private=None leaves an organisation's own default in force
        api.create_repo(repo, repo_type="dataset", private=private or None, exist_ok=True)
        if private and not api.dataset_info(repo).private:
            raise ServerError(
                f"dataset {repo} exists on {endpoint} and is public, which --private does not change: "
                "make it private in its settings or give another --repo; nothing was uploaded"
            )
        remote = api.list_repo_files(repo, repo_type="dataset")
        ours = {name for name in remote if fnmatch(name, CAPTION_FILES) or fnmatch(name, REJECT_FILES)}
        stale = ours - additions.keys()
        # upload_folder would split a large push into several commits: readers would see half of it
        commit = api.create_commit(
            repo,
            [
                *(CommitOperationDelete(path) for path in sorted(stale)),
                *(CommitOperationAdd(name, path) for name, path in additions.items()),
            ],
            commit_message="Push captions with the VAEmo toolkit",
            repo_type="dataset",
        )
        return str(commit.commit_url)


@contextmanager
def _hub_errors(endpoint: str, repo: str) -> Iterator[None]:
    """Turn what huggingface_hub raises into one line that says what to do."""
    try:
        yield
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        answer = _http_answer(error)
        raise ServerError(_why(answer or error, endpoint, repo)) from error


def _http_answer(error: BaseException | None) -> HfHubHTTPError | None:
    """The Hub's answer behind an error: an upload thread wraps it in a RuntimeError."""
    while error is not None and not isinstance(error, HfHubHTTPError):
        error = error.__cause__
    return error


def _why(error: Exception, endpoint: str, repo: str) -> str:
    hub, said = f"the Hub at {endpoint}", one_line(error)
    if not isinstance(error, HfHubHTTPError):
        if isinstance(error, (HTTPError, OSError)):
            return f"{hub} cannot be reached ({type(error).__name__}: {said}); check network and HF_ENDPOINT"
        return f"{hub} refused the push of {repo}: {said}"
    status = error.response.status_code
    said = f" ({one_line(error.server_message)})" if error.server_message else ""
    if status == 401:
        return f"{hub} does not accept the token: 401{said}; log in with `hf auth login` or set HF_TOKEN"
    if status == 403:
        return f"{hub} does not let this token write to {repo}: 403{said}; use one with write access to it"
    if status == 404:
        return f"{hub} knows no dataset {repo}: 404{said}; check --repo and HF_ENDPOINT"
    return f"{hub} answered {status} to the push of {repo}{said}; try again later"
