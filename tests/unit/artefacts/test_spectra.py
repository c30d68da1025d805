"""``spectra.csv`` from a stranger: every fault has a message, and no number that images cannot have gets through."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from factories import invented_facts, make_run
from spectra_files import add_spectra, put_spectra
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.artefacts.spectra import BINS, CURVES, SPECTRA, read_spectra
from worldstrat_bench.errors import InvalidArtefactError

FACTS = invented_facts(3)
TILES = [fact.tile for fact in FACTS]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run with curves."""
    make_run(tmp_path, tiles=FACTS, release="mini", list_name="test")
    add_spectra(tmp_path, 0.9, TILES)
    return tmp_path


def test_what_was_written_is_read(folder: Path) -> None:
    curves = read_spectra(load_result(folder))
    assert set(curves) == set(CURVES)
    assert sorted(curves[CURVES[0]]) == sorted(TILES)
    np.testing.assert_allclose(curves[CURVES[2]][TILES[1]], 2 * 0.9 ** np.arange(BINS), rtol=1e-3)


def changed(text: str, curve: str, cells: dict[int, str]) -> str:
    """The text with cells of the first row of a curve replaced."""
    lines = text.splitlines()
    at = next(i for i, line in enumerate(lines) if f",{curve}," in line)
    row = lines[at].split(",")
    for number, cell in cells.items():
        row[number + 2] = cell
    lines[at] = ",".join(row)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (lambda t: changed(t, "spectrum_target", {4: "-1"}), "energy of .* is negative"),
        (lambda t: changed(t, "spectrum_prediction", {0: "-0.1"}), "energy of .* is negative"),
        (lambda t: changed(t, "spectrum_cross", {0: "1.5"}), "share more energy than they have"),
        (lambda t: changed(t, "spectrum_cross", {0: "-1.5"}), "share more energy than they have"),
        (lambda t: changed(t, "spectrum_cross", {3: "inf"}), "not finite"),
        (lambda t: changed(t, "spectrum_cross", {3: "1_0"}), "a number to some programs only"),
        (lambda t: changed(t, "spectrum_cross", {3: "many"}), "is not a number"),
        (lambda t: t.replace("spectrum_cross", "spectrum_other"), "a tile lacks one of"),
        (lambda t: "\n".join(t.splitlines()[:-1]) + "\n", "a tile lacks one of"),
        (lambda t: t + t.splitlines()[-1] + "\n", "repeats a tile and curve"),
        (lambda t: "\n".join(line.rsplit(",", 1)[0] for line in t.splitlines()) + "\n", "39 values, not 40"),
        (lambda t: t + "x\n", "cells"),
        (lambda t: t.replace("b03", "=cmd|calc"), "does not number the values"),
        (lambda t: t + t.splitlines()[-1].replace("spectrum_target", "=cmd|calc") + "\n", "holds a curve '=cmd"),
        (lambda _: "", "line 1"),
        (lambda _: "tile,curve\n", "a tile lacks one of"),
    ],
)
def test_faults(folder: Path, fault: object, says: str) -> None:
    assert callable(fault)
    put_spectra(folder, fault((folder / SPECTRA).read_text(encoding="utf-8")))
    with pytest.raises(InvalidArtefactError, match=says) as caught:
        read_spectra(load_result(folder))
    assert "spectra.csv" in str(caught.value.where)


def test_four_digits_are_not_a_fault(folder: Path) -> None:
    """A prediction equal to the target shares all its energy, and each of the three is rounded on its own."""
    for value in np.random.default_rng(0).uniform(1, 10, size=50):
        cells = dict.fromkeys(range(BINS), f"{value:.4g}")
        text = (folder / SPECTRA).read_text(encoding="utf-8")
        gain = value * 1.00049
        text = changed(text, "spectrum_target", cells)
        text = changed(text, "spectrum_prediction", cells)
        put_spectra(folder, changed(text, "spectrum_cross", dict.fromkeys(range(BINS), f"{gain:.4g}")))
        read_spectra(load_result(folder))
