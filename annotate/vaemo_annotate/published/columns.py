"""What the columns of the published tables mean."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from vaemo_annotate.published.markdown import code, table

COLUMN_MEANINGS = {
    "clip_id": "Stable, unique name of the clip.",
    "path": "Where the media file lay, relative to the root of its own collection.",
    "sha256": "SHA-256 of the media file, by which owners of the collection find it again; joins captions and `media`.",
    "start_s": "Start of the segment in the file, in seconds (inclusive); null for a whole file.",
    "end_s": "End of the segment in the file, in seconds (exclusive); null for a whole file.",
    "duration_s": "Length of the clip in seconds.",
    "width": "Width of the picture in pixels, after rotation; null without a picture.",
    "height": "Height of the picture in pixels, after rotation; null without a picture.",
    "fps": "Frames per second; null without a picture.",
    "n_frames": "Number of frames; null without a picture.",
    "has_audio": "Whether the clip has sound.",
    "audio_rate_hz": "Sample rate of the sound in Hz; null without sound.",
    "audio_channels": "Number of audio channels; null without sound.",
    "visual_description": "What can be seen: face, head and body over time.",
    "acoustic_description": "What can be heard: pitch, loudness, rate, pauses, voice quality; no transcript.",
    "affect_description": "The integrated description of affect, drawn from both.",
    "emotions": "Emotion words that the evidence supports.",
    "valence": "Unpleasant (-1) to pleasant (1), or null.",
    "arousal": "Calm (-1) to activated (1), or null.",
    "confidence": "The annotator's own confidence from 0 to 1, or null; it is not calibrated.",
    "cues": "Measured cues: `value` in `unit`, `coverage` from 0 to 1, `state` (measured, weak, not_measurable) with "
    "its `reason`, and the distance in standard deviations from people's neutral clips (`population_sd`) and from the "
    "speaker's other clips (`speaker_sd`); empty when none were asked for.",
    "sample_index": "Which of the samples drawn for this clip the row is, from 0.",
    "steps": "Each step of the prompt as it was answered: its name, how it ended, its tokens, seconds "
    "and attempts. What the model replied word for word is not published.",
    "engine": "What answered: a server of a multimodal model, or measured cues put into words.",
    "model": "The model that answered.",
    "model_revision": "Revision of the model's repository, or null where it is not known.",
    "server_version": "Version of the model server, or null where it is not known.",
    "prompt_name": "Name of the prompt.",
    "prompt_version": "Version of the prompt.",
    "prompt_sha256": "SHA-256 of the prompt.",
    "request_sha256": "Digest of the last request: media, messages, schema, model and sampling.",
    "seed": "Seed of the sampling.",
    "created_at": "When the caption was made (UTC).",
    "reject_reason": "Why there is no caption, as a type; in `rejects` only.",
    "reject_detail": "Why there is no caption, in words, which can quote the beginning of a reply; in `rejects` only.",
}
"""What each column of a caption dataset means, in one sentence."""

EXTRA_MEANING = "Column of the source manifest, carried through untouched."
SPEAKER_MEANING: Final = (
    "Who speaks, from the source manifest, by pseudonyms (`speaker-1` is the first to appear in the captions, then the "
    "rejects) that hold for this run alone. `clip_id` and `path` are the collection's own and can name people too."
)

VERDICT_MEANINGS: Final = {
    "clip_id": "The clip of the caption that was judged.",
    "sample_index": "Which of the clip's samples was judged.",
    "verdict": "keep, drop, or fixed: `fixed_description` stands in the place of `affect_description` in `captions`.",
    "reasons": "Typed reasons (`group.name`) found in the caption; also those that only flag it.",
    "scores": "Numbers behind the reasons, by name.",
    "by": "`check` for software; people by pseudonyms, the same in every push of this run.",
    "at": "When it was judged (UTC).",
    "fixed_description": "What a person wrote in the place of `affect_description`; null unless this is the verdict "
    "that counts, and it is fixed.",
    "caption_sha256": "SHA-256 over the caption as it was judged, before anything was fixed; null where not recorded.",
}
"""Of the published verdicts."""

MEDIA_MEANINGS: Final = {
    "sha256": "SHA-256 of the file; joins the captions of its clips.",
    "file_name": "Where the file lies in this repository.",
    "size_bytes": "Its size.",
    "license": "The licence under which the file may be handed on, as SPDX names it in lower case.",
    "license_url": "Where that licence can be read.",
    "attribution": "Whom to name for it, where the source's table says so; so `author`, `credit`, `source`.",
    "author": "See `attribution`.",
    "credit": "See `attribution`.",
    "source": "See `attribution`.",
}
"""Of the published table of media files."""


def columns_table(schema: pa.Schema, meanings: dict[str, str]) -> str:
    """A row for each column: its name, its type, what it means."""
    rows = ((code(f.name), code(_type(f.type)), meanings.get(f.name, EXTRA_MEANING)) for f in schema)
    return table(["Column", "Type", "Meaning"], rows)


def _type(arrow: pa.DataType) -> str:
    """A column's type as the card shows it: `list of {name: string, value: double}`."""
    if pa.types.is_list(arrow) or pa.types.is_large_list(arrow):
        return f"list of {_type(arrow.value_type)}"
    if pa.types.is_struct(arrow):
        return "{" + ", ".join(f"{field.name}: {_type(field.type)}" for field in arrow) + "}"
    return str(arrow)
