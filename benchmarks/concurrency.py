"""`--concurrency auto` against every fixed number, on servers with a knee, a quota, stalls and a long tail.

    python -m benchmarks.concurrency [--seeds 5] [--requests 3000] [--profiles "knee;stall"] [--real-time] [--json OUT]

The simulated servers run on a virtual clock and drive the very `AutoConcurrency` that the product uses. Goodput is
replies a second over the whole run, cold start and last straggler included; the best fixed number is picked
anew for each seed, after the fact, and where it helps with a client that keeps its slot while it backs off.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import platform
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import aiohttp
from aiohttp import web

from benchmarks.simulated_server import (
    Gpu,
    GpuServer,
    Latency,
    PoolServer,
    QuotaServer,
    SimulatedServer,
    ThrottledError,
    run_virtual,
)
from vaemo_annotate.concurrency import AutoConcurrency, ConcurrencyLimit, FixedConcurrency

MakeServer = Callable[[int], SimulatedServer]
MakeLimit = Callable[[Callable[[], float]], ConcurrencyLimit]

CLOUD_LATENCY = Latency(median_seconds=3.0, sigma=0.5)
REPLICA_LATENCY = Latency(median_seconds=1.2, sigma=0.6, tail_share=0.01, tail_factor=50.0)


@dataclass(frozen=True, slots=True)
class Profile:
    """A server that a practitioner may meet; `make` builds it for a seed, inside a running loop."""

    name: str
    description: str
    make: MakeServer
    has_gauges: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One run to its end: replies a second over all of it and over its middle, and how much was turned away."""

    goodput: float
    steady: float
    last_limit: int
    rejections: int


def stalling_server(seed: int) -> GpuServer:
    """Every 40-80 s the GPU hangs for 5-10 s: another tenant, a checkpoint to disk, a long garbage collection."""
    numbers, stalls, start = random.Random(seed), [], 0.0
    for _ in range(60):
        start += numbers.uniform(40.0, 80.0)
        stalls.append((start, numbers.uniform(5.0, 10.0)))
        start += stalls[-1][1]
    return GpuServer(Gpu(), seed, tuple(stalls))


PROFILES = (
    Profile("knee", "7B omni model, 48 GB GPU: KV cache full at about 180", lambda seed: GpuServer(Gpu(), seed)),
    Profile("knee, /metrics", "the same, with vLLM's gauges", lambda seed: GpuServer(Gpu(), seed), has_gauges=True),
    Profile("stall", "the same GPU hangs 5-10 s each minute", stalling_server),
    Profile(
        "quota",
        "600 requests a minute, burst 10, latency 3.4 s; a 429 uses quota too",
        lambda seed: QuotaServer(CLOUD_LATENCY, 10.0, 10.0, seed, rejections_count=True),
    ),
    Profile(
        "quota, free 429",
        "the same, but a 429 costs nothing",
        lambda seed: QuotaServer(CLOUD_LATENCY, 10.0, 10.0, seed, rejections_count=False),
    ),
    Profile(
        "long tail",
        "48 places, latency 1.2 s lognormal, 1 % takes 50 times as long",
        lambda seed: PoolServer(REPLICA_LATENCY, 48, seed),
    ),
)


def backoff_seconds(retry_after_seconds: float, attempt: int, numbers: random.Random) -> float:
    """What a client waits before it tries a request again."""
    return max(retry_after_seconds, min(60.0, 0.5 * 2.0**attempt) * numbers.uniform(0.5, 1.5))


class Client:
    """Sends requests 0 .. n-1, all waiting from the start, and keeps when the replies came."""

    def __init__(self, server: SimulatedServer, limit: ConcurrencyLimit, holds_slot: bool, seed: int) -> None:
        self._server, self._limit, self._holds_slot = server, limit, holds_slot
        self._numbers = random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self._started_at = self._loop.time()
        self._replied_at: list[float] = []
        self._rejections = 0

    async def run(self, num_requests: int) -> Run:
        send = self._send_holding if self._holds_slot else self._send
        await asyncio.gather(*(send(index) for index in range(num_requests)))
        times = self._replied_at
        early, late = int(0.4 * num_requests), int(0.8 * num_requests)
        return Run(
            goodput=num_requests / times[-1],
            steady=(late - early) / (times[late] - times[early]),
            last_limit=self._limit.limit,
            rejections=self._rejections,
        )

    async def _send(self, index: int) -> None:
        """The product's way: a slot for each attempt; a 429 is reported and closes admissions."""
        for attempt in range(10_000):
            async with self._limit.slot() as slot:
                try:
                    await self._server.complete(index)
                except ThrottledError as error:
                    slot.throttled(error.retry_after_seconds)
                    retry_after_seconds = error.retry_after_seconds
                else:
                    slot.succeeded()
                    self._replied_at.append(self._loop.time() - self._started_at)
                    return
            self._rejections += 1
            await asyncio.sleep(backoff_seconds(retry_after_seconds, attempt, self._numbers))

    async def _send_holding(self, index: int) -> None:
        """The usual script: a semaphore around the request and its retries."""
        async with self._limit.slot():
            for attempt in range(10_000):
                try:
                    await self._server.complete(index)
                except ThrottledError as error:
                    self._rejections += 1
                    await asyncio.sleep(backoff_seconds(error.retry_after_seconds, attempt, self._numbers))
                else:
                    self._replied_at.append(self._loop.time() - self._started_at)
                    return


async def run_client(
    profile: Profile, make_limit: MakeLimit, num_requests: int, seed: int, holds_slot: bool = False
) -> Run:
    """Build server, limit and client in the running loop and send all requests."""
    limit = make_limit(asyncio.get_running_loop().time)
    server = profile.make(seed)
    async with contextlib.AsyncExitStack() as stack:
        if profile.has_gauges and isinstance(server, GpuServer) and isinstance(limit, AutoConcurrency):
            poller = asyncio.create_task(_poll(server, limit))
            stack.callback(poller.cancel)
        return await Client(server, limit, holds_slot, seed).run(num_requests)


async def _poll(server: GpuServer, limit: AutoConcurrency) -> None:
    while True:
        await asyncio.sleep(1.0)
        limit.observe_server(server.running, server.waiting, server.kv_cache_usage)


def fixed(number: int) -> MakeLimit:
    return lambda clock: FixedConcurrency(number, clock)


def auto(clock: Callable[[], float]) -> AutoConcurrency:
    return AutoConcurrency(clock=clock)


def measure_fixed(profile: Profile, number: int, num_requests: int, seeds: Sequence[int]) -> list[Run]:
    """One run a seed with N in flight; against a quota the better of the two clients."""
    runs = [run_virtual(run_client(profile, fixed(number), num_requests, seed)) for seed in seeds]
    if not any(run.rejections for run in runs):
        return runs
    holding = [run_virtual(run_client(profile, fixed(number), num_requests, seed, holds_slot=True)) for seed in seeds]
    return [max(pair, key=lambda run: run.goodput) for pair in zip(runs, holding, strict=True)]


def sweep(profile: Profile, num_requests: int, seeds: Sequence[int]) -> dict[int, list[Run]]:
    """All powers of two up to 512, then finer around the best."""
    runs = {2**power: measure_fixed(profile, 2**power, num_requests, seeds) for power in range(10)}
    best = max(runs, key=lambda number: statistics.median(run.goodput for run in runs[number]))
    for number in sorted({round(best * 2 ** (step / 6)) for step in range(-5, 6)} - set(runs)):
        runs[number] = measure_fixed(profile, number, num_requests, seeds)
    return dict(sorted(runs.items()))


def compare(profile: Profile, num_requests: int, seeds: Sequence[int]) -> dict[str, object]:
    """Auto against the best fixed number of each seed."""
    runs = sweep(profile, num_requests, seeds)
    autos = [run_virtual(run_client(profile, auto, num_requests, seed)) for seed in seeds]
    whole = [run.goodput / max(row[i].goodput for row in runs.values()) for i, run in enumerate(autos)]
    steady = [run.steady / max(row[i].steady for row in runs.values()) for i, run in enumerate(autos)]
    medians = {number: statistics.median(run.goodput for run in row) for number, row in runs.items()}
    best = max(medians, key=medians.__getitem__)
    return {
        "profile": profile.name,
        "server": profile.description,
        "fixed": medians,
        "best_fixed": best,
        "best_fixed_rejections": statistics.median(run.rejections for run in runs[best]),
        "auto": statistics.median(run.goodput for run in autos),
        "auto_rejections": statistics.median(run.rejections for run in autos),
        "last_limits": [run.last_limit for run in autos],
        "whole_min": min(whole),
        "whole_median": statistics.median(whole),
        "steady_min": min(steady),
        "steady_median": statistics.median(steady),
        "auto_runs": [asdict(run) for run in autos],
    }


HEADER = (
    "| server | fixed 8 | 64 | 512 | best fixed (429s) | auto (429s) | auto / best: min, median"
    " | after warm-up: min, median | last limits |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


def markdown_row(result: dict[str, object]) -> str:
    row = dict(result)
    medians = row["fixed"]
    assert isinstance(medians, dict)
    return (
        f"| {row['profile']}: {row['server']} | {medians[8]:.2f} | {medians[64]:.2f} | {medians[512]:.2f}"
        f" | {medians[row['best_fixed']]:.2f}/s at {row['best_fixed']} ({row['best_fixed_rejections']:.0f})"
        f" | {row['auto']:.2f}/s ({row['auto_rejections']:.0f}) | {row['whole_min']:.3f}, {row['whole_median']:.3f}"
        f" | {row['steady_min']:.3f}, {row['steady_median']:.3f} | {row['last_limits']} |"
    )


def cost_microseconds(make_limit: Callable[[], ConcurrencyLimit | asyncio.Semaphore], num_requests: int) -> float:
    """Time of one request that does nothing, half of them waiting for a place; the best of five."""

    async def worker(limit: ConcurrencyLimit | asyncio.Semaphore) -> None:
        for _ in range(num_requests // 64):
            if isinstance(limit, asyncio.Semaphore):
                async with limit:
                    await asyncio.sleep(0)
            else:
                async with limit.slot() as slot:
                    await asyncio.sleep(0)
                    slot.succeeded(1)

    async def run() -> float:
        limit = make_limit()
        started = time.perf_counter()
        await asyncio.gather(*(worker(limit) for _ in range(64)))
        return (time.perf_counter() - started) / num_requests * 1e6

    return min(asyncio.run(run()) for _ in range(5))


def print_costs(num_requests: int = 32_000) -> None:
    """What a slot costs over no limit at all, beside asyncio's own semaphore."""
    free = cost_microseconds(lambda: asyncio.Semaphore(10**6), num_requests)
    semaphore = cost_microseconds(lambda: asyncio.Semaphore(32), num_requests)
    auto_limit = cost_microseconds(lambda: AutoConcurrency(start=32, maximum=32), num_requests)
    print(f"\ncost of a place, in microseconds a request over no limit: asyncio.Semaphore(32) {semaphore - free:.1f},")
    print(f"AutoConcurrency at 32 {auto_limit - free:.1f}")


class HttpServer:
    """The same server behind aiohttp on localhost, as seen by a client with a real connection pool."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self._url = session, url

    async def complete(self, index: int) -> None:
        async with self._session.post(f"{self._url}/{index}") as response:
            await response.read()
            if response.status == 429:
                raise ThrottledError(float(response.headers["Retry-After"]))
            response.raise_for_status()


@contextlib.asynccontextmanager
async def served_over_http(server: SimulatedServer) -> AsyncIterator[HttpServer]:
    async def handle(request: web.Request) -> web.Response:
        try:
            await server.complete(int(request.match_info["index"]))
        except ThrottledError as error:
            return web.Response(status=429, headers={"Retry-After": f"{error.retry_after_seconds:.0f}"})
        return web.Response(text="{}")

    application = web.Application()
    application.router.add_post("/{index}", handle)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
            yield HttpServer(session, f"http://{host}:{port}")
    finally:
        await runner.cleanup()


FAST_GPU = replace(Gpu(), step_seconds=0.0044, sequence_seconds=0.00005, prefill_token_seconds=0.000034)
REAL_TIME_PROFILES = (
    Profile("knee, five times as fast", "", lambda seed: GpuServer(FAST_GPU, seed)),
    Profile("24 places, latency 0.3 s", "", lambda seed: PoolServer(Latency(0.25, 0.6), 24, seed)),
    Profile("quota 100/s", "", lambda seed: QuotaServer(Latency(0.5, 0.5), 100.0, 100.0, seed, rejections_count=True)),
)


async def run_over_http(profile: Profile, make_limit: MakeLimit, num_requests: int) -> Run:
    async with served_over_http(profile.make(0)) as server:
        limit = make_limit(asyncio.get_running_loop().time)
        return await Client(server, limit, holds_slot=False, seed=0).run(num_requests)


def check_in_real_time(num_requests: int = 1000) -> None:
    """Virtual and real goodput side by side: what the simulation leaves out is the cost of HTTP itself."""
    print("\n| real time over aiohttp | virtual | real |\n| --- | --- | --- |")
    for profile, number in zip(REAL_TIME_PROFILES, (160, 24, 48), strict=True):
        for name, make_limit in ((f"fixed {number}", fixed(number)), ("auto", auto)):
            virtual = run_virtual(run_client(profile, make_limit, num_requests, 0))
            real = asyncio.run(run_over_http(profile, make_limit, num_requests))
            print(f"| {profile.name}, {name} | {virtual.goodput:.1f}/s | {real.goodput:.1f}/s |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="auto concurrency against every fixed number")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--profiles", help="names separated by semicolons; all by default", metavar="NAMES")
    parser.add_argument("--real-time", action="store_true", help="also compare with a real aiohttp server (2 minutes)")
    parser.add_argument("--json", type=Path, metavar="OUT")
    arguments = parser.parse_args()
    wanted = [name.strip() for name in (arguments.profiles or "").split(";") if name.strip()]
    print(f"{platform.machine()}, {platform.system()}, Python {platform.python_version()}, {arguments.seeds} seeds,")
    print(f"{arguments.requests} requests a run; python -m benchmarks.concurrency {' '.join(sys.argv[1:])}\n")
    print(HEADER)
    results = []
    for profile in PROFILES:
        if not wanted or profile.name in wanted:
            results.append(compare(profile, arguments.requests, range(arguments.seeds)))
            print(markdown_row(results[-1]), flush=True)
    print_costs()
    if arguments.real_time:
        check_in_real_time()
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=2))


if __name__ == "__main__":
    main()
