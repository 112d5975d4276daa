"""Clips' vectors, computed once for a model and kept beside its folder, which may be given away without them."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from vaemo_train.evaluate.clip_vectors import PATHS_OF, ClipVectors, embed_clips
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.text_space.space import TextSpace

FOLDER: Final = ".clip_vectors"
_FORMAT: Final = "2"
_NAMES: Final = tuple(f"{name}/{one}" for name, paths in PATHS_OF.items() for one in paths)


def clip_vectors(
    space: TextSpace,
    folder: ShardFolder,
    rows: NDArray[np.int64],
    *,
    num_windows: int,
    batch_size: int,
    on_batch: Callable[[int], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> tuple[ClipVectors, bool]:
    """The vectors of the clips of `rows`, and whether they were kept from an earlier call.

    They are kept beside the model's folder under the model's weights and settings, the shards, the rows and the number
    of windows; where that cannot be written, they are not, which `tell` says. A damaged file is computed again.
    """
    facts = [_FORMAT, space.digest, folder.digest, str(num_windows), hashlib.sha256(rows.tobytes()).hexdigest()]
    name = hashlib.sha256(" ".join(facts).encode()).hexdigest()[:32]
    path = space.folder.resolve().parent / FOLDER / f"{name}.safetensors"
    kept = _read(path)
    if kept is not None:
        return kept, True
    found = embed_clips(space.model, folder, rows, num_windows=num_windows, batch_size=batch_size, on_batch=on_batch)
    try:
        _write(path, found)
    except OSError as error:
        if tell is not None:
            tell(f"the vectors of clips are not kept, {path.parent} cannot be written ({error.strerror})")
    return found, False


def _read(path: Path) -> ClipVectors | None:
    try:
        with safe_open(path, "numpy") as file:
            facts, told = file.metadata()["clips"], file.metadata()["checksum"]
            tensors = {name: file.get_tensor(name) for name in _NAMES}
    except (OSError, SafetensorError, KeyError, TypeError):
        return None
    if told != _checksum(facts, tensors):
        return None
    columns = {name: np.asarray(values, object) for name, values in json.loads(facts).items()}
    vectors = {name: {one: tensors[f"{name}/{one}"] for one in paths} for name, paths in PATHS_OF.items()}
    return ClipVectors(columns.pop("clip_id"), vectors, columns)


def _write(path: Path, found: ClipVectors) -> None:
    tensors = {f"{name}/{one}": values for name, paths in found.vectors.items() for one, values in paths.items()}
    columns = {"clip_id": found.clip_ids, **found.columns}
    facts = json.dumps({name: values.tolist() for name, values in columns.items()})
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        draft.write_bytes(save(tensors, {"clips": facts, "checksum": _checksum(facts, tensors)}))
        draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def _checksum(facts: str, tensors: Mapping[str, NDArray[np.float32]]) -> str:
    found = hashlib.sha256(facts.encode())
    for name in _NAMES:
        found.update(np.ascontiguousarray(tensors[name]).data)
    return found.hexdigest()
