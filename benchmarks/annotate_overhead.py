"""What the annotation pipeline costs a request, a decoded clip and in memory, against a server that answers at once.

    python -m benchmarks.annotate_overhead [--small] [--large] [--decode] [--memory] [--all]
        [--requests N] [--rounds N] [--clips FOLDER] [--saturate-python PATH] [--json OUT]

--small, --large (the default, about a minute): step requests a second of one client process on core 0, the
    server on core 1, 64 requests in flight where not said, a mean of 2 kB or 150 kB of base64 media a request.
    The clients take turns for --rounds rounds, as the machine may be shared; the table gives medians.
--decode: clips a second on two cores with real decoding, and what a clip costs at each stage.
--memory: resident memory after 10,000 and after 100,000 clips, and while the dataset is built (some minutes).

saturate runs in an interpreter of its own: pip install saturate==0.2.0 there and give its path.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks.annotate_decode import measure_decoding
from benchmarks.annotate_memory import measure_memory
from benchmarks.annotate_workload import (
    IDENTITY,
    SEED,
    CannedDecoder,
    Measured,
    annotate_in,
    prompt_of,
    stopwatch,
    write_manifest,
)
from benchmarks.fast_server import running_server
from benchmarks.machine import describe_machine
from vaemo_annotate.concurrency import AutoConcurrency, ConcurrencyLimit, FixedConcurrency
from vaemo_annotate.engines.chat import media_parts
from vaemo_annotate.engines.request import ChatRequest
from vaemo_clips.manifest import Manifest

IN_FLIGHT = 64
FEW_IN_FLIGHT = 16
"""Where saturate starts by itself; its HTTP client slows down with the number of connections."""
SIZES = {"small": 2.0, "large": 150.0}
"""Mean kilobytes of media a request; picture and sound are 3/4 of it each, as one step of three sends both."""
_PACKAGES = ("aiohttp", "orjson", "openai", "tenacity", "jsonschema", "av", "pillow", "pyarrow", "datasets")
_SATURATE = Path(__file__).with_name("saturate_pump.py")


def main() -> None:
    options = _read_options()
    in_all = options.all
    sizes = [size for size in SIZES if in_all or getattr(options, size)]
    if not sizes and not (options.decode or options.memory):
        sizes = list(SIZES)
    report: dict[str, Any] = {"machine": describe_machine("annotate_overhead", _PACKAGES, SEED)}
    print(report["machine"], end="\n\n")
    with tempfile.TemporaryDirectory(prefix="vaemo-overhead-") as name:
        folder = Path(name)
        if in_all or options.memory:
            report["memory"] = measure_memory(folder / "memory", options.memory_clips)
        if in_all or options.decode:
            report["decode"] = measure_decoding(folder / "decode", options.clips, options.decode_clips)
        if sizes:
            os.sched_setaffinity(0, {0})
        for size in sizes:
            report[size] = compare_clients(folder, size, options.requests, options.rounds, options.saturate_python)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flag in ("--small", "--large", "--decode", "--memory", "--all"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--requests", type=int, default=1500, help="step requests of a client in a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clips", type=Path, help="folder of clips for --decode (default: drawn demo clips)")
    parser.add_argument("--decode-clips", type=int, default=240)
    parser.add_argument("--memory-clips", type=int, default=100_000)
    parser.add_argument("--saturate-python", type=Path)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


def compare_clients(
    folder: Path, size: str, requests: int, rounds: int, saturate_python: Path | None
) -> dict[str, dict[str, float]]:
    """Let the clients take turns against one server; print and return requests a second of each."""
    kilobytes = SIZES[size]
    clips = max(requests // 3, 1)
    manifest = write_manifest(folder / f"{size}.parquet", clips)
    decoder = CannedDecoder(0.75 * kilobytes)
    body_file = folder / f"{size}.json"
    body_file.write_bytes(asyncio.run(_step_bodies(CannedDecoder(kilobytes), manifest))[0])
    with running_server(1) as url:
        clients = _clients(folder, url, manifest, decoder, requests)
        for in_flight in (IN_FLIGHT, FEW_IN_FLIGHT) if saturate_python else ():
            name = f"saturate 0.2.0, one request a row, no ledger, {in_flight} in flight"
            clients[name] = partial(_saturate, str(saturate_python), url, body_file, requests, in_flight)
        results: dict[str, list[Measured]] = {name: [] for name in clients}
        for _ in range(rounds):
            for name, run in clients.items():
                results[name].append(run())
    print(f"Step requests a second on one core, {kilobytes:.0f} kB of media a request, medians of {rounds} rounds:\n")
    return _print_table(results, saturate_python is not None)


def _print_table(results: dict[str, list[Measured]], has_saturate: bool) -> dict[str, dict[str, float]]:
    print("| client | requests/s | per second of CPU time | requests a run |\n| --- | ---: | ---: | ---: |")
    table = {}
    for name, runs in results.items():
        rate = statistics.median(run.rate for run in runs)
        cpu_rate = statistics.median(run.cpu_rate for run in runs)
        table[name] = {"requests_per_s": rate, "requests_per_cpu_s": cpu_rate}
        print(f"| {name} | {rate:,.0f} | {cpu_rate:,.0f} | {runs[0].requests:,} |")
    print("" if has_saturate else "| saturate 0.2.0 | not measured (--saturate-python) | | |\n")
    return table


def _clients(
    folder: Path, url: str, manifest: Manifest, decoder: CannedDecoder, requests: int
) -> dict[str, Callable[[], Measured]]:
    """The clients that run in this process, by the name of their row."""
    bodies = asyncio.run(_step_bodies(decoder, manifest))
    limits: dict[str, Callable[[], ConcurrencyLimit]] = {"auto": AutoConcurrency}
    limits |= {str(number): partial(FixedConcurrency, number) for number in (IN_FLIGHT, FEW_IN_FLIGHT)}
    return {
        "aiohttp, ready-made bytes, no ledger": lambda: asyncio.run(_bare_aiohttp(url, bodies, 2 * requests)),
        "openai client, no ledger": lambda: asyncio.run(_bare_openai(url, bodies, requests // 2)),
        **{
            f"ours, concurrency {shown}": partial(_ours, folder, url, manifest, decoder, limit)
            for shown, limit in limits.items()
        },
    }


async def _step_bodies(decoder: CannedDecoder, manifest: Manifest) -> list[bytes]:
    """The three steps' requests of a clip as the engine sends them, but for the words of the templates."""
    prompt, media = prompt_of(), await decoder.decode(next(manifest.clips()))
    return [
        ChatRequest(
            prompt.system,
            media_parts(step, media, "vllm"),
            step.template,
            step.name,
            step.reply_schema,
            prompt.sampling.temperature,
            prompt.sampling.top_p,
            prompt.sampling.max_tokens,
            None,
        ).body(IDENTITY.model, "vllm")
        for step in prompt.steps
    ]


async def _in_flight(requests: int, ask: Callable[[int], Awaitable[None]]) -> Measured:
    """Call `ask` for each number below `requests`, 64 at a time."""
    numbers = iter(range(requests))

    async def work() -> None:
        for number in numbers:
            await ask(number)

    with stopwatch(requests) as taken:
        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return taken()


async def _bare_aiohttp(url: str, bodies: list[bytes], requests: int) -> Measured:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(number: int) -> None:
            async with session.post(f"{url}/v1/chat/completions", data=bodies[number % len(bodies)]) as response:
                assert orjson.loads(await response.read())["choices"]

        return await _in_flight(requests, ask)


async def _bare_openai(url: str, bodies: list[bytes], requests: int) -> Measured:
    from openai import AsyncOpenAI

    arguments: list[dict[str, Any]] = [orjson.loads(body) for body in bodies]
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0) as client:

        async def ask(number: int) -> None:
            completion = await client.chat.completions.create(**arguments[number % len(arguments)])
            assert completion.choices[0].message.content

        return await _in_flight(requests, ask)


def _ours(
    folder: Path, url: str, manifest: Manifest, decoder: CannedDecoder, limit: Callable[[], ConcurrencyLimit]
) -> Measured:
    return annotate_in(folder, url, manifest, decoder, limit())


def _saturate(python: str, url: str, body_file: Path, requests: int, in_flight: int) -> Measured:
    settings = {"url": url, "body": str(body_file), "requests": requests, "in_flight": in_flight, "cpu": 0}
    command = [python, str(_SATURATE), json.dumps(settings)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    taken = json.loads(done.stdout.splitlines()[-1])
    return Measured(requests, taken["seconds"], taken["cpu_seconds"])


if __name__ == "__main__":
    main()
