"""Worker processes for media: what kills or hangs a decoder costs one clip, not the run."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as WorkerTimeout
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from vaemo_clips.errors import MediaError

_Result = TypeVar("_Result")


def num_cores() -> int:
    """Return how many cores this process may use; all of the machine's where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def decoding_pool(workers: int, preload: str) -> Iterator[Any]:
    """Yield a pebble.ProcessPool of `workers` decoding processes that fork from one with module `preload` loaded.

    They end with the block.
    """
    from pebble import ProcessPool

    context = get_context("forkserver")
    context.set_forkserver_preload([preload])
    pool: Any = ProcessPool(max_workers=workers, context=context)
    try:
        yield pool
    finally:
        pool.stop()
        pool.join()


async def in_worker(
    pool: Any,
    timeout_s: float,
    name: str,
    function: Callable[..., _Result],
    *args: Any,
) -> _Result:
    """Call `function` in a worker of `pool` for the clip file `name`.

    Raises MediaError: its own, or `decoder_crashed`, `decoder_timeout`, `decoder_failed`.
    """
    from pebble import ProcessExpired

    job = pool.schedule(function, args=args, timeout=timeout_s)
    try:
        result: _Result = await asyncio.wrap_future(job)
    except ProcessExpired as error:
        raise MediaError("decoder_crashed", f"{name}: the decoder died ({error}); transcode the file") from error
    except WorkerTimeout as error:
        detail = f"{name}: not decoded within {timeout_s:.0f} s; transcode the file"
        raise MediaError("decoder_timeout", detail) from error
    except (OSError, MemoryError, ArithmeticError, LookupError, TypeError, ValueError, RuntimeError) as error:
        detail = f"{name}: {type(error).__name__}: {error}; transcode the file"
        raise MediaError("decoder_failed", detail) from error
    return result


def first_cause(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the first error inside a task group's, which is the one to tell the user."""
    first = group.exceptions[0]
    return first_cause(first) if isinstance(first, BaseExceptionGroup) else first
