"""Wrong types in calls of the Python API: an error that names the argument and the way out, before anything runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import worldstrat_bench as wsb
from worldstrat_bench.arguments import one_of
from worldstrat_bench.errors import UsageError, WorldstratBenchError
from worldstrat_bench.measures import MEASURES, metric_named, metrics_named, parse_added
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.run.model import ModelRequest
from worldstrat_bench.run.request import RunRequest

ROOM: Any = {"data": "no-such-data", "out": "no-such-run"}
IMAGE = np.full((1, 3, 60, 60), 0.2, dtype=np.float32)


def evaluated(**change: Any) -> Callable[[], object]:
    given = {"model": "bicubic", **ROOM, **change}
    return lambda: wsb.evaluate(given.pop("model"), **given)


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "network": (evaluated(model=torch.nn.Identity()), "Identity"),
    "class": (evaluated(model=torch.nn.Identity), "model is given by its name"),
    "no model": (evaluated(model=None), "NoneType"),
    "data": (evaluated(data=5), "data is of type int"),
    "out": (evaluated(out=["run"]), "out is of type list"),
    "weights": (evaluated(weights={"a": 1}), "weights is of type dict"),
    "python": (evaluated(python=3.11), "python is of type float"),
    "parameters": (evaluated(parameters=["bands=B02"]), "parameters are of type list"),
    "parameter": (evaluated(parameters={"bands": ["B02"]}), "'bands' is of type list"),
    "parameter's name": (evaluated(parameters={1: 1}), "parameter 1"),
    "frames": (evaluated(frames="8"), "frames is of type str, not a whole number"),
    "half a frame": (evaluated(frames=1.5), "frames is of type float, not a whole number"),
    "limit": (evaluated(limit=2.0), "2.0 is not a whole number"),
    "seed": (evaluated(seed="x"), "'x' is not a whole number"),
    "shard": (evaluated(shard=(1, 4)), "--shard is of type tuple"),
    "list": (evaluated(list=["full"]), "--list is of type list"),
    "protocol": (evaluated(protocol=1), "--protocol is of type int"),
    "inputs": (evaluated(lr=0), "--lr is of type int"),
    "options": (evaluated(options={"device": "cpu"}), "options is of type dict"),
    "device": (evaluated(device=torch.device("cpu")), "--device is of type device"),
    "limits": (evaluated(limits=30), "limits is of type int"),
    "metrics": (evaluated(metrics=(1,)), "not text"),
    "unknown": (evaluated(batch_size=4), "no option 'batch_size'"),
    "request": (lambda: RunRequest("bicubic", Path(), Path()), "ModelRequest"),  # type: ignore[arg-type]
    "record": (lambda: wsb.load_record(5), "path is of type int"),  # type: ignore[arg-type]
    "dataset": (lambda: wsb.open_dataset(5), "data is of type int"),  # type: ignore[arg-type]
    "runs": (lambda: wsb.read_runs([5]), "int"),  # type: ignore[list-item]
    "one run": (lambda: wsb.read_runs(5), "int"),  # type: ignore[arg-type]
    "pair": (lambda: wsb.score_pair([1, 2, 3], IMAGE[0]), "list"),  # type: ignore[arg-type]
    "metric of a pair": (lambda: wsb.score_pair(IMAGE[0], IMAGE[0], metrics=5), "metrics is of type int"),  # type: ignore[arg-type]
    "protocol of a scorer": (lambda: wsb.Scorer(protocol=3), "protocol is of type int"),  # type: ignore[arg-type]
    "targets": (lambda: wsb.Scorer(device="cpu").prepare(5), "int"),  # type: ignore[arg-type]
    "index": (lambda: wsb.Scorer(device="cpu").prepare(IMAGE).score(IMAGE, ["first"]), "whole"),  # type: ignore[list-item]
    "one index": (lambda: wsb.Scorer(device="cpu").prepare(IMAGE).score(IMAGE, 0), "not a list"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_type_is_a_clear_error(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call, words = WRONG[name]
    with pytest.raises(UsageError) as caught:
        call()
    assert words in caught.value.what
    assert caught.value.remedy
    assert caught.value.where
    assert not list(tmp_path.iterdir())


def test_paths_may_be_text(tmp_path: Path) -> None:
    as_text, as_path = (ModelRequest("m", weights=w, python=w) for w in ("a/w.onnx", Path("a/w.onnx")))  # type: ignore[arg-type]
    assert as_text == as_path
    assert ModelRequest(Path("a/m.whl")).name == "a/m.whl"  # type: ignore[arg-type]
    assert RunRequest(as_path, "data", "out") == RunRequest(as_path, Path("data"), Path("out"))  # type: ignore[arg-type]
    assert wsb.RunOptions(lpips_weights="a.pth") == wsb.RunOptions(lpips_weights=Path("a.pth"))  # type: ignore[arg-type]
    assert wsb.RunOptions(metrics="spectral, psnr_nir") == wsb.RunOptions(metrics=("psnr_nir", "spectral"))  # type: ignore[arg-type]
    for call in (lambda: wsb.open_dataset(str(tmp_path)), lambda: wsb.load_record(str(tmp_path))):
        with pytest.raises(WorldstratBenchError, match=r"hr_dataset|no record"):
            call()


def test_a_folder_of_a_submission_is_told_from_a_model(tmp_path: Path) -> None:
    (tmp_path / "submission.toml").write_text("")
    for given in (tmp_path, str(tmp_path)):
        with pytest.raises(UsageError, match="submission") as caught:
            wsb.evaluate(given, **ROOM)
        assert "submitted_model" in (caught.value.remedy or "")


@pytest.mark.parametrize("given", ["psnr_nir", "PSNR_NIR", " Psnr-NIR ", "PSNR NIR"])
def test_a_metric_is_found_in_any_letters_and_by_its_label(given: str) -> None:
    assert metric_named(given, MEASURES, "unknown metric", "metrics") == "psnr_nir"
    assert metrics_named(f"{given}, LPIPS,lpips", MEASURES, "unknown metric", "metrics") == ("psnr_nir", "lpips")


@pytest.mark.parametrize(
    ("call", "near"),
    [
        (lambda: metric_named("psrn", MEASURES, "unknown metric", "metrics"), "psnr"),
        (lambda: load_protocol("wbs-1"), "wsb-1"),
        (lambda: parse_added(["+stlpip"]), "+stlpips"),
        (lambda: wsb.RunOptions(isolation="ful"), "full"),
        (lambda: RunRequest(ModelRequest("m"), Path("d"), Path("o"), list_name="strickt"), "strict"),
        (lambda: RunRequest(ModelRequest("m"), Path("d"), Path("o"), inputs="sythetic"), "synthetic"),  # type: ignore[arg-type]
    ],
)
def test_a_mistyped_name_is_answered_with_the_one_it_is_near(call: Callable[[], object], near: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert (caught.value.remedy or "").startswith(f"did you mean {near!r}? one of: ")


def test_what_is_near_nothing_is_answered_with_all_names() -> None:
    with pytest.raises(UsageError, match=r"unknown axis 'biome' \(--strata\) - one of: ipcc, smod"):
        one_of("biome", ("ipcc", "smod"), "unknown axis", "--strata")


def test_requests_hold_the_name_itself() -> None:
    asked = RunRequest(ModelRequest("m"), Path("d"), Path("o"), "WSB-1", "Never-Split", inputs="Real")  # type: ignore[arg-type]
    assert (asked.protocol, asked.list_name, asked.inputs) == ("wsb-1", "never-split", "real")
    assert (wsb.RunOptions(isolation="FULL").isolation, load_protocol("WSB-1").id) == ("full", "wsb-1")
