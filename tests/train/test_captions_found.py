"""Which caption datasets are found below a folder, and which are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest

from tests.support.caption_folders import save_table, write_captions, write_rejects, write_verdicts
from tests.support.run_folder import caption_row
from vaemo_clips.caption import CAPTION_SCHEMA_VERSION, caption_schema
from vaemo_clips.errors import CaptionError
from vaemo_train.captions.found import CAPTION_ROWS, find_caption_datasets, search_captions

CLIPS = [{"clip_id": "a"}, {"clip_id": "b"}, {"clip_id": "c"}]


def places(folder: Path) -> list[str]:
    """Where datasets are found, below `folder`."""
    return [str(dataset.path.relative_to(folder)) for dataset in find_caption_datasets(folder)]


def edit_record(run: Path, **changes: Any) -> None:
    """Change run.json."""
    record = json.loads((run / "run.json").read_text()) | changes
    (run / "run.json").write_text(json.dumps(record))


def test_datasets_are_found_at_every_depth_sorted_by_path(tmp_path: Path) -> None:
    for name in ("z", "deep/er/b", "a"):
        write_captions(tmp_path / name, CLIPS)
    assert places(tmp_path) == ["a/dataset", "deep/er/b/dataset", "z/dataset"]


@pytest.mark.parametrize("given", [".", "run", "run/dataset"])
def test_a_tree_a_run_and_a_dataset_may_be_given(tmp_path: Path, given: str) -> None:
    write_captions(tmp_path / "run", CLIPS)
    [dataset] = find_caption_datasets(tmp_path / given)
    assert dataset.path.resolve() == tmp_path / "run" / "dataset"
    assert dataset.run.resolve() == tmp_path / "run"


def test_rows_are_what_datasets_itself_loads(tmp_path: Path) -> None:
    run = write_captions(tmp_path, [*CLIPS, {"clip_id": "d", "visual_description": None, "emotions": []}])
    [dataset] = find_caption_datasets(run)
    loaded = datasets.load_from_disk(str(run / "dataset")).select_columns(CAPTION_ROWS.names)
    assert dataset.rows.schema == CAPTION_ROWS
    assert dataset.rows.to_pylist() == list(loaded)


def test_a_dataset_in_several_files_is_read_whole_and_in_order(tmp_path: Path) -> None:
    run = write_captions(tmp_path / "run", [{"clip_id": f"clip_{number}"} for number in range(7)])
    datasets.load_from_disk(str(run / "dataset")).save_to_disk(str(tmp_path / "parts"), num_shards=3)
    shutil.rmtree(run)
    [dataset] = find_caption_datasets(tmp_path)
    assert dataset.path.name == "parts"
    assert dataset.rows["clip_id"].to_pylist() == [f"clip_{number}" for number in range(7)]


def test_a_dataset_without_rows_is_one(tmp_path: Path) -> None:
    write_captions(tmp_path, [])
    assert [dataset.rows.num_rows for dataset in find_caption_datasets(tmp_path)] == [0]


def test_wider_strings_and_integers_are_read_as_the_schema_says(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([caption_row(0)], schema=caption_schema([]))
    wide = [_widened(field) for field in table.schema]
    save_table(tmp_path / "mine", table.cast(pa.schema(wide)))
    [dataset] = find_caption_datasets(tmp_path)
    assert dataset.rows.to_pylist() == table.select(CAPTION_ROWS.names).to_pylist()


def _widened(field: pa.Field) -> pa.Field:
    wider = {pa.string(): pa.large_string(), pa.int32(): pa.int64(), pa.list_(pa.string()): pa.list_(pa.large_string())}
    return field.with_type(wider.get(field.type, field.type))


def test_rejects_drafts_and_hidden_folders_are_not_captions(tmp_path: Path) -> None:
    run = write_captions(tmp_path / "run", CLIPS)
    write_rejects(run, ["d"])
    for name in (".dataset.draft", ".dataset.old"):
        shutil.copytree(run / "dataset", run / name)
    shutil.copytree(run, tmp_path / ".trash")
    assert places(tmp_path) == ["run/dataset"]


def test_rejects_under_another_name_are_passed_over_and_told(tmp_path: Path) -> None:
    write_captions(tmp_path / "run", CLIPS)
    write_rejects(tmp_path / "other", ["d"], "failed")
    search = search_captions(tmp_path)
    assert [dataset.path.parent.name for dataset in search.datasets] == ["run"]
    assert search.skipped == (f"{tmp_path / 'other' / 'failed'} holds rejects",)


def test_a_pilot_is_passed_over_and_told_unless_it_is_given_itself(tmp_path: Path) -> None:
    run = write_captions(tmp_path / "run", CLIPS)
    pilot = write_captions(run / "pilot", CLIPS[:1], pilot=True)
    search = search_captions(tmp_path)
    assert [dataset.run for dataset in search.datasets] == [run]
    assert search.skipped == (f"{pilot} is a pilot",)
    assert [dataset.run for dataset in find_caption_datasets(pilot)] == [pilot]


def test_shards_that_were_merged_are_read_once(tmp_path: Path) -> None:
    for number in (1, 2):
        write_captions(tmp_path / "run" / f"shard-{number}-of-2", [CLIPS[number]])
    assert places(tmp_path) == ["run/shard-1-of-2/dataset", "run/shard-2-of-2/dataset"]
    write_captions(tmp_path / "run", CLIPS[1:], merged_from=2)
    assert places(tmp_path) == ["run/dataset"]
    assert search_captions(tmp_path).skipped == (
        f"{tmp_path / 'run'} has its 2 shards merged, they are not read again",
    )


def test_verdicts_beside_a_shard_that_was_merged_are_refused(tmp_path: Path) -> None:
    shard = write_captions(tmp_path / "run" / "shard-2-of-2", CLIPS[1:])
    write_verdicts(shard, [{"clip_id": "b", "verdict": "drop"}])
    assert places(tmp_path) == ["run/shard-2-of-2/dataset"]
    merged = write_captions(tmp_path / "run", CLIPS, merged_from=2)
    pattern = r"shard-2-of-2/verdicts.parquet: .*run has its shards merged, .* move the verdicts beside .*run/verdicts"
    with pytest.raises(CaptionError, match=pattern):
        places(tmp_path)
    (shard / "verdicts.parquet").rename(merged / "verdicts.parquet")
    assert places(tmp_path) == ["run/dataset"]


def test_links_are_followed_once_and_never_in_a_circle(tmp_path: Path) -> None:
    write_captions(tmp_path / "disk" / "run", CLIPS)
    (tmp_path / "captions").mkdir()
    (tmp_path / "captions" / "run").symlink_to(tmp_path / "disk" / "run")
    (tmp_path / "captions" / "again").symlink_to(tmp_path / "disk" / "run")
    (tmp_path / "captions" / "circle").symlink_to(tmp_path / "captions")
    assert len(find_caption_datasets(tmp_path / "captions")) == 1


def test_a_link_that_leads_nowhere_does_not_matter(tmp_path: Path) -> None:
    write_captions(tmp_path / "run", CLIPS)
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    assert places(tmp_path) == ["run/dataset"]


def test_a_folder_that_is_not_there_is_refused_with_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(CaptionError, match=r"nowhere: there is no such folder; .*`vaemo-annotate run --out .*nowhere`"):
        find_caption_datasets(tmp_path / "nowhere")


def test_a_folder_without_captions_is_refused_and_says_what_was_looked_for(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    pattern = r"no captions in it or in the 1 folders below it; looked for datasets with state.json and dataset_info"
    with pytest.raises(CaptionError, match=pattern):
        find_caption_datasets(tmp_path)


def test_a_run_without_captions_yet_is_told(tmp_path: Path) -> None:
    running = tmp_path / "running"
    running.mkdir()
    (running / "ledger.sqlite").touch()
    with pytest.raises(CaptionError, match=r"passed over: .*running has no captions yet: its run is not finished"):
        find_caption_datasets(tmp_path)
    write_captions(tmp_path / "done", CLIPS)
    assert search_captions(tmp_path).skipped == (f"{running} has no captions yet: its run is not finished",)


def test_a_dataset_of_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    run = write_captions(tmp_path / "run", CLIPS)
    (run / "run.json").unlink()
    assert places(tmp_path) == ["run/dataset"]  # a copy without its run
    (run / "ledger.sqlite").touch()
    with pytest.raises(CaptionError, match=r"run/dataset: its run is not finished \(no run.json\); run the same"):
        find_caption_datasets(tmp_path)


@pytest.mark.parametrize("version", [None, CAPTION_SCHEMA_VERSION])
def test_schema_versions_up_to_ours_are_read(tmp_path: Path, version: int | None) -> None:
    write_captions(tmp_path, CLIPS, caption_schema_version=version)
    assert len(find_caption_datasets(tmp_path)) == 1


def test_a_schema_of_the_future_is_refused_whatever_else_it_says(tmp_path: Path) -> None:
    write_captions(tmp_path, CLIPS, caption_schema_version=CAPTION_SCHEMA_VERSION + 1, counts="a new kind")
    with pytest.raises(CaptionError, match=r"run.json: captions of schema 2, this vaemo reads up to 1; upgrade vaemo"):
        find_caption_datasets(tmp_path)


def test_captions_that_the_record_does_not_count_are_refused(tmp_path: Path) -> None:
    run = write_captions(tmp_path, CLIPS)
    edit_record(run, counts={"accepted": 5})
    with pytest.raises(CaptionError, match=r"dataset: 3 captions, .*run.json says 5; run the same `vaemo-annotate"):
        find_caption_datasets(run)


def cut_record(run: Path) -> None:
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(text[: len(text) // 2])


def cut_rows(run: Path) -> None:
    [file] = (run / "dataset").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:-3000])


def lose_rows(run: Path) -> None:
    [file] = (run / "dataset").glob("*.arrow")
    file.unlink()


def lose_list(run: Path) -> None:
    (run / "dataset" / "state.json").write_text("{}")


@pytest.mark.parametrize(
    ("damage", "pattern"),
    [
        (cut_record, r"run.json: not the record of a run \(.*\); run the same"),
        (cut_rows, r"data-00000-of-00001.arrow: cannot be read \(.*\); run the same"),
        (lose_rows, r"data-00000-of-00001.arrow: cannot be read \(.*No such file.*\); run the same"),
        (lose_list, r"state.json: cannot be read \('_data_files'\); run the same"),
        (lambda run: edit_record(run, complete=False), r"run.json: its run is not complete; run the same"),
    ],
)
def test_a_damaged_run_is_refused_by_the_name_of_the_file(
    tmp_path: Path, damage: Callable[[Path], None], pattern: str
) -> None:
    damage(write_captions(tmp_path / "run", CLIPS))
    with pytest.raises(CaptionError, match=pattern):
        find_caption_datasets(tmp_path)


def changed(name: str, values: pa.Array | None) -> pa.Table:
    """One caption with another column `name`, or without it."""
    table = pa.Table.from_pylist([caption_row(0)], schema=caption_schema([])).drop_columns([name])
    return table if values is None else table.append_column(name, values)


@pytest.mark.parametrize(
    ("table", "pattern"),
    [
        (changed("affect_description", None), r"mine: there is no column affect_description; not a caption dataset"),
        (changed("emotions", pa.array(["joy"])), r"mine: column emotions is string, it must be list<.*>; not a"),
        (changed("sample_index", pa.array(["0"])), r"mine: column sample_index is string, it must be int32; not a"),
        (changed("visual_description", pa.array([1])), r"column visual_description is int64, it must be string"),
        (changed("sample_index", pa.array([2**40])), r"mine: Integer value 1099511627776 not in range.*; not a"),
        (changed("clip_id", pa.array([None], pa.string())), r"mine: 1 rows have no clip_id; run the same"),
    ],
)
def test_columns_that_are_missing_or_of_another_kind_are_refused(tmp_path: Path, table: pa.Table, pattern: str) -> None:
    save_table(tmp_path / "mine", table)
    with pytest.raises(CaptionError, match=pattern):
        find_caption_datasets(tmp_path)
