"""Time: the only place where seconds become samples or frames, and back.

Ranges are half-open, [begin_s, begin_s + duration_s). Second 0 of a clip's file is the first
picture's presentation time (the picture's clock); in a file without picture, the first sample's.
"""

from __future__ import annotations


def seconds_to_samples(seconds: float, rate_hz: int) -> int:
    """Number of samples in `seconds` at `rate_hz`, rounded to the nearest."""
    return round(seconds * rate_hz)


def seconds_to_frames(seconds: float, fps: float) -> int:
    """Number of pictures in `seconds` at `fps` pictures a second, rounded to the nearest."""
    return round(seconds * fps)


def frame_times(begin_s: float, duration_s: float, fps: float, max_frames: int) -> list[float]:
    """Sampling times in seconds: the centres of n equal intervals of [begin_s, begin_s + duration_s).

    n is `fps` times the duration, at least 1 and at most `max_frames`. Raises ValueError where a
    duration, rate or maximum is not above 0.
    """
    if not (duration_s > 0 and fps > 0 and max_frames > 0):
        raise ValueError(f"duration_s={duration_s}, fps={fps} and max_frames={max_frames} must all be above 0")
    num_frames = min(max(seconds_to_frames(duration_s, fps), 1), max_frames)
    step_s = duration_s / num_frames
    return [begin_s + (index + 0.5) * step_s for index in range(num_frames)]
