"""The gate: after a death the suspects are asked alone, and the one that kills again is named."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tenacity import wait_none

import vaemo_annotate.engines.endpoint as endpoint_module
from vaemo_annotate.concurrency import FixedConcurrency
from vaemo_annotate.engines.base import RequestFailed
from vaemo_annotate.engines.endpoint import EndpointBackend
from vaemo_annotate.engines.recovery import MAX_DEATHS_WITHOUT_A_REPLY, Gate, ServerDied
from vaemo_annotate.engines.request import ChatRequest
from vaemo_annotate.engines.transport import ChatTransport, TransientFailure
from vaemo_annotate.reply import Reply

ANSWER = Reply(200, "x", "stop", 1, 0, 1, 0.1, 1, "2026-05-04T12:00:00+00:00")


class World(ChatTransport):
    """A server and its keeper in one: it dies of some requests, and comes back as often as it may."""

    def __init__(self, poisons: set[str], comebacks: int = 1000) -> None:
        self.poisons = poisons
        self.comebacks = comebacks
        self.alive = True
        self.restarts = 0
        self.in_flight: set[str] = set()
        self.died = asyncio.Event()
        self.asked: list[tuple[str, frozenset[str]]] = []
        self.resets = 0
        self.refusing_takes_s = 0.0
        self.being_restarted = asyncio.Event()
        self.may_restart = asyncio.Event()
        self.may_restart.set()

    async def is_alive(self) -> bool:
        await asyncio.sleep(0)
        return self.alive

    async def bring_back(self) -> bool:
        self.being_restarted.set()
        await self.may_restart.wait()
        await asyncio.sleep(0.01)
        self.restarts += 1
        self.alive = self.restarts <= self.comebacks
        self.died = asyncio.Event()
        return self.alive

    async def chat(self, body: bytes, tries: int) -> Reply:
        text = body.decode().partition("clip ")[2].partition(".")[0]
        if not self.alive:
            await asyncio.sleep(self.refusing_takes_s)
            raise TransientFailure("connection", "refused")
        if self.resets:
            self.resets -= 1
            raise TransientFailure("connection", "reset")
        died = self.died
        self.in_flight.add(text)
        self.asked.append((text, frozenset(self.in_flight)))
        try:
            await asyncio.wait_for(died.wait(), 0.002)
        except TimeoutError:
            if "the first" in self.poisons and self.restarts == 0:
                self.poisons.discard("the first")
            elif text not in self.poisons and "everything" not in self.poisons:
                return ANSWER
            self.alive = False
            died.set()
        finally:
            self.in_flight.discard(text)
        raise TransientFailure("connection", "the peer closed the connection")


@pytest.fixture(autouse=True)
def _no_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "_BACKOFF", wait_none())


def backend_of(world: World, limit: int, lines: list[str] | None = None) -> EndpointBackend:
    announce: Callable[[str], None] = lines.append if lines is not None else lambda line: None
    return EndpointBackend(world, "m", "vllm", FixedConcurrency(limit), world, announce)


async def ask_all(world: World, clips: int, limit: int, lines: list[str] | None = None) -> list[str]:
    """Ask for all clips at once; return what became of each."""
    backend = backend_of(world, limit, lines)

    async def ask(number: int) -> str:
        try:
            request = ChatRequest("", (), f"clip {number}.", "n", None, 0.0, 1.0, 8, None)
            return (await backend.complete(request)).finish_reason
        except RequestFailed as failure:
            return failure.reason

    async with asyncio.timeout(20):
        return list(await asyncio.gather(*(ask(number) for number in range(clips))))


@pytest.mark.parametrize(("clips", "limit"), [(8, 8), (40, 8), (40, 1), (40, 40)])
async def test_the_poison_is_named_and_the_others_get_their_answers(clips: int, limit: int) -> None:
    poison = clips // 2
    world = World({str(poison)})
    ends = await ask_all(world, clips, limit)
    assert ends == ["poison" if number == poison else "stop" for number in range(clips)]
    assert world.restarts == 2, "one after the death, one after the proof"


async def test_nobody_is_called_a_poison_before_the_server_has_answered_anything() -> None:
    assert await ask_all(World({"0"}), 1, 1) == ["server_died"]


async def test_several_poisons_are_named_one_by_one() -> None:
    world = World({"3", "11", "27"})
    ends = await ask_all(world, 40, 8)
    assert [number for number, end in enumerate(ends) if end == "poison"] == [3, 11, 27]
    assert set(ends) == {"poison", "stop"}


async def test_suspects_are_asked_one_at_a_time_with_nothing_else_in_flight() -> None:
    world = World({"4"})
    world.refusing_takes_s = 0.015  # longer than a restart: who is refused late finds the server back
    await ask_all(world, 60, 8)
    seen: set[str] = set()
    alone = []
    for text, company in world.asked:
        if text in seen:
            alone.append((text, company))
        seen.add(text)
    assert len(alone) >= 1
    assert alone == [(text, frozenset({text})) for text, _ in alone]


async def test_requests_that_waited_for_their_turn_at_a_death_are_no_suspects_and_cost_no_restart() -> None:
    lines: list[str] = []
    world = World({"0"})
    await ask_all(world, 100, 4, lines)
    times_asked = [text for text, _ in world.asked]
    assert max(times_asked.count(str(number)) for number in range(4, 100)) == 1
    assert world.restarts == 2
    assert sum("the server died" in line for line in lines) == 2
    assert lines[0].endswith("bringing it back")


async def test_a_server_that_died_by_itself_is_brought_back_once_and_nobody_is_rejected() -> None:
    world = World({"the first"})
    assert set(await ask_all(world, 100, 4)) == {"stop"}
    assert world.restarts == 1


async def test_nobody_is_sent_to_a_server_that_is_being_brought_back() -> None:
    world = World({"0"})
    world.may_restart.clear()
    asking = asyncio.create_task(ask_all(world, 30, 4))
    await asyncio.wait_for(world.being_restarted.wait(), 5)
    await asyncio.sleep(0.05)
    assert {text for text, _ in world.asked} <= {"0", "1", "2", "3"}
    world.may_restart.set()
    assert (await asking).count("stop") == 29


async def test_a_server_that_dies_of_everything_is_gone_and_the_run_ends() -> None:
    world = World({"everything"})
    ends = await ask_all(world, 50, 8)
    assert set(ends) <= {"server_gone", "server_died"}
    assert world.restarts == MAX_DEATHS_WITHOUT_A_REPLY
    assert len(world.asked) < 20, "the rest were told at once"


async def test_a_server_that_does_not_come_back_is_gone_for_all_at_once() -> None:
    world = World({"3"}, comebacks=0)
    began = asyncio.get_running_loop().time()
    ends = await ask_all(world, 500, 8)
    assert set(ends) <= {"stop", "server_gone"}
    assert ends.count("server_gone") >= 492
    assert world.restarts == 1
    assert asyncio.get_running_loop().time() - began < 3


async def test_a_gone_server_is_told_with_the_remedy() -> None:
    backend = backend_of(World({"0"}, comebacks=0), 1)
    request = ChatRequest("", (), "clip 0.", "n", None, 0.0, 1.0, 8, None)
    with pytest.raises(RequestFailed, match=r"did not come back; start it, then run again to resume$") as caught:
        await backend.complete(request)
    assert (caught.value.reason, caught.value.is_final) == ("server_gone", False)
    with pytest.raises(RequestFailed, match=r"^server_gone: "):
        await backend.complete(request)


async def test_a_mere_reset_of_a_living_server_is_no_death() -> None:
    world = World(set())
    world.resets = 5
    lines: list[str] = []
    assert set(await ask_all(world, 20, 8, lines)) == {"stop"}
    assert (world.restarts, lines) == (0, [])


class Keeper:
    """A keeper that follows a script."""

    def __init__(self, alive: bool = False, back: bool = True) -> None:
        self.alive = alive
        self.back = back
        self.brought_back = 0

    async def is_alive(self) -> bool:
        return self.alive

    async def bring_back(self) -> bool:
        self.brought_back += 1
        return self.back


def gate_of(keeper: Keeper) -> Gate:
    return Gate(keeper, lambda line: None)


def answered() -> Callable[[], Awaitable[Reply]]:
    async def ask() -> Reply:
        return ANSWER

    return ask


async def test_a_failure_is_a_death_only_if_the_server_is_dead_or_has_died_since() -> None:
    keeper = Keeper(alive=True)
    gate = gate_of(keeper)
    assert await gate.died(0, "reset") is None
    keeper.alive = False
    death = await gate.died(0, "reset")
    assert death is not None
    assert (death.generation, death.detail) == (0, "reset")
    assert await gate.interrogate(death, answered()) == ANSWER
    keeper.alive = True
    late = await gate.died(0, "reset")
    assert late is not None, "sent before the death of generation 0"
    assert await gate.died(1, "reset") is None


async def test_all_suspects_of_one_death_share_one_restart() -> None:
    keeper = Keeper()
    gate = gate_of(keeper)
    replies = await asyncio.gather(*(gate.interrogate(ServerDied(0, "d"), answered()) for _ in range(10)))
    assert replies == [ANSWER] * 10
    assert (keeper.brought_back, gate.generation) == (1, 1)


async def test_the_gate_is_closed_while_suspects_are_asked_and_opens_after_the_last() -> None:
    gate = gate_of(Keeper())
    hold = asyncio.Event()

    async def slowly() -> Reply:
        await hold.wait()
        return ANSWER

    asking = [asyncio.create_task(gate.interrogate(ServerDied(0, "d"), slowly)) for _ in range(2)]
    await asyncio.sleep(0.01)
    admitted = asyncio.create_task(gate.admit())
    await asyncio.sleep(0.01)
    assert (gate.is_open, admitted.done()) == (False, False)
    hold.set()
    await asyncio.gather(*asking)
    await asyncio.wait_for(admitted, 1)
    assert gate.is_open


async def test_a_second_death_is_the_proof_and_a_failure_of_another_kind_is_none() -> None:
    gate = gate_of(Keeper())
    gate.replied()

    async def dies() -> Reply:
        raise ServerDied(gate.generation, "again")

    async def times_out() -> Reply:
        raise RequestFailed("timeout", "no reply")

    assert await gate.interrogate(ServerDied(0, "d"), dies) is None
    assert gate.generation == 2
    with pytest.raises(RequestFailed, match="timeout"):
        await gate.interrogate(ServerDied(2, "d"), times_out)
    assert gate.is_open


async def test_a_reply_in_between_resets_the_count_of_deaths() -> None:
    keeper = Keeper()
    gate = gate_of(keeper)
    for number in range(3 * MAX_DEATHS_WITHOUT_A_REPLY):
        assert await gate.interrogate(ServerDied(number, "d"), answered()) == ANSWER
        gate.replied()
    assert gate.gone is None
    for number in range(MAX_DEATHS_WITHOUT_A_REPLY):
        await gate.interrogate(ServerDied(gate.generation, f"d{number}"), answered())
    with pytest.raises(RequestFailed, match=r"server_gone: the server died 4 times without a reply in between"):
        await gate.interrogate(ServerDied(gate.generation, "d"), answered())
    with pytest.raises(RequestFailed, match="server_gone"):
        await gate.admit()


async def test_a_suspect_that_is_cancelled_does_not_keep_the_gate_closed() -> None:
    gate = gate_of(Keeper())

    async def never() -> Reply:
        await asyncio.Event().wait()
        return ANSWER

    asking = asyncio.create_task(gate.interrogate(ServerDied(0, "d"), never))
    await asyncio.sleep(0.01)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    await asyncio.wait_for(gate.admit(), 1)
    assert gate.is_open
