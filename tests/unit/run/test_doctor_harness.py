"""What ``doctor`` says of the package that runs, and of a checkout around the user that is another one."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import pytest

import worldstrat_bench
from worldstrat_bench.run.doctor import examine
from worldstrat_bench.run.finding import MachineFinding


def of_harness() -> list[MachineFinding]:
    """Findings on the harness; the costly ones after them are not made."""
    return [f for f in takewhile(lambda f: f.name != "protocols", examine()) if f.name == "harness"]


def test_the_folder_version_and_digest_of_what_runs_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (found,) = of_harness()
    assert found.state == "ok"
    assert f"version {worldstrat_bench.__version__}" in found.text
    assert f"installed in {Path(worldstrat_bench.__file__).resolve().parent}" in found.text
    assert "code sha256 " in found.text
    assert "commit" in found.text


def test_a_checkout_that_is_not_the_installed_package_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "other" / "bench" / "worldstrat_bench"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.chdir(package.parent)
    _, warning = of_harness()
    assert warning.state == "warn"
    assert str(tmp_path / "other") in warning.text
    assert warning.remedy.endswith(f"pip install --editable {tmp_path / 'other'}")


def test_the_installed_checkout_sets_off_no_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(worldstrat_bench.__file__).parent)
    assert [found.state for found in of_harness()] == ["ok"]
