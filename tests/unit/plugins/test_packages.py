"""Which packages a record names: those that the model runs with, never what else its author has installed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from worldstrat_bench.plugins.interpreter import import_paths, own_interpreter
from worldstrat_bench.plugins.packages import relevant_packages


def install(site: Path, name: str, *requires: str, version: str = "1.0", extras: tuple[str, ...] = ()) -> None:
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Provides-Extra: {extra}" for extra in extras] + [f"Requires-Dist: {one}" for one in requires]
    (folder / "METADATA").write_text("\n".join(lines) + "\n")


def test_requirements_count_and_nothing_else(tmp_path: Path) -> None:
    install(
        tmp_path,
        "my-sr",
        "Helper>=1",
        "old; python_version < '3'",
        "onnxruntime; extra == 'onnx'",
        "no such (",
        extras=("onnx",),
    )
    install(tmp_path, "helper", "deep.package", "my-sr", "tests; extra == 'test'", extras=("test",))
    for name in ("deep-package", "old", "tests", "onnxruntime", "numpy", "secret-project"):
        install(tmp_path, name, version="2.0")
    found = relevant_packages([tmp_path], ["My_SR", None])
    assert found == {"deep-package": "2.0", "helper": "1.0", "my-sr": "1.0", "numpy": "2.0", "onnxruntime": "2.0"}
    assert relevant_packages([tmp_path], ["unknown"]) == {"numpy": "2.0"}
    assert relevant_packages([tmp_path / "none"], ["my-sr"]) == {}


def test_the_harness_is_named_and_what_it_requires_is_not(tmp_path: Path) -> None:
    install(tmp_path, "my-sr", "worldstrat-bench")
    install(tmp_path, "worldstrat-bench", "rich")
    install(tmp_path, "rich")
    assert set(relevant_packages([tmp_path], ["my-sr"])) == {"my-sr", "worldstrat-bench"}


def test_the_first_on_the_path_is_the_one_that_is_imported(tmp_path: Path) -> None:
    install(tmp_path / "a", "numpy", version="2.0")
    install(tmp_path / "b", "numpy", version="1.0")
    assert relevant_packages([tmp_path / "a", tmp_path / "b"], []) == {"numpy": "2.0"}


def test_damaged_metadata_is_passed_over(tmp_path: Path) -> None:
    install(tmp_path, "numpy")
    (tmp_path / "broken-1.0.dist-info").mkdir()
    (tmp_path / "bytes-1.0.dist-info").mkdir()
    (tmp_path / "bytes-1.0.dist-info" / "METADATA").write_bytes(b"\xff\xfe\x00Name: x")
    assert relevant_packages([tmp_path], ["broken", "bytes"]) == {"numpy": "1.0"}


def test_of_this_environment_the_tools_of_its_owner_are_not_named() -> None:
    found = relevant_packages(import_paths(own_interpreter()), ["worldstrat-bench-baselines"])
    assert found["numpy"] == np.__version__
    assert {"torch", "safetensors", "worldstrat-bench-baselines"} <= set(found)
    assert not {"pytest", "mypy", "ruff", "playwright"} & set(found)


def test_all_that_a_lock_brought_counts(tmp_path: Path) -> None:
    """Torch imports some packages where they are there, and a model needs to require none of them."""
    own, harness = tmp_path / "own", tmp_path / "harness"
    install(own, "my-sr")
    install(own, "opt-einsum", "deep", "more; extra == 'all'", version="9.0", extras=("all",))
    for name in ("deep", "more", "numpy", "secret-project"):
        install(harness, name)
    found = relevant_packages([own, harness], ["my-sr"], [own])
    assert found == {"deep": "1.0", "my-sr": "1.0", "numpy": "1.0", "opt-einsum": "9.0"}
    # What metadata says of itself cannot keep a package out: Python reads neither of these.
    (own / "latin-2.0.dist-info").mkdir()
    (own / "latin-2.0.dist-info" / "METADATA").write_bytes(b"Name: latin\nVersion: 2.0\nSummary: caf\xe9\n")
    (own / "none-3.0.DIST-INFO").mkdir()
    assert relevant_packages([own, harness], ["my-sr"], [own]) == {**found, "latin": "2.0", "none": "3.0"}
