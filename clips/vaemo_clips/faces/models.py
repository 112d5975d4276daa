"""The networks that faces are found and measured with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vaemo_clips.faces.detector import FaceDetector
from vaemo_clips.faces.eyes import EyeReader
from vaemo_clips.faces.mesh import FaceMesher
from vaemo_clips.faces.model_files import EYE, FULL_RANGE, LANDMARK, SHORT_RANGE, model_bytes


@dataclass(frozen=True, slots=True)
class FaceModels:
    """`near` finds faces of about a fifth of the picture and more, `far` smaller ones too; `mesher` measures one,
    `eyes` its lids.

    The networks hold buffers: one set for each thread or process.
    """

    near: FaceDetector
    far: FaceDetector
    mesher: FaceMesher
    eyes: EyeReader

    @classmethod
    def load(cls, folder: Path | None = None) -> FaceModels:
        """Load the networks; `folder` is where a user keeps the files (see `model_files.model_bytes`).

        Raises FaceModelError where a file is missing or wrong, MissingExtraError where LiteRT is not installed.
        """
        return cls(
            near=FaceDetector(model_bytes(SHORT_RANGE, folder), {8: 2, 16: 6}),
            far=FaceDetector(model_bytes(FULL_RANGE, folder), {4: 1}),
            mesher=FaceMesher(model_bytes(LANDMARK, folder)),
            eyes=EyeReader(model_bytes(EYE, folder)),
        )
