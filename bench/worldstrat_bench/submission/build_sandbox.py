"""Where pip and uv run: variables made from scratch, and a sandbox with the network, the system and one folder.

They install wheels by hash and run nothing of them. What they fetch from, though, a stranger wrote into a lock: nothing
of the person who builds may be in reach of that.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final

from worldstrat_bench.errors import InfrastructureError, InvalidArtefactError, UsageError
from worldstrat_bench.plugins.asking import SYSTEM
from worldstrat_bench.plugins.tree import holds_a_home
from worldstrat_bench.worker.bubblewrap import NAMESPACES, find_bubblewrap
from worldstrat_bench.worker.grants import SETTINGS, spelled_out

INDEX: Final = "WORLDSTRAT_BENCH_INDEX"
"""Variable that names another package index than the builders' default."""

PROXY: Final = "WORLDSTRAT_BENCH_PROXY"
"""Variable that names a proxy for the builders."""

_NETWORK = (
    "/etc/ca-certificates",
    "/etc/gai.conf",
    "/etc/host.conf",
    "/etc/hosts",
    "/etc/pki",
    "/etc/resolv.conf",
    "/etc/ssl",
)
_BUILD_SECONDS = 1800
_UNREACHABLE = (
    "failed to fetch",
    "error sending request",
    "connection",
    "name resolution",
    "certificate",
    "max retries",
)
_OTHER_HASH = ("hash mismatch", "do not match the hashes", "has the wrong hash")
_OWN: Final = (Path(sys.executable), Path(sys.executable).resolve())


@dataclass(frozen=True)
class BuildRoom:
    """One build.

    Attributes
    ----------
    home : the environment that is built; with `scratch` all that can be written.
    scratch : an empty folder for the home and the caches of the builder.
    readable : what the builder needs beside the system: interpreters, the builder itself, folders of wheels.
    network : whether it may reach the network.
    until : monotonic time in seconds at which every command has to be done: a lock has up to 2000 of them.
    """

    home: Path
    scratch: Path
    readable: tuple[Path, ...] = ()
    network: bool = True
    until: float = field(default_factory=lambda: time.monotonic() + _BUILD_SECONDS)

    def run(self, command: Sequence[str], purpose: str) -> None:
        """Run a builder.

        Raises
        ------
        InvalidArtefactError
            if it fails: a lock names what cannot be installed.
        InfrastructureError
            if it cannot be started, or half an hour has passed since the room was made.
        """
        program = find_bubblewrap()
        # Without bubblewrap the builder runs unconfined: it installs by hash and runs nothing of a wheel.
        line = self._wrapped(program, command) if program is not None and usable(program) else list(command)
        try:
            done = subprocess.run(
                line,
                capture_output=True,
                check=False,
                timeout=max(0.0, self.until - time.monotonic()),
                env=self.variables(),
                stdin=subprocess.DEVNULL,
                cwd=self.scratch,
            )
        except subprocess.TimeoutExpired:
            what = f"could not {purpose}: half an hour has passed since the build began"
            raise InfrastructureError(what, remedy="the same command tries again") from None
        except OSError as error:
            raise InfrastructureError(f"could not {purpose}: {error}", remedy="the same command tries again") from None
        if done.returncode:
            reason = " ".join(done.stderr.decode("utf-8", "replace").split())[-600:]
            raise InvalidArtefactError(
                f"could not {purpose}: {reason}", where="environment.lock", remedy=_way_out(reason)
            )

    def variables(self) -> dict[str, str]:
        """Return the builder's whole environment: a lock cannot name what is not in it."""
        made = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.scratch),
            "TMPDIR": str(self.scratch),
            "LANG": "C.UTF-8",
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "UV_NO_CONFIG": "1",
            "UV_CACHE_DIR": str(self.scratch / "uv"),
            "UV_LINK_MODE": "copy",
            "UV_PYTHON_DOWNLOADS": "never",
        }
        if index := os.environ.get(INDEX):
            made |= {"PIP_INDEX_URL": index, "UV_DEFAULT_INDEX": index}
        if proxy := os.environ.get(PROXY):
            made |= {"HTTPS_PROXY": proxy}
        return made

    def _wrapped(self, program: Path, command: Sequence[str]) -> list[str]:
        line = [str(program), *_namespaces(network=self.network), "--cap-drop", "ALL", "--die-with-parent"]
        line += ["--new-session", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]
        system = map(Path, SYSTEM + SETTINGS + _NETWORK)
        line += _read_only(path for path in (*system, *self.readable) if path.exists())
        for path in (self.home, self.scratch):
            line += ["--bind", str(path), str(path)]
        # Last, as in the worker's own command: until here bubblewrap makes the folders to bind to.
        return [*line, "--remount-ro", "/", "--chdir", str(self.scratch), "--", *command]


def _way_out(reason: str) -> str:
    """Return what to do about what a builder said; both programs are read, whose words differ."""
    said = reason.casefold()
    if any(words in said for words in _UNREACHABLE):
        return f"if the index cannot be reached from here, {INDEX} names another, and {PROXY} a proxy"
    if any(words in said for words in _OTHER_HASH):
        return "the file is another than the one that was locked: lock it again, with uv pip compile --generate-hashes"
    return "every requirement needs a wheel for this platform with a hash of the lock"


def _namespaces(*, network: bool) -> tuple[str, ...]:
    return tuple(option for option in NAMESPACES if not (network and option == "--unshare-net"))


def _read_only(paths: Iterable[Path]) -> list[str]:
    line: list[str] = []
    for path in spelled_out(paths):
        if path.is_symlink() and path.parent == Path("/"):  # /lib -> usr/lib
            line += ["--symlink", str(path.readlink()), str(path)]
        else:
            line += ["--ro-bind", str(path), str(path)]
    return line


@cache
def usable(program: Path) -> bool:
    """Return whether this machine lets bubblewrap make its namespaces."""
    command = [str(program), *_namespaces(network=True), "--ro-bind", "/", "/", "--proc", "/proc", "--", "/bin/true"]
    try:
        return subprocess.run(command, capture_output=True, check=False, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def installation_of(program: Path) -> tuple[Path, ...]:
    """Return the folders that an interpreter needs to run: its installation, and the harness's environment for its own.

    Parameters
    ----------
    program : as :func:`worldstrat_bench.submission.environments.interpreter_of` returns it.

    Raises
    ------
    UsageError
        if its installation is a home, or holds one: what lies there is not a builder's to read.
    """
    folders = [Path(sys.prefix), Path(sys.base_prefix)] if program in _OWN else []
    # Where its links lead, not where they lie: ~/.local/bin holds links to interpreters, beside much else.
    behind = program.resolve()
    folders.append(behind.parent.parent if behind.parent.name == "bin" else behind)
    # An executable in /usr/bin or /bin is part of the system; "/" itself is never shown.
    found = tuple(folder for folder in dict.fromkeys(folders) if folder != Path("/"))
    for folder in found:
        if str(folder) not in SYSTEM and holds_a_home(folder.resolve()):
            what = f"the interpreter {program} is installed in {folder}, which is a home or holds one"
            raise UsageError(what, where="environment.python", remedy="install Python in a folder of its own")
    return found
