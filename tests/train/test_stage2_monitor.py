"""What is looked at of held-out clips: as wholly as they are, once a step, by the process that needs it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.support.caption_folders import write_captions
from tests.support.tiny_run import tiny_shards
from tests.support.tiny_text_space import tiny_alignment_model
from vaemo_train.captions.joined import join_captions
from vaemo_train.captions.paths import PATHS
from vaemo_train.evaluate.caption_retrieval import own_vectors
from vaemo_train.evaluate.clip_vectors import embed_clips
from vaemo_train.models import VAEmoForCaptionAlignment
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.stage2 import monitor as monitor_module
from vaemo_train.stage2.monitor import AlignmentMonitor


@pytest.fixture(scope="module")
def model() -> VAEmoForCaptionAlignment:
    return tiny_alignment_model()


def monitor_of(
    model: VAEmoForCaptionAlignment, root: Path, modality: str | list[str], **columns: list[str | None]
) -> AlignmentMonitor:
    folder = ShardFolder.open(tiny_shards(root / "shards", 6, modality=modality, seconds=[2.0, 3.0]))
    ids = folder.rows["clip_id"].to_pylist()
    for name, values in columns.items():
        if name in folder.rows.column_names:
            object.__setattr__(folder, "rows", folder.rows.drop_columns([name]))
        object.__setattr__(folder, "rows", folder.rows.append_column(name, pa.array(values, pa.string())))
    write_captions(root / "captions", [{"clip_id": name, "emotions": ["awe"]} for name in ids])
    captions = join_captions(root / "captions", folder.rows, np.arange(6))
    texts = np.random.default_rng(0).normal(size=(len(captions.texts), model.config.text_size)).astype(np.float32)
    return AlignmentMonitor(folder, np.arange(6)[::-1], captions, texts, seed=0, batch_size=4, bf16=False)


@pytest.fixture
def embedded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[tuple[str, ...], int]]:
    """The modalities and the number of clips that are embedded from now on."""
    calls: list[tuple[tuple[str, ...], int]] = []

    def note_and_embed(model: Any, folder: Any, rows: Any, *, modalities: Any, **options: Any) -> Any:
        calls.append((tuple(modalities), len(rows)))
        return embed_clips(model, folder, rows, modalities=modalities, **options)

    monkeypatch.setattr(monitor_module, "embed_clips", note_and_embed)
    return calls


@pytest.mark.parametrize(
    ("modality", "expected"),
    [
        ("both", [(("both",), 6)]),
        (["both", "audio", "video"], [(("both",), 6), (("video", "audio"), 4)]),
        ("audio", [(("both",), 6), (("video", "audio"), 6)]),
    ],
)
def test_one_modality_alone_is_embedded_only_of_clips_that_have_no_more(
    model: VAEmoForCaptionAlignment, tmp_path: Path, embedded: list[Any], modality: Any, expected: list[Any]
) -> None:
    monitor = monitor_of(model, tmp_path, modality)
    found = monitor._clips(model)
    assert embedded == expected
    every = embed_clips(model, monitor._folder, np.arange(6), num_windows=1)
    assert found.clip_ids.tolist() == every.clip_ids.tolist()
    for path in PATHS:
        if modality != "audio" or path != "visual":
            np.testing.assert_allclose(own_vectors(found, path), own_vectors(every, path), atol=1e-5)


def test_what_is_measured_is_drawn_and_nobody_embeds_for_figures_that_are_not_wanted(
    model: VAEmoForCaptionAlignment, tmp_path: Path, embedded: list[Any]
) -> None:
    monitor = monitor_of(model, tmp_path, "both")
    assert monitor.draw(3, model, wanted=False) == {}
    assert embedded == []
    monitor.measure(3, model)
    assert set(monitor.draw(3, model, wanted=True)) == {"similarity", "map"}
    assert len(embedded) == 1
    monitor.draw(6, model, wanted=True)
    monitor.measure(6, model)
    assert len(embedded) == 2, "after another step the model is another"


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"label": ["x", None, "y", "x", "y", "x"]}, ["x", None, "y", "x", "y", "x"]),
        ({"label": [None] * 6, "emotion": ["joy"] * 6}, ["joy"] * 6),
        ({"label": [None] * 6}, ["awe"] * 6),
    ],
)
def test_clips_are_called_by_the_first_column_that_says_it_of_any_else_by_their_captions(
    model: VAEmoForCaptionAlignment, tmp_path: Path, columns: dict[str, list[str | None]], expected: list[str | None]
) -> None:
    monitor = monitor_of(model, tmp_path, "both", **columns)
    assert monitor._labels(monitor._clips(model)) == expected
