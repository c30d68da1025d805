"""What ``doctor`` says about GPUs, on machines that have none: the trial of a level is replaced, but for one."""

from __future__ import annotations

from pathlib import Path

import pytest

from run_helpers import run_cli, small_dataset
from worldstrat_bench.errors import InfrastructureError
from worldstrat_bench.run import devices, doctor_cuda
from worldstrat_bench.run.finding import MachineFinding
from worldstrat_bench.worker import cuda_trouble
from worldstrat_bench.worker.cuda_trouble import Sight
from worldstrat_bench.worker.isolation import LevelUnavailableError

GONE = LevelUnavailableError("isolation 'full' is not available", where="full: no bubblewrap", remedy="install it")
BROKEN = InfrastructureError("it works elsewhere", where="said", remedy="take another level")


def fake(monkeypatch: pytest.MonkeyPatch, **faults: Exception) -> list[tuple[str, str]]:
    """Let those levels fail, and the others work; what was tried comes to be in the list."""
    tried: list[tuple[str, str]] = []

    def predict_there(device: str, level: str) -> str:
        tried.append((device, level))
        if level in faults:
            raise faults[level]
        return "NVIDIA Example"

    monkeypatch.setattr(doctor_cuda, "predict_there", predict_there)
    return tried


def states(findings: list[MachineFinding]) -> list[tuple[str, str]]:
    return [(finding.name, finding.state) for finding in findings]


def test_one_line_for_each_level_of_the_first_device(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, told = fake(monkeypatch, strong=BROKEN), list[str]()
    found = list(doctor_cuda.look_at_gpus(("cuda:0", "cuda:1", "cuda:2"), told.append, every=False))
    assert tried == [("cuda:0", "full"), ("cuda:0", "strong"), ("cuda:0", "process")]
    assert states(found) == [("GPU at full", "ok"), ("GPU at strong", "warn"), ("GPU at process", "ok"), ("GPU", "ok")]
    assert found[0].text == "cuda:0 is usable: NVIDIA Example"
    assert found[1].text == "cuda:0 is not usable: it works elsewhere (said)"
    assert found[1].remedy == "take another level"
    assert found[3].text.startswith("not tried: cuda:1, cuda:2 ")
    assert told[0] == "starting a worker on cuda:0 at full (1 of 3)"


def test_doctor_does_not_send_the_user_to_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    advice = cuda_trouble.SEE_DOCTOR + cuda_trouble.OTHERWISE
    assert "`worldstrat-bench doctor`" in advice
    fake(monkeypatch, strong=InfrastructureError("it works elsewhere", remedy=advice))
    found = list(doctor_cuda.look_at_gpus(("cuda:0",), lambda _: None, every=False))
    assert found[1].remedy == cuda_trouble.OTHERWISE


def test_every_device_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    tried, told = fake(monkeypatch), list[str]()
    found = list(doctor_cuda.look_at_gpus(("cuda:0", "cuda:1"), told.append, every=True))
    assert [device for device, _ in tried] == ["cuda:0"] * 3 + ["cuda:1"] * 3
    assert len(found) == len(told) == 6
    assert told[-1] == "starting a worker on cuda:1 at process (6 of 6)"


def test_the_level_that_runs_take_decides_whether_it_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    def of(**faults: Exception) -> list[str]:
        fake(monkeypatch, **faults)
        return [finding.state for finding in doctor_cuda.look_at_gpus(("cuda:0",), lambda _: None, every=False)]

    assert of(full=BROKEN) == ["bad", "ok", "ok"]
    assert of(full=GONE) == ["warn", "ok", "ok"]
    assert of(full=GONE, strong=BROKEN) == ["warn", "bad", "ok"]
    assert of(full=BROKEN, strong=BROKEN, process=BROKEN) == ["bad", "warn", "warn"]


def test_a_trial_predicts_in_a_worker() -> None:
    """The same way on a CPU, since there is no GPU here."""
    assert doctor_cuda.predict_there("cpu", "process")


def test_doctor_shows_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(devices, "resolve_devices", lambda text: ("cuda:0", "cuda:1"))
    fake(monkeypatch, full=BROKEN)
    done = run_cli("doctor", "--json", "--all-devices", "--out", tmp_path)
    found = [(one["name"], one["state"]) for one in done.json if one["name"].startswith("GPU")]
    assert found == [("GPU at full", "bad"), ("GPU at strong", "ok"), ("GPU at process", "ok")] * 2
    assert "starting a worker on cuda:1 at strong (5 of 6)" in done.err
    assert done.code == 6


def test_evaluate_names_the_level_and_the_cause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker is real and has no such device; that the machine has it is made up."""
    monkeypatch.setattr("worldstrat_bench.run.run.resolve_devices", lambda text: ("cuda:99",))
    monkeypatch.setattr(cuda_trouble, "look_unconfined", lambda device: Sight("", ("/opt/driver/libcuda.so.1",), ()))
    data = small_dataset(tmp_path / "mini", 2)
    words = ("bicubic", "--data", data, "--out", tmp_path / "run", "--isolation", "strong", "--no-download")
    done = run_cli("evaluate", *words, "--device", "cuda")
    if "is not available on this machine" in done.err:
        pytest.skip("isolation 'strong' is not available on this machine: not tested")
    assert done.code == 6, done.err
    assert "cuda:99 works on this machine, but not in a worker at the isolation level 'strong'" in done.err
    assert "add /opt/driver to LD_LIBRARY_PATH" in done.err
    assert "worldstrat-bench doctor" in done.err
    assert "models check" not in done.err
