"""Which windows of a row are looked at, and rows that never lay in a shard."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import accumulate

import numpy as np

from vaemo_clips.clip import Clip
from vaemo_train.data.window import WINDOW_S, Window, eval_windows, seen_begins
from vaemo_train.embed.settings import EmbedSettings
from vaemo_train.shards.prepared import PreparedClip, RowMedia
from vaemo_train.shards.row import ShardRow


@dataclass(frozen=True, slots=True)
class Asked:
    """A window that is to be embedded: of which clip of a part, and which seconds [begin_s, end_s) of the clip."""

    clip: int
    begin_s: float
    end_s: float
    window: Window

    @property
    def kind(self) -> tuple[bool, bool]:
        """Whether its row has pictures, and sound: windows of one kind make a batch, so that none is empty."""
        return bool(len(self.window.row.jpeg_ends)), self.window.row.sound is not None


def windows_of(row: ShardRow, clip: int, settings: EmbedSettings) -> Iterator[Asked]:
    """The windows of a row, with what of it is asked for; none where the row does not have that."""
    has_picture, has_sound = bool(len(row.jpeg_ends)), row.sound is not None
    if not {"any": True, "video": has_picture, "audio": has_sound, "both": has_picture and has_sound}[
        settings.modality
    ]:
        return
    row_end_s = row.begin_s + row.duration_s
    begins = eval_windows(row, settings.windows) if settings.window_step_s is None else _stepped(row, settings)
    seen = _stripped(row, settings.modality)
    for begin_s in begins:
        window = Window(seen, 0, clip, begin_s)
        begin_in_clip_s = window.begin_in_clip_s
        yield Asked(clip, max(begin_in_clip_s, row.begin_s), min(begin_in_clip_s + WINDOW_S, row_end_s), window)


def _stepped(row: ShardRow, settings: EmbedSettings) -> list[float]:
    """Begins a step apart, a whole number of slots, and the last one that has room."""
    assert settings.window_step_s is not None
    step = max(round(settings.window_step_s * row.fps), 1)
    possible = seen_begins(row)
    chosen = possible[::step]
    return [float(begin) for begin in (chosen if chosen[-1] == possible[-1] else [*chosen, possible[-1]])]


def _stripped(row: ShardRow, modality: str) -> ShardRow:
    """The row without what is not asked for, which is then not even decoded."""
    if modality == "audio":
        return replace(row, jpegs=memoryview(b""), jpeg_ends=np.zeros(0, np.int32))
    return replace(row, sound=None) if modality == "video" else row


def rows_of(clip: Clip, prepared: PreparedClip, fps: float) -> list[ShardRow]:
    """What a shard would hold of a prepared clip."""
    return [_row(clip, media, fps) for media in prepared.rows]


def _row(clip: Clip, media: RowMedia, fps: float) -> ShardRow:
    jpegs = media.jpegs or []
    return ShardRow(
        clip_id=clip.clip_id,
        row=media.span.row,
        begin_s=media.span.begin_s,
        duration_s=media.span.duration_s,
        fps=fps,
        jpegs=memoryview(b"".join(jpegs)),
        jpeg_ends=np.fromiter(accumulate(map(len, jpegs)), np.int32),
        sound=media.sound,
    )
