"""Measured cues through the command line: captions without a model, cues in prompts, real and broken media."""

from __future__ import annotations

import asyncio
import csv
import html
import json
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import imageio_ffmpeg
import numpy as np
import pyarrow as pa
import pytest
import pytest_asyncio
import yaml
from aiohttp.test_utils import TestServer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from scipy.io import wavfile

from tests.support.faces import face_models
from tests.support.fake_server import FakeServer
from tests.support.media_files import Picture, Sound, steady, write_media
from tests.support.real_data import real_data
from tests.support.servers import REPOSITORY
from tests.support.workspace import PROMPTS, Workspace, annotate, call, clean_environment
from vaemo_annotate.wording.measures import human_name
from vaemo_clips.audio import decode_audio
from vaemo_clips.caption import CUE_TYPE
from vaemo_clips.cues.face_cues import FACE_CUES
from vaemo_clips.demo import DemoClip
from vaemo_clips.video import decode_frames
from vaemo_clips.voice.cues import VOICE_CUES

GROUNDED = PROMPTS / "cot_v2_grounded.yaml"
FACE_NAMES = [name for name, _ in FACE_CUES]
CUE_NAMES = FACE_NAMES + [name for name, _ in VOICE_CUES]
NAMED = {name: re.escape(human_name(name)) for name in CUE_NAMES}
CUT_S = 3.0
LONG = (
    "hevc_portrait_1080x1920_a.mp4", "low_light_half_shadow.mp4", "silent_audio_20s.mp4",
    "tall_480x908_silent.mp4", "vfr_22fps_office.mp4", "talk_face_2.mp4", "talk_face_5.mp4", "noaudio_phone_night.mp4",
)  # fmt: skip
"""Real clips whose first seconds tell as much as the whole."""


def ffmpeg(*arguments: str | Path) -> None:
    """Run ffmpeg."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *(str(argument) for argument in arguments)]
    subprocess.run(command, check=True, capture_output=True)


def cues_run(workspace: Workspace, out: str = "out", *options: str, prompt: str = "cot_v2") -> list[str]:
    """The arguments of a run that finds no server."""
    arguments = ["run", "--prompt", str(PROMPTS / f"{prompt}.yaml"), "--clips", str(workspace.manifest)]
    return [*arguments, "--out", str(workspace.folder / out), *options]


def indexed(folder: Path, header: list[str], rows: list[list[Any]], root: Path) -> Workspace:
    """A workspace whose manifest lists the rows."""
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    done = annotate("index", folder / "table.csv", "--root", root, "--out", folder / "clips.parquet")
    assert done.returncode == 0, done.stderr
    return Workspace(folder)


@dataclass(frozen=True)
class FirstRun:
    """A finished run of `auto` and what it said."""

    workspace: Workspace
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def first(talking_heads: list[DemoClip], tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    """Five talks of s00, one of them muted and one more as sound alone, one of s01, and bars with clicks."""
    face_models()
    folder = tmp_path_factory.mktemp("cues")
    clips = folder / "clips"
    clips.mkdir()
    rows = []
    for clip in [*talking_heads[:4], talking_heads[7]]:
        shutil.copy(clip.file, clips / clip.file.name)
        rows.append([clip.file.name, clip.speaker])
    ffmpeg("-i", talking_heads[5].file, "-an", "-c", "copy", clips / "muted.mp4")
    ffmpeg("-i", talking_heads[6].file, "-vn", "-c:a", "pcm_s16le", clips / "unseen.wav")
    write_media(clips / "bars.mp4", Picture(steady(25)), Sound([0.5], end_s=1.0))
    rows += [["muted.mp4", "s00"], ["unseen.wav", "s00"], ["bars.mp4", ""]]
    workspace = indexed(folder, ["path", "speaker"], rows, clips)
    done = annotate(*cues_run(workspace))
    assert done.returncode == 0, done.stderr
    return FirstRun(workspace, done.stdout, done.stderr)


@pytest.fixture
def copy(first: FirstRun, tmp_path: Path) -> Workspace:
    """The first run's workspace, its ledger included, for a test that goes on from there."""
    shutil.copy(first.workspace.manifest, tmp_path / "clips.parquet")
    shutil.copytree(first.workspace.folder / "out", tmp_path / "out")
    return Workspace(tmp_path)


@pytest.fixture(scope="module")
def brief(talking_heads: list[DemoClip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A manifest of the first second of six talks: four of s00, two of s01."""
    folder = tmp_path_factory.mktemp("brief")
    chosen = [*talking_heads[:4], *talking_heads[7:9]]
    rows = [[clip.file.name, 0.0, 1.0, clip.speaker] for clip in chosen]
    return indexed(folder, ["path", "start_s", "end_s", "speaker"], rows, chosen[0].file.parent).manifest


@pytest.fixture
def brief_workspace(brief: Path, tmp_path: Path) -> Workspace:
    """A fresh workspace over the six brief clips."""
    face_models()
    shutil.copy(brief, tmp_path / "clips.parquet")
    return Workspace(tmp_path)


def row_of(workspace: Workspace, path: str) -> dict[str, Any]:
    """The caption of a file."""
    (row,) = [row for row in workspace.dataset() if row["path"] == path]
    return dict(row)


def without_times(rows: Iterator[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without what differs between two equal runs."""
    return [{name: value for name, value in row.items() if name not in ("created_at", "steps")} for row in rows]


def test_auto_without_a_server_comes_to_cues_and_says_so(first: FirstRun) -> None:
    assert "engine: cues (no --endpoint, no VAEMO_ENDPOINT, no CUDA device with vLLM" in first.stderr
    assert "cues are held against each speaker's other clips (1 speaker) and against people's" in first.stderr
    assert "7 captions + 1 rejects = 8" in first.stdout
    record = json.loads((first.workspace.folder / "out" / "run.json").read_text())
    assert (record["engine"]["name"], record["engine"]["model"]) == ("cues", "vaemo-cues")


def test_every_row_has_every_cue_in_the_schema_of_the_contract(first: FirstRun) -> None:
    dataset = first.workspace.dataset()
    kind = dataset.data.table.schema.field("cues").type
    assert pa.types.is_list(kind)
    assert [(field.name, field.type) for field in kind.value_type] == [(field.name, field.type) for field in CUE_TYPE]
    for row in dataset:
        assert [cue["name"] for cue in row["cues"]] == CUE_NAMES
        assert all((cue["value"] is None) == (cue["state"] == "not_measurable") for cue in row["cues"])
        assert all((cue["reason"] is None) == (cue["state"] == "measured") for cue in row["cues"])


def test_a_clip_with_neither_face_nor_speech_is_rejected_with_both_reasons(first: FirstRun) -> None:
    (reject,) = first.workspace.dataset(part="rejects")
    assert (reject["path"], reject["reject_reason"]) == ("bars.mp4", "nothing_measured")
    assert reject["reject_detail"] == "face: no_face; voice: no_speech"


def test_a_clip_without_sound_and_one_without_picture_are_captioned_from_the_other_half(first: FirstRun) -> None:
    muted, unseen = row_of(first.workspace, "muted.mp4"), row_of(first.workspace, "unseen.wav")
    for row, gone, reason in ((muted, CUE_NAMES[len(FACE_NAMES) :], "no_audio"), (unseen, FACE_NAMES, "no_video")):
        assert {cue["reason"] for cue in row["cues"] if cue["name"] in gone} == {reason}
        assert all(cue["value"] is None for cue in row["cues"] if cue["name"] in gone)
        assert sum(cue["value"] is not None for cue in row["cues"] if cue["name"] not in gone) >= 15
        assert len(row["affect_description"]) > 60
        assert row["emotions"]
    assert len(muted["visual_description"]) > len(muted["acoustic_description"])
    assert len(unseen["acoustic_description"]) > len(unseen["visual_description"])


def test_the_speakers_other_clips_are_the_reference_where_there_are_enough(first: FirstRun) -> None:
    alone = next(row for row in first.workspace.dataset() if row["speaker"] == "s01")
    assert {cue["speaker_sd"] for cue in alone["cues"]} == {None}
    for row in first.workspace.dataset():
        if row["speaker"] == "s00":
            held = [cue for cue in row["cues"] if cue["speaker_sd"] is not None]
            assert len(held) >= 15, row["path"]
            assert all(abs(cue["speaker_sd"]) < 100 for cue in held)


def test_running_again_asks_nothing_and_gives_the_same_bytes(first: FirstRun, copy: Workspace) -> None:
    again = annotate(*cues_run(copy))
    assert again.returncode == 0, again.stderr
    assert "0 replies asked for now" in again.stdout
    assert copy.dataset().to_list() == first.workspace.dataset().to_list()
    assert copy.dataset(part="rejects").to_list() == first.workspace.dataset(part="rejects").to_list()
    assert noted(copy) == noted(first.workspace)


def noted(workspace: Workspace, out: str = "out") -> dict[bytes, bytes]:
    """What a ledger knows of the media, by key."""
    with sqlite3.connect(workspace.folder / out / "ledger.sqlite") as ledger:
        return dict(ledger.execute("SELECT key, facts FROM media"))


def test_killed_anywhere_and_resumed_it_gives_what_an_uninterrupted_run_gives(first: FirstRun, tmp_path: Path) -> None:
    """Killed before a commit, after one, between two tables of the dataset, and while it is put in place."""
    shutil.copy(first.workspace.manifest, tmp_path / "clips.parquet")
    workspace = Workspace(tmp_path)
    known: dict[bytes, bytes] = {}
    for moment, count in (("write", 4), ("commit", 4), ("write", 6), ("stream", 1), ("swap", 1)):
        killer = [sys.executable, "-m", "tests.support.killed_run", moment, str(count), *cues_run(workspace)]
        done = subprocess.run(killer, cwd=REPOSITORY, env=clean_environment(), capture_output=True, check=False)
        assert done.returncode == -signal.SIGKILL, f"{moment} {count}: {done.stderr.decode()}"
        assert known.items() <= noted(workspace).items(), f"{moment} {count}: a measurement was lost or made again"
        known = noted(workspace)
    assert annotate(*cues_run(workspace)).returncode == 0
    assert workspace.comparable() == first.workspace.comparable()
    assert without_times(workspace.dataset(part="rejects")) == without_times(first.workspace.dataset(part="rejects"))
    assert noted(workspace).keys() == noted(first.workspace).keys()


def numbers(row: dict[str, Any]) -> list[str]:
    """All numbers in a caption, sorted."""
    said = " ".join(row[f"{which}_description"] for which in ("visual", "acoustic", "affect"))
    return sorted(re.findall(r"(?<![A-Za-z])\d+(?:\.\d+)?", said))


def test_a_second_sample_says_the_same_numbers_in_other_words(first: FirstRun, copy: Workspace) -> None:
    done = annotate(*cues_run(copy, "out", "--samples", "2"))
    assert done.returncode == 0, done.stderr
    assert "14 captions + 2 rejects = 16" in done.stdout
    assert "7 replies asked for now" in done.stdout
    rows = copy.dataset().to_list()
    for one, other in zip(rows[::2], rows[1::2], strict=True):
        assert (one["sample_index"], other["sample_index"]) == (0, 1)
        assert numbers(one) == numbers(other)
        assert one["cues"] == other["cues"]
        same = ("clip_id", "emotions", "valence", "arousal", "confidence")
        assert [one[name] for name in same] == [other[name] for name in same]
        assert one["affect_description"] != other["affect_description"]
    assert rows[::2] == first.workspace.dataset().to_list()


def test_shards_merge_to_what_one_run_gives(brief_workspace: Workspace) -> None:
    for options in (["--shard", "1/2"], ["--shard", "2/2"]):
        done = annotate(*cues_run(brief_workspace, "out", "--engine", "cues", *options))
        assert done.returncode == 0, done.stderr
    merged = annotate("merge", brief_workspace.folder / "out")
    assert merged.returncode == 0, merged.stderr
    assert "6 captions and 0 rejects of 2 shards" in merged.stdout
    assert annotate(*cues_run(brief_workspace, "whole", "--engine", "cues")).returncode == 0
    assert brief_workspace.comparable() == brief_workspace.comparable("whole")
    assert len({row["path"] for row in brief_workspace.dataset()}) == 6


def test_a_pilot_shows_its_captions_on_its_page_and_the_run_keeps_them(brief_workspace: Workspace) -> None:
    done = annotate(*cues_run(brief_workspace, "out", "--engine", "cues", "--pilot", "3"))
    assert done.returncode == 0, done.stderr
    assert "all 6 clips would take about 6 requests" in done.stdout
    assert "at the pilot's pace that is 0 s" not in done.stdout, "the speakers were measured, and that takes its time"
    rows = brief_workspace.dataset("out", "pilot/dataset").to_list()
    assert len(rows) == 3
    shown = html.unescape((brief_workspace.folder / "out" / "pilot" / "index.html").read_text(encoding="utf-8"))
    for row in rows:
        for which in ("visual", "acoustic", "affect"):
            assert row[f"{which}_description"] in shown
        assert row["clip_id"] in shown
    whole = annotate(*cues_run(brief_workspace, "out", "--engine", "cues"))
    assert "3 replies asked for now" in whole.stdout
    kept = {row["clip_id"]: row for row in brief_workspace.dataset().to_list()}
    assert [kept[row["clip_id"]] for row in rows] == rows


@dataclass(frozen=True)
class Asked:
    """A server that keeps what it is asked."""

    server: FakeServer
    url: str

    def texts(self, step: str) -> list[str]:
        """The user's texts of a step's requests."""
        bodies = [b for b in self.server.bodies if b["response_format"]["json_schema"]["name"] == step]
        return ["\n".join(part["text"] for part in parts_of(body) if part["type"] == "text") for body in bodies]


def parts_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The parts of a request's last message."""
    content = body["messages"][-1]["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


@pytest_asyncio.fixture
async def asked() -> AsyncIterator[Asked]:
    """A fake server in this process."""
    server = FakeServer()
    server.keep_bodies = True
    async with TestServer(server.app()) as running:
        yield Asked(server, str(running.make_url("/v1")))


async def test_a_grounded_prompt_shows_each_step_what_was_measured_of_its_half(
    brief_workspace: Workspace, asked: Asked
) -> None:
    done = await asyncio.to_thread(brief_workspace.run, asked.url, prompt=GROUNDED)
    assert done.returncode == 0, done.stderr
    look, listen, reason = (asked.texts(step) for step in ("look", "listen", "reason"))
    assert [len(texts) for texts in (look, listen, reason)] == [6, 6, 6]
    brow, pitch = rf"\n{NAMED['brow_raise']}: 0\.\d+ eye distances, people", rf"\n{NAMED['f0_median']}: \d+ Hz"
    for texts, shows_face, shows_voice in ((look, True, False), (listen, False, True), (reason, True, True)):
        for text in texts:
            assert ("\nFACE (from" in text, "\nVOICE (from" in text) == (shows_face, shows_voice)
            assert (bool(re.search(brow, text)), bool(re.search(pitch, text))) == (shows_face, shows_voice), text
    assert sum("speaker +" in text or "speaker -" in text for text in look) == 4, "s00 has four clips, s01 two"
    rows = brief_workspace.dataset().to_list()
    assert len(rows) == 6
    assert all([cue["name"] for cue in row["cues"]] == CUE_NAMES for row in rows)
    measured = next(cue["value"] for cue in rows[0]["cues"] if cue["name"] == "f0_median")
    assert any(re.search(rf"\n{NAMED['f0_median']}: {measured:.0f} Hz", text) for text in listen)


async def test_a_prompt_without_cues_measures_nothing(brief_workspace: Workspace, asked: Asked) -> None:
    done = await asyncio.to_thread(brief_workspace.run, asked.url, limit=2)
    assert done.returncode == 0, done.stderr
    assert "measuring" not in done.stderr
    assert [row["cues"] for row in brief_workspace.dataset()] in ([None, None], [[], []])
    facts = [json.loads(content) for content in noted(brief_workspace).values()]
    assert [sorted(content) for content in facts] == [["audio", "video"]] * 2
    assert not any("Measured by software" in text for step in ("look", "reason") for text in asked.texts(step))


async def test_a_prompt_of_cues_alone_sends_text_only(brief_workspace: Workspace, asked: Asked, tmp_path: Path) -> None:
    schema = {"type": "object", "required": ["said"], "properties": {"said": {"type": "string", "maxLength": 80}}}
    step = {"name": "judge", "inputs": ["cues"], "template": "Measured:\n{{ cues.all }}", "schema": schema}
    content = {"name": "numbers", "version": "1", "description": "x", "system": "x", "steps": [step],
               "output": {"affect_description": "judge.said"}}  # fmt: skip
    (tmp_path / "numbers.yaml").write_text(yaml.safe_dump(content))
    done = await asyncio.to_thread(brief_workspace.run, asked.url, prompt=tmp_path / "numbers.yaml", limit=2)
    assert done.returncode == 0, done.stderr
    assert [{part["type"] for part in parts_of(body)} for body in asked.server.bodies] == [{"text"}, {"text"}]
    assert all("FACE (from" in text and "VOICE (from" in text for text in asked.texts("judge"))
    assert all(row["affect_description"] and len(row["cues"]) == len(CUE_NAMES) for row in brief_workspace.dataset())


def test_the_prompt_command_shows_the_numbers_of_a_clip(talking_heads: list[DemoClip]) -> None:
    face_models()
    clip = talking_heads[3]
    done = annotate("prompt", GROUNDED, "--clip", clip.file)
    assert done.returncode == 0, done.stderr
    look, listen = done.stdout.split("step look")[1].split("step listen")
    assert re.search(rf"\n *{NAMED['brow_raise']}: 0\.\d+ eye distances, people [+-]\d\.\d sd", look)
    pitch = re.search(rf"\n *{NAMED['f0_median']}: (\d+) Hz", listen)
    assert pitch is not None
    assert int(pitch[1]) == pytest.approx(clip.planted.f0_median_hz, rel=0.05)


@pytest.mark.vllm
@pytest.mark.timeout(600)
def test_a_grounded_prompt_goes_through_a_real_vllm_server(brief_workspace: Workspace, vllm_url: str) -> None:
    done = brief_workspace.run(vllm_url, prompt=GROUNDED, limit=2, max_reject_rate=1.0)
    assert done.returncode == 0, done.stderr
    accepted, rejected = brief_workspace.dataset().to_list(), brief_workspace.dataset(part="rejects").to_list()
    assert len(accepted) + len(rejected) == 2
    transport = {"server_gone", "server_error", "timeout", "connection", "template_error"}
    assert transport.isdisjoint(row["reject_reason"] for row in rejected)
    assert all([cue["name"] for cue in row["cues"]] == CUE_NAMES for row in accepted)
    assert all(step["prompt_tokens"] > 800 for row in [*accepted, *rejected] for step in row["steps"])
    assert len(noted(brief_workspace)) == 2 + 4, "the media of two clips, the cues of the four of their speaker"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The 31 real clips (of the longer ones the first seconds) after a run of the cues engine."""
    face_models()
    folder = real_data("clips")
    with (folder / "clips.csv").open(newline="", encoding="utf-8") as file:
        names = [row["file"] for row in csv.DictReader(file)]
    rows = [[name, 0.0, CUT_S] if name in LONG else [name, None, None] for name in names]
    workspace = indexed(tmp_path_factory.mktemp("real"), ["path", "start_s", "end_s"], rows, folder)
    done = annotate(*cues_run(workspace, "out", "--engine", "cues", "--max-reject-rate", "1"))
    assert done.returncode == 0, done.stderr
    return workspace


def reasons(row: dict[str, Any], names: list[str]) -> Counter[str]:
    """How often each reason stands at the cues."""
    return Counter(cue["reason"] for cue in row["cues"] if cue["name"] in names)


def test_real_clips_with_nobody_in_them_are_rejected_and_all_others_captioned(real: Workspace) -> None:
    rejected = {row["path"]: row["reject_detail"] for row in real.dataset(part="rejects")}
    assert {row["reject_reason"] for row in real.dataset(part="rejects")} == {"nothing_measured"}
    assert rejected == {
        "av1_mkv_noaudio.mkv": "face: no_face; voice: no_audio",
        "hevc_10bit_200px.mp4": "face: no_face; voice: no_audio",
        "noface_cartoon.mp4": "face: no_face; voice: no_speech",
        "tiny_66x50_60fps.mov": "face: too_dark; voice: no_audio",
        "vfr_yuv444.mp4": "face: no_face; voice: no_audio",
    }
    assert len(real.dataset()) + len(rejected) == 31
    assert all(len(row["affect_description"]) > 60 for row in real.dataset())


def test_an_animation_without_a_face_is_captioned_from_its_sound_at_most(real: Workspace) -> None:
    """Its noises pass for speech in a third of the clip, as with other detectors of speech (clips.csv)."""
    for row in real.dataset():
        if row["path"] == "animation_5_1_audio.mp4":
            assert reasons(row, FACE_NAMES).keys() == {"no_face"}
            assert row["confidence"] is None or row["confidence"] < 0.5


def test_clean_talks_are_measured_in_face_and_voice(real: Workspace) -> None:
    clean = [row for row in real.dataset() if row["path"].startswith("grid_")]
    assert len(clean) == 10
    for row in clean:
        coverage = {cue["name"]: cue["coverage"] for cue in row["cues"]}
        assert min(coverage[name] for name in ("brow_raise", "mouth_opening", "head_yaw")) >= 0.95, row["path"]
        assert sum(cue["state"] == "measured" for cue in row["cues"]) >= 45


def test_hard_clips_say_what_is_hard_about_them(real: Workspace) -> None:
    rows = {row["path"]: row for row in real.dataset()}
    voice = CUE_NAMES[len(FACE_NAMES) :]
    for path, reason in {
        "five_frames_1080p_silent.mp4": "silent", "silent_audio_20s.mp4": "silent", "tall_480x908_silent.mp4": "silent",
        "five_frames_many_faces_noaudio.mp4": "no_audio", "noaudio_phone_night.mp4": "no_audio",
        "hevc_mov_face_then_none.mov": "no_speech", "near_silent_mp3_in_mp4.mp4": "no_speech",
    }.items():  # fmt: skip
        assert reasons(rows[path], voice).keys() == {reason}, path
    for path, reason in {
        "animation_5_1_audio.mp4": "no_face", "multi_stream_8k_audio.mp4": "no_face",
        "hevc_mov_face_then_none.mov": "face_mostly_absent", "debate_two_faces_title.mp4": "face_mostly_absent",
        "five_frames_1080p_silent.mp4": "too_few_frames", "five_frames_many_faces_noaudio.mp4": "too_few_frames",
    }.items():  # fmt: skip
        assert reasons(rows[path], FACE_NAMES).most_common(1)[0][0] == reason, path


def pictures_of(clip: DemoClip, count: int) -> list[Any]:
    """The first pictures of a clip."""
    return decode_frames(clip.file, [number / 25 + 0.02 for number in range(count)]).images


def encode(path: Path, pictures: list[Any], quarter_turns: int = 0) -> None:
    """Write pictures at 25 a second; a player shows them after some quarter turns."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if quarter_turns:
            stream.set_display_rotation(90 * quarter_turns)
        for number, picture in enumerate(pictures):
            frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def broken_sound(path: Path, clip: DemoClip, share: float) -> None:
    """A float WAV of a talk in which a share of the samples, in one stretch, is NaN or infinite."""
    sound = decode_audio(clip.file, 0.0, 3.0)
    end = round(share * len(sound))
    sound[:end:2], sound[1:end:2] = np.nan, np.inf
    wavfile.write(path, 16000, sound.astype(np.float32))


def eight_bit(path: Path, clip: DemoClip) -> None:
    """An 8 bit WAV of a talk."""
    sound = decode_audio(clip.file, 0.0, 3.0)
    wavfile.write(path, 16000, np.clip(128 + 127 * sound / np.abs(sound).max(), 0, 255).astype(np.uint8))


def cut_off(path: Path, clip: DemoClip, share: float, *options: str) -> None:
    """The first bytes of an MP4."""
    whole = path.with_name("whole.mp4")
    ffmpeg("-i", clip.file, "-c", "copy", *options, whole)
    content = whole.read_bytes()
    path.write_bytes(content[: round(share * len(content))])


BAD_FILES: dict[str, tuple[Callable[[Path, DemoClip], Any], int, list[str]]] = {
    "some_nan.wav": (lambda path, clip: broken_sound(path, clip, 0.02), 0, ["no picture", "pitch, median"]),
    "much_nan.wav": (lambda path, clip: broken_sound(path, clip, 0.5), 0, ["broken"]),
    "eight_bit.wav": (eight_bit, 0, ["no picture", "pitch, median"]),
    "one_frame.mp4": (lambda path, clip: encode(path, pictures_of(clip, 1)), 0, ["not measurable", "few pictures"]),
    "leaves.mp4": (
        lambda path, clip: encode(path, pictures_of(clip, 1) + [np.full((240, 320, 3), 110, np.uint8)] * 49),
        0,
        ["a face was seen in no more than 1 of 50 pictures"],
    ),
    "turned.mp4": (
        lambda path, clip: encode(path, [np.rot90(picture, -1) for picture in pictures_of(clip, 25)], 1),
        0,
        ["320 x 240", "in 100% of the pictures", "brow height"],
    ),
    "headless.mp4": (lambda path, clip: cut_off(path, clip, 0.6), 2, ["headless.mp4", "not_media"]),
    "tailless.mp4": (
        lambda path, clip: cut_off(path, clip, 0.6, "-movflags", "faststart"),
        2,
        ["corrupt", "tailless.mp4: cut off"],
    ),
    "silence.wav": (
        lambda path, clip: wavfile.write(path, 16000, np.zeros(16000, np.int16)),
        0,
        ["the sound track is silent"],
    ),
    "blink.mp4": (lambda path, clip: ffmpeg("-i", clip.file, "-t", "0.1", path), 0, ["not measurable"]),
    "text.mp4": (lambda path, clip: path.write_text("this is no video"), 2, ["text.mp4", "not_media"]),
}


@pytest.mark.parametrize("name", list(BAD_FILES))
def test_cues_of_a_bad_file_are_reasons_or_one_line(name: str, talking_heads: list[DemoClip], tmp_path: Path) -> None:
    face_models()
    make, code, words = BAD_FILES[name]
    make(tmp_path / name, talking_heads[3])
    done = annotate("cues", tmp_path / name)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    said = done.stdout if code == 0 else done.stderr
    assert [word for word in words if word not in said] == [], said
    if code == 2:
        assert len(done.stderr.strip().splitlines()) == 1
        assert done.stderr.startswith("error: ")


_PEAK = """
import resource, sys
from pathlib import Path
from vaemo_clips.cues.measure import measure
from vaemo_clips.faces.models import FaceModels
from vaemo_clips.probe import probe

path = Path(sys.argv[1])
found = measure(path, probe(path).duration_s, FaceModels.load()).measurement
print(found.facts.duration_s, found.facts.face_coverage, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def test_memory_does_not_grow_with_the_length_of_a_clip(talking_heads: list[DemoClip], tmp_path: Path) -> None:
    face_models()
    ffmpeg("-i", talking_heads[0].file, "-r", "4", "-s", "160x120", "-g", "4", tmp_path / "talk.mp4")
    peaks_mb = []
    for seconds in (30, 300):
        path = tmp_path / f"{seconds}.mp4"
        ffmpeg("-stream_loop", "-1", "-i", tmp_path / "talk.mp4", "-t", str(seconds), "-c", "copy", path)
        done = call([sys.executable, "-c", _PEAK, str(path)])
        assert done.returncode == 0, done.stderr
        duration_s, coverage, peak_mb = (float(word) for word in done.stdout.split())
        assert duration_s == pytest.approx(seconds, abs=1.5)
        assert coverage > 0.95
        peaks_mb.append(peak_mb)
    assert peaks_mb[1] - peaks_mb[0] < 60, peaks_mb
