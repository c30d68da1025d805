"""Digests of the code of a model, computed by the host from files on disk. Nothing of the model is imported.

One rule for a wheel, an installed copy and an editable install: every importable file and everything in the packages,
but for hidden files, caches, prose, and what a run of this harness wrote there.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Sequence
from importlib import invalidate_caches
from importlib.machinery import PathFinder, all_suffixes
from importlib.metadata import Distribution
from pathlib import Path, PurePosixPath
from typing import Final

from worldstrat_bench.digests import listing_sha256, tree_sha256
from worldstrat_bench.plugins.editable import MODULES, Editable, editable_install, editable_installs
from worldstrat_bench.plugins.projects import normal_name
from worldstrat_bench.plugins.recorded import inner_name
from worldstrat_bench.plugins.tree import counts, read_tree
from worldstrat_bench.plugins.wheel import library_name, name_fault

HARNESS: Final = "worldstrat-bench"
MAX_FILES: Final = 50_000
MAX_WHEEL_BYTES: Final = 256 << 20
"""Size that the members of a submitted wheel may have together, unpacked."""
_LONGEST_RECORD: Final = 2 << 20
"""Characters: that of torch has 1.5 million, and each of its lines costs the host a look at the disk."""
_PROSE: Final = (".md", ".rst")
_JOURNAL: Final = "run.sqlite"


def code_sha256(metadata: Path) -> str | None:
    """Return the digest of the code of an installed distribution; None if it has no files.

    Parameters
    ----------
    metadata : folder of its metadata: what announces a model (:mod:`worldstrat_bench.plugins.discovery`) says which
        code is the model's, too.
    """
    files = _files(Distribution.at(metadata))
    return tree_sha256(files) if files else None


def other_module(metadata: Path, target: str, site_paths: Sequence[Path]) -> Path | None:
    """Return what Python would import in place of a module of a plug-in's distribution; None if nothing.

    A package is imported before a module of its name and a compiled module before its source, so that another
    distribution can replace code and touch no file of it. Nothing is run.

    Parameters
    ----------
    metadata : folder of the metadata of the distribution.
    target : of the plug-in, ``module:attr``; its module has to be one of the distribution's own.
    site_paths : folders in the order in which Python searches them.
    """
    files = _files(Distribution.at(metadata))
    own = {Path(file).resolve() for file in files.values()}
    invalidate_caches()
    for module in sorted({target.partition(":")[0], *filter(None, map(module_of, files))}):
        search = [str(site) for site in site_paths]
        for part in module.split("."):
            # Not by its whole name: of a folder without __init__.py Python would look its parent up in sys.modules.
            spec = PathFinder.find_spec(part, search)
            if spec is None:
                break  # loading it says so
            if spec.origin is not None and Path(spec.origin).resolve() not in own:
                return Path(spec.origin)
            search = list(spec.submodule_search_locations or ())
    return None


def module_of(file: str) -> str:
    """Return the name by which a file can be imported, "" if it cannot; no package needs an ``__init__.py``.

    A statement takes identifiers only, and :func:`importlib.import_module` any name without a dot.
    """
    *folders, last = file.split("/")
    stem = last.partition(".")[0]
    parts = folders if stem == "__init__" else [*folders, stem]
    importable = last.endswith(tuple(all_suffixes())) and not any(part == "" or "." in part for part in parts)
    return ".".join(parts) if importable else ""


def editable_sha256(site_paths: Sequence[Path], *, but: str) -> dict[str, str]:
    """Return the digest of every distribution in editable mode, by its name as indexes compare it.

    Parameters
    ----------
    but : a distribution that is left out, the model's own; the harness always is.
    """
    installs = editable_installs(site_paths)
    others = ((name, install) for name, install in installs if name not in (normal_name(but), HARNESS))
    return dict(sorted((name, tree_sha256(expanded(install))) for name, install in others))


def expanded(install: Editable) -> dict[str, Path]:
    """Return the files of an editable install that count, by the names that an installed copy has.

    Of the folder of a run that lies in a package only code counts. A link that leads out of the project is passed over:
    a wheel can claim any clone, and what a link in it names is the user's.
    """
    files: dict[str, Path] = {}
    for name, place in install.places.items():
        if not place.is_dir():
            files[name] = place
            continue
        tree = read_tree(place, MAX_FILES, within=install.project)
        # A user who evaluates inside of the package would change its digest with every tile.
        runs = {folder for folder in tree.folders if (folder / _JOURNAL).is_file()}
        for inner, path in tree.files.items():
            if path.suffix in MODULES or not runs.intersection(path.parents):
                files[f"{name}/{inner}"] = path
    return {name: path for name, path in files.items() if _is_code(name)}


def unpacked_code_sha256(folder: Path) -> str | None:
    """Return the digest of the code of a wheel that was unpacked into `folder`; None if it has none."""
    tree = read_tree(folder, MAX_FILES)
    files = {
        name: path for name, path in tree.files.items() if (inner := library_name(name)) == name and _is_code(inner)
    }
    return tree_sha256(files) if files else None


def wheel_code_sha256(archive: zipfile.ZipFile) -> str | None:
    """Return the digest of the code of a wheel, from what its members hold and not from what its RECORD says of them.

    None for a wheel without code, one whose members are too large together, or whose names are not plain
    (:func:`worldstrat_bench.plugins.wheel.name_fault`).

    Raises
    ------
    BadZipFile and others of :data:`worldstrat_bench.archives.DAMAGED`
        if a member cannot be read.
    """
    members = [member for member in archive.infolist() if not member.is_dir()]
    if sum(member.file_size for member in members) > MAX_WHEEL_BYTES or name_fault(members):
        return None
    digests: dict[str, str] = {}
    for member in members:
        name = library_name(member.filename)
        if name is not None and _is_code(name):
            with archive.open(member) as stream:
                digests[name] = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]
    return listing_sha256(digests.items()) if digests else None


def _files(distribution: Distribution) -> dict[str, Path]:
    """Return the files of a distribution that count, by the names that an installed copy has."""
    editable = editable_install(distribution)
    return expanded(editable) if editable is not None else _installed(distribution)


def _installed(distribution: Distribution) -> dict[str, Path]:
    """Return what RECORD lists, and whatever else lies in the packages that it lists."""
    if len(distribution.read_text("RECORD") or "") > _LONGEST_RECORD:
        return {}
    site = Path(str(distribution.locate_file("")))
    # By another name a file is imported all the same: "../../../lib64/python3.11/site-packages/x.py" is "x.py".
    spelled = (str(file) for file in distribution.files or ())
    inner = (inner_name(site, name) if name.startswith(("/", "..")) else name for name in spelled)
    listed = [PurePosixPath(name) for name in inner if name is not None]
    names = {str(name) for name in listed if ".." not in name.parts}
    # RECORD is written by whoever made the wheel: a module that it leaves out is imported all the same.
    for package in sorted(name.parent for name in listed if name.name == "__init__.py" and ".." not in name.parts):
        if str(package) != "." and (site / package).is_dir():
            names |= {f"{package}/{inner}" for inner in read_tree(site / package, MAX_FILES).files}
    return {name: site / name for name in names if library_name(name) and _is_code(name) and (site / name).is_file()}


def _is_code(name: str) -> bool:
    return counts(name) and not name.lower().endswith(_PROSE)
