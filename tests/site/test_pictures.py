"""Pictures from a data set and stored predictions: what is written, and what the check says of it."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser

from site_browser import violations, visit
from site_pictures import WSB, PictureScene, size_of
from worldstrat_bench.data.layout import open_dataset
from worldstrat_bench.data.mini import write_mini
from worldstrat_bench.data.target import read_target
from worldstrat_bench.errors import UsageError
from worldstrat_bench.site import build, imaging
from worldstrat_bench.site.analysis import Analysis
from worldstrat_bench.site.checker import check
from worldstrat_bench.site.config import BoardConfig
from worldstrat_bench.site.pictures import CELL
from worldstrat_bench.site.studio import cell_around, cells_of
from worldstrat_bench.site.text import slugify


def test_the_site_with_pictures_passes_its_check_and_rebuilds(pictures: PictureScene) -> None:
    report = check(pictures.site)
    assert report.faults == ()
    assert report.rebuilt
    assert report.largest_tile_page <= 400_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_with_pictures_are_accessible(pictures: PictureScene, browser: Browser, scheme: str) -> None:

    for page in (
        pictures.tile_pages()[0],
        pictures.tile_pages()[0].parent.parent / "gallery.html",
        pictures.site / "index.html",
    ):
        with visit(browser, page.as_uri(), color_scheme=scheme, viewport={"width": 375, "height": 800}) as seen:
            assert violations(seen.page) == []
            assert seen.page.evaluate("document.documentElement.scrollWidth") <= 375
            seen.assert_quiet()


def test_without_a_script_equal_panes_stand_side_by_side(pictures: PictureScene, browser: Browser) -> None:
    with visit(browser, pictures.tile_pages()[0].as_uri(), java_script_enabled=False) as seen:
        panes = seen.page.locator(".pane")
        assert [text.split()[0] for text in panes.locator("figcaption").all_inner_texts()] == [
            "Input",
            "A",
            "B",
            "Target",
        ]
        boxes = {(b["width"], b["height"]) for b in (i.bounding_box() for i in panes.locator("img").all()) if b}
        assert len(boxes) == 1
        assert boxes.pop()[0] > 200
        assert "Synthetic imagery, CC0." in seen.page.locator("#pictures").inner_text()


def test_all_panels_of_a_tile_share_one_stretch(pictures: PictureScene) -> None:
    """The perfect prediction, delivered, looks exactly like the target."""
    for folder in pictures.site.glob("practice-*/img/*"):
        assert (folder / "d-good.webp").read_bytes() == (folder / "p-target.webp").read_bytes()
        assert size_of(folder / "e-blurred.webp") == (158, 158)


def test_a_crop_holds_the_stretched_values_exactly(pictures: PictureScene) -> None:
    dataset = open_dataset(pictures.data)
    index = json.loads(next(pictures.site.glob("practice-*/data/pictures.json")).read_text(encoding="utf-8"))["tiles"]
    assert sorted(index) == sorted(dataset.names("test"))
    for name, entry in index.items():
        target = read_target(dataset.tile(name), WSB)
        assert entry["cells"] == [[0, 0]]
        script = next(pictures.site.glob(f"practice-*/{entry['folder']}/c-target-0-0.js")).read_text("ascii")
        call = re.fullmatch(r'wsbCrop\("target",0,0,"(.+)"\);\n', script)
        assert call is not None
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(call[1]))).convert("RGB"))
        stretch = imaging.stretch_of(target.image, target.valid)
        assert entry["range"] == list(stretch)
        assert (pixels == imaging.stretched(target.image, stretch)).all()


def test_cells_cover_a_tile_and_a_detail_lies_inside() -> None:
    cells = cells_of(632)
    assert len(cells) == 9
    seen = np.zeros((632, 632), dtype=int)
    for x, y in cells:
        seen[y : y + CELL, x : x + CELL] += 1
    assert (seen == 1).all()
    assert cell_around((10, 600), 632) == (0, 632 - CELL)
    assert cell_around((60, 60), 120) == (0, 0)


def test_no_previews_and_another_data_set_give_no_pictures(pictures: PictureScene, tmp_path: Path) -> None:
    data, runs = pictures.data, pictures.runs
    assert build(runs, tmp_path / "a", data=data, predictions=runs, previews=False).pictures == 0
    write_mini(tmp_path / "other", test_tiles=3, train_tiles=1, size=200, seed=5)
    assert build(runs, tmp_path / "b", data=tmp_path / "other").pictures == 0
    with pytest.raises(UsageError, match="beside the truth"):
        build(runs, tmp_path / "c", predictions=runs)


def test_pictures_of_the_gallery_alone(pictures: PictureScene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = json.loads((min(pictures.site.glob("practice-*")) / "data" / "pictures.json").read_text("utf-8"))
    one = min(index["tiles"])
    monkeypatch.setattr(Analysis, "featured", lambda _: frozenset([one]))
    config = BoardConfig(pictures="gallery")
    said: list[str] = []
    build(
        pictures.runs, tmp_path / "site", data=pictures.data, predictions=pictures.runs, config=config, say=said.append
    )
    assert "pictures of 1 tile will take about 1 MB" in said
    board = min((tmp_path / "site").glob("practice-*"))
    assert list(json.loads((board / "data" / "pictures.json").read_text("utf-8"))["tiles"]) == [one]
    assert [page.name for page in board.glob("t/*.html") if "<img" in page.read_text("utf-8")] == [
        f"{slugify(one)}.html"
    ]
    words = 'This tile has no pictures: they are made of the tiles of the gallery. <a href="../gallery.html">'
    assert sum(words in page.read_text("utf-8") for page in board.glob("t/*.html")) == 2
    assert "worst of the tiles with pictures" in next(board.glob("m/*.html")).read_text("utf-8")
    assert check(tmp_path / "site").faults == ()


def test_the_gallery_shows_the_hardest_first(pictures: PictureScene) -> None:
    board = min(pictures.site.glob("practice-*"))
    index = json.loads((board / "data" / "pictures.json").read_text(encoding="utf-8"))["tiles"]
    assert len(index) == 3
    assert (board / "gallery.html").read_text(encoding="utf-8").count("<img") >= 3 * 3


def test_an_error_of_known_size_has_a_known_colour() -> None:
    target = np.zeros((3, 40, 40), dtype=np.float32)
    valid = np.ones((40, 40), dtype=bool)
    halves = np.broadcast_to(np.where(np.arange(40) < 20, 0.1, -0.1), (3, 40, 40)).astype(np.float32)
    assert (imaging.error_map(imaging.error_of(halves, target, valid), 20) == (252, 255, 164)).all()
    assert (imaging.error_map(imaging.error_of(target, target, valid), 20) == (0, 0, 4)).all()
    valid[:] = False
    assert not imaging.error_of(halves, target, valid).any()


def test_as_scored_is_moved_and_levelled() -> None:
    rng = np.random.default_rng(1)
    target = (0.3 + 0.2 * rng.random((3, 40, 40))).astype(np.float32)
    valid = np.ones((40, 40), dtype=bool)
    delivered = np.roll(target, (2, -1), axis=(1, 2)) + np.array([0.1, -0.1, 0.05], np.float32)[:, None, None]
    inside = np.zeros_like(valid)
    inside[5:35, 5:35] = True
    scored = imaging.registered(delivered, target, inside, (2.0, -1.0))
    np.testing.assert_allclose(scored[:, 5:35, 5:35], target[:, 5:35, 5:35], atol=1e-5)
    smooth = np.broadcast_to(np.sin(np.arange(40) / 4) / 4 + 0.5, (3, 40, 40)).astype(np.float32)
    later = np.broadcast_to(np.sin((np.arange(40) - 0.4) / 4) / 4 + 0.5, (3, 40, 40)).astype(np.float32)
    np.testing.assert_allclose(
        imaging.registered(later, smooth, inside, (0.0, 0.4))[:, 5:35, 10:30], smooth[:, 5:35, 10:30], atol=2e-3
    )
    assert (imaging.registered(target, target, ~valid, (0.0, 0.0)) == target).all()


def test_the_detail_is_where_the_models_differ_most() -> None:
    target = np.zeros((3, 128, 128), dtype=np.float32)
    one, two = np.zeros((2, 128, 128), dtype=np.float32)
    one[40:50, 100:110] = two[:20, :20] = 0.5
    two[40:50, 100:110] = 0.4
    assert imaging.detail_of([one, two], target) == (16, 16)
    assert imaging.detail_of([one], target) == (112, 48)
    target[:, 100:120, 64:90:2] = 0.2
    assert imaging.detail_of([], target) == (80, 112)


def test_own_stretch_is_that_of_the_picture_itself() -> None:
    rng = np.random.default_rng(2)
    image = rng.random((3, 64, 64)).astype(np.float32)
    valid = np.ones((64, 64), dtype=bool)
    slope, intercept = imaging.own_stretch(image, valid, (0.2, 0.6))
    own = imaging.stretch_of(image, valid)
    for value in own:
        drawn = (value - 0.2) / 0.4
        assert slope * drawn + intercept == pytest.approx((value - own[0]) / (own[1] - own[0]), abs=1e-3)


def test_no_picture_is_too_large() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (632, 632, 3)).astype(np.uint8)
    assert len(imaging.webp(noise)) <= imaging.MOST_BYTES
    assert len(imaging.small(noise)) <= imaging.MOST_BYTES
    assert Image.open(io.BytesIO(imaging.webp(noise // 64))).size[0] in (316, 632)
    few = noise[:100, :100]
    assert (np.asarray(Image.open(io.BytesIO(imaging.small(few))).convert("RGB")) == few).all()


def test_a_script_that_is_not_a_crop_is_a_fault(pictures: PictureScene, tmp_path: Path) -> None:
    copy = tmp_path / "site"
    shutil.copytree(pictures.site, copy)
    script = min(copy.glob("practice-*/img/*/c-*.js"))
    script.write_text('wsbCrop("target",0,0,"");alert(1);\n')
    faults = check(copy, rebuild=False).faults
    assert any("a script that is not a crop of a picture" in fault for fault in faults)


def test_pages_say_where_a_build_has_no_pictures_and_leave_their_sections_out(site: Path, browser: Browser) -> None:
    for path in ("gallery.html", next(site.glob("t/*.html")).relative_to(site).as_posix()):
        with visit(browser, (site / path).as_uri()) as seen:
            said = seen.page.locator("main .note").first.inner_text()
            assert said.startswith("This board has no pictures: they are made from the data set and from predictions")
            assert seen.page.locator("main img, #pictures").count() == 0
            assert violations(seen.page) == []
    assert 'id="crops"' not in (site / "m" / "srcnn.html").read_text(encoding="utf-8")
