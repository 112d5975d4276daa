"""The rows of a track while it grows: flat arrays, about 200 bytes a picture."""

from __future__ import annotations

from array import array

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.faces.geometry import GEOMETRY
from vaemo_clips.faces.mesh import ANCHOR_POINTS, Mesh
from vaemo_clips.faces.track import FaceTrack
from vaemo_clips.picture import LUMA

_FACE = slice(48, 144, 4)  # the middle of the mesh's patch (192 px), without hair and background


class TrackRows:
    """Collects what `FaceTrack` holds."""

    def __init__(self) -> None:
        self._index = array("i")
        self._values = array("f")
        self._width = 4 + 2 * len(ANCHOR_POINTS) + len(GEOMETRY) + 2

    def __len__(self) -> int:
        return len(self._index)

    def add(self, index: int, mesh: Mesh, geometry: NDArray[np.float32]) -> None:
        """Append the picture `index`, in which the face was found as `mesh`."""
        brightness = float(mesh.patch[_FACE, _FACE].reshape(-1, 3).mean(axis=0) @ LUMA)
        tail = np.array([mesh.presence, brightness], dtype=np.float32)
        row = np.concatenate([mesh.box_px, mesh.anchors_px.ravel(), geometry, tail], dtype=np.float32)
        self._index.append(index)
        self._values.frombytes(row.tobytes())

    def drop_last(self) -> None:
        """Take back the last row."""
        del self._index[-1:]
        del self._values[-self._width :]

    def track(self) -> FaceTrack:
        """The rows so far as a track."""
        values = np.array(self._values, dtype=np.float32).reshape(-1, self._width)
        box, anchors, geometry, presence, brightness = np.split(
            values, np.cumsum([4, 2 * len(ANCHOR_POINTS), len(GEOMETRY), 1]), axis=1
        )
        return FaceTrack(
            frame_index=np.array(self._index, dtype=np.int32),
            box_px=box,
            anchors_px=anchors.reshape(-1, len(ANCHOR_POINTS), 2),
            geometry=geometry,
            presence=presence[:, 0],
            brightness=brightness[:, 0],
        )
