"""How far every place of the canvas moves: brows, cheeks and nose by smooth fields, the head as a solid."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.demo.canvas import EYE_DISTANCE, EYES_X, EYES_Y, HEIGHT, WIDTH
from vaemo_clips.demo.speaker import Speaker
from vaemo_clips.demo.warp import smoothstep

Array = NDArray[np.floating]

_EYE_GAP_PX = 34.0  # between the inner corners of the eyes: the unit of brow_furrow
_BROW_SHARE = 0.745  # the three bumps of a brow overlap: with this its mean height moves by brow_raise
_NECK_Y = 105.0
_DEPTH, _HALF_WIDTH, _HALF_HEIGHT = 72.0, 82.0, 132.0
_NOSE_Y, _NOSE_DEPTH = 32.0, 10.0


def displacement(speaker: Speaker, state: Mapping[str, float], step: int) -> tuple[Array, Array]:
    """x and y displacement in canvas pixels at every `step`-th pixel, (H / step + 1, W / step + 1) each."""
    x, y = _grid(step)
    dx, dy = _expression(speaker, state, x, y)
    turned_x, turned_y = _turned(x + dx, y + dy, state)
    holds = smoothstep(y, _NECK_Y + 55, _NECK_Y - 8)
    moves_x, moves_y = turned_x - x, turned_y - y
    body = 0.35 + 0.65 * holds
    sway_x, sway_y = state["sway_x"] * body, state["sway_y"] * body
    return (dx + holds * (moves_x - dx) + sway_x), (dy + holds * (moves_y - dy) + sway_y)


@functools.cache
def _grid(step: int) -> tuple[Array, Array]:
    y, x = np.mgrid[0 : HEIGHT + step : step, 0 : WIDTH + step : step].astype(np.float32)
    return x - EYES_X, y - EYES_Y


def _expression(speaker: Speaker, state: Mapping[str, float], x: Array, y: Array) -> tuple[Array, Array]:
    """Brows (AU1, 2, 4), cheeks (AU6, 12) and nose (AU9)."""
    dx, dy = np.zeros_like(x), np.zeros_like(y)
    above_lids = smoothstep(y, -8, -16)
    raised = EYE_DISTANCE * state["brow_raise"]
    slant = EYE_DISTANCE * state["brow_slant"]
    inwards = 0.5 * _EYE_GAP_PX * state["brow_furrow"]
    for side, sign in (("l", -1), ("r", 1)):
        for part, lift in (("in", raised + slant), ("top", raised), ("out", raised - 0.6 * slant)):
            near = _bump(x, y, *speaker.point(f"brow_{side}_{part}"), 10, 13)
            dy -= _BROW_SHARE * lift * near * above_lids
            if part == "in":
                dx -= sign * inwards * near * above_lids
        cheek = _bump(x, y, 40 * sign, 42, 20, 17) * smoothstep(y, 64, 44)  # the lip corners move by themselves
        dy -= EYE_DISTANCE * (0.55 * state["lip_corner_pull"]) * cheek
        dy -= 3.5 * state["nose_wrinkle"] * _bump(x, y, 13 * sign, 26, 11, 15)
    return dx, dy


def _bump(x: Array, y: Array, at_x: float, at_y: float, wide: float, high: float) -> Array:
    result: Array = np.exp(-0.5 * (((x - at_x) / wide) ** 2 + ((y - at_y) / high) ** 2))
    return result


def _turned(x: Array, y: Array, state: Mapping[str, float]) -> tuple[Array, Array]:
    """The head's surface, a bulge with a nose, turned by yaw (to the right), pitch (up) and roll (clockwise)."""
    yaw, pitch, roll = (np.deg2rad(state[f"head_{name}"]) for name in ("yaw", "pitch", "roll"))
    depth = _DEPTH * np.clip(1 - (x / _HALF_WIDTH) ** 2 - ((y - 5) / _HALF_HEIGHT) ** 2, 0, 1)
    depth = depth + _NOSE_DEPTH * _bump(x, y, 0, _NOSE_Y, 13, 15)
    across = x * np.cos(yaw) + depth * np.sin(yaw)
    outwards = depth * np.cos(yaw) - x * np.sin(yaw)
    down = (y - 5) * np.cos(pitch) - outwards * np.sin(pitch) + 5
    from_neck = down - _NECK_Y
    return across * np.cos(roll) - from_neck * np.sin(roll), _NECK_Y + across * np.sin(roll) + from_neck * np.cos(roll)
