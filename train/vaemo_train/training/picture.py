"""A figure of matplotlib as a picture, and a picture as a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from vaemo_clips.errors import FigureError

STYLE: Final[Any] = {"font.family": "DejaVu Sans", "font.size": 7.0, "text.parse_math": False}


def rastered(figure: Any) -> NDArray[np.uint8]:
    """Draw a figure of matplotlib as a picture (H, W, 3)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def write_png(picture: NDArray[np.uint8], path: Path) -> None:
    """Write a picture (H, W, 3). Raises FigureError where the file cannot be written."""
    from PIL import Image

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.draft")
        Image.fromarray(picture).save(draft, format="png", optimize=True)
        draft.replace(path)
    except OSError as error:
        raise FigureError(f"{path}: the figure cannot be written ({error.strerror or error}); make room") from error
