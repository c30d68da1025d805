"""A wheel that puts a program in the place of an environment's Python has it started by no part of the host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.interpreter import inspect_interpreter
from worldstrat_bench.worker.inside import landlock

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


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of an installation, as conda makes them: without pyvenv.cfg, and anyone's `pip` writes to it."""
    home = tmp_path_factory.mktemp("installed") / "conda"
    (home / "bin").mkdir(parents=True)
    shutil.copy2(BASE, home / "bin" / BASE.name)
    library = Path(sysconfig.get_path("stdlib"))
    (home / "lib").mkdir()
    left_out = shutil.ignore_patterns("site-packages", "test", "tests", "config-*", "ensurepip", "idlelib", "*.pyc")
    shutil.copytree(library, home / "lib" / library.name, ignore=left_out, symlinks=True)
    (home / "lib" / library.name / "site-packages").mkdir(exist_ok=True)
    python = home / "bin" / BASE.name
    said = subprocess.run([python, "-I", "-S", "-c", "import sys; print(sys.prefix)"], capture_output=True, text=True)
    if said.stdout.strip() != str(home):
        pytest.skip("a copy of this Python does not run from another folder")
    return python


@pytest.fixture
def zipped(installed: Path) -> Iterator[Path]:
    """Yield where Python looks for its library first, whatever its options say."""
    place = installed.parent.parent / "lib" / "python{}{}.zip".format(*sys.version_info)
    yield place
    place.unlink(missing_ok=True)


def json_module(place: Path, code: str) -> None:
    """Do what pip does with ``x.data/data/lib/python311.zip`` of a wheel."""
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("json/__init__.py", code)


ANSWER = "def dumps(x): return {said!r}\n"


def test_an_installation_without_a_configuration_is_asked(installed: Path) -> None:
    found = inspect_interpreter(installed)
    home = installed.parent.parent
    assert (found.version, found.prefix, found.base) == (sys.version_info[:3], home, home)
    assert found.site_paths == (home / "lib" / "python{}.{}".format(*sys.version_info) / "site-packages",)


def test_a_package_among_the_modules_of_python_is_confined_when_it_is_asked(
    installed: Path, zipped: Path, tmp_path: Path
) -> None:
    """It runs: what Python starts with is its own. It writes nothing, reaches nothing, and leaves nothing behind."""
    if landlock.version() < 1:
        pytest.skip("this kernel has no Landlock")
    mark = tmp_path / "ran"
    attempts = [
        f"open({str(mark)!r}, 'w').close()",
        f"__import__('os').mkdir({str(mark)!r})",
        f"__import__('os').kill({os.getpid()}, 0)",
        "__import__('_socket').socket(1, 1)",
        "__import__('os').truncate('/etc/hostname', 0)",
    ]
    code = ["import os, sys, time", "held = 0"]
    for attempt in attempts:
        code += ["try:", f"    {attempt}", "except OSError:", "    held += 1"]
    # The answer tells how many were stopped, by a number that is believed.
    code += ["if os.fork() == 0:", "    os.setsid()", "    time.sleep(600)"]
    code += ["def dumps(x): return '[%d, %d, %d]' % (*sys.version_info[:2], held)"]
    json_module(zipped, "\n".join(code))
    found = inspect_interpreter(installed)
    assert found.version == (*sys.version_info[:2], len(attempts))
    assert not mark.exists()
    # A process that was killed is seen for a moment longer.
    left = [process for process in psutil.process_iter(["exe"]) if process.info["exe"] == str(installed)]
    assert psutil.wait_procs(left, timeout=60)[1] == []


@pytest.mark.parametrize(
    "said",
    [
        '[[3, 11, 1], "{keys}"]',
        '[[3, 11, 1], "{home}", "{keys}"]',
        '[[3, 11, 1], "{home}/../../keys"]',
        '[[3, 11, 1], "{home}/out"]',
        '[[3, 11, 1], "/"]',
        '[[3, 11, 1], ""]',
        '[[3, 11, 1], "{home}\\u0000"]',
        '[[3, 11, 100000], "{home}"]',
        '[[3, 11], "{home}"]',
        "[[3, 11, 1], {}]",
        '[[3, 11, 1], "{home}", []]',
        "[" * 30_000,
        "x" * 100_000,
        " ",
    ],
)
def test_an_interpreter_does_not_say_what_a_worker_may_read(
    installed: Path, zipped: Path, tmp_path: Path, said: str
) -> None:
    home, keys = installed.parent.parent, tmp_path / "keys"
    keys.mkdir()
    (home / "out").unlink(missing_ok=True)
    (home / "out").symlink_to(keys)
    json_module(zipped, ANSWER.format(said=said.replace("{home}", str(home)).replace("{keys}", str(keys))))
    with pytest.raises(UsageError, match="not a Python interpreter that starts"):
        inspect_interpreter(installed)


@pytest.mark.parametrize("link", ["lib", "lib/{python}", "lib/{python}/site-packages"])
def test_packages_of_an_environment_lie_in_it(tmp_path: Path, link: str) -> None:
    """An environment that came as a whole can hold links, and what is a folder of packages a worker may read."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    env, theirs = tmp_path / "env", tmp_path / "theirs"
    venv.create(env, with_pip=False)
    python = env / "bin" / "python"
    assert inspect_interpreter(python).site_paths == (env / "lib" / version / "site-packages",)
    place = env / link.format(python=version)
    shutil.move(place, theirs)
    place.symlink_to(theirs)
    with pytest.raises(UsageError, match="lie outside of it"):
        inspect_interpreter(python)
    place.unlink()
    shutil.move(theirs, env / "elsewhere")
    place.symlink_to(env / "elsewhere")
    assert inspect_interpreter(python).site_paths == (env / "lib" / version / "site-packages",)


LYING = """#!/bin/sh
case "$*" in *version_info*) echo '{answer}';; *) exec "{python}" "$@";; esac
"""


def lying(place: Path, answer: str = "[3, 11, 7]") -> Path:
    """Write a program that answers what it likes where it is asked for its version."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(LYING.format(answer=answer, python=BASE))
    place.chmod(0o755)
    return place


@pytest.mark.parametrize("where", ["py", "bin/py", "env/bin/python"])
def test_a_program_does_not_say_where_it_is_installed(tmp_path: Path, where: str) -> None:
    """A program in the root of a clone made the folder around the clone its installation, with all that lies there."""
    theirs, clone = tmp_path / "theirs", tmp_path / "clone"
    for folder in (theirs, clone):
        (folder / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
        (folder / "lib" / "python3.11" / "os.py").touch()
    (tmp_path / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    program, python = clone / where, clone / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    (clone / "env" / "pyvenv.cfg").write_text("home = /nowhere\n")
    for answer in (
        "[3, 11, 7]",
        f'[[3, 11, 7], "{theirs}", "{theirs}"]',
        "[3, 11, 7, 1]",
        "[3, 99, 1]",
        '["3", 11, 1e9]',
    ):
        lying(program, answer)
        if program != python and not python.is_symlink():
            python.symlink_to(program)
        if where == "bin/py" and answer == "[3, 11, 7]":
            assert inspect_interpreter(python).base == clone
        else:
            with pytest.raises(UsageError):
                inspect_interpreter(python)


def test_what_a_package_put_into_an_installation_chooses_no_folder(tmp_path: Path) -> None:
    """Which of its own folders a worker may read could tell it what was read by whoever was asked."""
    home = tmp_path / "conda"
    (home / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    (home / "lib" / "python3.11" / "os.py").touch()
    for bit in range(4):
        (home / "share" / f"b{bit}").mkdir(parents=True)
    chosen = json.dumps([[3, 11, 7], str(home / "lib"), *(str(home / "share" / f"b{bit}") for bit in (0, 2))])
    with pytest.raises(UsageError):
        inspect_interpreter(lying(home / "bin" / "python", chosen))
    found = inspect_interpreter(lying(home / "bin" / "python"))
    assert (found.base, found.prefix, found.site_paths) == (
        home,
        home,
        (home / "lib" / "python3.11" / "site-packages",),
    )


@pytest.mark.parametrize("program", ["python3.11", "python"])
def test_a_version_is_that_of_the_installation(tmp_path: Path, program: str) -> None:
    """A wheel brought the folder of another version, with a path file, and had the Python say that it is that one."""
    home = tmp_path / "conda"
    for version in ("python3.11", "python3.99"):
        (home / "lib" / version / "site-packages").mkdir(parents=True)
    (home / "lib" / "python3.11" / "os.py").touch()
    python = home / "bin" / "python"
    lying(home / "bin" / program, "[3, 99, 7]")
    if program != "python":
        python.symlink_to(program)
    with pytest.raises(UsageError, match=r"it says that it is python3\.99"):
        inspect_interpreter(python)
    lying(home / "bin" / program)
    assert inspect_interpreter(python).version == (3, 11, 7)
    (home / "lib" / "python3.99" / "os.py").touch()
    if program == "python":
        with pytest.raises(UsageError, match=r"python3\.11, python3\.99"):
            inspect_interpreter(python)
    else:
        assert inspect_interpreter(python).version == (3, 11, 7)


@pytest.mark.parametrize("home", [".", "bin", "", "/proc/self/cwd", "../clone"])
def test_the_home_of_an_environment_is_spelled_plainly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str
) -> None:
    """A wheel can bring pyvenv.cfg and a program, and the folder that one works in the same program."""
    clone, env = tmp_path / "clone", environment(tmp_path / "env")
    for place in (clone / "python", clone / "bin" / "python"):
        lying(place)
    (env / "bin" / "python").unlink()
    lying(env / "bin" / "python")
    (env / "pyvenv.cfg").write_text(f"home = {home}\n")
    monkeypatch.chdir(clone)
    with pytest.raises(UsageError, match="not the one that it was made from"):
        inspect_interpreter(env / "bin" / "python")
