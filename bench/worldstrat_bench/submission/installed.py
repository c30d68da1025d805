"""Files of strangers' wheels in an environment: modules, and nothing that leads out of it.

An installer is given an empty folder for each distribution, so that it is known which wheel a file came with. Only what
may lie among the modules is moved from there into the environment: no wheel can replace the environment's interpreter
or its configuration, which the harness starts and reads, nor what another wheel brought.
"""

from __future__ import annotations

import csv
import filecmp
import io
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Final

from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plugins.code import module_of
from worldstrat_bench.plugins.discovery import named_after, read_metadata
from worldstrat_bench.plugins.projects import normal_name
from worldstrat_bench.plugins.recorded import record_text

LEFT_OUT: Final = "bin"
"""Folder of the scripts of wheels, which no model needs."""

_LARGEST_METADATA: Final = 1 << 20
_OF_EGGS: Final = ("egg", "egg-info", "egg-link")
_RUN_AT_THE_START: Final = ("sitecustomize", "usercustomize")
_OF_NOTICES: Final = ("", ".md", ".rst", ".txt")


def gather(placed: Iterable[tuple[str, Path]], installed: Path) -> None:
    """Bring distributions together in one folder. Nothing of them is run.

    Parameters
    ----------
    placed : canonical name of each, and the folder that an installer filled with it alone (``--target``); one that is
        not there, since the markers of its requirement leave it out, is passed over. What is hidden at the top stays
        there, and so do path files (``.pth``).
    installed : an empty folder.

    Raises
    ------
    InvalidArtefactError
        naming metadata of another distribution, a link, a file that two bring and that differs, a module that two
        bring under one name, one that is run whenever Python starts, or one that comes from outside of the packages.
    """
    owners: dict[str, str] = {}
    modules: dict[str, str] = {}
    for distribution, folder in placed:
        _refuse_other_metadata(distribution, folder)
        beside = _from_beside(folder)
        for path in _files(folder):
            name = path.relative_to(folder).as_posix()
            # Python reads path files at its start, and what they do to its modules no check sees.
            if name.startswith(".") or ("/" not in name and path.suffix.lower() == ".pth"):
                continue
            if path.is_symlink():
                raise _refused(name, "is a link")
            module = module_of(name)
            if module.partition(".")[0] in _RUN_AT_THE_START:
                raise _refused(name, "is run whenever Python starts")
            if module and name in beside:
                raise _refused(name, "is a module that its wheel puts beside the packages, where no digest covers it")
            other = modules.setdefault(module, name)
            if module and other != name and owners[other] != distribution:
                raise _refused(name, f"is imported under the name of {other}, which comes with {owners[other]}")
            place, other = installed / name, owners.setdefault(name, distribution)
            if other == distribution:
                try:
                    place.parent.mkdir(parents=True, exist_ok=True)
                    path.rename(place)
                except (FileExistsError, NotADirectoryError, IsADirectoryError):
                    raise _refused(name, "is a folder in one distribution and a file in another") from None
            # Which of two stays would be the installer's choice.
            elif not _unread(name) and not filecmp.cmp(path, place, shallow=False):
                raise _refused(name, f"comes with {other} and with {distribution}, and differs")


def _unread(name: str) -> bool:
    """Return whether no model reads a file of that name: a script, or a notice beside the packages."""
    top, _, inner = name.partition("/")
    return top == LEFT_OUT or (not inner and PurePosixPath(name).suffix.lower() in _OF_NOTICES)


def move_modules(installed: Path, home: Path, packages: Path) -> None:
    """Move what was installed into a folder to the site-packages of an environment. Nothing of it is run.

    Parameters
    ----------
    installed : folder of what was installed; scripts stay there, and caches of modules are removed from it.
    home : the environment, which holds no package of a stranger yet.
    packages : its site-packages.

    Raises
    ------
    InvalidArtefactError
        naming a file that takes the place of one of the environment, or leads out of it.
    """
    # Python takes a cache for the module that it is named after, whichever wheel brought it.
    for cache in [path for path in installed.rglob("__pycache__") if path.is_dir()]:
        shutil.rmtree(cache)
    for path in _files(installed):
        name = path.relative_to(installed).as_posix()
        if os.path.lexists(home / name):
            raise _refused(name, "takes the place of a file of the environment itself")
        if path.name == "direct_url.json" and _is_editable(path):
            raise _refused(name, "says that the package lies in a folder of this machine")
    for entry in sorted(installed.iterdir()):
        if entry.name == LEFT_OUT:
            continue
        if os.path.lexists(packages / entry.name):
            raise _refused(entry.name, "takes the place of a file of the environment itself")
        entry.rename(packages / entry.name)


def _refuse_other_metadata(distribution: str, folder: Path) -> None:
    """Refuse metadata by which a wheel speaks for another's distribution: its plug-in would run under that name."""
    own = ""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        suffix = path.suffix.lower().lstrip(".")
        if suffix in _OF_EGGS:
            raise _refused(path.name, "is metadata of a kind that no wheel has")
        if suffix != "dist-info":
            continue
        try:
            said = str(read_metadata(path)["Name"])
            # Python itself reads no other, so that the package would be missing wherever packages are listed.
            (path / "METADATA").read_bytes().decode("utf-8")
        except UnicodeDecodeError:
            raise _refused(f"{path.name}/METADATA", "is not text in UTF-8") from None
        except (OSError, ValueError):
            said = ""
        if {named_after(path), normal_name(said)} != {distribution}:
            raise _refused(path.name, f"is not the metadata of {distribution}, with which it came")
        if own:
            raise _refused(path.name, f"is metadata of the same distribution as {own}")
        own = path.name


def _from_beside(folder: Path) -> frozenset[str]:
    """Return the names of the files that a wheel has outside of its packages (``.data/data``) and pip moved to them.

    pip records the places that they would have in an environment, which is not where they are imported from.
    """
    found: set[str] = set()
    for record in folder.glob("*.dist-info/RECORD"):
        try:
            rows = list(csv.reader(io.StringIO(record_text(record) or "", newline="")))
        except (OSError, csv.Error):
            raise _refused(record.relative_to(folder).as_posix(), "cannot be read") from None
        for parts in (PurePosixPath(row[0]).parts for row in rows if row):
            if ".." in parts:
                found.add("/".join(part for part in parts if part != ".."))
    return frozenset(found)


def _files(home: Path) -> list[Path]:
    """Return all files and links below a folder, in the order of their names; links are not followed."""
    found = []
    for folder, folders, files in os.walk(home):
        found += [Path(folder, name) for name in files]
        found += [Path(folder, name) for name in folders if Path(folder, name).is_symlink()]
    return sorted(found)


def _is_editable(path: Path) -> bool:
    """Return whether the metadata of an installed package says that it is an editable install, or cannot be read."""
    try:
        if path.stat().st_size > _LARGEST_METADATA:
            return True
        stated = json.loads(path.read_bytes())
        return bool(stated.get("dir_info", {}).get("editable"))
    except (OSError, ValueError, AttributeError, RecursionError):
        return True


def _refused(name: str, why: str) -> InvalidArtefactError:
    remedy = "wheels hold packages and their metadata alone: build it without"
    return InvalidArtefactError(f"an installed file {why}: {name[:120]!r}", where="environment.lock", remedy=remedy)
