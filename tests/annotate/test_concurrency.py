"""Slots never leak and are fair; `auto` finds the right number in flight on a clock that jumps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine
from itertools import pairwise
from typing import Any

import pytest
from benchmarks.concurrency import PROFILES, Client, Profile, Run, auto, fixed, run_client
from benchmarks.simulated_server import Gpu, GpuServer, Latency, PoolServer, QuotaServer, ThrottledError, run_virtual
from hypothesis import given, settings
from hypothesis import strategies as st

from vaemo_annotate.concurrency import AutoConcurrency, ConcurrencyLimit, FixedConcurrency
from vaemo_annotate.throughput_search import Phase, ThroughputSearch, ladder
from vaemo_clips.errors import UserError


def in_virtual_time(test: Callable[..., Coroutine[Any, Any, None]]) -> None:
    run_virtual(test())


def auto_limit(start: int = 8, maximum: int = 512) -> AutoConcurrency:
    return AutoConcurrency(start, maximum, clock=asyncio.get_running_loop().time)


async def enter(limit: ConcurrencyLimit, order: list[int], name: int) -> None:
    async with limit.slot():
        order.append(name)
        await asyncio.sleep(1.0)


# -- slots


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), number=st.integers(1, 6), is_auto=st.booleans())
def test_cancelled_waiters_failing_bodies_and_429s_never_leak_a_slot(seed: int, number: int, is_auto: bool) -> None:
    async def run() -> None:
        numbers = random.Random(seed)
        clock = asyncio.get_running_loop().time
        limit = AutoConcurrency(number, 8, clock) if is_auto else FixedConcurrency(number, clock)

        async def body() -> None:
            async with limit.slot() as slot:
                assert limit.in_flight <= limit.limit
                await asyncio.sleep(numbers.random())
                report = numbers.choice(["succeeded", "throttled", "failed", "raise", "silent"])
                if report == "raise":
                    raise RuntimeError("the body failed")
                if report != "silent":
                    getattr(slot, report)()

        tasks = [asyncio.create_task(body()) for _ in range(40)]
        for _ in range(30):
            await asyncio.sleep(numbers.random() * 0.3)
            numbers.choice(tasks).cancel()
            if numbers.random() < 0.2:
                limit.pause()
                numbers.choice(tasks).cancel()
                limit.resume()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert len(results) == 40
        assert limit.in_flight == 0
        async with asyncio.timeout(100.0), limit.slot():
            assert limit.in_flight == 1

    in_virtual_time(run)


def test_a_waiter_cancelled_in_the_moment_it_is_admitted_gives_its_slot_back() -> None:
    async def run() -> None:
        limit, order = FixedConcurrency(1), list[int]()
        first = asyncio.create_task(enter(limit, order, 0))
        await asyncio.sleep(0)
        second = asyncio.create_task(enter(limit, order, 1))
        third = asyncio.create_task(enter(limit, order, 2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)  # the slot is now the second's, who has not run yet
        assert limit.in_flight == 1
        second.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        assert order == [0, 2]
        assert limit.in_flight == 0

    in_virtual_time(run)


def test_a_newcomer_behind_a_cancelled_waiter_is_admitted() -> None:
    async def run() -> None:
        limit, order = FixedConcurrency(1), list[int]()
        limit.pause()
        waiter = asyncio.create_task(enter(limit, order, 0))
        await asyncio.sleep(0)
        waiter.cancel()
        limit.resume()
        newcomer = asyncio.create_task(enter(limit, order, 1))
        await asyncio.wait_for(newcomer, 5.0)
        assert order == [1]

    in_virtual_time(run)


@pytest.mark.parametrize("number", [1, 3, 7])
def test_slots_are_given_in_the_order_they_were_asked_for(number: int) -> None:
    async def run() -> None:
        limit, order = FixedConcurrency(number), list[int]()
        await asyncio.gather(*(enter(limit, order, name) for name in range(20)))
        assert order == list(range(20))

    in_virtual_time(run)


def test_a_concurrency_below_one_is_refused() -> None:
    with pytest.raises(UserError, match="concurrency is 0: at least 1 request"):
        FixedConcurrency(0)


@pytest.mark.parametrize("make_limit", [fixed(2), auto])
def test_retry_after_closes_admissions_for_everybody_and_no_longer(
    make_limit: Callable[[Callable[[], float]], ConcurrencyLimit],
) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        limit, order = make_limit(loop.time), list[int]()
        async with limit.slot() as slot:
            slot.throttled(7.0)
        async with limit.slot() as slot:
            assert loop.time() == pytest.approx(7.0)
            slot.throttled(3.0)
        await enter(limit, order, 0)
        assert loop.time() == pytest.approx(11.0)

    in_virtual_time(run)


@pytest.mark.parametrize("retry_after", [0.0, -5.0, float("nan")])
def test_a_senseless_retry_after_closes_nothing(retry_after: float) -> None:
    async def run() -> None:
        limit = FixedConcurrency(1, asyncio.get_running_loop().time)
        async with limit.slot() as slot:
            slot.throttled(retry_after)
        async with limit.slot():
            assert asyncio.get_running_loop().time() == 0.0

    in_virtual_time(run)


def test_nothing_is_admitted_or_counted_while_paused() -> None:
    async def run() -> None:
        limit, order = auto_limit(), list[int]()
        held = limit.slot()
        await held.__aenter__()
        limit.pause()
        waiting = asyncio.create_task(enter(limit, order, 1))
        await asyncio.sleep(60.0)
        assert order == []
        limit.resume()
        held.throttled(30.0)  # the server that said so is gone
        await held.__aexit__(None, None, None)
        await waiting
        assert limit.limit == 8
        assert asyncio.get_running_loop().time() == pytest.approx(61.0)

    in_virtual_time(run)


# -- auto, on whole servers


def measure(profile: Profile, number: int | None, num_requests: int = 2000, seed: int = 0) -> Run:
    make_limit = auto if number is None else fixed(number)
    return run_virtual(run_client(profile, make_limit, num_requests, seed))


BEST_OF_SWEEP = {  # what the benchmark's sweep finds best, and its neighbours
    "knee": (112, 160, 176),
    "knee, /metrics": (112, 160, 176),
    "stall": (112, 160, 176),
    "quota": (26, 29, 32),
    "quota, free 429": (32, 36, 40),
    "long tail": (40, 48, 64),
}


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_auto_comes_within_a_tenth_of_the_best_fixed_number(profile: Profile) -> None:
    best = max(measure(profile, number).goodput for number in (8, 16, 24, 32, 36, 48, 64, 112, 160, 176, 256))
    assert measure(profile, None).goodput >= 0.9 * best


@pytest.mark.parametrize("seed", range(3))
def test_auto_settles_near_a_sharp_knee_and_not_at_the_maximum(seed: int) -> None:
    profile = Profile("pool", "", lambda seed: PoolServer(Latency(1.0, 0.4), 32, seed))
    assert 24 <= measure(profile, None, 4000, seed).last_limit <= 80


@pytest.mark.parametrize("rejections_count", [False, True])
def test_auto_meets_a_quota_with_few_429s(rejections_count: bool) -> None:
    profile = Profile("quota", "", lambda seed: QuotaServer(Latency(3.0, 0.5), 10.0, 10.0, seed, rejections_count))
    run = measure(profile, None, 3000)
    assert run.steady >= 9.3
    assert run.rejections <= 40


def limits_over_time(make_server: Callable[[], Any], seconds: float, maximum: int = 512) -> list[int]:
    """The limit at the end of each second, with work always waiting."""

    async def run() -> list[int]:
        limit = auto_limit(maximum=maximum)
        client = asyncio.create_task(Client(make_server(), limit, False, 0).run(12_000))
        limits = []
        for _ in range(round(seconds)):
            await asyncio.sleep(1.0)
            limits.append(limit.limit)
        client.cancel()
        await asyncio.gather(client, return_exceptions=True)
        return limits

    return run_virtual(run())


def test_a_stall_neither_collapses_nor_doubles_the_limit() -> None:
    stalls = ((300.0, 10.0), (400.0, 30.0), (520.0, 8.0))
    limits = limits_over_time(lambda: GpuServer(Gpu(), 0, stalls), 700.0)
    settled = limits[290]
    assert 80 <= settled <= 300
    assert all(settled / 2 < limit < settled * 2 for limit in limits[300:])


class BurstAfterStall:
    """Ten workers of 1 s; for `seconds` from `start` on replies are held back, then come all at once."""

    def __init__(self, start: float, seconds: float) -> None:
        self._workers = asyncio.Semaphore(32)
        self._loop = asyncio.get_running_loop()
        self._start, self._end = start, start + seconds

    async def complete(self, index: int) -> None:
        async with self._workers:
            await asyncio.sleep(0.8 + 0.4 * random.Random(index).random())
        if self._start <= self._loop.time() < self._end:
            await asyncio.sleep(self._end - self._loop.time())


def test_the_burst_after_a_stall_does_not_count_as_speed() -> None:
    limits = limits_over_time(lambda: BurstAfterStall(100.0, 8.0), 160.0)
    assert all(limits[99] / 2 < limit < limits[99] * 2 for limit in limits[100:])


class ParallelQuota:
    """429 without Retry-After above 30 requests at a time."""

    def __init__(self) -> None:
        self._in_flight = 0

    async def complete(self, index: int) -> None:
        if self._in_flight >= 30:
            await asyncio.sleep(0.05)
            raise ThrottledError(0.3)
        self._in_flight += 1
        await asyncio.sleep(1.0 + random.Random(index).random())
        self._in_flight -= 1


def test_a_quota_of_parallel_requests_is_met_from_below() -> None:
    limits = limits_over_time(ParallelQuota, 300.0)
    assert all(20 <= limit <= 45 for limit in limits[60:])


def test_a_maximum_is_never_passed() -> None:
    limits = limits_over_time(lambda: PoolServer(Latency(0.2, 0.3), 400, 0), 60.0, maximum=50)
    assert max(limits) == 50
    assert limits[-1] > 40


# -- the search, reply by reply


def feed(search: ThroughputSearch, start: float, per_second: float, replies: int, is_limited: bool = True) -> float:
    """Evenly spaced replies of requests that took one second; return the time of the last."""
    for index in range(replies):
        now = start + (index + 1) / per_second
        search.on_success(now, now - 1.0, search.limit, is_limited)
    return start + replies / per_second


def test_the_ladder_rises_by_ones_and_then_by_a_fifth() -> None:
    rungs = list(ladder(512))
    assert rungs[:7] == [1, 2, 3, 4, 5, 6, 7]
    assert rungs[-1] == 512
    assert all(1.0 < after / before < 1.26 for before, after in pairwise(rungs[6:-1]))


def test_replies_while_nobody_waits_do_not_move_the_limit() -> None:
    search = ThroughputSearch(8, 512)
    feed(search, 0.0, 5.0, 1000, is_limited=False)
    assert search.limit == 8
    assert search.phase is Phase.STARTING


def test_the_end_of_a_run_does_not_move_a_settled_limit() -> None:
    search = ThroughputSearch(8, 512)
    now = feed(search, 0.0, 20.0, 1500)
    assert search.phase is Phase.CLIMBING
    settled = search.limit
    feed(search, now, 2.0, 300, is_limited=False)
    assert search.limit == settled


def test_a_backlog_on_the_server_stops_growth() -> None:
    search = ThroughputSearch(8, 512)
    now = feed(search, 0.0, 20.0, 20)
    for _ in range(3):
        search.on_gauges(running=20.0, waiting=10.0, kv_cache_usage=0.5)
    assert search.is_saturated
    stopped = search.limit
    for _ in range(100):
        now = feed(search, now, float(search.limit), 50)  # throughput in proportion: it would like to grow
        assert search.limit <= stopped


def test_a_passing_backlog_changes_nothing() -> None:
    search = ThroughputSearch(8, 512)
    for waiting in (10.0, 10.0, 0.0, 10.0, 10.0):
        search.on_gauges(running=20.0, waiting=waiting, kv_cache_usage=None)
    assert not search.is_saturated
    assert search.phase is Phase.STARTING


def test_429s_of_one_round_trip_cut_the_limit_once() -> None:
    search = ThroughputSearch(64, 512)
    now = feed(search, 0.0, 64.0, 32)
    before = search.limit
    for index in range(30):
        search.on_throttle(now + 0.01 * index, now - 0.5)
    assert search.phase is Phase.THROTTLED
    assert 0.8 * before < search.limit < before


def test_a_server_that_always_says_429_ends_at_one_request() -> None:
    search = ThroughputSearch(64, 512)
    for second in range(200):
        search.on_throttle(float(second), second - 0.01)
    assert search.limit == 1


def test_timeouts_that_rule_lower_the_limit_and_fast_failures_do_not() -> None:
    timing_out, refusing = ThroughputSearch(32, 512), ThroughputSearch(32, 512)
    for index in range(200):
        timing_out.on_failure(60.0 + index, index - 5.0)
        refusing.on_failure(60.0 + index, 59.99 + index)
    assert timing_out.limit < 20
    assert refusing.limit == 32


def test_the_virtual_clock_says_when_a_simulation_can_go_no_further() -> None:
    with pytest.raises(RuntimeError, match="stands still"):
        run_virtual(asyncio.Event().wait())
