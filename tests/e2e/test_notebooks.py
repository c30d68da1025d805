"""The notebooks of the docs: they run as they stand, and hold no output that could be stale."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from worldstrat_bench import read_prediction
from worldstrat_bench.errors import InvalidArtefactError

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_committed_without_output(path: Path) -> None:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    assert len(cells) > 5
    for cell in cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
        if cell["cell_type"] == "code":
            compile("".join(cell["source"]), str(path), "exec")


@pytest.mark.soak
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_a_notebook_runs_to_its_end(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    monkeypatch.setenv("MPLBACKEND", "agg")
    # The command is found as in an environment that is activated.
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = "".join(
        output.get("text", "") for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
    )
    assert "shift-and-add {'ok': 12}" in printed
    assert "| shift-and-add |" in printed
    assert r"\begin{table}" in (tmp_path / "scores.tex").read_text(encoding="utf-8")
    assert sorted(folder.name for folder in (tmp_path / "runs").iterdir()) == ["bicubic", "shift-and-add"]


def test_predictions_that_a_run_lacks_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidArtefactError, match="kept no predictions"):
        read_prediction(str(tmp_path), "x")
    (tmp_path / "predictions").mkdir()
    for name, words in (("x", "missing"), ("../x", "no tile"), ("", "no tile")):
        with pytest.raises(InvalidArtefactError, match=words):
            read_prediction(tmp_path, name)
