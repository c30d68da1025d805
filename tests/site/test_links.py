"""Addresses that name a row and a view at once."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, Page

from site_browser import visit

ROW = "[id^=r-]"


def named_row(page: Page) -> str:
    """The id of the last row of the board that has one."""
    return str(page.locator(f"#board {ROW}").last.get_attribute("id"))


def test_a_link_to_a_row_survives_a_sort_and_works_in_an_open_tab(site: Path, browser: Browser) -> None:
    address = (site / "index.html").as_uri()
    with visit(browser, address, viewport={"width": 1000, "height": 500}) as seen:
        page = seen.page
        row = named_row(page)
        page.goto(f"{address}#{row}")
        page.locator("#board th[data-key=ssim] button").click()
        assert page.url.endswith(f"#{row}&board-sort=ssim-")
        kept = page.url
        # Pasted into the open tab: the view and the row of the address are there without a reload.
        page.evaluate("scrollTo(0, 0); window.same = true")
        page.goto(f"{address}#{row}&board-sort=psnr")
        page.wait_for_selector("#board th[data-key=psnr][aria-sort=ascending]")
        assert page.evaluate("window.same")
        box = page.locator(f"#{row}.here").bounding_box()
        assert box is not None
        assert 0 <= box["y"] <= 500
        page.go_back()
        page.wait_for_selector("#board th[data-key=ssim][aria-sort=descending]")
        assert page.url == kept
        # A link to another order keeps the view.
        assert (page.locator(".tabs a").first.get_attribute("href") or "").endswith(f"#{row}&board-sort=ssim-")
        seen.assert_quiet()


def test_filters_follow_an_address_in_an_open_tab(site: Path, browser: Browser) -> None:
    address = (site / "index.html").as_uri()
    with visit(browser, address) as seen:
        page = seen.page
        page.fill("input[name=q]", "nearest")
        page.goto(f"{address}#frames=1&g-metrics=1")
        page.wait_for_selector("input[name=g-metrics]:checked")
        assert page.input_value("input[name=q]") == ""
        rows = page.locator("#board tbody tr")
        shown = [row.get_attribute("data-frames") for row in rows.all() if row.is_visible()]
        assert shown == ["1"] * len(shown)
        assert 0 < len(shown) < rows.count()
        seen.assert_quiet()
