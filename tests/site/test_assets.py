"""What every built page loads: one script and one style sheet of its kind, small, and with all that it needs."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from functools import cache
from importlib import resources
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from site_browser import visit
from site_pictures import PictureScene
from worldstrat_bench.site.bundle import FIRST, LAST, PAGE_ASSETS, SHEETS, bundled
from worldstrat_bench.site.context import CSP

LOADS = re.compile(r'<script [^>]*src="([^"]*)"|<link rel="stylesheet" href="([^"]*)"')
# The values of custom properties keep their white space, which means nothing in ours.
RULES = """text => {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  return [...sheet.cssRules].map(rule => rule.cssText.replace(/, /g, ","));
}"""
POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')


@pytest.fixture
def built(site: Path, crowd: Path, pictures: PictureScene) -> Iterator[tuple[Path, str]]:
    """Every page of the built sites, with its text."""
    return ((path, path.read_text("utf-8")) for root in (site, crowd.parent, pictures.site) for path in pages(root))


def pages(root: Path) -> list[Path]:
    """The pages of a site."""
    return sorted(root.rglob("*.html"))


def loaded(path: Path, text: str) -> list[Path]:
    """The scripts and style sheets of a page, none of which lies elsewhere."""
    names = [script or sheet for script, sheet in LOADS.findall(text)]
    assert not [name for name in names if ":" in name or name.startswith("/")], path
    return sorted((path.parent / name).resolve() for name in names)


@cache
def classes(sheet: str) -> frozenset[str]:
    """The classes that the rules of a style sheet name."""
    return frozenset(re.findall(r"\.([a-z][\w-]*)", re.sub(r"\{[^{}]*\}", "{}", sheet)))


def made_by(script: str) -> set[str]:
    """The classes that a script gives to elements."""
    # "whole" says something of tables of models alone; any other sorted table has it without effect.
    found = re.findall(r'class:"([^"]*)"|classList\.\w+\("([\w-]+)"', script)
    return {name for pair in found for text in pair for name in text.split()} - {"whole"}


def test_every_page_loads_one_small_script_and_one_style_sheet_of_its_kind(built: Iterator[tuple[Path, str]]) -> None:
    kinds = set()
    for path, text in built:
        sheet, script = loaded(path, text)
        assert (sheet.suffix, script.suffix) == (".css", ".js"), path
        assert sheet.stem == script.stem, path
        assert sheet.stat().st_size + script.stat().st_size <= PAGE_ASSETS == 32_768, path
        assert [html.unescape(policy) for policy in POLICY.findall(text)] == [CSP], path
        assert "style=" not in text, path
        kinds.add(sheet.stem)
    assert kinds == set(SHEETS)
    assert "'unsafe" not in CSP
    assert "http" not in CSP


def test_no_page_lacks_a_rule_of_another_kind(built: Iterator[tuple[Path, str]]) -> None:
    files = bundled()
    every = frozenset[str]().union(*(classes(text) for name, text in files.items() if name.endswith(".css")))
    for path, text in built:
        sheet, script = (files[found.name] for found in loaded(path, text))
        used = {name for names in re.findall(r'class="([^"]*)"', text) for name in names.split()}
        missing = ((used | made_by(script)) & every) - classes(sheet)
        assert not missing, f"{path}: {sorted(missing)}"


def test_the_browser_reads_the_same_rules_from_what_is_shipped_and_from_the_source(browser: Browser) -> None:
    folder = resources.files("worldstrat_bench.site").joinpath("assets", "css")
    with visit(browser, "about:blank") as seen:
        for kind, own in SHEETS.items():
            source = "".join(folder.joinpath(f"{name}.css").read_text("utf-8") for name in (*FIRST, *own, *LAST))
            written, shipped = (seen.page.evaluate(RULES, text) for text in (source, bundled()[f"{kind}.css"]))
            assert written == shipped
            assert len(written) > 80


@pytest.mark.parametrize("kind", sorted(SHEETS))
def test_nothing_else_is_fetched(site: Path, localhost: str, browser: Browser, kind: str) -> None:
    path = next(path for path in pages(site) if f"/{kind}.js" in path.read_text("utf-8"))
    with visit(browser, "about:blank") as seen:
        asked: list[str] = []
        seen.page.on("request", lambda request: asked.append(request.url.removeprefix(f"{localhost}/")))
        seen.page.goto(f"{localhost}/{path.relative_to(site).as_posix()}")
        assert sorted(name for name in asked if name.endswith((".js", ".css"))) == [
            f"assets/{kind}.css",
            f"assets/{kind}.js",
        ]
        seen.assert_quiet()
