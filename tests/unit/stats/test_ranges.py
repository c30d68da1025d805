"""Intervals of means end where their values do, wherever they are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from factories import make_run
from worldstrat_bench.artefacts.record import Summary
from worldstrat_bench.cli.summary import print_summary
from worldstrat_bench.measures import MEASURES
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.stats.ranges import RANGES, within_range
from worldstrat_bench.stats.ranking import drawn_interval


@pytest.mark.parametrize(
    ("metric", "given", "shown"),
    [
        ("clipped", (-0.0001, 0.0003), (0.0, 0.0003)),
        ("coverage_95", (0.93, 1.02), (0.93, 1.0)),
        ("ause", (-0.2, 0.3), (0.0, 0.3)),
        ("rmse", (-0.01, 0.02), (0.0, 0.02)),
        ("ssim", (0.9, 1.1), (0.9, 1.0)),
        ("gain", (-0.2, 0.1), (-0.2, 0.1)),
        ("of_a_plugin", (-1.0, 2.0), (-1.0, 2.0)),
    ],
)
def test_an_interval_ends_where_the_values_do(
    metric: str, given: tuple[float, float], shown: tuple[float, float]
) -> None:
    rules = load_protocol("wsb-1").aggregation
    summary = Summary(n=40, effective_groups=40.0, mean=sum(shown) / 2, ci_low=given[0], ci_high=given[1])
    assert within_range(metric, *given) == shown
    assert drawn_interval(summary, rules, metric) == shown


def test_every_share_has_a_range() -> None:
    texts = {m.name: m.explanation.lower() for m in MEASURES.values()}
    shares = {name for name, text in texts.items() if text.startswith("share") or "a share," in text}
    assert {"clipped", "coverage_68", "opensr_omission", "missed"} <= shares <= set(RANGES)


def test_the_terminal_shows_no_negative_share(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = make_run(tmp_path, tiles=24, release="mini", list_name="test", official=False)
    scores = record.scores["test"]
    low = scores.micro["clipped"].model_copy(update={"mean": 0.0001, "ci_low": -0.0001, "ci_high": 0.0003})
    changed = scores.model_copy(update={"micro": {**scores.micro, "clipped": low}})
    print_summary(record.model_copy(update={"scores": {"test": changed}}), tmp_path)
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("Clipped"))
    assert line.split() == ["Clipped", "0.0001", "0.0000", "..", "0.0003"]
