"""`vaemo-annotate prompt`: a checked prompt file, and the messages that a clip would be asked."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from vaemo_annotate.cue_book import ClipCues, measure_clip
from vaemo_annotate.engines.chat import step_media, template_values
from vaemo_annotate.json_schema import sample_value, unbounded_fields
from vaemo_annotate.media import AudioFacts, EncodedMedia, VideoFacts, encode_clip
from vaemo_annotate.prompt import Prompt, Step, load_prompt, sample_variables
from vaemo_annotate.template import render
from vaemo_clips.clip import Clip
from vaemo_clips.errors import ManifestError, MediaError
from vaemo_clips.index import index
from vaemo_clips.manifest import Manifest


@dataclass(frozen=True, slots=True)
class _Example:
    """A media file as a run would send it."""

    clip: Clip
    encoded: EncodedMedia
    cues: ClipCues | None

    @classmethod
    def of(cls, path: Path, prompt: Prompt) -> _Example:
        """Index, encode and, where the prompt asks for it, measure one file. Raises ManifestError."""
        clip = single_clip(path)
        try:
            cues = ClipCues.of(measure_clip(path, clip)) if "cues" in prompt.inputs else None
            return cls(clip, encode_clip(path, clip, prompt.media, prompt.inputs), cues)
        except MediaError as error:
            raise ManifestError(f"--clip {path}: {error}; give a media file with picture or sound") from error


def show_prompt(path: Path, clip_path: Path | None) -> None:
    """Print what a prompt sends. Raises PromptError, or ManifestError for a clip that cannot be used."""
    prompt = load_prompt(path)
    console = Console(soft_wrap=True)
    console.print(
        Text(f"{prompt.name} {prompt.version}  sha256 {prompt.sha256[:12]}\n{prompt.description}", style="bold")
    )
    media = prompt.media
    console.print(
        Text(f"media: {media.fps:g} frames/s, at most {media.max_frames}, short side {media.short_side_px} px, "
             f"sound at {media.audio_rate_hz} Hz")
    )  # fmt: skip
    example = _Example.of(clip_path, prompt) if clip_path else None
    console.print(Text(f"\nsystem, first and equal in every step:\n{_indented(prompt.system)}"))
    for step in prompt.steps:
        _show_step(console, prompt, step, example)
    loose = [f"{step.name}.{name}" for step in prompt.steps for name in unbounded_fields(step.reply_schema or {})]
    if loose:
        console.print(
            Text(f"warning: without maxLength or maxItems a model can loop in: {', '.join(loose)}", style="yellow")
        )
    console.print(Text(f"{path}: {len(prompt.steps)} steps, no fault", style="green"))


def _show_step(console: Console, prompt: Prompt, step: Step, example: _Example | None) -> None:
    if example:
        encoded = example.encoded
        values = template_values(step, example.clip, encoded.facts, example.cues)
        values |= {name: sample_value(prompt.step(name).reply_schema or {}) for name in step.uses}
        sent = step_media(step, encoded.facts)
        shown = [_video_words(encoded) if name == "video" else _audio_words(encoded) for name in sent]
    else:
        values = sample_variables(prompt, step, has_video=True, has_audio=True, silent=False)
        shown = [f"<{name}>" for name in ("video", "audio") if name in step.inputs]
    used = f", uses {', '.join(step.uses)} (shown with stand-ins)" if step.uses else ""
    console.print(Text(f"\nstep {step.name}: {' + '.join(step.inputs) or 'text only'}{used}", style="bold cyan"))
    for part in shown:
        console.print(Text(_indented(part), style="magenta"))
    console.print(Text(_indented(render(step.template, values))))
    fields = ", ".join((step.reply_schema or {}).get("properties", {})) or "free text"
    console.print(Text(f"  reply: {fields}", style="dim"))


def _video_words(encoded: EncodedMedia) -> str:
    facts: VideoFacts | None = encoded.facts.video
    assert facts is not None, "only shown where there is a picture"
    size = sum(len(frame) for frame in encoded.frames_base64)
    return f"<video: {facts.num_frames} frames, one every {1 / facts.fps:.2f} s, {size / 1000:.0f} kB>"


def _audio_words(encoded: EncodedMedia) -> str:
    facts: AudioFacts | None = encoded.facts.audio
    assert facts is not None, "only shown where there is sound"
    silent = ", digital silence" if facts.is_silent else ""
    return f"<audio: {facts.duration_s:.2f} s{silent}, {len(encoded.wav_base64) / 1000:.0f} kB>"


def single_clip(path: Path) -> Clip:
    """Index one file by itself. Raises ManifestError with the reason of its reject."""
    with tempfile.TemporaryDirectory(prefix="vaemo-clip-") as name:
        table = Path(name) / "clip.jsonl"
        table.write_text(json.dumps({"path": path.name}) + "\n", encoding="utf-8")
        out = Path(name) / "clips.parquet"
        summary = index(table, out, root=path.resolve().parent, workers=1)
        if summary.accepted:
            return next(Manifest.open(out).clips())
        raise ManifestError(f"--clip {path}: {_first_reject(out)}; give a media file with picture or sound")


def _first_reject(out: Path) -> str:
    import pyarrow.parquet as pq

    from vaemo_clips.index import rejects_path

    rows: list[dict[str, Any]] = pq.read_table(rejects_path(out)).to_pylist()
    return f"{rows[0]['reason']}: {rows[0]['detail']}" if rows else "nothing found"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
