"""A report that contradicts itself is refused, whoever sends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from factories import invented_facts, make_run
from site_scenes import write_speed, write_verification
from worldstrat_bench.artefacts.record import Record
from worldstrat_bench.artefacts.speed import SpeedReport
from worldstrat_bench.cli.speed import print_report
from worldstrat_bench.errors import InvalidArtefactError
from worldstrat_bench.site import build
from worldstrat_bench.site import check as check_site


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Record]:
    folder = tmp_path / "run"
    return folder, make_run(folder, tiles=invented_facts(20), release="mini", list_name="test")


def stated(run: tuple[Path, Record], rate: float = 12.5) -> dict[str, Any]:
    write_speed(*run, rate)
    document: dict[str, Any] = json.loads((run[0] / "speed.json").read_text(encoding="utf-8"))
    return document


TIMING: list[tuple[dict[str, Any], str]] = [
    ({"reasons": ["made up"]}, "VALID has no reasons"),
    ({"verdict": "INVALID"}, "INVALID has some"),
    ({"call_ms": -5}, "call_ms"),
    ({"latency_p50_ms": 5}, "an offline one has none"),
    ({"scenario": "single"}, "three percentiles"),
    ({"scenario": "single", "latency_p50_ms": 3, "latency_p90_ms": 1, "latency_p99_ms": 4}, "not in order"),
    ({"transfer_ms": 0}, "transfer_ms"),
    ({"repeat_medians_ms": [180.0, 200.0, 220.0]}, "the repeats differ by more than 5%"),
    ({"repeat_medians_ms": [100.0]}, "not among the medians"),
    ({"run_tile_ms": 700.0}, "a tile took far longer in the run"),
    ({"tiles_per_second": 9}, "does not follow from batch"),
    ({"output_megapixels_per_second": 9}, "does not follow from tiles_per_second"),
    ({"km2_per_second": 9e9}, "m wide"),
    ({"km2_per_second": 1e308}, "km2_per_second"),
    ({"km2_per_second": 5e-324}, "km2_per_second"),
    ({"times_reference": 0}, "times_reference"),
]
REPORT: list[tuple[dict[str, Any], str]] = [
    ({"compared_tiles": 0}, "compared_tiles is 0"),
    ({"device": {"type": "cpu", "name": "a", "device_class": "H100-80GB"}}, "device_class"),
]


@pytest.mark.parametrize(("changes", "words"), TIMING)
def test_figures_that_contradict_each_other(run: tuple[Path, Record], changes: dict[str, Any], words: str) -> None:
    document = stated(run)
    document["timings"][0].update(changes)
    with pytest.raises(InvalidArtefactError, match=words):
        SpeedReport.parse(json.dumps(document).encode())


@pytest.mark.parametrize(("changes", "words"), REPORT)
def test_a_report_beside_a_record(run: tuple[Path, Record], changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidArtefactError, match=words):
        SpeedReport.parse(json.dumps({**stated(run), **changes}).encode())


def test_a_speed_is_of_one_record_and_its_model(run: tuple[Path, Record]) -> None:
    stated(run)
    report = SpeedReport.load(run[0] / "speed.json")
    assert report.is_of(run[1])
    assert not report.model_copy(update={"record_id": None}).is_of(run[1])
    assert not report.model_copy(update={"model": "another"}).is_of(run[1])


@pytest.mark.parametrize("rate", [1e-6, 1e7])
def test_a_page_can_draw_what_passes(run: tuple[Path, Record], tmp_path: Path, rate: float) -> None:
    stated(run, rate)
    build([run[0]], tmp_path / "site")
    assert "H100-80GB" in (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert check_site(tmp_path / "site").faults == ()


def test_the_table_fits_into_a_terminal(
    run: tuple[Path, Record], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    document = stated(run, 1316.0)
    single = {"scenario": "single", "latency_p50_ms": 1.5, "latency_p90_ms": 15.25, "latency_p99_ms": 1525.0}
    document["timings"].append({**document["timings"][0], **single})
    print_report(SpeedReport.parse(json.dumps(document).encode()))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert not any("…" in line or "e+" in line for line in lines)
    (p99,) = (line.split() for line in lines if "p99" in line)
    assert p99 == ["p99", "ms", "–", "1520"]


def test_a_report_of_the_first_schema_is_refused_with_what_to_do(run: tuple[Path, Record]) -> None:
    with pytest.raises(InvalidArtefactError, match=r"schema version 1.*worldstrat-bench speed MODEL --data DIR --out"):
        SpeedReport.parse(json.dumps({**stated(run), "schema_version": 1}).encode())
    for odd in (b"[1]", b"{", b"[" * 100_000, json.dumps({**stated(run), "schema_version": 3}).encode()):
        with pytest.raises(InvalidArtefactError, match="not a valid speed report"):
            SpeedReport.parse(odd)


@pytest.mark.parametrize("verified", [False, True])
def test_the_page_says_what_was_timed_where_and_by_whom(
    run: tuple[Path, Record], tmp_path: Path, verified: bool
) -> None:
    stated(run, 1316.0)
    if verified:
        write_verification(*run)
    build([run[0]], tmp_path / "site")
    board = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    (model,) = (tmp_path / "site").glob("**/m/*.html")
    page = model.read_text(encoding="utf-8")
    assert "1320 km²/s" in page
    assert "on H100-80GB (H100-80GB)" in page
    assert "0.170 ms a tile to the device" in page
    assert "The worker that runs the model is untrusted and reports its own times" in page
    assert "e+03" not in page
    assert "valid; self-reported" in page, "verifying a record does not time it again"
    assert "1320<small>self-reported</small>" in board
    assert "PSNR against speed on H100-80GB" in board


def test_the_page_says_once_why_a_scenario_is_invalid(run: tuple[Path, Record], tmp_path: Path) -> None:
    latencies = {"latency_p50_ms": 1.0, "latency_p90_ms": 2.0, "latency_p99_ms": 3.0}
    report = stated(run, 1316.0)
    reasons = ["the repeats differ by 26%", "the machine changes within a second, " + 300 * "x"]
    (timing,) = report["timings"]
    doubted = {**timing, "scenario": "single", **latencies, "verdict": "INVALID", "reasons": reasons}
    (run[0] / "speed.json").write_text(json.dumps({**report, "timings": [doubted]}), encoding="utf-8")
    build([run[0]], tmp_path / "site")
    (model,) = (tmp_path / "site").glob("**/m/*.html")
    page = model.read_text(encoding="utf-8")
    assert page.count("the repeats differ by 26%") == 1
    assert "; ".join(reasons) in page, "not cut off in the middle"
    assert "Why single is invalid" in page
    assert "p99 3.00 ms, on H100-80GB" in page


def test_a_speed_of_single_tiles_says_so_and_is_not_drawn_among_batches(
    run: tuple[Path, Record], tmp_path: Path
) -> None:
    latencies = {"latency_p50_ms": 1.0, "latency_p90_ms": 2.0, "latency_p99_ms": 3.0}
    report = stated(run, 1316.0)
    (timing,) = report["timings"]
    single = {**report, "timings": [{**timing, "scenario": "single", **latencies}]}
    (run[0] / "speed.json").write_text(json.dumps(single), encoding="utf-8")
    build([run[0]], tmp_path / "site")
    board = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "1320<small>single tiles, self-reported</small>" in board
    assert "against speed on" not in board
