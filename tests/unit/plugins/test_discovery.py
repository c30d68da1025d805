from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from worldstrat_bench.errors import ModelError, UsageError
from worldstrat_bench.plugins.discovery import find_model, installed_models, remedy_of_unknown
from worldstrat_bench.plugins.wheel import open_wheel

GROUP = "[worldstrat_bench.models]\n"


def install(
    site: Path, name: str, entry_points: str | bytes, *, version: str = "1.0", metadata: str | None = None
) -> Path:
    """A distribution's metadata folder, as an installer leaves it."""
    folder = site / f"{name.replace('-', '_')}-{version}.dist-info"
    folder.mkdir(parents=True)
    text = (
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nSummary: About {name}\n"
        if metadata is None
        else metadata
    )
    (folder / "METADATA").write_text(text, encoding="utf-8")
    data = entry_points if isinstance(entry_points, bytes) else entry_points.encode()
    (folder / "entry_points.txt").write_bytes(data)
    return folder


def test_models_are_read_from_metadata_alone(tmp_path: Path) -> None:
    install(
        tmp_path,
        "my-sr",
        f"[console_scripts]\nx = y:z\n\n{GROUP}my-sr = my_sr.plugin:load\nother=my_sr.plugin:Load.more [extra]\n",
    )
    install(tmp_path, "unrelated", "[console_scripts]\nx = y:z\n")
    mine, other = installed_models([tmp_path])
    assert (mine.name, mine.target, mine.distribution, mine.version) == ("my-sr", "my_sr.plugin:load", "my-sr", "1.0")
    assert mine.summary == "About my-sr"
    assert mine.problem is None
    assert (other.name, other.target, other.problem) == ("other", "my_sr.plugin:Load.more", None)


@pytest.mark.parametrize(
    ("entry_points", "metadata", "words"),
    [
        (GROUP + "a = not a target\n", None, "module:attribute"),
        (GROUP + "a = os.system('x')\n", None, "module:attribute"),
        (GROUP + "a b\x1b = m:f\n", None, "characters"),
        (GROUP.encode() + b"a = \xff\xfe:f\n", None, "cannot be read"),
        ("a = before:section\n" + GROUP, None, "cannot be read"),
        (GROUP + "a = m:f\n", "", "names no name or version"),
        (GROUP + "a = m:f\n" + "#" * (1 << 20), None, "larger than"),
    ],
)
def test_a_broken_distribution_is_named_and_harms_no_other(
    tmp_path: Path, entry_points: str | bytes, metadata: str | None, words: str
) -> None:
    install(tmp_path, "broken", entry_points, metadata=metadata)
    install(tmp_path, "fine", GROUP + "good = m:f\n")
    entries = {entry.distribution: entry for entry in installed_models([tmp_path])}
    assert words in (entries["broken"].problem or "")
    assert entries["fine"].problem is None


def test_a_metadata_folder_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    folder = install(tmp_path, "broken", GROUP + "a = m:f\n")
    (folder / "METADATA").unlink()
    (entry,) = installed_models([tmp_path])
    assert entry.distribution == "broken"
    assert "cannot be read" in (entry.problem or "")


@pytest.mark.parametrize("name", ["entry_points.txt", "METADATA"])
def test_a_pipe_among_metadata_is_not_waited_for(tmp_path: Path, name: str) -> None:
    """No installer makes one, but an environment may have been copied as a whole."""
    file = install(tmp_path, "broken", GROUP + "a = m:f\n") / name
    file.unlink()
    os.mkfifo(file)
    install(tmp_path, "fine", GROUP + "good = m:f\n")
    entries = {entry.distribution: entry for entry in installed_models([tmp_path])}
    assert "not a regular file" in (entries["broken"].problem or "")
    assert entries["fine"].problem is None


def test_two_distributions_with_one_name_are_told_from_one_that_is_found_twice(tmp_path: Path) -> None:
    install(tmp_path / "a", "first", GROUP + "sr = a:f\n")
    install(tmp_path / "b", "first", GROUP + "sr = a:f\n", version="0.9")
    (entry,) = installed_models([tmp_path / "a", tmp_path / "b"])
    assert (entry.version, entry.problem) == ("1.0", None)
    install(tmp_path / "b", "second", GROUP + "sr = b:f\n")
    entries = installed_models([tmp_path / "a", tmp_path / "b"])
    assert [entry.distribution for entry in entries] == ["first", "second"]
    assert "second announces the same name" in (entries[0].problem or "")


def test_of_one_distribution_that_speaks_twice_neither_word_is_taken(tmp_path: Path) -> None:
    """The first by name gave the plug-in that ran, another the code that was hashed."""
    install(tmp_path, "sr", GROUP + "sr = a:f\n", version="1.0")
    install(tmp_path, "sr", GROUP + "sr = b:f\n", version="0.9")
    problems = [entry.problem or "" for entry in installed_models([tmp_path])]
    assert [problem.partition(" ")[0] for problem in problems] == ["sr-1.0.dist-info", "sr-0.9.dist-info"]


def test_what_an_interrupted_pip_left_announces_nothing(tmp_path: Path) -> None:
    install(tmp_path, "sr", GROUP + "sr = a:f\n").rename(tmp_path / "~r-1.0.dist-info")
    install(tmp_path, "sr", GROUP + "sr = b:f\n", version="1.1")
    (entry,) = installed_models([tmp_path])
    assert (entry.target, entry.problem) == ("b:f", None)


def test_metadata_without_models_hides_that_of_a_later_folder(tmp_path: Path) -> None:
    install(tmp_path / "a", "my-sr", "")
    install(tmp_path / "b", "My_SR", GROUP + "sr = a:f\n")
    assert installed_models([tmp_path / "a", tmp_path / "b"]) == ()
    assert len(installed_models([tmp_path / "b"])) == 1


def test_missing_folders_hold_no_models(tmp_path: Path) -> None:
    assert installed_models([tmp_path / "none"]) == ()


def test_an_unknown_name_says_what_there_is_and_how_to_get_the_baselines() -> None:
    with pytest.raises(ModelError, match="no model 'no-such-model'") as caught:
        find_model("no-such-model")
    assert "models list" in str(caught.value.remedy)
    assert "pip install" not in str(caught.value.remedy)  # they are installed here
    assert "pip install ./baselines" in remedy_of_unknown("no-such-model", ())


def test_nothing_is_imported(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from worldstrat_bench.plugins.discovery import installed_models;"
        f"print(len(installed_models([Path({str(tmp_path)!r})]))); assert 'trap' not in sys.modules;"
        "assert not {'torch', 'numpy', 'pandas'} & set(sys.modules)"
    )
    (tmp_path / "trap.py").write_text("raise SystemExit('imported')", encoding="utf-8")
    (tmp_path / "trap.pth").write_text("import trap\n", encoding="utf-8")
    install(tmp_path, "trap", GROUP + "trap = trap:load\n")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "1"


def test_models_of_another_environment(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python3*")) / "site-packages"
    install(site, "theirs", GROUP + "their-sr = m:f\n")
    (site / "trap.pth").write_text("import sys; sys.exit('run')\n", encoding="utf-8")
    assert find_model("their-sr", python).distribution == "theirs"
    with pytest.raises(ModelError, match="bicubic"):
        find_model("bicubic", python)
    with pytest.raises(UsageError, match="interpreter"):
        find_model("their-sr", tmp_path)


def make_wheel(file: Path, members: dict[str, bytes], entry_points: str = GROUP + "sr = pkg.plugin:load\n") -> Path:
    info = "pkg-1.0.dist-info"
    everything = {
        "pkg/plugin.py": b"def load(weights, device): ...\n",
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: pkg\nVersion: 1.0\n",
        f"{info}/entry_points.txt": entry_points.encode(),
        **members,
    }
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in everything.items():
            archive.writestr(name, data)
    return file


def test_a_wheel_is_unpacked_and_described(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "pkg-1.0-py3-none-any.whl", {})
    entry = find_model(str(wheel), scratch=tmp_path / "scratch")
    assert (entry.name, entry.target, entry.distribution) == ("sr", "pkg.plugin:load", "pkg")
    (folder,) = entry.search_paths
    assert (folder / "pkg" / "plugin.py").is_file()
    assert entry.wheel_sha256 is not None
    assert len(entry.wheel_sha256) == 64
    assert find_model(str(wheel), scratch=tmp_path / "scratch") == entry


def test_a_wheel_of_several_models_needs_a_name(tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "w.whl", {}, GROUP + "a = pkg.plugin:load\nb = pkg.plugin:load_b\n")
    with pytest.raises(ModelError, match="several models: a, b"):
        find_model(str(wheel), scratch=tmp_path / "s")
    assert find_model(f"{wheel}::b", scratch=tmp_path / "s").target == "pkg.plugin:load_b"
    with pytest.raises(ModelError, match="no model c"):
        find_model(f"{wheel}::c", scratch=tmp_path / "s")


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil.py", "a/../../evil.py", "C:/evil.py", "..\\evil.py"])
def test_wheels_do_not_lead_out_of_their_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="leads out"):
        open_wheel(make_wheel(tmp_path / "w.whl", {name: b"x"}), tmp_path / "s" / "t")
    assert not list(tmp_path.glob("**/evil.py"))


def test_wheels_hold_no_links_and_no_bombs(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("pkg/link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "link.whl", "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(UsageError, match="not a plain file"):
        open_wheel(tmp_path / "link.whl", tmp_path / "s")
    with zipfile.ZipFile(tmp_path / "bomb.whl", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(64 << 20))
    with pytest.raises(UsageError, match="beyond reason"):
        open_wheel(tmp_path / "bomb.whl", tmp_path / "s")


def test_what_is_not_a_wheel_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such wheel"):
        find_model(str(tmp_path / "none.whl"), scratch=tmp_path)
    (tmp_path / "junk.whl").write_bytes(b"junk" * 100)
    with pytest.raises(UsageError, match="cannot be unpacked"):
        find_model(str(tmp_path / "junk.whl"), scratch=tmp_path)
    with pytest.raises(UsageError, match="scratch folder"):
        find_model(str(tmp_path / "junk.whl"))
