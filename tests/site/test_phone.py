"""Pages on a phone, on a desk and on paper: nothing that has to be read lies outside the screen."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from site_browser import visit
from site_pictures import PictureScene

RIGHT = "all => all.map(e => e.getBoundingClientRect().right)"


@pytest.mark.parametrize(("width", "shown"), [(375, "narrow"), (1440, "wide")])
def test_drawings_fit_the_screen_in_one_of_two_widths(site: Path, browser: Browser, width: int, shown: str) -> None:
    for page in (site / "index.html", site / "m" / "highresnet.html", next(site.glob("t/*.html"))):
        with visit(browser, page.as_uri(), viewport={"width": width, "height": 800}) as seen:
            drawings = seen.page.locator("figure .scroll svg:visible").evaluate_all(
                "all => all.map(s => [s.getAttribute('class'), s.getBoundingClientRect().right])"
            )
            assert drawings
            two = {css.split()[-1] for css, _ in drawings} & {"wide", "narrow"}
            assert two <= {shown}
            # The drawing of every stratum is 44 rows with their intervals in figures: it scrolls in its own box.
            cut = [css for css, right in drawings if right > width and css != "fig"]
            assert cut == []


def test_strata_and_metrics_begin_within_a_narrow_screen(site: Path, browser: Browser) -> None:
    with visit(browser, (site / "strata.html").as_uri(), viewport={"width": 375, "height": 800}) as seen:
        ends = seen.page.locator("details[open] .heat thead th").evaluate_all(RIGHT)
        assert len([end for end in ends if end <= 375]) >= 4  # the model, its mean and two strata
        seen.page.goto((site / "method.html").as_uri())
        assert seen.page.locator("#m-psnr td").first.evaluate(f"cell => ({RIGHT})([cell])[0]") <= 375


def test_a_board_of_all_columns_fits_a_desk(site: Path, crowd: Path, browser: Browser) -> None:
    for board in (site / "index.html", crowd / "index.html"):
        with visit(browser, board.as_uri(), viewport={"width": 1440, "height": 900}) as seen:
            box = seen.page.locator(".scroll:has(> #board)")
            assert box.evaluate("box => box.scrollWidth - box.clientWidth") == 0


def test_a_printed_table_has_its_headings_on_every_page(crowd: Path, browser: Browser) -> None:
    with visit(browser, (crowd / "index.html").as_uri()) as seen:
        seen.page.emulate_media(media="print")
        # Chromium repeats the text of a heading, but no box inside it.
        shown = seen.page.locator("#board thead button").evaluate_all(
            "all => all.map(b => getComputedStyle(b).display)"
        )
        assert set(shown) == {"contents"}


def test_a_printed_tile_has_its_panes_in_one_row_and_no_crosshair(pictures: PictureScene, browser: Browser) -> None:
    tile = next(pictures.site.rglob("t/*.html"))
    with visit(browser, tile.as_uri(), viewport={"width": 1040, "height": 700}) as seen:
        seen.page.emulate_media(media="print")
        panes = seen.page.locator(".pane").evaluate_all("all => all.map(p => p.getBoundingClientRect().top)")
        assert len(panes) == 4
        assert len(set(panes)) == 1
        assert not seen.page.locator(".cross").first.is_visible()
        assert seen.page.locator("html").evaluate("e => getComputedStyle(e).printColorAdjust") == "exact"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_button_that_copies_covers_no_text(practice: Path, browser: Browser, width: int) -> None:
    """Of a text to copy after a sentence that fills the line, and after a heading."""
    page = practice / "m" / "highresnet.html"
    with visit(browser, page.as_uri(), viewport={"width": width, "height": 800}) as seen:
        assert seen.page.locator(".copy").count() >= 2
        # The boxes of the lines themselves: a paragraph may be wider than what is written in it.
        covered = seen.page.locator(".copy").evaluate_all(
            """all => all.flatMap(button => {
              const own = button.getBoundingClientRect();
              const before = button.previousElementSibling;
              const range = document.createRange();
              range.selectNodeContents(before);
              const text = document.createRange();
              text.selectNodeContents(button.nextElementSibling);
              const boxes = [...range.getClientRects(), ...text.getClientRects()];
              return boxes.filter(b => b.left < own.right && b.right > own.left && b.top < own.bottom - 1
                && b.bottom > own.top + 1).map(() => before.textContent);
            })"""
        )
        assert covered == []


def test_a_verified_row_is_marked_where_its_column_is_hidden(practice: Path, browser: Browser) -> None:
    mark = "row => getComputedStyle(row.querySelector('th'), '::after').content"
    for width in (390, 1280):
        with visit(browser, (practice / "index.html").as_uri(), viewport={"width": width, "height": 800}) as seen:
            assert seen.page.locator("th[data-key=status]").is_visible() == (width > 390)
            verified = seen.page.locator("#board tr[data-status=verified]").first.evaluate(mark)
            reported = seen.page.locator("#board tr[data-status=self-reported]").first.evaluate(mark)
            assert ("\u2714" in verified) == (width == 390)
            assert reported == "none"


def test_why_a_model_has_no_rank_is_read_without_scrolling(site: Path, browser: Browser) -> None:
    page = site / "m" / "esrgan-x4.html"
    with visit(browser, page.as_uri(), viewport={"width": 390, "height": 800}) as seen:
        cells = seen.page.locator("#standing td.wrap")
        assert "not ranked" in cells.first.inner_text()
        assert max(cells.evaluate_all(RIGHT)) <= 390
