"""What a pilot tells: the cost of the whole corpus, and a page on which to read the clips and their captions."""

from __future__ import annotations

import html
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, select_autoescape

from vaemo_annotate.dataset import load_rows
from vaemo_annotate.frame_strip import frame_strip
from vaemo_annotate.progress import RunCounts, duration_text
from vaemo_annotate.run_folder import RunFolder
from vaemo_clips.clip import Clip
from vaemo_clips.errors import MediaError
from vaemo_clips.manifest import Manifest
from vaemo_clips.transcode import cut
from vaemo_clips.whole_file import write_text

if TYPE_CHECKING:
    from vaemo_annotate.run import RunSummary

_PREVIEW_SHORT_SIDE_PX = 240


@dataclass(frozen=True, slots=True)
class Estimate:
    """What all clips would take at the pilot's rates. `seconds` is None where nothing was asked anew."""

    clips: int
    requests: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    seconds: float | None


def estimate(counts: RunCounts, seconds: float, clips_in_all: int, clips_in_pilot: int) -> Estimate:
    """Scale a pilot up to a corpus. Tokens are means; the time is that of the pilot's own throughput."""
    factor = clips_in_all / max(clips_in_pilot, 1)
    tokens = {name: round(count * factor) for name, count in counts.dataset_tokens.items()}
    return Estimate(
        clips=clips_in_all,
        requests=round(counts.dataset_requests * factor),
        prompt_tokens=tokens["prompt"],
        cached_tokens=tokens["cached"],
        completion_tokens=tokens["completion"],
        seconds=seconds * factor if counts.replies else None,
    )


def pilot_lines(summary: RunSummary) -> Iterator[str]:
    """Yield the estimate in words, and where the page is."""
    whole = summary.estimate
    if whole is None:
        return
    yield (
        f"all {whole.clips:,} clips would take about {whole.requests:,} requests, "
        f"{whole.prompt_tokens:,} prompt tokens ({whole.cached_tokens:,} cached) and "
        f"{whole.completion_tokens:,} generated tokens"
    )
    if whole.seconds is None:
        yield "no time estimate: every reply of this pilot was in the ledger already"
    else:
        yield (
            f"at the pilot's pace that is {duration_text(whole.seconds)}; a long run fills the server better, "
            "so take it as an upper bound"
        )
    yield f"read the captions: {summary.folder / 'index.html'}"
    yield "next: the same command without --pilot; the pilot's replies are kept and not asked again"


def write_page(
    folder: RunFolder, manifest: Manifest, clips: list[Any], record: dict[str, Any], whole: Estimate
) -> Path:
    """Write index.html with the clips (as small previews beside it), their captions and their rejects."""
    previews = folder.path / "previews"
    previews.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[dict[str, Any]]] = {}
    for row in [*load_rows(folder.dataset), *load_rows(folder.rejects)]:
        rows.setdefault(row["clip_id"], []).append(row)
    shown = [_card(manifest, clip, rows.get(clip.clip_id, []), previews) for clip in clips]
    environment = Environment(
        loader=PackageLoader("vaemo_annotate", "templates"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = folder.path / "index.html"
    time_text = (
        duration_text(whole.seconds) if whole.seconds is not None else "not measured (all replies were in the ledger)"
    )
    write_text(
        page,
        environment.get_template("pilot.html").render(
            record=record, cards=shown, whole=whole, whole_time=time_text, made_at=time.strftime("%Y-%m-%d %H:%M")
        ),
    )
    return page


def _card(manifest: Manifest, clip: Any, rows: list[dict[str, Any]], previews: Path) -> dict[str, Any]:
    path = manifest.file_of(clip)
    return {
        "clip": clip,
        "rows": rows,
        "strip": _strip(path, clip),
        "preview": _preview(path, clip, previews),
    }


def _strip(path: Path, clip: Clip) -> list[str]:
    """Return a few frames; none where the clip cannot be decoded (its reject says why)."""
    try:
        return frame_strip(path, clip)
    except MediaError:
        return []


def _preview(path: Path, clip: Any, previews: Path) -> dict[str, str] | None:
    """Transcode the clip to something every browser plays; return its place and kind."""
    target = previews / f"{clip.clip_id}-{clip.sha256[:8]}.{'mp4' if clip.has_video else 'm4a'}"
    if not target.exists():
        try:
            cut(path, target, clip.begin_s, clip.duration_s, short_side_px=_PREVIEW_SHORT_SIDE_PX)
        except MediaError:
            return None
    return {"href": f"previews/{html.escape(target.name)}", "kind": "video" if clip.has_video else "audio"}
