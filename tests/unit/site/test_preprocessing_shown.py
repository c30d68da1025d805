"""A model's page tells a declared preprocessing in words, and its command says no more than it has to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from factories import make_run
from worldstrat_bench.artefacts.record import ModelRef
from worldstrat_bench.preprocessing import complete
from worldstrat_bench.site.provenance import Source, no_repository, provenance, reproduce


def test_the_page_says_how_a_network_is_fed(tmp_path: Path) -> None:
    given = complete(
        {"bands": "B02,B03,B04", "input_scale": 10_000, "mean": "1100,1000,900", "normalised_output": True}
    )
    model = ModelRef(name="onnx", distribution="d", version="1", entry_point="m:load", frames=1, parameters=given)
    record = make_run(tmp_path / "declared", tiles=4, model_ref=model)
    rows = dict(provenance(record))
    assert "bands B02,B03,B04; input = reflectance x 10000 +0; mean 1100.0,1000.0,900.0" in rows["Preprocessing"]
    assert rows["Parameters"] == (
        "bands = B02,B03,B04, input_scale = 10000.0, mean = 1100.0,1000.0,900.0, normalised_output = True"
    )
    command = next(line for line in reproduce(record, Source()) if line.startswith("worldstrat-bench evaluate"))
    assert command.count("--param") == 4
    assert "--param mean=1100.0,1000.0,900.0" in command


def test_other_parameters_are_shown_as_they_are(tmp_path: Path) -> None:
    model = ModelRef(name="s", distribution="d", version="1", entry_point="m:load", frames=1, parameters={"spot": 0.4})
    rows = dict(provenance(make_run(tmp_path / "plain", tiles=4, model_ref=model)))
    assert rows["Parameters"] == "spot = 0.4"
    assert "Preprocessing" not in rows


def test_how_to_reproduce_names_no_package_for_an_index(tmp_path: Path) -> None:
    plain = make_run(tmp_path / "plain", model="odd; rm -rf /")
    lines = reproduce(plain, Source())
    assert not any("pip install" in line for line in lines)
    assert lines[0].startswith("# needs ")
    assert any("'odd; rm -rf /'" in line for line in lines if line.startswith("worldstrat-bench evaluate"))
    options: dict[str, Any] = {"release": "mini", "list_name": "test", "official": False, "tiles": 12}
    submitted = make_run(tmp_path / "submitted", model="odd", submission="odd", **options)
    lines = reproduce(submitted, Source(commit="a" * 40))
    assert f"git checkout {'a' * 40}" in lines
    assert "pip install . ./baselines" in lines
    (evaluate,) = (line for line in lines if line.startswith("worldstrat-bench evaluate"))
    assert evaluate.startswith("worldstrat-bench evaluate submissions/odd --data mini ")
    assert lines[-1].endswith(f"results/wsb-1/*-{submitted.dataset.targets_sha256[:8]}-*")
    assert not any("git checkout" in line for line in reproduce(submitted, Source()))


def test_how_to_reproduce_a_model_file_installs_what_reads_it(tmp_path: Path) -> None:
    record = make_run(tmp_path / "r", model="net", submission="net")
    adapter = record.model.model_copy(update={"entry_point": "worldstrat_bench_baselines.adapters.onnx:load_onnx"})
    assert "pip install '.[formats]' ./baselines" in reproduce(record.model_copy(update={"model": adapter}), Source())


def test_how_to_reproduce_begins_with_the_repository_where_it_is_known(tmp_path: Path) -> None:
    options: dict[str, Any] = {"release": "mini", "list_name": "test", "official": False, "tiles": 12}
    submitted = make_run(tmp_path / "submitted", model="odd", submission="odd", **options)
    known = Source("https://example.org/bench/repository.git", "a" * 40)
    cloned = ["git clone https://example.org/bench/repository.git board", "cd board", f"git checkout {'a' * 40}"]
    assert reproduce(submitted, known)[:4] == [*cloned, "pip install . ./baselines"]
    assert no_repository(submitted, known) == ""
    assert f"The submission is there at commit {'a' * 40}." in no_repository(submitted, Source(commit="a" * 40))
    assert "on its main branch" in no_repository(submitted, Source())
    loose = make_run(tmp_path / "loose", model="plain", **options)
    assert reproduce(loose, known)[:4] == [*cloned, "pip install ."]
    assert no_repository(loose, Source(commit="b" * 40)).endswith(f"The harness is there at commit {'b' * 40}.")
    assert no_repository(loose, Source()).endswith("ask those who publish it.")
