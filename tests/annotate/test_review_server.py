"""The review page's server: it keeps to this machine and its own page, and what a page sends is checked."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import pyarrow as pa
import pytest
from yarl import URL

from tests.support.review_folder import review_client, write_review_run
from tests.support.run_folder import caption_row, write_run_folder
from vaemo_annotate.review.review_command import open_manifest, summary_lines
from vaemo_annotate.review.sheet import Mark, pieces
from vaemo_clips.errors import CaptionError, UserError
from vaemo_clips.verdict import VERDICTS_FILE, read_verdicts

HOSTILE = '<img src=x onerror="alert(1)"></script><script>alert(2)</script>'


def plain_run(out: Path, count: int = 3) -> Path:
    return write_review_run(out, [caption_row(number) for number in range(count)], out)


def words(out: Path) -> set[tuple[str, str, str]]:
    return {(one.clip_id, one.by, one.verdict) for one in read_verdicts(out / VERDICTS_FILE) if not one.is_by_software}


async def test_a_person_is_led_through_all_captions_and_the_verdicts_are_in_the_table(tmp_path: Path) -> None:
    plain_run(tmp_path)
    async with review_client(tmp_path) as client:
        for verdict, details in (
            ("keep", {}),
            ("fixed", {"fixed_description": "calm"}),
            ("drop", {"reasons": ["review.leak"]}),
        ):
            caption = (await client.get("api/next"))["caption"]
            status, answer = await client.decide(caption, verdict, **details)
            assert status == 200, answer
        end = await client.get("api/next")
    assert end["caption"] is None
    assert (end["progress"]["judged"], end["progress"]["left"]) == (3, 0)
    assert words(tmp_path) == {
        ("clip_000", "Anna", "keep"),
        ("clip_001", "Anna", "fixed"),
        ("clip_002", "Anna", "drop"),
    }


async def test_two_servers_at_once_lose_nothing_and_see_each_other(tmp_path: Path) -> None:
    plain_run(tmp_path)
    async with review_client(tmp_path) as one, review_client(tmp_path) as other:
        for place in range(3):
            caption = (await one.get(f"api/captions/{place}"))["caption"]
            await one.decide(caption, "keep")
            await other.decide(caption, "drop", "Ben")
        results = await one.get("api/results")
        assert (results["captions"], results["agreed"]) == (3, 0)
        assert (await other.get("api/next"))["progress"]["judged"] == 3
    assert len(words(tmp_path)) == 6


async def test_undo_leads_back_to_the_caption(tmp_path: Path) -> None:
    plain_run(tmp_path)
    async with review_client(tmp_path) as client:
        await client.decide((await client.get("api/next"))["caption"], "keep")
        undone, nothing = {"undone": True, "place": 0}, {"undone": False, "place": None}
        assert await client.post("api/undo", {"annotator": "Anna", "decision_id": "u1"}) == (200, undone)
        assert await client.post("api/undo", {"annotator": "Anna", "decision_id": "u2"}) == (200, nothing)
        assert (await client.get("api/next"))["caption"]["place"] == 0
    assert words(tmp_path) == set()


async def test_a_caption_that_has_changed_is_refused_and_asked_again(tmp_path: Path) -> None:
    plain_run(tmp_path)
    async with review_client(tmp_path) as client:
        await client.decide((await client.get("api/next"))["caption"], "keep")
        shown = (await client.get("api/next"))["caption"]
    rows = [caption_row(number, affect_description="Other words.") for number in range(3)]
    write_review_run(tmp_path, rows, tmp_path)
    async with review_client(tmp_path) as client:
        assert (await client.get("api/next"))["caption"]["place"] == 0
        status, answer = await client.decide(shown, "drop")
        assert status == 409
        assert "the caption has changed since it was shown" in answer["error"]


async def test_another_host_another_origin_and_a_page_without_the_token_are_refused(tmp_path: Path) -> None:
    plain_run(tmp_path)
    async with review_client(tmp_path) as client:
        port = URL(client.url).port
        for host in ("evil.example", f"evil.example:{port}", "127.0.0.1:1", "127.0.0.1", ""):
            async with client.http.get(client.url, headers={"Host": host}) as response:
                assert response.status == 403, host
                assert client.token not in await response.text()
        async with client.http.get(client.url, headers={"Host": f"localhost:{port}"}) as response:
            assert response.status == 200
        caption = (await client.get("api/next"))["caption"]
        body = {"decision_id": "x", "annotator": "Anna", "verdict": "keep", **caption}
        for header, value, status in (
            ("Origin", "http://evil.example", 403),
            ("Origin", "null", 403),
            ("X-Review-Token", "guess", 401),
            ("Content-Type", "text/plain", 415),
        ):
            assert (await client.post("api/decisions", body, **{header: value}))[0] == status, header
        assert client.session.store.num_events() == 0


async def test_every_answer_forbids_scripts_of_others_and_guessing_of_types(tmp_path: Path) -> None:
    plain_run(tmp_path)
    async with review_client(tmp_path) as client:
        for path in ("", "review.js", "review.css", "api/session", "media/0/preview", "nothing"):
            async with client.http.get(client.address(path)) as response:
                assert "default-src 'self'" in response.headers["Content-Security-Policy"], path
                assert "unsafe" not in response.headers["Content-Security-Policy"]
                assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    ["review.py", "page/", "page/index.html", "../server.py", "..%2fserver.py", "media/", "media/0/",
     "media/0/clip.mp4", "media/0/preview/..%2f..%2fclips.parquet", "review-cache/", "reviews.sqlite",
     "media/-1/preview", "%00"],
)  # fmt: skip
async def test_nothing_but_the_pages_own_files_is_served(tmp_path: Path, path: str) -> None:
    plain_run(tmp_path, 1)
    async with review_client(tmp_path) as client:
        response = await client.http.get(URL(client.address(path), encoded=True))
        assert response.status == 404, await response.text()


async def test_columns_of_any_type_and_hostile_texts_reach_the_page_as_plain_json(tmp_path: Path) -> None:
    extras = [
        pa.field("label", pa.string()),
        pa.field("raw", pa.binary()),
        pa.field("nested", pa.struct([("a", pa.list_(pa.int8()))])),
        pa.field("when", pa.timestamp("ns")),
        pa.field("share", pa.float64()),
        pa.field(HOSTILE, pa.string()),
    ]
    row = caption_row(
        0, label=HOSTILE, raw=b"\xff\x00", nested={"a": [1]}, when=datetime(2026, 1, 1), share=float("nan"),
        affect_description=HOSTILE, valence=float("nan"), confidence=float("inf"), **{HOSTILE: HOSTILE},
    )  # fmt: skip
    del row["fold"]
    write_review_run(tmp_path, [row], tmp_path, extras)
    async with review_client(tmp_path) as client:
        response = await client.http.get(client.address("api/next", annotator=HOSTILE[:40]))
        text = await response.text()
    assert response.content_type == "application/json"
    sheet = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))["caption"]
    shown = {one["name"]: one["value"] for one in sheet["gold"]}
    assert shown["raw"] == "2 bytes"
    assert shown["nested"] == "{'a': [1]}"
    assert shown["when"].startswith("2026-01-01")
    assert shown[HOSTILE] == shown["label"] == HOSTILE
    assert sheet["valence"] is None
    assert "".join(piece["text"] for piece in sheet["texts"][2]["pieces"]) == HOSTILE


async def test_other_samples_of_a_clip_are_given_on_demand(tmp_path: Path) -> None:
    rows = [caption_row(0), caption_row(0, sample_index=1, emotions=["fear"]), caption_row(1)]
    write_review_run(tmp_path, rows, tmp_path)
    async with review_client(tmp_path) as client:
        assert (await client.get("api/captions/0"))["caption"]["other_samples"] == 1
        assert [one["emotions"] for one in await client.get("api/captions/0/samples")] == [["fear"]]
        assert await client.get("api/captions/2/samples") == []


async def test_the_name_given_on_the_command_line_counts_whatever_the_page_says(tmp_path: Path) -> None:
    plain_run(tmp_path, 1)
    async with review_client(tmp_path, annotator="Cleo") as client:
        await client.decide((await client.get("api/next"))["caption"], "keep", "Anna")
        assert (await client.get("api/session"))["annotator"] == "Cleo"
    assert words(tmp_path) == {("clip_000", "Cleo", "keep")}


async def test_a_store_that_cannot_be_written_is_told_so_that_the_page_tries_again(tmp_path: Path) -> None:
    plain_run(tmp_path, 1)
    async with review_client(tmp_path) as client:
        caption = (await client.get("api/next"))["caption"]
        (tmp_path / "reviews.sqlite").mkdir()
        status, answer = await client.decide(caption, "keep")
        assert (status, "reviews.sqlite cannot be used" in answer["error"]) == (503, True), answer
        (tmp_path / "reviews.sqlite").rmdir()
        assert (await client.decide(caption, "keep"))[0] == 200


@pytest.mark.parametrize(
    "body", [[], "keep", 7, {"verdict": "keep"}, {"annotator": "check"}, {"annotator": "Anna", "reasons": [[1]]}]
)
async def test_what_is_no_decision_is_refused(tmp_path: Path, body: Any) -> None:
    plain_run(tmp_path, 1)
    async with review_client(tmp_path) as client:
        status, answer = await client.post("api/decisions", body)
        assert status == 400
        assert answer["error"]
        assert client.session.store.num_events() == 0


async def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    plain_run(tmp_path, 1)
    async with review_client(tmp_path) as client:
        from vaemo_annotate.review.server import _listen

        with pytest.raises(UserError, match=r"port \d+ of 127.0.0.1 cannot be used.*give another --port"):
            await _listen(URL(client.url).port)


async def test_the_address_is_of_this_machine_only(tmp_path: Path) -> None:
    plain_run(tmp_path, 1)
    async with review_client(tmp_path) as client:
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.http.get(client.url.replace("127.0.0.1", "127.0.0.2"))


async def test_the_summary_tells_what_was_judged_and_what_comes_next(tmp_path: Path) -> None:
    plain_run(tmp_path, 2)
    async with review_client(tmp_path, order="random") as client:
        for place in range(2):
            caption = (await client.get(f"api/captions/{place}"))["caption"]
            await client.decide(caption, "keep")
            await client.decide(caption, "keep" if place else "drop", "Ben")
        lines = list(summary_lines(client.session))
    assert lines[0] == "2 of 2 captions judged by people; 4 decisions now"
    assert lines[1] == "  Anna: 2 accepted, 0 fixed, 0 rejected"
    assert lines[3] == "agreement on 2 captions judged by several: Krippendorff's alpha 0.00, the same word on 1"
    assert lines[4].startswith("good as they are: 50% (95 % interval ")
    assert lines[-1].startswith("next: vaemo-annotate report ")


def test_a_run_whose_clips_are_gone_says_why_none_can_be_shown(tmp_path: Path) -> None:
    write_run_folder(tmp_path, accepted=[caption_row(0)])
    told = open_manifest(tmp_path, {})
    assert isinstance(told, str)
    assert "there is no such manifest" in told


def test_a_text_is_cut_at_its_marks_and_nothing_of_it_is_lost() -> None:
    marks = [Mark("c", 4, 9, "supported", "n1"), Mark("c", 7, 12, "finding", "n2"), Mark("c", 8, 99, "unclear", "n3")]
    cut = pieces("the brows rise", marks)
    assert "".join(piece["text"] for piece in cut) == "the brows rise"
    assert [(piece["text"], piece["states"]) for piece in cut] == [
        ("the ", []), ("bro", ["supported"]), ("ws", ["supported", "finding"]), (" ri", ["finding"]), ("se", []),
    ]  # fmt: skip


async def test_a_place_that_is_not_there_is_an_error_in_words(tmp_path: Path) -> None:
    plain_run(tmp_path, 1)
    async with review_client(tmp_path) as client:
        with pytest.raises(CaptionError, match="there is no caption 7; this review has 1, from 0 on"):
            client.session.sheet(7, "Anna")
