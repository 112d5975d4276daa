"""`check` on whole run folders: what it writes, what it leaves alone, and what a user is told."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import vaemo_annotate.quality
from tests.support.caption_folders import write_captions
from tests.support.run_folder import caption_row, write_run_folder
from vaemo_annotate.cli import app
from vaemo_annotate.media import encode_wav
from vaemo_annotate.quality.check import check
from vaemo_annotate.quality.check_command import check_with_summary
from vaemo_annotate.quality.check_record import read_record, settings_of
from vaemo_annotate.quality.checked import Checked
from vaemo_annotate.quality.histogram import Histogram
from vaemo_annotate.quality.measured_cues import cues_of
from vaemo_annotate.quality.settings import REASONS, load_settings
from vaemo_annotate.review.decision import Decision
from vaemo_annotate.review.store import ReviewStore
from vaemo_clips.caption import caption_digest
from vaemo_clips.errors import MediaError, RunFolderError, UserError
from vaemo_clips.index import index
from vaemo_clips.manifest import Manifest
from vaemo_clips.verdict import VERDICTS_FILE, Verdict, read_verdicts
from vaemo_clips.voice.cues import VOICE_CUES

SHIPPED = Path(vaemo_annotate.quality.__file__).with_name("check.yaml")
TEXTS = {
    "visual_description": "The lip corners pull up and the cheeks rise while the head tilts a little to one side.",
    "acoustic_description": "The voice is bright and rather high, with lively melody and only few pauses between.",
    "affect_description": "Face and voice agree: the person seems joyful, and the joy grows towards the end of it.",
}
OTHER = {
    "visual_description": "The brows are drawn together, the lips are pressed, and the eyes look down at a table.",
    "acoustic_description": "A low and slow voice with long pauses; the loudness falls at the end of each sentence.",
    "affect_description": "Slow speech and lowered eyes point to sadness, which stays as it is through the whole clip.",
}
REFUSAL = "I'm sorry, but I can't help with describing people in this video."
SAD = {"emotions": ["sadness"], "valence": -0.5, "arousal": -0.25}
NO_CUES: dict[str, Any] = {"cues": [], "label": None}


def good(number: int, **changes: Any) -> dict[str, Any]:
    """A caption that nothing is wrong with; even and odd ones say different things."""
    return caption_row(number, **{**NO_CUES, **(TEXTS if number % 2 == 0 else {**OTHER, **SAD}), **changes})


def refused(number: int) -> dict[str, Any]:
    """A caption that is a refusal."""
    return good(number, affect_description=REFUSAL)


def write(out: Path, *rows: dict[str, Any]) -> Path:
    """A finished run with these captions."""
    return write_run_folder(out, accepted=rows)


def rules(path: Path, **actions: str) -> Path:
    """The shipped rules with other actions; `form__refusal` stands for form.refusal."""
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    content["actions"] |= {reason.replace("__", "."): action for reason, action in actions.items()}
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def by_clip(out: Path) -> dict[str, Verdict]:
    """The software's verdict on the first sample of each clip."""
    return {one.clip_id: one for one in read_verdicts(out / VERDICTS_FILE) if one.is_by_software}


def test_every_caption_has_a_verdict_with_reasons_scores_and_the_digest_of_its_words(tmp_path: Path) -> None:
    rows = [good(0), refused(1)]
    summary = check(write(tmp_path / "run", *rows))
    kept, dropped = read_verdicts(tmp_path / "run" / VERDICTS_FILE)
    assert (kept.clip_id, kept.verdict, kept.reasons) == ("clip_000", "keep", ())
    assert (dropped.clip_id, dropped.verdict) == ("clip_001", "drop")
    assert "form.refusal" in dropped.reasons
    assert [kept.caption_sha256, dropped.caption_sha256] == [caption_digest(row) for row in rows]
    assert kept.by == "check"
    assert kept.scores["form.words"] > 30
    assert (summary.kept, summary.dropped) == (1, 1)


def test_the_record_counts_what_the_verdicts_say(tmp_path: Path) -> None:
    out = write(tmp_path / "run", good(0), refused(1), good(2))
    record = check(out).record
    assert json.loads((out / "check.json").read_text(encoding="utf-8")) == record
    assert (record["captions"], record["kept"], record["dropped"]) == (3, 1, 2)
    assert record["reasons"]["form.refusal"] == {
        "action": "drop", "captions": 1, "dropped": 1, "example": {"clip_id": "clip_001", "sample_index": 0},
    }  # fmt: skip
    assert record["reasons"]["form.near_duplicate"]["captions"] == 1
    assert record["groups"]["form"] == 2
    assert record["cues"] == {"with": 0, "without": 3, "measured": 0, "failed": {}, "note": ""}
    assert record["scores"]["form.words"]["count"] == 3
    assert record["settings"]["actions"]["form.refusal"] == "drop"
    assert record["rules"] == {"path": "shipped", "sha256": load_settings().sha256}
    assert record["packages"]["rensa"]


def test_a_copy_in_another_clip_is_dropped_and_the_first_stays(tmp_path: Path) -> None:
    check(write(tmp_path / "run", good(0), good(1), good(2)))
    verdicts = by_clip(tmp_path / "run")
    assert [verdicts[clip].reasons for clip in ("clip_000", "clip_001")] == [(), ()]
    assert verdicts["clip_002"].reasons == ("form.near_duplicate",)
    assert verdicts["clip_002"].scores["duplicates.of_row"] == 0
    assert verdicts["clip_002"].scores["duplicates.similarity"] == 1


def test_of_equal_captions_one_stays_where_the_first_falls_for_another_reason(tmp_path: Path) -> None:
    cut_off = {**good(0)["steps"][0], "finish_reason": "length"}
    out = write(tmp_path / "run", good(0, steps=[cut_off]), good(2), good(4))
    check(out)
    verdicts = by_clip(out)
    assert [verdicts[f"clip_00{number}"].verdict for number in (0, 2, 4)] == ["drop", "keep", "drop"]
    assert verdicts["clip_000"].reasons == ("form.truncated",)
    assert verdicts["clip_004"].reasons == ("form.near_duplicate",)
    assert verdicts["clip_004"].scores["duplicates.of_row"] == 1


def test_a_copy_of_what_is_only_flagged_is_a_copy(tmp_path: Path) -> None:
    cut_off = {**good(0)["steps"][0], "finish_reason": "length"}
    out = write(tmp_path / "run", good(0, steps=[cut_off]), good(2))
    check(out, rules(tmp_path / "rules.yaml", form__truncated="flag"))
    assert [one.verdict for one in by_clip(out).values()] == ["keep", "drop"]


def test_numbers_that_are_none_do_not_stop_a_check(tmp_path: Path) -> None:
    rows = [good(0, sample_index=sample, valence=float("nan"), arousal=float("inf")) for sample in range(3)]
    assert check(write(tmp_path / "run", *rows)).kept == 3


def test_what_people_said_of_other_words_is_not_counted_as_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = write(tmp_path / "a run", good(0), good(1))
    store = ReviewStore(out)
    store.append(Decision("1", Verdict("clip_000", 0, "drop", by="ann", caption_sha256=caption_digest(good(0)))))
    store.append(Decision("2", Verdict("clip_001", 0, "drop", by="ann", caption_sha256="of other words")))
    record = check(out).record
    assert (record["judged_by_people"], record["judged_in_other_words"]) == (1, 1)
    check_with_summary(out, None, 1, measure=False)
    shown = capsys.readouterr().out
    assert "1 captions were judged by people, whose word outranks this" in shown
    assert "1 captions were judged by people in other words than they have now, which does not count; " in shown
    assert f"vaemo-annotate review '{out}'" in shown
    assert shown.rstrip().endswith(f"next: vaemo-annotate report '{out}'")


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        ("[]", "Input should be a valid dictionary"),
        ("{}", "captions: Field required, and 5 more"),
        ('{"captions": 1, "kept": 1, "dropped": 0, "flagged": 0, "grounding": [], "settings": {}}', "grounding: Input"),
        ("{", "Expecting property name"),
    ],
)
def test_a_record_of_another_version_is_refused_with_the_remedy(tmp_path: Path, content: str, pattern: str) -> None:
    out = write(tmp_path / "a run", good(0))
    (out / "check.json").write_text(content, encoding="utf-8")
    with pytest.raises(
        RunFolderError, match=rf"check.json cannot be read \({pattern}.*; run `.* check '.*a run'` again"
    ):
        Checked.open(out)


def test_rules_of_another_version_give_way_to_the_shipped_ones_with_a_note(tmp_path: Path) -> None:
    out = write(tmp_path / "run", good(0))
    path = rules(tmp_path / "rules.yaml", form__refusal="flag")
    record = check(out, path).record
    assert settings_of(record) == (load_settings(path), "")
    assert settings_of(None) == (load_settings(), "")
    del record["settings"]["form"]
    (out / "check.json").write_text(json.dumps(record), encoding="utf-8")
    settings, note = settings_of(read_record(out))
    assert settings == load_settings()
    checked = Checked.open(out)
    assert (checked.settings, checked.settings_note) == (settings, note)
    assert [checked.findings_of(*pair) for pair in checked] == [[]]
    assert re.fullmatch(
        r"the rules of check.json are of another version \(form: Field required\): .* check again .*", note
    )


def test_the_samples_of_a_clip_vote(tmp_path: Path) -> None:
    samples = [good(0, sample_index=0), good(0, sample_index=1), good(1, clip_id="clip_000", sample_index=2)]
    check(write(tmp_path / "run", *samples))
    verdicts = read_verdicts(tmp_path / "run" / VERDICTS_FILE)
    assert [one.sample_index for one in verdicts] == [0, 1, 2]
    assert [one.reasons for one in verdicts] == [(), (), ("agreement.minority",)]


def test_claims_are_held_against_the_cues(tmp_path: Path) -> None:
    low = {"name": "f0_median", "value": 90.0, "unit": "Hz", "coverage": 0.9, "state": "measured", "reason": None,
           "population_sd": -3.0, "speaker_sd": -3.0}  # fmt: skip
    out = write(tmp_path / "run", good(0, cues=[low], acoustic_description="The voice is very high in pitch here."))
    record = check(out).record
    assert "grounding.contradicted" in by_clip(out)["clip_000"].reasons
    assert record["cues"]["with"] == 1
    assert sum(states.get("contradicted", 0) for states in record["grounding"].values()) == 1


def test_other_rules_rewrite_the_softwares_rows_and_leave_peoples(tmp_path: Path) -> None:
    out = write(tmp_path / "run", refused(0), good(1))
    check(out)
    ReviewStore(out).append(Decision("1", Verdict("clip_001", 0, "drop", by="ann")))
    record = check(out, rules(tmp_path / "rules.yaml", form__refusal="flag")).record
    verdicts = by_clip(out)
    assert (verdicts["clip_000"].verdict, verdicts["clip_000"].reasons) == ("keep", ("form.refusal",))
    assert [one.by for one in read_verdicts(out / VERDICTS_FILE)] == ["check", "check", "ann"]
    assert (record["kept"], record["flagged"], record["judged_by_people"]) == (2, 1, 1)
    check(out, rules(tmp_path / "rules.yaml", form__refusal="off"))
    assert by_clip(out)["clip_000"].reasons == ()


def test_off_needs_no_quotes_in_yaml(tmp_path: Path) -> None:
    shipped = (files("vaemo_annotate.quality") / "check.yaml").read_text(encoding="utf-8")
    path = tmp_path / "rules.yaml"
    path.write_text(shipped.replace("form.refusal: drop", "form.refusal: off"), encoding="utf-8")
    assert not load_settings(path).is_on("form.refusal")
    assert load_settings().is_on("form.refusal")


def test_flags_of_an_ablation_are_noted_on_every_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = write(tmp_path / "run", good(0), good(1))
    flags = {"clip_001": ["ablation.sound_invented"]}
    monkeypatch.setattr("vaemo_annotate.quality.check.read_flags", lambda folder: flags)
    check(out)
    assert by_clip(out)["clip_001"].reasons == ("ablation.sound_invented",)
    assert by_clip(out)["clip_001"].verdict == "keep"


def test_many_workers_say_the_same_as_one(tmp_path: Path) -> None:
    rows = [good(number, affect_description=f"{TEXTS['affect_description']} {number * 7919}") for number in range(300)]
    out = write(tmp_path / "run", *rows)
    told: list[tuple[str, int, int]] = []
    check(out, workers=2, on_progress=lambda *step: told.append(step))
    parallel = [(one.key, one.verdict, one.reasons, one.scores) for one in read_verdicts(out / VERDICTS_FILE)]
    check(out, workers=1)
    assert [(one.key, one.verdict, one.reasons, one.scores) for one in read_verdicts(out / VERDICTS_FILE)] == parallel
    assert [key[0] for key, *_ in parallel] == [row["clip_id"] for row in rows]
    assert told[-1] == ("checking", 300, 300)


def test_what_the_workers_share_is_loaded_before_they_fork() -> None:
    script = (
        "import vaemo_annotate.quality.preloaded; from vaemo_annotate.quality import language, wheel;"
        "print(language._identifier.cache_info().currsize, wheel._index.cache_info().currsize)"
    )
    shown = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert shown.split() == ["1", "1"]


def test_a_run_without_captions_is_checked(tmp_path: Path) -> None:
    record = check(write(tmp_path / "run")).record
    assert (record["captions"], record["kept"], record["dropped"]) == (0, 0, 0)
    assert read_verdicts(tmp_path / "run" / VERDICTS_FILE) == []


def test_an_empty_dataset_as_run_saves_it_is_checked(tmp_path: Path) -> None:
    assert check(write_captions(tmp_path / "run", [])).record["captions"] == 0


def test_nothing_but_verdicts_and_the_record_changes(tmp_path: Path) -> None:
    out = write(tmp_path / "run", good(0), refused(1))
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    check(out)
    after = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before} == before
    assert {path.name for path in after.keys() - before.keys()} == {
        "verdicts.parquet", "check.json", ".lock", ".verdicts.lock",
    }  # fmt: skip


def test_a_run_that_is_not_finished_is_refused(tmp_path: Path) -> None:
    out = write(tmp_path / "run", good(0))
    (out / "run.json").unlink()
    (out / "ledger.sqlite").touch()
    with pytest.raises(RunFolderError, match=r"holds no finished run \(no run.json\); run `vaemo-annotate run` again"):
        check(out)
    with pytest.raises(RunFolderError, match="holds no finished run"):
        check(tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


@contextmanager
def held(out: Path) -> Iterator[None]:
    """Hold a run folder as `run` and `check` do."""
    lock = os.open(out / ".lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    yield
    os.close(lock)


def test_a_folder_that_a_run_or_another_check_holds_is_refused(tmp_path: Path) -> None:
    out = write(tmp_path / "run", good(0))
    with held(out), pytest.raises(RunFolderError, match="is in use by another run; wait for it"):
        check(out)
    assert not (out / VERDICTS_FILE).exists()
    assert check(out).kept == 1


def test_a_dataset_that_is_not_the_runs_is_refused_and_the_old_verdicts_stay(tmp_path: Path) -> None:
    out = write(tmp_path / "run", good(0), good(1))
    check(out)
    before = (out / VERDICTS_FILE).read_bytes()
    record = json.loads((out / "run.json").read_text(encoding="utf-8"))
    record["counts"]["accepted"] = 3
    (out / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"holds 2 captions, .*run.json says 3; run the same"):
        check(out)
    assert (out / VERDICTS_FILE).read_bytes() == before
    assert (out / "check.json").exists()
    assert not list(out.glob(".check-*"))


def test_a_damaged_dataset_is_refused(tmp_path: Path) -> None:
    out = write(tmp_path / "run", good(0))
    [file] = (out / "dataset").glob("*.arrow")
    file.write_bytes(file.read_bytes()[:600])
    with pytest.raises(RunFolderError, match=r"data-.*arrow cannot be read \(.*\); run the same"):
        check(out)


def test_what_a_killed_check_left_goes_with_the_next(tmp_path: Path) -> None:
    out = write(tmp_path / "run", good(0))
    (out / ".check-killed").mkdir()
    (out / ".check-killed" / "duplicates.sqlite").touch()
    check(out)
    assert not list(out.glob(".check-*"))


def test_all_faults_of_a_rules_file_are_told_at_once(tmp_path: Path) -> None:
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    content["duplicates"]["similarity"] = 2
    content["form"]["colour"] = 1
    content["actions"] |= {"form.refusal": "delete"}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_settings(tmp_path / "rules.yaml")
    faults = str(caught.value).splitlines()
    assert [fault.split(": ")[1] for fault in faults] == [
        "form.colour", "duplicates.similarity", "actions.form.refusal",
    ]  # fmt: skip
    assert "less than or equal to 1 (it is 2)" in faults[1]


@pytest.mark.parametrize(
    ("change", "pattern"),
    [
        ({"form.refused": "drop"}, "actions: .*no such reason: form.refused; the reasons are form.missing_text"),
        ({"form.refusal": None}, "actions: .*no action for form.refusal; every reason needs one: drop, flag or off"),
    ],
)
def test_every_reason_has_an_action_and_nothing_else_has(
    tmp_path: Path, change: dict[str, str | None], pattern: str
) -> None:
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    actions = content["actions"] | change
    content["actions"] = {reason: action for reason, action in actions.items() if action}
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(UserError, match=pattern):
        load_settings(tmp_path / "rules.yaml")


def test_the_shipped_rules_are_sound_and_their_digest_is_of_their_content(tmp_path: Path) -> None:
    settings = load_settings()
    assert list(settings.actions) == list(REASONS)
    content = yaml.safe_load(SHIPPED.read_text(encoding="utf-8"))
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    assert load_settings(tmp_path / "again.yaml").sha256 == settings.sha256
    assert load_settings(rules(tmp_path / "other.yaml", form__refusal="flag")).sha256 != settings.sha256


def test_checked_captions_are_read_with_the_verdicts_that_count(tmp_path: Path) -> None:
    out = write(tmp_path / "run", good(0), refused(1), good(2))
    check(out)
    store = ReviewStore(out)
    store.append(Decision("1", Verdict("clip_002", 0, "keep", by="ann")))
    store.append(Decision("2", Verdict("clip_000", 0, "drop", by="ann", caption_sha256="of other words")))
    checked = Checked.open(out)
    pairs = list(checked)
    assert [row["clip_id"] for row, _ in pairs] == ["clip_000", "clip_001", "clip_002"]
    assert [[one.by for one in verdicts] for _, verdicts in pairs] == [["check"], ["check"], ["check", "ann"]]
    assert checked.num_stale == 1
    assert pairs[0][0]["steps"][0]["reply"].startswith("Reply 0")
    [refusal] = [one for one in checked.findings_of(pairs[1][0]) if one.reason == "form.refusal"]
    assert refusal.column == "affect_description"
    [copy] = [one for one in checked.findings_of(*pairs[2]) if one.reason == "form.near_duplicate"]
    assert copy.detail == "100% of what it says stands in row 0 of the dataset too"


def test_a_run_that_was_not_checked_has_captions_and_no_verdicts(tmp_path: Path) -> None:
    checked = Checked.open(write(tmp_path / "run", refused(0)))
    assert checked.record is None
    [(row, verdicts)] = checked
    assert verdicts == []
    assert "form.refusal" in {one.reason for one in checked.findings_of(row)}


def test_the_summary_says_what_was_found_what_follows_and_what_is_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = write(tmp_path / "run", good(0), refused(1), good(3, clip_id="clip_\x1b[31m"))
    check_with_summary(out, None, 1, measure=False)
    shown = capsys.readouterr().out
    assert "form.refusal" in shown
    assert "33.3%" in shown
    assert "clip_001" in shown
    assert "\x1b[31m" not in shown
    assert "kept 2 of 3 captions (67%), dropped 1; 0 of the kept are flagged" in shown
    assert "grounding not judged for 3 captions: they carry no measured cues; --measure measures" in shown
    assert shown.rstrip().endswith(f"next: vaemo-annotate report {out}")


def test_a_users_mistake_is_one_line(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["check", str(tmp_path / "none")])
    assert isinstance(result.exception, RunFolderError)
    assert "\n" not in str(result.exception)


def test_a_pilot_is_checked_by_its_own_folder(tmp_path: Path) -> None:
    write(tmp_path / "run" / "pilot", good(0))
    with pytest.raises(RunFolderError, match=f"it holds a pilot: give {tmp_path / 'run' / 'pilot'}, or run"):
        check(tmp_path / "run")
    assert not (tmp_path / "run" / ".lock").exists()
    assert check(tmp_path / "run" / "pilot").kept == 1


def test_media_that_are_gone_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = write(tmp_path / "run", good(0), good(1))
    check_with_summary(out, None, 1, measure=True)
    shown = capsys.readouterr().out
    assert "2 clips could not be measured (no_media 2); run.json does not say where the media are" in shown
    assert "kept 2 of 2" in shown


def test_clips_without_cues_are_measured_once_and_the_dataset_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, hz in (("high", 220.0), ("low", 110.0), ("gone", 150.0)):
        write_sound(tmp_path / "clips" / f"{name}.wav", hz)
    index(tmp_path / "clips", tmp_path / "run" / "clips.parquet", workers=1)
    manifest = Manifest.open(tmp_path / "run" / "clips.parquet")
    columns = ("clip_id", "path", "sha256", "start_s", "end_s", "duration_s", "width", "has_audio")
    clips = [{name: getattr(clip, name) for name in columns} for clip in manifest.clips()]
    rows = [good(number, **clip) for number, clip in enumerate(clips)]
    out = write_run_folder(tmp_path / "run", accepted=rows, manifest={"root": str(manifest.root)})
    (tmp_path / "clips" / "gone.wav").unlink()
    dataset = {path: path.read_bytes() for path in (out / "dataset").iterdir()}
    monkeypatch.setattr("vaemo_annotate.quality.measured_cues.decoding_pool", lambda *_, **__: nullcontext(POOL))
    told: list[str] = []
    assert check(out, workers=1).record["cues"]["with"] == 0
    record = check(out, workers=1, measure=True, on_progress=lambda what, done, total: told.append(what)).record
    assert record["cues"] == {"with": 2, "without": 1, "measured": 2, "failed": {"not_found": 1}, "note": ""}
    assert told.count("measuring clips") == 3
    cues = cues_of(out)
    measured = {row["path"]: {cue["name"] for cue in cues(row)} for row in rows}
    assert measured["high.wav"] == measured["low.wav"] >= {name for name, _ in VOICE_CUES}
    assert measured["gone.wav"] == set()
    assert cues({**rows[0], "sha256": "of another file"}) == []
    assert {path: path.read_bytes() for path in (out / "dataset").iterdir()} == dataset
    POOL.measured.clear()
    assert check(out, workers=1).record["cues"]["with"] == 2
    assert check(out, workers=1, measure=True).record["cues"]["measured"] == 2
    assert POOL.measured == ["gone.wav"]


class CountingPool:
    """A pool that works in this process and keeps the names of what it measured."""

    def __init__(self) -> None:
        self.measured: list[str] = []

    def schedule(self, function: Callable[..., Any], args: tuple[Any, ...], timeout: float) -> Future[Any]:
        """Do the job at once (as pebble.ProcessPool.schedule)."""
        self.measured.append(Path(args[0]).name)
        done: Future[Any] = Future()
        try:
            done.set_result(function(*args))
        except MediaError as error:
            done.set_exception(error)
        return done


POOL = CountingPool()


def write_sound(path: Path, hz: float) -> None:
    """A second of a tone."""
    path.parent.mkdir(exist_ok=True)
    samples = 0.3 * np.sin(2 * np.pi * hz * np.arange(16_000) / 16_000)
    path.write_bytes(encode_wav(samples, 16_000))


def test_a_histogram_widens_in_both_directions_and_loses_nothing() -> None:
    histogram = Histogram()
    values = [0.0, 0.5, 1.0, 1.0, 0.97, 1.3, 7.0, -3.0, 100.0, 64.0]
    for value in values:
        histogram.add(value)
    assert histogram.count == len(values)
    edges = [histogram.low + place * histogram.width for place in range(len(histogram.counts))]
    expected = [sum(edge <= value < edge + histogram.width for value in values) for edge in edges]
    assert histogram.counts == expected
    content = histogram.to_dict()
    assert (content["least"], content["most"], content["mean"]) == (-3.0, 100.0, pytest.approx(sum(values) / 10))
    with pytest.raises(ValueError, match="a score is nan"):
        histogram.add(float("nan"))
