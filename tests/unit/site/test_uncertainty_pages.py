"""The section of a model that states its expected error, on built sites."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import invented_facts, make_run
from worldstrat_bench.artefacts.record import Record, record_id
from worldstrat_bench.artefacts.spectra import format_spectra
from worldstrat_bench.artefacts.uncertainty import LEVELS, POINTS, UNCERTAINTY
from worldstrat_bench.measures import OPTIONAL
from worldstrat_bench.site import build
from worldstrat_bench.site import check as check_site

FACTS = invented_facts(40)
TILES = [fact.tile for fact in FACTS]
COLUMNS = dict.fromkeys(OPTIONAL["uncertainty"].names, "1")


def run(folder: Path, model: str, **options: Any) -> Path:
    make_run(folder, model=model, tiles=FACTS, release="mini", list_name="test", **options)
    return folder


def add_curves(folder: Path, tiles: Iterable[str], power: float = 1.0, rename: str = "coverage") -> None:
    """Curves of a model whose coverage is the level to a power, and the record that names their file."""
    left = np.sqrt(1 - np.arange(POINTS) / POINTS)
    curves = {rename: np.array(LEVELS) ** power, "sparsification": left, "sparsification_oracle": left**2}
    text = format_spectra((tile, {name: tuple(own) for name, own in curves.items()}) for tile in tiles)
    (folder / UNCERTAINTY).write_text(text, encoding="utf-8", newline="")
    record = Record.load(folder / "record.json")
    files = record.files | {UNCERTAINTY: hashlib.sha256(text.encode()).hexdigest()}
    changed = record.model_copy(update={"files": files})
    changed.model_copy(update={"record_id": record_id(changed.model_dump(mode="json"))}).save(folder / "record.json")


def page(site: Path, name: str) -> str:
    (found,) = site.glob(f"practice-*/{name}")
    return found.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A calibrated model, an overconfident one, one that speaks of half of the tiles, and one that says nothing."""
    root = tmp_path_factory.mktemp("trust")
    add_curves(run(root / "right", "right", optional=COLUMNS), TILES)
    add_curves(run(root / "bold", "bold", optional=COLUMNS), TILES, 3.0)
    add_curves(run(root / "half", "half", optional=COLUMNS), TILES[:20])
    run(root / "mute", "mute")
    report = build([root / name for name in ("right", "bold", "half", "mute")], root / "site")
    assert not report.refused
    return root / "site"


def test_a_rebuild_from_the_site_gives_the_same_bytes(site: Path) -> None:
    report = check_site(site)
    assert report.faults == ()
    assert report.rebuilt


def points(text: str, figure: str, css: str) -> list[tuple[float, float]]:
    """The points of a line of a figure, px."""
    (drawing,) = re.findall(rf'<figure id="{figure}">.*?</figure>', text, re.DOTALL)
    (path,) = re.findall(rf'<path class="{css}" d="M([^"]+)"', drawing)
    return [(float(x), float(y)) for x, y in (pair.split() for pair in path.split("L"))]


def test_calibrated_lies_on_the_diagonal_and_overconfident_below(site: Path) -> None:
    (x0, y0), (x1, y1) = points(page(site, "m/right.html"), "uncertainty-coverage", "zr")
    slope = (y1 - y0) / (x1 - x0)
    for x, y in points(page(site, "m/right.html"), "uncertainty-coverage", "iv"):
        assert y == pytest.approx(y0 + slope * (x - x0), abs=0.02)
    inner = points(page(site, "m/bold.html"), "uncertainty-coverage", "iv")[2:-1]
    assert all(y > y0 + slope * (x - x0) + 2 for x, y in inner)  # y grows downwards


def test_the_section_has_all_five_numbers_and_both_drawings(site: Path) -> None:
    text = page(site, "m/right.html")
    (section,) = re.findall(r'<section id="uncertainty">.*?</section>', text, re.DOTALL)
    for measure in OPTIONAL["uncertainty"].columns:
        assert f">{measure.label} " in section
    assert section.count("<figure") == 2
    assert "Mean over 40 tiles of list test." in section
    assert len(points(text, "uncertainty-sparsification", "fr")) == POINTS
    assert "red, green, blue, expected error" in text
    mute = page(site, "m/mute.html")
    assert "uncertainty" not in mute
    assert "Returns" not in mute


def test_tiles_of_which_the_model_says_nothing_are_counted(site: Path) -> None:
    text = page(site, "m/half.html")
    assert "Mean over 20 tiles of list test. The model said nothing of the other 20." in text


def test_curves_that_cannot_be_are_refused(tmp_path: Path) -> None:
    folder = run(tmp_path / "a", "a", optional=COLUMNS)
    run(tmp_path / "b", "b")
    for change, why in (({"rename": "share"}, "a tile lacks one of"), ({"power": -1.0}, "coverage of")):
        add_curves(folder, TILES, **change)
        report = build([tmp_path / "a", tmp_path / "b"], tmp_path / "site")
        assert [why in reason for _, reason in report.refused] == [True]
    add_curves(folder, TILES)
    (folder / UNCERTAINTY).write_text("tile,curve\n", encoding="utf-8")
    report = build([tmp_path / "a", tmp_path / "b"], tmp_path / "site")
    assert ["uncertainty.csv is not the file" in reason for _, reason in report.refused] == [True]
