"""What went wrong between here and the Hub, in one line: who refused what, what is published now, what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from vaemo_clips.errors import ServerError
from vaemo_clips.hub.destination import Destination, hub_endpoint

if TYPE_CHECKING:
    from huggingface_hub.errors import HfHubHTTPError

NOTHING_YET: Final = "nothing was published; push again, what has arrived is not sent twice"
PERHAPS: Final = "the commit arrived whole or not at all; push again, what has arrived is not sent twice"
_NEVER_BEGAN: Final = frozenset(
    {"ConnectError", "ConnectTimeout", "OfflineModeIsEnabled", "ProxyError", "UnsupportedProtocol"}
)
"""Errors of a connection that was never there; of httpx or httpx2, whichever huggingface_hub is built on."""


@contextmanager
def hub_errors(to: Destination, state: str = NOTHING_YET) -> Iterator[None]:
    """Turn what huggingface_hub raises into a ServerError of one line; `state` tells what a broken push leaves."""
    # hub 1.x is built on httpx, 2.x on httpx2: HTTPError is the root of whichever one is used
    from huggingface_hub.errors import HfHubHTTPError, HTTPError  # type: ignore[attr-defined]

    try:
        yield
    except (HTTPError, OSError, RuntimeError, ValueError) as error:
        cause = _cause(error, (HTTPError, OSError))
        if isinstance(cause, HfHubHTTPError):
            raise ServerError(_answered(cause, to, state)) from error
        is_network = isinstance(cause, HTTPError) or (isinstance(cause, OSError) and cause.filename is None)
        raise ServerError(_broke(cause, state) if is_network else _refused(cause, to)) from error


def _cause(error: BaseException, kinds: tuple[type[BaseException], ...]) -> BaseException:
    """The first of these kinds behind an error: an upload thread wraps it in a RuntimeError."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, kinds):
        found = found.__cause__
    return error if found is None else found


def _broke(error: BaseException, state: str) -> str:
    hub, said = f"the Hub at {hub_endpoint()}", f"{type(error).__name__}: {one_line(error)}"
    if type(error).__name__ in _NEVER_BEGAN:
        return f"{hub} cannot be reached ({said}); check network and HF_ENDPOINT"
    return f"the connection to {hub} broke ({said}); {state}"


def _refused(error: BaseException, to: Destination) -> str:
    return f"the push of {to.repo} cannot be made: {one_line(error)}"


def _answered(error: HfHubHTTPError, to: Destination, state: str) -> str:
    hub, status = f"the Hub at {hub_endpoint()}", error.response.status_code
    said = f" ({one_line(error.server_message)})" if error.server_message else ""
    if status == 401:
        return f"{hub} does not accept the token: 401{said}; log in with `hf auth login` or set HF_TOKEN"
    if status == 403:
        return f"{hub} does not let this token write to {to.repo}: 403{said}; use one with write access to it"
    if status == 404:
        return f"{hub} knows no {to.kind} {to.repo}: 404{said}; check --repo and HF_ENDPOINT"
    if status == 412:
        return f"{to.repo} was changed by somebody else during the push: 412{said}; nothing was published, push again"
    # a gateway that gave up waiting does not know what became of a commit
    return f"{hub} answered {status} to the push of {to.repo}{said}; {state if status >= 500 else NOTHING_YET}"


def one_line(message: object) -> str:
    """The first 300 characters of a message, on one line."""
    return " ".join(str(message).split())[:300]
