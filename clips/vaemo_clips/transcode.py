"""Cutting a segment out of a clip into a small file that every browser plays."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

from av.error import FFmpegError

from vaemo_clips.container import Media, open_media
from vaemo_clips.errors import MediaError, MissingExtraError
from vaemo_clips.picture import Orientation, scaled_size

_SOUND_CODECS = {".m4a": "aac", ".mp4": "aac", ".mp3": "libmp3lame"}


def cut(source: Path, target: Path, begin_s: float, duration_s: float, short_side_px: int = 320) -> None:
    """Write [begin_s, begin_s + duration_s) of `source` to `target`, frame-exact, on the picture's clock.

    `target` ends in .mp4 (H.264 and AAC, upright, square pixels, short side at most `short_side_px`)
    or, for sound alone, in .m4a or .mp3. It appears under its name only when it is whole.
    Raises MediaError (the reasons of `open_media`, cut_failed), ValueError for another ending and
    MissingExtraError without ffmpeg-python and imageio-ffmpeg.
    """
    if target.suffix not in _SOUND_CODECS:
        raise ValueError(f"{target}: must end in one of {', '.join(_SOUND_CODECS)}")
    ffmpeg, program = _tools()
    with open_media(source) as media:
        options = _options(media, target, short_side_px)
        # ffmpeg counts from the earliest stream of the file, we from the first picture.
        offset_s = media.clock_s - (media.container.start_time or 0) / 1_000_000
        stream_ids = [s.index for s in (media.video, media.audio) if s is not None and s.type in options["types"]]
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.tmp{target.suffix}")
    whole = ffmpeg.input(f"file:{source}", ss=max(begin_s + offset_s, 0.0), t=duration_s)
    chosen = [whole[str(index)] for index in stream_ids]
    job = ffmpeg.output(*chosen, f"file:{temporary}", **options["codecs"]).global_args("-nostdin", "-v", "error")
    try:
        job.run(cmd=program, overwrite_output=True, capture_stdout=True, capture_stderr=True)
        temporary.replace(target)
    except ffmpeg.Error as error:
        lines = error.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise MediaError("cut_failed", f"{source}: {' | '.join(lines[-3:])}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _tools() -> tuple[ModuleType, str]:
    try:
        import ffmpeg
        import imageio_ffmpeg
    except ImportError as error:
        raise MissingExtraError("ffmpeg-python", "annotate") from error
    program: str = imageio_ffmpeg.get_ffmpeg_exe()
    return ffmpeg, program


def _options(media: Media, target: Path, short_side_px: int) -> dict[str, Any]:
    sound = {"acodec": _SOUND_CODECS[target.suffix], "audio_bitrate": "96k", "ac": 1}
    if media.video is None or target.suffix != ".mp4":
        if media.audio is None:
            raise MediaError("no_audio", f"{media.path}: the file has no sound to write to {target.name}")
        return {"types": {"audio"}, "codecs": sound}
    width, height = _upright_size(media, short_side_px)
    picture = {
        "vcodec": "libx264",
        "vf": f"scale={width}:{height},setsar=1",
        "pix_fmt": "yuv420p",
        "preset": "veryfast",
        "crf": 26,
        "movflags": "+faststart",
    }
    return {"types": {"video", "audio"}, "codecs": {**picture, **(sound if media.audio else {})}}


def _upright_size(media: Media, short_side_px: int) -> tuple[int, int]:
    stream = media.video
    assert stream is not None
    try:
        frame = next(media.container.decode(stream))
    except (FFmpegError, StopIteration) as error:
        raise MediaError("corrupt", f"{media.path}: no picture of its video stream decodes") from error
    width, height = scaled_size(frame.width, frame.height, stream.sample_aspect_ratio, short_side_px)
    return (height, width) if Orientation.of(frame).is_transposed else (width, height)
