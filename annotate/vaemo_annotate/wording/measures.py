"""What the cues and reasons are called in English, and which cues belong to the face and which to the voice."""

from __future__ import annotations

from typing import Literal

from vaemo_clips.cues.face_cues import FACE_CUES

Modality = Literal["face", "voice"]

CUE_NAMES: dict[str, str] = {
    "brow_raise": "brow height",
    "brow_raise_range": "brow movement",
    "brow_furrow": "brow furrow",
    "eye_opening": "eye opening",
    "eye_opening_range": "lid movement",
    "blink_rate": "blinks",
    "mouth_opening": "mouth opening",
    "mouth_opening_range": "mouth movement",
    "lip_corner_pull": "lip-corner pull",
    "lip_corner_pull_range": "lip-corner movement",
    "lip_corner_depress": "lip corners down",
    "lip_press": "lip press",
    "head_pitch": "head pitch (+ up)",
    "head_yaw": "head yaw (+ right)",
    "head_roll": "head roll (+ right)",
    "head_motion": "head motion",
    "face_motion": "face motion",
    "f0_median": "pitch, median",
    "f0_low": "pitch, low (5 %)",
    "f0_peak": "pitch, high (95 %)",
    "f0_range": "pitch range",
    "f0_variability": "pitch variability",
    "f0_slope": "pitch slope",
    "f0_rise": "pitch rise",
    "f0_fall": "pitch fall",
    "f0_end": "pitch at the end",
    "loudness_level": "loudness",
    "loudness_range": "loudness range",
    "loudness_variability": "loudness variability",
    "loudness_slope": "loudness slope",
    "loudness_rise": "loudness rise",
    "loudness_fall": "loudness fall",
    "speech_length": "speech length",
    "speech_rate": "speech rate",
    "syllable_length": "syllable length",
    "pause_share": "pauses",
    "pause_length": "pause length",
    "voiced_share": "voiced part",
    "voiced_length": "voiced stretch",
    "spectral_tilt": "spectral tilt",
    "tilt_variability": "tilt variability",
    "low_band_ratio": "low-band ratio",
    "alpha_ratio": "alpha ratio",
    "hammarberg_index": "Hammarberg index",
    "spectral_centroid": "spectral centroid",
    "fricative_ratio": "fricative ratio",
    "spectral_flux": "spectral flux",
    "harmonicity": "harmonicity (HNR)",
    "h1_h2": "H1-H2",
    "jitter": "jitter",
    "shimmer": "shimmer",
    "first_formant": "first formant",
    "second_formant": "second formant",
}
"""Every cue in at most 20 characters, in the order of measurement."""

REGIONS: dict[str, tuple[str, ...]] = {
    "the brows": ("brow_raise", "brow_raise_range", "brow_furrow"),
    "the eyes": ("eye_opening", "eye_opening_range", "blink_rate"),
    "the mouth": (
        "mouth_opening", "mouth_opening_range", "lip_corner_pull", "lip_corner_pull_range", "lip_corner_depress",
        "lip_press",
    ),
    "the movement of the face": ("face_motion",),
    "the head": ("head_pitch", "head_yaw", "head_roll", "head_motion"),
    "the loudness": ("loudness_level", "loudness_range"),
    "the pitch": ("f0_median", "f0_range", "f0_slope", "f0_end"),
    "the timing of speech": ("speech_rate", "pause_share", "voiced_share"),
    "the voice quality": ("spectral_tilt", "harmonicity", "h1_h2"),
}  # fmt: skip
"""Parts of a face and sides of a voice, by the cues that measure them: those that are told in prose."""

TOLD: tuple[str, ...] = tuple(name for members in REGIONS.values() for name in members)
"""The cues that are told in prose, in the order of a description. The others stand in a prompt's table only."""

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
    "harmonicity": "the ratio of harmonics to noise",
    "h1_h2": "the balance of the first two harmonics",
}
"""A single cue as part of a sentence, where its region is measured but it is not."""

TWINS = {"lip_corner_depress": "lip_corner_pull", "lip_corner_pull": "lip_corner_depress"}
"""Two cues of one movement in opposite directions: one mention, that of the stronger, is enough."""

_REASON_NAMES = {
    "weak_source": "measured only roughly",
    "no_colour": "picture without colour",
    "too_few_frames": "too few pictures or too short",
    "silent": "silent or nearly so",
    "no_speech": "no speech was found",
}
"""Reasons whose identifier without underscores would say too much or too little."""

_FACE = frozenset(name for name, _ in FACE_CUES)


def modality(name: str) -> Modality:
    """Tell what a cue belongs to: the face's are those of `FACE_CUES`, and there is no third kind."""
    return "face" if name in _FACE else "voice"


def human_name(name: str) -> str:
    """Return what people call a cue; one from elsewhere without its underscores."""
    return CUE_NAMES.get(name) or name.replace("_", " ")


def reason_name(reason: str) -> str:
    """Return a reason in a few words."""
    return _REASON_NAMES.get(reason) or reason.replace("_", " ")
