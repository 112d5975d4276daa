"""`vaemo-train retrieve` as a user sees it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from vaemo_clips.errors import CaptionError, UserError
from vaemo_train.captions.joined import Captions
from vaemo_train.evaluate.caption_retrieval import caption_retrieval
from vaemo_train.evaluate.clip_vectors import ClipVectors
from vaemo_train.evaluate.text_report import text_retrieval_report
from vaemo_train.text_space.answer import check_out, console, found_table, write_numbers
from vaemo_train.text_space.find import Found, captions_for_clip, choose_paths, clips_for_text
from vaemo_train.text_space.gallery import Gallery, choose_captions


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: clips for a `text`, captions for a `clip`, or with neither how well both find one another.

    Raises UserError for both at once, a blank text, a path that is none, captions that are needed and not given or
    given and not needed.
    """

    text: str | None
    clip: str | None
    captions: Path | None
    path: str
    top: int

    def __post_init__(self) -> None:
        """Check it before anything is computed."""
        choose_paths(self.path)
        if self.text is not None and self.clip is not None:
            raise UserError("a text and --clip are two questions; ask one of them")
        if self.text is not None and not self.text.strip():
            raise UserError("the text is blank; describe a face, a voice or a feeling")
        if self.text is not None and self.captions is not None:
            raise UserError("a text is compared with clips, not with captions; leave out --captions, or the text")
        if self.text is None:
            choose_captions(self.captions, "measuring retrieval without a text" if self.clip is None else "--clip")


def retrieve(gallery: Gallery, question: Question, out: Path | None) -> None:
    """Answer on the screen, in `out` if given; end with the likely next command."""
    check_out(out)
    if question.text is not None:
        _find_clips(gallery, question.text, question, out)
    elif question.clip is not None:
        _find_captions(gallery, question.clip, question, out)
    else:
        _measure(gallery, question, out)
    column = "" if "label" in gallery.folder.rows.column_names else " --label-column COLUMN"
    typer.echo(f"next: vaemo-train zero-shot {gallery.options}{column}")


def _find_clips(gallery: Gallery, text: str, question: Question, out: Path | None) -> None:
    vectors = gallery.space.text_vectors([text])
    clips = gallery.clips()
    found = clips_for_text(clips, vectors, choose_paths(question.path), question.top)
    if not found:
        raise UserError(f"--path {question.path}: none of the {len(clips.clip_ids):,} clips has what it compares")
    console().print(
        found_table(found, "clip", ", ".join(name for name in ("label", "speaker") if name in clips.columns))
    )
    _write_found(out, {"text": text, "path": question.path}, found, gallery.facts(clips))


def _find_captions(gallery: Gallery, clip_id: str, question: Question, out: Path | None) -> None:
    """The descriptions of the affect path unless another is named."""
    path = "affect" if question.path == "all" else question.path
    folder = choose_captions(question.captions, "--clip")
    captions = gallery.captions(folder)
    vectors = gallery.caption_vectors(captions, folder)
    clips = gallery.clips()
    found = captions_for_clip(clips, clip_id, captions, vectors, path, question.top)
    console().print(found_table(found, "written of", f"{path} description"))
    _tell_left_out(captions)
    _write_found(out, {"clip": clip_id, "path": path}, found, _facts(gallery, clips, folder, captions))


def _measure(gallery: Gallery, question: Question, out: Path | None) -> None:
    folder = choose_captions(question.captions, "measuring retrieval without a text")
    captions = gallery.captions(folder)
    vectors = gallery.caption_vectors(captions, folder)
    clips = gallery.clips()
    chosen = choose_paths(question.path)
    found = caption_retrieval(clips, captions, {path: vectors[path] for path in chosen})
    if not found.by_path:
        raise CaptionError(
            f"{folder}: fewer than two of these {len(clips.clip_ids):,} clips have descriptions that differ "
            f"(--path {question.path}); there is nothing to retrieve"
        )
    described = {clip for path in chosen for clip in captions.clip_of[path]}.intersection(clips.clip_ids)
    title = f"{len(clips.clip_ids):,} clips, {len(described):,} of them with captions"
    console().print(text_retrieval_report(found.by_path, title))
    if (note := gallery.note()) is not None:
        typer.echo(note)
    for path in (path for path in chosen if path not in found.by_path):
        typer.echo(f"{path}: not measured, fewer than two of these clips have such descriptions that differ")
    _tell_left_out(captions)
    facts = _facts(gallery, clips, folder, captions)
    write_numbers(out, {"num_clips": found.num_clips, **found.as_dict(), "of": facts})


def _tell_left_out(captions: Captions) -> None:
    for line in (*captions.counts.left_out_lines(), *captions.counts.skipped_lines()):
        typer.echo(line)


def _facts(gallery: Gallery, clips: ClipVectors, folder: Path, captions: Captions) -> dict[str, Any]:
    return gallery.facts(clips, captions=str(folder), captions_digest=captions.digest)


def _write_found(out: Path | None, question: dict[str, str], found: Sequence[Found], facts: dict[str, Any]) -> None:
    write_numbers(out, {**question, "found": [asdict(one) for one in found], "of": facts})
