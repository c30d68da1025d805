"""Every page of a format leads from its file to a row: its file is made and its three commands are run as printed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from conftest import ROOT
from run_helpers import run_cli, small_dataset
from worldstrat_bench.plugins.interpreter import import_paths, own_interpreter

PAGES = sorted(path.stem for path in (ROOT / "docs" / "formats").glob("*.md") if path.stem != "index")
NEEDS = {"onnx": ("onnx", "onnxruntime"), "state-dict": ("spandrel",)}
PACKAGES = {"lightning": "their-net", "package": "their-sampler"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", 3)


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a language."""
    text = (ROOT / "docs" / "formats" / f"{page}.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def environment_with(package: Path, folder: Path) -> Path:
    """The interpreter of an environment that has the package, and sees what the harness's own has."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "harness.pth").write_text("\n".join(map(str, import_paths(own_interpreter()))), encoding="utf-8")
    install = ["install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index", str(package)]
    subprocess.run([sys.executable, "-m", "pip", f"--python={python}", *install], check=True, timeout=200)
    return python


def test_every_format_has_a_page_with_three_commands() -> None:
    assert len(PAGES) == 6
    index = (ROOT / "docs" / "formats" / "index.md").read_text(encoding="utf-8")
    for page in PAGES:
        assert f"({page}.md)" in index
        lines = blocks(page, "console")[0].splitlines()
        assert [line.split()[1] for line in lines] == ["models", "evaluate", "table"]
        assert len(blocks(page, "python")) == 1


def test_the_commands_to_submit_follow_each_other_on_one_submission_and_one_data_set() -> None:
    new, after = blocks("onnx", "console")[1:3]
    lines = [shlex.split(line)[1:] for line in (new + after).splitlines()]
    assert [words[:2] for words in lines] == [
        ["submission", "new"],
        ["submission", "check"],
        ["models", "check"],
        ["evaluate", "my-sr/submissions/my-sr"],
        ["submission", "add"],
        ["submission", "check"],
    ]
    evaluate = shlex.split(blocks("onnx", "console")[0].splitlines()[1])
    data, run = (words[words.index("--data") + 1] for words in (evaluate, lines[3])), lines[3][-1]
    assert len(set(data)) == 1
    assert lines[4] == ["submission", "add", run, "my-sr/submissions/my-sr"]
    assert lines[1][2] == lines[2][2] == lines[5][2] == "my-sr/submissions/my-sr"


@pytest.mark.soak
@pytest.mark.parametrize("page", PAGES)
def test_from_the_file_to_a_row(page: str, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in NEEDS.get(page, ()):
        pytest.importorskip(package, reason=f"{package} is not installed")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mini").symlink_to(data)
    (code,) = blocks(page, "python")
    Path("make.py").write_text(code, encoding="utf-8")  # torch.jit.script reads the source from its file
    subprocess.run([sys.executable, "-W", "ignore", "make.py"], check=True, timeout=200)
    more: list[str] = []
    if page in PACKAGES:
        more = ["--python", str(environment_with(tmp_path / PACKAGES[page], tmp_path / "env"))]
    check, evaluate, table = (shlex.split(line)[1:] for line in blocks(page, "console")[0].splitlines())
    done = run_cli(*check, *more, "--device", "cpu")
    assert done.code == 0, done.out + done.err
    assert "FAIL" not in done.out
    done = run_cli(*evaluate, *more, "--device", "cpu", "--no-download")
    assert done.code == 0, done.err
    done = run_cli(*table)
    assert done.code == 0, done.err
    assert re.search(r"^\| [^|]+ \| \**\d\d\.\d\d", done.out, re.MULTILINE), done.out
