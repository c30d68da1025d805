"""Packages in editable mode (``pip install -e``): where their files lie, read from what the installer wrote.

Every build backend leaves something else in site-packages: a ``.pth`` file with a folder (flit, hatchling, pdm, poetry,
uv, and setuptools for a `src` layout), a finder of setuptools, a loader of meson-python, or a hook of the package
`editables`. These are programs; they are parsed here and never run.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlparse

from worldstrat_bench.plain_files import LARGEST_DOCUMENT, read_plain
from worldstrat_bench.plugins.interpreter import pth_folders
from worldstrat_bench.plugins.projects import is_project_of, normal_name
from worldstrat_bench.plugins.reach import entries_of, is_file, is_folder, is_of_a_process
from worldstrat_bench.plugins.recorded import brought_by_a_wheel

MODULES: Final = (".py", ".pyc", ".so", ".pyd")
"""Endings of files that Python imports."""

_LARGEST_HOOK: Final = 1 << 17
"""Bytes: a hook has a few thousand. Python takes a minute and a gigabyte to parse a formatted string of a megabyte."""

_BESIDE_A_PACKAGE: Final = frozenset(
    {
        "benchmark",
        "benchmarks",
        "bin",
        "build",
        "ci",
        "conftest",
        "dist",
        "doc",
        "docs",
        "docsrc",
        "env",
        "example",
        "examples",
        "fabfile",
        "htmlcov",
        "node_modules",
        "noxfile",
        "requirements",
        "script",
        "scripts",
        "setup",
        "site",
        "submissions",
        "tasks",
        "test",
        "tests",
        "tools",
        "toxfile",
        "utils",
        "venv",
    }
)
"""Importable names in the root of a project that are not of its package; setuptools leaves out much the same."""


@dataclass(frozen=True)
class Editable:
    """Place of a distribution in editable mode.

    Attributes
    ----------
    places : folder or file by relative name, as an installed copy would have it ("package", "module.py", "a/b/c.py").
    folders : what it puts on the path; Python lists them when it looks for a module.
    build : folder of meson-python, whose loader builds the package again at every import.
    project : in which all of it lies.
    """

    places: Mapping[str, Path]
    folders: tuple[Path, ...] = ()
    build: Path | None = None
    project: Path | None = None


def editable_install(distribution: Distribution) -> Editable | None:
    """Return where the files of a distribution are; None unless it is installed in editable mode (PEP 610).

    A wheel can say so of itself, too, and a worker reads what lies there: the folder has to be a project of that name,
    and what is outside of it is left out.
    """
    project = _project(distribution)
    if project is None:
        return None
    site = Path(str(distribution.locate_file("")))
    named = [Path(str(file)) for file in distribution.files or ()]
    places: dict[str, Path] = {}
    build: Path | None = None
    folders: list[Path] = []
    # Only at the top of site-packages does Python run a .pth file or find a hook.
    for file in (site / name for name in named if len(name.parts) == 1):
        if file.suffix == ".pth":
            folders += [folder for folder in pth_folders(file) if folder.resolve().is_relative_to(project)]
            for folder in folders:
                places.update(_importable(folder, _stated_names(distribution), project=folder.resolve() == project))
        elif file.suffix == ".py":
            hook = _of_hook(file)
            places.update(hook.places)
            build = hook.build or build
    found = (places or _linked(site, named)).items()
    own = {name: place for name, place in found if _is_inner(name) and _is_below(place, project)}
    built = build if build is not None and _is_below(build, project) else None
    return Editable(own, tuple(folders), built, project)


def editable_installs(site_paths: Iterable[Path]) -> Iterator[tuple[str, Editable]]:
    """Yield the name and the place of every distribution in editable mode in these folders, each name once."""
    seen: set[str] = set()
    for distribution in distributions(path=[str(site) for site in site_paths]):
        try:
            name = normal_name(str(distribution.metadata["Name"] or ""))[:200]
        except UnicodeDecodeError:  # uv installs such metadata; it cannot be that of an editable install of ours
            continue
        install = editable_install(distribution) if name not in seen else None
        if install is not None and name:
            yield name, install
        seen.add(name)


def came_with_a_wheel(folder: Path, site_paths: Sequence[Path]) -> bool:
    """Return whether a folder is on the path since a distribution brought a ``.pth`` file along that names it."""
    files = (file for site in site_paths for file in site.glob("*.pth"))
    return brought_by_a_wheel([file for file in files if folder in pth_folders(file)], site_paths)


def holds_installed(folder: Path) -> bool:
    """Return whether a folder is one in which packages are installed, as that of another environment."""
    return any(entry.name.endswith(".dist-info") for entry in entries_of(folder))


def importable(folder: Path) -> dict[str, Path]:
    """Return the modules and packages that a folder on the path adds, whoever put it there; no link that leads out."""
    found = _importable(folder, None, project=False)
    own = folder.resolve()
    return {name: path for name, path in found.items() if _is_below(path, own)}


def _is_inner(name: str) -> bool:
    """Return whether a name that metadata gives a module is one in the folder of packages: links are made by it."""
    inner = PurePosixPath(name)
    plain = bool(inner.name) and str(inner) == name and "\0" not in name
    return plain and not inner.is_absolute() and ".." not in inner.parts


def _is_below(place: Path, project: Path) -> bool:
    """Return whether a place lies in a project, links followed; of one that is not spelled plainly it is not said."""
    # Relative to the folder that the harness was started in, and through ".." after a link, it would be elsewhere
    # wherever it is spelled out.
    if not place.is_absolute() or ".." in place.parts:
        return False
    try:
        return place.resolve().is_relative_to(project)
    except (OSError, RuntimeError):  # a link to itself
        return False


def _project(distribution: Distribution) -> Path | None:
    """Return the folder that was installed in editable mode."""
    text = distribution.read_text("direct_url.json")
    try:
        origin = json.loads(text) if text else {}
        editable = origin["dir_info"].get("editable") is True and origin["url"].startswith("file://")
        project = Path(unquote(urlparse(origin["url"]).path)) if editable else None
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    # Without a path the address would be of the folder that the harness was started in.
    if project is None or not project.is_absolute() or is_of_a_process(project) or not is_folder(project):
        return None
    return project.resolve() if is_project_of(project, str(distribution.metadata["Name"] or "")) else None


def _stated_names(distribution: Distribution) -> frozenset[str] | None:
    """Return the top-level names that setuptools wrote down; None where another backend made it."""
    text = distribution.read_text("top_level.txt")
    return frozenset(text.split()) if text and text.strip() else None


def _importable(folder: Path, stated: frozenset[str] | None, *, project: bool) -> dict[str, Path]:
    """Return the modules and packages that a folder on the path adds; of a project not its tests or docs."""
    found: dict[str, Path] = {}
    for entry in entries_of(folder):
        name = entry.name.partition(".")[0]
        if stated is not None and name not in stated:
            continue
        if stated is None and project and name in _BESIDE_A_PACKAGE:
            continue
        if name.isidentifier() and (_is_module(entry) or _is_package(entry)):
            found[entry.name] = entry
    return found


def _is_module(path: Path) -> bool:
    return path.suffix in MODULES and is_file(path)


def _is_package(path: Path) -> bool:
    """Return whether Python imports a folder: it holds a module, or is a namespace around folders that do."""
    if "." in path.name or path.name == "__pycache__" or not is_folder(path) or is_file(path / "pyvenv.cfg"):
        return False
    return any(_is_module(inner) or (not inner.is_symlink() and _is_package(inner)) for inner in entries_of(path))


def _linked(site: Path, named: list[Path]) -> dict[str, Path]:
    """Return the packages of ``flit install --symlink``, whose files are listed as if they were copied."""
    tops = {
        name.parts[0] for name in named if not name.parts[0].endswith((".dist-info", ".pth")) and name.parts[0] != ".."
    }
    return {top: site / top for top in sorted(tops) if (site / top).is_symlink() and is_folder(site / top)}


def _of_hook(file: Path) -> Editable:
    """Read the modules that a finder, a loader or a hook knows."""
    try:
        content = read_plain(file, _LARGEST_HOOK)
        tree = ast.parse(content.decode("utf-8-sig") if len(content) <= _LARGEST_HOOK else "")
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):  # the last two: expressions too deep
        return Editable({})
    places: dict[str, Path] = {}
    build: Path | None = None
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            places.update(_of_setuptools(node.target.id, _literal(node.value)))
        elif isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            given = [_literal(argument) for argument in node.args]
            if called == "map_module" and len(given) == 2 and all(isinstance(text, str) for text in given):
                places.update(_of_editables(str(given[0]), Path(str(given[1]))))
            elif called == "MesonpyMetaFinder" and len(given) > 2 and isinstance(given[2], str):
                build = Path(given[2])
                places.update(_of_meson(build))
    return Editable(places, build=build)


def _literal(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return None


def _of_setuptools(name: str, value: object) -> Iterator[tuple[str, Path]]:
    """Yield what the table MAPPING of a finder says: module or package, and where it is.

    NAMESPACES need no look: they are the parents of what MAPPING holds, and of folders without their own module.
    """
    if name != "MAPPING" or not isinstance(value, dict):
        return
    for module, place in value.items():
        if isinstance(module, str) and isinstance(place, str):
            yield from _of_editables(module, Path(place))


def _of_editables(module: str, place: Path) -> Iterator[tuple[str, Path]]:
    """Yield the relative name of a module and its place, which may be that of a package's ``__init__.py``."""
    name = module.replace(".", "/")
    if place.name == "__init__.py":
        place = place.parent
    if is_folder(place):
        if entries_of(place):  # none: it is closed to this user, and Python finds no module in it either
            yield name, place
        return
    for found in [place] if is_file(place) else _named(place):
        if _is_module(found):
            yield f"{name}{found.name[len(found.name.partition('.')[0]) :]}", found


def _named(place: Path) -> list[Path]:
    """Return the files of a module whose ending is not known."""
    return [path for path in entries_of(place.parent) if path.name.startswith(f"{place.name}.")]


def _of_meson(build: Path) -> dict[str, Path]:
    """Read meson's plan of what it would install into site-packages."""
    try:
        plan = json.loads(read_plain(build / "meson-info" / "intro-install_plan.json", LARGEST_DOCUMENT))
        entries = [
            (str(entry["destination"]), Path(place)) for section in plan.values() for place, entry in section.items()
        ]
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return {}
    return {
        destination.partition("/")[2]: place
        for destination, place in entries
        if destination.startswith(("{py_purelib}/", "{py_platlib}/"))
    }
