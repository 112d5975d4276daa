"""The held-out diagnostics as people read them."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan

from vaemo_train.evaluate.gallery import GALLERY_SIZE
from vaemo_train.evaluate.retrieval import GroupRetrieval, Retrieval
from vaemo_train.evaluate.search import Rate
from vaemo_train.stage1.monitor import Diagnostics

_NAMES = {"video_pixels": "video, pixels", "video_motion": "video, motion", "audio": "audio"}


def monitor_lines(step: int, found: Diagnostics) -> Iterator[str]:
    """Yield a short table: reconstruction against the mean, top-1 against chance, and the embeddings' spread."""
    yield f"held-out clips at step {step:,}: {found.num_clips:,}"
    yield f"  {'error on masked tokens':24}{'model':>8}{'mean':>8}{'ratio':>8}"
    for name, part in found.reconstruction.items():
        yield f"  {_NAMES[name]:24}{part.error:8.3f}{part.mean_error:8.3f}{part.ratio:8.2f}"
    if found.retrieval is not None:
        yield from _retrieval_lines(found.retrieval)
    if found.spread is not None:
        yield f"  embeddings {found.spread}"


def _retrieval_lines(found: Retrieval) -> Iterator[str]:
    gallery_size = min(GALLERY_SIZE, found.overall.num_clips)
    yield f"  {f'video <-> audio, top-1 of {gallery_size}':32}{'%':>8}{'chance':>8}{'times':>8}{'clips':>8}"
    yield _rate_line("all clips", found.overall)
    groups: list[tuple[str, GroupRetrieval | None]] = [("label", found.label), ("speaker", found.speaker)]
    for name, group in groups:
        if group is not None and not isnan(group.within.value):
            yield _rate_line(f"same {name} only", group.within)


def _rate_line(name: str, rate: Rate) -> str:
    return f"  {name:32}{100 * rate.value:8.1f}{100 * rate.chance:8.1f}{rate.times_chance:8.1f}{rate.num_clips:8,}"
