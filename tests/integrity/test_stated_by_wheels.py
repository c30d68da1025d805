"""What a wheel that pip installed says of folders outside of its environment gives a confined worker nothing."""

from __future__ import annotations

import json
import sys
import venv
from pathlib import Path

import pytest
import torch

from submission_factory import metadata_of
from worldstrat_bench.errors import ModelError
from worldstrat_bench.plugins.code import code_sha256
from worldstrat_bench.plugins.interpreter import Interpreter, believe_statements_in, inspect_interpreter, statement_of
from worldstrat_bench.plugins.reach import is_of_a_process
from worldstrat_bench.worker import ModelSpec, Worker
from worldstrat_bench.worker.grants import interpreter_paths, spelled_out
from worldstrat_bench.worker.plan import link_built, make_folders


def install(site: Path, files: dict[str, str], name: str = "sr", *, recorded: bool = True) -> None:
    """Write what pip leaves of a wheel with these files."""
    info = f"{name}-1.0.dist-info"
    files = {**files, f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"}
    for inner, text in files.items():
        (site / inner).parent.mkdir(parents=True, exist_ok=True)
        (site / inner).write_text(text, encoding="utf-8")
    (site / info / "RECORD").write_text("".join(f"{inner},,\n" for inner in files) if recorded else "")


def project(folder: Path, name: str, kind: str = "pyproject") -> Path:
    """Write a project with a package `net` and, beside it, what is not of the package."""
    (folder / "net").mkdir(parents=True)
    (folder / "net" / "__init__.py").touch()
    (folder / "keys").mkdir()
    (folder / "keys" / "id").write_text("secret")
    stated = {
        "pyproject": ("pyproject.toml", f'[project]\nname = "{name}"\n'),
        "poetry": ("pyproject.toml", f'[tool.poetry]\nname = "{name}"\n'),
        "flit": ("pyproject.toml", f'[tool.flit.metadata]\nmodule = "{name}"\n'),
        "setup.cfg": ("setup.cfg", f"[metadata]\nname = {name}\n"),
        "setup.py": ("setup.py", f"from setuptools import setup\nsetup(name='{name}')\n"),
        "computed": (f"src/{name}.egg-info/PKG-INFO", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n"),
    }
    file, text = stated[kind]
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_text(text, encoding="utf-8")
    return folder.resolve()


def editable(folder: Path) -> str:
    return json.dumps({"url": folder.as_uri(), "dir_info": {"editable": True}})


def granted(site: Path) -> tuple[set[Path], set[Path]]:
    """Return the folders outside of the environment that a worker may read, and those that it may list."""
    home = site.parent.parent.parent
    interpreter = Interpreter(home / "bin" / "python", (3, 11, 0), home, home / "base", (site,))
    paths, listed = interpreter_paths(interpreter)
    return {path for path in paths if not path.is_relative_to(home)}, set(listed)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    folder = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("way", ["path", "path of an editable", "finder", "finder of another's project", "hook"])
def test_a_wheel_opens_no_folder_of_the_user(site: Path, tmp_path: Path, way: str) -> None:
    theirs = project(tmp_path / "theirs", "private")
    keys, info = theirs / "keys", "sr-1.0.dist-info/direct_url.json"
    finder = f"MAPPING: dict[str, str] = {{'sr_x': {str(keys)!r}}}\n"
    install(
        site,
        {
            "path": {"sr.pth": f"{keys}\n{theirs}\n"},
            "path of an editable": {"sr.pth": f"{theirs}\n", info: editable(theirs)},
            "finder": {"__finder.py": finder, info: editable(keys)},
            "finder of another's project": {"__finder.py": finder, info: editable(theirs)},
            "hook": {"_sr.py": f"F.map_module('x', {str(theirs / 'net' / '__init__.py')!r})\n", info: editable(theirs)},
        }[way],
    )
    assert granted(site) == (set(), set())


def test_a_project_of_its_own_leads_to_no_other_place(site: Path, tmp_path: Path) -> None:
    mine, theirs = project(tmp_path / "mine", "sr"), project(tmp_path / "theirs", "private")
    (mine / "out").symlink_to(theirs / "keys")
    finder = f"MAPPING: dict[str, str] = {{'a': {str(theirs / 'net')!r}, 'b': {str(mine / 'out')!r}}}\n"
    install(
        site,
        {"__finder.py": finder, "sr.pth": f"{theirs}\n", "sr-1.0.dist-info/direct_url.json": editable(mine)},
    )
    assert granted(site) == (set(), set())


@pytest.mark.parametrize("kind", ["pyproject", "poetry", "flit", "setup.cfg", "setup.py", "computed"])
@pytest.mark.parametrize("hook", ["path", "finder"])
def test_the_users_own_editable_install_is_readable(site: Path, tmp_path: Path, hook: str, kind: str) -> None:
    mine = project(tmp_path / "mine", "My.SR", kind)
    finder = f"MAPPING: dict[str, str] = {{'net': {str(mine / 'net')!r}}}\n"
    brought = {"my_sr.pth": f"{mine}\n"} if hook == "path" else {"__finder.py": finder}
    install(site, {**brought, "my_sr-1.0.dist-info/direct_url.json": editable(mine)}, "my_sr")
    assert granted(site) == ({mine / "net"}, {mine} if hook == "path" else set())


def test_a_path_file_that_the_user_wrote_adds_modules_and_nothing_beside_them(site: Path, tmp_path: Path) -> None:
    mine = project(tmp_path / "mine", "sr")
    (mine / "net.py").touch()
    (site / "mine.pth").write_text(f"{mine}\n")
    assert granted(site) == ({mine / "net", mine / "net.py"}, {mine})


@pytest.mark.parametrize("address", ["file://", "file://.", "file:///{absolute}", "file://localhost"])
@pytest.mark.parametrize("spelling", ["relative", "through a link", "above"])
def test_a_place_is_spelled_plainly(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, spelling: str
) -> None:
    """The harness may be started in a stranger's clone, where a link makes another place of what comes after it."""
    clone, keys = project(tmp_path / "clone", "sr"), project(tmp_path / "theirs", "private") / "keys"
    deep = clone / "/".join("x" * 20)
    decoy = clone / str(keys).lstrip("/")
    decoy.mkdir(parents=True)
    (decoy / "__init__.py").touch()
    deep.mkdir(parents=True)
    (clone / "d").symlink_to(deep)
    # By the kernel this is the decoy in the clone, as text the folder of the user.
    up = "/".join([".."] * 20)
    place = {
        "relative": f"d/{up}{keys}",
        "through a link": f"{clone}/d/{up}{keys}",
        "above": f"{clone}/net/../../theirs/keys",
    }[spelling]
    install(
        site,
        {
            "__editable___sr_finder.py": f"MAPPING: dict[str, str] = {{'sr': {place!r}}}\n",
            "sr-1.0.dist-info/direct_url.json": json.dumps(
                {"url": address.format(absolute=str(clone).lstrip("/")), "dir_info": {"editable": True}}
            ),
        },
    )
    monkeypatch.chdir(clone)
    paths, listed = granted(site)
    assert not any(keys == path or keys.is_relative_to(path) for path in (*map(Path.resolve, paths), *listed))
    assert not any(".." in path.parts for path in paths)
    assert not any(keys.is_relative_to(path) for path in spelled_out(paths))


@pytest.mark.parametrize("recorded", [True, False])
def test_other_installed_packages_stay_readable_as_a_whole(site: Path, tmp_path: Path, recorded: bool) -> None:
    other = tmp_path / "other"
    install(other, {"torch/__init__.py": "", "torch.libs/gomp.so": ""}, "torch")
    install(site, {"more.pth": f"{other}\n"}, recorded=recorded)
    assert granted(site) == ({other}, set())


def test_a_statement_in_a_strangers_repository_is_not_the_harness_s(tmp_path: Path) -> None:
    """He cannot know where the user makes an environment, but most are called ``.venv``."""
    clone, keys = tmp_path / "clone", project(tmp_path / "theirs", "private") / "keys"
    venv.create(clone / ".venv", with_pip=False, symlinks=True)
    (site,) = (clone / ".venv" / "lib").glob("python*/site-packages")
    stated = {"version": [3, 11, 0], "base": str(keys), "site_paths": [str(site)], "extra": [str(keys)]}
    statement_of(clone / ".venv").write_text(json.dumps(stated))
    python = clone / ".venv" / "bin" / "python"
    found = inspect_interpreter(python)
    assert (found.base, found.extra) == (Path(sys.base_prefix), None)
    assert keys not in interpreter_paths(found)[0]
    believe_statements_in(clone)  # as where the harness builds
    assert inspect_interpreter(python).base == keys


def test_a_wheel_that_names_its_files_otherwise_opens_no_folder(site: Path, tmp_path: Path) -> None:
    """As pip and uv record ``x.data/data/lib64/...``: lib64 is a link to lib."""
    theirs = project(tmp_path / "theirs", "private")
    (tmp_path / "env" / "lib64").symlink_to("lib")
    install(site, {"sr.pth": f"{theirs}\n", "hidden.py": ""})
    record = site / "sr-1.0.dist-info" / "RECORD"
    record.write_text(record.read_text().replace("sr.pth", f"../../../lib64/python3.11/{site.name}/sr.pth"))
    assert granted(site) == (set(), set())


@pytest.mark.parametrize(
    "row", ["a-1.0.dist-info/RECORD", "../../../lib64/python3.11/site-packages/a-1.0.dist-info/RECORD"]
)
def test_a_wheel_that_rewrites_what_another_recorded_opens_no_folder(site: Path, tmp_path: Path, row: str) -> None:
    theirs = project(tmp_path / "theirs", "private")
    (tmp_path / "env" / "lib64").symlink_to("lib")
    install(site, {"a.pth": f"{theirs}\n"}, "a", recorded=False)
    install(site, {"b/__init__.py": ""}, "b")
    with (site / "b-1.0.dist-info" / "RECORD").open("a") as record:
        record.write(f'b/__init__.py,,\n"{row}",,\n')
    assert granted(site) == (set(), set())


def test_a_file_name_of_two_lines_is_recorded_too(site: Path, tmp_path: Path) -> None:
    theirs = project(tmp_path / "theirs", "private")
    install(site, {})
    (site / "a\nb.pth").write_text(f"{theirs}\n")
    (site / "sr-1.0.dist-info" / "RECORD").write_text('"a\nb.pth",,\n')
    assert granted(site) == (set(), set())


def test_copies_of_packages_in_a_package_change_nothing(site: Path, tmp_path: Path) -> None:
    """Setuptools brings the metadata of what it holds copies of."""
    mine = project(tmp_path / "mine", "sr")
    install(site, {"setuptools/_vendor/wheel-1.0.dist-info/RECORD": ""}, "setuptools")
    (site / "mine.pth").write_text(f"{mine}\n")
    assert granted(site) == ({mine / "net"}, {mine})


@pytest.mark.parametrize("place", ["/proc/self/cwd/theirs", "/proc/self/root{theirs}", "/./proc/self/cwd/theirs"])
def test_no_place_is_found_through_the_process_that_looks(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """A stranger knows the folder in which the harness was started by that name."""
    theirs = project(tmp_path / "theirs", "sr")
    monkeypatch.chdir(tmp_path)
    place = place.format(theirs=theirs)
    assert (Path(place) / "net").is_dir()
    (site / "mine.pth").write_text(f"{place}\n")
    stated = json.dumps({"url": f"file://{place}", "dir_info": {"editable": True}})
    finder = f"MAPPING: dict[str, str] = {{'net': {str(theirs / 'net')!r}}}\n"
    install(site, {"__finder.py": finder, "sr-1.0.dist-info/direct_url.json": stated})
    assert granted(site) == (set(), set())


@pytest.mark.parametrize("inner", ["{outside}/x.py", "../../../x.py", "net/../../x.py", "net//x.py", ""])
@pytest.mark.parametrize("hook", ["meson", "finder"])
def test_a_package_makes_no_link_outside_of_the_workers_folder(
    site: Path, tmp_path: Path, inner: str, hook: str
) -> None:
    """Its plan and its finder say under which names its files are laid out, and the host does it, unconfined."""
    mine, outside = project(tmp_path / "mine", "sr"), tmp_path / "outside"
    outside.mkdir()
    before = sorted(tmp_path.rglob("*"))
    name = inner.format(outside=outside)
    build, code = mine / "build", mine / "net" / "__init__.py"
    plan = {"python": {str(code): {"destination": "{py_purelib}/net/__init__.py"}}}
    text = f"MesonpyMetaFinder('sr', set(), {str(build)!r})\n"
    if hook == "meson":
        plan["python"][str(mine / "pyproject.toml")] = {"destination": f"{{py_purelib}}/{name}"}
    else:
        text += f"MAPPING: dict[str, str] = {{{name.removesuffix('.py')!r}: {str(code)!r}}}\n"
    (build / "meson-info").mkdir(parents=True)
    (build / "meson-info" / "intro-install_plan.json").write_text(json.dumps(plan))
    install(site, {"_loader.py": text, "sr-1.0.dist-info/direct_url.json": editable(mine)})
    folders = make_folders(tmp_path / "root")
    home = site.parent.parent.parent
    link_built(folders, Interpreter(home / "bin" / "python", (3, 11, 0), home, home / "base", (site,)))
    links = [path for path in tmp_path.rglob("*") if path.is_symlink() and path not in before]
    assert links == [folders.built / "net" / "__init__.py"]  # the honest one is there
    assert not list(outside.iterdir())


def test_metadata_beyond_reason_grants_nothing(site: Path) -> None:
    install(site, {"sr-1.0.dist-info/direct_url.json": "[" * 100_000})
    assert granted(site) == (set(), set())


def test_a_module_recorded_by_another_name_is_of_the_digest(site: Path, tmp_path: Path) -> None:
    (tmp_path / "env" / "lib64").symlink_to("lib")
    install(site, {"sr/__init__.py": "", "more.py": "x = 1"})
    record, plain = site / "sr-1.0.dist-info" / "RECORD", code_sha256(metadata_of(site, "sr"))
    text = record.read_text()
    for spelled in ("../../../lib64/python3.11/site-packages/more.py", str(site / "more.py")):
        record.write_text(text.replace("more.py", spelled))
        assert code_sha256(metadata_of(site, "sr")) == plain
    (site / "more.py").write_text("x = 2")
    assert code_sha256(metadata_of(site, "sr")) != plain


def test_no_package_runs_as_a_back_end_of_torch(tmp_path: Path) -> None:
    """Torch runs what any package of the environment announces to it, at its import and so before the model."""
    home = tmp_path / "venv"
    venv.EnvBuilder(symlinks=True, with_pip=False).create(home)
    (packages,) = home.glob("lib/python*/site-packages")
    announced = {"tiny-1.0.dist-info/entry_points.txt": "[torch.backends]\nhelp = tiny_help:run\n"}
    install(packages, {"tiny_help.py": "def run():\n    pass\n", **announced}, "tiny")
    (packages / "torch.pth").write_text(f"{Path(torch.__file__).parent.parent}\n")
    (packages / "net.py").write_text(
        "import sys\ndef load(weights, device):\n    raise RuntimeError(f'SEEN {\"tiny_help\" in sys.modules}')\n"
    )
    with pytest.raises(ModelError, match="SEEN False"):
        Worker(ModelSpec("net:load", python=home / "bin" / "python"), isolation="process").start()


@pytest.mark.parametrize("way", ["editable", "path file"])
def test_no_link_of_a_clone_opens_a_file_of_the_user(site: Path, tmp_path: Path, way: str) -> None:
    """The clone is a stranger's, and nothing of it has run: a link in it names what he would like to read."""
    clone, theirs = project(tmp_path / "clone", "sr"), project(tmp_path / "theirs", "private")
    for place, target in (
        ("net/notes.txt", theirs / "keys" / "id"),
        ("net/own.txt", clone / "pyproject.toml"),
        ("notes.py", theirs / "keys" / "id"),
        ("helper", theirs),
        ("own.py", clone / "net" / "__init__.py"),
    ):
        (clone / place).symlink_to(target)
    if way == "editable":
        finder = f"MAPPING: dict[str, str] = {{'net': {str(clone / 'net')!r}, 'helper': {str(clone / 'helper')!r}}}\n"
        install(site, {"__editable___sr_finder.py": finder, "sr-1.0.dist-info/direct_url.json": editable(clone)})
    else:
        (site / "mine.pth").write_text(f"{clone}\n")
    paths, listed = granted(site)
    assert clone / "net" in paths
    assert not any(path.is_relative_to(theirs) for path in (*spelled_out(paths), *map(Path.resolve, listed)))
    assert (clone / "net" / "own.txt" in paths) == (way == "editable")
    assert (clone / "own.py" in paths) == (way == "path file")


@pytest.mark.parametrize(
    "spelling", ["/proc/self/cwd", "/dev/fd/0", "{link}", "{up}/../proc/self/cwd", "/usr/../proc/self", "{far}"]
)
def test_no_way_through_a_process_is_missed(tmp_path: Path, spelling: str) -> None:
    links = {"link": tmp_path / "link", "up": tmp_path / "up", "far": tmp_path / "far"}
    links["link"].symlink_to("/proc/self/cwd")
    links["up"].symlink_to("/usr")
    links["far"].symlink_to("link")
    assert is_of_a_process(Path(spelling.format(**links)))
    for honest in (tmp_path, links["up"], Path("/usr/lib"), Path("relative"), tmp_path / "proc" / "self", Path("/")):
        assert not is_of_a_process(honest)


def test_a_link_to_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert not is_of_a_process(tmp_path / "a")
