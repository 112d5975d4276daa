"""Which file a row of the shards is of."""

from __future__ import annotations

import pyarrow as pa

from vaemo_train.evaluate.source_files import source_files


def test_the_file_of_a_clip_is_its_content_else_its_path_else_the_clip() -> None:
    table = pa.table({"clip_id": ["a", "b", "c"], "path": ["x.mp4", "x.mp4", None], "sha256": ["0" * 64, None, None]})
    assert source_files(table).tolist() == ["0" * 64, "x.mp4", "c"]
