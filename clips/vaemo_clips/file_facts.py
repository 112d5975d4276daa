"""Facts of media files, measured by worker processes that a bad file may kill without harm."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from pebble import ProcessExpired, ProcessPool

from vaemo_clips.errors import MediaError
from vaemo_clips.probe import MediaInfo, probe
from vaemo_clips.workers import num_cores

FILE_TIMEOUT_S = 120.0
Probe = Callable[[Path], MediaInfo]


@dataclass(frozen=True, slots=True)
class FileFacts:
    """One readable file: its bytes' sha256 (hex), its size and time of change, and what it holds."""

    sha256: str
    file_bytes: int
    file_mtime_ns: int
    info: MediaInfo


Measured = FileFacts | MediaError


def sha256_of(path: Path) -> str:
    """Hex sha256 of the file's bytes. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def measure(path: Path, probe_file: Probe = probe) -> Measured:
    """Probe and hash one file; one that cannot be used comes back as its MediaError, without its path."""
    try:
        info = probe_file(path)
        facts = path.stat()
        return FileFacts(sha256_of(path), facts.st_size, facts.st_mtime_ns, info)
    except MediaError as error:
        return MediaError(error.reason, error.detail.removeprefix(f"{path}: "))
    except OSError as error:
        return MediaError("unreadable", error.strerror or str(error))
    except Exception as error:  # noqa: BLE001 the boundary: one odd file must not end the run
        return MediaError("decoder_failed", f"{type(error).__name__}: {error}")


def _measure_all(paths: Sequence[Path], probe_file: Probe) -> list[Measured]:
    return [measure(path, probe_file) for path in paths]


class FileMeter:
    """Measures files on `workers` processes; a killed or stuck worker costs only the file at fault.

    Files go to the workers in groups, which keeps the cost per file small. A group that dies or
    exceeds `timeout_s` seconds is measured again file by file, to name the one that did it.
    """

    def __init__(
        self, workers: int | None = None, timeout_s: float = FILE_TIMEOUT_S, probe_file: Probe = probe
    ) -> None:
        self.num_workers = workers or num_cores()
        self._timeout_s = timeout_s
        self._probe_file = probe_file
        self._pool: Any = None

    def __enter__(self) -> FileMeter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is None:
            return
        if kind is None:
            self._pool.close()
        else:
            self._pool.stop()
        self._pool.join()

    def submit(self, paths: Sequence[Path]) -> Callable[[], list[Measured]]:
        """Begin with a group of files; the returned function waits for their facts, in order."""
        if not paths:
            return list
        future = self._schedule(paths)
        return lambda: self._collect(paths, future)

    def _schedule(self, paths: Sequence[Path]) -> Any:
        if self._pool is None:
            # Not forked: the caller may run threads, whose locks a forked child would inherit.
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPool(max_workers=self.num_workers, context=context)
        arguments = [list(paths), self._probe_file]
        return self._pool.schedule(_measure_all, args=arguments, timeout=self._timeout_s)

    def _collect(self, paths: Sequence[Path], future: Any) -> list[Measured]:
        try:
            return list(future.result())
        except (FutureTimeoutError, ProcessExpired) as error:
            if len(paths) > 1:
                alone = [([path], self._schedule([path])) for path in paths]
                return [facts for path, single in alone for facts in self._collect(path, single)]
            return [self._verdict(error)]

    def _verdict(self, error: FutureTimeoutError | ProcessExpired) -> MediaError:
        if isinstance(error, ProcessExpired):
            return MediaError("decoder_crashed", f"the worker that read it died (exit code {error.exitcode})")
        return MediaError("decoder_timeout", f"not read within {self._timeout_s:g} s")
