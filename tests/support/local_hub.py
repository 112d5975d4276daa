"""A local Hub that this process takes for the Hub."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import huggingface_hub
import pytest
from huggingface_hub.utils import _http

from tests.support.hub_server import HubServer

TOKEN = "hf_annSecretToken"


@contextmanager
def local_hub(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[HubServer]:
    """Its user `ann` is logged in, `bob` is not; `home` takes what huggingface_hub keeps. Retries do not wait."""
    with HubServer(tokens={TOKEN: "ann", "hf_bob": "bob"}) as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        # huggingface_hub read its environment when it was imported
        constants = huggingface_hub.constants
        monkeypatch.setattr(constants, "ENDPOINT", server.url)
        template = server.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(home / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "no-token"))
        monkeypatch.setattr(constants, "AGENT_HARNESSES_PATH", str(home / "harnesses.json"))
        monkeypatch.setattr(_http, "time", SimpleNamespace(sleep=lambda _: None))
        yield server
