"""What a media file holds, measured by reading its packets and decoding the first of each kind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.error import InvalidDataError
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from vaemo_clips.container import Media, open_media
from vaemo_clips.errors import MediaError
from vaemo_clips.picture import Orientation

# Containers whose header states the length of the sound exactly; others estimate it from the bit rate.
_EXACT_LENGTH = frozenset({"mov", "mp4", "wav", "flac", "ogg", "matroska", "webm", "aiff", "w64", "caf"})


@dataclass(frozen=True, slots=True)
class MediaInfo:
    """The facts of a file: seconds, pixels after rotation, pictures a second; None where absent.

    `width` and `height` count stored pixels, square or not. `duration_s` is the picture's where
    there is one, else the sound's.
    """

    duration_s: float
    width: int | None
    height: int | None
    fps: float | None
    n_frames: int | None
    has_audio: bool
    audio_rate_hz: int | None
    audio_channels: int | None


def probe(path: Path) -> MediaInfo:
    """Measure `path` and prove that its first picture and first sound decode.

    Raises MediaError: not_found, empty_file, unreadable, not_media, no_streams, no_decoder, corrupt.
    """
    with open_media(path) as media:
        picture, sound = _Tally(media.video), _Tally(media.audio)
        _read(media, picture, sound)
        _check(path, picture, sound)
        return _media_info(media, picture, sound)


class _Tally:
    """What was seen of one stream: packets, their time span, the first frame that decoded."""

    def __init__(self, stream: VideoStream | AudioStream | None) -> None:
        self.stream = stream
        self.num_packets = 0
        self.begin_ticks: int | None = None
        self.last_ticks = 0
        self.last_duration = 0
        self.first: VideoFrame | AudioFrame | None = None
        self.error = "no frame came out"

    def add(self, packet: Packet[Any]) -> None:
        """Count one packet; decode it while nothing has decoded yet."""
        if packet.size and not packet.is_discard:
            self.num_packets += 1
        stamp = packet.pts if packet.pts is not None else packet.dts
        if stamp is not None and not packet.is_discard:
            self.begin_ticks = stamp if self.begin_ticks is None else min(self.begin_ticks, stamp)
            if stamp >= self.last_ticks:
                self.last_ticks, self.last_duration = stamp, packet.duration or 0
        if self.first is None:
            self._decode(packet)

    def _decode(self, packet: Packet[Any]) -> None:
        try:
            frames = packet.decode()
        except InvalidDataError as error:
            self.error = error.strerror or str(error)
            return  # the first packets of a cut stream may lack what came before them
        self.first = next(iter(frames), None)

    @property
    def span_s(self) -> float:
        """Seconds from the first packet's begin to the last one's end; 0 where they have no times.

        Where pictures are reordered a packet's stated duration is not the time its picture stays on
        screen, so the last picture counts for no longer than the mean one.
        """
        if self.stream is None or self.stream.time_base is None or self.begin_ticks is None:
            return 0.0
        begins = self.last_ticks - self.begin_ticks
        mean = begins / (self.num_packets - 1) if self.num_packets > 1 else self.last_duration
        last = min(self.last_duration, mean) if self.last_duration else mean
        return float((begins + last) * self.stream.time_base)


def _read(media: Media, picture: _Tally, sound: _Tally) -> None:
    needs_all_sound = media.video is None and _header_duration_s(media) is None
    for packet in media.container.demux([s for s in (media.video, media.audio) if s is not None]):
        if media.video is not None and packet.stream_index == media.video.index:
            picture.add(packet)
            continue
        sound.add(packet)
        if sound.first is not None and not needs_all_sound:
            if media.video is None:
                return
            packet.stream.discard = Discard.all


def _nothing_decodes(tally: _Tally) -> str:
    kind = tally.stream.type if tally.stream is not None else "?"
    return f"none of its {tally.num_packets} {kind} packets decodes ({tally.error})"


def _check(path: Path, picture: _Tally, sound: _Tally) -> None:
    for tally in (picture, sound):
        if tally.num_packets and tally.first is None:
            raise MediaError("corrupt", f"{path}: {_nothing_decodes(tally)}")
    if picture.num_packets == 0 and sound.num_packets == 0:
        raise MediaError("no_streams", f"{path}: its picture and sound streams are empty")
    num_bytes, end = path.stat().st_size, _last_byte(picture)
    if end > num_bytes:
        raise MediaError("corrupt", f"{path}: cut off, its pictures reach to byte {end} of {num_bytes}")


def _last_byte(tally: _Tally) -> int:
    """How far the header says that the stream's packets reach; 0 where there is no index."""
    if tally.stream is None or not len(tally.stream.index_entries):
        return 0
    last = tally.stream.index_entries[len(tally.stream.index_entries) - 1]
    return last.pos + last.size


def _media_info(media: Media, picture: _Tally, sound: _Tally) -> MediaInfo:
    rate_hz = channels = None
    if isinstance(sound.first, AudioFrame):
        rate_hz, channels = sound.first.sample_rate, sound.first.layout.nb_channels
    if not isinstance(picture.first, VideoFrame):
        duration_s = _header_duration_s(media) or sound.span_s
        return MediaInfo(_above_0(media, duration_s), None, None, None, None, True, rate_hz, channels)
    frame, stated_fps = picture.first, media.video and media.video.average_rate
    width, height = frame.width, frame.height
    if Orientation.of(frame).is_transposed:
        width, height = height, width
    duration_s = picture.span_s or (picture.num_packets / float(stated_fps) if stated_fps else 0.0)
    fps = float(stated_fps) if stated_fps else picture.num_packets / _above_0(media, duration_s)
    return MediaInfo(
        _above_0(media, duration_s),
        width,
        height,
        fps,
        picture.num_packets,
        rate_hz is not None,
        rate_hz,
        channels,
    )


def _header_duration_s(media: Media) -> float | None:
    """Length of the sound from the header; None where the container only estimates it."""
    audio = media.audio
    if audio is None or audio.duration is None or audio.time_base is None:
        return None
    if not _EXACT_LENGTH.intersection(media.container.format.name.split(",")):
        return None
    return float(audio.duration * audio.time_base)


def _above_0(media: Media, duration_s: float) -> float:
    if not duration_s > 0:
        raise MediaError("corrupt", f"{media.path}: its length cannot be told, no packet has a time")
    return duration_s
