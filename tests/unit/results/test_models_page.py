"""Figures of the reference models on the page about them are those of the records in this repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from worldstrat_bench.artefacts.result import Result, load_result
from worldstrat_bench.run.compare import compare_runs

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
MODELS = ("nearest", "bicubic", "lanczos", "median", "shift-and-add", "trained-single", "trained-multi")


def folder_of(model: str) -> Path:
    (record,) = (ROOT / "submissions" / model / "results").rglob("record.json")
    return record.parent


def psnr_of(result: Result) -> float:
    mean = result.record.scores["test"].micro["psnr"].mean
    assert mean is not None
    return mean


@pytest.mark.parametrize("model", MODELS)
def test_the_table_is_of_the_records(model: str) -> None:
    found = re.search(rf"(?m)^\| `{model}` \| ([0-9]+\.[0-9]+)(?: \(([-+][0-9.]+)\))? \| [0-9]{{2}}", PAGE)
    assert found is not None
    mean, reference = (psnr_of(load_result(folder_of(name))) for name in (model, "bicubic"))
    assert found[1] == f"{mean:.2f}"
    assert found[2] == (None if model == "bicubic" else f"{mean - reference:+.2f}")


@pytest.mark.parametrize(("one", "other"), [("trained-multi", "shift-and-add"), ("shift-and-add", "bicubic")])
def test_the_differences_are_of_the_records(one: str, other: str) -> None:
    found = compare_runs(folder_of(one), folder_of(other)).lists["test"]
    psnr = next(comparison for comparison in found if comparison.metric == "psnr")
    text = " ".join(PAGE.split())
    assert psnr.ci_low is not None
    # "that beats" of the second one: the model is named right before.
    said = re.search(rf"beats `{other}` by ([0-9.]+) dB \((?:95 % interval )?([0-9.]+) to ([0-9.]+)\)", text)
    assert said is not None
    assert said.groups() == (f"{psnr.difference:.2f}", f"{psnr.ci_low:.2f}", f"{psnr.ci_high:.2f}")
