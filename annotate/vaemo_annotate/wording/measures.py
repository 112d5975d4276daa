"""What the cues are called in English, and which belong to the face and which to the voice."""

from __future__ import annotations

from typing import Literal

from vaemo_clips.cues.cue import Cue

Modality = Literal["face", "voice"]

FACE_NAMES: dict[str, str] = {
    "brow_raise": "brow height",
    "brow_raise_range": "brow movement",
    "brow_furrow": "brow furrow",
    "eye_opening": "eye opening",
    "eye_opening_range": "eye movement (lids)",
    "blink_rate": "blink rate",
    "mouth_opening": "mouth opening",
    "mouth_opening_range": "mouth opening and closing",
    "lip_corner_pull": "lip corners drawn up",
    "lip_corner_pull_range": "lip corner movement",
    "lip_corner_depress": "lip corners drawn down",
    "lip_press": "lips pressed",
    "face_motion": "face movement",
    "head_pitch": "head raised (+) or lowered (-)",
    "head_yaw": "head turned to picture right (+) or left (-)",
    "head_roll": "head tilted to a side",
    "head_motion": "head movement",
}
"""Face cues in the order of the face, from top to bottom."""

VOICE_NAMES: dict[str, str] = {
    "loudness_level": "loudness",
    "loudness_range": "loudness variation",
    "f0_median": "pitch",
    "f0_range": "pitch variation",
    "f0_slope": "pitch slope",
    "f0_end": "pitch at the end against its middle",
    "speech_rate": "speech rate",
    "pause_share": "share of pauses",
    "voiced_share": "share of voiced sound",
    "spectral_tilt": "spectral tilt (higher = brighter)",
    "harmonicity": "harmonicity (higher = clearer)",
    "h1_h2": "h1-h2 (higher = breathier)",
}
"""Voice cues in the order of a description."""

REGIONS: dict[str, tuple[str, ...]] = {
    "the brows": ("brow_raise", "brow_raise_range", "brow_furrow"),
    "the eyes": ("eye_opening", "eye_opening_range", "blink_rate"),
    "the mouth": (
        "mouth_opening", "mouth_opening_range", "lip_corner_pull", "lip_corner_pull_range", "lip_corner_depress",
        "lip_press",
    ),
    "the head": ("head_pitch", "head_yaw", "head_roll", "head_motion"),
    "the movement of the face": ("face_motion",),
    "the loudness": ("loudness_level", "loudness_range"),
    "the pitch": ("f0_median", "f0_range", "f0_slope", "f0_end"),
    "the timing of speech": ("speech_rate", "pause_share", "voiced_share"),
    "the voice quality": ("spectral_tilt", "harmonicity", "h1_h2"),
}  # fmt: skip
"""Parts of a face and sides of a voice, by the cues that measure them."""

DETAILS: dict[str, str] = {
    "brow_raise": "the height of the brows",
    "brow_raise_range": "the movement of the brows",
    "brow_furrow": "the distance between the brows",
    "eye_opening": "the opening of the eyes",
    "eye_opening_range": "the movement of the lids",
    "blink_rate": "the blinking",
    "mouth_opening": "the opening of the mouth",
    "mouth_opening_range": "the opening and closing of the mouth",
    "lip_corner_pull": "the rise of the lip corners",
    "lip_corner_pull_range": "the movement of the lip corners",
    "lip_corner_depress": "the drop of the lip corners",
    "lip_press": "the pressure of the lips",
    "head_pitch": "the nod of the head",
    "head_yaw": "the turn of the head",
    "head_roll": "the tilt of the head",
    "head_motion": "the movement of the head",
    "loudness_level": "the level of the voice",
    "loudness_range": "the range of loudness",
    "f0_median": "the height of the pitch",
    "f0_range": "the range of the pitch",
    "f0_slope": "the slope of the pitch",
    "f0_end": "the end of the pitch",
    "speech_rate": "the rate of speech",
    "pause_share": "the share of pauses",
    "voiced_share": "the share of voiced sound",
    "spectral_tilt": "the timbre",
    "harmonicity": "the clearness of the voice",
    "h1_h2": "the breathiness of the voice",
}
"""A single cue as part of a sentence, where its region is measured but it is not."""

TWINS = {"lip_corner_depress": "lip_corner_pull", "lip_corner_pull": "lip_corner_depress"}
"""Two cues of one movement in opposite directions: one mention, that of the stronger, is enough."""


def modality(cue: Cue) -> Modality:
    """Tell what a cue belongs to. A name that is not known here counts as the voice's: voices have open-ended lists."""
    return "face" if cue.name in FACE_NAMES else "voice"


def human_name(name: str) -> str:
    """Return what people call a cue; an unknown name without its underscores."""
    return FACE_NAMES.get(name) or VOICE_NAMES.get(name) or name.replace("f0_", "pitch_").replace("_", " ")
