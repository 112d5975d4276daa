"""The clips of a part as rows of the file, and what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import pyarrow as pa

from vaemo_clips.errors import MediaError
from vaemo_train.embed.embedder import Embedded, Embedder
from vaemo_train.embed.parts import CLIPS_PER_PART, PartRecord
from vaemo_train.embed.settings import EmbedSettings
from vaemo_train.embed.source import SourceClip
from vaemo_train.embed.table import clip_table
from vaemo_train.shards.row import ShardRow


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Clips without their media, each with why it has no vector if it has none; and what was found."""

    clips: list[SourceClip]
    embedded: Embedded
    settings: EmbedSettings

    @classmethod
    def of(cls, clips: Iterator[SourceClip], embedder: Embedder, settings: EmbedSettings) -> Part | None:
        """Embed the next clips, as they come; None where there are none left."""
        known: list[SourceClip] = []
        embedded = embedder.embed(
            _rows(islice(clips, CLIPS_PER_PART), known, settings), CLIPS_PER_PART, settings.per_window
        )
        return cls(known, embedded, settings) if known else None

    def table(self, schema: pa.Schema) -> pa.Table:
        """The rows of the file."""
        return clip_table(self.clips, self.embedded, schema, self.settings)

    def rejects(self) -> list[dict[str, str]]:
        """The clips without a vector, as rows of the rejects."""
        return [self._reject(place) for place in range(len(self.clips)) if not self.embedded.num_windows[place]]

    def record(self) -> PartRecord:
        """What became of the clips; the size of the file is filled in when it is written."""
        reasons = Counter(one["reject_reason"] for one in self.rejects())
        accepted = len(self.clips) - reasons.total()
        rows = sum(map(len, self.embedded.windows)) if self.settings.per_window else accepted
        return PartRecord(clips=len(self.clips), accepted=accepted, rows=rows, num_bytes=0, rejects=dict(reasons))

    def _reject(self, place: int) -> dict[str, str]:
        clip, why = self.clips[place], self.clips[place].rows
        assert isinstance(why, MediaError)
        if place in self.embedded.damaged:
            why = MediaError("damaged_shard_row", self.embedded.damaged[place])
        names = ("clip_id", "path", "reject_reason", "reject_detail")
        return dict(zip(names, (clip.clip_id, clip.path, why.reason, why.detail), strict=True))


def _rows(
    clips: Iterator[SourceClip], known: list[SourceClip], settings: EmbedSettings
) -> Iterator[tuple[int, ShardRow]]:
    """The rows of clips, each with its clip's place among those that have become `known`."""
    for place, clip in enumerate(clips):
        if isinstance(clip.rows, MediaError):
            known.append(clip)
            continue
        known.append(replace(clip, rows=_lacking(clip, clip.rows, settings.modality)))
        yield from ((place, row) for row in clip.rows)


def _lacking(clip: SourceClip, rows: Sequence[ShardRow], modality: str) -> MediaError:
    """Why a clip of such rows has no vector, if it has none."""
    has_picture, has_sound = any(len(row.jpeg_ends) for row in rows), any(row.sound is not None for row in rows)
    if modality in ("video", "both") and not has_picture:
        return MediaError("no_video", f"{clip.path}: it has no picture")
    if modality in ("audio", "both") and not has_sound:
        return MediaError("no_audio", f"{clip.path}: it has no sound")
    if modality == "both":
        return MediaError("never_both", f"{clip.path}: no window of it has picture and sound at once")
    return MediaError(
        "too_few_frames", f"{clip.path}: no window of it has two pictures side by side, or 0.16 s of sound"
    )
