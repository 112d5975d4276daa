"""Which kind of source a path is."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

from vaemo_clips.errors import ManifestError
from vaemo_clips.index import index
from vaemo_clips.index import rejects_path as index_rejects_path
from vaemo_clips.manifest import Manifest
from vaemo_train.embed.opened import OpenedModel
from vaemo_train.embed.parts import MANIFEST, parts_folder, unwritable
from vaemo_train.embed.rejects import IndexRejects
from vaemo_train.embed.settings import EmbedSettings
from vaemo_train.embed.source import MediaSource, ShardSource, Source, is_shards
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.row import ShardSettings

_DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)


class InterruptedIndexing(KeyboardInterrupt):
    """Ctrl-C while a folder of media files is indexed: before any clip is embedded."""


def open_source(
    path: Path,
    out: Path,
    opened: OpenedModel,
    settings: EmbedSettings,
    workers: int | None = None,
    on_index: Callable[[int, int, int], None] | None = None,
) -> tuple[Source, IndexRejects]:
    """The clips at `path`, and those of them that were refused before: shards, a manifest, or a folder of media files.

    A folder of media files is indexed into the folder of parts, where it stays: the next command finds what is known
    of files that have not changed. Media become the faces that the model was trained on. Raises ShardError,
    ManifestError, MissingExtraError, RunFolderError where the index cannot be written, UserError for shards in which no
    clip has the modality, InterruptedIndexing for Ctrl-C.
    """
    if path.is_dir() and is_shards(path):
        folder = ShardFolder.open(path)
        opened.check_faces(folder)
        shards = ShardSource(folder)
        shards.check_modality(settings.modality)
        return shards, IndexRejects()
    as_shards = ShardSettings(modality=settings.modality, size_px=opened.face_px)
    if path.is_file():
        return MediaSource(Manifest.open(path), as_shards, workers), IndexRejects()
    manifest = parts_folder(out) / MANIFEST
    _index(path, manifest, out, workers, on_index)
    source = MediaSource(Manifest.open(manifest), as_shards, workers, shown=path)
    return source, IndexRejects(index_rejects_path(manifest))


def _index(
    path: Path, manifest: Path, out: Path, workers: int | None, on_index: Callable[[int, int, int], None] | None
) -> None:
    try:
        index(path, manifest, workers=workers, on_progress=on_index)
    except KeyboardInterrupt as error:
        raise InterruptedIndexing from error
    except OSError as error:
        if error.errno in _DISK_FAULTS:
            raise unwritable(out, error) from error
        raise ManifestError(f"{path}: cannot be indexed ({error}); mend that, run the same command again") from error
