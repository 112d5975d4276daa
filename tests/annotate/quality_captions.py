"""Dataset rows with captions as good models write them (`clean_captions.yaml`), and the checks by the shipped rules."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

from vaemo_annotate.quality.form import FormCheck, FormSettings
from vaemo_annotate.quality.leaks import LeakCheck, LeakSettings

CLEAN: list[dict[str, str]] = yaml.safe_load(
    (Path(__file__).parent / "clean_captions.yaml").read_text(encoding="utf-8")
)


def shipped_rules() -> dict[str, Any]:
    """The rules that come with the package, unread."""
    text = files("vaemo_annotate.quality").joinpath("check.yaml").read_text(encoding="utf-8")
    rules: dict[str, Any] = yaml.safe_load(text)
    return rules


def form_check() -> FormCheck:
    """The form check by the shipped rules."""
    return FormCheck(FormSettings.model_validate(shipped_rules()["form"]))


def leak_check() -> LeakCheck:
    """The leak check by the shipped rules."""
    return LeakCheck(LeakSettings.model_validate(shipped_rules()["leaks"]))


def clean_row(number: int, **changes: Any) -> dict[str, Any]:
    """One of the captions as a dataset row of a clip with picture and sound."""
    row = {
        "clip_id": f"clip_{number:03d}",
        "path": f"actor_01/03-01-05-01-{number:02d}.mp4",
        "width": 640,
        "has_audio": True,
        "label": "happiness",
        "speaker": "s01",
        "text": "Kids are talking by the door",
        "steps": [{"name": "look", "finish_reason": "stop"}],
    }
    return {**row, **CLEAN[number % len(CLEAN)], **changes}
