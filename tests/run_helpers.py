"""What the tests of runs share: a small dataset, models written on the spot, and the command line as a process."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import textwrap
import zipfile
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch


@dataclass(frozen=True)
class Done:
    """A finished process."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its one JSON document on stdout."""
        return json.loads(self.out)


def environment(**more: str) -> dict[str, str]:
    """The environment of a harness process in tests: one thread, no colours, as wide as a page."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "120", **more}


def command(*arguments: object) -> list[str]:
    """``worldstrat-bench`` with those arguments, run by this interpreter."""
    program = "from worldstrat_bench.cli import main; main()"
    return [sys.executable, "-c", program, *map(str, arguments)]


def run_cli(*arguments: object) -> Done:
    """Run ``worldstrat-bench`` to its end in this process, which has imported torch already. Workers are processes."""
    from worldstrat_bench.cli import main

    out, err = io.StringIO(), io.StringIO()
    before = dict(os.environ)
    os.environ.update(environment())
    try:
        argv = ["worldstrat-bench", *map(str, arguments)]
        with patch.object(sys, "argv", argv), redirect_stdout(out), redirect_stderr(err):
            main()
        code: object = 0
    except SystemExit as left:
        code = left.code
    finally:
        os.environ.clear()
        os.environ.update(before)
    return Done(code if isinstance(code, int) else 0 if code is None else 1, out.getvalue(), err.getvalue())


def run_process(*arguments: object, timeout: float = 300, **variables: str) -> Done:
    """Run ``worldstrat-bench`` to its end as a process of its own."""
    done = subprocess.run(
        command(*arguments), capture_output=True, text=True, env=environment(**variables), timeout=timeout, check=False
    )
    return Done(done.returncode, done.stdout, done.stderr)


def small_dataset(folder: Path, tiles: int = 4, size: int = 160, seed: int = 0) -> Path:
    """A synthetic dataset that takes a second to make and a tenth of a second a tile to evaluate."""
    from worldstrat_bench.data.mini import write_mini

    write_mini(folder, test_tiles=tiles, train_tiles=1, size=size, seed=seed)
    return folder


def model_wheel(folder: Path, source: str, *, name: str = "odd", version: str = "1.0") -> Path:
    """A wheel with one model. `source` is the body of ``predict(self, lr, target)``; ``self.calls`` counts from 1."""
    package = f"{name}_model"
    code = f"""\
import os, time
import torch

def bicubic(lr, target):
    size = (target.height, target.width)
    return torch.nn.functional.interpolate(lr.rgb(), size=size, mode="bicubic", align_corners=False)

class Model:
    calls = 0
    def predict(self, lr, target):
        self.calls += 1
{textwrap.indent(textwrap.dedent(source).strip(), "        ")}

def load(weights, device, **parameters):
    model = Model()
    model.weights, model.device, model.parameters = weights, device, parameters
    return model
"""
    info = f"{package}-{version}.dist-info"
    wheel = folder / f"{package}-{version}-py3-none-any.whl"
    files = {
        f"{package}.py": code,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[worldstrat_bench.models]\n{name} = {package}:load\n",
    }
    records = "".join(f"{path},,\n" for path in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**files, f"{info}/RECORD": records}.items():
            archive.writestr(zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0)), text)
    return wheel


def leftovers(run: Path) -> list[str]:
    """Files in a run directory that a finished run does not have."""
    kept = {"run.sqlite", "predictions", "tiles.csv", "record.json", "timings.csv", "log.txt"}
    odd = [path.name for path in run.iterdir() if path.name not in kept]
    inside = run / "predictions"
    if inside.is_dir():
        odd += [path.name for path in inside.iterdir() if path.suffix != ".safetensors" or path.name.startswith(".")]
    return sorted(odd)
