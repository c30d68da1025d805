"""Which harness is running, and the driver under it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import worldstrat_bench
from worldstrat_bench.artefacts.record import Harness
from worldstrat_bench.digests import harness_sha256

_PACKAGE = Path(worldstrat_bench.__file__).resolve().parent


def probe_harness(package: Path = _PACKAGE) -> Harness:
    """Return the harness's version, its code's digest and, in a git checkout, its commit and whether it is changed."""
    root = package.parent.parent
    version, code = worldstrat_bench.__version__, harness_sha256(package)
    if not (root / ".git").exists() or not (root / "pyproject.toml").is_file():
        return Harness(version=version, code_sha256=code)
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return Harness(version=version, code_sha256=code)
    changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", "bench")
    dirty = None if changed is None else _is_code(changed)
    return Harness(version=version, commit=commit, dirty=dirty, code_sha256=code)


def _is_code(status: str) -> bool:
    """Whether a porcelain status names a changed file or a new module; what else lies about decides nothing."""
    return any(not line.startswith("??") or line.rstrip('"').endswith(".py") for line in status.splitlines())


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def nvidia_driver() -> str | None:
    """The version of NVIDIA's kernel module, if it is loaded."""
    try:
        return Path("/sys/module/nvidia/version").read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None
