"""The page on the Python API: its examples run as they stand, and it renders what they use with every option."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

import worldstrat_bench
from run_helpers import small_dataset
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.run.pipeline import evaluate

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text(encoding="utf-8")


def test_the_examples_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small_dataset(tmp_path / "WorldStrat", tiles=3)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 6
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, "docs/api.md", "exec"), names)  # noqa: S102  # our own page, read from the checkout
    assert names["scores"]["psnr"] > 30
    assert names["second"]["psnr"][0] == names["batch"]["psnr"][1] != names["batch"]["psnr"][0]
    assert names["truth"].image.shape[1:] == names["truth"].valid.shape
    assert names["task"].images.shape[:3] == (1, 2, 12)
    assert (len(names["tiles"]), set(names["means"]["list"])) == (2, {"test"})
    assert names["image"].shape[0] == 3
    record = load_record(tmp_path / "run")
    assert names["record"] == record
    assert record.outcomes == {"ok": 2}
    assert record.limits is not None
    assert (record.limits.tile_seconds, record.limits.memory_bytes) == (30, 4 * 2**30)
    assert "resolution_m" in record.optional
    assert (record.model.frames, record.dataset.limit) == (1, 2)
    assert "{'ok': 2}" in capsys.readouterr().out


def test_the_page_renders_what_is_public() -> None:
    rendered = re.findall(r"^::: (\S+)$", PAGE, re.MULTILINE)
    for name in set(worldstrat_bench.__all__) - {"__version__"}:
        home = getattr(worldstrat_bench, name)
        full = f"{home.__module__}.{home.__qualname__}"
        assert any(full == entry or full.startswith(f"{entry}.") for entry in rendered) or (
            f"worldstrat_bench.scoring.{name}" in rendered
        ), name


def test_every_option_of_evaluate_is_described() -> None:
    described = re.findall(r"^(?: {4})?(\w[\w, ]*) : ", inspect.cleandoc(evaluate.__doc__ or ""), re.MULTILINE)
    named = {name for line in described for name in line.split(", ")}
    assert set(inspect.signature(evaluate).parameters) <= named
