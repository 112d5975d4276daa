"""Rows of clips in, vectors out: batches are decoded and encoded by threads, and come back in order.

Shapes: B windows of a batch, n clips, F width of a vector.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import numpy as np
import torch
from numpy.typing import NDArray

from vaemo_clips.errors import ShardError
from vaemo_clips.workers import num_cores
from vaemo_train.data.augment import Augment
from vaemo_train.data.batch import Batch, read_batch
from vaemo_train.embed.settings import EmbedSettings
from vaemo_train.embed.vectors import window_vectors
from vaemo_train.embed.windows import Asked, windows_of
from vaemo_train.evaluate.features import ClipMeans, Modality
from vaemo_train.models.encoder import VAEmoModel
from vaemo_train.shards.row import ShardRow

_MOST_THREADS = 16
_AHEAD = 2  # batches of each thread


@dataclass(frozen=True, slots=True)
class EmbeddedWindow:
    """Seconds [begin_s, end_s) of a clip, and its vectors (F,) by modality, those that it has."""

    begin_s: float
    end_s: float
    vectors: Mapping[Modality, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """n clips: means over their windows (n, F) by modality, NaN where a clip has none; how many windows said
    something; these themselves where they were asked for, in order; and what is wrong with damaged clips, by number:
    they have neither means nor windows."""

    means: Mapping[Modality, NDArray[np.float32]]
    num_windows: NDArray[np.int64]
    windows: list[list[EmbeddedWindow]]
    damaged: Mapping[int, str]


_Encoded = tuple[list[Asked], Mapping[Modality, NDArray[np.float32]], dict[int, str]]
"""Windows, their vectors (B, F) by modality, and what is wrong with clips whose windows could not be read."""


class Embedder:
    """Embeds clips with a model on its own device; `with` ends its threads and puts the model back into its mode.

    On a CPU each thread decodes and encodes batches of its own on one core: no core waits for another, and the
    numbers do not hang on how many threads there are.
    """

    def __init__(self, model: VAEmoModel, settings: EmbedSettings, size_px: int, threads: int | None = None) -> None:
        """`size_px`: of the rows' faces. `threads` None: all cores, 16 at most."""
        self.model, self.settings = model, settings
        self._size_px = size_px
        self._threads = threads or min(num_cores(), _MOST_THREADS)
        config = model.config
        self._augment = Augment(
            image_size=config.image_size, log_mel_mean=config.log_mel_mean, log_mel_std=config.log_mel_std
        )

    def __enter__(self) -> Embedder:
        self._was_training = self.model.training
        self._torch_threads = torch.get_num_threads()
        self.model.eval()
        torch.set_num_threads(1)
        self._pool = ThreadPoolExecutor(self._threads, "embed", initializer=torch.set_num_threads, initargs=(1,))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        torch.set_num_threads(self._torch_threads)
        self.model.train(self._was_training)

    def embed(self, rows: Iterable[tuple[int, ShardRow]], num_clips: int, keep_windows: bool) -> Embedded:
        """Embed rows, each with the number of its clip in [0, num_clips), in order of clip and time.

        Memory holds the batches under way, a sum for each clip, and windows' vectors only where `keep_windows`.
        A clip with a picture that cannot be decoded is damaged. Raises TrainingError for vectors that are no numbers.
        """
        names = self.settings.modalities
        means = {name: ClipMeans(num_clips) for name in names}
        num_windows = np.zeros(num_clips, np.int64)
        kept: list[list[EmbeddedWindow]] = [[] for _ in range(num_clips)]
        damaged: dict[int, str] = {}
        for asked, vectors, faults in self._in_order(self._batches(rows)):
            damaged |= faults
            clips = np.array([one.clip for one in asked], np.int64)
            says = np.zeros(len(asked), np.bool_)
            for name, values in vectors.items():
                has = ~np.isnan(values[:, 0])
                says |= has
                means[name].add(clips[has], values[has].astype(np.float64))
            np.add.at(num_windows, clips[says], 1)
            if keep_windows:
                _keep(kept, asked, vectors)
        for windows in kept:
            windows.sort(key=lambda window: window.begin_s)
        found = {name: means[name].vectors(self.settings.width(self.model.config, name)) for name in names}
        for clip in damaged:
            num_windows[clip] = 0
            kept[clip].clear()
            for values in found.values():
                values[clip] = np.nan
        return Embedded(found, num_windows, kept, damaged)

    def _batches(self, rows: Iterable[tuple[int, ShardRow]]) -> Iterator[list[Asked]]:
        """Windows of one kind together; what is left of each kind comes last."""
        waiting: dict[tuple[bool, bool], list[Asked]] = defaultdict(list)
        for clip, row in rows:
            for asked in windows_of(row, clip, self.settings):
                batch = waiting[asked.kind]
                batch.append(asked)
                if len(batch) == self.settings.batch_size:
                    yield waiting.pop(asked.kind)
        yield from waiting.values()

    def _in_order(self, batches: Iterator[list[Asked]]) -> Iterator[_Encoded]:
        under_way: deque[Future[_Encoded]] = deque()
        for batch in batches:
            under_way.append(self._pool.submit(self._encode, batch))
            if len(under_way) > _AHEAD * self._threads:
                yield under_way.popleft().result()
        for future in under_way:
            yield future.result()

    def _encode(self, asked: list[Asked]) -> _Encoded:
        asked, batch, damaged = self._read(asked)
        if not asked:
            return [], {}, damaged
        with torch.inference_mode():
            inputs = self._augment({name: value.to(self.model.device) for name, value in batch.items()})
            return asked, window_vectors(self.model, inputs, self.settings), damaged

    def _read(self, asked: list[Asked]) -> tuple[list[Asked], Batch, dict[int, str]]:
        """The windows that can be read, as a batch, and what is wrong with the clips of the others."""
        try:
            return asked, read_batch([one.window for one in asked], self._size_px, 0), {}
        except ShardError:
            damaged = {one.clip: fault for one in asked if (fault := self._fault(one)) is not None}
        whole = [one for one in asked if one.clip not in damaged]
        return whole, read_batch([one.window for one in whole], self._size_px, 0) if whole else {}, damaged

    def _fault(self, asked: Asked) -> str | None:
        try:
            read_batch([asked.window], self._size_px, 0)
        except ShardError as error:
            return str(error)
        return None


def _keep(
    kept: list[list[EmbeddedWindow]], asked: list[Asked], vectors: Mapping[Modality, NDArray[np.float32]]
) -> None:
    for place, one in enumerate(asked):
        own = {name: values[place] for name, values in vectors.items() if not np.isnan(values[place, 0])}
        if own:
            kept[one.clip].append(EmbeddedWindow(one.begin_s, one.end_s, own))
