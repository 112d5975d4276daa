"""Loaded once before the processes of `check` fork: word lists and the language model, which they then share."""

from __future__ import annotations

import gc
from contextlib import suppress
from typing import Final

from vaemo_annotate.quality.language import language_of
from vaemo_annotate.quality.row_checks import ClipChecks
from vaemo_annotate.quality.settings import load_settings
from vaemo_clips.caption import DESCRIPTION_SCHEMA
from vaemo_clips.errors import UserError

_CAPTION: Final = dict.fromkeys(DESCRIPTION_SCHEMA.names) | {
    "clip_id": "a", "sample_index": 0, "path": "a.mp4", "width": 640, "has_audio": True, "cues": [], "steps": [],
    "visual_description": "The brows rise and the lip corners pull up, then the head turns a little to one side.",
    "acoustic_description": "The voice is bright and rather high, with lively melody and few pauses in between.",
    "affect_description": "Face and voice agree: the person seems joyful, and the joy grows towards the end.",
    "emotions": ["joy"], "valence": 0.5, "arousal": 0.5,
}  # fmt: skip
"""One that every check looks at, so that all they need is loaded."""

with suppress(UserError):  # a package that is missing: the process that needs it says so, this one has nobody to tell
    language_of("Not every caption needs the language model, so the checks below may pass it by.")
    ClipChecks(load_settings(), lambda row: []).of_row(_CAPTION)
gc.freeze()  # what is loaded stays shared: the collector of a fork does not touch it
