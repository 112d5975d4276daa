"""How many processes work side by side."""

from __future__ import annotations

import os

import pytest

from vaemo_clips.workers import num_cores


def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert num_cores() == 3


@pytest.mark.parametrize(("cores", "expected"), [(8, 8), (None, 1)])
def test_where_the_system_does_not_say_they_are_the_machine_s(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, expected: int
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert num_cores() == expected
