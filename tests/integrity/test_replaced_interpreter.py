"""A wheel that puts a program in the place of an environment's Python has it started by no part of the host."""

from __future__ import annotations

import shutil
import sys
import venv
from pathlib import Path

import pytest

from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.interpreter import inspect_interpreter

PROGRAM = '#!/bin/sh\ntouch "{mark}"\nexec "{python}" "$@"\n'
BASE = Path(getattr(sys, "_base_executable", sys.executable)).resolve()


def environment(folder: Path, *, copies: bool = False) -> Path:
    venv.create(folder, with_pip=False, symlinks=not copies)
    return folder


def bring(home: Path, name: str, mark: Path) -> Path:
    """Do what pip does with ``x.data/scripts/NAME`` or ``x.data/data/bin/NAME`` of a wheel."""
    program = home / "bin" / name
    program.unlink(missing_ok=True)
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(PROGRAM.format(mark=mark, python=BASE))
    program.chmod(0o755)
    (site,) = (home / "lib").glob("python*/site-packages")
    (site / "x-1.0.dist-info").mkdir()
    (site / "x-1.0.dist-info" / "RECORD").write_text(f"x.py,,\n../../../bin/{name},,\n")
    return program


@pytest.mark.parametrize("copies", [False, True])
@pytest.mark.parametrize("name", ["python", "python3", "python{}.{}".format(*sys.version_info)])
def test_a_program_in_the_place_of_the_interpreter_is_not_started(tmp_path: Path, name: str, *, copies: bool) -> None:
    home, mark = environment(tmp_path / "env", copies=copies), tmp_path / "ran"
    program = bring(home, name, mark)
    with pytest.raises(UsageError, match="not the one that it was made from"):
        inspect_interpreter(program)
    assert not mark.exists()


def test_its_configuration_does_not_vouch_for_it(tmp_path: Path) -> None:
    """Neither another folder of the same environment as its home, nor none."""
    home, mark = environment(tmp_path / "env"), tmp_path / "ran"
    program = bring(home, "python", mark)
    (home / "also").mkdir()
    shutil.copy2(program, home / "also" / "python")
    for text in (f"home = {home / 'also'}\n", "", "home =\n", f"home = {BASE.parent}\n"):
        (home / "pyvenv.cfg").write_text(text)
        with pytest.raises(UsageError, match="not the one that it was made from"):
            inspect_interpreter(program)
    assert not mark.exists()


def test_an_installation_whose_package_brought_its_python_is_not_started(tmp_path: Path) -> None:
    """As an environment of conda, which has no pyvenv.cfg."""
    (tmp_path / "conda" / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    program = bring(tmp_path / "conda", "python3.11", tmp_path / "ran")
    (tmp_path / "conda" / "bin" / "python").symlink_to("python3.11")
    for asked in (program, tmp_path / "conda" / "bin" / "python"):
        with pytest.raises(UsageError, match="not the one that it was made from"):
            inspect_interpreter(asked)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("copies", [False, True])
def test_honest_environments_are_known(tmp_path: Path, *, copies: bool) -> None:
    """Packages with programs of their own change nothing."""
    home = environment(tmp_path / "env", copies=copies)
    bring(home, "python-config-of-x", tmp_path / "ran")
    found = inspect_interpreter(home / "bin" / "python")
    assert found.version == sys.version_info[:3]
    assert found.prefix == home.resolve()
    assert found.base == Path(sys.base_prefix)


def test_an_installation_is_asked_itself() -> None:
    assert inspect_interpreter(BASE).version == sys.version_info[:3]
