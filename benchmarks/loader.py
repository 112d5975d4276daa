"""Speed of reading training windows from shards, sound included: of one core, and into batches with workers.

    python -m benchmarks.loader [--data SHARDS] [--workers 2]

Without --data it makes shards of its own: 32 clips of 10 s, moving textured pictures of 192x192 at quality 90 and a
hum. The first part runs in this process, held to one core, after reading each row once; the second in the loader's
workers, one batch after another taken and let go. `--augment` adds what a training step does to a batch here.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import simplejpeg
import torch
import typer
from tests.support.synthetic_shards import write_rows

from benchmarks.machine import describe_machine
from vaemo_train.data.augment import Augment
from vaemo_train.data.batch import Batch
from vaemo_train.data.dataset import WindowDataset, WindowKey
from vaemo_train.data.loader import make_loader, window_bytes
from vaemo_train.data.sampler import WindowBatchSampler
from vaemo_train.data.window import NUM_SAMPLES, Window, frame_slots
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.row import ShardSettings

_GOAL_PER_CORE = 190
_GPU_GOAL, _GPU_CORES = 3000, 16
_NUM_CLIPS, _CLIP_S = 32, 10.0


def main(
    data: Annotated[Path | None, typer.Option(help="A folder of shards; without it one is made.")] = None,
    workers: Annotated[int, typer.Option(help="Worker processes of the second part.")] = 2,
    batch_size: Annotated[int, typer.Option(help="Windows in a batch.")] = 16,
    seconds: Annotated[float, typer.Option(help="How long each part is measured.")] = 8.0,
    augment: Annotated[bool, typer.Option(help="Also measure augmentation and log-mel here.")] = False,
) -> None:
    """Print windows a second, bytes a window, and where the time goes."""
    print(describe_machine("loader", ("torch", "numpy", "simplejpeg", "pyarrow")))
    with tempfile.TemporaryDirectory(prefix="vaemo-loader-") as name:
        folder = ShardFolder.open(data or textured_shards(Path(name) / "shards"))
        dataset = WindowDataset(folder)
        _print_sizes(dataset)
        cores = os.sched_getaffinity(0)
        os.sched_setaffinity(0, {min(cores)})
        _print_one_core(dataset, batch_size, seconds)
        os.sched_setaffinity(0, cores)
        _print_loader(dataset, workers, batch_size, seconds)
        if augment:
            _print_augment(dataset, batch_size, seconds)
    needed = _GPU_GOAL / _GPU_CORES
    print(
        f"\ngoals: {_GOAL_PER_CORE} windows/s a core; {_GPU_GOAL} clips/s on a GPU with {_GPU_CORES} cores are "
        f"{needed:.0f} windows/s a core if all read, {_GPU_GOAL / (_GPU_CORES - 2):.0f} if two are left to training, "
        f"and {_GPU_GOAL * window_bytes(folder.settings.size_px) / 1e9:.1f} GB/s from workers to the GPU"
    )


def textured_shards(folder: Path) -> Path:
    """Shards with pictures that cost as much to decode as real faces do: 8 to 12 kB at 192x192 and quality 90."""
    settings = ShardSettings()
    write_rows(
        folder,
        ((f"clip_{number:04d}", _CLIP_S, list(_jpegs(number, settings)), _hum(number)) for number in range(_NUM_CLIPS)),
        settings,
    )
    return folder


def _jpegs(number: int, settings: ShardSettings) -> Iterator[bytes]:
    """A texture of waves down to four pixels, its strength falling with frequency as in photographs; it moves."""
    rng = np.random.default_rng(number)
    size = settings.size_px + 32
    spectrum = np.fft.rfft2(rng.normal(size=(3, size, size)))
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size))
    waves = np.fft.irfft2(spectrum / np.maximum(frequency, 1 / size) ** 1.3 * (frequency < 0.25), (size, size))
    colours = np.tensordot(np.array([[1, 0.12, 0.05], [1, -0.05, 0.1], [1, -0.1, -0.12]]), waves, 1)
    texture = np.clip(128 + 45 * colours / waves[0].std(), 0, 255).astype(np.uint8).transpose(1, 2, 0)
    for slot in range(round(_CLIP_S * settings.fps)):
        y, x = (round(16 + 15 * np.sin(slot * speed)) for speed in (0.21, 0.13))
        picture = np.ascontiguousarray(texture[y : y + settings.size_px, x : x + settings.size_px])
        yield simplejpeg.encode_jpeg(picture, settings.jpeg_quality, colorsubsampling="420")


def _hum(number: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    times_s = np.arange(round(_CLIP_S * 16000)) / 16000
    return np.asarray(8000 * np.sin(2 * np.pi * (100 + 5 * number) * times_s), np.int16)


def _keys(dataset: WindowDataset, batch_size: int, first_epoch: int = 0) -> Iterator[list[WindowKey]]:
    """Batches of keys, epoch after epoch, without end."""
    sampler = WindowBatchSampler(dataset.kinds, min(batch_size, len(dataset)))
    while True:
        sampler.set_epoch(first_epoch)
        yield from sampler
        first_epoch += 1


def _print_sizes(dataset: WindowDataset) -> None:
    cold = _cold_bytes(dataset)  # before anything is mapped: mapped pages stay in memory
    windows = [dataset.window((0, item)) for item in range(min(len(dataset), 500))]
    pictures = [size for window in windows for _, size in _pictures(window)]
    needed = np.mean([sum(size for _, size in _pictures(window)) + _sound_bytes(window) for window in windows])
    touched = np.mean([_touched_bytes(window) for window in windows])
    size_px = dataset.folder.settings.size_px
    print(
        f"\n{len(dataset)} rows, pictures of {size_px}x{size_px} px and {np.mean(pictures or [0]) / 1e3:.1f} kB; "
        f"a window needs {needed / 1e3:.0f} kB (its pictures and sound), lies on pages of {touched / 1e3:.0f} kB, and "
        f"from a cold disk, with what the kernel reads ahead, takes {cold / 1e3:.0f} kB"
    )


def _pictures(window: Window) -> list[tuple[int, int]]:
    """Place in the row's blob, and size, of each picture shown, in bytes."""
    ends = np.concatenate([[0], window.row.jpeg_ends]).tolist()
    slots = [int(slot) for slot in frame_slots(window.begin_s, window.row.fps) if window.row.jpeg(int(slot))]
    return [(ends[slot], ends[slot + 1] - ends[slot]) for slot in slots]


def _sound_bytes(window: Window) -> int:
    return 2 * NUM_SAMPLES if window.row.sound is not None else 0


def _touched_bytes(window: Window) -> int:
    page = os.sysconf("SC_PAGESIZE")
    pages = {at for begin, size in _pictures(window) for at in range(begin // page, (begin + size - 1) // page + 1)}
    return len(pages) * page + (_sound_bytes(window) + page if _sound_bytes(window) else 0)


def _cold_bytes(dataset: WindowDataset, count: int = 64) -> float:
    """What the disk gives for a window, on average over some, when nothing is in memory."""
    for path in dataset.folder.path.glob("*.arrow"):
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    items = np.random.default_rng(0).permutation(len(dataset))[:count].tolist()
    before = _disk_bytes()
    for item in items:
        dataset[(0, item)]
    return (_disk_bytes() - before) / len(items)


def _disk_bytes() -> int:
    lines = Path("/proc/self/io").read_text(encoding="utf-8").splitlines()
    return int(next(line for line in lines if line.startswith("read_bytes")).split()[1])


def _print_one_core(dataset: WindowDataset, batch_size: int, seconds: float) -> None:
    torch.set_num_threads(1)
    keys = _keys(dataset, batch_size)
    for item in range(len(dataset)):
        dataset[(0, item)]
    begin_cpu, begin, num_windows = time.process_time(), time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        num_windows += len(dataset.__getitems__(next(keys))["row_number"])
    cpu_s, wall_s = time.process_time() - begin_cpu, time.perf_counter() - begin
    share = _decoding_s(dataset, next(keys)) / (cpu_s / num_windows)
    print(
        f"one core: {num_windows / wall_s:.0f} windows/s, {num_windows / cpu_s:.0f} for a second of processor time "
        f"(the rest went to other programs); {share:.0%} of it is the JPEG decoder's"
    )


def _decoding_s(dataset: WindowDataset, keys: Sequence[WindowKey], rounds: int = 20) -> float:
    """Processor seconds that decoding a window's pictures takes, and nothing else."""
    windows = [dataset.window(key) for key in keys]
    jpegs = [bytes(window.row.jpegs[at : at + size]) for window in windows for at, size in _pictures(window)]
    room = np.empty((dataset.folder.settings.size_px, dataset.folder.settings.size_px, 3), np.uint8)
    begin_s = time.process_time()
    for _ in range(rounds):
        for jpeg in jpegs:
            simplejpeg.decode_jpeg(jpeg, fastdct=True, fastupsample=True, buffer=room)
    return (time.process_time() - begin_s) / rounds / len(windows)


def _print_loader(dataset: WindowDataset, workers: int, batch_size: int, seconds: float) -> None:
    sampler = WindowBatchSampler(dataset.kinds, min(batch_size, len(dataset)))
    loader = make_loader(dataset, sampler, workers)
    rate, num_windows = _through(loader, sampler, seconds)
    del loader  # its workers end, and their processor time is counted
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    worker_s = children.ru_utime + children.ru_stime
    print(
        f"{workers} workers, batches of {batch_size}, as they arrive: {rate:.0f} windows/s; "
        f"{num_windows / max(worker_s, 1e-9):.0f} for a second of a worker's processor time"
    )


def _through(loader: Iterable[Batch], sampler: WindowBatchSampler, seconds: float) -> tuple[float, int]:
    """Windows a second once the workers have begun, and windows in all."""
    total = sum(len(batch["row_number"]) for batch in loader)
    begin, num_windows, epoch = time.perf_counter(), 0, 1
    while time.perf_counter() - begin < seconds:
        sampler.set_epoch(epoch)
        num_windows += sum(len(batch["row_number"]) for batch in loader)
        epoch += 1
    return num_windows / (time.perf_counter() - begin), total + num_windows


def _print_augment(dataset: WindowDataset, batch_size: int, seconds: float) -> None:
    torch.set_num_threads(1)
    batch = dataset.__getitems__(next(_keys(dataset, batch_size)))
    augment, generator = Augment(), torch.Generator().manual_seed(0)
    augment(batch, generator)
    begin, begin_cpu, num_clips = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - begin < seconds:
        augment(batch, generator)
        num_clips += len(batch["row_number"])
    rate, cpu_rate = num_clips / (time.perf_counter() - begin), num_clips / (time.process_time() - begin_cpu)
    print(f"augmentation and log-mel here, one thread: {rate:.0f} clips/s, {cpu_rate:.0f} for a second of its time")


if __name__ == "__main__":
    typer.run(main)
