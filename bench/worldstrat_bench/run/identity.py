"""What a model is, in digests, so that a changed model is noticed. Nothing of the model is imported."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from importlib.metadata import Distribution, distributions
from pathlib import Path

from worldstrat_bench.digests import file_sha256

_SKIPPED_FOLDERS = frozenset({"__pycache__", ".git", ".tox", ".venv"})


def code_sha256(distribution: str, target: str, search_paths: Iterable[Path] | None = None) -> str | None:
    """sha256 over the names and contents of the files of an installed distribution, its own metadata left out.

    Of one in editable mode (``pip install -e``), the files of the top-level package or module that the entry point
    `target` ("module:attribute") names are taken where they are; the digest is that of the same package installed.
    None if nothing can be found.
    """
    paths = None if search_paths is None else [str(path) for path in search_paths]
    found = next(
        iter(distributions(name=distribution, path=paths) if paths else distributions(name=distribution)), None
    )
    if found is None:
        return None
    source = _editable_source(found)
    if source is not None:
        return _tree_sha256(*_editable_files(source, target.partition(":")[0].partition(".")[0]))
    base = Path(str(found.locate_file("")))
    # What lies outside (scripts) names the machine's interpreter; what is inside but generated names the installer.
    inside = [Path(str(found.locate_file(file))) for file in found.files or () if _is_content(file.parts)]
    files = [file for file in inside if file.is_file()]
    return _tree_sha256(base, files) if files else None


def _is_content(parts: tuple[str, ...]) -> bool:
    generated = parts[0] == ".." or parts[0].endswith((".dist-info", ".egg-info"))
    return not generated and "__pycache__" not in parts and not parts[-1].endswith(".pyc")


def _editable_files(source: Path, top: str) -> tuple[Path, list[Path]]:
    """The folder to name files from, and the files of the package or module `top` below it."""
    for root in (source / "src", source):
        if (root / top).is_dir():
            return root, _files_under(root / top)
        if (root / f"{top}.py").is_file():
            return root, [root / f"{top}.py"]
    return source, _files_under(source)


def _editable_source(distribution: Distribution) -> Path | None:
    """The source folder of a distribution in editable mode (PEP 610)."""
    text = distribution.read_text("direct_url.json")
    if not text:
        return None
    try:
        origin = json.loads(text)
        editable = origin["dir_info"].get("editable") and origin["url"].startswith("file://")
    except (ValueError, KeyError, AttributeError, TypeError):
        return None
    from urllib.parse import unquote, urlparse

    source = Path(unquote(urlparse(origin["url"]).path)) if editable else None
    return source if source is not None and source.is_dir() else None


def _files_under(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".pyc" and not _SKIPPED_FOLDERS & set(path.relative_to(folder).parts)
    ]


def _tree_sha256(base: Path, files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    names = {(file.relative_to(base).as_posix() if file.is_relative_to(base) else file.name): file for file in files}
    for name, file in sorted(names.items()):
        digest.update(f"{name}\t{file_sha256(file)}\n".encode())
    return digest.hexdigest()
