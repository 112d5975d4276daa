"""The book of measured cues: each clip measured once, held against its speaker's other clips."""

from __future__ import annotations

import csv
import hashlib
import math
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.faces import face_models
from vaemo_annotate.cue_book import ClipCues, CueBook
from vaemo_annotate.ledger import Ledger
from vaemo_annotate.references import REFERENCE_CLIPS, reference_clips, speaker_of
from vaemo_clips.clip import Clip
from vaemo_clips.cues.cue import Cue, by_name
from vaemo_clips.cues.face_cues import FACE_CUES
from vaemo_clips.cues.norms import SpeakerReference, population_norms
from vaemo_clips.demo import DemoClip
from vaemo_clips.errors import MediaError
from vaemo_clips.index import index
from vaemo_clips.manifest import Manifest
from vaemo_clips.voice.cues import VOICE_CUES

NUM_CLIPS = 5
PRIOR_CLIPS = 4


class CountingPool:
    """A pool that works in this process and keeps the names of what it measured."""

    def __init__(self) -> None:
        self.measured: list[str] = []

    def schedule(self, function: Callable[..., Any], args: tuple[Any, ...], timeout: float) -> Future[Any]:
        """Do the job at once (as pebble.ProcessPool.schedule)."""
        assert timeout > 0
        self.measured.append(Path(args[0]).name)
        done: Future[Any] = Future()
        try:
            done.set_result(function(*args))
        except MediaError as error:
            done.set_exception(error)
        return done


@pytest.fixture(scope="module")
def folder(talking_heads: list[DemoClip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 1.2 s of five clips of one speaker and of two of another, and a ledger that has measured them."""
    face_models()
    folder = tmp_path_factory.mktemp("book")
    chosen = [*talking_heads[:NUM_CLIPS], *talking_heads[7:9]]
    with (folder / "clips.csv").open("w", newline="") as file:
        rows = [[clip.file.name, 0.0, 1.2, clip.speaker] for clip in chosen]
        csv.writer(file).writerows([["path", "start_s", "end_s", "speaker"], *rows])
    for clip in chosen:
        shutil.copy(clip.file, folder / clip.file.name)
    index(folder / "clips.csv", folder / "clips.parquet", workers=1)
    return folder


@pytest.fixture
def own(folder: Path, tmp_path: Path) -> Path:
    """A copy of the folder for a test that changes files; what was measured is still known."""
    shutil.copytree(folder, tmp_path / "own")
    return tmp_path / "own"


def clips_of(folder: Path) -> list[Clip]:
    """The clips of the folder's manifest."""
    return list(Manifest.open(folder / "clips.parquet").clips())


async def read(folder: Path, clips: Iterable[Clip]) -> tuple[list[ClipCues | MediaError], CountingPool, int]:
    """Meet the speakers, then take the cues of each clip; tell also what was measured and how many speakers."""
    pool, listed = CountingPool(), list(clips)
    with Ledger(folder / "ledger.sqlite") as ledger:
        book = CueBook(folder, pool, ledger)
        references = reference_clips(listed, frozenset(filter(None, map(speaker_of, listed))))
        told: list[tuple[int, int]] = []
        await book.meet_speakers(references, 2, lambda done, total: told.append((done, total)))
        total = sum(map(len, references.values()))
        assert told == [(done + 1, total) for done in range(total)]
        found: list[ClipCues | MediaError] = []
        for clip in listed:
            try:
                found.append(await book.cues_of(clip))
            except MediaError as error:
                found.append(error)
    return found, pool, len(references)


async def cues_in(folder: Path, clips: Iterable[Clip] | None = None) -> list[dict[str, Cue]]:
    """The cues of each clip by name; every one of them can be measured."""
    found, _, _ = await read(folder, clips_of(folder) if clips is None else clips)
    return [by_name(item.cues) for item in found if isinstance(item, ClipCues)]


async def test_every_clip_is_measured_once_although_its_speaker_is_met_before(folder: Path) -> None:
    (folder / "ledger.sqlite").unlink(missing_ok=True)
    clips = clips_of(folder)
    found, pool, num_speakers = await read(folder, clips)
    assert sorted(pool.measured) == sorted(clip.path for clip in clips)
    assert num_speakers == 1, "the other speaker has two clips only"
    assert all(isinstance(item, ClipCues) for item in found)
    again, pool, _ = await read(folder, clips)
    assert pool.measured == []
    assert again == found


async def test_all_cues_are_there_for_every_clip_face_before_voice(folder: Path) -> None:
    for cues in await cues_in(folder):
        assert list(cues) == [name for name, _ in (*FACE_CUES, *VOICE_CUES)]


async def test_speaker_sd_is_the_distance_from_the_speakers_other_clips(folder: Path) -> None:
    """By hand: mean and spread of the other four, the spread drawn to people's as by four more clips."""
    found = (await cues_in(folder))[:NUM_CLIPS]
    checked = 0
    for number, cues in enumerate(found):
        for name, cue in cues.items():
            others = [other[name].value for k, other in enumerate(found) if k != number]
            known = [value for value in others if value is not None]
            if cue.value is None or len(known) < 3:
                assert cue.speaker_sd is None
                continue
            mean, norm = sum(known) / len(known), population_norms().get(name)
            weight, prior = (PRIOR_CLIPS, PRIOR_CLIPS * norm.sd**2) if norm else (0, 0.0)
            squares = sum((value - mean) ** 2 for value in known)
            if squares + prior < 1e-18:
                assert cue.speaker_sd is None, f"{name}: the others are all alike, {known}"
                continue
            sd = math.sqrt((squares + prior) / (len(known) - 1 + weight))
            assert cue.speaker_sd == pytest.approx((cue.value - mean) / sd, rel=1e-6, abs=1e-6), name
            checked += 1
    assert checked > 0.6 * NUM_CLIPS * len(found[0])


async def test_a_clips_own_value_is_not_part_of_its_reference(folder: Path) -> None:
    """Repeating a clip four times over gives it a reference of copies only: it lies in its middle."""
    clip = clips_of(folder)[0]
    copies = [replace(clip, clip_id=f"copy-{number}") for number in range(4)]
    for cues in await cues_in(folder, copies):
        assert cues["f0_median"].speaker_sd == pytest.approx(0.0, abs=1e-6)
        assert cues["f0_median"].population_sd != 0.0


async def test_a_speaker_with_three_clips_has_no_reference(folder: Path) -> None:
    clips = clips_of(folder)
    found, _, num_speakers = await read(folder, [*clips[:3], *clips[NUM_CLIPS:]])
    assert num_speakers == 0
    cues = [cue for item in found if isinstance(item, ClipCues) for cue in item.cues]
    assert {cue.speaker_sd for cue in cues} == {None}
    assert any(cue.population_sd is not None for cue in cues)


async def test_without_the_column_nobody_is_held_against_a_speaker(folder: Path) -> None:
    nameless = [replace(clip, extra={}) for clip in clips_of(folder)]
    found, pool, num_speakers = await read(folder, nameless)
    assert num_speakers == 0
    assert pool.measured == [], "who speaks changes nothing about what is measured"
    assert {cue.speaker_sd for item in found if isinstance(item, ClipCues) for cue in item.cues} == {None}


@pytest.mark.parametrize(("given", "speaker"), [({}, None), ({"speaker": None}, None), ({"speaker": ""}, None),
                                                ({"speaker": 7}, "7"), ({"speaker": "s01"}, "s01")])  # fmt: skip
def test_a_speaker_is_who_the_manifest_names(folder: Path, given: dict[str, Any], speaker: str | None) -> None:
    assert speaker_of(replace(clips_of(folder)[0], extra=given)) == speaker


async def test_a_clip_that_cannot_be_decoded_does_not_stop_its_speakers_others(own: Path) -> None:
    clips = clips_of(own)
    garbage = own / "garbage.mp4"
    garbage.write_bytes(b"no media at all" * 99)
    facts = garbage.stat()
    bad = replace(
        clips[1], clip_id="bad", path=garbage.name, file_bytes=facts.st_size, file_mtime_ns=facts.st_mtime_ns,
        sha256=hashlib.sha256(garbage.read_bytes()).hexdigest(),
    )  # fmt: skip
    found, _, num_speakers = await read(own, [bad, *clips[:NUM_CLIPS]])
    assert num_speakers == 1
    assert isinstance(found[0], MediaError)
    assert found[0].reason in ("not_media", "corrupt")
    assert found[1:] == (await read(own, clips[:NUM_CLIPS]))[0]


async def test_a_changed_file_is_refused_until_it_is_indexed_again_and_then_measured(own: Path) -> None:
    clips = clips_of(own)
    first = own / clips[0].path
    shutil.copy(own / clips[1].path, first)
    found, _, _ = await read(own, clips[:2])
    assert isinstance(found[0], MediaError)
    assert found[0].reason == "file_changed"
    index(own / "clips.csv", own / "clips.parquet", workers=1)
    found, pool, _ = await read(own, clips_of(own)[:2])
    assert pool.measured == [], "these bytes were measured before, under another name"
    assert found[0] == found[1]
    first.write_bytes(first.read_bytes() + b"\0\0\0\x08free")
    index(own / "clips.csv", own / "clips.parquet", workers=1)
    found, pool, _ = await read(own, clips_of(own)[:2])
    assert pool.measured == [first.name]
    assert found[0] == found[1]


async def test_another_stretch_of_the_same_file_is_measured_by_itself(own: Path) -> None:
    clip = clips_of(own)[0]
    later = replace(clip, clip_id="later", start_s=1.2, end_s=2.4)
    found, pool, _ = await read(own, [clip, later])
    assert pool.measured == [clip.path]
    assert isinstance(found[0], ClipCues)
    assert isinstance(found[1], ClipCues)
    assert found[0].digest != found[1].digest


async def test_the_digest_of_cues_hangs_on_the_speakers_other_clips(folder: Path) -> None:
    """So that a caption is written anew when a speaker's further clips come to a manifest."""
    clips = clips_of(folder)[:NUM_CLIPS]
    (all_five, *_), _, _ = await read(folder, clips)
    (four, *_), _, _ = await read(folder, clips[:4])
    assert isinstance(all_five, ClipCues)
    assert isinstance(four, ClipCues)
    assert all_five.digest != four.digest
    assert [cue.value for cue in all_five.cues] == [cue.value for cue in four.cues]


def test_other_clips_that_are_all_alike_give_no_reference() -> None:
    """Pauses of 0.25 s, whose spread is 0, would make one of 0.24 s infinitely short."""
    lengths = {"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.24}
    reference = SpeakerReference({name: [Cue("pause_length", value, "s", 1.0)] for name, value in lengths.items()})
    assert "pause_length" not in population_norms()
    assert reference.norm("pause_length", "d") is None
    norm = reference.norm("pause_length", "a")
    assert norm is not None
    assert norm.distance(0.25) == pytest.approx((0.25 - 0.74 / 3) / math.sqrt(0.01**2 * 2 / 3 / 2))


def test_the_same_few_clips_stand_for_a_speaker_whatever_their_order(folder: Path) -> None:
    clip = clips_of(folder)[0]
    many = [replace(clip, clip_id=f"c{number}") for number in range(3 * REFERENCE_CLIPS)]
    one, other = (reference_clips(clips, frozenset({"s00", "s99"})) for clips in (many, many[::-1]))
    assert one == other
    assert one.keys() == {"s00"}
    assert len({item.clip_id for item in one["s00"]}) == REFERENCE_CLIPS


async def test_clips_beyond_the_few_are_held_against_these(folder: Path) -> None:
    """A clip that does not stand for its speaker itself is judged all the same, and measured once."""
    clip, other = clips_of(folder)[:2]
    many = [replace(clip, clip_id=f"c{number}") for number in range(3 * REFERENCE_CLIPS)]
    for cues in await cues_in(folder, [*many, replace(other, clip_id="other")]):
        assert cues["f0_median"].speaker_sd is not None
