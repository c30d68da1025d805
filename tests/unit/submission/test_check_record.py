"""A submission may hold a ``robustness.json``; what contradicts its record is named."""

from __future__ import annotations

import json
from pathlib import Path

from submission_factory import SLUG, add_record, make_submission, the_result
from worldstrat_bench.artefacts.record import load_record
from worldstrat_bench.artefacts.robustness import Robustness
from worldstrat_bench.stats.robustness import cloud_points, frames_point
from worldstrat_bench.submission.check import check
from worldstrat_bench.submission.results import add_run


def rules(folder: Path) -> list[str]:
    return [fault.rule for fault in check([folder]).faults if fault.severity == "error"]


def write_curves(result: Path) -> Robustness:
    record = load_record(result)
    made = Robustness(
        record_id=record.record_id,
        list="test",
        frames=(frames_point(record, "test"),),
        cloud=cloud_points(record, "test"),
    )
    (result / "robustness.json").write_text(made.dump(), encoding="utf-8")
    return made


def test_curves_of_the_record_are_accepted_and_others_are_not(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    result = the_result(folder)
    made = write_curves(result)
    assert rules(folder) == []
    path = result / "robustness.json"
    path.write_text(made.model_copy(update={"record_id": "a" * 64}).dump(), encoding="utf-8")
    assert rules(folder) == ["robustness"]
    path.write_text("{}", encoding="utf-8")
    assert rules(folder) == ["robustness"]
    path.write_text(json.dumps({**made.model_dump(mode="json"), "cloud": []}), encoding="utf-8")
    assert rules(folder) == ["robustness"]
    path.write_text(made.dump() + " " * 100_000, encoding="utf-8")
    assert rules(folder) == ["size"]


def test_curves_go_with_a_run_into_the_submission(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    run = the_result(folder)
    write_curves(run)
    copy = make_submission(tmp_path / "copy", record=False)
    target = add_run(run, copy)
    assert (target / "robustness.json").read_bytes() == (run / "robustness.json").read_bytes()


def test_records_on_real_and_on_synthetic_inputs_lie_beside_each_other(tmp_path: Path) -> None:
    folder = make_submission(tmp_path)
    add_record(folder, SLUG, inputs="synthetic", gain_db=2.0)
    places = sorted(path.name for path in (folder / "results" / "wsb-1").iterdir())
    assert len(places) == 2
    assert any("-synthetic-" in name for name in places)
    assert rules(folder) == []
