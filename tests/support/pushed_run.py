"""Runs that are pushed to a local Hub, and what is read back from there."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from huggingface_hub import DatasetCard
from markdown_it import MarkdownIt

from tests.support.hub_repo import Repo
from tests.support.run_folder import caption_row, reject_row, write_run_folder
from vaemo_annotate.hub import PushResult, push

REPO = "ann/emo-captions"
HOSTILE = (
    "---\nlicense: mit\n---\n| a | b |\n<script>x</script> `code` *b* [x](http://e.org) ![i](y) \\| &lt; $z$ ~~s~~ #1"
)


def small_run(out: Path, num_accepted: int = 3, **changes: Any) -> Path:
    """A run with a few captions and two rejects."""
    rejected = [
        reject_row(90, "truncated", "the reply ended at 512 tokens"),
        reject_row(91, "undecodable", "'/home/alice/my clips/x.mp4': moov atom not found"),
    ]
    accepted = [caption_row(number) for number in range(num_accepted)]
    return write_run_folder(out, **{"accepted": accepted, "rejected": rejected, **changes})


def pushed(out: Path, **changes: Any) -> PushResult:
    """Push `out` for real, unless told otherwise."""
    return push(out, **{"repo": REPO, "private": False, "dry_run": False, **changes})


def rows_of(repo: Repo, kind: str = "accepted") -> list[dict[str, Any]]:
    """The rows in the repository's parquet files, in order."""
    paths = sorted(path for path in repo.files if path.startswith(f"data/{kind}-"))
    return [row for path in paths for row in pq.read_table(pa.BufferReader(repo.files[path].content)).to_pylist()]


def as_published(row: dict[str, Any]) -> dict[str, Any]:
    """A row of a run as it is pushed: without the replies of its steps."""
    steps = [{name: value for name, value in step.items() if name != "reply"} for step in row["steps"]]
    return {**row, "steps": steps}


def metadata_of(card: DatasetCard) -> dict[str, Any]:
    """The front matter as huggingface_hub reads it."""
    metadata: dict[str, Any] = card.data.to_dict()
    return metadata


def table_cells(card: str) -> list[list[str]]:
    """The tables of a card as a Markdown reader sees them: rows of plain text."""
    rows: list[list[str]] = []
    tokens = MarkdownIt("commonmark").enable("table").parse(card)
    for opener, content in itertools.pairwise(tokens):
        if opener.type == "tr_open":
            rows.append([])
        if opener.type in ("td_open", "th_open"):
            assert {child.type for child in content.children or ()} <= {"text", "text_special", "code_inline"}
            rows[-1].append("".join(child.content for child in content.children or ()))
    return rows
