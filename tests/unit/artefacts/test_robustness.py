"""``robustness.json``: what its schema refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from worldstrat_bench.artefacts.record import Summary
from worldstrat_bench.artefacts.robustness import FramesPoint, Robustness
from worldstrat_bench.errors import InvalidArtefactError

POINT = FramesPoint(frames=1, record_id="a" * 64, scores={"psnr": Summary(n=3, mean=30.5)})
MADE = Robustness(record_id="a" * 64, list="test", frames=(POINT,), cloud=())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"schema_version": 1}',
        '{"schema_version": 2}',
        "NaN",
        " " * (Robustness.MAX_BYTES + 1),
    ],
    ids=["empty", "list", "deep", "bare", "version", "nan", "large"],
)
def test_an_invalid_file_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "robustness.json").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidArtefactError):
        Robustness.load(tmp_path / "robustness.json")


@pytest.mark.parametrize("value", ["1e300", "-1e7", "Infinity", "NaN"])
def test_numbers_that_no_figure_can_show_are_refused(value: str) -> None:
    text = MADE.dump()
    assert Robustness.parse(text) == MADE
    changed = text.replace('"mean": 30.5', f'"mean": {value}', 1)
    assert changed != text
    with pytest.raises(InvalidArtefactError):
        Robustness.parse(changed)
