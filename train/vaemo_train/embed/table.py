"""The columns of an embeddings file, and what its metadata say.

Shapes: n clips, F width of a vector.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vaemo_clips.errors import ShardError
from vaemo_train.embed.embedder import Embedded
from vaemo_train.embed.settings import EmbedSettings
from vaemo_train.embed.source import SourceClip
from vaemo_train.evaluate.features import Modality
from vaemo_train.models.config import VAEmoConfig

METADATA_KEY = b"vaemo.embeddings"
_NUM_WINDOWS = pa.field("num_windows", pa.int32(), nullable=False)
_SECONDS = [
    pa.field("window_begin_s", pa.float64(), nullable=False),
    pa.field("window_end_s", pa.float64(), nullable=False),
]


def embeddings_schema(
    fields: Sequence[pa.Field], settings: EmbedSettings, config: VAEmoConfig, facts: bytes
) -> pa.Schema:
    """A clip's own columns, how many windows or which seconds, then a vector of fixed size for each modality.

    `facts` (JSON) go into the schema's metadata. Raises ShardError where a clip's column has the name of one of these.
    """
    own = [*(_SECONDS if settings.per_window else [_NUM_WINDOWS])]
    own += [pa.field(name, _kind(settings, config, name)) for name in settings.modalities]
    if taken := sorted({field.name for field in fields} & {field.name for field in own}):
        raise ShardError(
            f"column {taken[0]} of the clips has the name of a column of embeddings; rename it in the source"
        )
    return pa.schema([*fields, *own], metadata={METADATA_KEY: facts})


def clip_table(clips: Sequence[SourceClip], found: Embedded, schema: pa.Schema, settings: EmbedSettings) -> pa.Table:
    """One row for each of n clips that has a vector; with `per_window` one for each such window."""
    if settings.per_window:
        return _window_table(clips, found, schema, settings)
    chosen = np.flatnonzero(found.num_windows)
    values = [*_carried(clips, chosen), pa.array(found.num_windows[chosen], pa.int32())]
    for name in settings.modalities:
        vectors = found.means[name][chosen]
        values.append(_vectors(vectors, ~np.isnan(vectors[:, 0]), schema.field(name).type))
    return pa.Table.from_arrays(_typed(values, schema), schema=schema)


def _window_table(clips: Sequence[SourceClip], found: Embedded, schema: pa.Schema, settings: EmbedSettings) -> pa.Table:
    by_clip = found.windows[: len(clips)]
    windows = [window for own in by_clip for window in own]
    places = np.repeat(np.arange(len(clips)), [len(own) for own in by_clip])
    seconds = [[window.begin_s for window in windows], [window.end_s for window in windows]]
    values = [*_carried(clips, places), *(pa.array(column, pa.float64()) for column in seconds)]
    for name in settings.modalities:
        kind = schema.field(name).type
        has = np.array([name in window.vectors for window in windows], np.bool_)
        nothing = np.full(kind.list_size, np.nan, np.float32)
        stacked = [window.vectors.get(name, nothing) for window in windows]
        vectors = np.stack(stacked) if stacked else np.zeros((0, kind.list_size), np.float32)
        values.append(_vectors(vectors, has, kind))
    return pa.Table.from_arrays(_typed(values, schema), schema=schema)


def _kind(settings: EmbedSettings, config: VAEmoConfig, modality: Modality) -> pa.DataType:
    return pa.list_(pa.float32(), settings.width(config, modality))


def _carried(clips: Sequence[SourceClip], places: NDArray[np.int64]) -> list[pa.Array]:
    """The clips' own columns, for each of `places`."""
    if not clips:
        return []
    indices = pa.array(places, pa.int64())
    columns = zip(*(clip.columns for clip in clips), strict=True)
    return [pa.concat_arrays(list(column)).take(indices) for column in columns]


def _typed(values: Sequence[pa.Array], schema: pa.Schema) -> list[pa.Array]:
    return [
        value.cast(field.type) if value.type != field.type else value
        for value, field in zip(values, schema, strict=True)
    ]


def _vectors(vectors: NDArray[np.float32], has: NDArray[np.bool_], kind: pa.DataType) -> pa.Array:
    """(n, F) as lists of fixed size, null where there is none."""
    flat = pa.array(np.where(has[:, None], vectors, 0).astype(np.float32).ravel(), pa.float32())
    return pa.FixedSizeListArray.from_arrays(flat, type=kind, mask=pa.array(~has))
