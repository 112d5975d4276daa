"""The two public-domain portraits whose skin the synthetic speakers are made of, and the points placed on them.

The portraits are NASA's of Eileen Collins, which ships with scikit-image, and the US Navy's of Grace Hopper,
which ships with matplotlib. Both are works of the US government. The points were read off by eye.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from vaemo_clips.errors import MissingExtraError

Array = NDArray[np.floating]

POINT_NAMES = (
    "temple_l", "cheekbone_l", "cheek_l", "jaw_l", "jowl_l", "chin_l", "chin", "chin_r", "jowl_r", "jaw_r", "cheek_r",
    "cheekbone_r", "temple_r", "brow_l_out", "brow_l_top", "brow_l_in", "brow_r_in", "brow_r_top", "brow_r_out",
    "eye_l_out", "eye_l_top", "eye_l_in", "eye_l_low", "eye_r_in", "eye_r_top", "eye_r_out", "eye_r_low",
    "bridge", "nose_tip", "ala_l", "ala_r", "nose_base",
    "mouth_l", "lip_top", "mouth_r", "lip_bottom", "forehead",
)  # fmt: skip
"""Names of the points on a face; `_l` is the picture's left."""

# Canvas pixels around the middle between the eyes, y down: a mean face at rest.
MEAN_FACE: Array = np.array(
    [(-63, -18), (-64, 10), (-63, 32), (-57, 60), (-42, 88), (-20, 106), (0, 110), (20, 106), (42, 88), (57, 60),
     (63, 32), (64, 10), (63, -18), (-50, -18), (-38, -22), (-16, -17), (16, -17), (38, -22), (50, -18),
     (-47, 0), (-32, -7), (-17, 2), (-32, 5), (17, 2), (32, -7), (47, 0), (32, 5),
     (0, 0), (0, 34), (-20, 35), (20, 35), (0, 44),
     (-30, 67), (0, 60), (30, 67), (0, 79), (0, -40)],
    np.float32,
)  # fmt: skip

_COLLINS: Array = np.array(
    [(184, 92), (182, 112), (183, 127), (186, 148), (198, 166), (212, 175.5), (226, 178), (240, 176.5), (252, 166),
     (265, 147), (268, 127), (270, 112), (268, 94), (191, 89.5), (199, 88.3), (213.5, 92.6), (238, 93.6), (248, 92),
     (264, 96), (192, 100.5), (202, 96.5), (212.5, 103.5), (202.5, 105.5), (236, 105), (247, 98.8), (259, 104),
     (247, 108.3), (225, 103), (224, 126), (210.5, 127), (238, 127), (224, 133),
     (202, 140.5), (224, 138.3), (247, 140.5), (224, 156.5), (225, 78)],
    np.float32,
)  # fmt: skip
_HOPPER: Array = np.array(
    [(182, 163), (179, 190), (181, 222), (192, 270), (208, 306), (238, 327), (265, 330), (292, 328), (320, 307),
     (336, 270), (345, 222), (350, 190), (348, 163), (196, 172), (214, 163), (243, 174), (284, 174), (306, 159),
     (330, 166), (203, 192), (220, 183), (237, 193), (220, 199), (288, 191), (304, 179), (322, 188),
     (304, 195), (264, 190), (266, 232), (239, 243), (296, 242), (267, 251),
     (225, 281), (266, 272.5), (308, 278), (266, 294), (264, 140)],
    np.float32,
)  # fmt: skip
# Skin that may be used, then what must not be: a smile or lips, glasses, drawn in the portrait's pixels.
_COLLINS_SKIN = [(188, 98), (193, 89), (214, 86), (238, 88), (256, 93), (264, 101), (267, 125), (262, 148), (250, 164),
                 (238, 173), (224, 175), (211, 172), (199, 163), (188, 147), (185, 127)]  # fmt: skip
_HOPPER_SKIN = [(189, 162), (203, 151), (230, 147), (264, 146), (300, 147), (328, 151), (341, 162), (345, 222),
                (333, 268), (317, 302), (290, 318), (265, 320), (240, 318), (212, 302), (195, 268),
                (185, 222)]  # fmt: skip
_COLLINS_GAPS = [[(198, 134), (250, 134), (252, 143), (240, 157), (224, 160), (208, 156), (198, 144)]]
_HOPPER_GAPS = [
    [(174, 160), (250, 168), (282, 168), (352, 158), (352, 200), (335, 236), (296, 238), (280, 224), (252, 224),
     (236, 238), (200, 240), (180, 200)],
    [(220, 270), (312, 268), (316, 284), (290, 300), (240, 300), (218, 286)],
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Portrait:
    """A portrait as relief: colour over the mean colour of its skin (H, W, 3), about 1.

    `weight` (H, W) in [0, 1] says where the relief is usable skin; `points` (P, 2) are x, y of POINT_NAMES.
    """

    relief: Array
    weight: Array
    points: Array


@functools.cache
def collins() -> Portrait:
    """The astronaut: young skin, a smile."""
    path = _package("skimage") / "data" / "astronaut.png"
    return _portrait(path, _COLLINS, _COLLINS_SKIN, _COLLINS_GAPS, blur_px=1.0)


@functools.cache
def hopper() -> Portrait:
    """The admiral: old skin, glasses."""
    path = _package("matplotlib") / "mpl-data" / "sample_data" / "grace_hopper.jpg"
    return _portrait(path, _HOPPER, _HOPPER_SKIN, _HOPPER_GAPS, blur_px=2.0)


def _package(name: str) -> Path:
    """Folder of an installed package, which is not imported. Raises MissingExtraError."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(name, "demo")
    return Path(next(iter(spec.submodule_search_locations)))


def _portrait(
    path: Path,
    points: Array,
    skin: Sequence[tuple[float, float]],
    gaps: Sequence[Sequence[tuple[float, float]]],
    blur_px: float,
) -> Portrait:
    with Image.open(path) as picture:
        colour = np.asarray(picture.convert("RGB"), np.float32)
        mask = Image.new("L", picture.size, 0)
    drawing = ImageDraw.Draw(mask)
    drawing.polygon(list(skin), fill=255)
    for gap in gaps:
        drawing.polygon(list(gap), fill=0)
    # Shrunk before it is blurred, so that no colour from outside the polygon gets in.
    mask = mask.filter(ImageFilter.MinFilter(3)).filter(ImageFilter.GaussianBlur(blur_px))
    weight = np.asarray(mask, np.float32) / 255
    mean = (colour * weight[..., None]).sum((0, 1)) / weight.sum()
    return Portrait(colour / mean, weight, points)
