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
from vaemo_annotate.probes.canary_record import merged_canaries
from vaemo_annotate.probes.canary_verdict import judge_canaries
from vaemo_annotate.probes.statement import Said, quoted, reply_text, said
from vaemo_annotate.prompt import Prompt, load_prompt
from vaemo_annotate.quality.lexicon import Modality
from vaemo_annotate.reply import Reply
from vaemo_clips.errors import ServerError

COT = load_prompt(REPOSITORY / "prompts" / "cot_v2.yaml")
GROUNDED = load_prompt(REPOSITORY / "prompts" / "cot_v2_grounded.yaml")


def told(text: str, statements: Sequence[str] = (), denied: bool = False) -> Said:
    """Return what was said, as if it had been read."""
    return Said(text, tuple(statements), bool(statements), denied, denied)


DENIAL = told("There is no sound.", denied=True)
HIGH = told("The pitch is high.", ["pitch_level:up"])
LOUD = told("The voice is loud.", ["loudness:up"])
VAGUE = told("Hard to say.")


@pytest.mark.parametrize(
    "text", ["ҷ oiceﶶㇱ voice rises in pitch 䙙 z ǣ 崚S9 no sound ꕗ pit oiceQ", "声音很大,没有画面。"]
)
def test_what_is_no_english_says_nothing(text: str) -> None:
    read = said("voice", text)
    assert (read.statements, read.is_mentioned, read.is_denied) == ((), False, False)
    assert read.text == text


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


@pytest.mark.parametrize(
    ("modality", "text", "further"),
    [
        ("voice", "There is no speech in the audio, only a synthetic tone that rises in pitch.", []),
        ("voice", "The audio contains no speech, just a low hum that repeats four times.", []),
        ("voice", "There is a siren-like wail; no speech can be heard.", []),
        ("voice", "There is no speech, only a synthetic tone.", ["sound: other.\nother sounds: a synthetic tone."]),
        ("voice", "No voice is present, but a sound rises in pitch.", []),
        ("voice", "The audio is silent except for a low hum.", []),
        ("voice", "The voice is soft; no other sounds are heard.", []),
        ("face", "There is no real person in the video, only a cartoon face that smiles.", []),
        ("face", "The video shows a cartoon drawing; no person is visible.", []),
        ("face", "No human face is visible, but an animated character turns to the side.", []),
        ("face", "The video shows a cartoon face on a black background.", []),
    ],
)
def test_who_tells_of_the_tone_or_the_drawing_passes_whatever_else_is_denied(
    modality: Modality, text: str, further: list[str]
) -> None:
    nothing = {"voice": "There is no sound.", "face": "The screen is black; no face is visible."}[modality]
    present, _ = judge_canaries(modality, [said(modality, text, further)] * 3, [said(modality, nothing)] * 3)
    assert present.outcome == "passed"


@pytest.mark.parametrize("text", ["No speech is heard.", "There are no voices.", "There are no spoken words."])
def test_who_hears_no_speech_alone_has_not_ignored_the_tone(text: str) -> None:
    tone, silence = judge_canaries("voice", [said("voice", text)] * 3, [said("voice", "There is no sound.")] * 3)
    assert (tone.outcome, silence.outcome) == ("inconclusive", "passed")


@pytest.mark.parametrize(
    ("modality", "text"),
    [
        ("voice", "There is no speech, sound, or music."),
        ("voice", "No speech, music, or other sounds are audible."),
        ("voice", "There is no voice or sound in the clip."),
        ("voice", "No audio was provided, so pitch, loudness, and rate are unavailable."),
        ("voice", "The audio is silent, making it impossible to judge the pitch."),
        ("voice", "There is no sound, the pitch is flat."),
        ("voice", "There is only silence."),
        ("voice", "The audio contains no speech or vocalisation; it is silent."),
        ("voice", "Silence: loudness is very low, pitch is flat, no pauses."),
        ("face", "The video is completely black, no face, brows, eyes or mouth are visible."),
        ("face", "The frames are black, so the person's expression is unreadable."),
        ("face", "No person is visible."),
    ],
)
def test_who_says_that_there_is_nothing_at_all_ignores_what_is_there(modality: Modality, text: str) -> None:
    present, _ = judge_canaries(modality, [said(modality, text)] * 3, [told("Hard to say.")] * 3)
    assert present.outcome == "ignored"


@pytest.mark.parametrize(
    ("modality", "text", "verdict"),
    [
        ("voice", "The audio is completely silent with no discernible speech, pitch is flat and loudness is low and "
                  "steady.", "passed"),
        ("voice", "The audio is silent, with very low loudness and a flat pitch.", "passed"),
        ("voice", "Silence: loudness is very low, pitch is flat, no pauses.", "passed"),
        ("face", "The screen is black; no face is visible, the head is still and nothing blinks.", "passed"),
        ("voice", "There is no speech, only a low hum.", "inconclusive"),
        ("voice", "The loudness is low and the pitch is flat.", "invented"),
        ("voice", "The audio is silent, yet the pitch is high and the voice is loud.", "invented"),
    ],
)  # fmt: skip
def test_honest_silence_may_be_called_flat_and_low(modality: Modality, text: str, verdict: str) -> None:
    _, absent = judge_canaries(modality, [told("Hard to say.")] * 3, [said(modality, text)] * 3)
    assert absent.outcome == verdict


def canaries_record(mode: str, tone: str, asked: int = 6) -> dict[str, Any]:
    """Return what run.json keeps of a run."""
    outcomes = {"tone": {"outcome": tone, "samples": [tone]}, "face": {"outcome": "passed", "samples": []}}
    return {"mode": mode, "asked": asked, "replies_asked_now": asked - 1, "outcomes": outcomes}


def test_of_several_shards_the_worst_outcome_of_each_canary_counts() -> None:
    records = [canaries_record("stop", "passed"), canaries_record("warn", "ignored"), canaries_record("warn", "passed")]
    merged = merged_canaries(records)
    assert merged is not None
    assert merged["outcomes"] == records[1]["outcomes"]
    assert (merged["mode"], merged["asked"], merged["replies_asked_now"]) == ("stop, warn", 18, 15)
    other = merged_canaries([canaries_record("warn", "inconclusive"), records[0]])
    assert other is not None
    assert other["outcomes"]["tone"]["samples"] == ["inconclusive"]
    assert merged_canaries([]) is None


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
