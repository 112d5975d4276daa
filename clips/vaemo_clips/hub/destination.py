"""Where a push goes: a repository's name and kind, the Hub, and the login."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Literal

from vaemo_clips.errors import ServerError, UserError

_REPO = re.compile(r"(?!.*(--|\.\.|\.git$))(?a:\w([\w.-]{0,94}\w)?/\w([\w.-]{0,94}\w)?)")
_LICENSE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,63}")

Kind = Literal["dataset", "model"]


@dataclass(frozen=True, slots=True)
class Destination:
    """A repository USER/NAME of the Hub. Raises UserError for a name that no repository has."""

    repo: str
    kind: Kind
    private: bool = False

    def __post_init__(self) -> None:
        """Check the name."""
        if not _REPO.fullmatch(self.repo):
            raise UserError(
                f"--repo {self.repo!r} is not a repository's name: give USER/NAME, "
                "each of letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
            )

    @property
    def name(self) -> str:
        """The repository's name without its owner's."""
        return self.repo.partition("/")[2]

    @property
    def url(self) -> str:
        """The repository's page."""
        return f"{hub_endpoint()}/{'datasets/' if self.kind == 'dataset' else ''}{self.repo}"


def check_license(license_id: str | None) -> None:
    """Raise UserError where `license_id` is no identifier as the Hub has them."""
    if license_id is not None and not _LICENSE.fullmatch(license_id):
        raise UserError(
            f"--license {license_id!r} is not a licence identifier of the Hub: give one such as cc-by-4.0, or none"
        )


def hub_endpoint() -> str:
    """The Hub's address: HF_ENDPOINT, else the public one; without a slash at its end."""
    from huggingface_hub import constants

    return (os.environ.get("HF_ENDPOINT") or constants.ENDPOINT).rstrip("/")


def hub_token() -> str:
    """The token of the usual login: HF_TOKEN, else that of `hf auth login`. Raises ServerError without one."""
    from huggingface_hub import get_token

    found = (get_token() or "").strip()
    if not found:
        raise ServerError("no Hugging Face token: log in with `hf auth login`, or set HF_TOKEN")
    if not (found.isascii() and found.isprintable()) or " " in found:
        raise ServerError("the Hugging Face token has characters that no token has: copy it again")
    return found
