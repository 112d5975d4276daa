"""What the review page shows of clips: our own previews of the run's own files, and of no others."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.media_files import Picture, Sound, steady, write_media
from tests.support.review_folder import review_client, write_review_run
from tests.support.run_folder import caption_row
from vaemo_annotate.review import media
from vaemo_annotate.review.media import make_file
from vaemo_clips.errors import MediaError
from vaemo_clips.manifest import Manifest
from vaemo_clips.workers import decoding_pool


@pytest.fixture(scope="module")
def pool() -> Iterator[Any]:
    with decoding_pool(1, preload="vaemo_annotate.review.media") as workers:
        yield workers


async def test_a_clip_is_shown_as_our_own_preview_with_ranges_strip_and_curves(tmp_path: Path, pool: Any) -> None:
    write_media(tmp_path / "a.mp4", Picture(steady(50)), Sound([0.5], end_s=2.0))
    write_review_run(tmp_path, [caption_row(0, path="a.mp4", duration_s=2.0)], tmp_path)
    async with review_client(tmp_path, pool) as client:
        await client.get("api/next")
        async with client.http.get(client.address("media/0/preview"), headers={"Range": "bytes=4-7"}) as response:
            assert (response.status, await response.read()) == (206, b"ftyp")
            assert response.content_type == "video/mp4"
        async with client.http.get(client.address("media/0/strip")) as response:
            assert (response.content_type, (await response.read())[:2]) == ("image/jpeg", b"\xff\xd8")
        course = await client.get("media/0/course")
    names = [curve["name"] for curve in course["curves"]]
    assert names[-2:] == ["f0_hz", "loudness_db"]
    assert course["face_reason"]
    assert len(course["wave"][0]) == len(course["wave"][1]) == 400
    assert sorted(path.suffix for path in (tmp_path / "review-cache").iterdir()) == [".jpg", ".json", ".mp4"]


SECRET = "root:x:0:0:the-secret"


def text_named_mp4(root: Path) -> str:
    (root / "notes.mp4").write_text(SECRET * 50)
    return "notes.mp4"


def playlist(root: Path) -> str:
    (root / "secret.ts").write_text(SECRET)
    text = f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{root / 'secret.ts'}\n#EXT-X-ENDLIST\n"
    (root / "list.mp4").write_text(text)
    return "list.mp4"


def concat_script(root: Path) -> str:
    (root / "script.mp4").write_text(f"ffconcat version 1.0\nfile {root.parent / 'outside.mp4'}\n")
    return "script.mp4"


def link_out(root: Path) -> str:
    (root / "link.mp4").symlink_to(root.parent / "outside.mp4")
    return "link.mp4"


def linked_folder_out(root: Path) -> str:
    (root / "folder").symlink_to(root.parent)
    return "folder/outside.mp4"


def parent(root: Path) -> str:
    return "../outside.mp4"


def absolute(root: Path) -> str:
    return str(root.parent / "outside.mp4")


def gone(root: Path) -> str:
    return "gone.mp4"


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        (text_named_mp4, "notes.mp4"),
        (playlist, "list.mp4: "),
        (concat_script, "playlist or plain text"),
        (link_out, "lies outside the media folder"),
        (linked_folder_out, "lies outside the media folder"),
        (parent, "must lie inside the manifest's root"),
        (absolute, "must lie inside the manifest's root"),
        (gone, "there is no such file in the media folder"),
    ],
)
async def test_a_path_cannot_make_the_page_serve_other_files(
    tmp_path: Path, pool: Any, hostile: Any, message: str
) -> None:
    root = tmp_path / "clips"
    root.mkdir()
    write_media(tmp_path / "outside.mp4", Picture(steady(5)))
    out = write_review_run(tmp_path / "out", [caption_row(0, path=hostile(root))], root)
    async with review_client(out, pool) as client:
        for kind in ("preview", "strip", "course"):
            async with client.http.get(client.address(f"media/0/{kind}")) as response:
                answer = await response.text()
                assert response.status == 404, answer
                assert response.content_type == "application/json"
                assert message in json.loads(answer)["error"]
                assert SECRET not in answer
    assert not list((out / "review-cache").glob("[!.]*"))


async def test_a_cache_that_cannot_be_written_is_told_and_tried_again_when_it_can(tmp_path: Path, pool: Any) -> None:
    write_media(tmp_path / "a.mp4", Picture(steady(5)))
    write_review_run(tmp_path, [caption_row(0, path="a.mp4")], tmp_path)
    cache = tmp_path / "review-cache"
    cache.write_text("a file")
    async with review_client(tmp_path, pool) as client:
        async with client.http.get(client.address("media/0/strip")) as response:
            assert (response.status, response.content_type) == (404, "application/json")
            answer = await response.json()
        assert answer["reason"] == "no_cache"
        assert "cannot be used for previews (File exists); free disk space" in answer["error"]
        cache.unlink()
        async with client.http.get(client.address("media/0/strip")) as response:
            assert response.status == 200, await response.text()


def test_a_disk_that_is_full_is_no_fault_of_the_clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    write_media(tmp_path / "a.mp4", Picture(steady(5)))
    out = write_review_run(tmp_path, [caption_row(0, path="a.mp4")], tmp_path)
    (clip,) = Manifest.open(out / "clips.parquet").take([0])
    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(MediaError, match=r"no_cache: .* \(No space left on device\); free disk space"):
        make_file("strip", tmp_path / "a.mp4", clip, tmp_path / "strip.jpg")


@pytest.mark.parametrize(("reason", "num_tries"), [("corrupt", 1), ("decoder_crashed", 2), ("not_found", 2)])
async def test_only_an_error_that_lasts_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reason: str, num_tries: int
) -> None:
    tries: list[str] = []

    async def fail(pool: Any, timeout_s: float, name: str, *job: Any) -> None:
        tries.append(name)
        raise MediaError(reason, name)

    write_media(tmp_path / "a.mp4", Picture(steady(5)))
    out = write_review_run(tmp_path, [caption_row(0, path="a.mp4")], tmp_path)
    monkeypatch.setattr(media, "in_worker", fail)
    clips = media.ClipMedia(Manifest.open(out / "clips.parquet"), tmp_path / "cache", None)
    for _ in range(2):
        with pytest.raises(MediaError, match=reason):
            await clips.file("clip_000", "strip")
    assert len(tries) == num_tries
