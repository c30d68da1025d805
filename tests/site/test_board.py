"""The board: its first screen, its table on wide and narrow screens, and the ways on from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page

from site_browser import violations, visit
from waiting import wait_until

WIDE, PHONE = {"width": 1440, "height": 900}, {"width": 375, "height": 812}


def bottom(place: Locator) -> float:
    """The lower end of an element on the screen, px."""
    box = place.bounding_box()
    assert box is not None
    return box["y"] + box["height"]


def keys(page: Page) -> list[str]:
    """The columns of the board."""
    found: list[str] = page.locator("#board thead th").evaluate_all("cells => cells.map(c => c.dataset.key)")
    return found


def test_the_first_screen_answers(site: Path, browser: Browser) -> None:
    with visit(browser, (site / "index.html").as_uri(), viewport=WIDE) as seen:
        page = seen.page
        said = page.locator(".say").all_inner_texts()
        assert len(said) == 2
        assert said[0].startswith("fusion-transformer is first by PSNR, +1.26 dB [+1.19, +1.32] over bicubic.")
        assert said[0].endswith("highresnet cannot be told from it.")
        assert "first by LPIPS" in said[1]
        for chart in ("#differences svg.wide", "#speed-0 svg.wide"):
            assert bottom(page.locator(chart)) <= 900
        assert bottom(page.locator("#board thead")) <= 900


def test_the_chart_draws_both_intervals_of_the_difference_and_the_wide_one_decides(
    site: Path, browser: Browser
) -> None:
    with visit(browser, (site / "index.html").as_uri(), viewport=WIDE) as seen:
        chart = seen.page.locator("#differences svg.wide")
        lines = chart.locator("path.wk").count()
        assert lines == chart.locator("path.iv").count() == 8
        widths = [[p.bounding_box() for p in chart.locator(f"path.{css}").all()] for css in ("iv", "wk")]
        assert all(a and b and a["width"] < b["width"] for a, b in zip(*widths, strict=True))
        assert chart.locator("circle.ho").count() == 1
        # What is told apart on the table is told apart here.
        assert seen.page.locator("#board .sp circle.ho").count() >= 1


def test_no_interval_of_one_model_alone_and_no_empty_column(site: Path, crowd: Path, browser: Browser) -> None:
    with visit(browser, (site / "index.html").as_uri()) as seen:
        assert {"rank_psnr", "psnr", "ci_psnr", "gain", "speed_0"} <= set(keys(seen.page))
        head = seen.page.locator("th[data-key=ci_psnr]").inner_text()
        assert head == "to the first"
        for row in range(len(keys(seen.page))):
            texts = seen.page.locator(f"#board tbody tr > :nth-child({row + 1})").all_inner_texts()
            assert set(texts) != {"\u2013"}
    with visit(browser, (crowd / "index.html").as_uri()) as seen:
        assert "family" not in keys(seen.page)
        assert seen.page.locator("#board .lt").count() == 0
        assert seen.page.locator("#board rect.br").count() == 200


def test_a_phone_shows_the_answer_and_five_rows_and_a_tap_opens_one(crowd: Path, browser: Browser) -> None:
    with visit(browser, (crowd / "index.html").as_uri(), viewport=PHONE, has_touch=True) as seen:
        page = seen.page
        rows = page.locator("#board tbody tr:visible")
        assert rows.count() == 5
        assert bottom(rows.nth(4)) <= 812
        box = page.locator(".scroll:has(#board)")
        assert box.evaluate("e => e.scrollWidth - e.clientWidth") <= 0
        rows.nth(1).locator("td").first.tap()
        opened = page.locator("#board tr.more")
        assert "SSIM" in opened.inner_text()
        assert page.locator("#board .open[aria-expanded=true]").count() == 1
        assert violations(page) == []
        rows.nth(1).locator("td").first.tap()
        assert opened.count() == 0
        page.locator("button.all").click()
        assert rows.count() == 100
        seen.assert_quiet()


def test_the_heading_stays_after_1500_px(crowd: Path, browser: Browser) -> None:
    with visit(browser, (crowd / "index.html").as_uri(), viewport=WIDE) as seen:
        page = seen.page
        page.locator("#board").scroll_into_view_if_needed()
        page.locator("#board tbody tr").first.hover()
        page.mouse.wheel(0, 1500)
        assert wait_until(lambda: bottom(page.locator("#board tbody tr").first) < -100)  # it has left the screen
        head = page.locator("#board thead th").nth(2).bounding_box()
        assert head is not None
        assert 0 <= head["y"] < 900
        hit = page.evaluate(
            "([x, y]) => document.elementFromPoint(x, y).closest('thead') !== null", [head["x"] + 5, head["y"] + 5]
        )
        assert hit
        first = page.locator("#board tbody tr").first.bounding_box()
        assert first is not None
        assert first["y"] < head["y"]


def test_ticks_lead_to_the_page_of_two_models_and_to_tiles(site: Path, browser: Browser) -> None:
    with visit(browser, (site / "index.html").as_uri()) as seen:
        page = seen.page
        for slug in ("srcnn", "nearest", "lanczos"):
            page.check(f"#r-{slug} .tick")
        assert page.url.endswith("#pick=nearest,lanczos")
        assert not page.is_checked("#r-srcnn .tick")
        names = [page.locator(f"#r-{slug} th a").inner_text() for slug in ("nearest", "lanczos")]
        assert all(names)
        assert page.locator(".picked span").inner_text() == f"Ticked: {', '.join(names)}"
        assert (
            page.locator(".picked a", has_text="On tiles").get_attribute("href") == "gallery.html#a=nearest&b=lanczos"
        )
        page.locator(".picked a", has_text="Compare").click()
        page.wait_for_selector("select[name=a]")
        assert (page.input_value("select[name=a]"), page.input_value("select[name=b]")) == ("nearest", "lanczos")
        page.go_back()
        page.wait_for_selector("#r-nearest .tick:checked")
        page.locator(".picked button").click()
        assert page.locator(".picked").is_hidden()
        page.goto((site / "gallery.html").as_uri() + "#a=nearest&b=lanczos")
        assert (page.locator(".cards a").first.get_attribute("href") or "").endswith(".html#a=nearest&b=lanczos")
        seen.assert_quiet()


@pytest.mark.parametrize(("words", "names"), [("multi-frame network", 2), ("b. srcnn", 1), ("NEAREST", 1)])
def test_search_finds_names_families_and_authors(site: Path, browser: Browser, words: str, names: int) -> None:
    with visit(browser, (site / "index.html").as_uri()) as seen:
        seen.page.fill("input[name=q]", words)
        assert seen.page.locator("#board tbody tr:visible").count() == names


def test_the_keyboard_has_two_stops_a_row_and_a_way_past_the_table(crowd: Path, browser: Browser) -> None:
    with visit(browser, (crowd / "index.html").as_uri(), viewport=WIDE) as seen:
        page = seen.page
        stops = """(inside) => [...document.querySelectorAll('a[href], button, input, select, summary, [tabindex]')]
          .filter(e => e.tabIndex >= 0 && e.checkVisibility() && !!e.closest('tbody') === inside).length"""
        assert page.evaluate(stops, True) == 2 * 100
        assert page.evaluate(stops, False) <= 60
        page.locator("a.skip[href='#notes']").focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('#notes') !== null")


def test_the_table_says_at_once_how_it_is_sorted(site: Path, browser: Browser) -> None:
    for page_name, key, order in (("index.html", "psnr", "descending"), ("by-lpips.html", "lpips", "ascending")):
        with visit(browser, (site / page_name).as_uri(), java_script_enabled=False) as seen:
            assert seen.page.locator(f"#board th[data-key={key}]").get_attribute("aria-sort") == order


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [375, 768, 1440])
def test_a_board_of_a_hundred_models_is_accessible(crowd: Path, browser: Browser, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900}
    with visit(browser, (crowd / "index.html").as_uri(), viewport=size, color_scheme=scheme) as seen:
        assert violations(seen.page) == []
        assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
        seen.assert_quiet()


@pytest.mark.parametrize("page_name", ["index.html", "by-lpips.html", "s/cloud-0-5.html"])
def test_the_headings_of_ranked_metrics_lead_to_the_method(site: Path, browser: Browser, page_name: str) -> None:
    with visit(browser, (site / page_name).as_uri()) as seen:
        page = seen.page
        for metric, label in (("psnr", "PSNR"), ("lpips", "LPIPS")):
            link = page.locator(f"#board th[data-key={metric}] .how")
            assert link.get_attribute("aria-label") == f"How {label} is computed"
            where = (link.get_attribute("href") or "").split("#")[1]
            assert f'id="{where}"' in (site / "method.html").read_text(encoding="utf-8")
        page.locator("#board th[data-key=psnr] .how").click()
        assert page.locator("h1").inner_text() == "Method"
        assert page.url.endswith("method.html#short")
