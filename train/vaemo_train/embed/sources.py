"""Which kind of source a path is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from vaemo_clips.index import index
from vaemo_clips.index import rejects_path as index_rejects_path
from vaemo_clips.manifest import Manifest
from vaemo_train.embed.opened import OpenedModel
from vaemo_train.embed.parts import parts_folder
from vaemo_train.embed.settings import EmbedSettings
from vaemo_train.embed.source import MediaSource, ShardSource, Source, is_shards
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.row import ShardSettings


def open_source(
    path: Path,
    out: Path,
    opened: OpenedModel,
    settings: EmbedSettings,
    workers: int | None = None,
    on_index: Callable[[int, int, int], None] | None = None,
) -> tuple[Source, Sequence[Mapping[str, str]]]:
    """The clips at `path`, and those of them that were refused before: shards, a manifest, or a folder of media files.

    A folder of media files is indexed into the folder of parts, where the next command finds what is known of files
    that have not changed. Media become the faces that the model was trained on. Raises ShardError, ManifestError,
    MissingExtraError, and UserError for shards in which no clip has the modality.
    """
    if path.is_dir() and is_shards(path):
        folder = ShardFolder.open(path)
        opened.check_faces(folder)
        shards = ShardSource(folder)
        shards.check_modality(settings.modality)
        return shards, []
    as_shards = ShardSettings(modality=settings.modality, size_px=opened.face_px)
    if path.is_file():
        return MediaSource(Manifest.open(path), as_shards, workers), []
    manifest = parts_folder(out) / "clips.parquet"
    index(path, manifest, workers=workers, on_progress=on_index)
    return MediaSource(Manifest.open(manifest), as_shards, workers, shown=path), _refused(manifest)


def _refused(manifest: Path) -> list[dict[str, str]]:
    """What could not be indexed, as rejects."""
    rows = pq.read_table(index_rejects_path(manifest), columns=["clip_id", "path", "reason", "detail"]).to_pylist()
    return [
        {
            "clip_id": row["clip_id"] or "", "path": row["path"] or "", "reject_reason": row["reason"],
            "reject_detail": row["detail"],
        }
        for row in rows
    ]  # fmt: skip
