"""Which rows stage 2 is trained on: those with a caption that counts, and none of a held-out clip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.support.caption_folders import NOTHING_SAID, write_captions
from tests.support.tiny_alignment import TINY_ALIGNMENT, clip_ids, rows_of, speaker_of
from tests.support.tiny_run import tiny_shards
from vaemo_clips.errors import CaptionError, SplitError, TrainingError
from vaemo_train.captions.paths import PATHS
from vaemo_train.captions.row_captions import RowCaptions
from vaemo_train.evaluate.folds import Holdout
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.layout import REJECTS
from vaemo_train.stage2.alignment_data import AlignmentData, open_alignment_data, rejected_clips
from vaemo_train.stage2.recipe import Stage2Recipe

SPEAKER_1 = Holdout.parse("speaker=speaker_01")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve clips of four speakers; the fifth, of speaker_00, has two rows, as has the sixth, of speaker_01."""
    seconds = [2.0, 2.0, 2.0, 2.0, 11.0, 11.0, *[2.0] * 6]
    modality = [*["both"] * 8, "audio", "video", "audio", "video"]
    return tiny_shards(tmp_path_factory.mktemp("shards"), 12, seconds=seconds, modality=modality)


def opened(
    shards: Path,
    folder: Path,
    rows: Sequence[dict[str, Any]] | None = None,
    *,
    holdout: Holdout | None = SPEAKER_1,
    allow_unknown: bool = False,
    watched: bool = True,
    **loss: float,
) -> AlignmentData:
    """Open the data with a caption for each of `rows`, of all clips unless given."""
    write_captions(folder, rows if rows is not None else [{"clip_id": name} for name in clip_ids(shards)])
    monitor = TINY_ALIGNMENT["monitor"] if watched else {"every_steps": 0}
    sections = {**TINY_ALIGNMENT, "batch": {"per_device": 2}, "loss": loss, "monitor": monitor}
    recipe = Stage2Recipe.model_validate(sections)
    return open_alignment_data(recipe, shards, folder, holdout, 1, 64, allow_unknown=allow_unknown)


def texts_of(data: AlignmentData, captions: RowCaptions) -> set[str]:
    return {data.captions.texts[number] for number in captions.used_texts().tolist()}


@pytest.mark.parametrize("holdout", [SPEAKER_1, None])
def test_no_caption_of_a_held_out_clip_is_on_the_training_side(
    shards: Path, tmp_path: Path, holdout: Holdout | None
) -> None:
    data = opened(shards, tmp_path, holdout=holdout)
    names = np.asarray(rows_of(shards)["clip_id"].to_pylist())
    trained = set(names[data.training.rows.train].tolist())
    others = set(names.tolist()) - trained
    assert others, "without a holdout a speaker is kept out to be monitored"
    assert {speaker_of(shards)[clip] for clip in trained}.isdisjoint(speaker_of(shards)[clip] for clip in others)
    assert {text.split(",")[0] for text in texts_of(data, data.train)} == trained
    assert {text.split(",")[0] for text in texts_of(data, data.held_out)} == others
    assert texts_of(data, data.train).isdisjoint(texts_of(data, data.held_out))
    assert set(names[data.training.rows.monitor].tolist()) <= others
    seen = {int(row) for _, batch in zip(range(40), data.training.stream, strict=False) for row in batch["row_number"]}
    assert seen == set(data.training.rows.train.tolist())


def test_every_row_of_a_clip_has_its_captions_and_one_is_monitored(shards: Path, tmp_path: Path) -> None:
    data = opened(shards, tmp_path)
    names = rows_of(shards)["clip_id"].to_pylist()
    both = [row for row, name in enumerate(names) if name == "clip_0004"]
    assert len(both) == 2
    for path in PATHS:
        first, second = (data.train.of_row(path, row).tolist() for row in both)
        assert first == second != []
    monitored = [names[row] for row in data.training.rows.monitor]
    assert sorted(monitored) == sorted(set(monitored)) == ["clip_0001", "clip_0005", "clip_0009"]


def test_rows_without_a_description_that_the_loss_weighs_are_not_trained_on(shards: Path, tmp_path: Path) -> None:
    said: dict[str, dict[str, Any]] = {
        "clip_0000": {},
        "clip_0002": {"visual_description": None},
        "clip_0003": {"acoustic_description": "", "affect_description": " "},
        "clip_0004": dict(NOTHING_SAID) | {"acoustic_description": "A low voice."},
    }
    rows = [{"clip_id": name, **texts} for name, texts in said.items()]
    names = rows_of(shards)["clip_id"].to_pylist()

    def trained(name: str, **loss: Any) -> list[str]:
        return [names[row] for row in opened(shards, tmp_path / name, rows, **loss).training.rows.train]

    assert trained("all") == ["clip_0000", "clip_0002", "clip_0003", "clip_0004", "clip_0004"]
    assert trained("visual", acoustic=0, affect=0) == ["clip_0000", "clip_0003"]
    assert trained("acoustic", visual=0, affect=0) == ["clip_0000", "clip_0002", "clip_0004", "clip_0004"]
    assert trained("affect", visual=0, acoustic=0) == ["clip_0000", "clip_0002"]


def test_a_description_of_what_a_clip_lacks_is_left_out_and_told(shards: Path, tmp_path: Path) -> None:
    data = opened(shards, tmp_path)  # on the training side 8 and 10 have sound alone, 11 has a picture alone
    names = rows_of(shards)["clip_id"].to_pylist()
    assert data.train.without_tokens == {"visual": 2, "acoustic": 1, "affect": 0}
    for path, clip, has_text in [
        ("visual", "clip_0008", False), ("acoustic", "clip_0008", True), ("affect", "clip_0008", True),
        ("visual", "clip_0011", True), ("acoustic", "clip_0011", False), ("affect", "clip_0011", True),
    ]:  # fmt: skip
        assert bool(len(data.train.of_row(path, names.index(clip)))) is has_text, (path, clip)
    lines = list(data.lines())
    assert "note: 2 rows have a visual description, but no picture that it describes; it is left out" in lines
    assert "note: 1 row has an acoustic description, but no sound that it describes; it is left out" in lines
    counted = lines[0]
    assert "12 captions of 12 clips; 9 of 9 training clips (100%) have captions" in counted


def test_clips_that_are_described_of_what_they_lack_alone_are_not_trained_on(shards: Path, tmp_path: Path) -> None:
    silent: dict[str, Any] = dict(NOTHING_SAID) | {"visual_description": "A face that smiles."}
    rows: list[dict[str, Any]] = [
        {"clip_id": "clip_0008", **silent},
        {"clip_id": "clip_0011", **silent},
        {"clip_id": "clip_0000"},
    ]
    names = rows_of(shards)["clip_id"].to_pylist()
    data = opened(shards, tmp_path, rows)
    assert [names[row] for row in data.training.rows.train] == ["clip_0000", "clip_0011"]


def test_captions_of_held_out_clips_alone_are_refused(shards: Path, tmp_path: Path) -> None:
    held_out = [{"clip_id": name} for name, speaker in speaker_of(shards).items() if speaker == "speaker_01"]
    with pytest.raises(CaptionError, match=r"no clip that is trained on has a description .*; 3 clips have captions"):
        opened(shards, tmp_path, held_out)


def test_captions_of_unknown_clips_are_refused_unless_allowed(shards: Path, tmp_path: Path) -> None:
    rows = [{"clip_id": name} for name in [*clip_ids(shards), "stranger"]]
    with pytest.raises(CaptionError, match=r"captions of 1 clips that the shards do not have \(stranger\).*--allow"):
        opened(shards, tmp_path / "one", rows)
    data = opened(shards, tmp_path / "two", rows, allow_unknown=True)
    assert data.captions.counts.of_unknown == 1
    assert not any("stranger" in text for text in data.captions.texts)


def test_a_caption_of_a_clip_that_prepare_rejected_is_no_mistake(tmp_path: Path) -> None:
    folder = tiny_shards(tmp_path / "shards", 8)
    rejects = pq.read_table(folder / REJECTS)
    empty = {name: pa.nulls(1, rejects.schema.field(name).type) for name in rejects.schema.names}
    one = pa.table(empty | {"clip_id": pa.array(["torn"], pa.string())}).cast(
        pa.schema([field.with_nullable(True) for field in rejects.schema])
    )
    pq.write_table(one, folder / REJECTS)
    assert rejected_clips(ShardFolder.open(folder)) == ["torn"]
    data = opened(folder, tmp_path / "captions", [{"clip_id": name} for name in [*clip_ids(folder), "torn"]])
    assert data.captions.counts.of_rejected == 1


def test_a_holdout_that_parts_a_speaker_is_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="speaker"):
        opened(shards, tmp_path, holdout=Holdout.parse("label=sadness"))


def test_fewer_captioned_rows_than_a_batch_holds_are_refused(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"1 rows with 1 windows each do not fill one batch of 2"):
        opened(shards, tmp_path, [{"clip_id": "clip_0000"}])


def test_only_held_out_clips_that_have_captions_are_monitored(shards: Path, tmp_path: Path) -> None:
    rows = [{"clip_id": name} for name in ("clip_0000", "clip_0002", "clip_0003", "clip_0001", "clip_0009")]
    names = rows_of(shards)["clip_id"].to_pylist()
    data = opened(shards, tmp_path, rows)
    assert {names[row] for row in data.training.rows.monitor} == {"clip_0001", "clip_0009"}


def test_no_clip_counts_as_monitored_where_nobody_looks_or_one_would_be_alone(shards: Path, tmp_path: Path) -> None:
    assert opened(shards, tmp_path / "two").training.counts()["clips_monitored"] == 3
    assert opened(shards, tmp_path / "one", watched=False).training.counts()["clips_monitored"] == 0
    rows = [{"clip_id": name} for name in ("clip_0000", "clip_0002", "clip_0001")]
    assert opened(shards, tmp_path / "three", rows).training.counts()["clips_monitored"] == 0
