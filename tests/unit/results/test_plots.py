"""Plots of runs: what they show is what tables, boards and comparisons say, and every kind becomes a file."""

from __future__ import annotations

from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from factories import invented_facts, make_run
from run_helpers import run_cli
from spectra_files import add_spectra
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.artefacts.spectra import SPECTRA, read_spectra
from worldstrat_bench.errors import InvalidArtefactError, UsageError
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.results.plot import KINDS, board_of, differences, plotted_runs, shifts, spectra
from worldstrat_bench.stats.estimate import Estimate, estimate
from worldstrat_bench.stats.paired import compare, verdict_interval

FACTS = invented_facts(60)
TILES = [fact.tile for fact in FACTS]
RULES = load_protocol("wsb-1")
mini: Any = partial(make_run, tiles=FACTS, release="mini", list_name="test")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three models: two that are not told apart, one far behind, and its name must not be set as maths."""
    root = tmp_path_factory.mktemp("runs")
    for name, gain, blur in (("one", 2.0, 0.99), ("two", 2.0, 0.97), ("b$_x^", 0.0, 0.9)):
        mini(root / name, model=name, gain_db=gain, spread_db=0.3)
        add_spectra(root / name, blur, TILES)
    return [root / "b$_x^", root / "one", root / "two"]


@pytest.mark.parametrize(("kind", "suffix"), [*product(KINDS, [".png"]), ("strata", ".pdf"), ("pairs", ".svg")])
def test_every_kind_becomes_a_file(runs: list[Path], tmp_path: Path, kind: str, suffix: str) -> None:
    pytest.importorskip("matplotlib")
    from PIL import Image

    done = run_cli("plot", *runs, "--kind", kind, "--out", tmp_path / f"a{suffix}", "--columns", "2")
    assert done.code == 0, done.err
    assert "60 tiles" in done.out or kind == "strata"
    assert "not an official test set" in done.out
    content = (tmp_path / f"a{suffix}").read_bytes()
    if suffix == ".png":
        with Image.open(tmp_path / "a.png") as image:
            assert image.width == round(7.16 * 300)
            assert len(image.convert("L").getcolors() or ()) > 20  # something is drawn
    else:
        assert content.startswith(b"%PDF" if suffix == ".pdf" else b"<?xml")
        run_cli("plot", *runs, "--kind", kind, "--out", tmp_path / f"b{suffix}", "--columns", "2")
        assert (tmp_path / f"b{suffix}").read_bytes() == content


def test_a_caption_goes_into_a_file_as_latex_or_as_it_is(runs: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    mini(tmp_path / "ahead", model="b$_x^", gain_db=9.0)
    plotted = ("plot", tmp_path / "ahead", runs[1], "--kind", "Forest", "--metric", "PSNR", "--out", tmp_path / "a.svg")
    printed = run_cli(*plotted).out
    assert "b$_x^" in printed
    for name, words in (("c.txt", "b$_x^"), ("c.TEX", r"b\$\_x\textasciicircum{}")):
        done = run_cli(*plotted, "--caption", tmp_path / name)
        assert (done.code, done.out) == (0, "")
        assert words in (tmp_path / name).read_text(encoding="utf-8")
    assert (tmp_path / "c.txt").read_text(encoding="utf-8") == printed


def test_differences_are_those_of_compare(runs: list[Path]) -> None:
    shown = plotted_runs(runs)
    board, notes = board_of(shown, "psnr")
    assert not notes
    leader = board.standings[0].model
    found = differences(board, RULES)
    assert {row.run for row in found} | {leader} == {"one", "two", "b$_x^"}
    for row in found:
        pair = compare(shown.tables[row.run], shown.tables[leader], metric="psnr", protocol=RULES)
        assert pair is not None
        assert row.value == pair.difference
        assert row.interval == pytest.approx((pair.ci_low, pair.ci_high), rel=1e-12)
        assert row.beaten == (pair.verdict == "b")
        assert row.verdict is not None
        assert row.interval is not None
        assert row.verdict[0] < row.interval[0] < row.interval[1] < row.verdict[1]
    assert [row.beaten for row in found] == [False, True]


def test_the_interval_of_a_verdict_excludes_zero_where_both_tests_do() -> None:
    rng = np.random.default_rng(5)
    sums = rng.gamma(0.3, 1.0, (4000, 12)) - rng.uniform(-0.5, 0.3, (4000, 1))
    found = estimate(sums, np.ones(12))
    low, high = verdict_interval(found, RULES)
    significant = found.largest_p(RULES.aggregation, RULES.ranking.tests) <= RULES.ranking.level
    np.testing.assert_array_equal((low > 0) | (high < 0), significant)
    assert 20 < significant.sum() < 3980
    few: Estimate = estimate(sums[:1, :3], np.ones(3))
    assert np.isnan(verdict_interval(few, RULES)).all()


def test_few_groups_have_no_interval_and_no_verdict(tmp_path: Path) -> None:
    for name, gain in (("a", 9.0), ("b", 0.0)):
        mini(tmp_path / name, tiles=FACTS[:4], model=name, gain_db=gain)
    board, _ = board_of(plotted_runs([tmp_path / "a", tmp_path / "b"]), "psnr")
    (row,) = differences(board, RULES)
    assert (row.interval, row.verdict, row.beaten) == (None, None, False)


def test_a_run_with_failures_is_left_out_and_named(runs: list[Path], tmp_path: Path) -> None:
    mini(tmp_path / "broken", model="broken", failed={FACTS[3].tile: "timeout"})
    shown = plotted_runs([*runs, tmp_path / "broken"])
    board, notes = board_of(shown, "psnr")
    assert "broken" not in board.order
    assert notes == ("broken is left out: it has no PSNR on some tiles",)
    assert len(shifts(shown)["broken"][0]) == len(FACTS) - 1
    with pytest.raises(UsageError, match="fewer than two"):
        board_of(plotted_runs([runs[0], tmp_path / "broken"]), "psnr")


def test_curves_of_a_set_are_ratios_of_sums(runs: list[Path]) -> None:
    curves, tiles = spectra(plotted_runs(runs))
    assert tiles == len(FACTS)
    for curve, blur in zip(curves, (0.9, 0.99, 0.97), strict=True):
        np.testing.assert_allclose(curve.coherence, 1.0, rtol=2e-3)  # four digits are stored
        np.testing.assert_allclose(curve.contrast, blur ** np.arange(40), rtol=2e-3)


def test_curves_that_are_not_the_records_are_refused(tmp_path: Path) -> None:
    mini(tmp_path / "a")
    with pytest.raises(InvalidArtefactError, match=r"no spectra\.csv .* --metrics \+spectral"):
        spectra(plotted_runs(tmp_path / "a"))
    add_spectra(tmp_path / "a", 0.9, TILES)
    text = (tmp_path / "a" / SPECTRA).read_text(encoding="utf-8")
    (tmp_path / "a" / SPECTRA).write_text(text + "x,spectrum_cross,1\n", encoding="utf-8", newline="")
    with pytest.raises(InvalidArtefactError, match="sha256 differs"):
        read_spectra(load_result(tmp_path / "a"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kind", "pie"], "unknown kind"),
        (["--kind", "forest", "--metric", "msssim"], "no run has the metric"),
        (["--kind", "pairs", "--metric", "lr_consistency"], "no better side"),
        (["--kind", "strata", "--strata", "biome"], "unknown axis"),
        (["--kind", "shift", "--list", "clean"], "no list"),
        (["--kind", "shift", "--columns", "3"], "3 columns"),
        (["--kind", "shift", "--out", "plot.jpeg"], "tells no format"),
        (["--kind", "shift", "--out", "/nonexistent/a.pdf"], "cannot be written"),
    ],
)
def test_bad_arguments_are_said(runs: list[Path], tmp_path: Path, arguments: list[str], words: str) -> None:
    pytest.importorskip("matplotlib")
    done = run_cli("plot", *runs, "--out", tmp_path / "a.png", *arguments)
    assert done.code in (2, 6)
    assert words in done.err
    assert not (tmp_path / "a.png").exists()
