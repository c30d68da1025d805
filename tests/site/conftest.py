"""One site and one browser for all page tests. Where no browser is found these tests fail: they do not skip."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

import site_scenes
from factories import COMMIT, invented_facts, make_run, references
from once import made_once
from site_browser import ARGUMENTS, browser_path
from site_pictures import PictureScene, make_scene
from worldstrat_bench.site import build
from worldstrat_bench.site.config import BoardConfig


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with sync_playwright() as playwright:
        instance = playwright.chromium.launch(executable_path=browser_path(), args=ARGUMENTS)
        yield instance
        instance.close()


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An official board, a practice board, and runs that are listed apart."""

    def make(root: Path) -> None:
        official = site_scenes.submissions(root / "official", official=True)
        mini = site_scenes.submissions(root / "mini", official=False)
        build([official, mini], root / "out", references=references(), config=BoardConfig(commits=(COMMIT,)))

    return made_once(tmp_path_factory, "site", make) / "out"


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a practice board of 100 models on few tiles."""

    def make(root: Path) -> None:
        facts = invented_facts(36)
        for i in range(100):
            run = root / "runs" / f"m{i:03d}"
            record = make_run(
                run, model=f"model-{i:03d}", tiles=facts, release="mini", list_name="test", gain_db=i * 0.03, seed=i
            )
            site_scenes.write_speed(run, record, 1 + (i * 37) % 400)
        build([root / "runs"], root / "out")

    return next((made_once(tmp_path_factory, "crowd", make) / "out").glob("practice-*"))


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> PictureScene:
    """A practice board of two models on three tiles, with pictures."""
    scene = make_scene(tmp_path_factory.mktemp("pictures"))
    report = build(scene.runs, scene.site, data=scene.data, predictions=scene.runs)
    assert report.pictures >= 3 * (2 + 3 * 2 + 1)
    return scene


@pytest.fixture(scope="session")
def practice(site: Path) -> Path:
    """The folder of the practice board."""
    return next(site.glob("practice-*"))


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Nothing: tests have their own output."""


@pytest.fixture(scope="session")
def localhost(site: Path) -> Iterator[str]:
    """The site served from this machine: the address of its root."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(site))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()
