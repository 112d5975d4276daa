"""The review page in a real browser: judged by keyboard alone, by two people at once, safe from what captions say."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from tests.support.browser import PHONE, WIDE, chromium, overflow_px, watched_page
from tests.support.media_files import Picture, Sound, steady, write_media
from tests.support.review_folder import held_port, served_in_thread, write_review_run
from tests.support.run_folder import caption_row
from tests.support.servers import REPOSITORY
from vaemo_clips.verdict import VERDICTS_FILE, Verdict, read_verdicts
from vaemo_clips.workers import decoding_pool

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

HOSTILE = '<img src=x onerror="alert(1)"><script>alert(2)</script><a href="http://evil.example">x</a>'
NO_MEDIA = ["404 (Not Found)"]
TROUBLE = [*NO_MEDIA, "ERR_CONNECTION_REFUSED", "ERR_FAILED", "ERR_EMPTY_RESPONSE", "401", "403", "409", "500"]
FOUR = [caption_row(number, path=f"{number}.mp4") for number in range(4)]
SERVE = """
import sys
from pathlib import Path
from vaemo_annotate.review.review_command import review_with_summary
review_with_summary(Path(sys.argv[1]), 0, order="dataset")
"""


@contextmanager
def command(out: Path) -> Iterator[tuple[str, Callable[[], str]]]:
    """Run the command as a user does; yield the page's address and what presses Ctrl-C and returns the summary."""
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(out)], cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    told = ""
    while "http://" not in told:
        told = process.stdout.readline()
        assert told, "the server ended at once"

    def end() -> str:
        os.killpg(process.pid, signal.SIGINT)  # a terminal tells the worker processes, too
        summary, _ = process.communicate(timeout=60)
        assert process.returncode == 0, summary
        assert "Traceback" not in summary, summary
        return summary

    try:
        yield told.split("them at ")[1].split()[0], end
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return write_review_run(tmp_path / "out", FOUR, tmp_path)


def begin(page: Page, url: str, name: str) -> None:
    page.goto(url)
    page.wait_for_selector("#name-dialog[open]")
    page.keyboard.type(name)
    page.keyboard.press("Enter")
    at_caption(page, 1)


def at_caption(page: Page, number: int) -> None:
    page.wait_for_selector(f"h2:text-is('Caption {number} of 4')")


def said(page: Page, text: str) -> None:
    page.wait_for_function("text => document.getElementById('live').textContent.includes(text)", arg=text)


def people(out: Path) -> dict[tuple[str, str], Verdict]:
    verdicts = read_verdicts(out / VERDICTS_FILE)
    return {(verdict.clip_id, verdict.by): verdict for verdict in verdicts if not verdict.is_by_software}


def test_three_verdicts_by_keyboard_alone_undone_reloaded_and_found_in_the_table(browser: Browser, out: Path) -> None:
    with command(out) as (url, end), watched_page(browser, expected_errors=NO_MEDIA) as page:
        begin(page, url, "Anna")
        page.keyboard.press("a")
        said(page, "Accepted, saved.")
        at_caption(page, 2)
        page.keyboard.press("f")
        page.keyboard.press("Control+A")
        page.keyboard.type("Calm, with a jar in the voice.")  # its letters are no keys here
        page.keyboard.press("Control+Enter")
        said(page, "Fixed, saved.")
        at_caption(page, 3)
        page.keyboard.press("r")
        page.keyboard.press("4")
        said(page, "Rejected, saved.")
        at_caption(page, 4)
        page.keyboard.press("r")
        page.keyboard.press("Enter")
        said(page, "All captions are judged.")
        page.keyboard.press("u")
        said(page, "Undone.")
        at_caption(page, 4)
        page.keyboard.press("k")
        at_caption(page, 3)
        assert "you rejected it: says what is not there" in page.inner_text("#caption")
        page.reload()
        at_caption(page, 4)
        assert page.inner_text("#progress").startswith("3 judged · 1 left")
        summary = end()
    assert "  Anna: 1 accepted, 1 fixed, 1 rejected" in summary
    found = people(out)
    assert {clip: one.verdict for (clip, _), one in found.items()} == {
        "clip_000": "keep",
        "clip_001": "fixed",
        "clip_002": "drop",
    }
    assert found["clip_001", "Anna"].fixed_description == "Calm, with a jar in the voice."
    assert found["clip_002", "Anna"].reasons == ("review.invented",)


def test_the_label_help_and_leaving_by_keyboard_change_no_verdict(browser: Browser, out: Path) -> None:
    with served_in_thread(out) as url, watched_page(browser, expected_errors=NO_MEDIA) as page:
        begin(page, url, "Anna")
        assert not page.is_visible("text=clip_000")
        page.keyboard.press("l")
        assert page.is_visible("#label >> text=clip_000")
        page.keyboard.press("?")
        assert page.is_visible("#help-dialog")
        page.keyboard.press("a")
        page.keyboard.press("Escape")
        page.keyboard.press("f")
        page.keyboard.type(" more")
        page.keyboard.press("Escape")
        page.keyboard.press("r")
        page.keyboard.press("Escape")
        page.keyboard.press("j")
        at_caption(page, 2)
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
    assert people(out) == {}


def test_two_people_at_once_lose_nothing_and_see_how_far_they_agree(browser: Browser, out: Path) -> None:
    with (
        served_in_thread(out) as url,
        watched_page(browser, expected_errors=NO_MEDIA) as anna,
        watched_page(browser, PHONE, expected_errors=NO_MEDIA) as ben,
    ):
        begin(anna, url, "Anna")
        begin(ben, url, "Ben")
        for number in range(1, 5):
            at_caption(anna, number)
            at_caption(ben, number)
            anna.keyboard.press("a")
            for button in ["#accept"] if number < 4 else ["#reject", "#no-reason"]:
                ben.click(button)
        said(anna, "All captions are judged.")
        said(ben, "All captions are judged.")
        ben.click("text=Look at the agreement")
        ben.wait_for_selector("#results-dialog[open]")
        assert "4 captions were judged by at least two people, who said the same on 3." in ben.inner_text("#results")
        assert overflow_px(ben) == 0
    assert len(people(out)) == 8


def test_what_a_caption_says_stays_text(browser: Browser, tmp_path: Path) -> None:
    row = caption_row(
        0, label=HOSTILE, emotions=[HOSTILE], model=HOSTILE, visual_description=HOSTILE, affect_description=HOSTILE,
        acoustic_description=f"The pitch is high. {HOSTILE}",
    )  # fmt: skip
    rows = [{**row, "clip_id": f"clip_{number}"} for number in range(4)]
    out = write_review_run(tmp_path / "out", rows, tmp_path)
    with served_in_thread(out) as url, watched_page(browser, expected_errors=NO_MEDIA) as page:
        begin(page, url, "<b>Eve</b>")
        page.keyboard.press("l")
        for place in (".text p >> nth=0", ".text p >> nth=1", ".text p >> nth=2", ".emotions li", ".gold", ".model"):
            assert HOSTILE in page.inner_text(place), place
        assert page.query_selector("#caption img, #caption script, #caption a, header b") is None
        assert page.inner_text("#who") == "<b>Eve</b>"


def test_a_decision_is_kept_and_sent_again_when_the_server_is_back(browser: Browser, out: Path) -> None:
    with held_port() as port, watched_page(browser, expected_errors=TROUBLE) as page:
        with served_in_thread(out, port=port) as url:
            begin(page, url, "Anna")
        page.keyboard.press("a")
        page.wait_for_selector("#alarm:not([hidden])")
        assert "Not saved yet: the server does not answer" in page.inner_text("#alarm")
        assert page.inner_text("#progress").startswith("0 judged")
        assert page.is_visible("h2:text-is('Caption 1 of 4')")
        with served_in_thread(out, port=port) as url:
            give_key(page, url)
            page.click("#retry")
            said(page, "Accepted, saved.")
            at_caption(page, 2)
            assert page.is_hidden("#alarm")
    assert people(out)["clip_000", "Anna"].verdict == "keep"


def give_key(page: Page, url: str) -> None:
    """Give the page's browser the key of a server that was started anew, as opening the printed address does."""
    assert page.context.request.get(url).ok


def test_what_waits_for_one_run_is_not_carried_out_on_another(browser: Browser, tmp_path: Path) -> None:
    one, other = (write_review_run(tmp_path / name, FOUR, tmp_path) for name in ("one", "other"))
    with held_port() as port, watched_page(browser, expected_errors=TROUBLE) as page:
        with served_in_thread(one, port=port) as url:
            begin(page, url, "Anna")
        page.keyboard.press("a")
        page.wait_for_selector("#alarm:not([hidden])")
        with served_in_thread(other, port=port) as url:
            give_key(page, url)
            page.click("#retry")
            page.wait_for_selector("text=Not saved yet: this page is of another run, reload.")
        assert people(other) == {}
        with served_in_thread(one, port=port) as url:
            give_key(page, url)
            page.click("#retry")
            at_caption(page, 2)
    assert list(people(one)) == [("clip_000", "Anna")]


def test_a_late_decision_that_is_refused_stays_in_sight_until_it_is_dismissed(browser: Browser, out: Path) -> None:
    with held_port() as port, watched_page(browser, expected_errors=TROUBLE) as page:
        with served_in_thread(out, port=port) as url:
            begin(page, url, "Anna")
        page.keyboard.press("A")  # with Caps Lock
        page.wait_for_selector("#alarm:not([hidden])")
        changed = [caption_row(number, path=f"{number}.mp4", affect_description="Other.") for number in range(4)]
        write_review_run(out, changed, out.parent)
        with served_in_thread(out, port=port) as url:
            page, left = page.context.new_page(), page
            left.close()
            page.goto(url)
            page.wait_for_selector("text=A decision of your last visit was not taken")
            page.reload()
            at_caption(page, 1)
            page.keyboard.press("j")
            at_caption(page, 2)
            assert "the caption has changed since it was shown" in page.inner_text("#alarm")
            page.click("#dismiss")
            assert page.is_hidden("#alarm")
            page.keyboard.press("u")
            said(page, "There is nothing to undo since the server began.")
        page.keyboard.press("Shift+?")
        assert page.is_visible("#help-dialog")
        page.keyboard.press("Escape")
        page.click("#open-results")
        page.wait_for_selector("text=The server does not answer; is it still running?")


def test_a_page_whose_server_fails_says_so_in_every_place(browser: Browser, out: Path) -> None:
    with served_in_thread(out) as url, watched_page(browser, expected_errors=TROUBLE) as page:
        page.route("**/course?*", lambda route: route.fulfill(status=500, body="plain text"))
        begin(page, url, "Anna")
        page.wait_for_selector("text=no curves: the server answers 500 and no more")
        page.click("#who")
        page.route("**/api/*", lambda route: route.abort())
        page.keyboard.press("Enter")
        page.wait_for_selector("#name-fault:text('the server does not answer')")
        page.route("**/api/session?*", lambda route: route.abort())
        page.reload()
        page.wait_for_selector("#alarm:has-text('The page could not begin (the server does not answer')")


@pytest.fixture(scope="module")
def pool() -> Iterator[Any]:
    with decoding_pool(1, preload="vaemo_annotate.review.media") as workers:
        yield workers


@pytest.fixture(scope="module")
def clip_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a clip with picture and sound, and one with sound alone."""
    root = tmp_path_factory.mktemp("clips")
    write_media(root / "both.mp4", Picture(steady(50), 320, 240), Sound([0.5], end_s=2.0))
    write_media(root / "sound.wav", None, Sound([0.5], end_s=2.0, codec="pcm_s16le"))
    nothing: dict[str, Any] = {"width": None, "height": None, "fps": None, "n_frames": None}
    rows = [
        caption_row(0, path="both.mp4", duration_s=2.0),
        caption_row(1, path="sound.wav", duration_s=2.0, **nothing),
    ]
    rows += [caption_row(2, path="gone.mp4"), caption_row(3, path="gone.mp4")]
    return write_review_run(root / "out", rows, root)


def test_a_clip_plays_with_a_playhead_that_follows_and_seeks(browser: Browser, clip_run: Path, pool: Any) -> None:
    with served_in_thread(clip_run, pool) as url, watched_page(browser, expected_errors=NO_MEDIA) as page:
        begin(page, url, "Anna")
        page.wait_for_selector(".line.voice")
        page.wait_for_function("() => document.getElementById('video').videoWidth === 320")
        page.evaluate("document.getElementById('video').pause()")
        plot = page.locator(".plot").last.bounding_box()
        assert plot is not None
        page.mouse.click(plot["x"] + 0.75 * plot["width"], plot["y"] + 5)
        page.wait_for_function("() => Math.abs(document.getElementById('video').currentTime - 1.5) < 0.05")
        page.focus("#timeline")
        page.keyboard.press("Home")
        assert page.get_attribute("#timeline", "aria-valuetext") == "0.0 of 2.0 seconds"
        page.focus("#caption")
        page.keyboard.press(" ")
        page.wait_for_function("() => Number(document.getElementById('timeline').getAttribute('aria-valuenow')) > 0.2")
        page.keyboard.press("j")
        at_caption(page, 2)
        page.wait_for_selector("svg .wave")
        assert not page.is_visible("#video")
        page.keyboard.press("j")
        page.wait_for_selector("#no-media:not([hidden])")
        assert "there is no such file in the media folder" in page.inner_text("#no-media")


def test_everything_fits_the_window_and_the_buttons_are_in_sight(browser: Browser, clip_run: Path, pool: Any) -> None:
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    with served_in_thread(clip_run, pool) as url:
        for size in (WIDE, PHONE):
            with watched_page(browser, size, expected_errors=NO_MEDIA) as page:
                begin(page, url, "Anna")
                page.wait_for_selector(".line.voice")
                for scheme, key in product(schemes, ("Home", "f", "Escape", "r", "Escape")):
                    page.emulate_media(color_scheme=scheme)
                    page.keyboard.press(key)
                    assert overflow_px(page) == 0
                    assert least_height(page, size[1]) >= 34, (size, scheme, key)


def least_height(page: Page, window_px: int) -> float:
    """The height of the lowest of the decision's buttons that are shown; 0 where one reaches below the window."""
    boxes = [button.bounding_box() for button in page.locator("footer button:visible").all()]
    inside = [box["height"] if box and box["y"] + box["height"] <= window_px else 0.0 for box in boxes]
    return min(inside)
