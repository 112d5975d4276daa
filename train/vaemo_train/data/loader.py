"""A DataLoader over windows: worker processes that decode whole batches into shared memory."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from vaemo_clips.errors import ShardError, TrainingError
from vaemo_train.data.batch import NUM_COLOURS, Batch
from vaemo_train.data.dataset import WindowDataset, WindowKey
from vaemo_train.data.window import NUM_FRAMES, NUM_SAMPLES

_SHARED_MEMORY = Path("/dev/shm")


class _WindowLoader(DataLoader[Batch]):
    """Raises a worker's ShardError as it was; torch wraps it in the worker's traceback."""

    def __iter__(self) -> Any:
        with _interrupts_held():
            batches = super().__iter__()
        try:
            yield from batches
        except ShardError as error:
            last = str(error).strip().splitlines()[-1]
            raise ShardError(last.partition("ShardError: ")[2] or last) from error


def make_loader(
    dataset: WindowDataset,
    sampler: Sampler[list[WindowKey]],
    workers: int = 0,
    prefetch: int = 2,
) -> DataLoader[Batch]:
    """Batches of `sampler`'s keys, in its order, read by `workers` processes (0: by this one).

    Each worker works at `prefetch` batches ahead and lives as long as the loader. Memory is pinned where CUDA is
    there. Raises TrainingError where shared memory does not hold the batches under way of all this machine's trainers.
    """
    if workers > 0:
        _check_shared_memory(dataset, sampler, workers * prefetch * _num_trainers())
    return _WindowLoader(
        dataset,
        batch_sampler=sampler,
        num_workers=workers,
        collate_fn=_as_read,
        pin_memory=torch.cuda.is_available(),
        worker_init_fn=_begin_worker if workers else None,
        prefetch_factor=prefetch if workers else None,
        persistent_workers=workers > 0,
        generator=torch.Generator(),  # its own, or every pass would move on torch's, and a resume would differ
    )


def window_bytes(size_px: int) -> int:
    """Bytes of a window with picture and sound in a batch."""
    return NUM_FRAMES * size_px * size_px * NUM_COLOURS + NUM_SAMPLES * torch.int16.itemsize


def _as_read(batch: Any) -> Any:
    """The dataset gives whole batches already."""
    return batch


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C is for the main process, which ends its workers; one that heeded it would print a traceback.

    Workers that begin in this block have it blocked from their first instruction.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker(worker: int) -> None:
    """Leave signals to the main process however the worker was started; one thread, since there are many workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "sigwaitinfo"):  # macOS has none
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        threading.Thread(target=_heed_parent, daemon=True).start()
    sys.excepthook = _unless_left
    torch.set_num_threads(1)


def _heed_parent() -> None:
    """Leave at the main process's own SIGTERM, in peace as torch's workers do; one to the whole group is for it alone.

    A worker that passed over both would let the main process wait for it for ever.
    """
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        continue
    os._exit(0)


def _unless_left(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say nothing where the main process, interrupted, has let go of a batch that was being handed over."""
    if not issubclass(kind, ConnectionError | EOFError):
        sys.__excepthook__(kind, error, trace)


def _num_trainers() -> int:
    """How many processes of this machine train together, as torchrun and accelerate tell it."""
    return max(int(os.environ.get("LOCAL_WORLD_SIZE", "1") or "1"), 1)


def _check_shared_memory(dataset: WindowDataset, sampler: Iterable[list[WindowKey]], num_batches: int) -> None:
    batch_size = getattr(sampler, "batch_size", 1)
    needed = num_batches * batch_size * window_bytes(dataset.folder.settings.size_px)
    if not _SHARED_MEMORY.is_dir():
        return
    free = shutil.disk_usage(_SHARED_MEMORY).free
    if needed > free:
        raise TrainingError(
            f"{_SHARED_MEMORY} has {free / 1e9:.2g} GB free, and {num_batches} batches of {batch_size} windows under "
            f"way take {needed / 1e9:.2g} GB; use fewer workers or a smaller batch, or give the container more "
            "(docker run --shm-size or --ipc=host)"
        )
