"""Model servers in miniature, on a clock that jumps: the same servers run in real time behind aiohttp.

`VirtualTimeLoop` is an asyncio loop in which waiting costs nothing, so an hour of serving takes seconds and every
run repeats exactly. Each request carries its own random numbers, drawn from (seed, index): two policies meet
the same work.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import random
import selectors
from collections import deque
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.BaseSelector):
    """Moves the loop's clock to the next timer instead of sleeping; there is no input to wait for."""

    def __init__(self) -> None:
        self.now_seconds = 0.0
        self._keys: dict[Any, selectors.SelectorKey] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        key = selectors.SelectorKey(fileobj, fileobj if isinstance(fileobj, int) else fileobj.fileno(), events, data)
        self._keys[fileobj] = key
        return key

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._keys.pop(fileobj)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise RuntimeError("the simulation stands still: every task waits and no timer is set")
        self.now_seconds += max(timeout, 0.0)
        return []

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._keys

    def close(self) -> None:
        self._keys.clear()


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only from timer to timer."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now_seconds


def run_virtual(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)


class ThrottledError(Exception):
    """The server's 429, with its Retry-After in seconds."""

    def __init__(self, retry_after_seconds: float) -> None:
        super().__init__(f"429, Retry-After: {retry_after_seconds:.0f}")
        self.retry_after_seconds = retry_after_seconds


class SimulatedServer(Protocol):
    """One request, named by its index, from arrival to reply."""

    async def complete(self, index: int) -> None: ...


def draw(seed: int, index: int) -> random.Random:
    """The random numbers of one request, whoever sends it and whenever."""
    return random.Random(seed * 1_000_003 + index)


@dataclass(frozen=True, slots=True)
class RequestKind:
    """What one prompt step asks of the GPU."""

    prompt_tokens: int
    prefilled_tokens: int  # the rest stands in the prefix cache


@dataclass(frozen=True, slots=True)
class Gpu:
    """A 7B omni model in bf16 on a 48 GB card (L40S: 864 GB/s, 180 dense bf16 TFLOPS).

    Reading 15 GB of weights takes 22 ms a step; each sequence adds 0.25 ms (its KV and its share of the arithmetic);
    prefill runs at half of peak, 0.17 ms a token; KV is 57 kB a token and 21 GB are left for it.
    """

    step_seconds: float = 0.022
    sequence_seconds: float = 0.00025
    prefill_token_seconds: float = 0.00017
    prefill_budget_tokens: int = 2048
    kv_capacity_tokens: int = 368_000
    max_sequences: int = 256
    kinds: tuple[RequestKind, ...] = (
        RequestKind(prompt_tokens=2300, prefilled_tokens=2300),  # look: 16 frames
        RequestKind(prompt_tokens=500, prefilled_tokens=500),  # listen: a few seconds of audio
        RequestKind(prompt_tokens=2900, prefilled_tokens=500),  # reason: media cached, two replies are new
    )
    output_tokens_median: float = 180.0
    output_tokens_sigma: float = 0.4


class _Sequence:
    __slots__ = ("done", "finish", "output_tokens", "prefill_left", "prompt_tokens", "start")

    def __init__(self, kind: RequestKind, output_tokens: float, done: asyncio.Future[None]) -> None:
        self.prompt_tokens = float(kind.prompt_tokens)
        self.prefill_left = float(kind.prefilled_tokens)
        self.output_tokens = output_tokens
        self.start = self.finish = 0.0  # on the axis of tokens decoded so far
        self.done = done


class GpuServer:
    """Continuous batching with chunked prefill and preemption by recomputation, as fluid between events.

    A step decodes one token of every running sequence and, while prompts wait, prefills up to a budget. Sequences
    are admitted while their prompt fits in the KV cache; when decoding fills it, the newest one is evicted
    and prefilled again with what it had written, which is why throughput falls beyond the knee.
    """

    def __init__(self, gpu: Gpu, seed: int, stalls: tuple[tuple[float, float], ...] = ()) -> None:
        self._gpu, self._seed = gpu, seed
        self._loop = asyncio.get_running_loop()
        self._updated_at = self._loop.time()
        self._decoded = 0.0
        self._kv_tokens = 0.0
        self._waiting: deque[_Sequence] = deque()
        self._prefilling: deque[_Sequence] = deque()
        self._decoding: list[tuple[float, int, _Sequence]] = []
        self._counter = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stalled = False
        self.preemptions = 0
        for start, seconds in stalls:
            self._loop.call_at(self._updated_at + start, self._stall, True)
            self._loop.call_at(self._updated_at + start + seconds, self._stall, False)

    @property
    def running(self) -> int:
        """vllm:num_requests_running."""
        return len(self._prefilling) + len(self._decoding)

    @property
    def waiting(self) -> int:
        """vllm:num_requests_waiting."""
        return len(self._waiting)

    @property
    def kv_cache_usage(self) -> float:
        """vllm:kv_cache_usage_perc, in [0, 1]."""
        return self._kv_tokens / self._gpu.kv_capacity_tokens

    async def complete(self, index: int) -> None:
        gpu = self._gpu
        length = draw(self._seed, index).lognormvariate(math.log(gpu.output_tokens_median), gpu.output_tokens_sigma)
        sequence = _Sequence(gpu.kinds[index % len(gpu.kinds)], length, self._loop.create_future())
        self._advance()
        self._waiting.append(sequence)
        self._schedule()
        await sequence.done

    def _step_seconds(self) -> float:
        gpu = self._gpu
        prefill = gpu.prefill_budget_tokens * gpu.prefill_token_seconds if self._prefilling else 0.0
        return gpu.step_seconds + gpu.sequence_seconds * len(self._decoding) + prefill

    def _stall(self, stalled: bool) -> None:
        self._advance()
        self._stalled = stalled
        self._schedule()

    def _advance(self) -> None:
        """Bring the state to now; nothing changed its rates since the last call."""
        now = self._loop.time()
        elapsed, self._updated_at = now - self._updated_at, now
        if self._stalled or elapsed <= 0.0:
            return
        steps = elapsed / self._step_seconds()
        if self._prefilling:
            self._prefilling[0].prefill_left -= steps * self._gpu.prefill_budget_tokens
        self._decoded += steps
        self._kv_tokens += steps * len(self._decoding)

    def _settle(self) -> None:
        """Make every change that is due: replies, evictions, admissions."""
        while self._decoding and self._decoding[0][0] <= self._decoded + 1e-3:
            sequence = heapq.heappop(self._decoding)[2]
            self._kv_tokens -= sequence.prompt_tokens + sequence.output_tokens
            if not sequence.done.done():
                sequence.done.set_result(None)
        while self._prefilling and self._prefilling[0].prefill_left <= 1e-1:
            sequence = self._prefilling.popleft()
            if self._prefilling:  # a timer that came late has begun the next prompt
                self._prefilling[0].prefill_left += min(sequence.prefill_left, 0.0)
            sequence.start, sequence.finish = self._decoded, self._decoded + sequence.output_tokens
            self._counter += 1
            heapq.heappush(self._decoding, (sequence.finish, self._counter, sequence))
        while self._kv_tokens >= self._gpu.kv_capacity_tokens - 1.0 and self.running > 1:
            self._evict_newest()
        while self._waiting and self.running < self._gpu.max_sequences:
            if self._kv_tokens + self._waiting[0].prompt_tokens + len(self._decoding) > self._gpu.kv_capacity_tokens:
                break
            self._kv_tokens += self._waiting[0].prompt_tokens
            self._prefilling.append(self._waiting.popleft())

    def _evict_newest(self) -> None:
        self.preemptions += 1
        if self._prefilling:
            sequence = self._prefilling.pop()
        else:
            entry = max(self._decoding, key=lambda running: running[1])
            self._decoding.remove(entry)
            heapq.heapify(self._decoding)
            sequence = entry[2]
            generated = self._decoded - sequence.start
            sequence.prompt_tokens += generated
            sequence.output_tokens -= generated
        self._kv_tokens -= sequence.prompt_tokens
        sequence.prefill_left = sequence.prompt_tokens
        self._waiting.appendleft(sequence)

    def _schedule(self) -> None:
        """Set the timer to the next change of rates."""
        self._settle()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._stalled or not self.running:
            return
        steps = math.inf
        if self._prefilling:
            steps = self._prefilling[0].prefill_left / self._gpu.prefill_budget_tokens
        if self._decoding:
            room = self._gpu.kv_capacity_tokens - self._kv_tokens
            steps = min(steps, self._decoding[0][0] - self._decoded, room / len(self._decoding))
        self._timer = self._loop.call_later(max(steps, 0.0) * self._step_seconds(), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._advance()
        self._schedule()


@dataclass(frozen=True, slots=True)
class Latency:
    """Lognormal service time; a share of the requests takes `tail_factor` times as long."""

    median_seconds: float
    sigma: float
    tail_share: float = 0.0
    tail_factor: float = 1.0

    def sample(self, random_of_request: random.Random) -> float:
        seconds = random_of_request.lognormvariate(math.log(self.median_seconds), self.sigma)
        return seconds * self.tail_factor if random_of_request.random() < self.tail_share else seconds


class PoolServer:
    """`workers` requests are served at a time, the others queue: a gateway before replicas with full batches."""

    def __init__(self, latency: Latency, workers: int, seed: int) -> None:
        self._latency, self._seed = latency, seed
        self._workers = asyncio.Semaphore(workers)

    async def complete(self, index: int) -> None:
        async with self._workers:
            await asyncio.sleep(self._latency.sample(draw(self._seed, index)))


class QuotaServer:
    """A cloud endpoint: latency does not depend on load, but a token bucket answers 429 with whole seconds.

    With `rejections_count` an attempt that was turned away also uses quota, as some providers document.
    """

    def __init__(
        self, latency: Latency, requests_per_second: float, burst: float, seed: int, rejections_count: bool
    ) -> None:
        self._latency, self._rate, self._burst = latency, requests_per_second, burst
        self._seed, self._rejections_count = seed, rejections_count
        self._loop = asyncio.get_running_loop()
        self._tokens, self._updated_at = burst, self._loop.time()
        self.rejections = 0

    async def complete(self, index: int) -> None:
        now = self._loop.time()
        self._tokens = min(self._burst, self._tokens + (now - self._updated_at) * self._rate)
        self._updated_at = now
        if self._tokens < 1.0:
            self.rejections += 1
            if self._rejections_count:
                self._tokens = max(self._tokens - 1.0, -self._burst)
            retry_after = math.ceil((1.0 - self._tokens) / self._rate)
            await asyncio.sleep(0.05)
            raise ThrottledError(retry_after)
        self._tokens -= 1.0
        await asyncio.sleep(self._latency.sample(draw(self._seed, index)))
