"""How much of the lips' red can be seen: rolled in or pressed together, there is less of it.

The mesh keeps the shape of its lips whatever they do, so their colour is looked at instead. Paint, light and
skin change it too: it is a hint, best held against the same speaker's other clips.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.faces.mesh import Mesh

# Outer and inner edge of the upper and of the lower lip, at the middle and to both sides of it.
_OUTER, _INNER = [0, 37, 267, 17, 84, 314], [13, 82, 312, 14, 87, 317]
_ACROSS = np.array([0.25, 0.5, 0.75], np.float32)  # from the outer to the inner edge
_SKIN = [164, 167, 393, 200, 199, 18, 83, 313, 205, 425]  # between nose and lip, chin, cheeks
_GREY = 0.01
_AROUND = np.array([(x, y) for y in (-1, 0, 1) for x in (-1, 0, 1)], np.int64)


def lip_redness(mesh: Mesh) -> float:
    """Return the redness (R - G) / (R + G + B) of the lips less that of the skin around them; NaN without colour."""
    outer, inner = mesh.in_patch(_OUTER), mesh.in_patch(_INNER)
    # (6, 1, 2) and (3, 1) -> (6, 3, 2) -> (18, 2)
    lips = (outer[:, None] + _ACROSS[:, None] * (inner - outer)[:, None]).reshape(-1, 2)
    of_lips, of_skin = _redness(mesh, lips), _redness(mesh, mesh.in_patch(_SKIN))
    if max(np.abs(of_lips).max(), np.abs(of_skin).max()) < _GREY:
        return float("nan")
    return float(of_lips.mean() - of_skin.mean())


def _redness(mesh: Mesh, points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Redness (K,) of 3 x 3 pixels around points (K, 2) of the patch."""
    places = np.clip(points.astype(np.int64)[:, None] + _AROUND, 0, mesh.patch.shape[0] - 1)
    colours = mesh.patch[places[..., 1], places[..., 0]].mean(axis=1, dtype=np.float64)
    return np.asarray((colours[:, 0] - colours[:, 1]) / (colours.sum(axis=1) + 1))
