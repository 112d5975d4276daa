"""One picture of a speaker: the expressed face, turned and moved, before the wall."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.demo.canvas import EYES_X, EYES_Y, HEIGHT, WIDTH, Layer, over
from vaemo_clips.demo.eyes import Eye
from vaemo_clips.demo.mouth import Mouth, MouthShape
from vaemo_clips.demo.pose import displacement
from vaemo_clips.demo.scene import backdrop, paint_scene
from vaemo_clips.demo.speaker import Speaker
from vaemo_clips.demo.warp import blur, sample, upsample

Array = NDArray[np.floating]

_STEP = 4  # canvas and screen pixels between the places at which the warp is computed
_HEAD = slice(EYES_Y - 34, EYES_Y + 166), slice(EYES_X - 80, EYES_X + 80)
_ROUNDS = 4
_REACH_PX, _TRACE = 14.0, 0.015  # beyond the blurred silhouette no head gets, so nothing is sampled there


class Face:
    """A speaker in front of a camera that gives pictures of (width, height) pixels."""

    def __init__(self, speaker: Speaker, width: int, height: int) -> None:
        """Paint what stays the same from picture to picture."""
        self._speaker, self._scene = speaker, paint_scene(speaker)
        self._whole = over(self._scene.before, over(self._scene.face, self._scene.behind))
        self._wall = backdrop(speaker, width, height)
        self._eyes, self._mouth = (Eye.of(speaker, "l"), Eye.of(speaker, "r")), Mouth(speaker)
        zoom, aside = speaker.camera
        scale = zoom * height / HEIGHT
        across, down = np.arange(0, width + _STEP, _STEP), np.arange(0, height + _STEP, _STEP)
        self._to_x = ((across + 0.5 - width / 2) / scale + WIDTH / 2 - aside - 0.5).astype(np.float32)
        self._to_y = ((down + 0.5 - height / 2) / scale + HEIGHT / 2 - 0.5).astype(np.float32)

        x, y = np.meshgrid(self._to_x, self._to_y)
        near = blur(self._whole[..., 3], _REACH_PX)[..., None]
        coarse = sample(near, x, y)[..., 0]
        self._reached = np.flatnonzero(self._full(coarse) > _TRACE)

    def picture(self, state: Mapping[str, float]) -> Array:
        """The picture (height, width, 3) in [0, 255] of one moment; `state` has a value for each of STATE_NAMES."""
        canvas = self._expressed(state)
        x, y = self._sources(displacement(self._speaker, state, _STEP))
        person = sample(canvas, x.ravel()[self._reached], y.ravel()[self._reached])
        picture = self._wall.copy()
        flat = picture.reshape(-1, 3)
        flat[self._reached] = person[:, :3] + (1 - person[:, 3:]) * flat[self._reached]
        return picture

    def _expressed(self, state: Mapping[str, float]) -> Layer:
        """The whole canvas with eyes and mouth as they are now."""
        canvas = self._whole.copy()
        canvas[_HEAD] = self._scene.face[_HEAD]
        for eye in self._eyes:
            eye.draw(canvas, state["eye_opening"], (state["gaze_x"], state["gaze_y"]))
        self._mouth.draw(canvas, _mouth_shape(state))
        canvas[_HEAD] = over(self._scene.before[_HEAD], over(canvas[_HEAD], self._scene.behind[_HEAD]))
        return canvas

    def _sources(self, moved: tuple[Array, Array]) -> tuple[Array, Array]:
        """Canvas places (height, width) that come to lie on the picture's pixels, by fixed-point iteration."""
        to_x, to_y = np.meshgrid(self._to_x, self._to_y)
        field = np.dstack(moved)
        x: Array = to_x
        y: Array = to_y
        for _ in range(_ROUNDS):
            shift = sample(field, x / _STEP, y / _STEP)
            x, y = to_x - shift[..., 0], to_y - shift[..., 1]
        return self._full(x), self._full(y)

    def _full(self, coarse: Array) -> Array:
        height, width, _ = self._wall.shape
        return upsample(coarse.astype(np.float32), _STEP, height, width)


def _mouth_shape(state: Mapping[str, float]) -> MouthShape:
    return MouthShape(
        opening=state["mouth_opening"],
        pull=state["lip_corner_pull"],
        depress=state["lip_corner_depress"],
        widening=state["mouth_widening"],
        press=float(np.clip(state["lip_press"], 0, 1)),
        upper_raise=0.03 * state["nose_wrinkle"],
    )
