"""The table of docs/resolution.md is what the script of its picture makes, and all three have one PSNR."""

from __future__ import annotations

import importlib.util
import re

import numpy as np
import pytest

from conftest import ROOT


def test_the_three_predictions_share_a_psnr_and_differ_as_the_page_says() -> None:
    """On a smaller scene than the page's: the same order of things, not the same numbers."""
    spec = importlib.util.spec_from_file_location("resolution_figure", ROOT / "tools" / "resolution_figure.py")
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    rng, side = np.random.default_rng(7), 120
    f = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None]) + 0.01
    rough = np.fft.ifft2(np.fft.fft2(rng.normal(size=(3, side, side))) / f).real
    target = 0.4 + 0.06 * (rough - rough.mean()) / rough.std()
    made = {name: tool.scores(image, target) for name, image in tool.predictions(target).items()}
    psnrs = [own["psnr"] for own in made.values()]
    assert max(psnrs) - min(psnrs) < 0.01
    assert made["blurred"]["missed"] > 0.6 > 0.05 > made["blurred"]["invented"]
    assert made["noisy"]["invented"] > 0.6 > 0.05 > made["noisy"]["missed"]
    assert made["fabricated"]["missed"] > 0.2 < made["fabricated"]["invented"]
    assert made["fabricated"]["resolution_m"] > made["blurred"]["resolution_m"]
    text = (ROOT / "docs" / "resolution.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\w+)[^|]*\| ([\d.]+) dB \| ([\d.]+) m \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", text, re.M)
    assert [row[0] for row in rows] == list(made)
    assert len({row[1] for row in rows}) == 1
    assert float(rows[1][5]) == pytest.approx(0.84)
