"""The host completes a declared preprocessing, and reads the files that stand beside weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from worldstrat_bench.errors import UsageError
from worldstrat_bench.plugins.declared import declared_parameters, found_beside, mlm_parameters, sidecar_parameters
from worldstrat_bench.plugins.discovery import ModelEntry, installed_models
from worldstrat_bench.preprocessing import NAMES, declare

ENTRY = ModelEntry("net", "m:load", "d", "1", "", None, Path("d-1.dist-info"), declared=True)


def test_the_metadata_says_whose_parameters_are_a_preprocessing(tmp_path: Path) -> None:
    folder = tmp_path / "d-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: d\nVersion: 1\n", "utf-8")
    groups = (
        "[worldstrat_bench.models]\na = m:a\nb = m:b\nc = m:c\n[worldstrat_bench.preprocessing]\na = m:a\nc = m:x\n"
    )
    (folder / "entry_points.txt").write_text(groups, "utf-8")
    assert [entry.declared for entry in installed_models([tmp_path])] == [True, False, False]


def test_only_declared_parameters_are_completed() -> None:
    whole = declared_parameters(ENTRY, {"input_scale": 10_000}, None)
    assert set(whole) == set(NAMES)
    assert whole["output_scale"] == 10_000.0
    assert declared_parameters(replace(ENTRY, declared=False), {"b": 1, "a": 2}, None) == {"a": 2, "b": 1}
    with pytest.raises(UsageError, match="B99"):
        declared_parameters(ENTRY, {"bands": "B99"}, None)


@pytest.mark.parametrize("name", ["net.yaml", "net.yml"])
def test_a_sidecar_speaks_for_its_file_unless_something_is_said(tmp_path: Path, name: str) -> None:
    pytest.importorskip("yaml")
    net = tmp_path / "net.onnx"
    net.write_bytes(b"")
    (tmp_path / name).write_text("bands: [B2, B3, B4]\nfactor: 2\nmargin: 32\n", "utf-8")
    whole = declared_parameters(ENTRY, {"margin": 4, "overlap": 8}, net)
    assert (whole["bands"], whole["input_scale"], whole["margin"], whole["overlap"]) == ("B02,B03,B04", 10_000.0, 4, 8)
    assert declared_parameters(ENTRY, {}, net, beside=False)["bands"] == "B04,B03,B02"
    assert found_beside(tmp_path / "net.pt") == {}
    assert found_beside(None) == {}


@pytest.mark.parametrize(
    "text",
    [
        "just words",
        "bands: B2",
        "bands: [B2]\nfactor: 0",
        "bands: [B2]\nfactor: 4\nmargin: many",
        "[" * 5000,
        "a: [b",
        "bands: [B2]\nfactor: true",
        "bands: [2]\nfactor: 2",
        "bands: [[B2]]\nfactor: 2",
        "a: &a [B2, B2]\nb: &b [*a, *a]\nbands: [*b]\nfactor: 2",
        "bands: [B2]\nfactor: .nan",
        "bands: [B2]\nfactor: 1" + "0" * 400,
        "# " + "x" * (1 << 18),
    ],
)
def test_a_sidecar_that_makes_no_sense_is_an_error(text: str, tmp_path: Path) -> None:
    pytest.importorskip("yaml")
    (tmp_path / "net.yaml").write_text(text, "utf-8")
    with pytest.raises(UsageError) as caught:
        found_beside(tmp_path / "net.onnx")
    assert str(tmp_path / "net.yaml") in str(caught.value.where)


def test_evolands_sidecars_are_understood() -> None:
    pytest.importorskip("yaml")
    block = sidecar_parameters("bands:\n- B2\n- B3\n- B4\n- B8\nfactor: 4.0\nmargin: 130\nmodel: wsx4_spatrad.onnx\n")
    says = declare(**block)
    assert says.bands == (1, 2, 3, 7)
    assert (says.input_scale, says.output_scale) == (10_000.0, 10_000.0)
    assert (says.margin, says.overlap, says.window) == (33, 66, 194)
    flow = sidecar_parameters(
        '{\n"model" : "carn.onnx",\n"bands" : [ "B2", "B8A", ],\n"margin" : 32,\n"factor" : 2.\n}'
    )
    assert (flow["bands"], flow["margin"]) == ("B02,B8A", 16)


def test_the_bands_of_an_mlm_item(tmp_path: Path) -> None:
    named = '{"properties": {"mlm:input": [{"bands": [{"name": "B04"}, "B03", "blue", "nir"]}]}}'
    assert mlm_parameters(named) == {"bands": "B04,B03,B02,B08"}
    for other in ("{}", '{"properties": {"mlm:input": [{"bands": ["S1_VV"]}]}}', '{"properties": []}'):
        assert mlm_parameters(other) == {}
    (tmp_path / "mlm.json").write_text("[1]", "utf-8")
    with pytest.raises(UsageError, match="JSON object"):
        found_beside(tmp_path)
