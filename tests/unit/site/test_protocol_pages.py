"""The pages about a board's own protocol: studies of sensitivity, and what a decibel of another protocol is worth."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from factories import invented_facts, make_run
from worldstrat_bench.artefacts.record import ProtocolRef, Record, record_id
from worldstrat_bench.artefacts.sensitivity import Sensitivity
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.site import build
from worldstrat_bench.site import check as check_site
from worldstrat_bench.site.pages_exchange import sentence
from worldstrat_bench.stats.exchange import Rate

pytestmark = pytest.mark.not_quick  # a second or more for most of these

FACTS = invented_facts(40)
WSB = load_protocol("wsb-1")
GAINS = (("best", 2.0), ("good", 1.5), ("fair", 1.0), ("poor", 0.2))


def run(folder: Path, model: str, gain: float, **options: Any) -> Record:
    made = {"tiles": FACTS, "release": "mini", "list_name": "test", "spread_db": 0.2, **options}
    return make_run(folder, model=model, gain_db=gain, **made)


@pytest.fixture
def runs(tmp_path: Path) -> dict[str, Record]:
    """Four models under the official protocol."""
    return {name: run(tmp_path / "runs" / name, name, gain) for name, gain in GAINS}


def mean(record: Record) -> float:
    found = record.scores["test"].micro["psnr"].mean
    assert found is not None
    return found


def study(path: Path, records: dict[str, Record], change: Callable[[dict[str, Any]], None] | None = None) -> None:
    """A study in which the two best models change places under one border."""
    first = next(iter(records.values()))
    usual = [mean(record) for record in records.values()]
    document = {
        "schema_version": 1,
        "protocol": {"id": WSB.id, "sha256": WSB.sha256},
        "list": "test",
        "targets_sha256": first.dataset.targets_sha256,
        "harness_version": "1",
        "choices": [{"key": "border", "title": "border <b>, px", "usual": "20", "others": ["12", "32"]}],
        "models": [{"name": f"{name}<i>", "record_id": record.record_id} for name, record in records.items()],
        "variants": [
            {"changed": {}, "tiles": 40, "means": usual},
            {"changed": {"border": "12"}, "tiles": 40, "means": [usual[0] - 1, *usual[1:]]},
            {"changed": {"border": "32"}, "tiles": 0, "means": [], "reason": "no tile is left"},
        ],
    }
    if change is not None:
        change(document)
    path.mkdir(parents=True)
    (path / Sensitivity.FILE).write_text(json.dumps(document), encoding="utf-8")


def test_a_study_has_a_page_and_the_site_is_built_again_from_itself(tmp_path: Path, runs: dict[str, Record]) -> None:
    study(tmp_path / "study", runs)
    report = build([tmp_path / "runs", tmp_path / "study"], tmp_path / "site")
    assert not report.refused
    (page,) = (tmp_path / "site").glob("practice-*/sensitivity.html")
    text = page.read_text(encoding="utf-8")
    assert "good is ahead of best in 50 % of the variants, only under border &lt;b&gt;, px = 12" in text
    assert "<i>" not in text
    assert re.findall(r'<a href="m/(\w+)\.html">', text) == [name for name, _ in GAINS]
    assert "no tile is left" in text
    board = page.with_name("index.html").read_text(encoding="utf-8")
    assert re.search(r'href="[^"]*/sensitivity\.html"', board)
    assert check_site(tmp_path / "site").faults == ()


def test_boards_without_a_study_have_no_page(tmp_path: Path, runs: dict[str, Record]) -> None:
    assert runs
    build([tmp_path / "runs"], tmp_path / "site")
    assert not list((tmp_path / "site").rglob("sensitivity*"))
    assert not list((tmp_path / "site").rglob("exchange*"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda d: d["variants"][0]["means"].__setitem__(0, 40.0), "another mean under the protocol than its record"),
        (lambda d: d["models"][1].update(record_id="0" * 64), "not on one board"),
        (lambda d: d.update(list="full"), "not on one board"),
        (lambda d: d.update(targets_sha256="0" * 64), "not on one board"),
        (lambda d: d["protocol"].update(sha256="0" * 64), "not on one board"),
        (lambda d: d["variants"][0]["means"].pop(), "3 of 4 models"),
    ],
)
def test_a_study_that_is_not_of_these_runs_is_refused(
    tmp_path: Path, runs: dict[str, Record], change: Callable[[dict[str, Any]], None], why: str
) -> None:
    study(tmp_path / "study", runs, change)
    report = build([tmp_path / "runs", tmp_path / "study"], tmp_path / "site")
    ((source, reason),) = report.refused
    assert source == "study"
    assert why in reason
    assert not list((tmp_path / "site").rglob("sensitivity*"))
    assert why.split(",")[0] in (tmp_path / "site" / "data.html").read_text(encoding="utf-8")
    assert check_site(tmp_path / "site").faults == ()


def test_what_a_decibel_of_another_protocol_is_worth(tmp_path: Path, runs: dict[str, Record]) -> None:
    others = tmp_path / "others"
    records = {name: run(others / name, name, gain / 2, protocol="probav") for name, gain in GAINS}
    report = build([tmp_path / "runs", others], tmp_path / "site")
    assert not report.refused
    (page,) = (tmp_path / "site").glob("practice-wsb*/exchange.html")
    text = page.read_text(encoding="utf-8")
    (slope,) = re.findall(r"A difference of 1 dB under probav is ([\d.]+) ± [\d.]+ dB here", text)
    best, poor = (mean(runs[name]) - mean(records[name]) for name in ("best", "poor"))
    assert best - poor == pytest.approx(0.9, abs=0.2)
    assert float(slope) == pytest.approx(2.0, abs=0.25)
    assert not list((tmp_path / "site").glob("practice-probav*/exchange.html"))
    front = (tmp_path / "site" / "index.html").read_text(encoding="utf-8")
    assert "<h1>Practice board: mini, wsb-1</h1>" in front
    assert check_site(tmp_path / "site").faults == ()


def given_inputs_of_wsb(folder: Path) -> None:
    """Say in a record that its predictions were made for the official protocol, as scoring them again does."""
    record = Record.load(folder / "record.json")
    dataset = record.dataset.model_copy(update={"inputs_protocol": ProtocolRef(id=WSB.id, sha256=WSB.sha256)})
    changed = record.model_copy(update={"dataset": dataset})
    changed.model_copy(update={"record_id": record_id(changed.model_dump(mode="json"))}).save(folder / "record.json")


def test_predictions_that_rules_of_others_do_not_rank_are_compared_all_the_same(
    tmp_path: Path, runs: dict[str, Record]
) -> None:
    assert runs
    for name, gain in GAINS:
        run(tmp_path / "others" / name, name, gain / 2, protocol="worldstrat-2022")
        given_inputs_of_wsb(tmp_path / "others" / name)
    report = build([tmp_path / "runs", tmp_path / "others"], tmp_path / "site")
    assert len(report.apart) == len(GAINS)
    (page,) = (tmp_path / "site").glob("practice-wsb*/exchange.html")
    text = page.read_text(encoding="utf-8")
    assert "4 models, 40 tiles" in text
    assert "The board under" not in text
    assert check_site(tmp_path / "site").faults == ()


def test_sentences() -> None:
    rate = Rate(models=5, slope=1.234, intercept=0.0, slope_error=0.05, residual=0.2, gap=0.3)
    assert sentence(rate, 5, "probav").startswith("A difference of 1 dB under probav is 1.23 ± 0.05 dB here.")
    apart = Rate(models=5, slope=1.2, intercept=0.0, slope_error=0.05, residual=0.4, gap=0.3)
    assert sentence(apart, 5, "x").startswith("No conversion: the residual exceeds the median gap between neighbours.")
    assert sentence(None, 3, "x").startswith("No conversion: 3 models")
