"""The files of a caption dataset repository, made from a run folder: Parquet, card, prompt; never media."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq

from vaemo_annotate.card import render_card
from vaemo_annotate.published_run import RunRecord, Tally, portable_name
from vaemo_clips.caption import REJECT_SCHEMA, RESERVED_NAMES, VERDICT_SCHEMA, caption_schema
from vaemo_clips.errors import RunFolderError

SHARD_BYTES = 500_000_000
"""Arrow bytes after which a parquet file is closed; compressed, it is smaller."""
_BATCH_ROWS = 1000
_URL_HOST = re.compile(r"(https?://)[^\s/'\"]+")
_QUOTED_FOLDERS = re.compile(r"(?<=['\"])(?:file:///|~?/|[A-Za-z]:[\\/])(?:[^'\"/\\]*[\\/])*(?=[^'\"/\\]*['\"])")
_FOLDERS = re.compile(r"(?<![\w.~:/-])(?:file:///|~?/|[A-Za-z]:[\\/])(?:[^\s'\":;,()/\\]+[\\/])+")


def stage_publication(
    out: Path, stage: Path, repo: str, license_id: str | None, run: RunRecord
) -> tuple[Tally, Counter[str]]:
    """Write every file of the repository into `stage`; say how many captions and which paths were cut.

    Raises RunFolderError for a run with media, absolute paths, unreadable verdicts or nothing to publish.
    """
    accepted = _open_dataset(out / "dataset", caption_schema([]))
    rejected = _open_rejects(out / "rejects", accepted, run)
    _check_counts(out, run, accepted, rejected)
    verdicts, judged, shortened = _read_verdicts(out / "verdicts.parquet"), Counter[str](), Counter[str]()

    data = stage / "data"
    data.mkdir()
    captions = _judge(_batches(accepted), verdicts, judged)
    caption_files = _write_parquet(data, "accepted", accepted, _shorten_paths(captions, shortened))
    _write_parquet(data, "rejects", rejected, _shorten_paths(_batches(rejected), shortened))

    reasons = Counter(reason or "unknown" for reason in rejected["reject_reason"])
    tally = Tally(len(accepted), judged["drop"], judged["fixed"], reasons)
    if not caption_files:
        raise RunFolderError(
            f"{out} holds no caption to push: {tally.accepted} accepted, {tally.dropped} of them dropped; "
            "see the rejects and the verdicts"
        )
    schema = (rejected if len(rejected) else accepted).features.arrow_schema
    card = render_card(repo, license_id, run, tally, schema, _first_row(caption_files[0]))
    (stage / "README.md").write_text(card, encoding="utf-8")
    (stage / "run.json").write_text(run.model_dump_json(indent=2) + "\n", encoding="utf-8")
    if run.prompt.text is not None:
        (stage / "prompt.yaml").write_text(run.prompt.text, encoding="utf-8")
    return tally, shortened


def _open_dataset(folder: Path, expected: pa.Schema) -> datasets.Dataset:
    """A dataset of the run folder that has the expected columns and no media."""
    try:
        dataset = _load(folder)
    except (OSError, ValueError, KeyError, pa.ArrowException) as error:
        raise RunFolderError(f"{folder} is not a dataset: {one_line(error)}; run it again") from error
    if missing := [name for name in expected.names if name not in dataset.column_names]:
        raise RunFolderError(f"{folder} has no column {missing[0]!r}; give a folder that `run` wrote")
    for field in dataset.features.arrow_schema:
        if _holds_media(field.type):
            raise RunFolderError(
                f"{folder}: column {field.name!r} is {field.type}, which can hold media, "
                "and no media is pushed; take the column out of the source manifest and run again"
            )
    return dataset


def _load(folder: Path) -> datasets.Dataset:
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    if state["_data_files"]:
        return datasets.Dataset.load_from_disk(str(folder))
    # datasets 5.2 saves a dataset without rows as no file at all, and then cannot load it
    features = datasets.DatasetInfo.from_directory(str(folder)).features
    return datasets.Dataset(features.arrow_schema.empty_table())


def _open_rejects(folder: Path, accepted: datasets.Dataset, run: RunRecord) -> datasets.Dataset:
    schema = pa.schema([*accepted.features.arrow_schema, *REJECT_SCHEMA])
    if folder.exists() or run.counts.rejected:
        return _open_dataset(folder, schema)
    return datasets.Dataset(schema.empty_table())


def _holds_media(arrow: pa.DataType) -> bool:
    """Whether bytes or arrays of pixels or samples fit in: `datasets` stores Audio, Image, Video as bytes."""
    is_bytes = pa.types.is_binary(arrow) or pa.types.is_large_binary(arrow) or pa.types.is_binary_view(arrow)
    if is_bytes or pa.types.is_fixed_size_binary(arrow) or isinstance(arrow, pa.BaseExtensionType):
        return True
    if pa.types.is_dictionary(arrow):
        return _holds_media(arrow.value_type)
    return any(_holds_media(arrow.field(i).type) for i in range(arrow.num_fields))


def _check_counts(out: Path, run: RunRecord, accepted: datasets.Dataset, rejected: datasets.Dataset) -> None:
    counts = run.counts
    if (len(accepted), len(rejected)) != (counts.accepted, counts.rejected):
        raise RunFolderError(
            f"{out}: run.json counts {counts.accepted} accepted and {counts.rejected} rejected, "
            f"the datasets hold {len(accepted)} and {len(rejected)}; run it again to write them anew"
        )


@dataclass(frozen=True, slots=True)
class _Verdict:
    kind: str
    fixed_description: str | None


def _read_verdicts(path: Path) -> dict[tuple[str, int], _Verdict]:
    """The last verdict on each caption, by (clip_id, sample_index); none without the side table."""
    if not path.exists():
        return {}
    try:
        rows = pq.read_table(path, columns=VERDICT_SCHEMA.names).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise RunFolderError(f"{path} cannot be read: {one_line(error)}; check the run again") from error
    # a stable sort: a verdict without a time is older than any with one
    rows.sort(key=lambda row: row["at"].timestamp() if row["at"] else 0.0)
    verdicts = {}
    for row in rows:
        kind, fixed = row["verdict"], row["fixed_description"]
        if kind not in ("keep", "drop", "fixed") or (kind == "fixed" and not fixed):
            raise RunFolderError(
                f"{path}: clip {row['clip_id']!r} has verdict {kind!r} with fixed_description {fixed!r}; "
                "it must be keep, drop, or fixed with a description; judge it again"
            )
        verdicts[row["clip_id"], row["sample_index"]] = _Verdict(kind, fixed)
    return verdicts


def _batches(dataset: datasets.Dataset) -> Iterator[pa.Table]:
    return iter(dataset.with_format("arrow").iter(batch_size=_BATCH_ROWS))


def _judge(
    tables: Iterator[pa.Table], verdicts: dict[tuple[str, int], _Verdict], judged: Counter[str]
) -> Iterator[pa.Table]:
    """Leave out what was dropped, put in what was fixed, and count both."""
    keep = _Verdict("keep", None)
    for table in tables:
        keys = zip(table["clip_id"].to_pylist(), table["sample_index"].to_pylist(), strict=True)
        found = [verdicts.get(key, keep) for key in keys]
        judged.update(verdict.kind for verdict in found)
        texts = zip(table["affect_description"].to_pylist(), found, strict=True)
        fixed = [verdict.fixed_description if verdict.kind == "fixed" else text for text, verdict in texts]
        kept = pa.array([verdict.kind != "drop" for verdict in found])
        yield _with_column(table, "affect_description", fixed).filter(kept)


def _shorten_paths(tables: Iterator[pa.Table], shortened: Counter[str]) -> Iterator[pa.Table]:
    """Cut the folders of this machine out of the columns that can name them, and count the cuts."""
    for table in tables:
        _check_paths(table)
        for field in table.schema:
            is_text = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
            if not is_text or (field.name in RESERVED_NAMES and field.name not in ("model", "reject_detail")):
                continue
            cut = without_folders if field.name == "reject_detail" else portable_name
            before = table[field.name].to_pylist()
            after = [text and cut(text) for text in before]
            if changed := sum(old != new for old, new in zip(before, after, strict=True)):
                shortened[field.name] += changed
                table = _with_column(table, field.name, after)
        yield table


def _check_paths(table: pa.Table) -> None:
    for clip_id, path in zip(table["clip_id"].to_pylist(), table["path"].to_pylist(), strict=True):
        if path and (portable_name(path) != path or path.startswith("/") or ".." in PurePosixPath(path).parts):
            raise RunFolderError(
                f"clip {clip_id!r}: path {path!r} leads out of the collection, "
                "it must be relative to its root; index the folder again and run again"
            )


def without_folders(text: str) -> str:
    """A message without the folders and hosts it names: `x.mp4` for `/home/me/x.mp4`."""
    text = _URL_HOST.sub(r"\1server", text).replace(f"{Path.home()}/", "~/")
    return _FOLDERS.sub("", _QUOTED_FOLDERS.sub("", text))


def _with_column(table: pa.Table, name: str, values: list[Any]) -> pa.Table:
    index = table.schema.get_field_index(name)
    field = table.schema.field(index)
    return table.set_column(index, field, pa.array(values, field.type))


def _write_parquet(folder: Path, kind: str, dataset: datasets.Dataset, tables: Iterator[pa.Table]) -> list[Path]:
    """Write `kind-00000-of-0000N.parquet` files; none where there are no rows."""
    schema = dataset.features.arrow_schema
    # datasets 5.2 loads neither a split nor a row group without rows
    filled = (table for table in tables if table.num_rows)
    parts: list[Path] = []
    table = next(filled, None)
    while table is not None:
        parts.append(folder / f"{kind}-{len(parts):05d}")
        num_bytes = 0
        # content-defined chunks let the Hub store only what changed since the last push
        with pq.ParquetWriter(
            parts[-1], schema, compression="zstd", write_page_index=True, use_content_defined_chunking=True
        ) as writer:
            while table is not None and num_bytes < SHARD_BYTES:
                writer.write_table(table.cast(schema))
                num_bytes += table.nbytes
                table = next(filled, None)
    return [part.rename(f"{part}-of-{len(parts):05d}.parquet") for part in parts]


def _first_row(path: Path) -> dict[str, Any]:
    return dict(next(pq.ParquetFile(path).iter_batches(batch_size=1)).to_pylist()[0])


def one_line(message: object) -> str:
    return " ".join(str(message).split())[:300]
