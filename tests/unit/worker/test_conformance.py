"""The conformance test finds what is wrong with a model, and nothing wrong with one that is right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from run_helpers import run_cli
from worldstrat_bench.worker import ModelSpec
from worldstrat_bench.worker.conformance import ModelToCheck, check_model, make_task

FAULTY = """
import torch
from pathlib import Path

def enlarge(lr, target):
    return torch.nn.functional.interpolate(lr.rgb(), (target.height, target.width), mode="bilinear")

class Model:
    def __init__(self, faults):
        self.faults, self.calls = faults.split(), 0
        self.loads = Path(__file__).with_name('loads')  # each process draws another number, and never one by chance
        self.loads.write_text(self.loads.read_text() + 'x' if self.loads.exists() else 'x')
        self.chance = 0.05 * len(self.loads.read_text())

    def predict(self, lr, target):
        self.calls += 1
        out = enlarge(lr, target)
        if "state" in self.faults:
            out = out + 0.01 * self.calls
        if "draws" in self.faults:
            out = out + 0.01 * torch.randn_like(out)
        if "chance" in self.faults:
            out = out + self.chance
        if "input" in self.faults:
            lr.images.mul_(0.5)
        if "frames" in self.faults:
            lr.images[:, 7]
        if "clouds" in self.faults:
            out = out + (lr.clear.float() / lr.clear.float().sum()).sum() - 1
        if "unit" in self.faults:
            out = out / 10_000
        return out[:1] if "batch" in self.faults else out

def load(weights, device, fault=""):
    return Model(fault)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "faulty.py").write_text(FAULTY, encoding="utf-8")
    return tmp_path


def failed(folder: Path, fault: str) -> dict[str, str]:
    """The failed checks and what to do about them."""
    subject = ModelToCheck(ModelSpec("faulty:load", {"fault": fault}, search_paths=(folder,)), isolation="process")
    findings = list(check_model(subject))
    assert {"loads", "predicts"} <= {finding.check for finding in findings}
    assert all(finding.fix or finding.passed for finding in findings)
    return {finding.check: finding.fix for finding in findings if not finding.passed}


def test_a_model_that_draws_is_not_blamed_for_other_numbers_in_a_batch(folder: Path) -> None:
    assert failed(folder, "draws") == {}


@pytest.mark.soak  # the verb below and the stochastic model show the same of right models
def test_a_right_model_passes(folder: Path) -> None:
    assert failed(folder, "") == {}


def test_faults_in_what_a_model_does_are_found(folder: Path) -> None:
    found = failed(folder, "input frames clouds batch unit")
    assert "10,000 times too small" in found.pop("preprocessing")
    assert set(found) == {"input unchanged", "one frame", "three frames", "all cloud", "batch of two"}
    assert "pad_frames" in found["one frame"]


def test_faults_in_what_a_prediction_depends_on_are_found(folder: Path) -> None:
    found = failed(folder, "state chance")
    assert set(found) >= {"same again", "after another tile", "fresh process"}
    assert "eval()" in found["same again"]


def test_a_model_that_cannot_be_loaded_is_one_finding() -> None:
    (finding,) = check_model(ModelToCheck(ModelSpec("nowhere:load"), isolation="process"))
    assert not finding.passed
    assert "nowhere" in finding.seen


def test_tasks_are_the_same_every_time() -> None:
    one, other = make_task(3), make_task(3)
    np.testing.assert_array_equal(one.images, other.images)
    assert one.images.dtype == np.float32
    assert not one.clear.all()
    assert make_task(1).clear.all()


def test_the_verb_exits_with_3_and_says_why() -> None:
    listed = run_cli("models", "list", "--json")
    assert listed.code == 0
    assert all(set(entry) >= {"name", "distribution", "problem"} for entry in listed.json)
    missing = run_cli("models", "check", "no-such-model")
    assert missing.code == 3
    assert "no model" in missing.err
    assert "Traceback" not in missing.err


def test_the_verb_checks_an_installed_model() -> None:
    pytest.importorskip("worldstrat_bench_baselines", reason="the reference models are not installed")
    checked = run_cli("models", "check", "bicubic", "--json")
    assert checked.code == 0
    assert checked.json["passed"]
    assert {finding["check"] for finding in checked.json["findings"]} >= {"one frame", "all cloud", "fresh process"}
