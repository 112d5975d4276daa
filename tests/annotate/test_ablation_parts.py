"""What an ablation takes away, how a caption is held against what is left, and which flags still count."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.annotate.test_chat import CountingDecoder, clip
from tests.support.run_folder import caption_row, write_run_folder
from vaemo_annotate.engines.base import Caption, Reject
from vaemo_annotate.probes.ablated_media import AblatedDecoder, Kind, blanked, muted, with_sound_of
from vaemo_annotate.probes.ablated_run import AblatedRun, ServerChoice
from vaemo_annotate.probes.ablation import ablate, read_flags, read_stale
from vaemo_annotate.probes.ablation_rates import ALL, rates, survivals, wilson_interval
from vaemo_annotate.probes.ablation_row import ROW_SCHEMA, AblationRow, compare
from vaemo_annotate.probes.canary_media import canary_media
from vaemo_annotate.prompt import MediaSettings
from vaemo_clips.caption import caption_digest
from vaemo_clips.errors import RunFolderError, UserError
from vaemo_clips.manifest import ParquetWriter, manifest_schema

BOTH: Any = frozenset({"video", "audio"})
FULL = canary_media("face", "voice", MediaSettings(), BOTH)


def samples_of(wav_base64: bytes) -> np.ndarray:
    """Return a WAV's samples."""
    with wave.open(io.BytesIO(base64.b64decode(wav_base64))) as sound:
        return np.frombuffer(sound.readframes(sound.getnframes()), "<i2")


def test_a_muted_clip_has_as_much_silence_as_it_had_sound_and_is_not_called_silent() -> None:
    media = muted(FULL)
    assert len(samples_of(media.wav_base64)) == len(samples_of(FULL.wav_base64))
    assert not samples_of(media.wav_base64).any()
    assert media.facts.audio is not None
    assert not media.facts.audio.is_silent
    assert media.facts.video == FULL.facts.video
    assert media.facts.audio.digest != (FULL.facts.audio and FULL.facts.audio.digest)


def test_a_blank_clip_has_black_frames_of_the_same_size_and_number() -> None:
    media = blanked(FULL)
    frames = [Image.open(io.BytesIO(base64.b64decode(frame))) for frame in media.frames_base64]
    assert [frame.size for frame in frames] == [(480, 360)] * len(FULL.frames_base64)
    assert not any(np.asarray(frame).any() for frame in frames)
    assert media.facts.audio == FULL.facts.audio


def test_a_swapped_sound_is_the_donors_cut_to_length() -> None:
    quiet = canary_media("black", "silence", MediaSettings(), BOTH)
    media = with_sound_of(quiet, FULL)
    assert np.array_equal(samples_of(media.wav_base64), samples_of(FULL.wav_base64))
    assert media.facts.video == quiet.facts.video


def test_each_loss_has_a_key_and_facts_of_its_own() -> None:
    decoder, other = CountingDecoder(FULL), clip("b")
    ablated = [
        AblatedDecoder(decoder, "muted"),
        AblatedDecoder(decoder, "blank"),
        AblatedDecoder(decoder, "swapped", other),
    ]
    keys = {made.memo_key(clip()) for made in ablated} | {
        AblatedDecoder(decoder, "swapped", clip("c")).memo_key(clip())
    }
    assert len(keys) == 4
    media = asyncio.run(ablated[2].decode(clip()))
    assert decoder.decoded == ["a", "b"]
    assert media.facts.audio is not None


def outcome(**fields: str) -> Caption:
    """Return a caption as an engine makes it."""
    return Caption(fields, [], "", None, "")


LOUD_HIGH = "The voice is loud. The pitch is high."
SILENT = "There is no sound; the track is silent."


def compared(kind: Kind, before: str, after: str, donor: str | None = None, affect: str = "") -> list[str]:
    """Return the flags of a caption with these descriptions, whatever the kind's modality."""
    both = ("visual_description", "acoustic_description")
    rows = [caption_row(0, affect_description=affect, **dict.fromkeys(both, text)) for text in (before, donor or "")]
    found = outcome(affect_description=affect, **dict.fromkeys(both, after))
    row = compare(kind, rows[0], found, rows[1] if donor else None, "c", "x")
    return [flag.removeprefix("ablation.") for flag in row.flags]


@pytest.mark.parametrize(
    ("kind", "before", "after", "flags"),
    [
        ("muted", LOUD_HIGH, SILENT, []),
        ("muted", LOUD_HIGH, "The pitch is low.", ["sound_invented"]),
        ("muted", SILENT, SILENT, []),
        ("muted", "A plain tone.", "A plain tone!", ["sound_invented"]),
        ("muted", LOUD_HIGH, "Nothing can be said.", []),
        ("muted", LOUD_HIGH, "The audio is silent, with very low loudness and a flat pitch.", []),
        ("muted", LOUD_HIGH, "Silence: loudness is very low, pitch is flat, no pauses.", []),
        ("muted", LOUD_HIGH, "The loudness is very low and the pitch is flat.", ["sound_invented"]),
        ("blank", "The brows are raised.", "The screen is black; no face is visible.", []),
        ("blank", "The brows are raised.", "The person smiles.", ["picture_invented"]),
        ("blank", "The brows are raised.", "The brows are raised high.", ["picture_ignored", "picture_invented"]),
    ],
)
def test_flags_follow_from_what_is_still_said(kind: Kind, before: str, after: str, flags: list[str]) -> None:
    assert compared(kind, before, after) == flags


@pytest.mark.parametrize(
    ("after", "donor", "flags"),
    [
        ("The voice is soft.", "The voice is soft.", []),
        ("The pitch is high, the voice is loud.", "The voice is soft.", ["sound_ignored"]),
        ("The pitch is high, the voice is loud.", "The voice is loud and the pitch is high.", []),
        (LOUD_HIGH, LOUD_HIGH, ["sound_ignored"]),
    ],
    ids=["the donor's", "as before", "true of both", "word for word"],
)
def test_a_swapped_sound_is_ignored_where_the_same_is_said_of_another(after: str, donor: str, flags: list[str]) -> None:
    assert compared("swapped", LOUD_HIGH, after, donor) == flags


def row_of(kind: Kind, flags: list[str], corpus: str = "a", **changes: Any) -> AblationRow:
    """Return a row that was judged on all reasons of its kind."""
    judged = {"muted": ["ablation.sound_invented"], "swapped": ["ablation.sound_ignored"], "blank": []}[kind]
    values: dict[str, Any] = {
        "clip_id": "clip_000", "sample_index": 0, "corpus": corpus, "kind": kind, "donor": None,
        "claims_before": ["pitch_level:up", "loudness:up"], "claims_after": ["pitch_level:down"], "judged": judged,
        "flags": flags, "texts": {"before": "b", "after": "a"}, "reject_reason": None, "caption_sha256": "",
    }  # fmt: skip
    return AblationRow(**values | changes)


def test_rates_count_only_what_was_decided_over_all_and_by_corpus() -> None:
    rows = [
        row_of("muted", ["ablation.sound_invented"]),
        row_of("muted", [], "b"),
        row_of("muted", [], "b", judged=[], claims_after=[], reject_reason="timeout"),
    ]
    assert [(rate.corpus, rate.flagged, rate.clips) for rate in rates(rows)] == [(ALL, 1, 2), ("a", 1, 1), ("b", 0, 1)]
    assert [(one.corpus, one.before, one.after, one.survived) for one in survivals(rows)] == [
        (ALL, 4, 2, 2), ("a", 2, 1, 1), ("b", 2, 1, 1),
    ]  # fmt: skip


def test_a_question_without_an_answer_has_no_flags() -> None:
    row = compare("muted", caption_row(0), Reject("timeout", "late", False), None, "c", "x")
    assert (row.flags, row.judged, row.reject_reason) == ([], [], "timeout")


def test_wilson_intervals_are_those_of_the_textbook() -> None:
    """10 of 10 and 0 of 10 after Brown, Cai & DasGupta (2001); 81 of 263 after Newcombe (1998), table I."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(10, 10) == pytest.approx((0.7225, 1.0), abs=5e-5)
    assert wilson_interval(0, 0) == (0.0, 1.0)


def write_rows(out: Path, rows: list[AblationRow]) -> None:
    """Write ablation.parquet."""
    from dataclasses import asdict

    pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=ROW_SCHEMA), out / "ablation.parquet")


def test_flags_of_captions_that_changed_since_do_not_count(tmp_path: Path) -> None:
    captions = [caption_row(number) for number in range(3)]
    out = write_run_folder(tmp_path / "run", accepted=captions)
    assert read_flags(out) == {}
    same, changed = caption_digest(captions[0]), caption_digest(caption_row(1, valence=-0.9))
    flagged = ["ablation.sound_ignored"]
    write_rows(out, [
        row_of("swapped", flagged, caption_sha256=same),
        row_of("muted", ["ablation.sound_invented"], caption_sha256=same),
        row_of("swapped", flagged, clip_id="clip_001", caption_sha256=changed),
        row_of("swapped", flagged, clip_id="gone", caption_sha256=same),
    ])  # fmt: skip
    assert read_flags(out) == {"clip_000": ["ablation.sound_ignored", "ablation.sound_invented"]}
    assert read_stale(out) == 2
    (out / "ablation.parquet").write_bytes(b"no table")
    with pytest.raises(RunFolderError, match=r"ablation.parquet cannot be read .*; remove it, or run check --ablate"):
        read_flags(out)


def run_folder(tmp_path: Path, prompt: str = "cot_v2", **changes: Any) -> Path:
    """Write a finished run of four clips, the third of them without sound."""
    from tests.support.servers import REPOSITORY

    accepted = [caption_row(n, has_audio=n != 2, sample_index=k) for n in range(4) for k in (0, 1)]
    text = (REPOSITORY / "prompts" / f"{prompt}.yaml").read_text()
    record: dict[str, Any] = {
        "prompt": {"name": prompt, "text": text}, "engine": {"name": "endpoint", "model": "m"},
        "manifest": {"path": "/data/crema.parquet", "root": str(tmp_path)},
        "settings": {"seed": 3, "prompt": "p.yaml", "clips": "c.parquet", "endpoint": "http://a/v1", "vllm_args": "",
                     "concurrency": "auto", "model": None},
    }  # fmt: skip
    out = write_run_folder(tmp_path / "run", accepted=accepted, **(record | changes))
    schema = manifest_schema([], tmp_path, out / "clips.parquet")
    with ParquetWriter(out / "clips.parquet", schema) as writer:
        names = [f"clip_{number:03d}" for number in range(4)]
        rows = [{name: getattr(clip(one), name) for name in schema.names} for one in names]
        writer.write(pa.Table.from_pylist(rows, schema=schema))
    return out


def test_clips_are_drawn_by_their_id_with_all_modalities_and_their_first_sample(tmp_path: Path) -> None:
    run = AblatedRun.open(run_folder(tmp_path), ServerChoice())
    drawn = {count: [clip.clip_id for _, clip in run.choose(count)[0]] for count in (1, 2, 9)}
    assert drawn[9][:1] == drawn[1]
    assert drawn[9][:2] == drawn[2]
    assert sorted(drawn[9]) == ["clip_000", "clip_001", "clip_003"]
    assert all(row["sample_index"] == 0 for row, _ in run.choose(9)[0])
    assert run.corpus_of({"label": "happy"}) == "crema"
    assert run.corpus_of({"corpus": "meld"}) == "meld"


def test_captions_whose_clip_the_manifest_lacks_are_counted_as_left_out(tmp_path: Path) -> None:
    out = run_folder(tmp_path)
    rows = [row for row in pq.read_table(out / "clips.parquet").to_pylist() if row["clip_id"] != "clip_001"]
    table = pq.read_table(out / "clips.parquet")
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), out / "clips.parquet")
    drawn, missing = AblatedRun.open(out, ServerChoice()).choose(9)
    assert (sorted(clip.clip_id for _, clip in drawn), missing) == (["clip_000", "clip_003"], 1)
    with pytest.raises(UserError, match=r"\(not_in_manifest 1, not_found 2\)"):
        ablate(out, 9, workers=1)


@pytest.mark.parametrize(
    ("section", "left", "named"),
    [
        ("manifest", None, "manifest.path"), ("manifest", {"path": "/data/c.parquet"}, "manifest.root"),
        ("settings", {"seed": 1}, "settings.prompt"), ("engine", {"name": "vllm"}, "engine.model"),
    ],
)  # fmt: skip
def test_a_record_without_what_an_ablation_needs_is_an_error_in_one_line(
    tmp_path: Path, section: str, left: Any, named: str
) -> None:
    out = run_folder(tmp_path)
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    record = {name: value for name, value in record.items() if name != section}
    (out / "run.json").write_text(json.dumps(record if left is None else {**record, section: left}), encoding="utf-8")
    with pytest.raises(RunFolderError, match=rf"run.json holds no {named}.*run `vaemo-annotate run` again"):
        ablate(out, 1)


def test_the_runs_own_server_is_asked_unless_another_is_named(tmp_path: Path) -> None:
    out = run_folder(tmp_path)
    own = AblatedRun.open(out, ServerChoice()).settings
    assert (own.engine, own.endpoint, own.model, own.concurrency) == ("endpoint", "http://a/v1", "m", "auto")
    other = AblatedRun.open(out, ServerChoice(endpoint="http://b/v1", model="n", concurrency=4)).settings
    assert (other.endpoint, other.model, other.concurrency) == ("http://b/v1", "n", 4)
    managed = AblatedRun.open(out, ServerChoice(vllm_python=Path("/v/python"))).settings
    assert (managed.engine, managed.vllm_python) == ("vllm", Path("/v/python"))
    with pytest.raises(UserError, match="--concurrency: must be auto or a number"):
        AblatedRun.open(out, ServerChoice(concurrency=0))


def test_runs_that_cannot_be_ablated_say_why(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="holds no finished run"):
        ablate(tmp_path / "none", 3)
    hidden = {"seed": 0, "prompt": "p", "clips": "c", "vllm_args": "--hf-token ***", "model": None}
    out = run_folder(tmp_path / "a", engine={"name": "vllm", "model": "m"}, settings=hidden)
    with pytest.raises(UserError, match=r"keeps no secrets: its --vllm-args hold \*\*\*"):
        ablate(out, 3)
    out = run_folder(tmp_path / "b")
    with pytest.raises(UserError, match=r"no accepted caption is of a clip with audio and video .*not_found 3"):
        ablate(out, 3, workers=1)
