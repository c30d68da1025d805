"""An environment that several people share, where one has installed a project of his own in editable mode."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from submission_factory import metadata_of
from worldstrat_bench.plugins.code import code_sha256, editable_sha256
from worldstrat_bench.plugins.discovery import installed_models
from worldstrat_bench.plugins.editable import editable_installs
from worldstrat_bench.plugins.interpreter import pth_folders


def install(site: Path, name: str, project: Path, hook: str) -> None:
    (project / name).mkdir(parents=True)
    (project / name / "__init__.py").write_text("def load(weights, device): ...\n")
    (project / "pyproject.toml").write_text(f'[project]\nname = "{name}"\n')
    info = site / f"{name}-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (info / "entry_points.txt").write_text(f"[worldstrat_bench.models]\n{name} = {name}:load\n")
    (info / "direct_url.json").write_text(json.dumps({"url": project.as_uri(), "dir_info": {"editable": True}}))
    file = f"{name}.pth" if hook == "path" else f"__finder_{name}.py"
    table = f"MAPPING: dict[str, str] = {{{name!r}: {str(project / name)!r}}}\n"
    (site / file).write_text(f"{project}\n" if hook == "path" else table)
    (info / "RECORD").write_text(f"{file},,\n")


def refuse_below(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse all below a folder as the kernel does to an ordinary user: root, as whom tests may run, can open it."""
    stat, listdir, scandir = os.stat, os.listdir, os.scandir

    def refusing(call: Callable[..., object], depth: int) -> Callable[..., object]:
        def asked(path: object = ".", *arguments: object, **more: object) -> object:
            if isinstance(path, str | os.PathLike):
                own = Path(os.fspath(path)).absolute()
                if folder in own.parents or (depth == 0 and own == folder):
                    raise PermissionError(13, "Permission denied", str(path))
            return call(path, *arguments, **more)

        return asked

    monkeypatch.setattr(os, "stat", refusing(stat, 1))
    monkeypatch.setattr(os, "listdir", refusing(listdir, 0))
    monkeypatch.setattr(os, "scandir", refusing(scandir, 0))


@pytest.mark.parametrize("hook", ["path", "finder"])
@pytest.mark.parametrize("closed", ["home", "home/project", "home/project/theirs"])
def test_a_project_that_is_closed_to_us_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hook: str, closed: str
) -> None:
    site = tmp_path / "site"
    install(site, "ours", tmp_path / "mine", hook)
    install(site, "theirs", tmp_path / "home" / "project", hook)
    before = code_sha256(metadata_of(site, "ours"))
    assert before
    refuse_below(tmp_path / closed, monkeypatch)
    installs = dict(editable_installs([site]))
    assert set(installs["ours"].places) == {"ours"}
    assert {entry.name for entry in installed_models([site])} == {"ours", "theirs"}
    assert code_sha256(metadata_of(site, "ours")) == before
    assert "ours" in editable_sha256([site], but="another")
    if hook == "path" and closed == "home":
        assert pth_folders(site / "theirs.pth") == ()
