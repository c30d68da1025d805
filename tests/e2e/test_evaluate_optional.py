"""``--metrics +NAME`` adds columns: numbers or a reason, the same in shards and scored again, shown on a board."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from run_helpers import run_cli, small_dataset
from worldstrat_bench import RunOptions, evaluate
from worldstrat_bench.artefacts.result import load_result
from worldstrat_bench.artefacts.spectra import CURVES, SPECTRA
from worldstrat_bench.measures import OPTIONAL
from worldstrat_bench.metrics.perceptual import Unavailable
from worldstrat_bench.metrics.stlpips_metric import load_stlpips

OPENSR = tuple(column.name for column in OPTIONAL["opensr"].columns)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_dataset(tmp_path_factory.mktemp("data") / "mini", tiles=2)


def common(data: Path) -> list[object]:
    return ["--data", data, "--no-download", "--device", "cpu"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """A run without optional metrics."""
    run = tmp_path_factory.mktemp("runs") / "plain"
    done = run_cli("evaluate", "bicubic", "--out", run, *common(data))
    assert done.code == 0, done.err
    return run


def test_a_run_that_was_not_asked_has_no_such_column(plain: Path, data: Path, tmp_path: Path) -> None:
    found = load_result(plain)
    assert found.record.optional == {}
    assert not {*OPENSR, "stlpips", "psnr_nir"} & set(found.table.numbers)
    changed = run_cli("score", plain, "--metrics", "+stlpips", *common(data))  # a record gets no columns afterwards
    assert changed.code == 2
    assert "stlpips" in changed.err
    foreign = run_cli(
        "score", plain, "--out", tmp_path / "x", "--protocol", "probav", "--metrics", "+stlpips", *common(data)
    )
    assert foreign.code == 2
    assert "--metrics" in foreign.err


@pytest.mark.parametrize("text", ["+sharpness", "stlpips", "+stlpips,", "+stlpips +opensr"])
def test_an_unknown_name_is_a_usage_error_with_the_names(text: str, plain: Path, data: Path, tmp_path: Path) -> None:
    done = run_cli("evaluate", "bicubic", "--out", tmp_path / "new", "--metrics", text, *common(data))
    assert done.code == 2
    assert "--metrics" in done.err
    assert all(f"+{name}" in done.err for name in OPTIONAL)
    assert not (tmp_path / "new").exists()


def test_columns_are_the_same_evaluated_scored_again_and_in_shards(plain: Path, data: Path, tmp_path: Path) -> None:
    asked = [*common(data), "--metrics", "+stlpips,+spectral"]
    once = run_cli("score", plain, "--out", tmp_path / "again", *asked)
    assert once.code == 0, once.err
    for shard in ("1/2", "2/2"):
        assert run_cli("evaluate", "bicubic", "--out", tmp_path / "cut", "--shard", shard, *asked).code == 0
    merged = run_cli("merge", tmp_path / "cut", "--data", data, "--out", tmp_path / "merged")
    assert merged.code == 0, merged.err
    options = RunOptions(download=False, device="cpu", metrics=("+spectral", "stlpips"))
    record = evaluate("bicubic", data=data, out=tmp_path / "python", options=options)
    tables = {(tmp_path / name / "tiles.csv").read_bytes() for name in ("again", "merged", "python")}
    assert len(tables) == 1
    curves = {(tmp_path / name / SPECTRA).read_text(encoding="utf-8") for name in ("again", "merged", "python")}
    assert len(curves) == 1
    rows = list(csv.DictReader(io.StringIO(curves.pop())))
    assert {(row["tile"], row["curve"]) for row in rows} == {
        (tile, curve) for tile in load_result(plain).table.tiles for curve in CURVES
    }
    assert not (plain / SPECTRA).exists()
    for name in ("again", "merged", "python"):
        assert load_result(tmp_path / name).record.optional == record.optional
    values = load_result(tmp_path / "again").table.numbers
    assert np.array_equal(values["psnr"], load_result(plain).table.numbers["psnr"])
    assert (values["resolution_m"] > 5).all()
    assert (values["detail_energy"] > 0).all()
    assert set(record.optional) == {"stlpips", *OPTIONAL["spectral"].names}
    assert "detail_energy" not in record.scores["test"].micro
    assert (values["missed"] > 0.5).all()
    verified = run_cli("verify", tmp_path / "merged")
    assert verified.code == 0, verified.err
    (tmp_path / "merged" / SPECTRA).write_text("tile,curve\n", encoding="utf-8")
    spoiled = run_cli("verify", tmp_path / "merged")
    assert spoiled.code != 0
    assert SPECTRA in spoiled.out + spoiled.err
    if isinstance(load_stlpips(), Unavailable):
        assert np.isnan(values["stlpips"]).all()
        assert "worldstrat-bench[stlpips]" in record.nulls["stlpips"]
    else:
        assert (values["stlpips"] > 0).all()
        assert record.optional["stlpips"].startswith("1, stlpips-pytorch")
        assert record.scores["test"].micro["stlpips"].mean == pytest.approx(float(values["stlpips"].mean()), rel=1e-6)


def test_a_board_draws_the_column_only_where_it_has_values(plain: Path, data: Path, tmp_path: Path) -> None:
    if isinstance(load_stlpips(), Unavailable):
        pytest.skip("needs the extra stlpips")
    assert run_cli("score", plain, "--out", tmp_path / "run", "--metrics", "+stlpips", *common(data)).code == 0
    for name, run in (("with", tmp_path / "run"), ("without", plain)):
        done = run_cli("site", "build", run, "--out", tmp_path / name)
        assert done.code == 0, done.err
        pages = [page.read_text(encoding="utf-8") for page in (tmp_path / name).rglob("index.html")]
        assert any(">ST-LPIPS" in page for page in pages) == (name == "with")
        assert not any("rank_stlpips" in page for page in pages)
    tables = [path.read_text(encoding="utf-8") for path in (tmp_path / "with").rglob("*.csv")]
    heads = [next(csv.reader([table.splitlines()[0]])) for table in tables]
    assert any("stlpips" in head and "model" in head for head in heads)
    compared = run_cli("compare", tmp_path / "run", tmp_path / "run")
    assert "ST-LPIPS" in compared.out


def test_what_is_not_installed_is_null_and_said(plain: Path, data: Path, tmp_path: Path) -> None:
    done = run_cli("score", plain, "--out", tmp_path / "more", "--metrics", "+opensr", *common(data))
    assert done.code == 0, done.err
    found = load_result(tmp_path / "more")
    assert set(OPENSR) <= set(found.table.optional_metrics)
    assert set(found.record.optional) == set(OPENSR)
    if found.record.optional[OPENSR[0]] == "1, not computed":
        assert all(np.isnan(found.table.numbers[name]).all() for name in OPENSR)
        assert all("worldstrat-bench[opensr]" in found.record.nulls[name] for name in OPENSR)
        assert "no opensr" in done.err
    else:
        assert abs(sum(found.table.numbers[name][0] for name in OPENSR) - 1) < 1e-3
