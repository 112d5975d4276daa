"""Opening a media file: which of its streams count, where its clock starts, and typed errors."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import ArgumentError, DecoderNotFoundError, EOFError, FFmpegError, InvalidDataError
from av.stream import Disposition
from av.video.stream import VideoStream

from vaemo_clips.errors import MediaError

_NOT_CLIPS = frozenset({"image2", "gif", "apng", "ico", "ffmetadata"})
_PLAYLISTS = frozenset({"hls", "dash", "concat", "sdp", "rtsp", "rtp", "tty"})  # they open other files
_FORMATS = ",".join(sorted(av.formats_available - _PLAYLISTS))
_STILL = Disposition.attached_pic | Disposition.still_image | Disposition.timed_thumbnails


@dataclass(frozen=True, slots=True)
class Media:
    """An open file with the streams that count; `clock_s` is second 0 of the clip in stream time."""

    path: Path
    container: InputContainer
    video: VideoStream | None
    audio: AudioStream | None
    clock_s: float


@contextmanager
def open_media(path: Path, threads: int = 1) -> Iterator[Media]:
    """Open `path` for decoding; every failure, also inside the block, is a MediaError.

    Streams must not be touched after the block: PyAV reads freed memory there.
    One thread is right where clips are decoded side by side by processes; 0 takes all cores.

    Reasons: not_found, empty_file, unreadable, not_media, no_streams, no_decoder, corrupt.
    """
    container = _open(path)
    try:
        with container:
            yield _choose_streams(path, container, threads)
    except FFmpegError as error:
        raise MediaError(*_reason(path, error, "corrupt")) from error


def _open(path: Path) -> InputContainer:
    _check_file(path)
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    try:
        # The prefix keeps a name such as `a:b.mp4` a file.
        return av.open(f"file:{path}", mode="r", metadata_errors="replace", options=options)
    except UnicodeEncodeError as error:
        raise MediaError("unreadable", f"{str(path)!r}: the name is not valid UTF-8") from error
    except ArgumentError as error:
        raise MediaError("not_media", f"{path}: it is a playlist or plain text, not a clip") from error
    except FFmpegError as error:
        raise MediaError(*_reason(path, error, "not_media")) from error


def _check_file(path: Path) -> None:
    try:
        facts = path.stat()
    except FileNotFoundError as error:
        detail = "the link points at nothing" if path.is_symlink() else "there is no such file"
        raise MediaError("not_found", f"{path}: {detail}") from error
    except (OSError, ValueError) as error:
        raise MediaError("unreadable", f"{path}: {_one_line(error)}") from error
    if not stat.S_ISREG(facts.st_mode):
        kind = "a folder" if stat.S_ISDIR(facts.st_mode) else "not a regular file"
        raise MediaError("unreadable", f"{path}: it is {kind}")
    if facts.st_size == 0:
        raise MediaError("empty_file", f"{path}: the file has 0 bytes")


def _reason(path: Path, error: FFmpegError, otherwise: str) -> tuple[str, str]:
    if isinstance(error, DecoderNotFoundError):
        reason = "no_decoder"
    elif isinstance(error, InvalidDataError | EOFError):
        reason = otherwise
    else:
        reason = "unreadable" if isinstance(error, OSError) else otherwise
    return reason, f"{path}: {_one_line(error)}"


def _one_line(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error)
    return " ".join(str(text).split())


def _choose_streams(path: Path, container: InputContainer, threads: int) -> Media:
    format_names = container.format.name.split(",")
    if _NOT_CLIPS.intersection(format_names) or format_names[0].endswith("_pipe"):
        raise MediaError("not_media", f"{path}: {container.format.name} is an image, not a clip")
    video = _best_video(container)
    audio = _best_audio(container, video)
    if video is None and audio is None:
        kinds = ", ".join(sorted({s.type for s in container.streams})) or "none"
        raise MediaError("no_streams", f"{path}: neither picture nor sound (streams: {kinds})")
    for stream in (video, audio):
        if stream is None:
            continue
        # PyAV leaves out the codec context of a stream that this build of ffmpeg cannot decode.
        if stream.codec_context is None:
            raise MediaError("no_decoder", f"{path}: no decoder for its {stream.type} stream {stream.index}")
        stream.codec_context.thread_count = threads
        stream.codec_context.thread_type = "AUTO"
    return Media(path, container, video, audio, _clock_s(video or audio))


def _best_video(container: InputContainer) -> VideoStream | None:
    moving = [s for s in container.streams.video if not s.disposition & _STILL]
    best = container.streams.best("video")
    if isinstance(best, VideoStream) and best in moving:
        return best
    return max(moving, key=lambda s: s.width * s.height, default=None)


def _best_audio(container: InputContainer, video: VideoStream | None) -> AudioStream | None:
    best = container.streams.best("audio", related=video) if video else container.streams.best("audio")
    return best if isinstance(best, AudioStream) else None


def _clock_s(stream: VideoStream | AudioStream | None) -> float:
    if stream is None or stream.start_time is None or stream.time_base is None:
        return 0.0
    return float(stream.start_time * stream.time_base)
