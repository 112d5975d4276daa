"""The report in a real browser: nothing leaves the file, nothing in a caption runs, nothing overflows."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import PHONE, WIDE, chromium, overflow_px, watched_page
from tests.support.media_files import Picture, Sound, steady, write_media
from tests.support.run_folder import MADE_AT, caption_row, reject_row, write_run_folder
from vaemo_annotate.quality.check import check
from vaemo_annotate.report.report_command import write_report
from vaemo_clips.clip import CLIP_SCHEMA
from vaemo_clips.index import index
from vaemo_clips.manifest import Manifest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

HOSTILE = (
    "<script>document.title = 'broken'</script>",
    '"><img src=x onerror="document.title = \'broken\'">',
    "</title></svg></style><svg onload=\"document.title = 'broken'\">",
    "<a href=\"javascript:document.title='broken'\">joy</a>",
)
UNBROKEN = "w" * 400


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checked run over one real clip and one whose file is gone, with hostile captions, and its report."""
    out = tmp_path_factory.mktemp("report")
    clips = out / "clips"
    clips.mkdir()
    write_media(clips / "seen.mp4", Picture(steady(50)), Sound([0.5], end_s=2.0))
    index(clips, out / "clips.parquet", workers=1)
    (clip,) = Manifest.open(out / "clips.parquet").clips()
    there = {name: getattr(clip, name) for name in CLIP_SCHEMA.names}
    rows = [
        caption_row(
            number,
            **(there if number % 2 else {}),
            visual_description=f"The brows rise {hostile} and the lips part.",
            emotions=["joy", hostile],
            label=hostile,
            created_at=MADE_AT + timedelta(seconds=number),
            sample_index=number,
        )
        for number, hostile in enumerate((*HOSTILE, UNBROKEN))
    ]
    write_run_folder(out, accepted=rows, rejected=[reject_row(9, "schema", HOSTILE[0] + UNBROKEN)])
    check(out, workers=1)
    write_report(out, out / "report.html", price_in=0.1, price_out=0.4)
    return out / "report.html"


@pytest.fixture(scope="module")
def browser(report: Path) -> Iterator[Browser]:
    """Chromium, opened after the run was made."""
    with chromium() as opened:
        yield opened


@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_runs_overflows_or_is_fetched(
    browser: Browser, report: Path, size: tuple[int, int], scheme: str
) -> None:
    with watched_page(browser, size, color_scheme="dark" if scheme == "dark" else "light") as page:
        page.goto(report.as_uri())
        page.locator("details").evaluate_all("all => all.forEach(one => { one.open = true; })")
        assert overflow_px(page) == 0
        assert "broken" not in page.title()
        assert page.locator("script").count() == 1
        assert page.locator("[onload], [onerror], a[href^='javascript']").count() == 0
        assert HOSTILE[0] in page.locator("#examples").inner_text()


def test_pictures_are_shown_and_missing_media_are_told(browser: Browser, report: Path) -> None:
    with watched_page(browser) as page:
        page.goto(report.as_uri())
        widths = page.locator(".strip img").evaluate_all("all => all.map(one => one.naturalWidth)")
        assert widths
        assert all(width > 0 for width in widths)
        assert page.locator(".still").first.inner_text().startswith("no pictures: ")


def test_the_page_is_read_without_script_and_its_tables_open_without_it(browser: Browser, report: Path) -> None:
    with watched_page(browser, javascript=False) as page:
        page.goto(report.as_uri())
        assert not page.locator("#numbers").is_visible()
        first = page.locator("details.numbers").first
        first.locator("summary").click()
        assert first.locator("table").is_visible()


def test_keys_alone_open_all_numbers(browser: Browser, report: Path) -> None:
    with watched_page(browser) as page:
        page.goto(report.as_uri())
        page.locator("#numbers").focus()
        page.keyboard.press("Enter")
        tables = page.locator("details.numbers")
        assert tables.evaluate_all("all => all.every(one => one.open)")
        page.keyboard.press("Enter")
        assert tables.evaluate_all("all => all.every(one => !one.open)")


def test_paper_shows_the_text_in_ink_on_white(browser: Browser, report: Path) -> None:
    with watched_page(browser, color_scheme="dark") as page:
        page.goto(report.as_uri())
        page.emulate_media(media="print")
        color, ground = page.evaluate(
            "[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]"
        )
        assert not page.locator("nav").is_visible()
        assert color == "rgb(22, 25, 29)"
        assert ground == "rgb(255, 255, 255)"


def test_every_chart_has_a_name_and_every_heading_its_place(browser: Browser, report: Path) -> None:
    with watched_page(browser) as page:
        page.goto(report.as_uri())
        names = page.locator("svg").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))")
        assert len(names) > 10
        assert all(names)
        targets = page.locator("nav a").evaluate_all("all => all.map(one => one.getAttribute('href'))")
        assert [target for target in targets if page.locator(target).count() != 1] == []
