"""Media in a push: what the manifest's licence allows, whole and unchanged; everything else stays, and says why."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import DatasetCard

from tests.support.hub_server import HubServer
from tests.support.local_hub import local_hub
from tests.support.pushed_run import REPO, metadata_of, pushed, rows_of
from tests.support.run_folder import caption_row, verdict_row, write_run_folder
from vaemo_annotate.hub import PushResult
from vaemo_annotate.push_command import push_with_summary, summary_lines
from vaemo_clips.clip import CLIP_SCHEMA
from vaemo_clips.errors import RunFolderError, UserError
from vaemo_clips.index import index
from vaemo_clips.manifest import Manifest


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    with local_hub(monkeypatch, tmp_path / "home") as server:
        yield server


def write_wav(path: Path, number: int) -> None:
    """A second of silence; its last sample is `number`."""
    import wave

    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(b"\0\0" * 15999 + number.to_bytes(2, "little"))


def run_of(folder: Path, rows: list[dict[str, Any]], **run: Any) -> Path:
    """A run of clips that are there: a sound file for each `path`, a caption for each row."""
    for number, path in enumerate(dict.fromkeys(row["path"] for row in rows)):
        if not (folder / "clips" / path).exists():
            write_wav(folder / "clips" / path, number)
    table = folder / "table.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    out = folder / "run"
    out.mkdir(exist_ok=True)
    index(table, out / "clips.parquet", root=folder / "clips", workers=1)
    manifest = Manifest.open(out / "clips.parquet")
    clips = [{name: getattr(clip, name) for name in CLIP_SCHEMA.names} | dict(clip.extra) for clip in manifest.clips()]
    accepted = [{**caption_row(number), **clip} for number, clip in enumerate(clips)]
    for row in accepted:
        del row["label"], row["fold"]
    extra = [part for part in manifest.extra_fields if part.name not in ("file_bytes", "file_mtime_ns")]
    return write_run_folder(out, accepted=accepted, extra_fields=extra, **run)


def clip(path: str, license_name: str | None = "CC-BY-4.0", **columns: Any) -> dict[str, Any]:
    return {"clip_id": Path(path).stem, "path": path, "license": license_name, "author": "Ann Abel", **columns}


def left_out(result: PushResult) -> dict[str, str]:
    return {left.path: left.reason for left in result.left_out}


def media_in(files: dict[str, Any]) -> list[str]:
    return sorted(path for path in files if path.startswith("media/"))


def test_only_files_whose_licence_allows_it_go_along_unchanged(hub: HubServer, tmp_path: Path) -> None:
    rows = [
        clip("a/by.wav"),
        clip("nc.wav", "CC BY-NC-SA 4.0"),
        clip("zero.wav", "CC0", author=None),
        clip("closed.wav", "all rights reserved"),
        clip("missing.wav", None),
        clip("nobody.wav", author=None),
    ]
    result = pushed(run_of(tmp_path, rows), with_media=True)

    repo = hub.repos[REPO]
    assert media_in(repo.files) == ["media/a/by.wav", "media/nc.wav", "media/zero.wav"]
    assert repo.files["media/nc.wav"].content == (tmp_path / "clips" / "nc.wav").read_bytes()
    assert left_out(result) == {
        "closed.wav": "licence 'all rights reserved' is not among those that let media be handed on (licences.yaml)",
        "missing.wav": "the manifest names no licence of it",
        "nobody.wav": "cc-by-4.0 asks for attribution, and no column attribution or author or credit or source says "
        "whom to name",
    }
    assert len(rows_of(repo)) == len(rows), "captions go along all the same"


def test_media_join_the_captions_by_their_content(hub: HubServer, tmp_path: Path) -> None:
    pushed(
        run_of(tmp_path, [clip("by.wav", source="https://example.org/by"), clip("no.wav", "secret")]), with_media=True
    )
    [row] = rows_of(hub.repos[REPO], "media")
    content = (tmp_path / "clips" / "by.wav").read_bytes()
    assert row == {
        "sha256": sha256(content).hexdigest(), "file_name": "media/by.wav", "size_bytes": len(content),
        "license": "cc-by-4.0", "license_url": "https://creativecommons.org/licenses/by/4.0/",
        "attribution": None, "author": "Ann Abel", "credit": None, "source": "https://example.org/by",
    }  # fmt: skip
    assert row["sha256"] in [caption["sha256"] for caption in rows_of(hub.repos[REPO])]


def test_without_the_option_no_media_go_along_and_those_of_before_are_removed(hub: HubServer, tmp_path: Path) -> None:
    out = run_of(tmp_path, [clip("by.wav")])
    assert "**no media**" not in pushed(out, with_media=True).card
    result = pushed(out)
    assert media_in(hub.repos[REPO].files) == []
    assert result.pushed is not None
    assert result.pushed.removed == ("data/media-00000-of-00001.parquet", "media/by.wav")
    assert "**no media**" in result.card


def test_media_of_dropped_captions_stay(tmp_path: Path) -> None:
    rows = [clip("kept.wav"), clip("dropped.wav")]
    out = run_of(tmp_path, rows, verdicts=[verdict_row("dropped", "drop", by="check")])
    result = pushed(out, with_media=True, dry_run=True)
    assert [file.path for file in result.files if file.note] == ["media/kept.wav"]
    assert result.left_out == ()


def test_segments_of_a_file_send_it_once_and_whole(tmp_path: Path) -> None:
    rows = [
        clip("talk.wav", "CC-BY-ND-4.0") | {"clip_id": f"talk-{k}", "start_s": k / 4, "end_s": (k + 1) / 4}
        for k in range(3)
    ]
    result = pushed(run_of(tmp_path, rows), with_media=True, dry_run=True)
    [file] = [file for file in result.files if file.note]
    assert (file.path, file.size_bytes) == ("media/talk.wav", (tmp_path / "clips" / "talk.wav").stat().st_size)
    assert "no derivatives (files are whole and unchanged)" in result.card


def test_a_file_of_which_any_row_says_otherwise_stays(tmp_path: Path) -> None:
    rows = [
        clip("talk.wav", text) | {"clip_id": f"talk-{k}", "start_s": k / 4, "end_s": (k + 1) / 4}
        for k, text in enumerate(("CC-BY-4.0", "CC0"))
    ]
    out = run_of(tmp_path, rows, verdicts=[verdict_row("talk-1", "drop", by="check")])
    assert left_out(pushed(out, with_media=True, dry_run=True)) == {
        "talk.wav": "its clips name different licences: cc-by-4.0, cc0-1.0"
    }


def test_the_same_content_under_two_names_goes_once(tmp_path: Path) -> None:
    for name in ("one.wav", "two.wav"):
        write_wav(tmp_path / "clips" / name, 7)
    result = pushed(run_of(tmp_path, [clip("one.wav"), clip("two.wav")]), with_media=True, dry_run=True)
    assert [file.path for file in result.files if file.note] == ["media/one.wav"]


def test_both_spellings_of_the_column_count_and_must_agree(tmp_path: Path) -> None:
    rows = [clip("a.wav") | {"Licence": "CC BY 4.0"}, clip("b.wav") | {"Licence": "CC-BY-SA-4.0"}]
    result = pushed(run_of(tmp_path, rows), with_media=True, dry_run=True)
    assert [file.path for file in result.files if file.note] == ["media/a.wav"]
    assert list(left_out(result)) == ["b.wav"]


def test_every_column_of_licences_counts_whatever_its_case(tmp_path: Path) -> None:
    rows = [clip("a.wav") | {"License": "CC BY 4.0"}, clip("b.wav") | {"License": "all rights reserved"}]
    result = pushed(run_of(tmp_path, rows), with_media=True, dry_run=True)
    assert [file.path for file in result.files if file.note] == ["media/a.wav"]
    assert list(left_out(result)) == ["b.wav"]


@pytest.mark.parametrize(
    "nobody",
    ["-", "unknown", "Unknown.", "N/A", "n.a.", "none", "[none]", "?", "/home/ann/clips", "./a.wav", "clips/a.wav",
     r"C:\\clips\\a.wav"],
)  # fmt: skip
def test_a_credit_that_names_nobody_does_not_count(tmp_path: Path, nobody: str) -> None:
    result = pushed(run_of(tmp_path, [clip("a.wav", author=nobody)]), with_media=True, dry_run=True)
    assert "asks for attribution" in left_out(result)["a.wav"]


@pytest.mark.parametrize("credit", ["Ann Abel / BBC", "https://example.org/a.wav", "RAVDESS", "Na Li", "Nil Ø."])
def test_people_and_addresses_are_credits(tmp_path: Path, credit: str) -> None:
    result = pushed(run_of(tmp_path, [clip("a.wav", author=credit)]), with_media=True, dry_run=True)
    assert [file.path for file in result.files if file.note] == ["media/a.wav"]


def test_a_manifest_without_licences_says_which_column_is_needed(hub: HubServer, tmp_path: Path) -> None:
    rows = [{name: value for name, value in clip("a.wav").items() if name != "license"}]
    with pytest.raises(UserError, match=r"clips\.parquet: --with-media needs a column `license` .*index and run again"):
        pushed(run_of(tmp_path, rows), with_media=True)
    assert hub.requests == []


def test_a_run_that_kept_no_manifest_is_named(tmp_path: Path) -> None:
    out = run_of(tmp_path, [clip("a.wav")])
    (out / "clips.parquet").unlink()
    with pytest.raises(RunFolderError, match="keeps no manifest"):
        pushed(out, with_media=True, dry_run=True)


def test_a_link_out_of_the_media_folder_is_not_followed(tmp_path: Path) -> None:
    out = run_of(tmp_path, [clip("a.wav"), clip("b.wav")])
    secret = tmp_path / "secret.wav"
    (tmp_path / "clips" / "a.wav").rename(secret)
    (tmp_path / "clips" / "a.wav").symlink_to(secret)
    result = pushed(out, with_media=True, dry_run=True)
    assert left_out(result) == {"a.wav": "it leads out of the manifest's media folder"}


def test_a_file_that_is_not_the_indexed_one_stays(tmp_path: Path) -> None:
    out = run_of(tmp_path, [clip("a.wav"), clip("b.wav"), clip("c.wav")])
    write_wav(tmp_path / "clips" / "a.wav", 99)
    (tmp_path / "clips" / "b.wav").unlink()
    assert left_out(pushed(out, with_media=True, dry_run=True)) == {
        "a.wav": "it is not the file that was indexed; index again",
        "b.wav": "it cannot be read (No such file or directory)",
    }


def test_the_card_names_licences_people_and_what_stayed(tmp_path: Path) -> None:
    rows = [clip("a.wav", author="<b>Ann</b> | Abel"), clip("b.wav", "CC-BY-NC-4.0", author="Bob"), clip("c.wav", "no")]
    result = pushed(run_of(tmp_path, rows), with_media=True, dry_run=True, license_id="cc-by-4.0")
    metadata = metadata_of(DatasetCard(result.card))
    assert metadata["license"] == ["cc-by-4.0", "cc-by-nc-4.0"]
    assert [config["config_name"] for config in metadata["configs"]] == ["captions", "media"]
    assert "[cc-by-nc-4.0](https://creativecommons.org/licenses/by-nc/4.0/) | 1 | attribution, no commercial use" in (
        result.card
    )
    assert "- &lt;b&gt;Ann&lt;/b&gt; \\| Abel\n- Bob" in result.card
    assert "1 files of captioned clips are not here" in result.card
    assert 'hf_hub_download("ann/emo-captions"' in result.card
    assert "The media files show people." in result.card
    assert (
        "--license cc-by-4.0 is the captions' alone; media keep their own: cc-by-nc-4.0 (1 files: attribution, no "
        "commercial use)" in result.notes
    )


def test_a_dry_run_shows_every_file_and_what_stays(
    hub: HubServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = run_of(tmp_path, [clip("a.wav"), clip("c.wav", "no")])
    push_with_summary(out, REPO, private=True, dry_run=True, with_media=True, license_id="cc-by-4.0")
    told = capsys.readouterr().out
    assert "## Media" in told
    assert "  media/a.wav  32,044 bytes  (cc-by-4.0)" in told
    assert "  not uploaded: c.wav: licence 'no' is not among those" in told
    assert "note: these captions were never checked" in told
    assert "1 media files stay here" in told
    assert told.splitlines()[-1] == (
        f"dry run: nothing was sent; next: vaemo-annotate push {out} --repo {REPO} --private --license cc-by-4.0 "
        "--with-media"
    )
    assert hub.requests == []


def test_a_push_that_broke_is_finished_by_the_next(hub: HubServer, tmp_path: Path) -> None:
    out = run_of(tmp_path, [clip("a.wav"), clip("b.wav")])
    hub.drops["commit"] = 1
    with pytest.raises(UserError, match="push again"):
        pushed(out, with_media=True)
    assert media_in(hub.repos[REPO].files) == []
    sent = len(hub.uploaded)
    result = pushed(out, with_media=True)
    assert len(hub.uploaded) == sent
    assert len(hub.repos[REPO].commits) == 2
    assert f"pushed to {result.url}" in list(summary_lines(result))
