"""Start-up stays cheap: rooms that say they need no torch do not load it."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIGHT = ("api", "plugins", "artefacts", "stats", "submission", "site", "measures", "protocol", "data.split")


def _modules_after(code: str) -> set[str]:
    script = f"import sys\n{code}\nprint(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_rooms_without_torch() -> None:
    code = f"""
import importlib, pkgutil
for room in {LIGHT}:
    module = importlib.import_module("worldstrat_bench." + room)
    for info in pkgutil.walk_packages(getattr(module, "__path__", []), module.__name__ + "."):
        importlib.import_module(info.name)
"""
    assert "torch" not in _modules_after(code)


@pytest.mark.parametrize("heavy", ["torch", "numpy", "scipy", "pandas", "rasterio", "jinja2", "pydantic_core"])
def test_the_command_line_loads_nothing_heavy_for_its_help(heavy: str) -> None:
    code = "import worldstrat_bench.cli.app"
    assert heavy not in _modules_after(code)


def test_the_package_itself_loads_nothing() -> None:
    assert not _modules_after("import worldstrat_bench") & {"torch", "numpy", "pydantic", "typer"}
