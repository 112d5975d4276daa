"""What the page shows of a clip's media: our own previews, made in worker processes and kept below OUT/review-cache."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal

from vaemo_annotate.media import check_unchanged, encode_jpeg
from vaemo_annotate.review.course import COURSE_VERSION, course_of
from vaemo_clips.clip import Clip
from vaemo_clips.errors import ManifestError, MediaError, MissingExtraError, VaemoError
from vaemo_clips.manifest import Manifest
from vaemo_clips.timeline import frame_times
from vaemo_clips.transcode import cut
from vaemo_clips.whole_file import write_text
from vaemo_clips.workers import in_worker

CACHE_FOLDER: Final = "review-cache"
"""Below the run folder; may be deleted at any time."""
Kind = Literal["preview", "strip", "course"]
_LASTING: Final = frozenset({"bad_segment", "corrupt", "no_audio", "no_decoder", "no_streams", "no_video", "not_media"})
"""Errors of the bytes themselves: tried again, they are met again. Any other may be gone the next time."""
_VERSION = f"1.{COURSE_VERSION}"
_PREVIEW_SHORT_SIDE_PX = 360
_STRIP_FRAMES = 8
_STRIP_CELL_PX = (120, 90)
_TIMEOUT_S = 120.0
_TIMEOUT_PER_SECOND = 4.0  # of the clip


class ClipMedia:
    """Previews of the clips of one manifest; use it inside one event loop."""

    def __init__(self, manifest: Manifest, cache: Path, pool: Any) -> None:
        """Serve clips of `manifest`; what is made goes into the folder `cache`, made by a pebble.ProcessPool."""
        self._manifest = manifest
        self._cache = cache
        self._pool = pool
        self._numbers = {clip_id: number for number, clip_id in enumerate(manifest.clip_ids())}
        self._making: dict[Path, asyncio.Task[Path]] = {}
        self._failed: dict[Path, MediaError] = {}
        self._ahead: asyncio.Task[None] | None = None

    async def file(self, clip_id: str, kind: Kind) -> Path:
        """Return one of our own files about a clip, made now or earlier. Raises MediaError.

        `preview` is an .mp4 or .m4a that browsers play, `strip` a .jpg of frames side by side, `course` a .json
        (`course.course_of`).
        """
        clip = await asyncio.to_thread(self._clip, clip_id)
        target = self._cache / f"{_key(clip)}{_suffix(kind, clip)}"
        with _writable(self._cache):
            if target.exists():
                return target
        if target in self._failed:
            raise self._failed[target]
        if target not in self._making:
            self._making[target] = asyncio.create_task(self._make(clip, kind, target))
            self._making[target].add_done_callback(lambda task: self._finish(target, task))
        return await asyncio.shield(self._making[target])

    def prepare(self, clip_ids: Iterable[str]) -> None:
        """Make the files of these clips in the background, one after the other, in place of those asked for before."""
        if self._ahead is not None:
            self._ahead.cancel()
        self._ahead = asyncio.create_task(self._prepare(list(clip_ids)))

    async def _prepare(self, clip_ids: list[str]) -> None:
        kinds: tuple[Kind, ...] = ("preview", "strip", "course")
        for clip_id in clip_ids:
            for kind in kinds:
                with suppress(VaemoError):  # it is met again, and shown, when the clip is looked at
                    await self.file(clip_id, kind)

    async def close(self) -> None:
        """Stop what is under way."""
        tasks = [*self._making.values(), *([self._ahead] if self._ahead else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _finish(self, target: Path, task: asyncio.Task[Path]) -> None:
        self._making.pop(target, None)
        error = None if task.cancelled() else task.exception()
        if isinstance(error, MediaError) and error.reason in _LASTING:
            self._failed[target] = error

    async def _make(self, clip: Clip, kind: Kind, target: Path) -> Path:
        source = await asyncio.to_thread(inside, self._manifest.root, clip.path)
        timeout_s = _TIMEOUT_S + _TIMEOUT_PER_SECOND * clip.duration_s
        with _writable(self._cache):
            self._cache.mkdir(parents=True, exist_ok=True)
        await in_worker(self._pool, timeout_s, clip.path, make_file, kind, source, clip, target)
        return target

    def _clip(self, clip_id: str) -> Clip:
        number = self._numbers.get(clip_id)
        if number is None:
            raise MediaError("not_found", f"{clip_id}: the run's manifest has no such clip; index and run again")
        try:
            return self._manifest.take([number])[0]
        except (ManifestError, OSError) as error:
            raise MediaError("unreadable", f"{clip_id}: {error}") from error


def inside(root: Path, path: str) -> Path:
    """Return the file `path` (relative, POSIX) below `root`, links followed. Raises MediaError where it is outside."""
    try:
        target = (root / path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        raise MediaError("not_found", f"{path}: there is no such file in the media folder") from error
    if not target.is_relative_to(root.resolve()):
        raise MediaError("outside", f"{path}: it lies outside the media folder; only what is inside is shown")
    return target


def make_file(kind: Kind, source: Path, clip: Clip, target: Path) -> None:
    """Make one file about a clip; it takes its name when it is whole. Raises MediaError."""
    check_unchanged(source, clip)
    with _writable(target.parent):
        if kind == "preview":
            cut(source, target, clip.begin_s, clip.duration_s, short_side_px=_PREVIEW_SHORT_SIDE_PX)
        elif kind == "strip":
            _write_strip(source, clip, target)
        else:
            course = course_of(source, clip.begin_s, clip.duration_s, clip.has_video, clip.has_audio)
            write_text(target, json.dumps(course, allow_nan=False))


@contextmanager
def _writable(cache: Path) -> Iterator[None]:
    """Turn what the folder for previews does not allow into a MediaError; decoders have errors of their own."""
    try:
        yield
    except OSError as error:
        why = error.strerror or str(error)
        raise MediaError(
            "no_cache", f"{cache} cannot be used for previews ({why}); free disk space, or make it a folder to write in"
        ) from error


def _write_strip(source: Path, clip: Clip, target: Path) -> None:
    """Write frames of equal size side by side; each stands over its own stretch of the clip."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        raise MissingExtraError("pillow", "annotate") from error
    import numpy as np

    from vaemo_clips.video import decode_frames

    times_s = frame_times(clip.begin_s, clip.duration_s, fps=100.0, max_frames=_STRIP_FRAMES)
    frames = decode_frames(source, times_s, short_side_px=_STRIP_CELL_PX[0])
    cells = [np.asarray(ImageOps.fit(Image.fromarray(image), _STRIP_CELL_PX)) for image in frames.images]
    draft = target.with_name(f".{target.name}.tmp")
    draft.write_bytes(encode_jpeg(np.concatenate(cells, axis=1)))
    draft.replace(target)


def _key(clip: Clip) -> str:
    """A name that no clip can choose: a digest of all that the files depend on."""
    parts = [_VERSION, clip.sha256, clip.begin_s, clip.duration_s, clip.has_video, clip.has_audio, clip.path]
    parts += [clip.file_bytes, clip.file_mtime_ns]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def _suffix(kind: Kind, clip: Clip) -> str:
    if kind == "preview":
        return ".mp4" if clip.has_video else ".m4a"
    return {"strip": ".jpg", "course": ".json"}[kind]
