"""Canaries: how replies are judged, and that nothing is asked twice or given away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.senses import Senses
from tests.support.servers import REPOSITORY
from vaemo_annotate.engines.base import ModelIdentity, RequestFailed
from vaemo_annotate.engines.chat import ChatEngine
from vaemo_annotate.engines.opening import OpenCues, RunParts
from vaemo_annotate.engines.request import ChatRequest
from vaemo_annotate.ledger import Ledger
from vaemo_annotate.probes.canaries import ask_canaries, canary_line
from vaemo_annotate.probes.canary_verdict import judge_canaries
from vaemo_annotate.probes.statement import Said, quoted, reply_text, said
from vaemo_annotate.prompt import Prompt, load_prompt
from vaemo_annotate.reply import Reply
from vaemo_clips.errors import ServerError

COT = load_prompt(REPOSITORY / "prompts" / "cot_v2.yaml")
GROUNDED = load_prompt(REPOSITORY / "prompts" / "cot_v2_grounded.yaml")


def told(text: str, statements: Sequence[str] = (), denied: bool = False) -> Said:
    """Return what was said, as if it had been read."""
    return Said(text, tuple(statements), bool(statements), denied)


DENIAL = told("There is no sound.", denied=True)
HIGH = told("The pitch is high.", ["pitch_level:up"])
LOUD = told("The voice is loud.", ["loudness:up"])
VAGUE = told("Hard to say.")


@pytest.mark.parametrize(
    ("present", "absent", "verdicts"),
    [
        ([HIGH] * 3, [DENIAL] * 3, ["passed", "passed"]),
        ([DENIAL] * 3, [DENIAL] * 3, ["ignored", "passed"]),
        ([HIGH] * 3, [LOUD] * 3, ["passed", "invented"]),
        ([HIGH] * 3, [HIGH] * 3, ["ignored", "invented"]),
        ([VAGUE] * 3, [told("Nothing.")] * 3, ["inconclusive", "inconclusive"]),
        ([HIGH, DENIAL, HIGH], [LOUD, DENIAL, told("None.", denied=True)], ["passed", "passed"]),
        ([VAGUE, VAGUE, HIGH], [LOUD, VAGUE, LOUD], ["ignored", "invented"]),
        ([HIGH, told("No.", denied=True), HIGH], [DENIAL, LOUD, LOUD], ["passed", "invented"]),
        (["timeout: late", "timeout: late", HIGH], [DENIAL, "x: y", "x: y"], ["inconclusive", "inconclusive"]),
    ],
)
def test_the_majority_of_the_samples_decides(
    present: list[Said | str], absent: list[Said | str], verdicts: list[str]
) -> None:
    assert [outcome.outcome for outcome in judge_canaries("voice", present, absent)] == verdicts


def test_a_sentence_quotes_one_of_the_samples_that_decided() -> None:
    _, silence = judge_canaries("voice", [HIGH] * 3, [DENIAL, LOUD, told("Loud\n and  clear.", ["loudness:up"])])
    assert silence.sentence() == (
        "canary 'silence': sent was a track of digital silence, and 2 of 3 replies said 'The voice is loud.' or the "
        "like: the sound is invented"
    )
    assert quoted("one\n two " + "x" * 200) == "one two " + "x" * 111 + "…"


def test_what_is_said_is_read_from_the_description_and_from_the_fields_of_the_step() -> None:
    reply = reply_text('{"sound": "speech", "pitch": "high", "list": ["a", "b"], "description": "A voice.", "n": 1}')
    assert reply == "sound: speech.\npitch: high.\nlist: a.\nlist: b.\nA voice."
    assert reply_text("no JSON") == "no JSON"


def test_a_text_that_denies_a_modality_states_nothing_unless_it_says_much_of_it() -> None:
    found = said("voice", "The pitch is high.", ["There is no sound. The voice is loud."])
    assert found.statements == ("pitch_level:up",)
    assert not found.is_denied
    part = said("face", "The brows are raised and the head is tilted; the hands are not visible.")
    assert part.aspects == {"brow_raise", "head_tilt"}
    assert not part.is_denied


@pytest.mark.parametrize(
    ("text", "is_mentioned", "is_denied"),
    [
        ("A synthetic vowel rises.", True, False),
        ("The clip is silent. The pitch cannot be judged.", False, True),
        ("There is no sound; the track is silent.", False, True),
        ("Nobody speaks. A steady tone glides up.", True, True),
        ("Hard to say.", False, False),
    ],
)
def test_what_is_named_without_a_denial_is_mentioned(text: str, is_mentioned: bool, is_denied: bool) -> None:
    found = said("voice", text)
    assert (found.is_mentioned, found.is_denied) == (is_mentioned, is_denied)


def test_where_there_is_no_description_the_replies_stand_for_it() -> None:
    assert said("voice", None, ["There is no sound."]).is_denied
    assert said("voice", None) == Said("", (), False, False)


class SensingBackend:
    """A chat server in the process that tells what it perceives, or fails."""

    def __init__(self, senses: Senses, failure: RequestFailed | None = None) -> None:
        self.senses = senses
        self.failure = failure
        self.texts: list[str] = []

    async def complete(self, request: ChatRequest) -> Reply:
        body = orjson.loads(request.body("m", "vllm"))
        self.texts.append(request.text)
        await asyncio.sleep(0)
        if self.failure:
            raise self.failure
        return Reply(200, self.senses.reply(body), "stop", 10, 5, 10, 0.1, 1, "2026-01-01T00:00:00+00:00")


class OpenSenses:
    """An open engine over such a server (OpenEngine)."""

    dialect = "vllm"
    limit: Any = None
    identity = ModelIdentity("endpoint", "m", None, None)

    def __init__(self, backend: SensingBackend) -> None:
        self._backend = backend

    def engine(self, parts: RunParts) -> ChatEngine:
        return ChatEngine(
            parts.prompt,
            self._backend,
            parts.ledger,
            self.identity,
            "vllm",
            parts.seed,
            parts.on_reply,
            book=parts.book,
        )

    def cache_counts(self) -> dict[str, int]:
        return {}


@asynccontextmanager
async def parts_at(path: Path, prompt: Prompt = COT) -> AsyncIterator[RunParts]:
    """Open a run's ledger."""
    with Ledger(path / "ledger.sqlite") as ledger:
        yield RunParts(prompt, ledger, None, None)


async def asked(path: Path, backend: SensingBackend, mode: Any = "warn", prompt: Prompt = COT) -> Any:
    """Return the report and what was announced."""
    lines: list[str] = []
    opened: Any = OpenSenses(backend)
    async with parts_at(path, prompt) as parts:
        report = await ask_canaries(mode, opened, parts, lines.append)
    return report, lines


@pytest.mark.parametrize("prompt", [COT, GROUNDED, load_prompt(REPOSITORY / "prompts" / "cot_v1.yaml")])
async def test_a_truthful_server_passes_with_every_shipped_prompt(tmp_path: Path, prompt: Prompt) -> None:
    report, _ = await asked(tmp_path, SensingBackend(Senses()), "stop", prompt)
    assert {outcome.name: outcome.outcome for outcome in report.outcomes} == dict.fromkeys(
        ["tone", "silence", "face", "blank"], "passed"
    )
    assert (report.asked, report.replies) == (6, 6 * len(prompt.steps))


async def test_what_the_prompt_is_told_does_not_give_the_truth_away(tmp_path: Path) -> None:
    backend = SensingBackend(Senses())
    await asked(tmp_path, backend, prompt=GROUNDED)
    first = {text for text in backend.texts if "Earlier you observed" not in text}
    assert len(first) == 2, "both clips are asked about in the same words: one text of look, one of listen"
    assert not any("silence" in text or "no sound track" in text or "no picture" in text for text in first)
    assert any("VOICE: not measurable (not measured)" in text for text in first)


async def test_a_second_run_asks_nothing(tmp_path: Path) -> None:
    first, _ = await asked(tmp_path, SensingBackend(Senses()))
    backend = SensingBackend(Senses(ears="deaf"))
    second, _ = await asked(tmp_path, backend)
    assert backend.texts == []
    assert second.outcomes == first.outcomes
    assert (second.asked, second.replies) == (6, 0)


async def test_a_server_that_fails_is_told_and_stops_nothing(tmp_path: Path) -> None:
    backend = SensingBackend(Senses(), RequestFailed("server_error", "HTTP 400: no audio here", is_final=True))
    report, lines = await asked(tmp_path, backend, "stop")
    assert {outcome.outcome for outcome in report.outcomes} == {"inconclusive"}
    assert "no caption (server_error: HTTP 400: no audio here)" in lines[1]
    assert "this tells nothing of the sound" in lines[1]


async def test_a_fault_stops_or_warns_as_asked(tmp_path: Path) -> None:
    backend = SensingBackend(Senses(eyes="blind"))
    with pytest.raises(
        ServerError, match=r"canary 'face'.*picture of a face.*3 of 3.*picture is ignored.*canaries warn"
    ):
        await asked(tmp_path, backend, "stop")
    report, lines = await asked(tmp_path, backend, "warn")
    assert lines[1].startswith("warning: canary 'face'")
    assert canary_line(report.to_dict()) == (
        "canaries (6 captions, not counted above): tone passed, silence passed, face ignored, blank passed"
    )


async def test_canaries_of_what_a_prompt_does_not_take_are_left_out(tmp_path: Path) -> None:
    listen = COT.step("listen").model_copy(update={"template": "Listen."})
    only = COT.model_copy(update={"steps": [listen], "output": {"affect_description": "listen.description"}})
    report, _ = await asked(tmp_path, SensingBackend(Senses(ears="invents")), "warn", only)
    assert {outcome.name: outcome.outcome for outcome in report.outcomes} == {"tone": "passed", "silence": "invented"}
    text_only = only.model_copy(update={"steps": [listen.model_copy(update={"inputs": ["text"]})]})
    report, _ = await asked(tmp_path, SensingBackend(Senses()), "stop", text_only)
    assert report.to_dict() == {"mode": "stop", "asked": 0, "replies_asked_now": 0, "outcomes": {}}
    assert canary_line(report.to_dict()) is None


async def test_nothing_is_asked_where_canaries_are_off_or_nothing_but_measures(tmp_path: Path) -> None:
    backend = SensingBackend(Senses(ears="deaf"))
    report, _ = await asked(tmp_path, backend, "off")
    assert report.asked == 0
    cues = OpenCues(ModelIdentity("cues", "vaemo-cues", None, None), OpenSenses.limit)
    async with parts_at(tmp_path) as parts:
        assert (await ask_canaries("stop", cues, parts, lambda line: None)).asked == 0
    assert backend.texts == []
