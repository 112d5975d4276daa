"""The engine without a model: one caption or one typed reject, from the ledger where it stands there."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.measured_clip import measured_clip, planted_face, planted_voice, silent_voice
from vaemo_annotate.concurrency import FixedConcurrency
from vaemo_annotate.cue_book import ClipCues
from vaemo_annotate.engines.base import Caption, Reject
from vaemo_annotate.engines.cues import CuesEngine, identity
from vaemo_annotate.engines.opening import choose_engine
from vaemo_annotate.ledger import Ledger
from vaemo_annotate.media import ClipSource, EncodedMedia
from vaemo_annotate.reply import Reply
from vaemo_annotate.settings import RunSettings
from vaemo_clips.clip import Clip
from vaemo_clips.cues.measure import Measured
from vaemo_clips.errors import MediaError, ServerError
from vaemo_clips.faces.target import NoFace

CLIP = Clip(
    clip_id="a", path="a.mp4", sha256="a", start_s=None, end_s=None, duration_s=4.0, width=112, height=112, fps=25.0,
    n_frames=100, has_audio=True, audio_rate_hz=16_000, audio_channels=1, file_bytes=1, file_mtime_ns=1,
)  # fmt: skip
NOBODY = NoFace("no_face", "no face was found in 100 pictures")


class Book:
    """Knows the cues of every clip, or why there are none."""

    def __init__(self, found: Measured | MediaError) -> None:
        self.found = found
        self.asked: list[str] = []

    async def cues_of(self, clip: Clip) -> ClipCues:
        self.asked.append(clip.clip_id)
        await asyncio.sleep(0)
        if isinstance(self.found, MediaError):
            raise self.found
        return ClipCues.of(self.found.measurement)


class NoDecoder:
    """Fails where the engine wants to see the clip itself."""

    def memo_key(self, clip: Clip) -> bytes:
        return clip.sha256.encode()

    async def decode(self, clip: Clip) -> EncodedMedia:
        raise AssertionError("the cues engine sends no media")


class Desk:
    """An engine over a ledger in a folder, and the replies it made."""

    def __init__(self, ledger: Ledger, found: Measured | MediaError, seed: int | None = 0) -> None:
        self.ledger = ledger
        self.replies: list[Reply] = []
        self.book = Book(found)
        self.engine = CuesEngine(self.book, ledger, FixedConcurrency(2), seed, self.replies.append)

    async def caption(self, sample_index: int = 0, clip: Clip = CLIP) -> Any:
        return await self.engine.caption(ClipSource(clip, NoDecoder(), self.ledger), sample_index)


def talk() -> Measured:
    """A face and a voice."""
    return measured_clip(face=planted_face(), voice=planted_voice())


async def test_a_caption_has_all_fields_all_cues_and_the_rules_that_spoke(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        caption = await Desk(ledger, talk(), seed=3).caption()
    assert isinstance(caption, Caption)
    assert caption.fields.keys() == {
        "visual_description", "acoustic_description", "affect_description", "emotions", "valence", "arousal",
        "confidence", "cues",
    }  # fmt: skip
    assert [cue["name"] for cue in caption.fields["cues"]] == [cue.name for cue in talk().measurement.cues]
    assert [step.name for step in caption.steps] == ["describe"]
    assert '"evidence"' in caption.steps[0].reply
    assert caption.seed == 3


async def test_the_same_cues_are_put_into_words_once(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        first, second = Desk(ledger, talk()), Desk(ledger, talk())
        one, other = await first.caption(), await second.caption()
    assert one == other
    assert (len(first.replies), len(second.replies)) == (1, 0)


async def test_two_clips_with_the_same_bytes_at_once_commit_one_reply(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        desk = Desk(ledger, talk())
        copies = [replace(CLIP, clip_id=name) for name in "abcd"]
        captions = await asyncio.gather(*(desk.caption(clip=clip) for clip in copies))
    assert len(desk.replies) == 1
    assert len({caption.request_sha256 for caption in captions}) == 1
    assert sorted(desk.book.asked) == ["a", "b", "c", "d"]


async def test_samples_say_the_same_in_other_words(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        desk = Desk(ledger, talk())
        samples = [await desk.caption(number) for number in range(4)]
    texts = {sample.fields["visual_description"] + sample.fields["acoustic_description"] for sample in samples}
    assert len(texts) > 1
    for name in ("cues", "emotions", "valence", "arousal", "confidence"):
        assert all(sample.fields[name] == samples[0].fields[name] for sample in samples)


@pytest.mark.parametrize("seed", [None, 0, 2**31 - 1])
async def test_what_is_said_hangs_on_cues_seed_and_sample_only(tmp_path: Path, seed: int | None) -> None:
    captions = []
    for name in ("one", "two"):
        with Ledger(tmp_path / f"{name}.sqlite") as ledger:
            captions.append(await Desk(ledger, talk(), seed).caption(clip=replace(CLIP, clip_id=name)))
    assert captions[0].fields == captions[1].fields
    assert captions[0].request_sha256 == captions[1].request_sha256


@pytest.mark.parametrize(
    ("measured", "detail"),
    [
        (measured_clip(face=NOBODY, voice=silent_voice()), "face: no_face; voice: silent"),
        (measured_clip(face=NOBODY), "face: no_face; voice: no_audio"),
        (measured_clip(voice=silent_voice()), "face: no_video; voice: silent"),
    ],
)
async def test_a_clip_with_neither_face_nor_voice_is_rejected_for_good(
    tmp_path: Path, measured: Measured, detail: str
) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        desk = Desk(ledger, measured)
        assert await desk.caption() == Reject("nothing_measured", detail, is_final=True)
    assert desk.replies == []


@pytest.mark.parametrize(
    ("measured", "said", "unsaid"),
    [
        (measured_clip(face=planted_face()), "visual_description", "acoustic_description"),
        (measured_clip(voice=planted_voice()), "acoustic_description", "visual_description"),
    ],
)
async def test_one_modality_is_enough_for_a_caption(tmp_path: Path, measured: Measured, said: str, unsaid: str) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        caption = await Desk(ledger, measured).caption()
    assert isinstance(caption, Caption)
    assert {cue["state"] for cue in caption.fields["cues"] if cue["value"] is not None} <= {"measured", "weak"}
    assert len(caption.fields[said]) > len(caption.fields[unsaid]) > 0
    assert not any(sign.isdigit() for sign in caption.fields[unsaid]), "nothing is said of what was not measured"


async def test_a_clip_that_cannot_be_measured_is_a_reject_that_can_get_better(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        outcome = await Desk(ledger, MediaError("decoder_timeout", "a.mp4: not decoded within 9 s")).caption()
    assert outcome == Reject("decoder_timeout", "a.mp4: not decoded within 9 s", is_final=False)


def test_who_speaks_is_the_digest_of_rules_phrases_and_norms() -> None:
    assert (identity().engine, identity().model) == ("cues", "vaemo-cues")
    assert len(str(identity().model_revision)) == 12
    assert identity() == identity()


def settings(tmp_path: Path, **options: Any) -> RunSettings:
    """Settings of a run."""
    return RunSettings(prompt=tmp_path / "p.yaml", clips=tmp_path / "c.parquet", out=tmp_path / "out", **options)


def test_auto_takes_a_server_before_a_gpu_before_the_rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAEMO_ENDPOINT", raising=False)
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert choose_engine(settings(tmp_path))[0] == "cues"
    assert "no CUDA device" in choose_engine(settings(tmp_path))[1]
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert choose_engine(settings(tmp_path, vllm_python=Path("/x/python")))[0] == "vllm"
    assert choose_engine(settings(tmp_path, endpoint="http://localhost:8000/v1"))[0] == "endpoint"
    monkeypatch.setenv("VAEMO_ENDPOINT", "http://localhost:8000/v1")
    assert choose_engine(settings(tmp_path)) == ("endpoint", "VAEMO_ENDPOINT")
    assert choose_engine(settings(tmp_path, engine="cues"))[0] == "cues"


def test_the_engine_endpoint_needs_a_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VAEMO_ENDPOINT", raising=False)
    with pytest.raises(ServerError, match=r"--engine endpoint needs --endpoint URL"):
        choose_engine(settings(tmp_path, engine="endpoint"))
