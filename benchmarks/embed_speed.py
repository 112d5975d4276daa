"""Clips a second that `vaemo-train embed` makes of shards, the floor that the machine sets, and the peak of memory.

    python -m benchmarks.embed_speed --data shards [--sizes vaemo-tiny,vaemo-small] [--threads 2] [--clips 48]
    python -m benchmarks.embed_speed --memory [--clips 10000]

What is timed is `Embedder.embed` alone, after two batches that are not: JPEGs of rows that lie in the memory map are
decoded, log-mel is computed, windows are encoded and pooled into vectors in memory. Not in it: the start of Python, the
opening of model and shards, the listing of the rows, the writing of the Parquet file, and (which no shard needs) the
search for faces in media files. Weights are random, which takes as long as trained ones. A clip is one window of
2.56 s, as in the goals of 25 clips/s with vaemo-tiny and 3 with vaemo-small, both of picture and sound on two cores;
the command's default of two windows to ten seconds takes up to twice as long.

The floor is the products of matrices alone, at the rate that this machine reaches in large ones. Beside clips a second
of the clock stand those of a second of processor time on as many cores: what they would be if nothing else ran.

`--memory` runs the whole command on synthetic shards of `--clips` rows (half a second of sound and faces of 64 px) and
on a tenth of them, with a tiny model and each in a process of its own, and prints the peak of its resident memory.
Pages of the shards' memory maps count into it, which the system takes back when it needs them; beside it stands the
peak of what is the process's own, looked at twenty times a second. Linux only.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from tests.support.synthetic_shards import write_shards
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.loader import textured_shards
from benchmarks.machine import describe_machine
from vaemo_train.embed.embedder import Embedder
from vaemo_train.embed.settings import EmbedSettings
from vaemo_train.embed.source import ShardSource
from vaemo_train.models import VAEmoConfig, VAEmoModel, VAEmoProcessor
from vaemo_train.shards.folder import ShardFolder
from vaemo_train.shards.row import ShardRow, ShardSettings

_GOALS = {("vaemo-tiny", "both"): 25.0, ("vaemo-small", "both"): 3.0}
_MATRIX = 2048
_SEED = 0
_CLIPS, _CLIPS_OF_MEMORY = 48, 10_000
_FACE_PX = 64
_COMMAND = """
import json, sys, threading
from vaemo_train.cli import app
def kilobytes(name):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(name))
own, done = {"peak": 0}, threading.Event()
def watch():
    while not done.wait(0.05):
        own["peak"] = max(own["peak"], kilobytes("RssAnon"))
threading.Thread(target=watch, daemon=True).start()
app(sys.argv[1:], standalone_mode=False)
done.set()
print(json.dumps({"all": kilobytes("VmHWM"), "own": own["peak"]}))
"""


def main(
    data: Annotated[Path | None, typer.Option(help="A folder of shards; without it one is made.")] = None,
    sizes: Annotated[str, typer.Option(help="Names of models, with commas between them.")] = "vaemo-tiny,vaemo-small",
    threads: Annotated[int, typer.Option(min=1, help="Threads that decode and encode.")] = 2,
    clips: Annotated[
        int | None, typer.Option(min=10, help="Clips that are embedded each time; 48, with --memory 10,000.")
    ] = None,
    batch_size: Annotated[int, typer.Option(min=1, help="Windows in a batch.")] = 4,
    memory: Annotated[bool, typer.Option("--memory", help="Measure only the peak of memory.")] = False,
) -> None:
    """Print machine, rates, floors and goals."""
    print(describe_machine("embed_speed", ("torch", "transformers", "simplejpeg", "pyarrow"), _SEED))
    if memory:
        _print_memory(clips or _CLIPS_OF_MEMORY)
        return
    with tempfile.TemporaryDirectory(prefix="vaemo-embed-") as name:
        folder = ShardFolder.open(data or textured_shards(Path(name) / "shards"))
        rows = _rows(folder, clips or _CLIPS)
        rates = {bf16: _matrix_rate(bf16) for bf16 in (False, True)}
        for bf16, rate in rates.items():
            print(f"products of {_MATRIX} x {_MATRIX} matrices in {_precision(bf16)}: {rate / 1e9:.0f} GMAC/s a core")
        print(f"{folder.num_rows:,} rows; {len(rows)} clips of one window, batches of {batch_size}, {threads} threads")
        for size in sizes.split(","):
            torch.manual_seed(_SEED)
            model = VAEmoModel(VAEmoConfig.of_size(size)).eval()
            for modality in ("both", "audio", "any"):
                chosen = [row for row in rows if modality != "both" or (len(row.jpeg_ends) and row.sound is not None)]
                for bf16, rate in rates.items():
                    settings = EmbedSettings.read(modality=modality, windows=1, batch_size=batch_size, bf16=bf16)
                    _print_speed(model, settings, chosen, folder.settings.size_px, threads, rate)


def _rows(folder: ShardFolder, count: int) -> list[ShardRow]:
    """The first rows of clips, evenly spaced over the folder."""
    source = ShardSource(folder)
    with source.clips_from(0) as clips:
        found = [clip.rows[0] for clip in clips if isinstance(clip.rows, list)]
    places = np.linspace(0, len(found) - 1, min(count, len(found))).astype(int)
    return [found[place] for place in places]


def _print_speed(
    model: VAEmoModel, settings: EmbedSettings, rows: list[ShardRow], size_px: int, threads: int, rate: float
) -> None:
    if not rows:
        return
    macs = _macs(model, settings)
    with Embedder(model, settings, size_px, threads) as embedder:
        embedder.embed(enumerate(rows[: 2 * settings.batch_size]), len(rows), keep_windows=False)
        begin, begin_cpu = time.perf_counter(), time.process_time()
        embedder.embed(enumerate(rows), len(rows), keep_windows=False)
        wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - begin_cpu
    floor = threads * rate / macs
    goal = _GOALS.get((model.config.size, settings.modality))
    print(
        f"{model.config.size}, {settings.modality}, {_precision(settings.bf16)}: {len(rows) / wall_s:.2f} clips/s, "
        f"{threads * len(rows) / cpu_s:.2f} for a second of processor time on each of {threads} cores; "
        f"{macs / 1e9:.2f} GMACs a clip, so at most {floor:.1f} clips/s"
        + (f"; goal {goal:g} on two cores" if goal else "")
    )


def _macs(model: VAEmoModel, settings: EmbedSettings) -> float:
    """Multiply-adds that a clip takes, once below and as often as is asked for above."""
    config = model.config
    video = torch.zeros(1, config.num_frames, 3, config.image_size, config.image_size)
    mel = torch.zeros(1, config.num_audio_frames, config.num_mel_bins)
    inputs: dict[str, Any] = {"input_features": mel}
    if settings.modality != "audio":
        inputs["pixel_values_videos"] = video
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:  # the fused one is not counted
        lower_BND, layout = model.run_lower(**inputs)
        if settings.modality != "both":
            model.run_upper(lower_BND, layout, "within")
        if settings.modality in ("both", "any"):
            model.run_upper(lower_BND, layout, "cross")
    return counter.get_total_flops() / 2


def _matrix_rate(bf16: bool) -> float:
    """Multiply-adds a second of processor time on one core, in a large product."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    kind = torch.bfloat16 if bf16 else torch.float32
    left, right = (torch.randn(_MATRIX, _MATRIX).to(kind) for _ in range(2))
    seconds = []
    for _ in range(4):
        begin = time.thread_time()
        left @ right
        seconds.append(time.thread_time() - begin)
    torch.set_num_threads(before)
    return _MATRIX**3 / min(seconds)


def _precision(bf16: bool) -> str:
    return "bfloat16" if bf16 else "float32"


def _print_memory(clips: int) -> None:
    """Peak of resident memory of whole commands on a tenth of the clips, and on all."""
    with tempfile.TemporaryDirectory(prefix="vaemo-embed-") as name:
        folder = Path(name)
        torch.manual_seed(_SEED)
        config = VAEmoConfig.of_size("vaemo-tiny", image_size=_FACE_PX, num_unimodal_layers=1, num_cross_layers=1)
        VAEmoModel(config).save_pretrained(folder / "model")
        VAEmoProcessor.of(config, _FACE_PX).save_pretrained(folder / "model")
        for count in (clips // 10, clips):
            shards = write_shards(
                folder / f"shards-{count}", count, seconds=0.5, settings=ShardSettings(size_px=_FACE_PX)
            )
            out = folder / f"{count}.parquet"
            words = ["embed", shards, "--model", folder / "model", "--out", out]
            command = [sys.executable, "-c", _COMMAND, *map(str, words)]
            told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            found = json.loads(told.splitlines()[-1])
            print(
                f"{count:,} clips: peak of resident memory {found['all'] / 1024:,.0f} MB, without pages of files "
                f"{found['own'] / 1024:,.0f} MB; the file has {out.stat().st_size / 1e6:.1f} MB"
            )


if __name__ == "__main__":
    typer.run(main)
