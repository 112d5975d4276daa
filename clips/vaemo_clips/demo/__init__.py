"""Demo clips with planted truth: talking heads made of two public-domain portraits and a source-filter voice."""

from __future__ import annotations

from vaemo_clips.demo.clips import EMOTIONS, LABELS, TRUTH, DemoClip, make_demo_clips
from vaemo_clips.demo.planted import Planted

__all__ = ["EMOTIONS", "LABELS", "TRUTH", "DemoClip", "Planted", "make_demo_clips"]
