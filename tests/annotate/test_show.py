"""Captions in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.run_folder import caption_row, reject_row, write_run_folder
from vaemo_annotate.show import printable, show_captions
from vaemo_clips.errors import RunFolderError

ESCAPE = "\x1b[31mred\x1b]0;title\x07\u202egnp.exe\x9b2J"


def shown(capsys: pytest.CaptureFixture[str], out: Path, **options: Any) -> str:
    settings: dict[str, Any] = {"clip_id": None, "count": 10, "rejects": False, "with_steps": False, **options}
    show_captions(out, **settings)
    return capsys.readouterr().out


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run_folder(
        tmp_path,
        accepted=[caption_row(number) for number in range(3)],
        rejected=[reject_row(7, "refusal", "step look: it begins 'I cannot'")],
    )


def test_a_caption_is_printed_with_its_numbers_and_descriptions(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, run, count=1).splitlines()
    assert lines[:5] == [
        "clip_000  2.5 s",
        "  joy, relief   valence +0.75  arousal +0.50  confidence 0.90",
        "  seen   Clip 0: the lip corners pull up and the cheeks rise.",
        "  heard  Clip 0: the pitch is high and varied.",
        "  affect Clip 0: face and voice agree on joy.",
    ]


def test_the_footer_tells_the_run_and_what_comes_next(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, run, count=2).splitlines()
    assert lines[-3].startswith("2 of 3 captions shown; the run: 3 captions, 1 rejects, prompt cot_v2 2.0, model Qwen/")
    assert lines[-2] == f"load it: datasets.load_from_disk({str(run / 'dataset')!r})"
    assert lines[-1] == f"next: vaemo-annotate push {run} --repo USER/NAME --dry-run"


def test_what_is_not_known_is_a_dash(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = caption_row(0, valence=None, arousal=None, confidence=None, emotions=[], visual_description=None)
    out = shown(capsys, write_run_folder(tmp_path, accepted=[row]))
    assert "  –   valence –  arousal –  confidence –" in out
    assert "  seen   –" in out


def test_rejects_are_printed_with_their_reasons(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, run, rejects=True).splitlines()
    assert lines[:2] == ["clip_007  9.5 s", "  refusal: step look: it begins 'I cannot'"]
    assert "1 of 1 rejects shown" in lines[-3]


def test_steps_are_printed_where_asked_for(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "look (stop" not in shown(capsys, run, count=1)
    out = shown(capsys, run, count=1, with_steps=True)
    assert "  look (stop, 900 + 60 tokens, 512 cached, 0.50 s)" in out
    assert "    Reply 0: the brows rise, then fall." in out


def test_one_clip_is_shown_with_all_its_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [caption_row(0), caption_row(1, clip_id="other"), caption_row(0, sample_index=1)]
    lines = shown(capsys, write_run_folder(tmp_path, accepted=rows), clip_id="clip_000").splitlines()
    assert [line for line in lines if line.startswith("clip_")] == ["clip_000  2.5 s", "clip_000  sample 1  2.5 s"]
    assert "2 of 2 captions shown" in lines[-3]


@pytest.mark.parametrize(
    ("rejects", "message"),
    [
        (False, r"has no caption of clip 'none'; look in its rejects$"),
        (True, r"has no reject of clip 'none'; look in its captions$"),
    ],
)
def test_a_clip_that_is_not_there_is_told_with_where_to_look(run: Path, rejects: bool, message: str) -> None:
    with pytest.raises(RunFolderError, match=message):
        show_captions(run, clip_id="none", count=1, rejects=rejects, with_steps=False)


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"run\.json"):
        show_captions(tmp_path, clip_id=None, count=1, rejects=False, with_steps=False)


def test_no_text_of_a_model_a_server_or_a_file_name_drives_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = caption_row(0)
    steps = [{**plain["steps"][0], "reply": ESCAPE, "finish_reason": ESCAPE}]
    texts = dict.fromkeys(["visual_description", "acoustic_description", "affect_description"], ESCAPE)
    row = caption_row(0, clip_id=f"clip{ESCAPE}", emotions=[ESCAPE], steps=steps, **texts)
    reject = reject_row(1, "refused_media", f"HTTP 400: {ESCAPE}", clip_id=f"clip{ESCAPE}")
    engine = {"name": "endpoint", "model": f"model{ESCAPE}", "model_revision": None, "server_version": None}
    out = write_run_folder(tmp_path, accepted=[row], rejected=[reject], engine=engine)
    text = shown(capsys, out, with_steps=True) + shown(capsys, out, rejects=True)
    assert not set("\x1b\x07\x9b\u202e") & set(text)
    assert text.count("red") >= 9


def test_brackets_in_a_text_are_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    row = caption_row(0, affect_description="[bold]calm[/bold] [not visible]")
    assert "[bold]calm[/bold] [not visible]" in shown(capsys, write_run_folder(tmp_path, accepted=[row]))


def test_spaces_of_every_kind_are_spaces_and_letters_of_every_script_stay() -> None:
    assert printable("a\tb\u00a0c\u202fd\ne") == "a b c d\ne"
    assert printable("眉毛 Ärger émotion 😀") == "眉毛 Ärger émotion 😀"


@given(st.text())
def test_printable_text_keeps_its_length_and_holds_nothing_that_is_not_printable(text: str) -> None:
    result = printable(text)
    assert len(result) == len(text)
    assert all(character.isprintable() or character == "\n" for character in result)
