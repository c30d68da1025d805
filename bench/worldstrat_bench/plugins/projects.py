"""Whether a folder is the project of a distribution by its own word, read from its files and never run.

Metadata in site-packages says where an editable install lies. A wheel can hold such metadata, too, made up by a
stranger, and `pip install` leaves them as they are. The project is the user's own: its files say whose it is.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Iterator
from email.parser import BytesHeaderParser
from pathlib import Path
from typing import Any, Final

from worldstrat_bench.plugins.reach import entries_of, is_file
from worldstrat_bench.toml_text import read_toml

_LARGEST: Final = 1 << 18
_IN_SETUP_PY: Final = re.compile(r"""\bname\s*=\s*["']([^"'\n]{1,200})["']""")


def normal_name(distribution: str) -> str:
    """Return the name of a distribution as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def is_project_of(folder: Path, distribution: str) -> bool:
    """Return whether one of the files that name a project says that a folder is that of a distribution."""
    wanted = normal_name(distribution)
    return any(normal_name(name) == wanted for name in _names(folder) if isinstance(name, str))


def _names(folder: Path) -> Iterator[object]:
    yield from _of_pyproject(folder / "pyproject.toml")
    yield from _of_setup_cfg(folder / "setup.cfg")
    yield from _IN_SETUP_PY.findall(_text(folder / "setup.py"))
    # Setuptools leaves its metadata beside the packages, and with it a name that a program computed.
    for place in (folder, folder / "src"):
        for entry in entries_of(place):
            if entry.name.endswith(".egg-info"):
                yield BytesHeaderParser().parsebytes(_text(entry / "PKG-INFO").encode())["Name"]


def _of_pyproject(file: Path) -> Iterator[object]:
    try:
        content: Any = read_toml(_text(file))
    except ValueError:
        return
    for path in (("project", "name"), ("tool", "poetry", "name"), *(("tool", "flit", "metadata", k) for k in _FLIT)):
        found = content
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        yield found


_FLIT: Final = ("dist-name", "module")


def _of_setup_cfg(file: Path) -> Iterator[object]:
    parser = configparser.ConfigParser(interpolation=None, strict=False)
    try:
        parser.read_string(_text(file))
    except configparser.Error:
        return
    yield parser.get("metadata", "name", fallback=None)


def _text(file: Path) -> str:
    """Return the text of a small file; "" if there is none."""
    try:
        if not is_file(file) or file.stat().st_size > _LARGEST:
            return ""
        return file.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return ""
