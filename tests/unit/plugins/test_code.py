"""Digests that notice a changed model, and are the same wherever the same model is installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from run_helpers import model_wheel
from submission_factory import metadata_of
from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.code import code_sha256
from worldstrat_bench.plugins.weights import weights_sha256


def install(wheel: Path, folder: Path) -> None:
    """Unpack a wheel as pip does, without asking an index."""
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(folder)]
    subprocess.run([*command, str(wheel)], check=True, capture_output=True)


def test_the_code_of_an_installed_model_is_known_by_its_content(tmp_path: Path) -> None:
    digests = []
    for number, source in enumerate(("return bicubic(lr, target)", "return bicubic(lr, target)", "return None")):
        folder = tmp_path / str(number)
        folder.mkdir()
        install(model_wheel(folder, source), folder / "site")
        digests.append(code_sha256(metadata_of(folder / "site", "odd_model")))
    assert digests[0]
    assert digests[0] == digests[1] != digests[2]
    (tmp_path / "0" / "site" / "odd_model.py").write_text("tampered")
    assert code_sha256(metadata_of(tmp_path / "0" / "site", "odd_model")) != digests[0]


def test_editable_and_installed_are_the_same_model(tmp_path: Path) -> None:
    (tmp_path / "src" / "pkg").mkdir(parents=True)
    (tmp_path / "src" / "pkg" / "__init__.py").write_text("def load(): ...\n")
    (tmp_path / "src" / "pkg" / "weights.bin").write_bytes(b"\1\2")
    installed, editable = tmp_path / "installed", tmp_path / "editable"
    for site in (installed, editable):
        info = site / "pkg-1.0.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pkg\nVersion: 1.0\n")
    (installed / "pkg").mkdir()
    for name in ("__init__.py", "weights.bin"):
        (installed / "pkg" / name).write_bytes((tmp_path / "src" / "pkg" / name).read_bytes())
    record = "pkg/__init__.py,,\npkg/weights.bin,,\npkg-1.0.dist-info/METADATA,,\n../../bin/tool,,\n"
    (installed / "pkg-1.0.dist-info" / "RECORD").write_text(record)
    (editable / "pkg-1.0.dist-info" / "RECORD").write_text("__editable__.pkg.pth,,\n")
    (editable / "__editable__.pkg.pth").write_text(f"{tmp_path / 'src'}\n")
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "pkg"\n')
    origin = f'{{"url": "{tmp_path.as_uri()}", "dir_info": {{"editable": true}}}}'
    (editable / "pkg-1.0.dist-info" / "direct_url.json").write_text(origin)
    digest = code_sha256(metadata_of(installed, "pkg"))
    assert digest
    assert code_sha256(metadata_of(editable, "pkg")) == digest
    (tmp_path / "src" / "pkg" / "__pycache__").mkdir()
    (tmp_path / "src" / "pkg" / "__pycache__" / "x.pyc").write_bytes(b"x")
    assert code_sha256(metadata_of(editable, "pkg")) == digest
    (tmp_path / "src" / "pkg" / "weights.bin").write_bytes(b"\1\3")
    assert code_sha256(metadata_of(editable, "pkg")) != digest


def test_what_is_not_there_has_no_digest(tmp_path: Path) -> None:
    assert code_sha256(tmp_path / "no_such-1.0.dist-info") is None
    assert weights_sha256(None) is None
    with pytest.raises(UsageError, match="no such weights"):
        weights_sha256(tmp_path / "absent")


def test_weights_are_a_file_or_a_folder(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"1")
    alone = weights_sha256(tmp_path / "a")
    assert alone == "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"
    folder = weights_sha256(tmp_path)
    assert folder != alone
    (tmp_path / "a").rename(tmp_path / "b")
    assert weights_sha256(tmp_path) != folder
