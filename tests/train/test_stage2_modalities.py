"""Stage 2 on clips that have a picture alone, sound alone, or both."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.tiny_alignment import STAGE1_LOSS, Site, texts_at_the_model
from tests.support.tiny_run import HookedConsole, logged
from vaemo_train.captions.paths import PATHS

SHORT = ("length.max_steps=4", "monitor.every_steps=4", "figure.every_steps=4", "logging_steps=1")
ALL_LOSSES = tuple(f"loss.stage1.{part}={weight}" for part, weight in STAGE1_LOSS.items())
MIXED = ("both", "audio", "video", "both", "both")


def site_of(folder: Path, modality: str | Sequence[str]) -> Site:
    return Site.make(folder, 20, modality=modality)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return site_of(tmp_path_factory.mktemp("mixed"), MIXED)


@pytest.mark.parametrize(
    ("modality", "paths", "stage1"),
    [
        ("audio", {"acoustic", "affect"}, {"audio"}),
        ("video", {"visual", "affect"}, {"video_pixels", "video_motion"}),
    ],
)
def test_clips_of_one_modality_are_aligned_on_its_path_and_on_that_of_affect(
    tmp_path: Path, modality: str, paths: set[str], stage1: set[str]
) -> None:
    console = HookedConsole()
    site = site_of(tmp_path, modality)
    with texts_at_the_model() as seen:
        summary = site.train(tmp_path / "run", *SHORT, *ALL_LOSSES, console=console)
    assert summary.state == "done"
    assert {name for name in summary.losses if name.startswith("loss/")} == {f"loss/{name}" for name in paths | stage1}
    assert all(value == value for value in summary.losses.values())
    lacking = set(PATHS) - paths
    assert all(bool(batch.has_text[path].all()) == (path in paths) for batch in seen for path in PATHS)
    assert all(not batch.has_text[path].any() for batch in seen for path in lacking)
    [other] = lacking
    assert any(
        f"15 rows have a{'n' if other == 'acoustic' else ''} {other} description" in line for line in console.lines
    )
    measured = {name.split("/")[1].split("_")[0] for name in logged(summary.folder.path)[-1] if "monitor/" in name}
    measured |= {name.split("/")[1].split("_")[0] for name in logged(summary.folder.path)[-2] if "monitor/" in name}
    assert measured == paths | {"all"}
    figures = {path.name for path in summary.folder.figures.iterdir()}
    assert figures == {"similarity-0000004.png", "map-0000004.png", "curves.png"}


def test_mixed_clips_are_aligned_on_the_paths_that_each_has(mixed: Site, tmp_path: Path) -> None:
    with texts_at_the_model() as seen:
        summary = mixed.train(tmp_path / "run", *SHORT, *ALL_LOSSES, "length.max_steps=8", "monitor.every_steps=8")
    lines = [line for line in logged(summary.folder.path) if "loss" in line]
    parts = {name for line in lines for name in line if name.startswith("loss/")}
    assert parts == {f"loss/{name}" for name in (*PATHS, "affect_video", "affect_audio", *STAGE1_LOSS)}
    assert all(value == value for line in lines for value in line.values())
    for batch in seen:
        for place, clip in enumerate(batch.clip_number.tolist()):
            kind = MIXED[clip % len(MIXED)]
            assert bool(batch.has_text["visual"][place]) is (kind != "audio")
            assert bool(batch.has_text["acoustic"][place]) is (kind != "video")
            assert batch.has_text["affect"][place]
    assert summary.diagnostics is not None


def test_the_joint_path_alone_trains_clips_of_every_kind(mixed: Site, tmp_path: Path) -> None:
    changes = ("loss.visual=0", "loss.acoustic=0", "loss.alone=0")
    summary = mixed.train(tmp_path / "run", *SHORT, *changes)
    assert {name for name in summary.losses if name.startswith("loss/")} == {"loss/affect"}
    assert summary.losses["loss"] == pytest.approx(summary.losses["loss/affect"])


def test_without_masks_the_whole_clip_is_seen(mixed: Site, tmp_path: Path) -> None:
    summary = mixed.train(tmp_path / "run", *SHORT, "mask.video=0", "mask.audio=0")
    assert summary.state == "done"
    assert all(value == value for value in summary.losses.values())
