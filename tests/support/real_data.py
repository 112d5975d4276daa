"""Where the real media for tests are: VAEMO_TEST_DATA, or `../shared/data` beside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).resolve().parents[2]


def real_data(name: str) -> Path:
    """The folder or file `name` of the real data; skips the test where it is not there."""
    folder = Path(os.environ.get("VAEMO_TEST_DATA", _REPOSITORY.parent / "shared" / "data"))
    if not (folder / name).exists():
        pytest.skip(f"real data {name!r} is not in {folder}; set VAEMO_TEST_DATA to the folder that holds it")
    return folder / name
