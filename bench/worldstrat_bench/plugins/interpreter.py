"""Facts of a Python interpreter and its site-packages, found without running any code of its packages."""

from __future__ import annotations

import filecmp
import json
import os
import site
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from worldstrat_bench.errors import UsageError
from worldstrat_bench.plain_files import read_plain
from worldstrat_bench.plugins.asking import ask
from worldstrat_bench.plugins.reach import is_folder, is_of_a_process
from worldstrat_bench.plugins.recorded import record_text

_LARGEST_PATHS = 1 << 20
"""Bytes of a path file that are read."""

ENVIRONMENTS = "environments"
"""Folder of the cache in which the harness builds environments."""

_BELIEVED: set[Path] = set()


@dataclass(frozen=True)
class Interpreter:
    """One Python.

    Attributes
    ----------
    executable : the path that was given; in a virtual environment the link in its bin folder.
    version : major, minor, micro.
    prefix : the virtual environment, or the installation itself.
    base : the installation that the environment was made from.
    site_paths : folders in which its packages are installed, in the order of its path.
    user_site : the one of them that belongs to the user (``pip install --user``), if it is in use.
    extra : of an environment that the harness built from a lock, the folders behind its own packages; else None. What
        ``.pth`` files and metadata in it say comes from strangers and adds no folder.
    """

    executable: Path
    version: tuple[int, int, int]
    prefix: Path
    base: Path
    site_paths: tuple[Path, ...]
    user_site: Path | None = None
    extra: tuple[Path, ...] | None = None

    @property
    def stating(self) -> tuple[Path, ...]:
        """The folders whose ``.pth`` files and metadata of editable installs are believed."""
        return self.site_paths if self.extra is None else ()


def own_interpreter() -> Interpreter:
    """Return the harness's own interpreter, without what only this process has on its path."""
    user = Path(site.getusersitepackages())
    user_site = user if site.ENABLE_USER_SITE and str(user) in sys.path else None
    paths = [user_site, *map(Path, site.getsitepackages())]
    return Interpreter(
        Path(sys.executable),
        sys.version_info[:3],
        Path(sys.prefix),
        Path(sys.base_prefix),
        tuple(path for path in paths if path is not None and is_folder(path)),
        user_site,
    )


def inspect_interpreter(python: Path) -> Interpreter:
    """Ask another interpreter in isolated mode without site-packages, in a process that can only read.

    An environment that the harness built is not started, and a virtual environment is asked through the installation
    behind it: a package could have put files in the place of its interpreter and of its configuration.

    Raises
    ------
    UsageError
        if it is not a Python that starts.
    """
    executable = _executable(python)
    prefix = _venv_prefix(executable)
    # Believed before anything is asked: what lies in such an environment was put there by a stranger's packages.
    if prefix is not None and (built := _stated(executable, prefix)) is not None:
        return built
    try:
        answer = ask(_behind(executable, prefix))
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise UsageError(
            f"this is not a Python interpreter that starts: {str(error)[:300]}",
            where=python,
            remedy="give the bin/python of a virtual environment with torch in it",
        ) from None
    paths, base, (major, minor, micro) = answer.packages, answer.base, answer.version
    if prefix is not None:
        own = prefix / "lib" / f"python{major}.{minor}" / "site-packages"
        # A link there would make a folder of its choice one of packages, which a worker may read.
        if not own.resolve().is_relative_to(prefix.resolve()):
            what = f"the packages of this environment lie outside of it, in {own.resolve()}"
            raise UsageError(what, where=python, remedy="give a virtual environment that you made yourself")
        paths = (own, *paths) if _sees_system(prefix) else (own,)
    return Interpreter(executable, (major, minor, micro), prefix or base, base, paths)


def import_paths(interpreter: Interpreter) -> tuple[Path, ...]:
    """Return the site paths, and the folders that plain lines of their ``.pth`` files add (editable installs).

    Lines that start with ``import`` are code and are not run.
    """
    found: dict[Path, None] = dict.fromkeys((*interpreter.site_paths, *(interpreter.extra or ())))
    for folder_of_packages in interpreter.stating:
        for file in sorted(folder_of_packages.glob("*.pth")):
            found.update(dict.fromkeys(pth_folders(file)))
    return tuple(found)


def pth_folders(file: Path) -> tuple[Path, ...]:
    """Return the folders that a ``.pth`` file adds to the path; its lines of code are not run."""
    # normpath, not resolve: a folder keeps the name by which it is on the path
    folders = (Path(os.path.normpath(file.parent / line)) for line in _pth_lines(file))
    return tuple(folder for folder in folders if is_folder(folder) and not is_of_a_process(folder))


def statement_of(home: Path) -> Path:
    """Return the file that says what an environment is that the harness built: beside it, where no package writes."""
    return home.with_name(f"{home.name}.json")


def believe_statements_in(folder: Path) -> None:
    """Take statements in a folder for the harness's own from here on: it builds environments there.

    Anywhere else such a file may have come with a stranger's project, beside the environment that the user made in it.
    """
    _BELIEVED.add(folder.resolve())


def describe_built(interpreter: Interpreter) -> str:
    """Return the text of :func:`statement_of` for an environment that the harness built."""
    stated = {
        "version": interpreter.version,
        "base": str(interpreter.base),
        "site_paths": [str(path) for path in interpreter.site_paths],
        "extra": [str(path) for path in interpreter.extra or ()],
    }
    return json.dumps(stated) + "\n"


def _stated(executable: Path, prefix: Path) -> Interpreter | None:
    """Return what the harness's statement beside an environment says; None without one, or if it is of another."""
    from worldstrat_bench.cache import cache_root

    if prefix.parent not in (*_BELIEVED, (cache_root() / ENVIRONMENTS).resolve()):
        return None
    try:
        stated = json.loads(statement_of(prefix).read_text(encoding="utf-8"))
        major, minor, micro = map(int, stated["version"])
        site_paths, extra = (tuple(map(Path, stated[name])) for name in ("site_paths", "extra"))
        base = Path(stated["base"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    # A statement that is of another environment, moved or copied here, names folders elsewhere.
    if not all(path.is_relative_to(prefix) for path in site_paths):
        return None
    return Interpreter(executable, (major, minor, micro), prefix, base, site_paths, extra=extra)


def _behind(executable: Path, prefix: Path | None) -> Path:
    """Return the interpreter to ask: never one that a package may have put in the place of an environment's own.

    That is what the link of a virtual environment leads to; for a copy the file that it is a copy of; and without
    ``pyvenv.cfg`` (conda, an installation) the one that was given.

    Raises
    ------
    UsageError
        if there is a file that is neither, or one that an installed package lists as its own.
    """
    target = executable.resolve()
    if prefix is None:
        if _is_of_a_package(executable):
            raise _replaced(executable)
        return executable
    if not target.is_relative_to(prefix):
        return target
    for name in dict.fromkeys((executable.name, target.name, "python3", "python")):
        original = _home(prefix) / name
        outside = original.is_file() and not original.resolve().is_relative_to(prefix)
        if outside and filecmp.cmp(original, target, shallow=False):
            return original.resolve()
    raise _replaced(executable)


def _home(prefix: Path) -> Path:
    """Return the folder of the interpreter that a virtual environment was made from, as its configuration has it."""
    home = Path(_setting(prefix, "home"))
    # A relative one would be looked for in the folder that the harness was started in.
    return home if home.is_absolute() and not is_of_a_process(home) else Path(os.devnull)


def _is_of_a_package(executable: Path) -> bool:
    """Return whether an installer recorded that a distribution brought a program of this name along."""
    prefix, names = executable.parent.parent, {executable, executable.resolve()}
    for record in prefix.glob("lib*/python*/site-packages/*.dist-info/RECORD"):
        try:
            text = record_text(record)
        except OSError:
            continue
        if text is None:
            return True
        site_packages = record.parent.parent
        listed = (line.partition(",")[0].strip('"') for line in text.splitlines() if "python" in line and ".." in line)
        if any(Path(os.path.normpath(site_packages / name)) in names for name in listed):
            return True
    return False


def _replaced(executable: Path) -> UsageError:
    return UsageError(
        "the interpreter of this environment is not the one that it was made from: a package may have put it there",
        where=executable,
        remedy="make the environment again and give the wheel itself as the model, which is unpacked and not installed",
    )


def _executable(python: Path) -> Path:
    if python.is_dir():
        python = python / "bin" / "python"
    if not python.is_file() or not os.access(python, os.X_OK):
        raise UsageError("there is no Python interpreter", where=python, remedy="give the path of its bin/python")
    return python.parent.resolve() / python.name  # not resolved itself: the link's place tells the environment


def _venv_prefix(executable: Path) -> Path | None:
    prefix = executable.parent.parent
    return prefix if (prefix / "pyvenv.cfg").is_file() else None


def _sees_system(prefix: Path) -> bool:
    return _setting(prefix, "include-system-site-packages").lower() == "true"


def _setting(prefix: Path, wanted: str) -> str:
    """Return a setting of a virtual environment's configuration; "" if it has none of that name."""
    text = (prefix / "pyvenv.cfg").read_text(encoding="utf-8-sig", errors="replace")
    pairs = (line.partition("=") for line in text.splitlines())
    return next((value.strip() for key, _, value in pairs if key.strip().lower() == wanted), "")


def _pth_lines(file: Path) -> list[str]:
    try:
        text = read_plain(file, _LARGEST_PATHS).decode("utf-8-sig", "replace")
    except OSError:
        return []
    # As Python's `site` has it: a space before a line is part of a folder's name.
    lines = (line.rstrip() for line in text.splitlines() if not line.startswith(("#", "import ", "import\t")))
    return [line for line in lines if line.strip()]
