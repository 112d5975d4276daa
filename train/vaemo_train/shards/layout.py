"""The files of a shard folder and what stands in each.

prepare.json              format, settings and clip columns; written first, so that nothing else joins the folder
shard-00000.arrow         rows with their media (ROW_SCHEMA, MEDIA_SCHEMA), one record batch each
done/shard-00000.json     which clips the shard is of, and what became of them; written after it
rows.parquet              all rows without their media, and where each one lies (PLACE_SCHEMA)
rejects.parquet           the clips that gave no row, with reject_reason and reject_detail
shards.json               the marker, written last: what there is, by file
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from vaemo_clips.clip import CLIP_SCHEMA, FILE_SCHEMA
from vaemo_clips.errors import ShardError
from vaemo_clips.manifest import Manifest
from vaemo_train.shards.row import FORMAT_VERSION, MEDIA_SCHEMA, ROW_SCHEMA, ShardSettings

DEFAULT_FOLDER = Path("shards")
"""Where `prepare` writes and trainings read unless told otherwise."""
METADATA_KEY = b"vaemo.shard"
PREPARE, ROWS, REJECTS, MARKER, DONE = "prepare.json", "rows.parquet", "rejects.parquet", "shards.json", "done"
ANEW = "give another --out, or delete the folder to make it anew"
AGAIN = "run the same prepare command again"
PLACE_SCHEMA = pa.schema(
    [
        pa.field("shard", pa.int32(), nullable=False),
        pa.field("batch", pa.int32(), nullable=False),
        pa.field("num_slots", pa.int32(), nullable=False),
        pa.field("num_samples", pa.int64(), nullable=False),
    ]
)
"""In the list of all rows: which record batch of which shard, and how much is in it (0 without picture or sound)."""
REJECT_FIELDS = [pa.field("reject_reason", pa.string()), pa.field("reject_detail", pa.string())]

_OWN_NAMES = {*ROW_SCHEMA.names, *MEDIA_SCHEMA.names, *PLACE_SCHEMA.names, *(field.name for field in REJECT_FIELDS)}


def shard_name(number: int) -> str:
    """File name of a shard."""
    return f"shard-{number:05d}.arrow"


def done_path(folder: Path, number: int) -> Path:
    """Where it is written down that a shard is finished."""
    return (folder / DONE / shard_name(number)).with_suffix(".json")


def remedy_of(shard: Path) -> str:
    """What mends a shard: without its record it is made again."""
    return f"delete {(shard.parent / DONE / shard.name).with_suffix('.json')} and {AGAIN}"


def clip_fields(manifest: Manifest) -> list[pa.Field]:
    """The columns that a clip brings along. Raises ShardError where one has the name of a shard's own."""
    fields = [*CLIP_SCHEMA, *(field.remove_metadata() for field in manifest.extra_fields)]
    if taken := sorted({field.name for field in fields} & _OWN_NAMES):
        raise ShardError(
            f"{manifest.path}: its column {taken[0]} has the name of a shard's own column; "
            f"rename it in the source and index it again"
        )
    return fields


def shard_schema(fields: Sequence[pa.Field], settings: ShardSettings) -> pa.Schema:
    """Schema of a shard of clips with these columns."""
    facts = {"format_version": FORMAT_VERSION, "settings": settings.model_dump()}
    return pa.schema([*fields, *ROW_SCHEMA, *MEDIA_SCHEMA], metadata={METADATA_KEY: json.dumps(facts)})


def rows_schema(fields: Sequence[pa.Field]) -> pa.Schema:
    """Schema of the list of all rows."""
    return pa.schema([*fields, *ROW_SCHEMA, *PLACE_SCHEMA])


def rejects_schema(fields: Sequence[pa.Field]) -> pa.Schema:
    """Schema of the list of rejected clips."""
    return pa.schema([*fields, *REJECT_FIELDS])


def told_columns(names: Iterable[str]) -> str:
    """The columns of a manifest that say something of a clip, as an error lists them; not those of files and rows."""
    known = _OWN_NAMES | ({*CLIP_SCHEMA.names, *FILE_SCHEMA.names} - {"clip_id"})
    return ", ".join(name for name in names if name not in known)
