"""The paths of stage 2: what of a clip is drawn to which of its descriptions.

visual    tokens of the picture, upper blocks within the modality     visual_description
acoustic  tokens of the sound, upper blocks within the modality       acoustic_description
affect    tokens of both, upper blocks across (of one, where a clip has one)  affect_description
"""

from __future__ import annotations

from typing import Final

PATHS: Final = ("visual", "acoustic", "affect")
DESCRIPTION_OF: Final[dict[str, str]] = {path: f"{path}_description" for path in PATHS}
"""The column of a caption dataset."""
NEEDED_OF: Final[dict[str, str | None]] = {"visual": "has_picture", "acoustic": "has_sound", "affect": None}
"""The column of a shard's rows that must be true for the path to have tokens; every row has some for `affect`."""
