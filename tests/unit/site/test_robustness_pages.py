"""A model's page shows both kinds of inputs and the curves; no board ever mixes them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from factories import invented_facts, make_run
from site_scenes import write_verification
from worldstrat_bench.artefacts.record import ModelRef, Record
from worldstrat_bench.artefacts.robustness import Robustness, SyntheticGap
from worldstrat_bench.artefacts.tiles import parse_tiles
from worldstrat_bench.protocol import load_protocol
from worldstrat_bench.site import build
from worldstrat_bench.site import check as check_site
from worldstrat_bench.site.curves import Step, curve
from worldstrat_bench.site.robustness import SELF_REPORTED
from worldstrat_bench.stats.robustness import cloud_points, frames_point, synthetic_gaps

FACTS = invented_facts(30)


def run(folder: Path, model: str = "net", frames: int = 8, **options: Any) -> Record:
    reference = ModelRef(name=model, distribution=model, version="1", entry_point=f"{model}:load", frames=frames)
    options = {"tiles": FACTS, "release": "mini", "list_name": "test", **options}
    return make_run(folder, model=model, model_ref=reference, **options)


def page_of(site: Path, slug: str, prefix: str) -> str:
    (page,) = site.glob(f"{prefix}/m/{slug}.html")
    return page.read_text(encoding="utf-8")


def board_pages(site: Path) -> dict[str, str]:
    return {page.parent.name: page.read_text(encoding="utf-8") for page in site.glob("practice-*/index.html")}


def curves_beside(folder: Path, record: Record, *others: Record, synthetic: SyntheticGap | None = None) -> Robustness:
    made = Robustness(
        record_id=record.record_id,
        list="test",
        frames=tuple(frames_point(r, "test") for r in (*others, record)),
        cloud=cloud_points(record, "test"),
        synthetic=synthetic,
    )
    (folder / "robustness.json").write_text(made.dump(), encoding="utf-8")
    return made


def pages(site: Path) -> list[str]:
    return [p.read_text(encoding="utf-8") for p in sorted(site.rglob("m/net*.html"))]


def test_both_scores_of_a_model_stand_on_its_page_and_never_on_one_board(tmp_path: Path) -> None:
    runs, site = tmp_path / "runs", tmp_path / "site"
    run(runs / "real", gain_db=0.5)
    synthetic = run(runs / "synthetic", gain_db=2.5, seed=3, inputs="synthetic")
    run(runs / "other", model="other")
    report = build([runs], site)
    assert sorted(len(board.ranked) for board in report.boards) == [1, 2]  # two practice boards, kept apart
    assert not report.refused
    found = pages(site)
    assert len(found) == 2
    tables = [parse_tiles((runs / name / "tiles.csv").read_bytes()) for name in ("real", "synthetic")]
    gap = synthetic_gaps(tables[0], tables[1], load_protocol("wsb-1"))[0]
    for text in found:
        assert "Synthetic gap" in text
        block = text[text.index('id="synthetic"') : text.index('id="shifts"')]
        for value in (gap.real, gap.synthetic, gap.difference):
            assert f"{value:.2f}" in block
        assert "30 tiles in" in block
        assert "computed from the tiles of both runs" in block
    assert sum(synthetic.record_id[:12] in text[text.index('id="synthetic"') :][:4000] for text in found) >= 1
    others = [p.read_text(encoding="utf-8") for p in site.rglob("m/other.html")]
    assert others
    assert all("Synthetic gap" not in text for text in others)
    assert check_site(site).faults == ()


@pytest.mark.parametrize(
    "synthetic",
    [
        {"model": "another"},
        {"frames": 4},
        {"targets_sha256": "1" * 64},
        {"failed": {FACTS[2].tile: "crash"}},
        {"protocol": "worldstrat-2022"},
        {"limit": 20},
    ],
    ids=["model", "frames", "targets", "failed", "protocol", "limit"],
)
def test_runs_that_are_not_the_same_but_for_the_inputs_make_no_gap(tmp_path: Path, synthetic: dict[str, Any]) -> None:
    run(tmp_path / "runs" / "real")
    run(tmp_path / "runs" / "synthetic", inputs="synthetic", **synthetic)
    build([tmp_path / "runs"], tmp_path / "site")
    assert all("Synthetic gap" not in p.read_text(encoding="utf-8") for p in (tmp_path / "site").rglob("m/*.html"))


def test_curves_with_their_numbers_of_tiles(tmp_path: Path) -> None:
    runs, site = tmp_path / "runs", tmp_path / "site"
    record = run(runs / "net")
    below = [run(runs / "net" / "robustness" / f"frames-{n}", frames=n, seed=n) for n in (1, 2, 4)]
    other = run(runs / "net" / "robustness" / "synthetic", inputs="synthetic", gain_db=3.0)
    real = parse_tiles((runs / "net" / "tiles.csv").read_bytes())
    made = parse_tiles((runs / "net" / "robustness" / "synthetic" / "tiles.csv").read_bytes())
    gaps = synthetic_gaps(real, made, load_protocol("wsb-1"))
    curves_beside(runs / "net", record, *below, synthetic=SyntheticGap(record_id=other.record_id, gaps=gaps))
    run(runs / "other", model="other")
    report = build([runs], site)
    assert [len(board.ranked) for board in report.boards] == [2]  # the runs below are on no board
    assert not report.refused
    (text,) = pages(site)
    figure = text[text.index('id="curve-frames"') : text.index('id="curve-cloud"')]
    assert re.findall(r">n = (\d+)<", figure) == ["30"] * 4
    cloud = text[text.index('id="curve-cloud"') : text.index('id="shifts"')]
    assert sum(map(int, re.findall(r">n = (\d+)<", cloud))) == 30
    assert "as robustness.json beside the record states it" in text
    assert f"{gaps[0].difference:+.2f}" in text
    assert list(site.rglob("data/runs/net/robustness.json"))
    assert check_site(site).faults == ()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace('"record_id": "', '"record_id": "0', 1),
        lambda text: text[:200],
        lambda text: text.replace("0-5", "<b>"),
        lambda text: text.replace('"list": "test"', '"list": "full"'),
        lambda text: "\x00",
        lambda text: text + " " * 200_000,
    ],
    ids=["id", "cut", "stratum", "list", "binary", "large"],
)
def test_a_file_that_cannot_be_believed_is_not_shown(tmp_path: Path, spoil: Any) -> None:
    runs, site = tmp_path / "runs", tmp_path / "site"
    record = run(runs / "net")
    curves_beside(runs / "net", record)
    path = runs / "net" / "robustness.json"
    path.write_text(spoil(path.read_text(encoding="utf-8")), encoding="utf-8")
    build([runs], site)
    (text,) = pages(site)
    assert 'id="robustness"' not in text
    assert check_site(site).faults == ()


def test_a_metric_with_a_hostile_name_is_not_shown(tmp_path: Path) -> None:
    runs, site = tmp_path / "runs", tmp_path / "site"
    record = run(runs / "net")
    real = parse_tiles((runs / "net" / "tiles.csv").read_bytes())
    gap = synthetic_gaps(real, real, load_protocol("wsb-1"))[0].model_copy(update={"metric": "<script>x</script>"})
    curves_beside(runs / "net", record, synthetic=SyntheticGap(record_id="b" * 64, gaps=(gap,)))
    build([runs], site)
    (text,) = pages(site)
    assert "script&gt;x" not in text
    assert "<script>x" not in text
    assert 'id="robustness"' not in text
    assert check_site(site).faults == ()


def test_a_curve_has_gaps_where_there_is_no_value() -> None:
    svg = curve([Step("1", 3, 1.0, 0.5, 1.5), Step("2", 0, None), Step("4", 3, 3.0)], "a <b>", "x", "y")
    assert svg.count("<circle") == 2
    assert svg.count("n = ") == 3
    assert "a &lt;b&gt;" in svg
    assert curve([], "none", "x", "y").count("<circle") == 0


@pytest.mark.parametrize("verified", [("real",), ("synthetic",), ("real", "synthetic")], ids=" ".join)
def test_a_verified_run_is_compared_with_a_verified_one_alone(tmp_path: Path, verified: tuple[str, ...]) -> None:
    """Else the page of a verified model would show a gap that its authors wrote one side of."""
    runs, site = tmp_path / "runs", tmp_path / "site"
    for inputs in ("real", "synthetic"):
        record = run(runs / inputs, gain_db=0.5 if inputs == "real" else 2.5, inputs=inputs)
        if inputs in verified:
            write_verification(runs / inputs, record)
    build([runs], site)
    found = pages(site)
    assert len(found) == 2
    assert ["Synthetic gap" in text for text in found] == [len(verified) == 2] * 2


def test_no_verification_covers_what_other_runs_gave(tmp_path: Path) -> None:
    """The record is verified; the runs with fewer frames and on other inputs are points without a record."""
    runs, site = tmp_path / "runs", tmp_path / "site"
    record = run(runs / "net")
    write_verification(runs / "net", record)
    below = run(runs / "net" / "robustness" / "frames-4", frames=4, seed=4)
    synthetic = run(runs / "net" / "robustness" / "synthetic", inputs="synthetic", gain_db=3.0)
    tables = [parse_tiles((runs / name / "tiles.csv").read_bytes()) for name in ("net", "net/robustness/synthetic")]
    gaps = synthetic_gaps(tables[0], tables[1], load_protocol("wsb-1"))
    curves_beside(runs / "net", record, below, synthetic=SyntheticGap(record_id=synthetic.record_id, gaps=gaps))
    build([runs], site)
    (text,) = pages(site)
    assert "✔ verified" in text
    frames = text[text.index('id="curve-frames"') : text.index('id="curve-cloud"')]
    cloud = text[text.index('id="curve-cloud"') : text.index('id="shifts"')]
    assert SELF_REPORTED in frames
    assert SELF_REPORTED not in cloud  # of the verified record itself, and checked against it
    gap = text[text.index('id="synthetic"') : text.index('id="robustness"')]
    assert "self-reported, as robustness.json beside the record states it" in gap
