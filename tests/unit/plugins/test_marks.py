"""Text files after an editor of another system saved them: a byte order mark and CRLF change nothing."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.declared import found_beside
from worldstrat_bench.plugins.discovery import installed_models
from worldstrat_bench.plugins.editable import editable_installs
from worldstrat_bench.plugins.interpreter import pth_folders
from worldstrat_bench.scoring.kit.comparing import check_results
from worldstrat_bench.scoring.kit.writing import write_kit
from worldstrat_bench.submission.wheel import entry_points

SAVED: dict[str, Callable[[str], bytes]] = {
    "mark": lambda text: text.encode("utf-8-sig"),
    "CRLF": lambda text: text.replace("\n", "\r\n").encode(),
    "both": lambda text: text.replace("\n", "\r\n").encode("utf-8-sig"),
}
MODELS = "[worldstrat_bench.models]\nnet = net_pkg:load\n"
saved = pytest.mark.parametrize("save", SAVED.values(), ids=SAVED)


@saved
def test_the_entry_points_of_an_installed_model(save: Callable[[str], bytes], tmp_path: Path) -> None:
    info = tmp_path / "net-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_bytes(b"Metadata-Version: 2.1\nName: net\nVersion: 1\n")
    (info / "entry_points.txt").write_bytes(save(MODELS))
    assert [(entry.name, entry.target, entry.problem) for entry in installed_models([tmp_path])] == [
        ("net", "net_pkg:load", None)
    ]


@saved
def test_the_entry_points_in_a_wheel(save: Callable[[str], bytes], tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "w.zip", "w") as archive:
        archive.writestr("net-1.dist-info/entry_points.txt", save(MODELS))
    with zipfile.ZipFile(tmp_path / "w.zip") as archive:
        assert entry_points(archive) == {"net": "net_pkg:load"}


@saved
def test_a_path_file_and_a_finder_of_an_editable_install(save: Callable[[str], bytes], tmp_path: Path) -> None:
    source = tmp_path / "src"
    (source / "net").mkdir(parents=True)
    (source / "net" / "__init__.py").touch()
    (tmp_path / "net.pth").write_bytes(save(f"{source}\n"))
    assert pth_folders(tmp_path / "net.pth") == (source,)
    info = tmp_path / "net-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_bytes(b"Metadata-Version: 2.1\nName: net\nVersion: 1\n")
    (info / "RECORD").write_bytes(b"__finder.py,,\n")
    (source / "setup.py").write_bytes(save("from setuptools import setup\nsetup(\n    name='net',\n)\n"))
    origin = {"url": source.as_uri(), "dir_info": {"editable": True}}
    (info / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")
    (tmp_path / "__finder.py").write_bytes(save(f"MAPPING: dict[str, str] = {{'net': {str(source / 'net')!r}}}\n"))
    ((name, install),) = editable_installs([tmp_path])
    assert (name, dict(install.places)) == ("net", {"net": source / "net"})


@saved
def test_a_file_beside_weights(save: Callable[[str], bytes], tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "net.yaml").write_bytes(save("bands: [B2, B3, B4]\nfactor: 2\nmargin: 0\n"))
    assert found_beside(tmp_path / "net.onnx")["bands"] == "B02,B03,B04"
    folder = tmp_path / "mlstac"
    folder.mkdir()
    (folder / "mlm.json").write_bytes(save(json.dumps({"properties": {"mlm:input": [{"bands": ["B04"]}]}}, indent=1)))
    assert found_beside(folder) == {"bands": "B04"}


def test_a_file_beside_weights_in_another_encoding_is_named(tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "net.yaml").write_bytes("bands: [B2]\nfactor: 2\nmargin: 0\n".encode("utf-16"))  # PowerShell's >
    with pytest.raises(UsageError, match="not UTF-8") as caught:
        found_beside(tmp_path / "net.onnx")
    assert "net.yaml" in str(caught.value.where)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("conformance") / "kit"
    write_kit(folder)
    return folder


@saved
def test_the_results_of_another_implementation(save: Callable[[str], bytes], kit: Path, tmp_path: Path) -> None:
    for path in kit.glob("*/expected.*"):
        target = tmp_path / "own" / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        text = path.suffix == ".json"
        target.write_bytes(save(path.read_text(encoding="utf-8")) if text else path.read_bytes())
    assert not any(check_results(kit, tmp_path / "own").values())
