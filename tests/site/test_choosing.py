"""Several strata at once on the page of two models, and the page that chooses a model, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

import site_scenes
from factories import COMMIT, references
from site_browser import violations, visit
from waiting import wait_until
from worldstrat_bench.site import build
from worldstrat_bench.site.config import BoardConfig


def reasons(page: Page) -> dict[str, str]:
    """Model to why it is not chosen."""
    rows = page.locator("#choice tbody tr")
    return dict(rows.evaluate_all("rows => rows.map(r => [...r.cells].map(c => c.textContent))"))


def test_several_strata_at_once_say_what_their_size_allows(site: Path, browser: Browser) -> None:
    with visit(browser, (site / "compare.html").as_uri()) as seen:
        page = seen.page
        page.select_option("select[name=ipcc]", "forest")
        page.select_option("select[name=continent]", "africa")
        text = page.locator("#cmp .say").inner_text()
        tiles = re.search(
            r"^No verdict, exploratory: PSNR on (\d+) of 334 tiles: IPCC class Forest, Continent Africa\. ", text
        )
        assert tiles is not None
        assert re.search(r"dB \[.*\], p (=|<) 0\.\d{3} of this pair, \d+\.\d effective groups\.$", text)
        # The figure begins at the left edge and both lists stand beside it, none below.
        boxes = page.locator("#cmp > figure, #cmp > .scroll").evaluate_all(
            "all => all.map(e => e.getBoundingClientRect()).map(r => [Math.round(r.left), Math.round(r.top)])"
        )
        edge = page.locator("#cmp").evaluate("box => Math.round(box.getBoundingClientRect().left)")
        assert len(boxes) == 3
        assert boxes[0][0] == edge < boxes[1][0] < boxes[2][0]
        assert max(top for _, top in boxes) - min(top for _, top in boxes) < 20
        page.select_option("select[name=source]", "unhcr")
        small = page.locator("#cmp .say")
        assert "fewer than 10, mostly chance." in small.inner_text()
        assert small.locator(".hatch").count() == 1
        assert page.locator("#cmp figure").count() == 0
        assert violations(page) == []
        text, url = small.inner_text(), page.url
        assert url.endswith("&ipcc=forest&continent=africa&source=unhcr")
    with visit(browser, url) as again:
        assert again.page.locator("#cmp .say").inner_text() == text
        # An option that leaves no tile is grey, and chosen it says so.
        none = again.page.locator(".crossed select[name=ipcc] option.none").first
        again.page.select_option("select[name=ipcc]", none.get_attribute("value"))
        assert again.page.locator("#cmp .say").inner_text().startswith("No tile of the list has all of these at once: ")
        again.page.click(".cmp button[type=reset]")
        # Not `page.url`: that is a copy, which only a question to the page brings up to date.
        assert wait_until(lambda: again.page.evaluate("!location.hash.includes('ipcc')"))
        assert again.page.locator("#cmp table").count() >= 1
        again.assert_quiet()


def test_a_model_is_chosen_and_the_address_brings_the_choice_back(practice: Path, browser: Browser) -> None:
    """On a practice board: where ranks may be cited only times that maintainers measured decide."""
    with visit(browser, (practice / "choose.html").as_uri()) as seen:
        page = seen.page
        assert page.locator("#choice .say a").inner_text() == "fusion-transformer"
        page.fill("input[name=frames]", "1")
        page.select_option("select[name=device]", "H100-80GB")
        page.fill("input[name=most]", "50")
        assert page.locator("#choice .say a").inner_text() == "bicubic"
        why = reasons(page)
        frames = "Uses up to 8 frames, you have 1; with fewer it was not measured."
        assert why["fusion-transformer"] == f"{frames} Takes 406 ms a tile, more than 50."
        assert why["srcnn"] == "Takes 162 ms a tile, more than 50."
        assert why["lanczos"].endswith("slower: 31.2 ms a tile against 12.5.")
        assert why["nearest"].startswith("Worse than the best by more than 0.1 dB: ")
        assert len(why) == 8
        assert "without them fusion-transformer would be the best" in page.locator("#choice .note").first.inner_text()
        assert violations(page) == []
        text, url = page.locator("#choice").inner_text(), page.url
    with visit(browser, url) as again:
        assert again.page.locator("#choice").inner_text() == text
        again.page.select_option("select[name=ipcc]", "wetland")
        assert "Too few tiles to choose" in again.page.locator("#choice .say").inner_text()
        assert again.page.locator("#choice .hatch").count() == 1
        again.assert_quiet()


def test_times_of_authors_alone_decide_nothing_where_ranks_may_be_cited(tmp_path: Path, browser: Browser) -> None:
    runs = site_scenes.submissions(tmp_path / "official", official=True, timed=False)
    build([runs], tmp_path / "out", references=references(), config=BoardConfig(commits=(COMMIT,)))
    with visit(browser, (tmp_path / "out" / "choose.html").as_uri()) as seen:
        page = seen.page
        assert page.locator("#choice .say a").inner_text() == "fusion-transformer"
        page.select_option("select[name=device]", "H100-80GB")
        page.fill("input[name=most]", "50")
        assert page.locator("#choice .say").inner_text() == "No model meets these conditions."
        why = reasons(page)
        assert why["bicubic"] == "No valid time on H100-80GB."
        assert why["esrgan-x4"].startswith("Self-reported: ")
        assert len(why) == 10


def test_strata_of_two_models_are_the_same_with_and_without_the_script(site: Path, browser: Browser) -> None:
    def rows(page: Page, table: str) -> list[list[str]]:
        found: list[list[str]] = page.locator(table).evaluate_all(
            "rows => rows.map(r => [...r.cells].slice(-4).map(c => c.textContent))"
        )
        return found

    with visit(browser, (site / "compare.html").as_uri()) as seen:
        seen.page.select_option("select[name=a]", "fusion-transformer")
        seen.page.select_option("select[name=b]", "highresnet")
        scripted = rows(seen.page, "#cmp table:has(th:text-is('Stratum')) tbody tr")
        built = rows(seen.page, "#nearest details:first-of-type tbody tr")
        assert len(scripted) == len(built) > 30
        same = sum(a == b for a, b in zip(scripted, built, strict=True))
        # The script has the values as tiles.csv holds them: nothing but the last digit of a p may differ.
        assert same >= 0.97 * len(built)
        assert [a[0] for a in scripted] == [b[0] for b in built]


def test_the_plot_of_a_tile_names_the_models_that_a_reader_came_with(site: Path, browser: Browser) -> None:
    with visit(browser, (site / "m" / "highresnet.html").as_uri()) as seen:
        assert seen.page.locator("p.links a[href='#reproduce']").count() == 1
        assert seen.page.locator("h3#reproduce").count() == 1
        seen.page.locator("ol.tiles a").first.click()
        names = seen.page.locator(".strip text.on")
        assert wait_until(lambda: names.all_text_contents() == ["highresnet"])
        lead = seen.page.locator("p.lead").inner_text()
        assert re.search(r"\. IPCC class .+, SMOD class .+, cloud [\d.]+ %\.$", lead)
        # What is in no row of the table, even what no selector could hold, names nothing.
        seen.page.evaluate("location.hash = '#a=%22%5D(&b=bicubic'")
        assert wait_until(lambda: names.all_text_contents() == ["bicubic"])
        dot = seen.page.locator(".strip .dt", has_text="bicubic").first.get_attribute("cx")
        assert float(names.first.get_attribute("x") or 0) == pytest.approx(float(dot or -1), abs=0.01)
        # The line from a name to its dot leaves the figures of the axis free.
        covered = seen.page.locator(".strip path.on").first.evaluate(
            """path => {
              const boxes = [...document.querySelectorAll(".strip .tk:not(.nm)")].map(e => e.getBBox());
              const heights = [...Array(Math.floor(path.getTotalLength()) + 1).keys()]
                .map(at => path.getPointAtLength(at).y);
              return heights.filter(y => boxes.some(b => y > b.y && y < b.y + b.height));
            }"""
        )
        assert covered == []
        assert violations(seen.page) == []
        seen.assert_quiet()
    with visit(browser, (site / "compare.html").as_uri() + "#a=highresnet&b=bicubic") as seen:
        seen.page.locator("#cmp table:has(th:text-is('Tile')) a").first.click()
        names = seen.page.locator(".strip text.on")
        assert wait_until(lambda: names.all_text_contents() == ["highresnet", "bicubic"])
