"""Records of a harness that others cannot get: what it says of itself, and which of it is released."""

from __future__ import annotations

import shutil
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

from conftest import ROOT
from worldstrat_bench.artefacts.harness import UNKNOWN, KnownHarnesses, released_harnesses
from worldstrat_bench.artefacts.record import Harness
from worldstrat_bench.digests import harness_sha256
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.run.environment import probe_harness

PACKAGE = ROOT / "bench" / "worldstrat_bench"
RELEASED = "a" * 64
CLEAN = Harness(version="1", commit="0123456789" * 4, dirty=False)
HERE = KnownHarnesses(frozenset({RELEASED}), frozenset({"0123456789" * 4}))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of a few files of the package, in an installation without git."""
    folder = tmp_path / "worldstrat_bench"
    shutil.copytree(PACKAGE / "artefacts", folder / "artefacts", ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def digest(package: Path) -> str:
    harness_sha256.cache_clear()
    return harness_sha256(package)


def test_an_installed_harness_is_known_by_its_code_alone(package: Path) -> None:
    stated = probe_harness(package)
    assert stated.commit is None
    assert stated.code_sha256 == digest(package)
    assert stated.code_sha256 is not None
    assert KnownHarnesses().why_unknown(stated) == UNKNOWN
    assert KnownHarnesses(frozenset({stated.code_sha256})).why_unknown(stated) == ""


@pytest.mark.parametrize("change", ["altered", "added", "removed", "renamed"])
def test_a_changed_file_is_another_harness(package: Path, change: str) -> None:
    before, file = digest(package), package / "artefacts" / "tiles.py"
    if change == "altered":
        file.write_text(file.read_text(encoding="utf-8") + "\n# psnr + 3\n", encoding="utf-8")
    elif change == "added":
        (package / "sitecustomize.py").write_text("", encoding="utf-8")
    elif change == "removed":
        file.unlink()
    else:
        file.rename(file.with_name("tile.py"))
    assert digest(package) != before


def test_what_python_keeps_beside_the_code_is_not_code(package: Path) -> None:
    before = digest(package)
    (package / "artefacts" / "__pycache__").mkdir()
    (package / "artefacts" / "__pycache__" / "tiles.cpython-311.pyc").write_bytes(b"1")
    assert digest(package) == before


@pytest.mark.parametrize(
    "harness",
    [
        Harness(version="1"),
        Harness(version="1", commit=CLEAN.commit),
        Harness(version="1", commit=CLEAN.commit, dirty=True),
        Harness(version="1", commit="main", dirty=False),
        Harness(version="1", commit="v1.0 of nowhere", dirty=False),
        Harness(version="1", code_sha256="b" * 64),
        Harness(version="1", commit=CLEAN.commit, dirty=True, code_sha256="b" * 64),
    ],
)
def test_a_harness_that_others_cannot_get_is_unknown(harness: Harness) -> None:
    assert HERE.why_unknown(harness) == UNKNOWN


@pytest.mark.parametrize(
    "harness",
    [
        CLEAN,
        Harness(version="1", code_sha256=RELEASED),
        Harness(version="1", commit=CLEAN.commit, dirty=True, code_sha256=RELEASED),
    ],
)
def test_a_clean_commit_and_a_release_are_known(harness: Harness) -> None:
    """The last: a dirty file elsewhere in the checkout, and the code is the released one all the same."""
    assert HERE.why_unknown(harness) == ""


def test_the_list_of_the_repository_can_be_read() -> None:
    assert isinstance(released_harnesses(ROOT), frozenset)


def test_releases_are_read_from_the_list(tmp_path: Path) -> None:
    assert released_harnesses(tmp_path) == frozenset()
    (tmp_path / "reports").mkdir()
    entry = f'[[released]]\nversion = "0.2.0"\ncode_sha256 = "{RELEASED}"\n'
    (tmp_path / "reports" / "harness.toml").write_text(entry, encoding="utf-8")
    assert released_harnesses(tmp_path) == {RELEASED}


@pytest.mark.parametrize("text", ["released = 1", "[[released]]\nversion = '1'", "released = [", "[[released]]\nx = 1"])
def test_a_list_that_cannot_be_read_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "harness.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InvalidArtefactError, match="not a valid list of released harnesses"):
        released_harnesses(tmp_path)


def test_a_wheel_holds_every_file_that_the_digest_of_a_checkout_covers() -> None:
    """Or a checkout and a wheel of the same commit would have two digests."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    shipped = ["*.py", *settings["package-data"]["*"]]
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert len(files) > 200
    assert [str(f) for f in files if not any(fnmatch(f.name, pattern) for pattern in shipped)] == []
