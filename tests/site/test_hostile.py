"""Records whose every string is an attack build pages in which nothing runs and nothing breaks."""

from __future__ import annotations

import csv
import html
import io
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser

import site_scenes
from site_browser import visit
from submission_factory import MANIFEST, make_submission
from worldstrat_bench.site import build
from worldstrat_bench.site.checker import check

ATTACKS = (
    "<script>window.hit=1</script>",
    "{{98765*43}}{% for x in y %}",
    "=cmd()|' /C calc'!A0",
    "javascript:window.hit=1",
    "abc\u202egnp.exe\u2066\u202d",
    "x" * 10_000,
    "\"'><img src=x onerror=window.hit=1>",
    "</title></script><svg onload=window.hit=1>",
    "../../../../tmp/evil",
    "@SUM(1+1)*cmd",
    'https://example.org/?"onmouseover="window.hit=1',
    "عربي ‏ نص",
    "a\u0301\u0302\u0303\u0304\u0305\u0306" + "\u0316" * 200,
    "]]>&lt;!--",
    "con",
)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("hostile")
    site_scenes.hostile(root / "runs", ATTACKS)
    report = build([root / "runs"], root / "out")
    assert report.refused == ()
    assert sum(len(board.ranked) for board in report.boards) + len(report.apart) == len(ATTACKS)
    return root / "out"


def test_the_site_holds_together(hostile: Path) -> None:
    assert check(hostile).faults == ()


def test_file_names_stay_inside_and_plain(hostile: Path) -> None:
    for path in hostile.rglob("*"):
        assert set(path.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")
        assert len(path.name) <= 90
    assert not (hostile.parent / "tmp").exists()


def test_nothing_runs_and_nothing_breaks(hostile: Path, browser: Browser) -> None:
    boards = sorted(hostile.glob("*/index.html"))
    assert len(boards) == len(ATTACKS)
    pages = [hostile / "index.html", hostile / "data.html", hostile / "compare.html"]
    for board in boards:
        folder = board.parent
        pages += [board, next(folder.glob("m/*.html")), next(folder.glob("s/ipcc-*.html"))]
    pages = [page for page in pages if page.exists()]
    with visit(browser, pages[0].as_uri(), viewport={"width": 375, "height": 800}) as seen:
        for page in pages:
            seen.page.goto(page.as_uri())
            assert seen.page.evaluate("window.hit === undefined")
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= 375, page
            assert "4246895" not in seen.page.content()  # a template that was run
        seen.assert_quiet()


def test_every_part_of_the_data_page_has_a_name_of_its_own(hostile: Path, browser: Browser) -> None:
    with visit(browser, (hostile / "data.html").as_uri()) as seen:
        titles = seen.page.locator("h2").all_inner_texts()
        assert len(titles) > len(ATTACKS)
        assert len(titles) == len(set(titles))


def test_no_attribute_or_element_comes_from_a_record(hostile: Path, browser: Browser) -> None:
    with visit(browser, (hostile / "index.html").as_uri()) as seen:
        for page in sorted(hostile.glob("*/m/*.html")):
            seen.page.goto(page.as_uri())
            found = seen.page.evaluate(
                """() => [...document.querySelectorAll('*')].flatMap(e => [
                  ...[...e.attributes].filter(a => a.name.startsWith('on')).map(a => a.name),
                  ...(e.tagName === 'A' && /^(javascript|data|file):/i.test(e.getAttribute('href') || '') ? [1] : []),
                  ...(e.tagName === 'SCRIPT' && !e.src && e.type !== 'application/json' ? ['script'] : [])])"""
            )
            assert found == []


def test_no_spreadsheet_takes_a_cell_for_a_formula(hostile: Path) -> None:
    for path in hostile.rglob("data/*.csv"):
        for row in csv.reader(io.StringIO(path.read_text(encoding="utf-8"))):
            for cell in row:
                assert not cell.startswith(("=", "@", "+", "\t", "|"))
                assert len(cell) <= 200 or path.name == "strata.csv"


def test_a_table_to_copy_holds_no_formula(tmp_path: Path) -> None:
    make_submission(tmp_path, "plus-sr", manifest=MANIFEST.replace('title = "my-sr"', 'title = "+IMPORTDATA(A3)"'))
    build([tmp_path / "submissions"], tmp_path / "out")
    page = tmp_path / "out" / "index.html"
    lines = html.unescape(page.read_text(encoding="utf-8")).splitlines()
    assert any("'+IMPORTDATA(A3)," in line for line in lines)
    assert not any(line.lstrip().startswith("+IMPORTDATA(A3),") for line in lines)


def test_feed_and_badges_are_well_formed(hostile: Path) -> None:
    feed = ElementTree.parse(hostile / "feed.xml").getroot()
    assert len(feed.findall("{http://www.w3.org/2005/Atom}entry")) == len(ATTACKS)
    for badge in hostile.rglob("badge/*.svg"):
        root = ElementTree.parse(badge).getroot()
        assert not [e for e in root.iter() if e.tag.endswith("script") or any(k.startswith("on") for k in e.attrib)]
