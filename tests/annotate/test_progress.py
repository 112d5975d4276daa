"""How a run is going: the line, its rates, and where it is written."""

from __future__ import annotations

import asyncio
import io
import time
from pathlib import Path

import pytest
from rich.console import Console

import vaemo_annotate.progress as progress_module
from vaemo_annotate.engines.base import Caption, Reject, StepRecord
from vaemo_annotate.progress import Display, RunCounts, describe, duration_text
from vaemo_annotate.reply import Reply


class WatchedDisplay(Display):
    """Tells when it has written two lines into its log."""

    def __init__(self, log_path: Path, console: Console) -> None:
        super().__init__(log_path, console)
        self.lines = 0
        self.wrote_two = asyncio.Event()

    def _log(self, line: str) -> None:
        super()._log(line)
        self.lines += 1
        if self.lines == 2:
            self.wrote_two.set()


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    return clock


def reply(prompt: int | None = 100, cached: int | None = 50, completion: int | None = 20) -> Reply:
    return Reply(200, "x", "stop", prompt, cached, completion, 0.1, 1, "2026-05-04T12:00:00+00:00")


def step(attempts: int = 1) -> StepRecord:
    return StepRecord("look", "x", "stop", 100, None, 20, 0.1, attempts)


def caption() -> Caption:
    return Caption({}, [step(), step(2)], "ab", None, "2026-05-04T12:00:00+00:00")


def test_outcomes_are_counted_by_type_and_their_tokens_whenever_they_were_spent() -> None:
    counts = RunCounts(10)
    counts.note_outcome(caption())
    counts.note_outcome(Reject("refusal", "d", True, [step()]))
    counts.note_outcome(Reject("refusal", "d", True))
    counts.note_outcome(Reject("timeout", "d", False))
    assert (counts.accepted, counts.rejected, counts.done) == (1, 3, 4)
    assert counts.rejects == {"refusal": 2, "timeout": 1}
    assert counts.dataset_requests == 4
    assert counts.dataset_tokens == {"prompt": 300, "cached": 0, "completion": 60}


def test_the_cached_share_is_of_the_prompts_whose_server_tells() -> None:
    counts = RunCounts(1)
    assert counts.cached_share is None
    counts.note_reply(reply(cached=None))
    assert counts.cached_share is None, "a server that does not tell is not one without a cache"
    counts.note_reply(reply(prompt=100, cached=25))
    assert counts.cached_share == 0.25
    counts.note_reply(reply(prompt=None, cached=None, completion=None))
    assert [counts.replies, counts.prompt_tokens, counts.completion_tokens] == [3, 200, 40]
    assert f"{counts.cached_share:.2f}" == "0.25"


def test_the_line_tells_counts_rates_cache_flight_time_left_and_rejects(clock: Clock) -> None:
    counts = RunCounts(2000)
    for _ in range(290):
        counts.note_outcome(caption())
        counts.note_reply(reply(completion=200))
    for reason in ["refusal"] * 5 + ["timeout"] * 3 + ["schema", "empty"]:
        counts.note_outcome(Reject(reason, "d", True))
    clock.now += 30
    counts.sample_rates()
    assert describe(counts, "8/16") == (
        "300/2,000 (15%)  10.0 clips/s  1,933 tokens/s  cached 50%  in flight 8/16  ETA 3 min  "
        "rejected 10 (refusal 5, timeout 3, schema 1, empty 1)"
    )


def test_before_anything_is_known_the_line_says_so(clock: Clock) -> None:
    counts = RunCounts(5)
    assert describe(counts, "0/8") == (
        "0/5 (0%)  0.0 clips/s  0 tokens/s  cached –  in flight 0/8  ETA –  rejected 0"
    )  # fmt: skip


@pytest.mark.parametrize("total", [0, 1])
def test_at_the_end_nothing_is_left(total: int, clock: Clock) -> None:
    counts = RunCounts(total)
    for _ in range(total):
        counts.note_outcome(caption())
    line = describe(counts, "0/8")
    assert "ETA 0 s" in line
    assert line.startswith(f"{total}/{total} ")


def test_only_the_four_most_frequent_rejects_are_named(clock: Clock) -> None:
    counts = RunCounts(100)
    for number, reason in enumerate(("a", "b", "c", "d", "e"), start=1):
        for _ in range(number):
            counts.note_outcome(Reject(reason, "d", True))
    assert describe(counts, "").endswith("rejected 15 (e 5, d 4, c 3, b 2)")


def test_rates_are_those_of_the_last_minute(clock: Clock) -> None:
    counts = RunCounts(10_000)
    for second in range(180):
        clock.now += 1
        for _ in range(1 if second < 90 else 5):
            counts.note_outcome(caption())
            counts.note_reply(reply(completion=10))
        counts.sample_rates()
    clips_rate, tokens_rate = counts.rates()
    assert clips_rate == pytest.approx(5.0)
    assert tokens_rate == pytest.approx(50.0)


def test_a_run_that_stalls_has_no_time_left_to_tell(clock: Clock) -> None:
    counts = RunCounts(10)
    counts.note_outcome(caption())
    for _ in range(200):
        clock.now += 1
        counts.sample_rates()
    assert counts.rates() == (0.0, 0.0)
    assert "ETA –" in describe(counts, "1/1")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (3600, "60 min"), (5400, "1.5 h"), (172_800, "2.0 days")],
)
def test_durations_are_said_as_people_say_them(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


async def test_off_a_terminal_the_last_state_stays_as_a_line_on_screen_and_in_the_log(tmp_path: Path) -> None:
    screen = io.StringIO()
    display = Display(tmp_path / "run.log", Console(file=screen, width=200))
    counts = RunCounts(1)
    display.announce("engine: [endpoint] (--endpoint)")
    async with display.following(counts, lambda: "0/1"):
        counts.note_outcome(caption())
    shown = screen.getvalue().splitlines()
    assert shown[0] == "engine: [endpoint] (--endpoint)", "brackets are no markup"
    assert shown[-1].startswith("1/1 (100%)")
    logged = (tmp_path / "run.log").read_text().splitlines()
    assert [line.partition("  ")[2] for line in logged] == [shown[0], shown[-1]]


async def test_while_a_run_goes_on_a_line_is_written_every_few_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_module, "_REFRESH_SECONDS", 0.01)
    monkeypatch.setattr(progress_module, "_LOG_SECONDS", 0.05)
    log = tmp_path / "run.log"
    display = WatchedDisplay(log, Console(file=io.StringIO()))
    async with asyncio.timeout(5), display.following(RunCounts(4), lambda: "1/1"):
        await display.wrote_two.wait()
    assert all("0/4 (0%)" in line for line in log.read_text().splitlines())


async def test_on_a_terminal_one_line_lives_and_the_log_gets_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_module, "_REFRESH_SECONDS", 0.01)
    monkeypatch.setattr(progress_module, "_LOG_SECONDS", 0.03)
    screen = io.StringIO()
    display = WatchedDisplay(tmp_path / "run.log", Console(file=screen, force_terminal=True, width=200))
    async with asyncio.timeout(5), display.following(RunCounts(4), lambda: "1/1"):
        await display.wrote_two.wait()
    assert "in flight 1/1" in screen.getvalue()
    assert "in flight 1/1" in (tmp_path / "run.log").read_text()


async def test_a_failure_of_the_run_passes_through_and_the_last_state_is_shown() -> None:
    screen = io.StringIO()
    with pytest.raises(ValueError, match="of the run"):
        async with Display(None, Console(file=screen, width=200)).following(RunCounts(4), lambda: "0/1"):
            raise ValueError("of the run")
    assert "0/4 (0%)" in screen.getvalue()


def test_a_folder_that_is_not_there_yet_is_not_made_for_the_log(tmp_path: Path) -> None:
    Display(tmp_path / "none" / "run.log", Console(file=io.StringIO())).announce("hello")
    assert list(tmp_path.iterdir()) == []
