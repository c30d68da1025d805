"""Pictures from a data set and stored predictions: the slider, error maps, revisits, the gallery."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from factories import Facts, invented_facts, make_run
from site_browser import violations, visit
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.data.target import read_target
from worldstrat_bench.errors import UsageError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run.predictions import PredictionStore
from worldstrat_bench.site import build, imaging
from worldstrat_bench.site.checker import check

WSB = load_protocol("wsb-1")
Scene = tuple[Path, Path, list[Path]]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A data set of three tiles, and two runs with predictions on it."""
    root = tmp_path_factory.mktemp("pictures")
    write_mini(root / "mini", test_tiles=3, train_tiles=1, size=200)
    dataset = open_dataset(root / "mini")
    names = dataset.names("test")
    targets = {name: read_target(dataset.tile(name), WSB) for name in names}
    lines = "".join(f"{name} {targets[name].sha256}\n" for name in sorted(names))
    facts: list[Facts] = []
    for invented, name in zip(invented_facts(len(names)), sorted(names), strict=True):
        own = dataset.tile(name).facts
        facts.append(
            Facts(name, own.group, own.ipcc, own.smod, own.source, own.continent, own.lon, own.lat, invented.cloud,
                  invented.days, invented.detail)
        )  # fmt: skip
    runs = []
    for i, model in enumerate(("good", "blurred")):
        run = root / "runs" / model
        make_run(run, model=model, tiles=facts, release="mini", list_name="test", gain_db=1.0 - i,
                 targets_sha256=hashlib.sha256(lines.encode()).hexdigest())  # fmt: skip
        store = PredictionStore(run / "predictions")
        for name, target in targets.items():
            image = target.image if i == 0 else target.image[:, ::2, ::2]
            store.write(name, np.ascontiguousarray(image), {})
        runs.append(run)
    return root, root / "mini", runs


@pytest.fixture(scope="module")
def pictured(scene: Scene) -> Path:
    root, data, runs = scene
    report = build(runs, root / "out", data=data, predictions=runs)
    assert report.pictures >= 3 * (2 + 2 * 2 + 1)
    return root / "out"


def tile_page(site: Path) -> Path:
    return min(site.glob("practice-*/t/*.html"))


def test_the_site_with_pictures_passes_its_check_and_rebuilds(pictured: Path) -> None:
    report = check(pictured)
    assert report.faults == ()
    assert report.rebuilt
    assert report.largest_tile_page <= 400_000


def test_the_slider_works_by_keyboard(pictured: Path, browser: Browser) -> None:
    with visit(browser, tile_page(pictured).as_uri()) as seen:
        page = seen.page
        clip = "e => getComputedStyle(e).clipPath"
        pane, knob = page.locator(".pane.input"), page.locator(".knobs input[name=a]")
        before = pane.evaluate(clip)
        knob.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert knob.input_value() == "35"
        assert pane.evaluate(clip) != before
        page.keyboard.press("End")
        assert page.locator(".knobs input[name=b]").input_value() == "100"
        assert all(page.evaluate("[...document.images].filter(i => i.loading !== 'lazy').map(i => i.naturalWidth > 0)"))
        page.select_option("select[name=prediction]", label="blurred")
        assert "blurred" in (page.locator(".pane.sr img").get_attribute("src") or "")
        seen.assert_quiet()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_with_pictures_are_accessible(pictured: Path, browser: Browser, scheme: str) -> None:

    for page in (tile_page(pictured), tile_page(pictured).parent.parent / "gallery.html", pictured / "index.html"):
        with visit(browser, page.as_uri(), color_scheme=scheme, viewport={"width": 375, "height": 800}) as seen:
            assert violations(seen.page) == []
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= 375
            seen.assert_quiet()


def test_without_a_script_all_panels_are_side_by_side(pictured: Path, browser: Browser) -> None:
    with visit(browser, tile_page(pictured).as_uri(), java_script_enabled=False) as seen:
        for role in ("target", "sr", "input"):
            assert seen.page.locator(f".pane.{role} img").is_visible()
            assert seen.page.locator(f".pane.{role} figcaption").is_visible()
        assert "Synthetic imagery, CC0." in seen.page.locator("#pictures").inner_text()


def test_all_panels_of_a_tile_share_one_stretch(pictured: Path) -> None:
    """The perfect prediction looks exactly like the target, and its error map is black."""
    page = tile_page(pictured)
    folder = min(page.parent.parent.glob("img/*"))
    assert (folder / "p-good.webp").read_bytes() == (folder / "target.webp").read_bytes()
    dark = np.asarray(Image.open(folder / "e-blurred.webp").convert("RGB")).astype(int)
    assert dark.shape == (158, 158, 3)


def test_no_previews_and_another_data_set_give_no_pictures(scene: Scene, tmp_path: Path) -> None:
    _, data, runs = scene
    assert build(runs, tmp_path / "a", data=data, predictions=runs, previews=False).pictures == 0
    write_mini(tmp_path / "other", test_tiles=3, train_tiles=1, size=200, seed=5)
    assert build(runs, tmp_path / "b", data=tmp_path / "other").pictures == 0
    with pytest.raises(UsageError, match="beside the truth"):
        build(runs, tmp_path / "c", predictions=runs)


def test_the_gallery_shows_the_hardest_first(pictured: Path) -> None:
    board = min(pictured.glob("practice-*"))
    index = json.loads((board / "data" / "pictures.json").read_text(encoding="utf-8"))
    assert len(index) == 3
    assert (board / "gallery.html").read_text(encoding="utf-8").count("<img") >= 3 * 3


def test_an_error_of_known_size_has_a_known_colour() -> None:
    target = np.zeros((3, 40, 40), dtype=np.float32)
    valid = np.ones((40, 40), dtype=bool)
    black = imaging.error_map(target + np.float32(0.3), target, valid, (0, 0), 20)
    assert (black == (0, 0, 4)).all()  # a constant offset is taken out
    moved = np.zeros_like(target)
    target[:, 10:20, 10:20], moved[:, 12:22, 9:19] = 0.5, 0.5
    assert (imaging.error_map(moved, target, valid, (2.2, -1.1), 40)[5:35, 5:35] == (0, 0, 4)).all()
    halves = np.where(np.arange(40) < 20, 0.1, -0.1).astype(np.float32)
    bright = imaging.error_map(
        np.broadcast_to(halves, (3, 40, 40)).copy(), np.zeros((3, 40, 40), np.float32), valid, (0, 0), 20
    )
    assert (bright == (252, 255, 164)).all()


def test_a_large_picture_is_encoded_smaller() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (632, 632, 3)).astype(np.uint8)
    data = imaging.webp(noise)
    assert Image.open(io.BytesIO(data)).size == (632, 632)
