"""A wheel of a lock takes the place of a model's module without touching a file of it: by what is imported first."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from submission_factory import metadata_of
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.plugins.code import other_module
from worldstrat_bench.submission.harness_base import _doubles
from worldstrat_bench.submission.installed import gather, move_modules


def installed(site: Path, distribution: str, *files: str, module: str = "") -> None:
    """Lay out what an installer makes of a wheel; `module` is that of its plug-in."""
    for name in files:
        path = site / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("raise AssertionError('this was run')\n")
    folder = site / f"{distribution.replace('-', '_')}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (folder / "RECORD").write_text("".join(f"{name},,\n" for name in files))
    if module:
        (folder / "entry_points.txt").write_text(f"[worldstrat_bench.models]\nmy-sr = {module}:load\n")


@pytest.mark.parametrize(
    ("module", "own", "other"),
    [
        ("my_sr", "my_sr.py", "my_sr/__init__.py"),
        ("my_sr", "my_sr.py", "my_sr.abi3.so"),
        ("my_sr.plugin", "my_sr/plugin.py", "my_sr/__init__.py"),
        ("my_sr.plugin", "my_sr/plugin.py", "my_sr/plugin/__init__.py"),
    ],
)
def test_a_module_that_is_imported_in_place_of_the_models_is_found(
    tmp_path: Path, module: str, own: str, other: str
) -> None:
    installed(tmp_path, "my-sr", own, module=module)
    installed(tmp_path, "help", "help.py")
    metadata, target = metadata_of(tmp_path, "my-sr"), f"{module}:load"
    assert other_module(metadata, target, [tmp_path]) is None
    installed(tmp_path, "tiny-help", other)
    assert other_module(metadata, target, [tmp_path]) == tmp_path / other


def test_a_folder_that_is_searched_first_counts_and_a_later_one_does_not(tmp_path: Path) -> None:
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    installed(second, "my-sr", "my_sr/__init__.py", "my_sr/plugin.py", module="my_sr.plugin")
    installed(third, "later", "my_sr.py")
    metadata = metadata_of(second, "my-sr")
    assert other_module(metadata, "my_sr.plugin:load", [second, third]) is None
    installed(first, "earlier", "my_sr.py")
    assert other_module(metadata, "my_sr.plugin:load", [first, second, third]) == first / "my_sr.py"


def test_a_plug_in_of_one_distribution_whose_code_is_anothers_is_found(tmp_path: Path) -> None:
    installed(tmp_path, "my-sr", "my_sr.py", module="fast_sr")
    assert other_module(metadata_of(tmp_path, "my-sr"), "fast_sr:load", [tmp_path]) is None  # loading it says so
    installed(tmp_path, "fast-sr", "fast_sr.py")
    assert other_module(metadata_of(tmp_path, "my-sr"), "fast_sr:load", [tmp_path]) == tmp_path / "fast_sr.py"


def test_every_module_of_the_distribution_is_looked_at(tmp_path: Path) -> None:
    installed(tmp_path, "my-sr", "my_sr/__init__.py", "my_sr/plugin.py", "my_sr_core.py", module="my_sr.plugin")
    metadata = metadata_of(tmp_path, "my-sr")
    assert other_module(metadata, "my_sr.plugin:load", [tmp_path]) is None
    installed(tmp_path, "tiny-help", "my_sr_core/__init__.py")
    assert other_module(metadata, "my_sr.plugin:load", [tmp_path]) == tmp_path / "my_sr_core" / "__init__.py"


@pytest.mark.parametrize("inner", ["net.py", "deep/net.py", "__init__.py", "net.abi3.so"])
def test_every_module_of_a_package_without_an_init_is_looked_at(tmp_path: Path, inner: str) -> None:
    """Where no file makes a folder a package, several distributions share it."""
    own = ["my_sr/plugin.py", "my_sr/other.py", f"my_sr/{inner}"]
    installed(tmp_path, "my-sr", *own, module="my_sr.plugin")
    installed(tmp_path, "honest", "my_sr/another.py")
    metadata = metadata_of(tmp_path, "my-sr")
    assert other_module(metadata, "my_sr.plugin:load", [tmp_path]) is None
    installed(tmp_path, "tiny-help", "my_sr/other/__init__.py")
    found = other_module(metadata, "my_sr.plugin:load", [tmp_path])
    # A regular package is all the model's: what was added to it is of its digest.
    assert found == (None if inner == "__init__.py" else tmp_path / "my_sr" / "other" / "__init__.py")


def test_no_cache_of_a_module_comes_with_a_wheel(tmp_path: Path) -> None:
    """One that says it is not to be checked is run in place of the module, whichever wheel it came in."""
    home, packages, own = tmp_path / "env", tmp_path / "env" / "lib", tmp_path / "installed"
    packages.mkdir(parents=True)
    installed(own, "my-sr", "my_sr/__init__.py", "my_sr/net.py", module="my_sr")
    for folder in ("__pycache__", "my_sr/__pycache__", "my_sr/deep/__pycache__"):
        (own / folder).mkdir(parents=True)
        (own / folder / f"net.{sys.implementation.cache_tag}.pyc").write_bytes(b"other code")
    move_modules(own, home, packages)
    assert not list(packages.rglob("*.pyc"))
    assert (packages / "my_sr" / "net.py").is_file()


def together(root: Path, **files: dict[str, str]) -> Path:
    """Lay out what installers make of distributions, and bring it together."""
    placed = []
    for distribution, own in files.items():
        name = distribution.replace("_", "-")
        installed(root / name, name)
        placed.append((name, root / name))
        for file, text in own.items():
            (root / name / file).parent.mkdir(parents=True, exist_ok=True)
            (root / name / file).write_text(text)
    (root / "together").mkdir()
    gather([*placed, ("left-out", root / "left-out")], root / "together")
    return root / "together"


SPEAKS = "Metadata-Version: 2.1\nName: my-sr\nVersion: 1.0\n"


@pytest.mark.parametrize(
    "foreign",
    [
        "my_sr-0.0.1.egg-info/PKG-INFO",
        "My.SR-0.1.dist-info/METADATA",
        "my_sr-1.0.dist-info/entry_points.txt",
        "my_sr.egg-link",
        "MY_SR-0.0.1.EGG-INFO/PKG-INFO",
        "zz-1.0.dist-info/METADATA",
        "tiny_help-2.0.dist-info/METADATA",
        "tiny_help-1.0.dist-info/METADATA",
    ],
)
def test_no_wheel_of_a_lock_speaks_for_the_models_distribution(tmp_path: Path, foreign: str) -> None:
    """The first metadata by name gave the plug-in that ran, another the code that was hashed."""
    with pytest.raises(InvalidArtefactError, match="metadata"):
        together(tmp_path, my_sr={"my_sr.py": ""}, tiny_help={foreign: SPEAKS})


def test_each_distribution_keeps_what_it_brought(tmp_path: Path) -> None:
    shared = {"ns/__init__.py": "# of both", "LICENSE": "mine", "bin/run": "mine"}
    theirs = {**shared, "LICENSE": "theirs", "bin/run": "theirs", "ns/more/data.bin": "x", ".lock": ""}
    found = together(tmp_path, my_sr={**shared, "ns/net.py": ""}, tiny_help=theirs)
    files = sorted(path.relative_to(found).as_posix() for path in found.rglob("*") if path.is_file())
    own = [name for name in files if ".dist-info/" not in name]
    assert own == ["LICENSE", "bin/run", "ns/__init__.py", "ns/more/data.bin", "ns/net.py"]
    assert (found / "LICENSE").read_text() == "mine"


@pytest.mark.parametrize("name", ["my_sr/net.py", "my_sr/weights.pth", "my_sr.py", "data/labels.txt"])
def test_two_distributions_do_not_bring_one_file(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArtefactError, match="comes with my-sr and with tiny-help"):
        together(tmp_path, my_sr={name: "mine"}, tiny_help={name: "other"})


def test_a_file_in_the_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtefactError, match="a folder in one distribution and a file in another"):
        together(tmp_path / "a", my_sr={"net": "a file"}, tiny_help={"net/x.py": ""})
    with pytest.raises(InvalidArtefactError, match="a folder in one distribution and a file in another"):
        together(tmp_path / "b", my_sr={"net/x.py": ""}, tiny_help={"net": "a file"})


@pytest.mark.parametrize(
    ("own", "other"),
    [
        ("my_sr.py", "my_sr/__init__.py"),
        ("my_sr/__init__.py", "my_sr/__init__.abi3.so"),
        ("my_sr/net.py", "my_sr/net/__init__.py"),
        ("my_sr/net.py", "my_sr/net.cpython-399-x86_64-linux-gnu.so"),
    ],
)
def test_two_distributions_do_not_bring_one_module(tmp_path: Path, own: str, other: str) -> None:
    for number, (first, second) in enumerate(((own, other), (other, own))):
        with pytest.raises(InvalidArtefactError, match="is imported under the name of"):
            together(tmp_path / str(number), my_sr={first: ""}, tiny_help={second: ""})
    assert together(tmp_path / "one", my_sr={own: "", other: ""}).is_dir()  # which of them is meant its author knows


@pytest.mark.parametrize("name", ["sitecustomize.py", "usercustomize/__init__.py", "sitecustomize.abi3.so"])
def test_nothing_of_a_wheel_is_run_whenever_python_starts(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArtefactError, match="is run whenever Python starts"):
        together(tmp_path, my_sr={"my_sr.py": ""}, tiny_help={name: ""})


def test_path_files_stay_out_and_weights_of_that_ending_come_along(tmp_path: Path) -> None:
    """A folder of a path file is searched before that of the model, and a line of code can put a finder there."""
    files = {
        "aaa.pth": "more\n",
        "ZZ.PTH": "import tiny_help\n",
        "more/my_sr/__init__.py": "",
        "tiny/net.pth": "weights",
    }
    found = together(tmp_path, my_sr={"my_sr/plugin.py": ""}, tiny_help=files)
    assert [path.relative_to(found).as_posix() for path in found.rglob("*.pth")] == ["tiny/net.pth"]
    assert not list(found.rglob("*.PTH"))


@pytest.mark.parametrize(
    ("own", "other"),
    [("net-v2.py", "net-v2/__init__.py"), ("my_sr/2net.py", "my_sr/2net/__init__.py"), ("a b.py", "a b.abi3.so")],
)
def test_a_module_needs_no_name_that_a_statement_takes(tmp_path: Path, own: str, other: str) -> None:
    """`importlib.import_module` takes any name without a dot."""
    installed(tmp_path / "site", "my-sr", own, "my_sr/plugin.py", module="my_sr.plugin")
    metadata = metadata_of(tmp_path / "site", "my-sr")
    assert other_module(metadata, "my_sr.plugin:load", [tmp_path / "site"]) is None
    installed(tmp_path / "site", "tiny-help", other)
    assert other_module(metadata, "my_sr.plugin:load", [tmp_path / "site"]) == tmp_path / "site" / other
    for name, files in (("my-sr", (own, "my_sr/plugin.py")), ("tiny-help", (other,))):
        installed(tmp_path / name, name, *files)
    (tmp_path / "together").mkdir()
    with pytest.raises(InvalidArtefactError, match="is imported under the name of"):
        gather([(name, tmp_path / name) for name in ("my-sr", "tiny-help")], tmp_path / "together")


@pytest.mark.parametrize("module", ["net-v2.py", "nvidia/__init__.abi3.so", "nvidia/__init__.py"])
def test_what_the_harness_has_is_told_by_any_name(tmp_path: Path, module: str) -> None:
    for folder in ("own", "harness"):
        (tmp_path / folder / "nvidia").mkdir(parents=True)
    (tmp_path / "harness" / "net-v2.py").touch()
    (tmp_path / "harness" / "nvidia" / "inner.py").touch()
    assert list(_doubles(tmp_path / "own", tmp_path / "harness")) == []
    (tmp_path / "own" / module).touch()
    assert list(_doubles(tmp_path / "own", tmp_path / "harness")) == [module.partition("/")[0].removesuffix(".py")]
