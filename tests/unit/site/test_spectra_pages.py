"""Curves of a model, the plane of missed against invented, and the columns of resolution, on built sites."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import invented_facts, make_run
from spectra_files import add_spectra, put_spectra
from worldstrat_bench.artefacts.spectra import BINS, SPECTRA
from worldstrat_bench.site import build
from worldstrat_bench.site import check as check_site
from worldstrat_bench.site.board_charts import Point
from worldstrat_bench.site.spectra_charts import plane, spectrum
from worldstrat_bench.stats.spectra import Band

FACTS = invented_facts(40)
TILES = [fact.tile for fact in FACTS]
COLUMNS = dict.fromkeys(("resolution_m", "contrast_nyquist", "missed", "invented", "detail_energy"), "1")


def run(folder: Path, model: str, **options: Any) -> Path:
    make_run(folder, model=model, tiles=FACTS, release="mini", list_name="test", **options)
    return folder


def page(site: Path, name: str) -> str:
    (found,) = site.glob(f"practice-*/{name}")
    return found.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models with curves and one without."""
    root = tmp_path_factory.mktemp("spectra")
    for model, blur in (("sharp", 0.99), ("soft", 0.9)):
        add_spectra(run(root / model, model, optional=COLUMNS), blur, TILES)
    run(root / "plain", "plain")
    report = build([root / name for name in ("sharp", "soft", "plain")], root / "site")
    assert not report.refused
    return root / "site"


def test_a_rebuild_from_the_site_gives_the_same_bytes(site: Path) -> None:
    report = check_site(site)
    assert report.faults == ()
    assert report.rebuilt


def test_a_model_with_curves_shows_both_with_a_band(site: Path) -> None:
    text = page(site, "m/sharp.html")
    for key in ("coherence", "contrast"):
        (figure,) = re.findall(rf'<figure id="spectrum-{key}">.*?</figure>', text, re.DOTALL)
        assert figure.count('class="wk"') == 1
        assert figure.count('class="dt"') == 1
        assert "finer than the input" in figure
        assert "40 tiles of list test" in figure
    assert "spectrum-coherence" not in page(site, "m/plain.html")


def test_the_plane_has_the_models_that_have_both_numbers(site: Path) -> None:
    text = page(site, "index.html")
    (figure,) = re.findall(r'<figure id="plane">.*?</figure>', text, re.DOTALL)
    drawings = re.findall(r'<svg class="fig (\w+)".*?</svg>', figure, re.DOTALL)
    assert drawings == ["wide", "narrow"]
    assert sorted(re.findall(r'href="[^"]*m/(\w+)\.html"', figure)) == ["sharp", "sharp", "soft", "soft"]
    assert "2 models, 40 tiles" in figure


def test_the_board_has_the_resolution_beside_the_contrast(site: Path) -> None:
    headings = re.findall(r'<th scope="col"[^>]*data-key="([^"]+)"', page(site, "index.html"))
    assert headings.index("contrast_nyquist") == headings.index("resolution_m") + 1
    (first,) = re.findall(r'<th scope="col" class="([^"]*)" data-key="resolution_m"', page(site, "index.html"))[:1]
    assert "g-main" in first


def test_curves_that_are_not_those_of_the_record_are_refused(tmp_path: Path) -> None:
    folder = run(tmp_path / "a", "a", optional=COLUMNS)
    add_spectra(folder, 0.9, TILES)
    run(tmp_path / "b", "b")
    text = (folder / SPECTRA).read_text(encoding="utf-8")
    (folder / SPECTRA).write_text(text.replace("e-0", "e+0", 1) + " ", encoding="utf-8")
    report = build([tmp_path / "a", tmp_path / "b"], tmp_path / "site")
    assert [("spectra.csv is not the file" in why) for _, why in report.refused] == [True]
    put_spectra(folder, text.replace("spectrum_cross", "spectrum_x"))
    report = build([tmp_path / "a", tmp_path / "b"], tmp_path / "site")
    assert [("a tile lacks one of" in why) for _, why in report.refused] == [True]


def test_a_tile_that_failed_leaves_no_curve(tmp_path: Path) -> None:
    folder = run(tmp_path / "a", "a", failed={TILES[3]: "crash"}, optional=COLUMNS)
    add_spectra(folder, 0.9, [tile for tile in TILES if tile != TILES[3]])
    run(tmp_path / "b", "b")
    build([tmp_path / "a", tmp_path / "b"], tmp_path / "site")
    assert not [p for p in (tmp_path / "site").rglob("*.html") if "spectrum-coherence" in p.read_text("utf-8")]


def nothing(bins: int = BINS) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.full(bins, np.nan)


def test_gaps_part_a_curve() -> None:
    value = np.linspace(1, 0, BINS)
    value[10] = np.nan
    drawn = spectrum(Band(value, nothing(), nothing()), "x", "y", reference=0.5)
    assert drawn.count('class="wk"') == 2
    assert 'class="dt"' not in drawn
    assert 'class="wk"' not in spectrum(Band(nothing(), nothing(), nothing()), "x", "y", reference=0.5)


def test_every_model_is_inside_the_plane() -> None:
    points = [Point("a<b>", 0.0, 0.0, "a"), Point("noise", 1.8, 7.5, "n"), Point("none", 1.0, 0.0, "o")]
    drawn = plane(points, "x")
    for x, y in re.findall(r'<circle[^>]*cx="([\d.]+)" cy="([\d.]+)"', drawn):
        assert 52 <= float(x) <= 584
        assert 34 <= float(y) <= 316
    assert "a&lt;b&gt;" in drawn
