"""Version of the running harness and of the driver under it."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import worldstrat_bench
from worldstrat_bench.artefacts.record import Harness
from worldstrat_bench.digests import harness_sha256
from worldstrat_bench.errors import UsageError
from worldstrat_bench.run.git import git_text

PACKAGE: Final = Path(worldstrat_bench.__file__).resolve().parent
"""Folder of the package that runs."""


def checkout_around(folder: Path) -> Path | None:
    """Return the checkout of the harness that a folder is in; None if it is in none."""
    places = (folder.resolve(), *folder.resolve().parents)
    return next((place for place in places if (place / "bench" / PACKAGE.name / "__init__.py").is_file()), None)


def probe_harness(package: Path = PACKAGE) -> Harness:
    """Return the harness's version, its code's digest and, in a git checkout, its commit and whether it is changed.

    What git does not tell (no git, a checkout of another user, a damaged one) is null, and never "clean".
    """
    root = package.parent.parent
    stated = Harness(version=worldstrat_bench.__version__, code_sha256=harness_sha256(package))
    if not (root / ".git").exists() or not (root / "pyproject.toml").is_file():
        return stated
    # Where .git is damaged, git would go on to look in the folders above and answer for another repository.
    above = {"GIT_CEILING_DIRECTORIES": str(root.resolve().parent)}
    try:
        commit = git_text(root, "rev-parse", "--verify", "HEAD^{commit}", seconds=10, **above).strip()
    except UsageError:
        return stated
    try:
        dirty: bool | None = _is_changed(root, package.relative_to(root).as_posix(), above)
    except (UsageError, OSError):
        dirty = None
    return stated.model_copy(update={"commit": commit, "dirty": dirty})


def _is_changed(root: Path, package: str, above: dict[str, str]) -> bool:
    """Return whether a file of the package is not as in HEAD, or a module or setting is there that HEAD lacks.

    A separate index is compared: that of the user may say "assume unchanged" of a changed file. Ignored files count:
    a module runs whether or not git is told of it.
    """
    with TemporaryDirectory(prefix="worldstrat-index-") as folder:
        index = above | {"GIT_INDEX_FILE": str(Path(folder) / "index")}
        # The patterns of a sparse checkout would leave out files, changed ones among them.
        git_text(root, "-c", "core.sparseCheckout=false", "read-tree", "HEAD", seconds=10, **index)
        differs = ("diff", "--name-only", "--no-ext-diff", "--ignore-submodules=dirty", "HEAD", "--", package)
        changed = git_text(root, *differs, seconds=10, **index)
        others = git_text(root, "ls-files", "--others", "-z", "--", package, seconds=10, **index)
    return bool(changed) or any(_is_code(name) for name in others.split("\0"))


def _is_code(name: str) -> bool:
    """Return whether an unknown file would run or be read as a protocol; what else lies about decides nothing."""
    return name.endswith((".py", ".so", ".toml")) or (name.endswith(".pyc") and "__pycache__" not in name)


def nvidia_driver() -> str | None:
    """Return the version of NVIDIA's kernel module, if it is loaded."""
    try:
        return Path("/sys/module/nvidia/version").read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None
