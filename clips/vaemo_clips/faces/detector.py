"""Faces in one picture: boxes and eyes from MediaPipe's BlazeFace networks.

Bazarevsky et al. (2019), BlazeFace: Sub-millisecond Neural Face Detection on Mobile GPUs, arXiv:1907.05047:
single-shot detection on square anchors that share one size, six key points a face, overlapping boxes blended
by their scores instead of suppressed (section 3.3).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vaemo_clips.faces.network import Network
from vaemo_clips.faces.region import Region

_NUM_VALUES = 16  # box centre and size, then x and y of six key points
_MIN_SCORE = 0.5
_SAME_FACE_IOU = 0.3
_MAX_LOGIT = 80.0  # exp overflows float32 past 88
_FACE_TO_REGION = 1.5  # the mesh network wants forehead, chin and some background


@dataclass(frozen=True, slots=True)
class Detection:
    """A face in a picture: its box x0, y0, x1, y1 (brows to chin), both eyes (2, 2) left to right, score in [0, 1]."""

    box_px: NDArray[np.float32]
    eyes_px: NDArray[np.float32]
    score: float

    @property
    def region(self) -> Region:
        """The square for the mesh network: the box, turned so that the eyes are level, half as large again."""
        x0, y0, x1, y1 = (float(v) for v in self.box_px)
        along = self.eyes_px[1] - self.eyes_px[0]
        angle = math.atan2(float(along[1]), float(along[0]))
        return Region((x0 + x1) / 2, (y0 + y1) / 2, _FACE_TO_REGION * max(x1 - x0, y1 - y0), angle)


class FaceDetector:
    """One detector network with its anchors; `anchors_per_cell` by stride in pixels of its input."""

    def __init__(self, content: bytes, anchors_per_cell: dict[int, int]) -> None:
        self._network = Network(content)
        self._anchors = _anchors(self._network.side_px, anchors_per_cell)

    def find(self, picture: Image.Image) -> list[Detection]:
        """Faces of an RGB picture, the surest first, in the picture's pixels."""
        side = self._network.side_px
        scale = side / max(picture.size)
        size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
        small = picture.resize(size, Image.Resampling.BILINEAR, reducing_gap=1.5)
        # Letterboxed at the top left, so that going back to the picture is one factor.
        square = np.zeros((side, side, 3), dtype=np.uint8)
        square[: size[1], : size[0]] = np.asarray(small)
        rows = len(self._anchors)
        values, logits = self._network.run(square, 2 / 255, -1, (1, rows, _NUM_VALUES), (1, rows, 1))
        factors = np.array([picture.width / size[0], picture.height / size[1]], dtype=np.float32)
        return self._faces(values[0], logits[0, :, 0], factors)

    def _faces(
        self, values: NDArray[np.float32], logits: NDArray[np.float32], factors: NDArray[np.float32]
    ) -> list[Detection]:
        scores = (1 / (1 + np.exp(-np.clip(logits, -_MAX_LOGIT, _MAX_LOGIT)))).astype(np.float32)
        chosen = np.flatnonzero(scores >= _MIN_SCORE)
        chosen = chosen[np.argsort(-scores[chosen])]
        points = values[chosen].reshape(-1, _NUM_VALUES // 2, 2)  # (K, 16) -> (K, 8, 2)
        centres = points[:, 0] + self._anchors[chosen]
        half = points[:, 1] / 2
        boxes = np.concatenate([centres - half, centres + half], axis=1) * np.tile(factors, 2)
        eyes = (points[:, 2:4] + self._anchors[chosen, None]) * factors
        return _blended(boxes, eyes, scores[chosen])


def _anchors(side_px: int, anchors_per_cell: dict[int, int]) -> NDArray[np.float32]:
    grids = []
    for stride, count in anchors_per_cell.items():
        at = (np.arange(side_px // stride) + 0.5) * stride
        x, y = np.meshgrid(at, at)
        grids.append(np.repeat(np.stack([x, y], axis=-1).reshape(-1, 2), count, axis=0))
    return np.concatenate(grids).astype(np.float32)


def _blended(boxes: NDArray[np.float32], eyes: NDArray[np.float32], scores: NDArray[np.float32]) -> list[Detection]:
    found = []
    while len(boxes):
        is_same = iou(boxes[0], boxes) >= _SAME_FACE_IOU
        is_same[0] = True
        weights = scores[is_same] / scores[is_same].sum()
        box = np.einsum("k,kc->c", weights, boxes[is_same])
        eye = np.einsum("k,kpc->pc", weights, eyes[is_same])
        if np.isfinite(box).all() and np.isfinite(eye).all() and (box[2:] > box[:2]).all():
            found.append(Detection(box.astype(np.float32), eye.astype(np.float32), float(scores[0])))
        boxes, eyes, scores = boxes[~is_same], eyes[~is_same], scores[~is_same]
    return found


def iou(box: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of `box` (4,) with each of `boxes` (K, 4), (K,) in [0, 1]."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=1)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2])
    return np.asarray(shared / np.maximum(areas - shared, 1e-6), dtype=np.float32)
