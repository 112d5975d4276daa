"""Aligned crops of a face: turned, scaled and centred by the slow part of the head's motion only.

The eyes and the nose bridge say where the face is; a smile or an open jaw moves none of them. Their path is
low-passed before it is taken out, so that nods, shakes and tremor stay in the crops.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vaemo_clips.faces.geometry import GEOMETRY
from vaemo_clips.faces.region import Region
from vaemo_clips.faces.track import FaceTrack

# Anchors of a frontal face in distances between the outer eye corners (the mean of ten GRID speakers),
# from the middle of the crop; the whole mesh, hairline to chin, is about _FACE_SIDE high.
_LAYOUT = np.array([[-0.5, -0.34], [-0.19, -0.325], [0.19, -0.325], [0.5, -0.34], [0.0, -0.395]])
_FACE_SIDE = 1.9
_NARROWEST = 0.5  # cosine of the largest yaw that is made up for
_GAP_S = 0.5  # a path does not continue over a longer gap
_MAX_STEP = 0.5  # of the face's height, nor over a leap
_REACH = 4.0  # deviations of the Gaussian that count
_SAME_TIME_S = 1e-3
_YAW = GEOMETRY.index("yaw_deg")


@dataclass(frozen=True, slots=True)
class Alignment:
    """The crop square of every row of a track (F rows): time (s), centre (F, 2), side in pixels, angle in radians.

    A square's x axis is turned by `angle` clockwise on the screen (y down).
    """

    times_s: NDArray[np.float64]
    centre_px: NDArray[np.float64]
    side_px: NDArray[np.float64]
    angle: NDArray[np.float64]

    def region(self, row: int) -> Region:
        """The square of one row."""
        x, y = self.centre_px[row]
        return Region(float(x), float(y), float(self.side_px[row]), float(self.angle[row]))


def alignment_of(
    track: FaceTrack,
    times_s: NDArray[np.float64],
    *,
    margin: float = 0.15,
    cutoff_hz: float = 1.0,
    cuts_s: Iterable[float] = (),
) -> Alignment:
    """Where to crop `track`; `times_s` (N,) and `cuts_s` are those of its `FaceTracks`.

    `margin` is added on each side, in heights of the face. Centre, log side and angle are low-passed over time
    without delay, to half the power at `cutoff_hz`; gaps, cuts and leaps end the smoothing. Raises ValueError
    where margin is not above -0.5 or cutoff_hz not above 0.
    """
    if not (margin > -0.5 and cutoff_hz > 0):
        raise ValueError(f"margin={margin} must be above -0.5 and cutoff_hz={cutoff_hz} above 0")
    seen_s = times_s[track.frame_index].astype(np.float64)
    turn, centre = _similarities(track.anchors_px.astype(np.float64), np.radians(track.geometry[:, _YAW]))
    path = np.stack([centre.real, centre.imag, np.log(np.abs(turn)), np.angle(turn)], axis=1)
    piece = _pieces(seen_s, path, np.asarray(sorted(cuts_s), dtype=np.float64))
    for number in range(int(piece[-1]) + 1 if len(piece) else 0):
        path[piece == number, 3] = np.unwrap(path[piece == number, 3])
    smooth = _low_passed(seen_s, path, piece, cutoff_hz)
    side = np.exp(smooth[:, 2]) * _FACE_SIDE * (1 + 2 * margin)
    return Alignment(seen_s, smooth[:, :2], side, smooth[:, 3])


def aligned_crops(
    frames: Iterable[tuple[float, NDArray[np.uint8]]],
    track: FaceTrack,
    times_s: NDArray[np.float64],
    *,
    size_px: int = 192,
    margin: float = 0.15,
    cutoff_hz: float = 1.0,
    cuts_s: Iterable[float] = (),
    picture_width: int | None = None,
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Time (s) and crop (size_px, size_px, 3) uint8 RGB of each of `frames` in which `track` was measured.

    A picture without the face gives no crop. What lies outside the picture is black. `picture_width` is
    `FaceTracks.width` where `frames` are larger or smaller than the pictures that were tracked. The other
    settings are those of `alignment_of`.
    """
    aligned = alignment_of(track, times_s, margin=margin, cutoff_hz=cutoff_hz, cuts_s=cuts_s)
    for time_s, image in frames:
        row = int(np.searchsorted(aligned.times_s, time_s - _SAME_TIME_S))
        if row == len(aligned.times_s) or aligned.times_s[row] > time_s + _SAME_TIME_S:
            continue
        scale = image.shape[1] / picture_width if picture_width else 1.0
        square = aligned.region(row)
        square = Region(square.x * scale, square.y * scale, square.side * scale, square.angle)
        yield time_s, square.patch(Image.fromarray(image), size_px)


def _similarities(
    anchors: NDArray[np.float64], yaw: NDArray[np.float32]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Least-squares similarity of the layout to anchors (F, 5, 2): factor and offset as complex numbers, (F,) each.

    The layout is as wide as a head turned by `yaw` (F,) radians shows it, so that turning does not zoom in.
    With x + iy for (x, y), scale and rotation are one complex factor, and the optimum of Umeyama (1991),
    IEEE TPAMI 13(4), equations 40-42, for two dimensions without a reflection is a complex regression.
    """
    width = np.clip(np.cos(yaw.astype(np.float64)), _NARROWEST, 1)[:, None]
    layout = width * _LAYOUT[:, 0] + 1j * _LAYOUT[:, 1]  # (F, 5)
    points = anchors[..., 0] + 1j * anchors[..., 1]
    layout_mean, points_mean = layout.mean(axis=1), points.mean(axis=1)
    offsets = layout - layout_mean[:, None]
    along = ((points - points_mean[:, None]) * offsets.conj()).sum(axis=1)
    factor = along / (np.abs(offsets) ** 2).sum(axis=1)
    return factor, points_mean - factor * layout_mean


def _pieces(seen_s: NDArray[np.float64], path: NDArray[np.float64], cuts_s: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of the unbroken stretch that each row belongs to, (F,)."""
    if not len(seen_s):
        return np.zeros(0, dtype=np.int64)
    height = np.exp(path[:, 2]) * _FACE_SIDE
    step = np.abs(np.diff(path[:, :2], axis=0)).max(axis=1)
    shot = np.searchsorted(cuts_s, seen_s + _SAME_TIME_S)
    is_break = (np.diff(seen_s) > _GAP_S) | (step > _MAX_STEP * height[:-1]) | (np.diff(shot) > 0)
    return np.concatenate([[0], np.cumsum(is_break)])


def _low_passed(
    seen_s: NDArray[np.float64], path: NDArray[np.float64], piece: NDArray[np.int64], cutoff_hz: float
) -> NDArray[np.float64]:
    """Columns of `path` (F, C) smoothed over time: at each row the line that fits best under Gaussian weights.

    Inside a stretch of even pictures that is a Gaussian filter; at its ends a line follows a drift, where a
    mean would lag behind. A Gaussian of deviation s passes exp(-2 (pi s f)^2) of frequency f.
    """
    sigma_s = np.sqrt(np.log(2)) / (2 * np.pi * cutoff_hz)
    reach = int((np.searchsorted(seen_s, seen_s + _REACH * sigma_s) - np.arange(len(seen_s))).max(initial=0))
    rows = np.arange(len(seen_s))
    w0, w1, w2 = np.zeros(len(rows)), np.zeros(len(rows)), np.zeros(len(rows))
    sum0, sum1 = np.zeros_like(path), np.zeros_like(path)
    for offset in range(-reach, reach + 1):
        other = np.clip(rows + offset, 0, len(rows) - 1)
        away_s = seen_s[other] - seen_s
        weight = np.exp(-0.5 * (away_s / sigma_s) ** 2) * ((other == rows + offset) & (piece[other] == piece))
        w0, w1, w2 = w0 + weight, w1 + weight * away_s, w2 + weight * away_s**2
        sum0 += weight[:, None] * path[other]
        sum1 += (weight * away_s)[:, None] * path[other]
    spread = w0 * w2 - w1**2
    is_line = spread > 1e-9 * np.maximum(w0**2, 1) * sigma_s**2
    line = (w2[:, None] * sum0 - w1[:, None] * sum1) / np.where(is_line, spread, 1)[:, None]
    return np.where(is_line[:, None], line, sum0 / np.maximum(w0, 1e-12)[:, None])
